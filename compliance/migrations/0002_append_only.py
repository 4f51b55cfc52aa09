"""Append-only: triggers that stop the ORM and raw SQL from changing or removing what is logged.

The stock table of django-auditlog, made by its own migrations and never used, is dropped: its
foreign key keeps PostgreSQL from truncating the tables of a transactional test.
Irreversible on purpose. On SQLite a later migration that alters one of these tables rebuilds it,
and a rebuilt table has lost its triggers: such a migration ends with `lay` again.
"""

from collections.abc import Mapping
from typing import Any

from django.db import migrations

# Table, and the condition under which an inserted row would replace one that is there.
TABLES = {
    "compliance_auditentry": "id = NEW.id",
    "compliance_auditleaf": "idx = NEW.idx OR entry_id = NEW.entry_id",
    "compliance_auditcheckpoint": "size = NEW.size",
}
REFUSAL = "this record is only ever added to"

FUNCTION = f"""
CREATE OR REPLACE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'restrict_violation'; END $$
"""


def statements(vendor: str, tables: Mapping[str, str] = TABLES) -> list[str]:
    """Return the SQL that lays the triggers on `tables` in a database of this vendor."""
    if vendor == "postgresql":
        return [FUNCTION, *(each for table in tables for each in _postgresql(table))]
    return [each for table, same in tables.items() for each in _sqlite(table, same)]


def _postgresql(table: str) -> list[str]:
    act = "EXECUTE FUNCTION audit_append_only()"
    return [
        f"CREATE TRIGGER {table}_row BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW {act}",
        f"CREATE TRIGGER {table}_all BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {act}",
    ]


def _sqlite(table: str, same: str) -> list[str]:
    act = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    # INSERT OR REPLACE deletes without asking a DELETE trigger, so it is asked here.
    there = f"EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608
    return [
        f"CREATE TRIGGER {table}_update BEFORE UPDATE ON {table} {act}",
        f"CREATE TRIGGER {table}_delete BEFORE DELETE ON {table} {act}",
        f"CREATE TRIGGER {table}_replace BEFORE INSERT ON {table} WHEN {there} {act}",
    ]


def lay(apps: Any, schema_editor: Any) -> None:
    """Lay the triggers."""
    for statement in statements(schema_editor.connection.vendor):
        schema_editor.execute(statement)


def drop_stock_table(apps: Any, schema_editor: Any) -> None:
    """Drop django-auditlog's own table, which nothing ever wrote to."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM auditlog_logentry")
        if cursor.fetchone() != (0,):
            raise RuntimeError("auditlog_logentry is not empty; keep its rows before migrating.")
    schema_editor.execute("DROP TABLE auditlog_logentry")


class Migration(migrations.Migration):
    dependencies = [("compliance", "0001_initial"), ("auditlog", "0017_add_actor_email")]

    operations = [migrations.RunPython(lay), migrations.RunPython(drop_stock_table)]
