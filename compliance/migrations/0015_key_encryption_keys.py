"""Key-encryption keys: on record with their period, so that one can be rotated and destroyed."""

import uuid
from typing import Any

import django.utils.timezone
from django.db import migrations, models


def put_on_record(apps: Any, schema_editor: Any) -> None:
    """Put the keys on record under which something is wrapped: one a year, named after it."""
    wraps = apps.get_model("compliance", "FileKeyWrap").objects
    for provider, key_id in wraps.values_list("provider", "key_id").distinct():
        apps.get_model("compliance", "Kek").objects.create(
            provider=provider, key_id=key_id, period=key_id
        )


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0014_transparency_report"),
    ]

    operations = [
        migrations.CreateModel(
            name="Kek",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("provider", models.CharField(max_length=20)),
                ("key_id", models.CharField(max_length=40)),
                ("period", models.CharField(max_length=10)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("made", "Made"),
                            ("retired", "Retired"),
                            ("destroyed", "Destroyed"),
                        ],
                        default="made",
                        max_length=12,
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1)),
                ("made_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("retired_at", models.DateTimeField(null=True)),
                ("destroyed_at", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name": "key-encryption key",
                "ordering": ["-made_at"],
                "default_permissions": ["view"],
            },
        ),
        migrations.AddIndex(
            model_name="filekeywrap",
            index=models.Index(fields=["provider", "key_id", "id"], name="wrap_by_kek"),
        ),
        migrations.AddConstraint(
            model_name="kek",
            constraint=models.UniqueConstraint(fields=("provider", "key_id"), name="kek_made_once"),
        ),
        migrations.AddConstraint(
            model_name="kek",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "made")),
                fields=("provider", "period"),
                name="kek_one_in_use_of_a_period",
            ),
        ),
        migrations.AddConstraint(
            model_name="kek",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("retired_at__isnull", False),
                    models.Q(
                        ("retired_at__isnull", True), models.Q(("state", "retired"), _negated=True)
                    ),
                    _connector="OR",
                ),
                name="kek_retired_is_stamped",
            ),
        ),
        migrations.AddConstraint(
            model_name="kek",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("destroyed_at__isnull", False),
                    models.Q(
                        ("destroyed_at__isnull", True),
                        models.Q(("state", "destroyed"), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="kek_destroyed_is_stamped",
            ),
        ),
        migrations.RunPython(put_on_record, migrations.RunPython.noop),
    ]
