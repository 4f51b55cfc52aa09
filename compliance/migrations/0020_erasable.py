"""Erasable: an entry's private part may go, wholly, while an approved erasure names the entry."""

import uuid
from typing import Any

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

TABLE = "compliance_auditentry"
REFUSAL = "this record is only ever added to"
PRIVATE = (
    "changes", "changes_text", "object_repr", "serialized_data", "additional_data", "actor_email",
    "remote_addr", "remote_port", "purpose", "salt",
)  # fmt: skip
PUBLIC = (
    "id", "content_type_id", "object_pk", "object_id", "action", "timestamp", "event", "actor_id",
    "actor_ref", "liaison_client", "cid", "commitment",
)  # fmt: skip

FUNCTION = f"""
CREATE OR REPLACE FUNCTION audit_erasable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF ({", ".join(f"OLD.{name}" for name in PUBLIC)})
    IS NOT DISTINCT FROM ({", ".join(f"NEW.{name}" for name in PUBLIC)})
    AND num_nonnulls({", ".join(f"NEW.{name}" for name in PRIVATE)}) = 0
    AND EXISTS (SELECT FROM compliance_erasure
      WHERE state = 'approved' AND entries @> to_jsonb(OLD.id))
  THEN RETURN NEW; END IF;
  RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'restrict_violation';
END $$
"""


def statements(vendor: str) -> list[str]:
    """Return the SQL that replaces the trigger of changes on a database of this vendor."""
    if vendor == "postgresql":
        return [
            FUNCTION,
            f"DROP TRIGGER {TABLE}_row ON {TABLE}",
            f"CREATE TRIGGER {TABLE}_row BEFORE DELETE ON {TABLE} FOR EACH ROW EXECUTE FUNCTION audit_append_only()",
            f"CREATE TRIGGER {TABLE}_change BEFORE UPDATE ON {TABLE} FOR EACH ROW EXECUTE FUNCTION audit_erasable()",
        ]
    kept = [f"OLD.{name} IS NEW.{name}" for name in PUBLIC]
    gone = [f"NEW.{name} IS NULL" for name in PRIVATE]
    named = (
        "EXISTS (SELECT 1 FROM compliance_erasure, json_each(entries)"
        " WHERE state = 'approved' AND value = OLD.id)"
    )
    return [
        f"DROP TRIGGER {TABLE}_update",
        f"CREATE TRIGGER {TABLE}_update BEFORE UPDATE ON {TABLE} WHEN NOT ({' AND '.join([*kept, *gone, named])}) BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
    ]


def lay(apps: Any, schema_editor: Any) -> None:
    """Replace the trigger."""
    for statement in statements(schema_editor.connection.vendor):
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0019_escrow"),
    ]

    operations = [
        migrations.CreateModel(
            name="Erasure",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("ticket", models.CharField(max_length=60)),
                ("because", models.TextField()),
                ("entries", models.JSONField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("asked", "Asked"),
                            ("approved", "Approved"),
                            ("refused", "Refused"),
                            ("erased", "Erased"),
                        ],
                        default="asked",
                        max_length=12,
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1)),
                ("asked_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("approved_at", models.DateTimeField(null=True)),
                ("refused_at", models.DateTimeField(null=True)),
                ("refused_because", models.TextField(blank=True)),
                ("erased_at", models.DateTimeField(null=True)),
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
                    "asked_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "refused_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-asked_at", "-id"],
                "default_permissions": ["view"],
                "constraints": [
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
                        name="erasure_approved_is_stamped",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("refused_at__isnull", False), ("refused_by__isnull", False)),
                            models.Q(
                                ("refused_at__isnull", True),
                                ("refused_by__isnull", True),
                                models.Q(("state", "refused"), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="erasure_refused_is_stamped",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("erased_at__isnull", False),
                            models.Q(
                                ("erased_at__isnull", True),
                                models.Q(("state", "erased"), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="erasure_erased_is_stamped",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("approved_by__isnull", True),
                            models.Q(("approved_by", models.F("asked_by")), _negated=True),
                            _connector="OR",
                        ),
                        name="erasure_approved_by_a_second_person",
                    ),
                ],
            },
        ),
        migrations.RunPython(lay),
    ]
