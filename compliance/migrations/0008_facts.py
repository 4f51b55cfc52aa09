"""Facts: how sure, why, instead of which; a profile counts from an instant on. Added to only."""

from importlib import import_module
from typing import Any

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F

laid_first = import_module("compliance.migrations.0002_append_only")

TABLES = {"compliance_factassertion": "id = NEW.id"}
CONFIDENCE = [
    ("1", "not in doubt"),
    ("2", "known to the source itself, not to us"),
    ("3", "hearsay that other information corroborates"),
    ("4", "hearsay that nothing corroborates yet"),
]


def from_the_signature(apps: Any, schema_editor: Any) -> None:
    """Let each signed profile count from its signature on, as it did."""
    kept = schema_editor.connection.alias
    signed = apps.get_model("compliance", "ProviderProfile").objects.using(kept)
    signed.filter(signed_at__isnull=False).update(effective_from=F("signed_at"))


def lay(apps: Any, schema_editor: Any) -> None:
    """Lay the triggers."""
    for statement in laid_first.statements(schema_editor.connection.vendor, TABLES):
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("compliance", "0007_decisions")]

    operations = [
        migrations.AddField(
            "factassertion",
            "confidence",
            models.CharField(choices=CONFIDENCE, default="4", max_length=1),
        ),
        migrations.AddField(
            "factassertion",
            "reason",
            models.TextField(blank=True, default="", help_text="Why so; a judgement has one."),
            preserve_default=False,
        ),
        migrations.AddField(
            "factassertion",
            "supersedes",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="compliance.factassertion",
            ),
        ),
        migrations.AddField(
            "providerprofile",
            "effective_from",
            models.DateTimeField(null=True, help_text="Empty: from the signature on."),
        ),
        migrations.RunPython(from_the_signature),
        migrations.RunPython(lay),
    ]
