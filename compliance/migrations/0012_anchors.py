"""Anchors: what witnesses cosigned and an authority stamped. Added to only."""

from importlib import import_module
from typing import Any

import django.db.models.deletion
from django.db import migrations, models

laid_first = import_module("compliance.migrations.0002_append_only")

TABLES = {
    "compliance_auditcosignature": (
        "id = NEW.id OR (checkpoint_id = NEW.checkpoint_id AND witness = NEW.witness)"
    ),
    "compliance_audittimestamp": "id = NEW.id OR checkpoint_id = NEW.checkpoint_id",
}


def lay(apps: Any, schema_editor: Any) -> None:
    """Lay the triggers."""
    for statement in laid_first.statements(schema_editor.connection.vendor, TABLES):
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("compliance", "0011_item_record")]

    operations = [
        migrations.CreateModel(
            "AuditCosignature",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("witness", models.CharField(max_length=200)),
                ("line", models.TextField()),
                (
                    "checkpoint",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="cosignatures",
                        to="compliance.auditcheckpoint",
                    ),
                ),
            ],
            options={"ordering": ["witness"], "default_permissions": ()},
        ),
        migrations.CreateModel(
            "AuditTimestamp",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("token", models.BinaryField()),
                ("stamped_at", models.DateTimeField()),
                (
                    "checkpoint",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="timestamp",
                        to="compliance.auditcheckpoint",
                    ),
                ),
            ],
            options={"default_permissions": ()},
        ),
        migrations.AddConstraint(
            "auditcosignature",
            models.UniqueConstraint(
                fields=("witness", "checkpoint"), name="witness_cosigns_a_state_once"
            ),
        ),
        migrations.RunPython(lay),
    ]
