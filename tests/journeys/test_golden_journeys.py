"""The golden cases that are journeys, each as far as the rooms of today take it."""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from joserfc.jwk import OKPKey

from compliance import (
    determinations,
    evidence,
    facts,
    findings,
    overturnings,
    preservation,
    releases,
    requests,
    transparency,
)
from compliance.audit import checkpoints, entries, verification
from compliance.audit.context import acting
from compliance.audit.entries import AuditEntry
from compliance.determinations import Determination
from compliance.errors import SamePerson
from compliance.facts import FactAssertion
from compliance.findings import Finding
from compliance.jurisdictions import cases
from compliance.lifecycle import Work
from compliance.models import FileKeyWrap, Hold, Item, ProviderProfile, Release, SubjectRequest
from compliance.roles import Role, User
from compliance.transparency import Happened
from compliance.vault import age
from referrals import bundles, delivery, docket, figures, receipts, retractions
from referrals.agencies import Agency
from referrals.clients import LiaisonClient
from referrals.docket import ReferenceMissing, Referral
from referrals.inquiries import InformationRequest
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
WAITING: dict[str, str] = {}


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
    requests.weigh_due()
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
    shown = {name.split("_")[1].upper() for name in globals() if name.startswith("test_g")}
    assert journeys - WAITING.keys() <= {each.replace("B", "b") for each in shown}
    assert journeys >= WAITING.keys()


@pytest.mark.slow
def test_g19_nothing_held_under_section_39_is_erased_until_counsel_lifts_the_hold(
    propose: Propose, sign: Make, sits: Sits, ana: User, dora: User, enrol: Make
) -> None:
    # The state of G18: suspected fundraising, signed, and a hold without an end.
    enrol("uk-constable", age.generate_identity())
    signed: Determination = sign(propose("G18", ("ID",)), because="Section 19 asks for it.")
    _work()
    hold = Hold.objects.get(determination=signed)
    assert hold.because == ["uk-tact-39"]
    assert hold.kept_until is None
    # The user asks for erasure. Ana records it, and has words for the user that tell of nothing.
    user = signed.finding.particulars["ID"]["note"]
    asked = {"kind": "erasure", "received_at": NOW.strftime("%Y-%m-%dT%H:%M"), "zone": "UTC"}
    sits(ana).begins(SubjectRequest, "record", **asked, identifiers=user)
    request = SubjectRequest.objects.get()
    words = requests.neutral_answer(request)
    assert words in sits(ana).reads(request)
    assert not re.search("report|investig|polic|hold|terror|suspen", words, re.IGNORECASE)
    # The law's answer: erasure is suspended, under section 39 and GDPR Art 17(3)(b) and (e).
    before = (_everything(), _stored())
    _work()
    request.refresh_from_db()
    assert (request.state, request.action) == ("parked", "suspend_erasure")
    basis = " / ".join(each["cite"] for each in request.basis)
    for cited in ("Terrorism Act 2000, s.39", "Art 17(3)(b)", "Art 17(3)(e)"):
        assert cited in basis
    # It waits in sight of counsel, with an entry of its own in the log.
    seat = sits(dora)
    assert "Terrorism Act 2000, s.39" in seat.reads(request)
    assert f"Request {request}</a>" in seat.browser.get("/admin/").content.decode()
    entry = AuditEntry.objects.get(event="subjectrequest.parked")
    assert (entry.object_pk, entry.actor_ref) == (str(request.pk), "system:worker")
    # No door erases: all that the desk offers Dora is to open an exhibit and to lift the hold.
    item = Item.objects.get(finding=signed.finding)
    pages = (signed.finding, item, signed, hold, request)
    offered = {each: _steps(seat.reads(each)) for each in pages}
    assert offered == {
        signed.finding: ["open", "overturn"], item: ["open"], signed: [], hold: ["release"],
        request: [],
    }  # fmt: skip
    # Neither does the worker, however often it passes: bytes, records and keys are there.
    _work()
    assert (_everything(), _stored()) == before
    assert preservation.is_held(signed)
    assert b"".join(evidence.read(item, purpose="Is it kept?", by=dora)) == b"What was written."
    # Only counsel lifts it, with a reason that stays; then the request is taken up again.
    assert "until it is released" in seat.reads(hold)
    preservation.release(hold, because="The police lifted it.", by=dora)
    assert not preservation.is_held(signed)
    _work()
    request.refresh_from_db()
    assert request.state == "cleared"
    assert _steps(seat.reads(request)) == ["answer"]
    checkpoints.seal_due()
    assert verification.verify().good


