"""Docket: one signed obligation becomes one referral, and people end it with a reason."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from compliance.audit.entries import AuditEntry
from compliance.determinations import Determination, Obligation
from compliance.errors import Malformed, NotPermitted, Stale, WrongState
from compliance.lifecycle import Work
from compliance.roles import User
from compliance.vault import age
from referrals import bundles, delivery, docket, receipts
from referrals.agencies import Agency, NotEnrolled
from referrals.clients import LiaisonClient
from referrals.docket import Referral, State

HOUR = timedelta(hours=1)
Overtake = Callable[..., Determination]
EARLIER, LATER = timezone.now() - HOUR, timezone.now() + HOUR


def happened(record: models.Model) -> list[tuple[str, str]]:
    """Tell what the log says of a record, and who did it; the field diffs are left out."""
    entries = AuditEntry.objects.filter(object_pk=str(record.pk)).order_by("id")
    told = entries.exclude(event__regex=r"\.(created|updated)$")
    return list(told.values_list("event", "actor_ref"))


@pytest.fixture
def obligation(signed: Determination) -> Obligation:
    """What Carla's signature commits us to."""
    return signed.obligations.get()


@pytest.fixture
def acknowledged(delivered: Referral, lee: LiaisonClient) -> Referral:
    """The referral, acknowledged by Lee."""
    said = receipts.acknowledge(
        delivered, agency_reference="SZ-17", receipt_sha256=delivered.bundle.sha256, by=lee
    )
    return said.referral


class TestEnter:
    def test_addresses_the_obligation_to_its_agency(
        self, entered: Referral, obligation: Obligation, agency: Agency
    ) -> None:
        assert (entered.state, entered.agency, entered.version) == (State.ENTERED, agency, 1)
        assert entered.due_at == obligation.due_at
        assert str(entered) == entered.number
        assert entered.number.startswith("R-")
        assert happened(entered) == [("referral.entered", "system:worker")]

    def test_waits_until_an_agency_is_enrolled(self, obligation: Obligation) -> None:
        with pytest.raises(NotEnrolled, match="No approved agency is enrolled for bka"):
            docket.enter(obligation)
        assert not Referral.objects.exists()

    def test_happens_once(self, entered: Referral) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            docket.enter(entered.obligation)


class TestWithdraw:
    def test_ends_a_referral_that_no_agency_could_get(self, sealed: Referral, carla: User) -> None:
        done = docket.withdraw(sealed, because=" The account was a parody. ", version=2, by=carla)
        assert (done.state, done.withdrawn_by) == (State.WITHDRAWN, carla)
        assert done.withdrawn_because == "The account was a parody."
        assert happened(done)[-1] == ("referral.withdrawn", f"user:{carla.pk}")

    def test_comes_too_late_after_delivery(self, delivered: Referral, carla: User) -> None:
        with pytest.raises(WrongState, match="is delivered; it cannot become withdrawn"):
            docket.withdraw(delivered, because="A parody.", by=carla)

    def test_is_refused_to_a_reviewer(self, entered: Referral, ana: User) -> None:
        with pytest.raises(NotPermitted, match=r"The role reviewer may not close referral\."):
            docket.withdraw(entered, because="A parody.", by=ana)

    def test_wants_a_reason(self, entered: Referral, carla: User) -> None:
        with pytest.raises(Malformed, match=r"A reason is missing\. Say in a sentence why"):
            docket.withdraw(entered, because=" ", by=carla)

    def test_is_refused_to_whoever_read_an_older_version(
        self, sealed: Referral, carla: User
    ) -> None:
        with pytest.raises(Stale, match="Somebody else changed this record"):
            docket.withdraw(sealed, because="A parody.", version=1, by=carla)


class TestClose:
    def test_ends_a_referral_that_its_agency_acknowledged(
        self, acknowledged: Referral, carla: User
    ) -> None:
        done = docket.close(
            acknowledged, because=" Taken over. ", version=acknowledged.version, by=carla
        )
        assert (done.state, done.closed_by) == (State.CLOSED, carla)
        assert done.closed_because == "Taken over."
        assert happened(done)[-1] == ("referral.closed", f"user:{carla.pk}")

    def test_is_refused_before_the_agency_acknowledged(
        self, delivered: Referral, carla: User
    ) -> None:
        with pytest.raises(WrongState, match="is delivered; it cannot become closed"):
            docket.close(delivered, because="Taken over.", by=carla)

    def test_is_refused_to_a_custodian(self, delivered: Referral, cleo: User) -> None:
        with pytest.raises(NotPermitted, match="The role custodian may not close referral"):
            docket.close(delivered, because="Taken over.", by=cleo)

    def test_wants_a_reason(self, acknowledged: Referral, carla: User) -> None:
        with pytest.raises(Malformed, match="A reason is missing"):
            docket.close(acknowledged, because="", by=carla)

    def test_is_refused_to_whoever_read_an_older_version(
        self, delivered: Referral, carla: User
    ) -> None:
        with pytest.raises(Stale):
            docket.close(delivered, because="Taken over.", version=1, by=carla)


