"""What an item's record says of its origin, and the objects that no record points at yet."""

import uuid
from typing import Any

from django.db import migrations, models

import compliance.vault.uploads


def fill(apps: Any, schema_editor: Any) -> None:
    """Say of the items on record what their class of content says."""
    items = apps.get_model("compliance", "Item").objects
    for field_class, available in (("C_pub", True), ("C_priv", False)):
        items.filter(field_class=field_class).update(publicly_available=available)


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0010_decided_law"),
    ]

    operations = [
        migrations.CreateModel(
            name="Unclaimed",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        default=compliance.vault.uploads.drawn_name, max_length=100, unique=True
                    ),
                ),
                ("until", models.DateTimeField()),
                ("swept_at", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name_plural": "unclaimed objects",
                "default_permissions": ["view"],
            },
        ),
        migrations.AddField(
            model_name="item",
            name="acquired_by",
            field=models.CharField(
                blank=True, help_text="Empty: whoever attached it.", max_length=200
            ),
        ),
        migrations.AddField(
            model_name="item",
            name="automated_detection",
            field=models.BooleanField(null=True),
        ),
        migrations.AddField(
            model_name="item",
            name="exif_viewed",
            field=models.BooleanField(null=True),
        ),
        migrations.AddField(
            model_name="item",
            name="publicly_available",
            field=models.BooleanField(null=True),
        ),
        migrations.AddField(
            model_name="item",
            name="sniffed_type",
            field=models.CharField(
                default="application/octet-stream",
                help_text="What its first bytes say.",
                max_length=100,
            ),
        ),
        migrations.AddField(
            model_name="item",
            name="source_account",
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AlterField(
            model_name="item",
            name="media_type",
            field=models.CharField(help_text="What its sender called it.", max_length=100),
        ),
        migrations.AlterField(
            model_name="item",
            name="name",
            field=models.CharField(help_text="Hostile letters are written out.", max_length=255),
        ),
        migrations.RunPython(fill),
        migrations.AddConstraint(
            model_name="item",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("field_class", "C_pub"),
                        ("publicly_available", True),
                        ("publicly_available__isnull", False),
                    ),
                    models.Q(
                        ("field_class", "C_priv"),
                        models.Q(("publicly_available", True), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="public_content_is_what_was_available_to_the_public",
            ),
        ),
        migrations.AddIndex(
            model_name="unclaimed",
            index=models.Index(fields=["until"], name="unclaimed_by_end"),
        ),
    ]
