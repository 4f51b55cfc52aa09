"""Erasures: two people, a ticket, no hold; the private part goes and the log still verifies."""

from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from compliance import audit, erasures, preservation
from compliance.audit import checkpoints, verification
from compliance.audit import entries as log
from compliance.audit.entries import AuditEntry
from compliance.erasures import Erasure, Held
from compliance.errors import Malformed, NotPermitted, SamePerson, WrongState
from compliance.findings import Finding
from compliance.roles import User
from compliance.vault.uploads import Unclaimed

BLANK = ", ".join(f"{name} = NULL" for name in (*log.PRIVATE, "salt"))
WHY: dict[str, Any] = {"ticket": "T-17", "because": "A person asked."}


@pytest.fixture
def entry(finding: Finding, ana: User) -> AuditEntry:
    """An entry about an open finding, with words in its private part."""
    return audit.record("finding.climbed", finding, by=ana, purpose="a secret")


@pytest.fixture
def asked(entry: AuditEntry, cleo: User) -> Erasure:
    """What Cleo asked for."""
    return erasures.ask([entry.pk], **WHY, by=cleo)


@pytest.fixture
def approved(asked: Erasure, carla: User) -> Erasure:
    """What Carla approved of it."""
    return erasures.approve(asked, by=carla)


def in_sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


class TestAsk:
    def test_is_for_a_custodian_alone(self, entry: AuditEntry, carla: User) -> None:
        with pytest.raises(NotPermitted):
            erasures.ask([entry.pk], **WHY, by=carla)

    @pytest.mark.parametrize(
        "told", [{"ticket": " "}, {"ticket": "x" * 61}, {"because": ""}, {"entries": []},
                 {"entries": [10**9]}, {"entries": list(range(1001))}],
    )  # fmt: skip
    def test_wants_entries_a_ticket_and_a_reason(
        self, entry: AuditEntry, cleo: User, told: dict[str, Any]
    ) -> None:
        with pytest.raises(Malformed):
            erasures.ask(**{"entries": [entry.pk], **WHY, "by": cleo} | told)

    def test_puts_it_on_record(self, asked: Erasure, entry: AuditEntry) -> None:
        assert (asked.state, asked.entries, asked.ticket) == ("asked", [entry.pk], "T-17")
        assert str(asked).startswith("erasure ")


