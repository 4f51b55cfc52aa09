"""The golden cases that are journeys, each as far as the rooms of today take it."""

import hashlib
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import OKPKey

from compliance import (
    determinations,
    evidence,
    facts,
    findings,
    overturnings,
    preservation,
    releases,
)
from compliance.audit import checkpoints
from compliance.audit.context import acting
from compliance.determinations import Determination
from compliance.errors import Malformed, SamePerson, WrongState
from compliance.facts import FactAssertion
from compliance.findings import Finding
from compliance.jurisdictions import cases
from compliance.lifecycle import Work
from compliance.models import Hold, Item, ProviderProfile, Release
from compliance.roles import Role, User
from compliance.vault import age
from referrals import bundles, delivery, docket, receipts, retractions
from referrals.agencies import Agency
from referrals.clients import LiaisonClient
from referrals.docket import Referral
from referrals.retractions import Retraction
from tests.cast import NOW
from tests.conftest import Seat
from tests.referrals.api.conftest import LIST, Program

pytestmark = pytest.mark.every_law

Make = Callable[..., Any]
Propose = Callable[..., Determination]
Sits = Callable[[User], Seat]
CLIMBED = {
    "suspicion": "suspicion", "belief": "reasonable_belief", "actual_knowledge": "actual_knowledge",
}  # fmt: skip
# What of each case is not shown here, because no room does it yet.
WAITING = {
    "G19": "the user's request itself: suspend_erasure and its basis, the neutral answer, parking",
    "G28b": "the public report, in which no small cell singles the case out",
    "G43b": "external_ref, filled in by counsel and logged; the refusal that asks for it by name",
    "G44": "the code tasking_not_supported, its log entry, the link to the intake of legal process",
}


@pytest.fixture
def propose(record: Make, attach: Make, ben: User, carla: User, dora: User) -> Propose:
    """Take a golden situation to its proposed determination, as people do."""

    def take(
        name: str,
        classes: tuple[str, ...] = (),
        field_class: str = "C_pub",
        **changed: str,
    ) -> Determination:
        given = _golden()[name].given
        given["facts"] |= {fact.replace("__", "."): said for fact, said in changed.items()}
        known = {fact: said for fact, said in given["facts"].items() if fact not in facts.DERIVED}
        if "suspect.residence" in known:
            known["suspect.residence_basis"] = "declared"
        ours = {fact: said for fact, said in known.items() if _is_ours(fact)}
        facts.sign_profile(facts.record_profile(ours, by=carla), by=dora)
        finding: Finding = record(
            {fact: said for fact, said in known.items() if fact not in ours},
            rungs={CLIMBED[clock]: NOW for clock in given["clocks"].keys() & CLIMBED},
            particulars={each: {"note": f"what {each} holds"} for each in classes},
        )
        attach(finding, b"What was written.", field_class=field_class)
        findings.confirm(finding, because="Credible.", by=ben)
        assert determinations.propose_due() == 1
        return Determination.objects.get(finding=finding)

    return take


def _golden() -> dict[str, cases.Case]:
    return {each.id: each for each in cases.read(releases.rules(), releases.shipped_cases())}


def _is_ours(fact: str) -> bool:
    return fact == "data.regions" or releases.rules().vocabulary.kind(fact) == "provider"


def _work() -> None:
    """Let the rooms after a signature do what they owe."""
    preservation.place_due()
    docket.enter_due()
    retractions.retract_due()
    bundles.seal_due()
    delivery.deliver_due()


def _told(determination: Determination) -> list[tuple[str, str, str]]:
    return [
        (each["to"], each["kind"], each["certainty"]) for each in determination.result["reports"]
    ]


@pytest.mark.slow
def test_each_is_named_here_with_what_it_waits_for(db: object) -> None:
    journeys = {name for name, case in _golden().items() if case.kind == "journey"}
    assert journeys == WAITING.keys() | {"G38"}


@pytest.mark.slow
def test_g19_nothing_held_under_section_39_is_erased_until_counsel_lifts_the_hold(
    propose: Propose, sign: Make, sits: Sits, dora: User, enrol: Make
) -> None:
    # The state of G18: suspected fundraising, signed, and a hold without an end.
    enrol("uk-constable", age.generate_identity())
    signed: Determination = sign(propose("G18"), because="Section 19 asks for it.")
    _work()
    hold = Hold.objects.get(determination=signed)
    assert hold.because == ["uk-tact-39"]
    assert hold.kept_until is None
    # The affected user is to be told nothing, and there is no end to that either.
    (silence,) = [each for each in signed.result["silence"] if each["because"] == ["uk-tact-39"]]
    assert "affected_user" in silence["towards"]
    assert silence["until"] is None
    # No door erases: all that the desk offers Dora is to open an exhibit and to lift the hold.
    seat = sits(dora)
    item = Item.objects.get(finding=signed.finding)
    offered = {each: _steps(seat.reads(each)) for each in (signed.finding, item, signed, hold)}
    assert offered == {
        signed.finding: ["open", "overturn"],
        item: ["open"],
        signed: [],
        hold: ["release"],
    }
    # Neither does the worker, however often it passes: the bytes are there, and so is their key.
    _work()
    assert preservation.is_held(signed)
    assert b"".join(evidence.read(item, purpose="Is it kept?", by=dora)) == b"What was written."
    # Only counsel lifts it, with a reason that stays.
    assert "until it is released" in seat.reads(hold)
    preservation.release(hold, because="The police lifted it.", by=dora)
    assert not preservation.is_held(signed)
    checkpoints.seal_due()
    assert checkpoints.verify().good


