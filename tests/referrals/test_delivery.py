"""Delivery: an attempt is on record before anything leaves, is resumed, and never doubled."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from compliance import determinations, findings, lifecycle
from compliance.audit.entries import AuditEntry
from compliance.determinations import Determination
from compliance.errors import KeyUnusable, Stale, WrongState
from compliance.evidence import Item
from compliance.lifecycle import Work
from compliance.roles import User
from compliance.vault import age
from referrals import agencies, bundles, delivery, docket, routes
from referrals.bundles import Bundle
from referrals.channels import Confirmation, DeliveryFailed, Parcel
from referrals.delivery import Attempt
from referrals.docket import Referral, State
from referrals.management import demo_samples
from referrals.routes import Route

Make = Callable[..., Any]
EARLIER, LATER = timezone.now() - timedelta(hours=1), timezone.now() + timedelta(hours=1)


class Wire:
    """Somebody else's network: keeps what it was handed, and what was on record by then."""

    name = "wire"

    def __init__(self) -> None:
        self.handed: list[Parcel] = []
        self.on_record: list[int] = []
        self.answer: Callable[[Parcel], Confirmation] = confirmed

    def transmit(self, parcel: Parcel) -> Confirmation:
        """Take a parcel and answer."""
        self.handed.append(parcel)
        still_open = Attempt.objects.filter(confirmed_at=None, failed_at=None)
        self.on_record.append(still_open.count())
        return self.answer(parcel)


def confirmed(parcel: Parcel) -> Confirmation:
    return Confirmation(at=timezone.now(), sha256=parcel.sha256)


def failing(message: str, *, permanent: bool = False) -> Callable[[Parcel], Confirmation]:
    def answer(parcel: Parcel) -> Confirmation:
        raise DeliveryFailed(message, permanent=permanent)

    return answer


def breaking_off(parcel: Parcel) -> Confirmation:
    raise ConnectionResetError


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """Deliver over somebody else's network."""
    made = Wire()
    monkeypatch.setattr(routes, "channel", lambda route, sign: made)
    return made


@pytest.fixture
def route(
    sealed: Referral, cleo: User, carla: User, worker: None, settings: Any, tmp_path: Path
) -> Route:
    """A folder that the agency collects from."""
    settings.DROP_DIR = str(tmp_path)
    (tmp_path / "bka-in").mkdir()
    added = routes.add(sealed.agency, way="file_drop", address="bka-in", by=cleo)
    return routes.approve(added, address="bka-in", by=carla)


def events(referral: Referral) -> list[str]:
    """What the log says of a referral; the field diffs are left out."""
    entries = AuditEntry.objects.filter(object_pk=str(referral.pk)).order_by("id")
    return [each.event for each in entries if not each.event.endswith((".created", ".updated"))]


def try_again() -> int:
    """Let pauses and leases pass, then deliver what is owed."""
    past = timezone.now() - timedelta(seconds=1)
    Work.objects.filter(done_at=None).update(available_at=past, lease_until=None)
    return delivery.deliver_due()


