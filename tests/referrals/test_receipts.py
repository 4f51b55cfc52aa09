"""Receipts: Lee reads, collects and acknowledges, and the log can prove the delivery."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from django.db import models, transaction
from joserfc.jwk import OKPKey

from compliance.audit import checkpoints, entries, notes, signing
from compliance.audit.context import acting
from compliance.audit.entries import AuditEntry
from compliance.errors import Malformed, NotPermitted, Stale, WrongState
from compliance.roles import User
from compliance.vault import age
from referrals import bundles, docket, receipts
from referrals.agencies import Agency
from referrals.clients import LiaisonClient, Scope
from referrals.docket import Referral, State
from referrals.receipts import Acknowledgement


def left(*records: models.Model) -> list[tuple[str, str]]:
    """Tell what Lee left in the log of these records, field diffs and all."""
    keys = [str(record.pk) for record in records]
    entries = AuditEntry.objects.filter(object_pk__in=keys, liaison_client="lee").order_by("id")
    return list(entries.values_list("event", "actor_ref"))


def read(referral: Referral, by: LiaisonClient) -> Referral:
    return receipts.read(referral, by=by)


def collect(referral: Referral, by: LiaisonClient, **part: int) -> bytes:
    return b"".join(receipts.collect(referral, by=by, **part))


def acknowledge(referral: Referral, by: LiaisonClient, **changes: Any) -> Acknowledgement:
    said = {"agency_reference": "SZ-17", "receipt_sha256": referral.bundle.sha256} | changes
    return receipts.acknowledge(referral, **said, by=by)


VERBS: list[Callable[[Referral, LiaisonClient], Any]] = [read, collect, acknowledge]


@pytest.fixture
def stranger(enrol: Callable[..., Agency], admit: Callable[..., LiaisonClient]) -> LiaisonClient:
    """Mia's client, at an agency that the referral was not addressed to."""
    europol = enrol("europol", age.generate_identity())
    return admit(europol, OKPKey.generate_key("Ed25519"), "mia")


class TestEveryVerb:
    def test_is_refused_to_another_agency(
        self, delivered: Referral, stranger: LiaisonClient
    ) -> None:
        before = AuditEntry.objects.count()
        for verb in VERBS:
            with pytest.raises(NotPermitted, match=r"is addressed to another agency\."):
                verb(delivered, stranger)
        assert AuditEntry.objects.count() == before

    def test_is_refused_without_its_scope(
        self, delivered: Referral, admit: Callable[..., LiaisonClient]
    ) -> None:
        held_by = {
            scope: admit(delivered.agency, OKPKey.generate_key("Ed25519"), name, scopes=[scope])
            for name, scope in (("kim", Scope.READ), ("joe", Scope.ACKNOWLEDGE))
        }
        before = AuditEntry.objects.count()
        for verb, lacks, has in (
            (read, Scope.READ, Scope.ACKNOWLEDGE),
            (collect, Scope.READ, Scope.ACKNOWLEDGE),
            (acknowledge, Scope.ACKNOWLEDGE, Scope.READ),
        ):
            with pytest.raises(NotPermitted, match=f"This client lacks the scope {lacks}\\."):
                verb(delivered, held_by[has])
        assert AuditEntry.objects.count() == before

    def test_keeps_the_circumstances_of_the_request_around_it(
        self, delivered: Referral, lee: LiaisonClient
    ) -> None:
        with acting("anonymous", cid="c1", remote_addr="192.0.2.9"):
            read(delivered, lee)
        for entry in AuditEntry.objects.filter(liaison_client="lee"):
            assert (entry.actor_ref, entry.cid, entry.remote_addr) == (
                "liaison:lee",
                "c1",
                "192.0.2.9",
            )


class TestRead:
    def test_ends_the_being_unread_with_the_first_reading(
        self, delivered: Referral, lee: LiaisonClient
    ) -> None:
        first = read(delivered, lee)
        assert first.first_read_at is not None
        assert read(delivered, lee).first_read_at == first.first_read_at
        assert first.version == delivered.version

    def test_is_an_event_each_time_by_lee_alone(
        self, delivered: Referral, lee: LiaisonClient
    ) -> None:
        read(delivered, lee)
        read(delivered, lee)
        assert left(delivered) == [
            ("referral.updated", "liaison:lee"),
            ("referral.read", "liaison:lee"),
            ("referral.read", "liaison:lee"),
        ]


