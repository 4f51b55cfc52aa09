"""Roles of the database: each connects as itself and can do what it is for, and no more."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import ProgrammingError, connection

from compliance import audit, erasures, findings, lifecycle
from compliance.audit import checkpoints, verification
from compliance.audit.entries import AuditEntry
from compliance.findings import Finding
from compliance.roles import User

SQL = Path(__file__).resolve().parents[3] / "config" / "deploy" / "roles.sql"
ROLES = ("app", "sealer", "eraser")
NOT_OF_APP = [
    "UPDATE compliance_auditentry SET purpose = NULL",
    "DELETE FROM compliance_auditentry",
    "TRUNCATE compliance_auditentry CASCADE",
    "DELETE FROM compliance_auditoutbox",
    "UPDATE compliance_auditoutbox SET hash = ''",
    "INSERT INTO compliance_auditleaf SELECT * FROM compliance_auditleaf",
    "UPDATE compliance_audittile SET data = ''",
    "DELETE FROM compliance_auditcheckpoint",
    "INSERT INTO compliance_auditcheckpoint VALUES (1, '')",
    "UPDATE compliance_auditcosignature SET line = ''",
    "DELETE FROM compliance_finding",
    "DELETE FROM compliance_user",
    "UPDATE compliance_view SET is_whole = true",
    "INSERT INTO django_migrations (app, name, applied) VALUES ('a', 'b', now())",
    "CREATE TABLE another ()",
    "SET session_replication_role = replica",
]
NOT_OWNED = [
    "ALTER TABLE compliance_auditentry DISABLE TRIGGER ALL",
    "DROP TRIGGER compliance_auditentry_row ON compliance_auditentry",
    "DROP TABLE compliance_auditentry CASCADE",
]
NOT_OF_SEALER = [
    "UPDATE compliance_auditentry SET purpose = NULL",
    "DELETE FROM compliance_auditentry",
    "UPDATE compliance_auditleaf SET idx = idx + 1",
    "DELETE FROM compliance_auditleaf",
    "DELETE FROM compliance_audittile",
    "UPDATE compliance_auditcheckpoint SET note = ''",
    "UPDATE compliance_finding SET statement = ''",
    "INSERT INTO compliance_rung SELECT * FROM compliance_rung",
    "UPDATE compliance_user SET role = 'counsel'",
    "DELETE FROM django_session",
    "CREATE TABLE another ()",
]
As = Callable[[str], Any]

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no roles"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def acts_as(db: None) -> Iterator[As]:
    """Connect as one of the roles, which the file makes under names of this test's own."""
    prefix = f"t{secrets.token_hex(4)}_"
    made = SQL.read_text("utf-8").replace("dutyline_", prefix)
    owner = connection.settings_dict["USER"]

    def connect(user: str) -> None:
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]  # whose connections are another's
        connection.settings_dict["USER"] = user

    @contextmanager
    def acts(role: str) -> Iterator[None]:
        connect(f"{prefix}{role}")
        try:
            yield
        finally:
            connect(owner)

    with connection.cursor() as cursor:
        cursor.execute(made)
        cursor.execute(made)  # as after each migration
    yield acts
    with connection.cursor() as cursor:
        for role in ROLES:
            cursor.execute(f"DROP OWNED BY {prefix}{role}")
            cursor.execute(f"DROP ROLE {prefix}{role}")
        cursor.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")


def refused(statement: str, why: str = "permission denied") -> None:
    with connection.cursor() as cursor, pytest.raises(ProgrammingError, match=why):
        cursor.execute(statement)


class TestApp:
    def test_takes_steps_and_leaves_their_events(
        self, acts_as: As, finding: Finding, ben: User
    ) -> None:
        with acts_as("app"):
            findings.confirm(finding, because="Credible.", by=ben)
            assert AuditEntry.objects.filter(event="finding.confirmed").exists()

    def test_cannot_seal_the_log(self, acts_as: As, finding: Finding) -> None:
        with acts_as("app"), pytest.raises(ProgrammingError, match="permission denied"):
            checkpoints.seal_due()

    def test_may_not(self, acts_as: As) -> None:
        with acts_as("app"):
            for statement in NOT_OF_APP:
                refused(statement)

    def test_does_not_own(self, acts_as: As) -> None:
        with acts_as("app"):
            for statement in NOT_OWNED:
                refused(statement, "must be owner")


class TestSealer:
    def test_seals_what_others_wrote(self, acts_as: As, finding: Finding) -> None:
        with acts_as("sealer"):
            assert checkpoints.seal_due()
            assert verification.verify().good

    def test_puts_its_failures_on_record(self, acts_as: As, finding: Finding) -> None:
        with acts_as("sealer"):
            lifecycle.owe("stamp", finding.pk)
            row = lifecycle.claim("stamp")
            assert row is not None
            lifecycle.give_back(row, OSError())
        assert AuditEntry.objects.filter(event="work.failed").exists()

    def test_may_not(self, acts_as: As) -> None:
        with acts_as("sealer"):
            for statement in NOT_OF_SEALER:
                refused(statement)


NOT_OF_ERASER = [
    "UPDATE compliance_auditentry SET event = 'a.b'",
    "DELETE FROM compliance_auditentry",
    "DELETE FROM compliance_auditoutbox",
    "INSERT INTO compliance_auditleaf SELECT * FROM compliance_auditleaf",
    "UPDATE compliance_erasure SET entries = '[1]'",
    "INSERT INTO compliance_erasure SELECT * FROM compliance_erasure",
    "UPDATE compliance_finding SET statement = ''",
]


class TestEraser:
    def test_carries_out_what_two_people_agreed_on(
        self, acts_as: As, finding: Finding, cleo: User, carla: User
    ) -> None:
        entry = AuditEntry.objects.filter(event="finding.recorded").get()
        asked = erasures.ask([entry.pk], ticket="T-17", because="A person asked.", by=cleo)
        erasures.approve(asked, by=carla)
        with acts_as("app"), pytest.raises(ProgrammingError, match="permission denied"):
            erasures.erase_due()
        with acts_as("eraser"):
            assert erasures.erase_due() == (1, 0)
        entry.refresh_from_db()
        assert entry.salt is None

    def test_may_not(self, acts_as: As) -> None:
        with acts_as("eraser"):
            for statement in NOT_OF_ERASER:
                refused(statement)


class TestFile:
    def test_names_every_table_that_is_only_added_to(self, acts_as: As) -> None:
        """Whatever a trigger keeps from being changed, the app has no right to change either."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT tgrelid::regclass::text FROM pg_trigger"
                " WHERE tgfoid = 'audit_append_only'::regproc AND tgname LIKE '%%_row'"
            )
            kept = {name for (name,) in cursor.fetchall()}
        with acts_as("app"), connection.cursor() as cursor:
            for table in kept:
                cursor.execute(
                    "SELECT has_table_privilege(%s, 'UPDATE'), has_table_privilege(%s, 'DELETE')",
                    [table, table],
                )
                assert cursor.fetchone() == (False, False), table

    def test_gives_no_role_to_anybody_who_was_not_asked(self, acts_as: As, ana: User) -> None:
        audit.record("user.shown", ana, by=ana)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM information_schema.role_table_grants"
                " WHERE table_schema = 'public' AND grantee = 'PUBLIC'"
            )
            assert cursor.fetchone() == (0,)
