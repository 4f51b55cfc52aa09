"""The ladder of knowledge is its rows alone, and these are only ever added to."""

from importlib import import_module
from typing import Any

from django.db import migrations, models

laid_first = import_module("compliance.migrations.0002_append_only")
RUNGS = import_module("compliance.migrations.0004_rung").RUNGS

TABLES = {
    "compliance_rung": "id = NEW.id OR (finding_id = NEW.finding_id AND rung = NEW.rung)",
}


def lay(apps: Any, schema_editor: Any) -> None:
    """Lay the triggers."""
    for statement in laid_first.statements(schema_editor.connection.vendor, TABLES):
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("compliance", "0004_rung")]

    operations = [
        migrations.RemoveField("finding", "suspicion_at"),
        migrations.RemoveField("finding", "belief_at"),
        migrations.RemoveField("finding", "actual_at"),
        migrations.AlterField(
            "finding",
            "knowledge",
            models.CharField(
                choices=RUNGS, max_length=20, help_text="The top of the ladder, repeated for lists."
            ),
        ),
        migrations.RunPython(lay),
    ]