class TestTransmit:
    def test_puts_the_attempt_on_record_before_it_hands_anything_over(
        self, sealed: Referral, wire: Wire
    ) -> None:
        attempt, _ = delivery.transmit(sealed)
        assert wire.on_record == [1]
        assert (attempt.number, attempt.channel, attempt.environment) == (1, "wire", "test")
        assert attempt.confirmed_at is None
        assert str(attempt) == f"attempt 1 of {sealed.number}"

    def test_hands_over_numbers_and_digests_alone(
        self, sealed: Referral, item: Item, wire: Wire
    ) -> None:
        delivery.transmit(sealed)
        bundle = sealed.bundle
        assert wire.handed == [
            Parcel(
                key=f"{sealed.pk}:{bundle.sha256}",
                number=sealed.number,
                authority="bka",
                environment="test",
                size=bundle.size,
                sha256=bundle.sha256,
                objects=((item.sealed_name, item.sealed_size),),
                read=wire.handed[0].read,
            )
        ]
        assert sha256(b"".join(wire.handed[0].read())).hexdigest() == bundle.sha256

    def test_resumes_the_attempt_of_a_worker_that_was_killed(
        self, sealed: Referral, wire: Wire
    ) -> None:
        killed, _ = delivery.transmit(sealed)
        resumed, _ = delivery.transmit(sealed)
        assert resumed == killed
        assert wire.handed[0] == wire.handed[1]  # the same key: the channel acts once
        assert Attempt.objects.count() == 1

    def test_takes_the_route_that_leads_to_the_agency(
        self, sealed: Referral, route: Route, tmp_path: Path
    ) -> None:
        attempt, said = delivery.transmit(sealed)
        assert (attempt.route, attempt.channel) == (route, "file_drop")
        (path,) = (tmp_path / "bka-in").iterdir()
        assert sha256(path.read_bytes()).hexdigest() == said.sha256 == sealed.bundle.sha256

    def test_sends_nothing_on_a_route_that_was_revoked_meanwhile(
        self, sealed: Referral, route: Route, carla: User
    ) -> None:
        delivery._open(sealed)  # and then the worker was killed
        routes.revoke(route, because="They moved.", by=carla)
        with pytest.raises(DeliveryFailed, match=r"The route was revoked\. The next attempt"):
            delivery.transmit(sealed)
        attempt, _ = delivery.transmit(sealed)
        assert (attempt.number, attempt.route, attempt.channel) == (2, None, "pickup")

    @pytest.mark.parametrize("permanent", [False, True])
    def test_closes_the_attempt_with_what_the_channel_said(
        self, sealed: Referral, wire: Wire, worker: None, permanent: bool
    ) -> None:
        wire.answer = failing("The gate is shut. " + "x" * 300, permanent=permanent)
        with pytest.raises(DeliveryFailed, match="The gate is shut"):
            delivery.transmit(sealed)
        attempt = Attempt.objects.get()
        assert attempt.failed_at is not None
        assert attempt.failed_because == ("The gate is shut. " + "x" * 300)[:200]
        assert attempt.is_permanent is permanent
        entry = AuditEntry.objects.get(event="delivery.failed")
        assert (entry.object_pk, entry.additional_data) == (str(sealed.pk), {"attempt": 1})
        wire.answer = confirmed
        assert delivery.transmit(sealed)[0].number == 2

    def test_refuses_a_channel_that_confirms_other_bytes(
        self, sealed: Referral, wire: Wire, worker: None
    ) -> None:
        wire.answer = lambda parcel: Confirmation(at=timezone.now(), sha256="0" * 64)
        with pytest.raises(DeliveryFailed, match="confirmed other bytes than were sealed"):
            delivery.transmit(sealed)
        assert Attempt.objects.get().failed_because.startswith("The channel confirmed other bytes")

    def test_leaves_the_attempt_open_when_nobody_knows_what_became_of_it(
        self, sealed: Referral, wire: Wire
    ) -> None:
        wire.answer = breaking_off
        with pytest.raises(ConnectionResetError):
            delivery.transmit(sealed)
        attempt = Attempt.objects.get()
        assert (attempt.confirmed_at, attempt.failed_at) == (None, None)

    def test_hands_over_nothing_that_was_withdrawn(
        self, sealed: Referral, wire: Wire, carla: User
    ) -> None:
        docket.withdraw(sealed, because="A parody.", by=carla)
        with pytest.raises(WrongState, match=r"is withdrawn; only a sealed referral is delivered"):
            delivery.transmit(sealed)
        assert wire.handed == []
        assert not Attempt.objects.exists()

    def test_hands_over_nothing_twice(self, delivered: Referral, wire: Wire) -> None:
        with pytest.raises(WrongState, match="is delivered; only a sealed"):
            delivery.transmit(delivered)
        assert wire.handed == []

    @pytest.mark.django_db(transaction=True)
    def test_is_no_part_of_a_transaction(self, sealed: Referral, wire: Wire) -> None:
        with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
            delivery.transmit(sealed)
        assert wire.handed == []
        wire.answer = lambda parcel: (
            confirmed(parcel) if not connection.in_atomic_block else breaking_off(parcel)
        )
        delivery.transmit(sealed)
        assert wire.on_record == [1]

    def test_seals_anew_what_was_sealed_to_a_key_that_ended(
        self, sealed: Referral, wire: Wire, worker: None, item: Item, cleo: User, carla: User
    ) -> None:
        old = sealed.bundle
        agencies.revoke_key(old.agency_key, because="Laptop lost.", by=carla)
        with pytest.raises(KeyUnusable, match=r"no approved, unexpired key\. Add one and have it"):
            delivery.transmit(sealed)
        assert wire.handed == []
        assert not Attempt.objects.exists()
        newer = age.generate_identity(age.X25519)
        key = agencies.add_key(sealed.agency, str(newer.recipient), expires_at=LATER, by=cleo)
        agencies.approve_key(key, fingerprint=key.fingerprint, by=carla)
        delivery.transmit(sealed)
        bundle = Bundle.objects.get()
        assert (bundle.pk, bundle.agency_key) == (old.pk, key)
        assert wire.handed[0].sha256 == bundle.sha256 != old.sha256
        data = b"".join(bundles.read(bundle, 0, bundle.size))
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            (name,) = (each for each in archive.namelist() if str(item.pk) in each)
            with archive.open(name) as source:
                assert b"".join(age.open_file(source, [newer])) == b"Tonight."
        renewed = AuditEntry.objects.get(event="bundle.renewed")
        assert renewed.additional_data == {"key": key.fingerprint}
        assert events(sealed).count("referral.sealed") == 1

    def test_seals_nothing_anew_that_was_withdrawn(
        self, sealed: Referral, wire: Wire, worker: None, cleo: User, carla: User
    ) -> None:
        sealed.agency.keys.update(expires_at=EARLIER)
        newer = age.generate_identity(age.X25519)
        key = agencies.add_key(sealed.agency, str(newer.recipient), expires_at=LATER, by=cleo)
        agencies.approve_key(key, fingerprint=key.fingerprint, by=carla)
        docket.withdraw(sealed, because="A parody.", by=carla)
        with pytest.raises(WrongState, match="is withdrawn; only a sealed referral"):
            delivery.transmit(sealed)
        assert Bundle.objects.get().agency_key != key


