"""Preservation: from counsel's signature on, nothing of the matter is erased while a hold lasts."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from compliance import determinations, preservation
from compliance.audit.entries import AuditEntry
from compliance.determinations import Determination, Obligation
from compliance.errors import Malformed, NotPermitted, Stale, WrongState
from compliance.preservation import HOUSE_PERIOD, Hold
from compliance.roles import User

pytestmark = pytest.mark.usefixtures("worker")

Says = Callable[..., Determination]
LAW = {"because": ["us-sca-2703f"], "until": "2099-01-01T00:00:00Z"}


@pytest.fixture
def says(proposed: Determination, sign: Says) -> Callable[..., Determination]:
    """A determination whose law says this about preservation, signed by Carla."""

    def make(preserve: dict[str, Any] | None, *, reports: bool = True) -> Determination:
        said = proposed.result | {"preserve": preserve}
        said |= {} if reports else {"reports": []}
        del said["sha256"]
        digest = determinations.jurisdictions.digest(said)
        Determination.objects.filter(pk=proposed.pk).update(
            result=said | {"sha256": digest}, result_sha256=digest
        )
        proposed.refresh_from_db()
        return sign(proposed)

    return make


class TestPlace:
    def test_counts_from_the_signature_as_long_as_the_law_says(self, says: Says) -> None:
        signed = says(LAW)
        hold = preservation.place(signed)
        hold.refresh_from_db()
        assert (hold.state, hold.placed_at) == ("placed", signed.signed_at)
        assert hold.because == ["us-sca-2703f"]
        assert hold.kept_until == datetime(2099, 1, 1, tzinfo=UTC)
        assert str(hold) == f"hold on {signed.finding.reference}"

    def test_lasts_until_released_where_the_law_sets_no_end(self, says: Says) -> None:
        assert preservation.place(says(LAW | {"until": "open"})).kept_until is None

    def test_lasts_as_long_as_the_house_says_where_no_law_sets_a_period(self, says: Says) -> None:
        signed = says(None)
        hold = preservation.place(signed)
        assert hold.because == ["house.referred"]
        assert signed.signed_at is not None
        assert hold.kept_until == signed.signed_at + timedelta(days=90)
        assert timedelta(days=90) == HOUSE_PERIOD

    def test_is_the_workers_step_in_the_log(self, signed: Determination) -> None:
        hold = preservation.place(signed)
        entry = AuditEntry.objects.get(event="hold.placed")
        assert (entry.actor_ref, entry.object_pk) == ("system:worker", str(hold.pk))

    def test_is_refused_before_a_signature(self, proposed: Determination, carla: User) -> None:
        with pytest.raises(WrongState, match=r"determination on F-.* is not signed; there is noth"):
            preservation.place(proposed)
        declined = determinations.decline(proposed, because="No duty.", by=carla)
        with pytest.raises(WrongState, match="is not signed"):
            preservation.place(declined)

    def test_happens_once(self, signed: Determination) -> None:
        preservation.place(signed)
        with pytest.raises(IntegrityError), transaction.atomic():
            preservation.place(signed)


class TestPlaceDue:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("preserve", "reports", "held"),
        [(LAW, True, 1), (LAW, False, 1), (None, True, 1), (None, False, 0)],
    )
    def test_holds_what_the_law_keeps_or_we_refer(
        self, says: Says, preserve: dict[str, Any] | None, reports: bool, held: int
    ) -> None:
        signed = says(preserve, reports=reports)
        assert Obligation.objects.exists() is reports
        assert preservation.is_held(signed) is bool(held)
        assert preservation.place_due() == held
        assert preservation.place_due() == 0
        assert Hold.objects.count() == held
        assert preservation.is_held(signed) is bool(held)

    def test_places_one_hold_for_two_obligations(self, signed: Determination) -> None:
        Obligation.objects.create(
            determination=signed, recipient="fbi", kind="permission", because=[], release=[],
            withhold=[],
        )  # fmt: skip
        assert preservation.place_due() == 1
        assert Hold.objects.count() == 1

    def test_leaves_what_nobody_signed(self, proposed: Determination) -> None:
        assert preservation.place_due() == 0
        assert not Hold.objects.exists()


class TestRelease:
    @pytest.fixture
    def hold(self, signed: Determination) -> Hold:
        return preservation.place(signed)

    def test_ends_the_hold_with_a_reason(self, hold: Hold, carla: User) -> None:
        released = preservation.release(hold, because=" Process served. ", by=carla)
        assert (released.state, released.released_by) == ("released", carla)
        assert released.released_because == "Process served."
        assert not preservation.is_held(hold.determination)
        assert AuditEntry.objects.get(event="hold.released").actor == carla
        assert preservation.place_due() == 0  # and it is not placed again

    @pytest.mark.parametrize("who", ["ana", "otto", "cleo"])
    def test_is_refused_to_all_but_counsel(
        self, hold: Hold, who: str, request: pytest.FixtureRequest
    ) -> None:
        with pytest.raises(NotPermitted, match="may not release hold"):
            preservation.release(hold, because="Over.", by=request.getfixturevalue(who))

    def test_wants_a_reason(self, hold: Hold, carla: User) -> None:
        with pytest.raises(Malformed, match=r"A reason is missing\."):
            preservation.release(hold, because=" ", by=carla)

    def test_happens_once(self, hold: Hold, carla: User) -> None:
        preservation.release(hold, because="Over.", by=carla)
        with pytest.raises(WrongState, match="is released; it cannot become released"):
            preservation.release(hold, because="Over.", by=carla)


class TestIsHeld:
    def test_holds_from_the_signature_on_before_the_hold_is_placed(
        self, proposed: Determination, sign: Says
    ) -> None:
        assert not preservation.is_held(proposed)
        assert preservation.is_held(sign(proposed))

    @pytest.mark.parametrize(
        ("kept", "held"), [(None, True), (timedelta(days=1), True), (timedelta(-1), False)]
    )
    def test_ends_with_the_period(
        self, signed: Determination, kept: timedelta | None, held: bool
    ) -> None:
        preservation.place(signed)
        Hold.objects.update(kept_until=kept and timezone.now() + kept)
        assert preservation.is_held(signed) is held

    def test_never_holds_what_was_declined(self, proposed: Determination, carla: User) -> None:
        declined = determinations.decline(proposed, because="No duty.", by=carla)
        assert not preservation.is_held(declined)


class TestConstraints:
    def test_let_no_release_stand_without_its_stamps(self, signed: Determination) -> None:
        preservation.place(signed)
        for changes in ({"state": "released"}, {"released_at": timezone.now()}):
            with pytest.raises(IntegrityError, match="hold_released"), transaction.atomic():
                Hold.objects.update(**changes)


class TestExtend:
    @pytest.fixture
    def hold(self, signed: Determination) -> Hold:
        """A hold of ninety days."""
        return preservation.place(signed)

    @pytest.mark.parametrize("days", [180, None])
    def test_keeps_the_matter_longer_with_a_reason(
        self, hold: Hold, carla: User, days: int | None
    ) -> None:
        until = hold.placed_at + timedelta(days=days) if days else None
        done = preservation.extend(
            hold, kept_until=until, because=" A letter came. ", version=1, by=carla
        )
        assert (done.kept_until, done.version) == (until, 2)
        entry = AuditEntry.objects.get(event="hold.extended")
        assert (entry.actor_ref, entry.purpose) == (f"user:{carla.pk}", "A letter came.")
        assert preservation.is_held(hold.determination)

    def test_ends_later_than_what_it_extends(self, hold: Hold, carla: User) -> None:
        for until in (hold.kept_until, hold.placed_at):
            with pytest.raises(Malformed, match="ends later"):
                preservation.extend(hold, kept_until=until, because="A letter.", by=carla)
        endless = preservation.extend(hold, kept_until=None, because="A letter.", by=carla)
        with pytest.raises(Malformed, match="ends later"):
            preservation.extend(endless, kept_until=None, because="A letter.", by=carla)

    def test_wants_a_reason_the_version_and_counsel(
        self, hold: Hold, ana: User, carla: User
    ) -> None:
        with pytest.raises(Malformed, match="A reason is missing"):
            preservation.extend(hold, kept_until=None, because=" ", by=carla)
        with pytest.raises(Stale):
            preservation.extend(hold, kept_until=None, because="A letter.", version=2, by=carla)
        with pytest.raises(NotPermitted):
            preservation.extend(hold, kept_until=None, because="A letter.", by=ana)

    def test_is_refused_once_the_hold_is_released(self, hold: Hold, carla: User) -> None:
        released = preservation.release(hold, because="Over.", by=carla)
        with pytest.raises(WrongState, match="is released; it cannot be extended"):
            preservation.extend(released, kept_until=None, because="A letter.", by=carla)