class TestHold:
    def test_keeps_whatever_belongs_to_the_matter(self, signed: Any, cleo: User) -> None:
        preservation.place(signed)
        for about in ("item.created", "finding.confirmed", "determination.signed"):
            entry = AuditEntry.objects.filter(event=about)[0]
            with pytest.raises(Held):
                erasures.ask([entry.pk], **WHY, by=cleo)
        of_a_person = AuditEntry.objects.filter(event="user.created")[0]
        assert erasures.ask([of_a_person.pk], **WHY, by=cleo)

    def test_reaches_no_further_than_what_is_still_there(
        self, signed: Any, cleo: User, worker: None
    ) -> None:
        preservation.place(signed)
        left = Unclaimed.objects.create(name="x", until=timezone.now())
        entry = audit.record("upload.swept", left, by=None)
        left.delete()
        assert erasures.ask([entry.pk], **WHY, by=cleo).entries == [entry.pk]

    def test_that_begins_later_keeps_the_approved_waiting(
        self, approved: Erasure, entry: AuditEntry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(erasures, "_refuse_held", _held)
        with pytest.raises(CommandError, match="1 wait: a hold keeps"):
            call_command("erase")
        entry.refresh_from_db()
        assert entry.purpose == "a secret"


def _held(entries: Any) -> None:
    raise Held


class TestApprove:
    def test_is_for_counsel_and_never_for_whoever_asked(
        self, asked: Erasure, cleo: User, carla: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(NotPermitted):
            erasures.approve(asked, by=cleo)
        monkeypatch.setattr(User, "may", lambda self, permission: True)
        with pytest.raises(SamePerson):
            erasures.approve(asked, by=cleo)


class TestRefuse:
    def test_ends_it_with_a_reason(self, approved: Erasure, carla: User) -> None:
        refused = erasures.refuse(approved, because="A mistake.", by=carla)
        assert refused.refused_because == "A mistake."
        assert erasures.erase_due() == (0, 0)
        with pytest.raises(WrongState):
            erasures.approve(refused, by=carla)


class TestErase:
    def test_blanks_the_private_part_and_the_log_still_verifies(
        self, approved: Erasure, entry: AuditEntry, capsys: pytest.CaptureFixture[str]
    ) -> None:
        checkpoints.seal_due()
        before = log.public_data(entry), bytes(entry.commitment)
        call_command("erase")
        assert capsys.readouterr().out == "1 carried out.\n"
        entry.refresh_from_db()
        assert all(getattr(entry, name) is None for name in (*log.PRIVATE, "salt"))
        assert (log.public_data(entry), bytes(entry.commitment)) == before
        event = AuditEntry.objects.get(event=log.ERASED)
        assert (event.object_pk, event.actor_ref) == (str(entry.pk), "system:eraser")
        checkpoints.seal_due()
        assert (verification.verify().good, verification.verify().erased) == (True, 1)
        call_command("verify_audit")
        assert "Erased: the private part of 1. Their public part" in capsys.readouterr().out
        assert Erasure.objects.get().state == "erased"

    def test_is_done_once(self, approved: Erasure, cleo: User, entry: AuditEntry) -> None:
        assert erasures.erase_due() == (1, 0)
        assert erasures.erase_due() == (0, 0)
        with pytest.raises(Malformed, match="erased before"):
            erasures.ask([entry.pk], **WHY, by=cleo)


class TestTrigger:
    def refuses(self, statement: str) -> None:
        with (
            pytest.raises(DatabaseError, match="only ever added to"),
            transaction.atomic(),
        ):
            in_sql(statement)

    def test_lets_nothing_go_that_is_not_approved(self, asked: Erasure, entry: AuditEntry) -> None:
        self.refuses(f"UPDATE compliance_auditentry SET {BLANK} WHERE id = {entry.pk}")  # noqa: S608

    @pytest.mark.parametrize(
        "change",
        [
            BLANK.replace("purpose = NULL", "purpose = 'another'"),
            "purpose = NULL",
            f"{BLANK}, event = 'finding.recorded'",
            f"{BLANK}, actor_ref = 'system:worker'",
            f"{BLANK}, commitment = salt",
        ],
    )
    def test_lets_the_whole_private_part_go_and_nothing_else(
        self, approved: Erasure, entry: AuditEntry, change: str
    ) -> None:
        self.refuses(f"UPDATE compliance_auditentry SET {change} WHERE id = {entry.pk}")  # noqa: S608

    def test_lets_only_the_named_entries_go(self, approved: Erasure, entry: AuditEntry) -> None:
        self.refuses(f"UPDATE compliance_auditentry SET {BLANK} WHERE id <> {entry.pk}")  # noqa: S608
        self.refuses(f"DELETE FROM compliance_auditentry WHERE id = {entry.pk}")  # noqa: S608


class TestDesk:
    def test_takes_an_erasure_from_asking_to_approval(
        self, entry: AuditEntry, cleo: User, carla: User, sits: Any
    ) -> None:
        page = sits(cleo).begins(Erasure, "ask", entries=f"{entry.pk}, x", **WHY)
        assert "Write numbers" in page.content.decode()
        page = sits(cleo).begins(Erasure, "ask", entries=f"{entry.pk},{entry.pk}", **WHY)
        assert page.said == ["It is asked for. Counsel decides."]
        erasure = Erasure.objects.get()
        assert erasure.entries == [entry.pk]
        assert "approve/" not in sits(cleo).reads(erasure)
        page = sits(carla).takes(erasure, "approve")
        assert page.said == ["It is approved. The eraser carries it out."]