class TestDeliver:
    def test_records_that_the_agency_can_get_it(self, sealed: Referral, wire: Wire) -> None:
        attempt, said = delivery.transmit(sealed)
        done = delivery.deliver(sealed, (attempt, said))
        assert done.state == State.DELIVERED
        attempt.refresh_from_db()
        assert (attempt.confirmed_at, attempt.confirmed_sha256) == (said.at, sealed.bundle.sha256)
        assert events(sealed)[-1] == "referral.delivered"

    def test_happens_once_though_two_workers_transmitted(
        self, sealed: Referral, wire: Wire
    ) -> None:
        mine, theirs = delivery.transmit(sealed), delivery.transmit(sealed)
        delivery.deliver(sealed, mine)
        with pytest.raises(WrongState, match="is delivered; it cannot become delivered"):
            delivery.deliver(sealed, theirs)
        assert Attempt.objects.count() == 1
        assert events(sealed).count("referral.delivered") == 1

    def test_comes_too_late_once_the_key_is_revoked(
        self, sealed: Referral, wire: Wire, carla: User
    ) -> None:
        sent = delivery.transmit(sealed)
        agencies.revoke_key(sealed.bundle.agency_key, because="Stolen.", by=carla)
        with pytest.raises(KeyUnusable, match="was revoked or expired while it was used"):
            delivery.deliver(sealed, sent)
        sealed.refresh_from_db()
        assert sealed.state == State.SEALED

    def test_is_of_the_bytes_that_are_sealed_now(self, sealed: Referral, wire: Wire) -> None:
        attempt, said = delivery.transmit(sealed)
        with pytest.raises(Stale, match="was sealed anew while the channel had the old one"):
            delivery.deliver(sealed, (attempt, replace(said, sha256="0" * 64)))
        sealed.refresh_from_db()
        assert sealed.state == State.SEALED

    def test_comes_too_late_once_the_referral_is_withdrawn(
        self, sealed: Referral, wire: Wire, carla: User
    ) -> None:
        sent = delivery.transmit(sealed)
        docket.withdraw(sealed, because="A parody.", by=carla)
        with pytest.raises(WrongState, match="is withdrawn; it cannot become delivered"):
            delivery.deliver(sealed, sent)
        assert Attempt.objects.get().confirmed_at is None

    def test_is_refused_when_another_worker_saw_the_attempt_fail(
        self, sealed: Referral, wire: Wire, worker: None
    ) -> None:
        mine = delivery.transmit(sealed)
        wire.answer = failing("The gate is shut.")
        with pytest.raises(DeliveryFailed):
            delivery.transmit(sealed)
        with pytest.raises(Stale, match=f"Another worker ended attempt 1 of {sealed.number}"):
            delivery.deliver(sealed, mine)
        sealed.refresh_from_db()
        assert sealed.state == State.SEALED
        assert Attempt.objects.get().confirmed_at is None

    def test_is_not_undone_by_another_worker_whose_attempt_fails(
        self, sealed: Referral, wire: Wire, worker: None
    ) -> None:
        def too_late(parcel: Parcel) -> Confirmation:
            delivery.deliver(sealed, mine)
            raise DeliveryFailed("Timed out.", permanent=False)

        mine = delivery.transmit(sealed)
        wire.answer = too_late
        with pytest.raises(Stale, match="Another worker ended"):
            delivery.transmit(sealed)
        attempt = Attempt.objects.get()
        assert (attempt.failed_at, attempt.failed_because) == (None, "")
        assert attempt.confirmed_at is not None
        assert "delivery.failed" not in events(sealed)


