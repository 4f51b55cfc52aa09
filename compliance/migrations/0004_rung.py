"""Rung: the ladder of knowledge as rows; what findings on record had as columns is carried over."""

from typing import Any

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

COLUMNS = {
    "suspicion": "suspicion_at",
    "reasonable_belief": "belief_at",
    "actual_knowledge": "actual_at",
}
RUNGS = [
    ("suspicion", "Suspicion"),
    ("reasonable_belief", "Reasonable Belief"),
    ("actual_knowledge", "Actual Knowledge"),
    ("refuted", "Refuted"),
]


def carry_over(apps: Any, schema_editor: Any) -> None:
    """Write a row for each rung of each finding, by the person and at the time of its record."""
    kept = schema_editor.connection.alias
    rungs = apps.get_model("compliance", "Rung").objects.using(kept)
    for finding in apps.get_model("compliance", "Finding").objects.using(kept):
        for name, column in COLUMNS.items():
            if getattr(finding, column):
                rungs.create(
                    finding=finding,
                    rung=name,
                    reached_at=getattr(finding, column),
                    basis="The statement of the finding.",
                    recorded_at=finding.recorded_at,
                    recorded_by_id=finding.recorded_by_id,
                )


class Migration(migrations.Migration):
    dependencies = [("compliance", "0003_finding_contributors")]

    operations = [
        migrations.CreateModel(
            name="Rung",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("rung", models.CharField(choices=RUNGS, max_length=20)),
                ("reached_at", models.DateTimeField()),
                ("basis", models.TextField(help_text="What the judgement rests on.")),
                ("recorded_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "finding",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rungs",
                        to="compliance.finding",
                    ),
                ),
                (
                    "recorded_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "default_permissions": ["view"],
                "constraints": [
                    models.UniqueConstraint(fields=("finding", "rung"), name="rung_reached_once")
                ],
            },
        ),
        migrations.RunPython(carry_over),
    ]