class TestCollect:
    def test_gives_the_bytes_that_the_digest_is_of(
        self, delivered: Referral, lee: LiaisonClient
    ) -> None:
        whole = collect(delivered, lee)
        assert hashlib.sha256(whole).hexdigest() == delivered.bundle.sha256
        assert len(whole) == delivered.bundle.size

    def test_gives_any_part_of_them(self, delivered: Referral, lee: LiaisonClient) -> None:
        whole, size = collect(delivered, lee), delivered.bundle.size
        for start, stop in ((0, 1), (size - 1, size), (7, size - 7)):
            assert collect(delivered, lee, start=start, stop=stop) == whole[start:stop]
        assert collect(delivered, lee, start=size - 3) == whole[-3:]

    def test_is_an_event_with_the_range_even_if_no_byte_is_taken(
        self, delivered: Referral, lee: LiaisonClient
    ) -> None:
        receipts.collect(delivered, start=5, stop=9, by=lee)
        assert left(delivered) == [("bundle.collected", "liaison:lee")]
        assert AuditEntry.objects.latest().additional_data == {"start": 5, "stop": 9}

    def test_refuses_a_range_that_the_bundle_has_not(
        self, delivered: Referral, lee: LiaisonClient
    ) -> None:
        for start, stop in ((-1, 4), (4, 4), (5, 4), (0, delivered.bundle.size + 1)):
            with pytest.raises(Malformed, match=f"The range {start} to {stop} is not within"):
                receipts.collect(delivered, start=start, stop=stop, by=lee)
        assert left(delivered) == []

    @pytest.mark.django_db(transaction=True)
    def test_serves_nothing_while_its_event_could_be_rolled_back(
        self, delivered: Referral, lee: LiaisonClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        served: list[object] = []
        monkeypatch.setattr(bundles, "read", lambda *asked: served.append(asked))
        with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
            receipts.collect(delivered, by=lee)
        assert (served, left(delivered)) == ([], [])


class TestAcknowledge:
    def test_puts_the_agencys_word_on_record(self, delivered: Referral, lee: LiaisonClient) -> None:
        said = acknowledge(delivered, lee, agency_reference=" SZ-17 ", version=3)
        assert (said.agency_reference, said.client) == ("SZ-17", lee)
        assert said.receipt_sha256 == delivered.bundle.sha256
        assert str(said) == f"acknowledgement of {delivered.number}"
        done = Referral.objects.get(pk=delivered.pk)
        assert (done.state, done.version) == (State.ACKNOWLEDGED, 4)
        assert done.acknowledged_at is not None
        assert done.acknowledgement == said

    def test_leaves_nothing_by_anybody_but_lee(
        self, delivered: Referral, lee: LiaisonClient
    ) -> None:
        said = acknowledge(delivered, lee)
        assert left(delivered) == [
            ("referral.updated", "liaison:lee"),
            ("referral.acknowledged", "liaison:lee"),
        ]
        assert left(said) == [("acknowledgement.created", "liaison:lee")]

    def test_wants_a_reference(self, delivered: Referral, lee: LiaisonClient) -> None:
        for reference in ("", " \t", "x" * 101):
            with pytest.raises(Malformed, match=r"agency_reference wants 1 to 100 characters\."):
                acknowledge(delivered, lee, agency_reference=reference)

    def test_wants_the_digest_of_the_very_bundle(
        self, delivered: Referral, lee: LiaisonClient
    ) -> None:
        for digest in ("", "0" * 64, delivered.bundle.sha256.upper()):
            with pytest.raises(Malformed, match=r"not the SHA-256 of this bundle\. Download it"):
                acknowledge(delivered, lee, receipt_sha256=digest)
        assert left(delivered) == []

    def test_is_refused_to_whoever_read_another_version(
        self, delivered: Referral, lee: LiaisonClient
    ) -> None:
        with pytest.raises(Stale):
            acknowledge(delivered, lee, version=2)
        assert not Acknowledgement.objects.exists()

    def test_compares_the_version_on_record_not_the_one_in_hand(
        self, delivered: Referral, lee: LiaisonClient
    ) -> None:
        acknowledge(Referral.objects.get(pk=delivered.pk), lee)
        with pytest.raises(Stale):
            acknowledge(delivered, lee, version=3)

    def test_happens_once(self, delivered: Referral, lee: LiaisonClient) -> None:
        acknowledge(delivered, lee)
        with pytest.raises(WrongState, match="is acknowledged; it cannot become acknowledged"):
            acknowledge(delivered, lee)

    def test_comes_after_delivery(self, sealed: Referral, lee: LiaisonClient) -> None:
        with pytest.raises(WrongState, match="is sealed; it cannot become acknowledged"):
            acknowledge(sealed, lee)
        assert not Acknowledgement.objects.exists()


class TestProof:
    def test_shows_that_the_delivery_is_in_the_log(self, delivered: Referral) -> None:
        checkpoints.seal_due()
        proof, entry = receipts.proof(delivered)
        assert f'"obj":"referrals.referral:{delivered.pk}"'.encode() in entry
        assert b'"event":"referral.delivered"' in entry
        state = notes.verify_proof(proof, entry, signing.vkey())
        assert state.size == AuditEntry.objects.count()

    def test_waits_for_the_next_checkpoint(self, delivered: Referral) -> None:
        with pytest.raises(WrongState, match="is not sealed into the log yet; ask again"):
            receipts.proof(delivered)

    def test_waits_for_the_delivery(self, sealed: Referral) -> None:
        with pytest.raises(WrongState, match=f"{sealed} is sealed; it was not delivered yet"):
            receipts.proof(sealed)


class TestNoteReference:
    def test_puts_the_agencys_number_on_record_and_in_the_private_part_of_the_log(
        self, delivered: Referral, carla: User
    ) -> None:
        receipts.note_reference(delivered, external_ref=" CAS 12/3/2026 ", version=3, by=carla)
        delivered.refresh_from_db()
        assert (delivered.external_ref, delivered.version) == ("CAS 12/3/2026", 3)
        entry = AuditEntry.objects.get(event="referral.referenced")
        assert entry.additional_data == {"external_ref": "CAS 12/3/2026"}
        assert b"CAS" not in entries.public_data(entry)
        held = AuditEntry.objects.exclude(pk=entry.pk).values_list("changes", flat=True)
        assert "CAS" not in str([*held])  # so that it can be erased in one place

    def test_may_be_mended_until_the_referral_is_closed(
        self, delivered: Referral, lee: LiaisonClient, carla: User
    ) -> None:
        receipts.note_reference(delivered, external_ref="CAS 12/3", by=carla)
        acknowledge(delivered, lee)
        receipts.note_reference(delivered, external_ref="CAS 12/4", by=carla)
        assert AuditEntry.objects.filter(event="referral.referenced").count() == 2
        closed = docket.close(delivered, because="Done.", by=carla)
        with pytest.raises(WrongState, match="is closed; no agency gives it a number now"):
            receipts.note_reference(closed, external_ref="CAS 12/5", by=carla)

    def test_is_refused_before_the_agency_can_have_given_one(
        self, sealed: Referral, carla: User
    ) -> None:
        with pytest.raises(WrongState, match="is sealed"):
            receipts.note_reference(sealed, external_ref="CAS 12/3", by=carla)

    def test_wants_a_number_the_version_and_counsel(
        self, delivered: Referral, ana: User, carla: User
    ) -> None:
        for number in ("", " ", "x" * 101):
            with pytest.raises(Malformed, match="wants 1 to 100 characters"):
                receipts.note_reference(delivered, external_ref=number, by=carla)
        with pytest.raises(Stale):
            receipts.note_reference(delivered, external_ref="CAS 12/3", version=2, by=carla)
        with pytest.raises(NotPermitted):
            receipts.note_reference(delivered, external_ref="CAS 12/3", by=ana)
        delivered.refresh_from_db()
        assert delivered.external_ref == ""