class TestDeliverDue:
    def test_delivers_what_is_owed_and_the_second_time_nothing(
        self, sealed: Referral, wire: Wire
    ) -> None:
        assert (delivery.deliver_due(), delivery.deliver_due()) == (1, 0)
        sealed.refresh_from_db()
        assert (sealed.state, len(wire.handed)) == (State.DELIVERED, 1)

    def test_goes_on_where_a_worker_was_killed(self, sealed: Referral, wire: Wire) -> None:
        delivery.transmit(sealed)  # and no more was heard of that worker
        assert delivery.deliver_due() == 1
        assert [each.number for each in sealed.attempts.all()] == [1]
        assert sealed.attempts.get().confirmed_at is not None

    def test_leaves_a_second_worker_nothing_to_do(self, sealed: Referral, wire: Wire) -> None:
        def meanwhile(parcel: Parcel) -> Confirmation:
            assert delivery.deliver_due() == 0
            return confirmed(parcel)

        wire.answer = meanwhile
        assert delivery.deliver_due() == 1
        assert len(wire.handed) == 1

    def test_is_another_workers_once_the_lease_has_run_out(
        self, sealed: Referral, wire: Wire
    ) -> None:
        def slowly(parcel: Parcel) -> Confirmation:
            wire.answer = confirmed
            assert try_again() == 1  # the second worker
            return confirmed(parcel)

        wire.answer = slowly
        assert delivery.deliver_due() == 0
        assert [parcel.key for parcel in wire.handed] == [wire.handed[0].key] * 2
        assert [each.number for each in sealed.attempts.all()] == [1]
        assert events(sealed).count("referral.delivered") == 1

    def test_is_undone_when_the_lease_was_lost_and_resumed_by_whoever_holds_it(
        self, sealed: Referral, wire: Wire
    ) -> None:
        def slowly(parcel: Parcel) -> Confirmation:
            Work.objects.filter(topic="deliver").update(lease="of another worker")
            return confirmed(parcel)

        wire.answer = slowly
        assert delivery.deliver_due() == 0
        sealed.refresh_from_db()
        assert sealed.state == State.SEALED
        wire.answer = confirmed
        assert try_again() == 1
        assert [each.number for each in sealed.attempts.all()] == [1]
        assert events(sealed).count("referral.delivered") == 1

    def test_keeps_what_fails_in_sight_and_every_attempt(
        self, sealed: Referral, wire: Wire
    ) -> None:
        wire.answer = failing("The gate is shut.")
        assert delivery.deliver_due() == 0
        assert lifecycle.failing().get().last_error == "The gate is shut."
        sealed.refresh_from_db()
        assert sealed.state == State.SEALED  # a failed delivery is not a state
        wire.answer = confirmed
        assert try_again() == 1
        first, second = sealed.attempts.all()
        assert (first.failed_because, second.confirmed_sha256) == (
            "The gate is shut.",
            sealed.bundle.sha256,
        )

    @pytest.mark.slow
    def test_hands_over_the_most_urgent_first(
        self, record: Make, attach: Make, enrol: Make, profile: object, ben: User, sign: Make,
        wire: Wire,
    ) -> None:  # fmt: skip
        finding = record(demo_samples.read("munich").facts)
        attach(finding)
        findings.confirm(finding, because="Real and close.", by=ben)
        determinations.propose_due()
        sign(Determination.objects.get(), take_up=["fbi"])
        for name in ("fbi", "bka"):
            enrol(name, age.generate_identity(age.X25519))
        assert (docket.enter_due(), bundles.seal_due()) == (2, 2)
        for name, due_at in (("bka", None), ("fbi", LATER)):
            Referral.objects.filter(agency__authority=name).update(due_at=due_at)
        assert delivery.deliver_due() == 2
        assert [each.authority for each in wire.handed] == ["fbi", "bka"]