def _steps(page: str) -> list[str]:
    return re.findall(r'class="step step-([a-z-]+)', page)


@pytest.mark.slow
def test_g28b_a_minor_is_referred_by_three_people_and_less_of_the_minor_leaves(
    propose: Propose, sign: Make, sits: Sits, ana: User, ben: User, carla: User, agency: Agency
) -> None:
    proposed = propose("G28a", ("META", "ID", "SUB", "TRAF", "PAY", "THIRD"), "C_priv")
    assert ("bka", "duty", "firm") in _told(proposed)
    # The screen says that the suspect is a minor, and that THIRD and PAY stay here for it.
    page = sits(carla).reads(proposed)
    words = releases.rules().vocabulary
    assert words.reasons["minor"].removeprefix("t") in page  # the sentence begins with a capital
    (report,) = determinations.firm(proposed, "duty")
    assert {field: report["withhold"][field] for field in ("PAY", "THIRD")} == {
        "PAY": "minor", "THIRD": "minor",
    }  # fmt: skip
    for field in ("PAY", "THIRD"):
        stays = f'<span class="class">{field}</span> {words.field_classes[field]}'
        assert f'{stays}<br><span class="quiet">{words.codes["minor"]}' in page
    # Ben confirmed. Though he be counsel by now, the second step is not his, nor Ana's.
    for each in (ana, ben):
        User.objects.filter(pk=each.pk).update(role=Role.COUNSEL)
        with pytest.raises(SamePerson):
            sign(proposed, because="I know it best.", by=User.objects.get(pk=each.pk))
    _work()
    assert not Referral.objects.exists()
    # Carla signs: three people are on record before anything is entered in the docket.
    signed: Determination = sign(proposed, because="A life is at stake.")
    _work()
    referral = Referral.objects.get()
    finding = signed.finding
    assert (finding.recorded_by, finding.confirmed_by, signed.signed_by) == (ana, ben, carla)
    assert finding.confirmed_at is not None
    assert signed.signed_at is not None
    assert finding.recorded_at < finding.confirmed_at < signed.signed_at < referral.entered_at
    assert not {"PAY", "THIRD"} & {*referral.obligation.release}
    assert referral.state == docket.State.DELIVERED


@pytest.mark.slow
def test_g43b_the_south_african_report_is_closed_only_under_the_number_of_the_police(
    propose: Propose, sign: Make, sits: Sits, carla: User, enrol: Make, admit: Make,
    liaison_key: OKPKey,
) -> None:  # fmt: skip
    police = enrol("za-police", age.generate_identity())
    lee: LiaisonClient = admit(police, liaison_key)
    proposed = propose("G43a")
    assert "external_reference" in [each["reason"] for each in proposed.result["human"]]
    sign(proposed, because="Section 12 asks for it.")
    _work()
    referral = Referral.objects.get(agency=police)
    assert referral.due_at == NOW + timedelta(hours=24)
    # Without the number nobody closes: it stays delivered, in sight and with its due time.
    with pytest.raises(WrongState, match="is delivered; it cannot become closed"):
        docket.close(referral, because="They telephoned.", by=carla)
    with acting(client=lee.client_id):
        for number in ("", " "):
            with pytest.raises(Malformed, match="agency_reference wants 1 to 100 characters"):
                receipts.acknowledge(
                    referral, agency_reference=number, receipt_sha256=_seal(referral), by=lee
                )
        referral.refresh_from_db()
        assert referral.state == docket.State.DELIVERED
        assert f"{referral.due_at:%H:%M}" in sits(carla).reads(referral)
        # With it the referral is acknowledged, counsel reads the number, and closes.
        receipts.acknowledge(
            referral, agency_reference="CAS 12/3/2026", receipt_sha256=_seal(referral), by=lee
        )
    assert "CAS 12/3/2026" in sits(carla).reads(referral)
    closed = docket.close(referral, because="Acknowledged by the police.", by=carla)
    assert closed.state == docket.State.CLOSED
    checkpoints.seal_due()
    assert checkpoints.verify().good