class TestEnterDue:
    def test_enters_what_is_owed_and_the_second_time_nothing(
        self, obligation: Obligation, agency: Agency
    ) -> None:
        assert list(docket.unentered()) == [obligation]
        assert (docket.enter_due(), docket.enter_due()) == (1, 0)
        assert Referral.objects.get().obligation == obligation
        assert not docket.unentered().exists()

    def test_takes_the_most_urgent_first_and_last_what_has_no_due_date(
        self, obligation: Obligation, agency: Agency
    ) -> None:
        told = {"because": [], "release": [], "withhold": {}, "recipient": "bka"}
        whenever, later = (
            Obligation.objects.create(
                determination=obligation.determination, kind=kind, due_at=due_at, **told
            )
            for kind, due_at in (("permission", None), ("other", obligation.due_at + HOUR))
        )
        assert list(docket.unentered()) == [obligation, later, whenever]

    def test_puts_the_work_back_with_its_reason_while_no_agency_is_enrolled(
        self, obligation: Obligation, identity: age.Identity, enrol: Callable[..., Agency]
    ) -> None:
        assert docket.enter_due() == 0
        owed = Work.objects.get(topic="enter", subject=obligation.pk)
        assert owed.last_error.startswith("No approved agency is enrolled for bka.")
        enrol("bka", identity)
        Work.objects.update(available_at=timezone.now())
        assert docket.enter_due() == 1


def owed_before(referral: Referral, **changes: Any) -> None:
    """Let the obligation of a referral have been another, as an owner of the database can."""
    Obligation.objects.filter(pk=referral.obligation_id).update(**changes)


class TestFollow:
    @pytest.mark.slow
    @pytest.mark.parametrize("state", ["entered", "sealed"])
    def test_takes_a_referral_along_when_the_newer_determination_asks_for_the_same(
        self, state: str, overtake: Overtake, request: pytest.FixtureRequest
    ) -> None:
        referral: Referral = request.getfixturevalue(state)
        before = referral.obligation
        owed_before(referral, due_at=None)
        newer = overtake(before.determination.finding).obligations.get()
        assert list(docket.unentered()) == []
        assert (docket.enter_due(), docket.enter_due()) == (1, 0)
        referral = Referral.objects.get()
        assert (referral.state, referral.obligation) == (state, newer)
        assert (referral.due_at, newer.continues) == (newer.due_at, before)
        assert happened(referral)[-1] == ("referral.followed", "system:worker")
        assert list(docket.owed(State(state))) == [referral]

    def test_leaves_delivered_what_was_delivered(
        self, delivered: Referral, overtake: Overtake
    ) -> None:
        before = delivered.obligation
        overtake(before.determination.finding)
        assert docket.enter_due() == 0
        assert Referral.objects.get().obligation == before
        assert not docket.idle().exists()

    @pytest.mark.slow
    def test_lets_an_entered_one_be_sealed_with_what_goes_now(
        self, entered: Referral, overtake: Overtake
    ) -> None:
        owed_before(entered, release=["META"])
        newer = overtake(entered.obligation.determination.finding)
        docket.enter_due()
        entered.refresh_from_db()
        assert entered.obligation.release == newer.obligations.get().release

    @pytest.mark.slow
    def test_lets_a_sealed_one_wait_that_holds_something_else_until_it_is_withdrawn(
        self, sealed: Referral, overtake: Overtake, carla: User
    ) -> None:
        owed_before(sealed, release=["META"])
        newer = overtake(sealed.obligation.determination.finding).obligations.get()
        assert docket.enter_due() == 0
        assert list(docket.idle()) == [sealed]
        docket.withdraw(sealed, because="Other classes go now.", by=carla)
        assert docket.enter_due() == 1
        assert Referral.objects.get(state=State.ENTERED).obligation == newer
        assert not docket.idle().exists()


