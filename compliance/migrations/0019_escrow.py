"""Escrow: file keys for a key that lies in a safe."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0018_overturnings"),
    ]

    operations = [
        migrations.CreateModel(
            name="EscrowedKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("fingerprint", models.CharField(max_length=64)),
                ("header", models.BinaryField()),
                ("sealed_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "wrap",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="escrowed",
                        to="compliance.filekeywrap",
                    ),
                ),
            ],
            options={
                "default_permissions": ["view"],
            },
        ),
    ]
