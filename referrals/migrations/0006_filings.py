"""Filings: supplements, corrections and retractions beside the initial referral."""

import uuid
from typing import Any

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


def fill_in(apps: Any, schema_editor: Any) -> None:
    """Let whoever signed for a referral own it."""
    referrals = apps.get_model("referrals", "Referral").objects.using(
        schema_editor.connection.alias
    )
    for referral in referrals.select_related("obligation__determination"):
        referral.owner_id = referral.obligation.determination.signed_by_id
        referral.save(update_fields=["owner"])


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0018_overturnings"),
        ("referrals", "0005_routes"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Retraction",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("proposed", "Proposed"), ("signed", "Signed")],
                        default="proposed",
                        max_length=12,
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1)),
                (
                    "erase",
                    models.JSONField(
                        help_text="The classes of data that it got, all to be erased there."
                    ),
                ),
                ("due_at", models.DateTimeField()),
                ("proposed_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("signed_at", models.DateTimeField(null=True)),
                ("signed_because", models.TextField(blank=True)),
            ],
            options={
                "ordering": ["due_at", "id"],
                "default_permissions": ["view"],
            },
        ),
        migrations.RemoveConstraint(
            model_name="referral",
            name="referral_withdrawn_is_stamped",
        ),
        migrations.AddField(
            model_name="bundle",
            name="revoked_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="referral",
            name="filing_type",
            field=models.CharField(
                choices=[
                    ("initial", "Initial"),
                    ("supplement", "Supplement"),
                    ("correction", "Correction"),
                    ("retraction", "Retraction"),
                ],
                default="initial",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="referral",
            name="owner",
            field=models.ForeignKey(
                help_text="Who sees to it.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="referral",
            name="prior_referrals",
            field=models.ManyToManyField(related_name="later_referrals", to="referrals.referral"),
        ),
        migrations.AddField(
            model_name="sealedheader",
            name="revoked_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name="referral",
            name="obligation",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="compliance.obligation",
            ),
        ),
        migrations.AddConstraint(
            model_name="referral",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("withdrawn_at__isnull", False), ("withdrawn_by__isnull", False)),
                    models.Q(
                        ("withdrawn_at__isnull", False),
                        ("withdrawn_because", "The finding was overturned."),
                    ),
                    models.Q(
                        ("withdrawn_at__isnull", True),
                        ("withdrawn_by__isnull", True),
                        models.Q(("state", "withdrawn"), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="referral_withdrawn_is_stamped",
            ),
        ),
        migrations.AddConstraint(
            model_name="referral",
            constraint=models.UniqueConstraint(
                condition=models.Q(("filing_type", "retraction"), _negated=True),
                fields=("obligation",),
                name="obligation_referred_once",
            ),
        ),
        migrations.AddField(
            model_name="retraction",
            name="agency",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="referrals.agency"
            ),
        ),
        migrations.AddField(
            model_name="retraction",
            name="overturning",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="compliance.overturning",
            ),
        ),
        migrations.AddField(
            model_name="retraction",
            name="referral",
            field=models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="retraction",
                to="referrals.referral",
            ),
        ),
        migrations.AddField(
            model_name="retraction",
            name="signed_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddConstraint(
            model_name="retraction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("signed_at__isnull", False), ("signed_by__isnull", False)),
                    models.Q(
                        ("signed_at__isnull", True),
                        ("signed_by__isnull", True),
                        models.Q(("state", "signed"), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="retraction_signed_is_stamped",
            ),
        ),
        migrations.AddConstraint(
            model_name="retraction",
            constraint=models.UniqueConstraint(
                fields=("overturning", "agency"), name="an_agency_is_told_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="retraction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("referral__isnull", True), ("state", "signed"), _connector="OR"
                ),
                name="retraction_is_signed_before_it_is_entered",
            ),
        ),
        migrations.RunPython(fill_in),
    ]
