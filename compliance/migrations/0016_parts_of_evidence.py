"""Files that arrive in parts, and the digest of each part before it is sealed."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0015_key_encryption_keys"),
    ]

    operations = [
        migrations.CreateModel(
            name="PartedUpload",
            fields=[
                (
                    "unclaimed",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="compliance.unclaimed",
                    ),
                ),
                ("name", models.CharField(max_length=255)),
                ("media_type", models.CharField(max_length=100)),
                ("size", models.PositiveBigIntegerField()),
                ("nonce", models.CharField(max_length=32)),
                ("token", models.TextField(help_text="What the storage knows it by.")),
                ("begun_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "begun_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "finding",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="compliance.finding",
                    ),
                ),
            ],
            options={
                "default_permissions": ["view"],
            },
        ),
        migrations.CreateModel(
            name="Part",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("sha256", models.CharField(max_length=64)),
                ("stored_at", models.DateTimeField(null=True)),
                (
                    "upload",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="parts",
                        to="compliance.partedupload",
                    ),
                ),
            ],
            options={
                "ordering": ["number"],
                "default_permissions": ["view"],
                "constraints": [
                    models.UniqueConstraint(fields=("upload", "number"), name="part_numbered_once")
                ],
            },
        ),
    ]
