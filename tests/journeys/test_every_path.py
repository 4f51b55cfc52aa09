"""Every path: people, worker and crashes in any order, and no way to an agency around the gates."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from hypothesis import HealthCheck, strategies
from hypothesis import settings as effort
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from compliance import determinations, findings, lifecycle, overturnings, preservation
from compliance.audit.context import acting
from compliance.determinations import Decision, Determination
from compliance.errors import Refused
from compliance.findings import Finding
from compliance.lifecycle import Work
from compliance.models import ProviderProfile
from compliance.overturnings import Overturning
from compliance.roles import User
from referrals import bundles, delivery, docket, receipts, retractions, routes
from referrals.agencies import Agency
from referrals.channels import DeliveryFailed
from referrals.channels.pickup import Pickup
from referrals.clients import LiaisonClient
from referrals.docket import FilingType, Referral
from referrals.retractions import Retraction
from tests.cast import IMMINENT, NOW, new_finding

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("worker")]

ROOMS = (
    determinations.propose_due, preservation.place_due, docket.enter_due, retractions.retract_due,
    bundles.seal_due, delivery.deliver_due,
)  # fmt: skip
WHO = strategies.integers(0, 3)
WHICH = strategies.integers(0, 9)
# Which states owe a reason, and to whom.
REASONED = {
    Finding: ("confirmed", "dismissed", "overturned"),
    Determination: ("signed", "declined"),
    Overturning: ("signed", "declined", "reinstated", "told"),
    Retraction: ("signed",),
    Referral: ("withdrawn", "closed"),
}


class Wavering(Pickup):
    """A channel that reaches the agency or does not, or whose worker dies on the way."""

    mood = "well"

    def transmit(self, parcel: Any) -> Any:
        if self.mood == "down":
            raise DeliveryFailed("The agency cannot be reached.", permanent=False)
        if self.mood == "deadly":
            raise SystemExit
        return super().transmit(parcel)


@contextmanager
def undone() -> Iterator[None]:
    """Take back whatever happens within: rows, and the head of the log."""
    head, kept = Path(settings.LOG_HEAD_FILE), Path(f"{settings.LOG_HEAD_FILE}.kept")
    if head.exists():
        shutil.copy(head, kept)
    around = transaction.atomic()
    around._from_testcase = True  # type: ignore[attr-defined]  # durable blocks may stand in it
    with around:
        yield
        transaction.set_rollback(True)
    if kept.exists():
        shutil.move(kept, head)
    else:
        head.unlink(missing_ok=True)


def pass_the_time() -> None:
    """Let every lease and every pause end."""
    Work.objects.filter(done_at=None).update(available_at=NOW, lease_until=None)


class Paths(RuleBasedStateMachine):
    """Whoever may or may not take a step tries it, at any time."""

    people: list[User]
    lee: LiaisonClient
    channel: Wavering

    def __init__(self) -> None:
        super().__init__()
        self.channel.mood, self.turn = "well", 0
        self.around = undone()
        self.around.__enter__()

    def teardown(self) -> None:
        """Let the worker finish what it owes, and look at what is left; then take all back."""
        try:
            self.channel.mood = "well"
            for _ in range(4):
                pass_the_time()
                for room in ROOMS:
                    room()
            self.everything_is_settled()
        finally:
            self.around.__exit__(None, None, None)

    def tries(self, verb: Callable[..., Any], who: int, *about: Any, **told: Any) -> None:
        """Let a person take a step; that it is refused is fine."""
        try:
            with transaction.atomic():
                verb(*about, by=self.people[who], **told)
        except Refused:
            pass

    def one(self, model: Any, which: int) -> Any:
        """Return any record of a kind, or nothing."""
        found = list(model.objects.order_by("pk"))
        return found[which % len(found)] if found else None

    # --- what people do who do as they should

    @initialize(steps=strategies.integers(0, 14))
    def begin(self, steps: int) -> None:
        self.record(0)
        for _ in range(steps):
            self.go_on()

    @rule()
    def go_on(self) -> None:
        """Take whatever step is next, as whoever should: from a record to its retraction."""
        ben, carla = 1, 2
        for which in range(Finding.objects.count()):
            self.decide(ben, which, "confirm")
        for which in range(Determination.objects.count()):
            self.sign(carla, which, accept=True)
        for which in range(Overturning.objects.count()):
            self.answer_the_doubt(carla, which, "sign")
        for which in range(Retraction.objects.count()):
            self.retract(carla, which)
        if Referral.objects.filter(state__in=docket.GOT):
            self.doubt(ben, 0)
        ROOMS[self.turn % len(ROOMS)]()
        self.turn += 1

    # --- what people try

    @rule(who=WHO)
    def record(self, who: int) -> None:
        self.tries(lambda by: new_finding(by, IMMINENT), who)

    @rule(who=WHO, which=WHICH, verb=strategies.sampled_from(["confirm", "confirm", "dismiss"]))
    def decide(self, who: int, which: int, verb: str) -> None:
        if finding := self.one(Finding, which):
            self.tries(getattr(findings, verb), who, finding, because="Seen.")

    @rule(who=WHO, which=WHICH)
    def refute(self, who: int, which: int) -> None:
        if finding := self.one(Finding, which):
            told = {"reached_at": NOW, "basis": "A play."}
            self.tries(findings.climb, who, finding, "refuted", **told)

    @rule(who=WHO, which=WHICH, accept=strategies.booleans())
    def sign(self, who: int, which: int, accept: bool) -> None:
        if determination := self.one(Determination, which):
            duties = [each["to"] for each in determinations.firm(determination, "duty")]
            made = [Decision("duty", to, accept=accept, because="So.") for to in duties]
            self.tries(determinations.sign, who, determination, decisions=made, because="So.")

    @rule(who=WHO, which=WHICH)
    def decline(self, who: int, which: int) -> None:
        if determination := self.one(Determination, which):
            self.tries(determinations.decline, who, determination, because="No.")

    @rule(who=WHO, which=WHICH)
    def doubt(self, who: int, which: int) -> None:
        if finding := self.one(Finding, which):
            told = {"reason": "wrong_item", "because": "Another."}
            self.tries(overturnings.propose, who, finding, **told)

    @rule(who=WHO, which=WHICH, verb=strategies.sampled_from(["sign", "sign", "decline", "tell"]))
    def answer_the_doubt(self, who: int, which: int, verb: str) -> None:
        if overturning := self.one(Overturning, which):
            self.tries(getattr(overturnings, verb), who, overturning, because="So.")

    @rule(who=WHO, which=WHICH)
    def retract(self, who: int, which: int) -> None:
        if retraction := self.one(Retraction, which):
            self.tries(retractions.sign, who, retraction, because="So.")

    @rule(who=WHO, which=WHICH, verb=strategies.sampled_from(["withdraw", "close"]))
    def end(self, who: int, which: int, verb: str) -> None:
        if referral := self.one(Referral, which):
            self.tries(getattr(docket, verb), who, referral, because="So.")

    @rule(which=WHICH)
    def acknowledge(self, which: int) -> None:
        referral = self.one(Referral, which)
        if referral and referral.bundles.exists():
            said = {"agency_reference": "SZ-17", "receipt_sha256": referral.bundle.sha256}
            self.tries(lambda by: receipts.acknowledge(referral, by=self.lee, **said), 0)

    # --- what the worker does, and what befalls it

    @rule(room=strategies.sampled_from(ROOMS))
    def work(self, room: Callable[[], int]) -> None:
        room()

    @rule()
    def work_through(self) -> None:
        for room in ROOMS:
            room()

    @rule(mood=strategies.sampled_from(["well", "down", "deadly"]))
    def deliver(self, mood: str) -> None:
        self.channel.mood = mood
        with suppress(SystemExit):  # the worker died with its lease
            delivery.deliver_due()
        self.channel.mood = "well"

    @rule(topic=strategies.sampled_from(["propose", "enter", "seal", "deliver", "retract"]))
    def die_with_a_lease(self, topic: str) -> None:
        lifecycle.claim(topic)

    @rule()
    def time_passes(self) -> None:
        pass_the_time()

    # --- what always holds

    @invariant()
    def nothing_is_referred_without_two_people_and_counsel(self) -> None:
        for referral in Referral.objects.all():
            determination = referral.obligation.determination
            finding = determination.finding
            gates = [finding.recorded_by, finding.confirmed_by, determination.signed_by]
            assert len({each.pk for each in gates if each}) == 3
            assert referral.obligation.is_accepted
            assert determination.signed_by
            assert determination.signed_by.role == "counsel"
            if referral.filing_type == FilingType.RETRACTION:
                overturning = referral.retraction.overturning
                assert overturning.signed_by != overturning.proposed_by
                assert referral.retraction.signed_by.role == "counsel"
                assert finding.state == findings.State.OVERTURNED

    @invariant()
    def no_state_that_owes_a_reason_is_without_one(self) -> None:
        for model, states in REASONED.items():
            for record in model._default_manager.all():
                for state in states:
                    reached = getattr(record, f"{state}_at") is not None
                    assert reached is bool(getattr(record, f"{state}_because"))

    @invariant()
    def nothing_of_an_overturned_finding_leaves(self) -> None:
        for referral in docket.of_overturned():
            overturned_at = referral.obligation.determination.finding.overturned_at
            assert referral.delivered_at is None or referral.delivered_at <= overturned_at

    @invariant()
    def a_signature_answers_what_counsel_read(self) -> None:
        assert not Determination.objects.filter(
            state="proposed", finding__state__in=["recorded", "dismissed"]
        )

    def everything_is_settled(self) -> None:
        """No claim is stuck, nothing is on its way that cannot go, whoever was told is told."""
        assert [str(each) for each in Work.objects.filter(done_at=None)] == []
        assert not docket.of_overturned().filter(state__in=docket.ON_ITS_WAY)
        assert not Determination.objects.filter(state="proposed", finding__state="overturned")
        for referral in docket.of_overturned().filter(state__in=docket.GOT):
            told = Retraction.objects.get(
                agency=referral.agency,
                overturning__finding=referral.obligation.determination.finding,
            )
            signed = told.state == retractions.State.SIGNED
            assert signed is (told.referral is not None)
            assert not told.referral or told.referral.state in (*docket.GOT, "withdrawn")
        for referral in Referral.objects.filter(state__in=(*docket.GOT, "withdrawn")):
            assert not referral.attempts.filter(delivery.STILL_OPEN)
        self.nothing_is_referred_without_two_people_and_counsel()
        self.no_state_that_owes_a_reason_is_without_one()


def test_leads_to_no_agency_without_two_people_and_counsel_and_leaves_nothing_stuck(
    ana: User, ben: User, carla: User, dora: User, lee: LiaisonClient, agency: Agency,
    profile: ProviderProfile, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    channel = Wavering()
    monkeypatch.setattr(routes, "channel", lambda route, sign: channel)
    Paths.people, Paths.lee, Paths.channel = [ana, ben, carla, dora], lee, channel
    with acting("system:worker"):
        run_state_machine_as_test(
            Paths,
            settings=effort(
                max_examples=effort().max_examples,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
