"""Guards: on PostgreSQL a change without an entry of its own does not come through."""

from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from compliance import audit
from compliance.audit import guards
from compliance.findings import Finding
from compliance.roles import User

postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite cannot ask at a commit"
)
FINDING = "UPDATE compliance_finding SET statement = 'Another.'"


def in_sql(*statements):
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.mark.services
@postgresql
@pytest.mark.django_db(transaction=True)
class TestUnattributed:
    @pytest.mark.parametrize(
        "statement",
        [
            FINDING,
            "UPDATE compliance_user SET role = 'counsel'",
            "UPDATE compliance_user SET password = 'x', last_login = now()",
            "DELETE FROM compliance_item",
            "INSERT INTO compliance_rung (finding_id, rung, reached_at, basis, recorded_at,"
            " recorded_by_id) SELECT id, 'refuted', now(), '', now(), recorded_by_id"
            " FROM compliance_finding",
        ],
    )
    def test_changes_in_sql_are_refused_at_the_commit(self, item, statement):
        with pytest.raises(IntegrityError, match=guards.REFUSAL):
            in_sql(statement)

    def test_changes_through_a_queryset_are_refused(self, finding):
        with pytest.raises(IntegrityError, match="unattributed change: UPDATE of compliance_find"):
            Finding.objects.update(statement="Another.")
        finding.refresh_from_db()
        assert finding.statement != "Another."

    def test_an_entry_about_another_record_does_not_help(self, finding, ana):
        @transaction.atomic
        def change():
            in_sql(FINDING)
            audit.record("finding.climbed", ana, by=ana)

        with pytest.raises(IntegrityError, match=guards.REFUSAL):
            change()

    def test_nor_does_one_of_an_earlier_transaction_or_one_taken_back(self, finding, ana):
        audit.record("finding.climbed", finding, by=ana)

        @transaction.atomic
        def change():
            in_sql(FINDING)
            with transaction.atomic():
                audit.record("finding.climbed", finding, by=ana)
                transaction.set_rollback(True)

        with pytest.raises(IntegrityError, match=guards.REFUSAL):
            change()


@pytest.mark.services
@postgresql
@pytest.mark.django_db(transaction=True)
class TestAttributed:
    @pytest.mark.parametrize("is_first", [True, False])
    def test_a_change_with_its_entry_comes_through(self, finding, ana, is_first):
        with transaction.atomic():
            if is_first:
                audit.record("finding.climbed", finding, by=ana)
            with transaction.atomic():  # a savepoint, of a number of its own
                in_sql(FINDING)
            if not is_first:
                with transaction.atomic():
                    audit.record("finding.climbed", finding, by=ana)
        finding.refresh_from_db()
        assert finding.statement == "Another."

    def test_what_changes_nothing_or_notes_a_sign_in_needs_none(self, ana):
        User.objects.update(last_login=timezone.now())
        in_sql("UPDATE compliance_user SET role = role")


class TestLay:
    def test_watches_what_is_watched(self):
        names = {model.__name__ for model in guards.watched(apps.get_app_config("compliance"))}
        assert {"User", "Finding", "Item", "Hold"} <= names
        assert not {"Work", "AuditEntry", "AuditOutbox"} & names

    def test_leaves_sqlite_alone(self, db, monkeypatch):
        monkeypatch.setattr(guards, "connections", {"x": SimpleNamespace(vendor="sqlite")})
        guards.lay(apps.get_app_config("compliance"), "x")

    @pytest.mark.services
    @postgresql
    def test_guards_every_watched_table_once(self, db):
        with connection.cursor() as cursor:
            for app in apps.get_app_configs():
                guards.lay(app, "default")
            cursor.execute(
                "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger"
                " WHERE tgfoid = 'audit_attributed'::regproc"
            )
            guarded = {name for (name,) in cursor.fetchall()}
        watched = [model for app in apps.get_app_configs() for model in guards.watched(app)]
        assert guarded == {model._meta.db_table for model in watched}
