"""Eight defects that a filing path is known to have had elsewhere: each would fail a test here.

They are told in one sentence each: a report that leaves no trace when its worker dies, one report
per person for ever, "viewed by a human" as a constant, content fetched when it is filed, trying for
a while and then forgetting, preservation lost behind a success, a test that reaches production,
and reports kept in clear.
"""

import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from compliance import determinations, evidence, findings, preservation
from compliance.determinations import Determination
from compliance.evidence import Item
from compliance.lifecycle import Work
from compliance.models import Hold
from compliance.roles import User
from compliance.vault import age
from referrals import bundles, delivery, docket, routes
from referrals.channels import Confirmation, DeliveryFailed, Parcel
from referrals.channels.pickup import Pickup
from referrals.docket import FilingType, Referral
from tests.cast import IMMINENT
from tests.referrals.test_bundles import manifest, sealed_bytes

Make = Callable[..., Any]
pytestmark = pytest.mark.slow


class Line(Pickup):
    """A channel that notes what it was handed, and does then what a test wants of it."""

    def __init__(self, act: Callable[[], Any] = lambda: None) -> None:
        self.act, self.keys, self.parcels = act, [], []  # type: ignore[var-annotated]

    def transmit(self, parcel: Parcel) -> Confirmation:
        self.keys.append(parcel.key)
        self.parcels.append(parcel)
        self.act()
        return super().transmit(parcel)


@pytest.fixture
def over(monkeypatch: pytest.MonkeyPatch) -> Callable[[Line], Line]:
    """Deliver over a line."""

    def put(line: Line) -> Line:
        monkeypatch.setattr(routes, "channel", lambda route, sign: line)
        return line

    return put


def later() -> None:
    """Let every pause and lease end."""
    past = timezone.now() - timedelta(seconds=1)
    Work.objects.filter(done_at=None).update(available_at=past, lease_until=None)


def test_a_worker_that_dies_while_it_files_leaves_a_trace_and_the_filing_is_resumed(
    sealed: Referral, over: Callable[[Line], Line]
) -> None:
    def die() -> None:
        assert sealed.attempts.filter(delivery.STILL_OPEN).count() == 1  # on record before
        raise SystemExit

    line = over(Line(die))
    with pytest.raises(SystemExit):
        delivery.deliver_due()
    line.act = lambda: None
    later()
    assert delivery.deliver_due() == 1
    assert sealed.attempts.count() == 1
    assert len(set(line.keys)) == 1  # the far side can tell that it is the same filing


def test_the_same_account_is_reported_as_often_as_there_is_something_new(
    delivered: Referral, record: Make, sign: Make, ben: User
) -> None:
    for supplements in (delivered.obligation.determination.finding, None):
        more = record(IMMINENT, statement="Another post.", supplements=supplements)
        findings.confirm(more, because="Credible.", by=ben)
        determinations.propose_due()
        sign(more.determinations.get())
    assert docket.enter_due() == 2
    kinds = sorted(Referral.objects.values_list("filing_type", flat=True))
    assert kinds == [FilingType.INITIAL, FilingType.INITIAL, FilingType.SUPPLEMENT]
    supplement = Referral.objects.get(filing_type=FilingType.SUPPLEMENT)
    assert list(supplement.prior_referrals.all()) == [delivered]


def test_an_item_counts_as_viewed_only_by_whom_opened_it(
    item: Item, unseen: Item, entered: Referral, identity: age.Identity, ben: User
) -> None:
    def told() -> list[tuple[str, bool, str]]:
        said = manifest(sealed_bytes(bundles.prepare(entered)), identity)
        each = [*said["items"], *said["unviewed"]]
        return [(one["id"], one["viewed_by_human"], one["view_scope"]) for one in each]

    seen = (str(item.pk), True, "whole")
    assert told() == [seen, (str(unseen.pk), False, "none")]
    assert b"".join(evidence.read(unseen, purpose="Review.", by=ben))
    assert told() == [seen, (str(unseen.pk), True, "whole")]


def test_what_is_filed_was_frozen_before_and_nothing_is_fetched(
    entered: Referral, item: Item, identity: age.Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unplugged(*_: Any, **__: Any) -> Any:
        raise AssertionError("Something is fetched.")

    if connection.vendor == "sqlite":
        monkeypatch.setattr(socket, "socket", unplugged)
    monkeypatch.setattr(socket, "create_connection", unplugged)
    (said,) = manifest(sealed_bytes(bundles.prepare(entered)), identity)["items"]
    assert said["sha256"] == item.sha256
    assert (bundles.seal_due(), delivery.deliver_due()) == (1, 1)


def test_a_filing_that_fails_is_owed_for_ever_and_late_it_has_an_owner(
    sealed: Referral, over: Callable[[Line], Line], carla: User
) -> None:
    def fail() -> None:
        raise DeliveryFailed("The agency cannot be reached.", permanent=False)

    line = over(Line(fail))
    Referral.objects.update(due_at=timezone.now() - timedelta(days=31))
    for _ in range(12):
        later()
        assert delivery.deliver_due() == 0
    assert sealed.attempts.count() == 12
    assert [each.owner for each in docket.overdue()] == [carla]
    assert Work.objects.get(topic="deliver").last_error == "The agency cannot be reached."
    line.act = lambda: None
    later()
    assert delivery.deliver_due() == 1
    done = sealed.attempts.get(confirmed_at__isnull=False)
    assert done.confirmed_sha256 == sealed.bundle.sha256  # what the far side said it has


def test_preservation_is_work_of_its_own_and_outlives_a_success(
    signed: Determination, agency: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(Hold.objects, "create", lambda **told: 1 / 0)
        assert preservation.place_due() == 0
    for room in (docket.enter_due, bundles.seal_due, delivery.deliver_due):
        assert room() == 1
    assert preservation.is_held(signed)  # nothing is erased while the hold is owed
    later()
    assert preservation.place_due() == 1
    assert Hold.objects.get().determination == signed


def test_a_test_is_one_by_the_agencys_own_record_whatever_runs_it(
    entered: Referral, identity: age.Identity, over: Callable[[Line], Line], settings: Any
) -> None:
    settings.ENVIRONMENT = "production"
    line = over(Line())
    told = manifest(sealed_bytes(bundles.prepare(entered)), identity)
    assert (bundles.seal_due(), delivery.deliver_due()) == (1, 1)
    stamped = [told["environment"], line.parcels[0].environment]
    assert [*stamped, entered.attempts.get().environment] == ["test"] * 3


def test_nothing_that_is_filed_lies_about_in_clear(delivered: Referral, item: Item) -> None:
    marks = (b"Tonight.", b"market hall", b"@sample-1")
    layout = str(delivered.bundle.layout).encode()
    stored = [each.read_bytes() for each in Path(settings.MEDIA_ROOT).rglob("*") if each.is_file()]
    assert stored
    for held in (layout, *stored):
        assert not [mark for mark in marks if mark in held]
