"""Decisions: counsel decides on each report and on each conflict, with a reason of its own."""

import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Q

PROTECT = django.db.models.deletion.PROTECT
RESOLUTIONS = [("withhold", "They stay here"), ("release", "They go: the bar does not bite")]


class Migration(migrations.Migration):
    dependencies = [("compliance", "0006_superseding")]

    operations = [
        migrations.AddField("obligation", "is_accepted", models.BooleanField(default=True)),
        migrations.AddField(
            "obligation",
            "reason",
            models.TextField(default="", help_text="Why counsel decided so."),
            preserve_default=False,
        ),
        migrations.CreateModel(
            name="ConflictDecision",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("conflict_id", models.CharField(db_index=True, max_length=64)),
                (
                    "terms",
                    models.JSONField(help_text="To whom, which classes, which duties, which bars."),
                ),
                ("resolution", models.CharField(choices=RESOLUTIONS, max_length=12)),
                ("because", models.TextField()),
                ("citation", models.CharField(blank=True, max_length=500)),
                ("decided_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("approved_at", models.DateTimeField(null=True)),
                (
                    "finding",
                    models.ForeignKey(
                        on_delete=PROTECT,
                        related_name="conflict_decisions",
                        to="compliance.finding",
                    ),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        on_delete=PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "approved_by",
                    models.ForeignKey(
                        null=True, on_delete=PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "ordering": ["-decided_at", "-id"],
                "default_permissions": ["view"],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(approved_by__isnull=True) | ~Q(approved_by=F("decided_by")),
                        name="conflict_approved_by_a_second_person",
                    ),
                    models.CheckConstraint(
                        condition=Q(approved_at__isnull=True, approved_by__isnull=True)
                        | Q(approved_at__isnull=False, approved_by__isnull=False),
                        name="conflict_approval_is_stamped",
                    ),
                    models.CheckConstraint(
                        condition=Q(resolution="withhold") | ~Q(citation=""),
                        name="conflict_release_is_cited",
                    ),
                ],
            },
        ),
    ]