def _stored() -> dict[str, bytes]:
    """Return every stored object and every wrapped key, byte for byte."""
    root = Path(settings.MEDIA_ROOT)
    kept = {str(each): each.read_bytes() for each in root.rglob("*") if each.is_file()}
    return kept | {str(each.subject): bytes(each.blob) for each in FileKeyWrap.objects.all()}


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
    # Later the public report is built: nothing in it is about one case.
    half = transparency.Half.of(NOW.date())
    with acting("command:transparency_report"):
        report = figures.publish(half, at=half.due)
    for table in report.figures.values():
        assert all(n is None or n == 0 for n in (*table["cells"].values(), table["total"]))
    assert report.figures["reports-by-age"]["cells"] == {"minor": None, "other": None}
    # Nor among many: the minor's cell is suppressed, and what would give it away by subtraction.
    crowd = [Happened("reports-by-age", "other", NOW, None)] * 40
    rows = [*transparency.happened(half.end), *crowd]
    found = transparency.figures(half, transparency.TABLES, rows)["reports-by-age"]
    assert (found.cells, found.total) == ({"minor": None, "other": None}, 41)


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
    # Nobody gets so far as to close it before the police acknowledge it.
    with pytest.raises(ReferenceMissing):
        docket.close(referral, because="They telephoned.", by=carla)
    with acting(client=lee.client_id):
        receipts.acknowledge(
            referral, agency_reference="Desk 4", receipt_sha256=_seal(referral), by=lee
        )
    # Without the CAS number the desk refuses, in a sentence that asks for it by name.
    referral.refresh_from_db()
    seat = sits(carla)
    (said,) = seat.takes(referral, "close", because="Acknowledged by the police.").said
    assert said.startswith(f"{referral} stays open: the obligation closes only with the reference")
    assert "CAS number" in said
    referral.refresh_from_db()
    assert referral.state == docket.State.ACKNOWLEDGED
    page = seat.reads(referral)
    assert f"{referral.due_at:%H:%M}" in page
    assert "without it the referral stays open" in page
    # Counsel notes the number, which the page shows, and closes.
    seat.takes(referral, "note-reference", external_ref="CAS 12/3/2026")
    referral.refresh_from_db()
    assert referral.external_ref == "CAS 12/3/2026"
    assert "CAS 12/3/2026" in seat.reads(referral)
    seat.takes(referral, "close", because="Acknowledged by the police.")
    referral.refresh_from_db()
    assert referral.state == docket.State.CLOSED
    # The number is part of the log: committed to, and not to be read in its public part.
    entry = AuditEntry.objects.get(event="referral.referenced")
    assert entry.additional_data == {"external_ref": "CAS 12/3/2026"}
    assert b"CAS" not in entries.public_data(entry)
    checkpoints.seal_due()
    assert verification.verify().good


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
    counted = [(each.table, each.cell) for each in transparency.happened(timezone.now())]
    assert counted.count(("decisions", "overturned")) == 1
    counted = [(each.table, each.cell) for each in figures.happened(timezone.now())]
    assert counted.count(("retractions", "signed")) == 2
    checkpoints.seal_due()
    assert verification.verify().good


def _acknowledge(referral: Referral, client: LiaisonClient, reference: str) -> None:
    with acting(client=client.client_id):
        receipts.acknowledge(
            referral, agency_reference=reference, receipt_sha256=_seal(referral), by=client
        )


def _seal(referral: Referral) -> str:
    whole = b"".join(bundles.read(referral.bundle, 0, referral.bundle.size))
    return hashlib.sha256(whole).hexdigest()


@pytest.mark.parametrize(
    "order",
    [
        {"watch": "@sample-1", "deliver": "everything that the user writes"},
        {"asks": "monitoring", "legal_process": "search_warrant", "text": "everything that"},
    ],
)
def test_g44_an_agency_gives_no_orders_through_the_api(
    delivered: Referral, lee: LiaisonClient, liaison_key: OKPKey, settings: Any,
    order: dict[str, str],
) -> None:  # fmt: skip
    settings.LEGAL_PROCESS_URL = "https://duty.example.org/serve"
    program = Program(lee.client_id, liaison_key)
    assert program.get().status_code == 200
    before = _everything()
    reply = program.post(f"{LIST}/{delivered.pk}/information-requests", order)
    # It is refused by its name, and answered with the address for legal process and nothing else.
    assert reply.status_code == 403
    said = reply.json()
    assert said["code"] == "tasking_not_supported"
    assert said["legal_process_url"] == "https://duty.example.org/serve"
    assert said.keys() == {"type", "title", "status", "code", "detail", "legal_process_url"}
    assert b"sample-1" not in reply.content
    assert b"everything that" not in reply.content
    # The log holds agency, liaison, time and the digest of what was sent.
    entry = AuditEntry.objects.get(event="tasking.refused")
    digest = hashlib.sha256(json.dumps(order).encode()).hexdigest()
    assert entry.additional_data == {"agency": "bka", "request": digest}
    assert entry.actor_ref == "liaison:lee"
    assert abs(entry.timestamp - timezone.now()) < timedelta(minutes=1)
    # Nothing changed, nor was a fact added, such as that an authority prompted a review.
    assert _everything() == before
    # Where there is no such address at all, there is no answer but that.
    for address in ("/api/v1/tasks", LIST, f"{LIST}/requests"):
        assert program.post(address, order).status_code in (404, 405)
    assert _everything() == before


def _everything() -> list[Any]:
    kinds = (
        Finding, FactAssertion, Item, Determination, Hold, Referral, Release, ProviderProfile,
        Agency, LiaisonClient, InformationRequest,
    )  # fmt: skip
    return [[*kind._default_manager.order_by("pk").values()] for kind in kinds]