@pytest.mark.slow
def test_g38_a_hijacked_account_is_taken_back_from_everybody_who_was_told(
    propose: Propose, sign: Make, sits: Sits, enrol: Make, admit: Make, ana: User, ben: User,
    carla: User, liaison_key: OKPKey,
) -> None:  # fmt: skip
    # Referred and delivered to two agencies, both acknowledged; a third is not within reach yet.
    programs: dict[str, LiaisonClient] = {}
    for name in ("bka", "europol"):
        programs[name] = admit(enrol(name, age.generate_identity()), liaison_key, f"lee-{name}")
    content = {"item__status": "removed_tos", "location__tco_ms_identification": "impossible"}
    signed: Determination = sign(
        propose("G01a", ("META", "ID", "SUB", "TRAF"), **content), because="A life is at stake."
    )
    _work()
    told = {each.agency.authority: each for each in Referral.objects.all()}
    assert told.keys() == {"bka", "europol"}
    for name, referral in told.items():
        assert "SUB" in referral.obligation.release
        _acknowledge(referral, programs[name], f"{name}-1")
    enrol("ms-contact-point@DE", age.generate_identity())
    Work.objects.update(available_at=NOW)  # the pause is over
    docket.enter_due()
    on_its_way = Referral.objects.get(state=docket.State.ENTERED)
    # Ben says that the account was in other hands; nothing changes before counsel signs.
    finding = signed.finding
    sits(ben).takes(finding, "overturn", reason="compromised_account", because="A thief posted it.")
    assert docket.require_owed(on_its_way) == on_its_way
    sits(carla).takes(finding.overturnings.get(), "sign", because="The owner proved it.")
    finding.refresh_from_db()
    assert finding.state == findings.State.OVERTURNED
    assert finding.overturned_at is not None
    # What was on its way is withdrawn. One retraction per recipient is proposed, due in a day.
    _work()
    on_its_way.refresh_from_db()
    assert on_its_way.state == docket.State.WITHDRAWN
    proposed = {each.agency.authority: each for each in Retraction.objects.all()}
    assert proposed.keys() == {"bka", "europol"}
    for retraction in proposed.values():
        assert retraction.overturning.reason == "compromised_account"
        assert retraction.due_at == finding.overturned_at + timedelta(hours=24)
        # It asks to erase the subscriber data of the wrong person, and that is on record.
        assert "SUB" in retraction.erase
    # Counsel signs before a retraction leaves.
    _work()
    assert Referral.objects.filter(filing_type="retraction").count() == 0
    for retraction in proposed.values():
        sits(carla).takes(retraction, "sign", because="It is to be taken back.")
    _work()
    gone = {
        each.agency.authority: each for each in Referral.objects.filter(filing_type="retraction")
    }
    assert {name: each.state for name, each in gone.items()} == dict.fromkeys(told, "delivered")
    for name, each in gone.items():
        assert [*each.prior_referrals.all()] == [told[name]]
        (asked,) = retractions.notice(each.retraction)["destroy"]
        assert asked["bundle_sha256"] == _seal(told[name])
    # Each acknowledgement is tracked on its own; the one that is missing has an owner.
    _acknowledge(gone["bka"], programs["bka"], "bka-1-destroyed")
    assert not docket.overdue().exists()
    Referral.objects.update(due_at=NOW - timedelta(minutes=1))
    assert [*docket.overdue()] == [gone["europol"]]
    front = sits(carla).browser.get("/admin/").content.decode()
    assert f"Referral {gone['europol']}" in front
    assert "carla sees to it" in front
    # The content is reinstated, and the user is told: no law wants silence here.
    doubt = finding.overturnings.get()
    assert [*overturnings.unredressed()] == [doubt]
    sits(ana).takes(doubt, "reinstate", because="The post is gone for good; the account is back.")
    assert overturnings.silences_of(finding) == []
    sits(ana).takes(doubt, "tell", because="By mail.")
    assert not overturnings.unredressed().exists()
    # It counts in the public figures, and the log verifies.
    counted = overturnings.tally(NOW, NOW + timedelta(days=1))
    assert (counted["compromised_account"], sum(counted.values())) == (1, 1)
    checkpoints.seal_due()
    assert checkpoints.verify().good


def _acknowledge(referral: Referral, client: LiaisonClient, reference: str) -> None:
    with acting(client=client.client_id):
        receipts.acknowledge(
            referral, agency_reference=reference, receipt_sha256=_seal(referral), by=client
        )


def _seal(referral: Referral) -> str:
    whole = b"".join(bundles.read(referral.bundle, 0, referral.bundle.size))
    return hashlib.sha256(whole).hexdigest()


@pytest.mark.parametrize("address", ["/api/v1/tasks", LIST, f"{LIST}/requests"])
def test_g44_an_agency_gives_no_orders_through_the_api(
    delivered: Referral, lee: LiaisonClient, liaison_key: OKPKey, address: str
) -> None:
    program = Program(lee.client_id, liaison_key)
    assert program.get().status_code == 200
    before = _everything()
    order = {"watch": "@sample-1", "deliver": "everything that the user writes"}
    reply = program.post(address, order)
    # It is refused, in words that repeat and reveal nothing.
    assert reply.status_code in (404, 405)
    assert reply.json().keys() == {"type", "title", "status", "code", "detail"}
    assert b"sample-1" not in reply.content
    assert b"everything that" not in reply.content
    # Nothing changed, nor was a fact added, such as that an authority prompted a review.
    assert _everything() == before


def _everything() -> list[Any]:
    kinds = (
        Finding, FactAssertion, Item, Determination, Hold, Referral, Release, ProviderProfile,
        Agency, LiaisonClient,
    )  # fmt: skip
    return [[*kind._default_manager.order_by("pk").values()] for kind in kinds]
