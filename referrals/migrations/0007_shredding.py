"""Shredding: what two people end, and the certificate of it."""

import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import referrals.shredding


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0015_key_encryption_keys"),
        ("referrals", "0006_filings"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Shredding",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "number",
                    models.CharField(
                        default=referrals.shredding.shredding_number, max_length=12, unique=True
                    ),
                ),
                ("period", models.CharField(blank=True, max_length=10)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("proposed", "Proposed"),
                            ("approved", "Approved"),
                            ("rejected", "Rejected"),
                            ("shredded", "Shredded"),
                        ],
                        default="proposed",
                        max_length=12,
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1)),
                (
                    "remains",
                    models.JSONField(default=list, help_text="What was shredded: ids and digests."),
                ),
                ("certificate", models.TextField(blank=True)),
                ("signature", models.TextField(blank=True)),
                ("proposed_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("proposed_because", models.TextField()),
                ("approved_at", models.DateTimeField(null=True)),
                ("rejected_at", models.DateTimeField(null=True)),
                ("rejected_because", models.TextField(blank=True)),
                ("shredded_at", models.DateTimeField(null=True)),
                (
                    "approved_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="compliance.item",
                    ),
                ),
                (
                    "proposed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "rejected_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-proposed_at", "-id"],
                "default_permissions": ["view"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("item__isnull", True), models.Q(("period", ""), _negated=True)
                            ),
                            models.Q(("item__isnull", False), ("period", "")),
                            _connector="OR",
                        ),
                        name="shredding_is_of_an_item_or_a_period",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("approved_at__isnull", False), ("approved_by__isnull", False)
                            ),
                            models.Q(
                                ("approved_at__isnull", True),
                                ("approved_by__isnull", True),
                                models.Q(("state", "approved"), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="shredding_approved_is_stamped",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("rejected_at__isnull", False), ("rejected_by__isnull", False)
                            ),
                            models.Q(
                                ("rejected_at__isnull", True),
                                ("rejected_by__isnull", True),
                                models.Q(("state", "rejected"), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="shredding_rejected_is_stamped",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("shredded_at__isnull", False),
                            models.Q(
                                ("shredded_at__isnull", True),
                                models.Q(("state", "shredded"), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="shredding_shredded_is_stamped",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("approved_by__isnull", True),
                            models.Q(("approved_by", models.F("proposed_by")), _negated=True),
                            _connector="OR",
                        ),
                        name="shredding_approved_by_a_second_person",
                    ),
                ],
            },
        ),
    ]
