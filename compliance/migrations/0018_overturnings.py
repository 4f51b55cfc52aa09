"""Overturnings: a confirmed finding can be overturned, and another one can supplement it."""

import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0017_entry_indexes"),
    ]

    operations = [
        migrations.CreateModel(
            name="Overturning",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("mistaken_identity", "It was somebody else"),
                            ("wrong_item", "It was another item"),
                            ("not_terrorist", "It is no terrorist activity"),
                            ("compromised_account", "The account was in other hands"),
                            ("duplicate", "It was referred already"),
                            ("court_order", "A court ordered it"),
                        ],
                        max_length=20,
                    ),
                ),
                ("because", models.TextField(help_text="What shows that the finding was wrong.")),
                ("proposed_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("signed_at", models.DateTimeField(null=True)),
                ("signed_because", models.TextField(blank=True)),
                ("declined_at", models.DateTimeField(null=True)),
                ("declined_because", models.TextField(blank=True)),
                ("reinstated_at", models.DateTimeField(null=True)),
                ("reinstated_because", models.TextField(blank=True)),
                ("told_at", models.DateTimeField(null=True)),
                ("told_because", models.TextField(blank=True)),
            ],
            options={
                "ordering": ["-proposed_at", "-id"],
                "default_permissions": ["view"],
            },
        ),
        migrations.AddField(
            model_name="finding",
            name="overturned_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="finding",
            name="overturned_because",
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name="finding",
            name="overturned_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="finding",
            name="supplements",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="supplemented_by",
                to="compliance.finding",
            ),
        ),
        migrations.AlterField(
            model_name="finding",
            name="state",
            field=models.CharField(
                choices=[
                    ("recorded", "Recorded"),
                    ("confirmed", "Confirmed"),
                    ("dismissed", "Dismissed"),
                    ("overturned", "Overturned"),
                ],
                default="recorded",
                max_length=12,
            ),
        ),
        migrations.AddConstraint(
            model_name="finding",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("overturned_at__isnull", False), ("overturned_by__isnull", False)),
                    models.Q(
                        ("overturned_at__isnull", True),
                        ("overturned_by__isnull", True),
                        models.Q(("state", "overturned"), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="finding_overturned_is_stamped",
            ),
        ),
        migrations.AddField(
            model_name="overturning",
            name="declined_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="overturning",
            name="finding",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="overturnings",
                to="compliance.finding",
            ),
        ),
        migrations.AddField(
            model_name="overturning",
            name="proposed_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="overturning",
            name="reinstated_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="overturning",
            name="signed_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="overturning",
            name="told_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddConstraint(
            model_name="overturning",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("signed_at__isnull", True),
                        ("signed_because", ""),
                        ("signed_by__isnull", True),
                    ),
                    models.Q(
                        ("signed_at__isnull", False),
                        ("signed_by__isnull", False),
                        models.Q(("signed_because", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="overturning_signed_is_stamped",
            ),
        ),
        migrations.AddConstraint(
            model_name="overturning",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("declined_at__isnull", True),
                        ("declined_because", ""),
                        ("declined_by__isnull", True),
                    ),
                    models.Q(
                        ("declined_at__isnull", False),
                        ("declined_by__isnull", False),
                        models.Q(("declined_because", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="overturning_declined_is_stamped",
            ),
        ),
        migrations.AddConstraint(
            model_name="overturning",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("reinstated_at__isnull", True),
                        ("reinstated_because", ""),
                        ("reinstated_by__isnull", True),
                    ),
                    models.Q(
                        ("reinstated_at__isnull", False),
                        ("reinstated_by__isnull", False),
                        models.Q(("reinstated_because", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="overturning_reinstated_is_stamped",
            ),
        ),
        migrations.AddConstraint(
            model_name="overturning",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("told_at__isnull", True), ("told_because", ""), ("told_by__isnull", True)
                    ),
                    models.Q(
                        ("told_at__isnull", False),
                        ("told_by__isnull", False),
                        models.Q(("told_because", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="overturning_told_is_stamped",
            ),
        ),
        migrations.AddConstraint(
            model_name="overturning",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("signed_by__isnull", True),
                    models.Q(("signed_by", models.F("proposed_by")), _negated=True),
                    _connector="OR",
                ),
                name="overturning_signed_by_a_second_person",
            ),
        ),
        migrations.AddConstraint(
            model_name="overturning",
            constraint=models.UniqueConstraint(
                condition=models.Q(("declined_at__isnull", True)),
                fields=("finding",),
                name="overturning_waits_or_stands_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="overturning",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("signed_at__isnull", True), ("declined_at__isnull", True), _connector="OR"
                ),
                name="overturning_is_decided_one_way",
            ),
        ),
    ]
