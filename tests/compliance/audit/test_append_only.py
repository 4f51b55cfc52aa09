"""Append-only: raw SQL is stopped by the database itself, whichever it is."""

from importlib import import_module

import pytest
from django.db import DatabaseError, connection, transaction

from compliance import audit

append_only = import_module("compliance.migrations.0002_append_only")

STATEMENTS = [
    "UPDATE compliance_auditentry SET event = 'a.b'",
    "UPDATE compliance_auditentry SET purpose = NULL, salt = NULL",
    "DELETE FROM compliance_auditentry",
    "UPDATE compliance_auditleaf SET idx = idx + 1",
    "DELETE FROM compliance_auditleaf",
    "UPDATE compliance_auditcheckpoint SET note = ''",
    "DELETE FROM compliance_auditcheckpoint",
]
VENDOR = {
    "postgresql": [f"TRUNCATE {table} CASCADE" for table in append_only.TABLES],
    "sqlite": [
        f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"  # noqa: S608
        for table in append_only.TABLES
    ],
}


@pytest.fixture
def sealed(log, ana):
    """A log of one sealed entry and one that is owed."""
    log.seal_due()
    return audit.record("finding.recorded", ana, by=ana)


def refused(statement):
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # or TRUNCATE stops at pending foreign keys first
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(DatabaseError, match=append_only.REFUSAL):
            cursor.execute(statement)
        transaction.set_rollback(True)


class TestRawSql:
    @pytest.mark.parametrize("statement", STATEMENTS)
    def test_what_is_logged_is_neither_changed_nor_deleted(self, sealed, statement):
        refused(statement)

    def test_nor_is_it_emptied_or_replaced(self, sealed):
        for statement in VENDOR[connection.vendor]:
            refused(statement)


class TestMigration:
    def test_every_vendor_guards_every_table(self):
        for vendor in ("postgresql", "sqlite"):
            text = "\n".join(append_only.statements(vendor))
            assert all(f"ON {table} " in text for table in append_only.TABLES)

    def test_a_stock_table_with_rows_is_not_dropped(self, db):
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE auditlog_logentry (id integer)")
            cursor.execute("INSERT INTO auditlog_logentry VALUES (1)")

        class Editor:
            connection = connection

        with pytest.raises(RuntimeError, match="is not empty"):
            append_only.drop_stock_table(None, Editor)


class TestFlush:
    """A transactional test empties the tables at its end; the next finds the triggers again."""

    @pytest.mark.parametrize("turn", [1, 2])
    def test_the_triggers_outlive_it(self, transactional_db, ana, turn):
        assert str(audit.record("finding.recorded", ana, by=ana))
        refused("DELETE FROM compliance_auditentry")