class TestIdle:
    @pytest.mark.slow
    def test_is_what_no_signed_determination_asks_for_any_more(
        self, entered: Referral, drop: Overtake, sits: Callable[[User], Any], carla: User
    ) -> None:
        assert not docket.idle().exists()
        seat = sits(carla)
        told = "waits for counsel to withdraw it"
        assert told not in seat.reads(entered)
        drop(entered.obligation.determination.finding)
        assert list(docket.idle()) == [entered]
        assert told in seat.reads(entered)
        assert f"Referral {entered}" in seat.browser.get("/admin/").content.decode()
        docket.withdraw(entered, because="Refuted.", by=carla)
        assert not docket.idle().exists()

    def test_is_not_sealed(self, entered: Referral, drop: Overtake) -> None:
        draft = bundles.prepare(entered)
        drop(entered.obligation.determination.finding)
        assert bundles.seal_due() == 0
        with pytest.raises(WrongState, match=r"is not owed any more\. Counsel may withdraw it"):
            bundles.seal(entered, draft)
        entered.refresh_from_db()
        assert entered.state == State.ENTERED

    def test_is_not_delivered(self, sealed: Referral, drop: Overtake) -> None:
        sent = delivery.transmit(sealed)
        drop(sealed.obligation.determination.finding)
        assert delivery.deliver_due() == 0
        for step in (partial(delivery.transmit, sealed), partial(delivery.deliver, sealed, sent)):
            with pytest.raises(WrongState, match="is not owed any more"):
                step()
        sealed.refresh_from_db()
        assert sealed.state == State.SEALED

    @pytest.mark.slow
    def test_is_not_what_was_made_ready_for_an_earlier_obligation(
        self, entered: Referral, overtake: Overtake
    ) -> None:
        draft = bundles.prepare(entered)
        overtake(entered.obligation.determination.finding)
        docket.enter_due()
        with pytest.raises(Stale):
            bundles.seal(entered, draft)


class TestOverdue:
    @pytest.mark.parametrize(
        ("due_at", "ended", "late"),
        [
            (None, {}, False),
            (LATER, {}, False),
            (EARLIER, {}, True),
            (EARLIER, {"delivered_at": EARLIER - timedelta(minutes=1)}, False),
            (EARLIER, {"delivered_at": LATER}, True),
            (EARLIER, {"withdrawn_at": EARLIER - timedelta(minutes=1)}, False),
            (EARLIER, {"withdrawn_at": LATER}, True),
        ],
    )
    def test_is_what_the_agency_could_not_get_in_time(
        self, due_at: Any, ended: dict[str, Any], late: bool
    ) -> None:
        assert Referral(due_at=due_at, **ended).is_overdue is late

    def test_lists_what_should_have_been_delivered_by_now(
        self, sealed: Referral, carla: User
    ) -> None:
        Referral.objects.update(due_at=LATER)
        assert not docket.overdue().exists()
        Referral.objects.update(due_at=EARLIER)
        assert list(docket.overdue()) == [sealed]
        docket.withdraw(sealed, because="A parody.", by=carla)
        assert not docket.overdue().exists()


class TestForAgency:
    def test_shows_nothing_before_delivery(self, sealed: Referral, agency: Agency) -> None:
        assert not docket.for_agency(agency).exists()

    def test_shows_an_agency_its_own_referrals_only(
        self, delivered: Referral, agency: Agency, enrol: Callable[..., Agency]
    ) -> None:
        other = enrol("fbi", age.generate_identity(age.X25519))
        assert list(docket.for_agency(agency)) == [delivered]
        assert not docket.for_agency(other).exists()

    def test_shows_what_was_acknowledged_and_closed(
        self, acknowledged: Referral, agency: Agency, carla: User
    ) -> None:
        assert list(docket.for_agency(agency)) == [acknowledged]
        docket.close(acknowledged, because="Taken over.", by=carla)
        assert list(docket.for_agency(agency)) == [acknowledged]


class TestConstraints:
    @pytest.mark.parametrize("state", [each for each in State if each != State.ENTERED])
    def test_let_no_state_stand_without_its_stamps(self, state: str, entered: Referral) -> None:
        with (
            pytest.raises(IntegrityError, match=f"referral_{state}_is_stamped"),
            transaction.atomic(),
        ):
            Referral.objects.update(state=state)

    @pytest.mark.parametrize("state", [State.CLOSED, State.WITHDRAWN])
    def test_let_nobody_end_a_referral_without_a_name(self, state: str, entered: Referral) -> None:
        alone = {"state": state, f"{state}_at": timezone.now()}
        with (
            pytest.raises(IntegrityError, match=f"referral_{state}_is_stamped"),
            transaction.atomic(),
        ):
            Referral.objects.update(**alone)
