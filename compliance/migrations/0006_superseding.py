"""Superseding: a finding has many determinations; each says under which inputs it still holds."""

import uuid
from typing import Any

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, OuterRef, Q, Subquery

STATES = [
    ("proposed", "Proposed"),
    ("signed", "Signed"),
    ("declined", "Declined"),
    ("superseded", "Superseded"),
]
PROTECT = django.db.models.deletion.PROTECT
CHECKED_VERSION: dict[str, Any] = {"help_text": "Of the finding."}
CHECKED_RELEASE: dict[str, Any] = {
    "on_delete": PROTECT,
    "related_name": "+",
    "to": "compliance.release",
}


def fill_in(apps: Any, schema_editor: Any) -> None:
    """Let each determination hold under what it was made of; of its profile nothing is known."""
    kept = schema_editor.connection.alias
    found = apps.get_model("compliance", "Finding").objects.using(kept)
    apps.get_model("compliance", "Determination").objects.using(kept).update(
        checked_at=F("proposed_at"),
        checked_release=F("release"),
        checked_version=Subquery(found.filter(pk=OuterRef("finding")).values("version")),
    )
    obligations = apps.get_model("compliance", "Obligation").objects.using(kept)
    for obligation in obligations.all():  # a default is asked once for all rows
        obligations.filter(pk=obligation.pk).update(chain=uuid.uuid4())


def one_a_finding(name: str, **which: Any) -> migrations.AddConstraint:
    """Return the constraint that a finding has one such determination at most."""
    return migrations.AddConstraint(
        "determination",
        models.UniqueConstraint(fields=["finding"], condition=Q(**which), name=name),
    )


class Migration(migrations.Migration):
    dependencies = [("compliance", "0005_append_only_ladder")]

    operations = [
        migrations.AlterField(
            "determination",
            "finding",
            models.ForeignKey(
                on_delete=PROTECT, related_name="determinations", to="compliance.finding"
            ),
        ),
        migrations.AlterField(
            "determination",
            "state",
            models.CharField(choices=STATES, default="proposed", max_length=12),
        ),
        migrations.AddField(
            "determination",
            "supersedes",
            models.ForeignKey(
                null=True, on_delete=PROTECT, related_name="+", to="compliance.determination"
            ),
        ),
        migrations.AddField("determination", "superseded_at", models.DateTimeField(null=True)),
        migrations.AddField(
            "determination",
            "is_newest",
            models.BooleanField(default=True, help_text="Of those that are not superseded."),
        ),
        migrations.AddField("determination", "checks", models.PositiveIntegerField(default=0)),
        migrations.AddField("determination", "checked_at", models.DateTimeField(null=True)),
        migrations.AddField(
            "determination",
            "checked_version",
            models.PositiveIntegerField(null=True, **CHECKED_VERSION),
        ),
        migrations.AddField(
            "determination", "checked_release", models.ForeignKey(null=True, **CHECKED_RELEASE)
        ),
        migrations.AddField(
            "determination",
            "checked_profile",
            models.ForeignKey(
                null=True, on_delete=PROTECT, related_name="+", to="compliance.providerprofile"
            ),
        ),
        migrations.AddField(
            "determination",
            "review_at",
            models.DateTimeField(null=True, help_text="When time alone may change the answer."),
        ),
        migrations.AddField(
            "obligation",
            "continues",
            models.ForeignKey(
                null=True, on_delete=PROTECT, related_name="+", to="compliance.obligation"
            ),
        ),
        migrations.AddField(
            "obligation",
            "chain",
            models.UUIDField(db_index=True, default=uuid.uuid4, editable=False),
        ),
        migrations.RunPython(fill_in),
        migrations.AlterField("determination", "checked_at", models.DateTimeField()),
        migrations.AlterField(
            "determination", "checked_version", models.PositiveIntegerField(**CHECKED_VERSION)
        ),
        migrations.AlterField(
            "determination", "checked_release", models.ForeignKey(**CHECKED_RELEASE)
        ),
        migrations.AddConstraint(
            "determination",
            models.CheckConstraint(
                condition=Q(superseded_at__isnull=False)
                | Q(superseded_at__isnull=True) & ~Q(state="superseded"),
                name="determination_superseded_is_stamped",
            ),
        ),
        one_a_finding("determination_signed_once", state="signed"),
        one_a_finding("determination_proposed_once", state="proposed"),
        one_a_finding("determination_newest_once", is_newest=True),
    ]
