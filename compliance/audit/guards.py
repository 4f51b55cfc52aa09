"""Guards: on PostgreSQL no watched row changes without an entry of its own in the same transaction.

django-auditlog sees what passes `save()`; raw SQL, `update()` and bulk writes it does not. Here the
database looks itself, when a transaction commits, and refuses an *unattributed change*. It costs
the writer of an entry nothing: only watched tables are looked at. They are guarded after each
migration, so what is watched and what is guarded is one list. SQLite cannot ask at a commit.
"""

from typing import Any

from auditlog.registry import auditlog
from django.apps import AppConfig
from django.db import connections, models

REFUSAL = "unattributed change"
# Changes of these columns alone are nobody's act: Django notes there when a person signs in.
_UNGUARDED = ["last_login"]

# Entries of this transaction, savepoints included: visible rows made by a transaction in progress.
# The number of a savepoint is higher than that of its transaction, so older rows are passed over.
_FUNCTION = f"""
CREATE OR REPLACE FUNCTION audit_attributed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  changed jsonb := CASE TG_OP WHEN 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
  ours bigint := txid_current();
BEGIN
  IF NOT EXISTS (
    SELECT FROM (
      SELECT (e.xmin::text::bigint - ours) & 4294967295 AS later FROM compliance_auditentry e
      WHERE e.object_pk = changed ->> TG_ARGV[2] AND e.content_type_id = (
        SELECT id FROM django_content_type WHERE app_label = TG_ARGV[0] AND model = TG_ARGV[1])
    ) entry
    WHERE later < 2147483648 AND pg_xact_status((ours + later)::text::xid8) = 'in progress'
  ) THEN
    RAISE EXCEPTION '{REFUSAL}: % of %', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$
"""  # noqa: S608


def lay(sender: AppConfig, using: str, **told: Any) -> None:
    """Guard the watched tables of an app that are not guarded yet, after its migrations."""
    connection = connections[using]
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgname FROM pg_trigger WHERE tgname LIKE '%%_attributed%%'")
        laid = {name for (name,) in cursor.fetchall()}
        for model in watched(sender):
            for name, statement in _statements(model):
                if name not in laid:
                    cursor.execute(_FUNCTION)
                    cursor.execute(statement)


def watched(app: AppConfig) -> list[type[models.Model]]:
    """Return the models of an app whose changes must be attributed."""
    return [model for model in app.get_models() if auditlog.contains(model)]


def _statements(model: type[models.Model]) -> list[tuple[str, str]]:
    meta = model._meta
    act = (
        f"DEFERRABLE INITIALLY DEFERRED FOR EACH ROW {{when}} EXECUTE FUNCTION "
        f"audit_attributed('{meta.app_label}', '{meta.model_name}', '{meta.pk and meta.pk.column}')"
    )
    table, other = meta.db_table, f"(to_jsonb({{0}}) - ARRAY{_UNGUARDED})"
    differs = f"WHEN ({other.format('OLD')} IS DISTINCT FROM {other.format('NEW')})"
    return [
        (name, f"CREATE CONSTRAINT TRIGGER {name} AFTER {what} ON {table} {act.format(when=when)}")
        for name, what, when in (
            (f"{table}_attributed", "INSERT OR DELETE", ""),
            (f"{table}_attributed_update", "UPDATE", differs),
        )
    ]
