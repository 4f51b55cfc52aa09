"""Findings that do not become a referral: declined, withdrawn, or no duty at all."""

from collections.abc import Callable
from typing import Any

import pytest

from compliance import determinations, findings, preservation
from compliance.audit import checkpoints, verification
from compliance.determinations import Determination
from compliance.errors import WrongState
from compliance.findings import Finding
from compliance.roles import User
from referrals import bundles, delivery, docket
from referrals.agencies import Agency
from referrals.clients import LiaisonClient
from referrals.docket import Referral
from referrals.management import demo_samples

Make = Callable[..., Any]


def work() -> None:
    """Let the rooms after a signature do what they owe."""
    preservation.place_due()
    docket.enter_due()
    bundles.seal_due()
    delivery.deliver_due()


def propose(finding: Finding, ben: User) -> Determination:
    """Ben confirms; the worker proposes."""
    findings.confirm(finding, because="Credible.", by=ben)
    assert determinations.propose_due() == 1
    return Determination.objects.get(finding=finding)


def test_declined(
    imminent: Finding, item: object, profile: object, ben: User, carla: User, agency: Agency,
    sign: Make,
) -> None:  # fmt: skip
    # The law asks for a report, but Carla finds that the account was taken over, and declines.
    proposed = propose(imminent, ben)
    assert [report["to"] for report in determinations.firm(proposed, "duty")] == ["bka"]
    declined = determinations.decline(proposed, because="The account was taken over.", by=carla)
    # Nothing leaves, nothing is held, and the decision is final and on record.
    work()
    assert not Referral.objects.exists()
    assert not preservation.is_held(declined)
    with pytest.raises(WrongState):
        sign(declined)
    checkpoints.seal_due()
    assert verification.verify().good


@pytest.mark.slow
def test_withdrawn(
    imminent: Finding,
    item: object,
    profile: object,
    ben: User,
    carla: User,
    agency: Agency,
    lee: LiaisonClient,
    sign: Make,
) -> None:
    # Carla signs, the worker enters the referral; then it turns out to be somebody else's account.
    sign(propose(imminent, ben))
    assert docket.enter_due() == 1
    entered = Referral.objects.get()
    withdrawn = docket.withdraw(entered, because="It is another person's account.", by=carla)
    # The agency never sees it, and no later pass of the worker brings it back.
    work()
    withdrawn.refresh_from_db()
    assert withdrawn.state == docket.State.WITHDRAWN
    assert not docket.for_agency(agency).exists()
    assert not bundles.Bundle.objects.exists()
    checkpoints.seal_due()
    assert verification.verify().good


@pytest.mark.slow
def test_no_duty(record: Make, attach: Make, profile: object, ben: User, sign: Make) -> None:
    # An old video is posted again. The law asks for nothing, and says so.
    sample = demo_samples.read("historic")
    finding = record(sample.facts, statement=sample.statement, particulars=sample.particulars)
    attach(finding, b"a video", "video.mp4")
    proposed = propose(finding, ben)
    assert proposed.result["reports"] == []
    assert "no_duty" in [each["reason"] for each in proposed.result["human"]]
    # Carla signs that answer: no obligation, no referral, no hold, but a record.
    signed = sign(proposed, because="No law asks for a report.")
    work()
    assert not signed.obligations.exists()
    assert not Referral.objects.exists()
    assert not preservation.Hold.objects.exists()
    assert signed.signed_because == "No law asks for a report."
    checkpoints.seal_due()
    assert verification.verify().good