class TestPickup:
    """The channel that ships: nothing is sent, and what waits must lie there whole."""

    def test_confirms_the_bundle_that_waits(self, sealed: Referral) -> None:
        _, said = delivery.transmit(sealed)
        assert said.sha256 == sealed.bundle.sha256

    def test_fails_when_an_object_is_missing(
        self, sealed: Referral, item: Item, worker: None
    ) -> None:
        default_storage.delete(item.sealed_name)
        with pytest.raises(DeliveryFailed, match=r"A sealed object is missing\. Put the storage"):
            delivery.transmit(sealed)
        assert sealed.attempts.get().is_permanent

    @pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"x"])
    def test_fails_when_an_object_has_another_size(
        self, sealed: Referral, item: Item, worker: None, change: Callable[[bytes], bytes]
    ) -> None:
        path = Path(default_storage.path(item.sealed_name))
        path.write_bytes(change(path.read_bytes()))
        with pytest.raises(DeliveryFailed, match=r"A sealed object has another size\. Put"):
            delivery.transmit(sealed)
        assert sealed.attempts.get().is_permanent

    def test_delivers_once_the_storage_is_put_back(self, sealed: Referral, item: Item) -> None:
        path = Path(default_storage.path(item.sealed_name))
        before = path.read_bytes()
        path.unlink()
        assert delivery.deliver_due() == 0
        path.write_bytes(before)
        assert try_again() == 1
        assert [each.number for each in sealed.attempts.all()] == [1, 2]


class TestConstraints:
    def test_allow_one_open_attempt(self, sealed: Referral) -> None:
        told = {"referral": sealed, "channel": "wire", "environment": "test"}
        Attempt.objects.create(number=1, failed_at=timezone.now(), **told)
        Attempt.objects.create(number=2, **told)
        with pytest.raises(IntegrityError), transaction.atomic():
            Attempt.objects.create(number=3, **told)

    def test_number_each_attempt_once(self, sealed: Referral) -> None:
        told = {"referral": sealed, "channel": "wire", "environment": "test", "number": 1}
        Attempt.objects.create(failed_at=timezone.now(), **told)
        with pytest.raises(IntegrityError), transaction.atomic():
            Attempt.objects.create(**told)
