"""Versions of bundles, and the legal processes that make new ones. A version on record stays.

Triggers stop SQL from changing or removing one. Its layout alone may go, with the evidence.
On SQLite a later migration that alters the table of bundles ends with `lay` again.
"""

import uuid
from typing import Any

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

TABLE = "referrals_bundle"
KEPT = (
    "id",
    "referral_id",
    "version",
    "because",
    "agency_key_id",
    "size",
    "sha256",
    "manifest_sha256",
    "made_at",
)
CHANGED = " OR ".join(f"NEW.{column} <> OLD.{column}" for column in KEPT)
SAME = "id = NEW.id OR (referral_id = NEW.referral_id AND version = NEW.version)"
REFUSAL = "a bundle on record is never changed"

FUNCTION = f"""
CREATE OR REPLACE FUNCTION bundles_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'restrict_violation'; END $$
"""


def statements(vendor: str) -> list[str]:
    """Return the SQL that lays the triggers on a database of this vendor."""
    if vendor == "postgresql":
        act = "EXECUTE FUNCTION bundles_stay()"
        update = f"BEFORE UPDATE ON {TABLE} FOR EACH ROW WHEN ({CHANGED})"
        return [
            FUNCTION,
            f"CREATE TRIGGER {TABLE}_update {update} {act}",
            f"CREATE TRIGGER {TABLE}_delete BEFORE DELETE ON {TABLE} FOR EACH ROW {act}",
            f"CREATE TRIGGER {TABLE}_all BEFORE TRUNCATE ON {TABLE} FOR EACH STATEMENT {act}",
        ]
    act = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    # INSERT OR REPLACE deletes without asking a DELETE trigger, so it is asked here.
    there = f"EXISTS (SELECT 1 FROM {TABLE} WHERE {SAME})"  # noqa: S608
    return [
        f"CREATE TRIGGER {TABLE}_update BEFORE UPDATE ON {TABLE} WHEN {CHANGED} {act}",
        f"CREATE TRIGGER {TABLE}_delete BEFORE DELETE ON {TABLE} {act}",
        f"CREATE TRIGGER {TABLE}_replace BEFORE INSERT ON {TABLE} WHEN {there} {act}",
    ]


def lay(apps: Any, schema_editor: Any) -> None:
    """Lay the triggers."""
    for statement in statements(schema_editor.connection.vendor):
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0010_decided_law"),
        ("referrals", "0007_shredding"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="LegalProcess",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("consent", "consent"),
                            ("emergency", "emergency request"),
                            ("subpoena", "subpoena"),
                            ("order_2703d", "order under 18 U.S.C. 2703(d)"),
                            ("search_warrant", "search warrant"),
                            ("epoc", "European Production Order Certificate"),
                            ("mlat", "request for mutual legal assistance"),
                        ],
                        max_length=20,
                    ),
                ),
                ("reference", models.CharField(max_length=200)),
                ("issued_by", models.CharField(max_length=200)),
                ("received_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("recorded", "Recorded"),
                            ("approved", "Approved"),
                            ("refused", "Refused"),
                            ("answered", "Answered"),
                        ],
                        default="recorded",
                        max_length=12,
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1)),
                ("recorded_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("approved_at", models.DateTimeField(null=True)),
                ("approved_because", models.TextField(blank=True)),
                ("refused_at", models.DateTimeField(null=True)),
                ("refused_because", models.TextField(blank=True)),
                ("answered_at", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name_plural": "legal processes",
                "ordering": ["-recorded_at", "-id"],
                "default_permissions": ["view"],
            },
        ),
        migrations.AlterModelOptions(
            name="bundle",
            options={"default_permissions": ["view"], "ordering": ["referral", "-version"]},
        ),
        migrations.AddField(
            model_name="bundle",
            name="because",
            field=models.CharField(
                choices=[
                    ("first", "first sealing"),
                    ("agency_key", "another key of the agency"),
                    ("legal_process", "legal process"),
                ],
                default="first",
                max_length=20,
            ),
        ),
        migrations.AddField(
            model_name="bundle",
            name="version",
            field=models.PositiveIntegerField(default=1),
        ),
        migrations.AlterField(
            model_name="bundle",
            name="referral",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="bundles",
                to="referrals.referral",
            ),
        ),
        migrations.AddConstraint(
            model_name="bundle",
            constraint=models.UniqueConstraint(
                fields=("referral", "version"), name="one_bundle_a_version"
            ),
        ),
        migrations.AddField(
            model_name="legalprocess",
            name="approved_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="legalprocess",
            name="items",
            field=models.ManyToManyField(related_name="+", to="compliance.item"),
        ),
        migrations.AddField(
            model_name="legalprocess",
            name="recorded_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="legalprocess",
            name="referral",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="processes",
                to="referrals.referral",
            ),
        ),
        migrations.AddField(
            model_name="legalprocess",
            name="refused_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddConstraint(
            model_name="legalprocess",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("approved_at__isnull", False), ("approved_by__isnull", False)),
                    models.Q(
                        ("approved_at__isnull", True),
                        ("approved_by__isnull", True),
                        models.Q(("state", "approved"), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="legalprocess_approved_is_stamped",
            ),
        ),
        migrations.AddConstraint(
            model_name="legalprocess",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("refused_at__isnull", False), ("refused_by__isnull", False)),
                    models.Q(
                        ("refused_at__isnull", True),
                        ("refused_by__isnull", True),
                        models.Q(("state", "refused"), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="legalprocess_refused_is_stamped",
            ),
        ),
        migrations.AddConstraint(
            model_name="legalprocess",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("answered_at__isnull", False),
                    models.Q(
                        ("answered_at__isnull", True),
                        models.Q(("state", "answered"), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="legalprocess_answered_is_stamped",
            ),
        ),
        migrations.AddConstraint(
            model_name="legalprocess",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("approved_by__isnull", True),
                    models.Q(("approved_by", models.F("recorded_by")), _negated=True),
                    _connector="OR",
                ),
                name="legalprocess_approved_by_a_second_person",
            ),
        ),
        migrations.RunPython(lay),
    ]
