"""What was published stays as it was: its table is only ever added to."""

from importlib import import_module
from typing import Any

from django.db import migrations, models

laid_first = import_module("compliance.migrations.0002_append_only")

TABLES = {"compliance_transparencyreport": "id = NEW.id OR half = NEW.half"}


def lay(apps: Any, schema_editor: Any) -> None:
    """Lay the triggers."""
    for statement in laid_first.statements(schema_editor.connection.vendor, TABLES):
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0013_subject_requests"),
    ]

    operations = [
        migrations.CreateModel(
            name="TransparencyReport",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("half", models.CharField(max_length=7, unique=True)),
                (
                    "figures",
                    models.JSONField(help_text="By table: cells and total; null is suppressed."),
                ),
                ("made_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["half"],
                "default_permissions": ["view"],
            },
        ),
        migrations.RunPython(lay),
    ]
