"""Every verb leaves exactly one event of its own, and all that it leaves names who did it."""

import hashlib
import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from io import BytesIO
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from joserfc.jwk import OKPKey
from test_rules_of_the_house import VERBS
from test_traces import is_bare

from compliance import (
    audit,
    conflicts,
    determinations,
    drafts,
    erasures,
    evidence,
    exports,
    facts,
    findings,
    jurisdictions,
    overturnings,
    parts,
    preservation,
    readings,
    releases,
    requests,
    roles,
)
from compliance.audit import checkpoints
from compliance.audit.context import acting
from compliance.audit.entries import AuditEntry
from compliance.determinations import Decision
from compliance.documents import RuleDocument
from compliance.overturnings import Overturning
from compliance.preservation import Hold
from compliance.vault import age, keys, uploads
from referrals import (
    agencies,
    clients,
    docket,
    inquiries,
    processes,
    provenance,
    receipts,
    retractions,
    routes,
    shredding,
)
from referrals.inquiries import TaskingNotSupported

NOW = timezone.now()
LATER = NOW + timedelta(days=30)
DIFFS = re.compile(r".*\.(created|updated|deleted)")

Get = Callable[[str], Any]
Act = Callable[[], Any]


def _attach(get: Get) -> Act:
    upload = uploads.seal(BytesIO(b"Tonight."), "post.txt", "text/plain")
    return partial(
        evidence.attach, get("finding"), upload, field_class="C_pub", acquired_at=NOW, by=get("ana")
    )


def _begin(get: Get) -> Act:
    return partial(parts.begin, get("finding"), name="post.txt", size=8, by=get("ana"))


def _put(get: Get) -> Act:
    digest = hashlib.sha256(b"Tonight.").hexdigest()
    return partial(parts.put, _begin(get)(), 0, b"Tonight.", sha256=digest, by=get("ana"))


def _complete(get: Get) -> Act:
    part = _put(get)()
    told = {"sha256": part.sha256, "field_class": "C_pub", "acquired_at": NOW}
    return partial(parts.complete, part.upload, **told, by=get("ana"))


def _sign_profile(get: Get) -> Act:
    recorded = facts.record_profile({"provider.size": "large"}, by=get("carla"))
    return partial(facts.sign_profile, recorded, by=get("dora"))


def _resolve(get: Get) -> Act:
    terms = {"to": "bka", "fields": ["C_priv"], "duties": ["a-1"], "prohibitions": ["b-2"]}
    conflict = terms | {"id": jurisdictions.digest(terms)}
    told = {"resolution": "release", "because": "Consent.", "citation": "s.2702(b)(3)"}
    return partial(conflicts.resolve, get("finding"), conflict, **told, by=get("carla"))


def _draft(get: Get) -> Act:
    releases.current()
    text = f"# Read by counsel.\n{releases.shipped_texts()['house.yaml']}"
    return partial(drafts.draft, "house.yaml", text, "It was read.", by=get("carla"))


def _retire(get: Get) -> Act:
    releases.current()
    house = RuleDocument.objects.get(key="house.yaml")
    return partial(drafts.retire, house, "It is not wanted.", by=get("carla"))


def _submit(get: Get) -> Act:
    return partial(drafts.submit, _draft(get)(), by=get("carla"))


def _load(get: Get) -> Act:
    document, text, why = _draft(get).args
    return partial(drafts.load, {document: text}, why, by=get("carla"))


def _doubt(get: Get) -> Overturning:
    return overturnings.propose(
        get("signed").finding, reason="wrong_item", because="Another post.", by=get("ben")
    )


def _overturned(get: Get) -> Overturning:
    return overturnings.sign(_doubt(get), because="Seen.", by=get("carla"))


def _tell(get: Get) -> Act:
    signed = get("signed")
    signed.result["silence"] = []
    with transaction.atomic(), acting("command:tests"):
        signed.save(update_fields=["result"])
        audit.record("determination.changed", signed, by=None)
    return partial(overturnings.tell, _overturned(get), because="By mail.", by=get("ben"))


def _retract(get: Get) -> Act:
    referral = get("delivered")
    _overturned(get)
    return partial(
        retractions.sign, retractions.propose(referral), because="Seen.", by=get("carla")
    )


def _release(get: Get) -> Act:
    hold = preservation.place(get("signed"))
    return partial(preservation.release, hold, because="The court said so.", by=get("carla"))


def _export(get: Get) -> Act:
    get("finding")
    checkpoints.seal_due()
    part, folder = exports.history(get("finding")), get("tmp_path") / "export"
    return partial(exports.export, part, folder, because="A court asked.", by=get("carla"))


def _ask(get: Get) -> Act:
    told = {"kind": "access", "identifiers": ["pat@example.org"], "received_at": NOW}
    return partial(requests.record, **told, by=get("ana"))


def _answer(get: Get) -> Act:
    with acting("system:worker"):
        cleared = requests.weigh(_ask(get)())
    return partial(requests.answer, cleared, because="Nothing is kept.", by=get("carla"))


def _enrol(get: Get) -> Act:
    return partial(agencies.enrol, authority="bka", name="Sample desk", by=get("cleo"))


def _add_key(get: Get) -> Act:
    recipient = str(age.generate_identity().recipient)
    return partial(agencies.add_key, get("agency"), recipient, expires_at=LATER, by=get("cleo"))


def _approve_key(get: Get) -> Act:
    key = _add_key(get)()
    return partial(agencies.approve_key, key, fingerprint=key.fingerprint, by=get("carla"))


def _admit(get: Get) -> Act:
    return partial(
        clients.admit,
        get("agency"),
        client_id="mia",
        public_key=OKPKey.generate_key("Ed25519").as_dict(private=False),
        scopes=["referrals:read"],
        expires_at=LATER,
        by=get("cleo"),
    )


def _approve_client(get: Get) -> Act:
    client = _admit(get)()
    heard = clients.thumbprint(client)
    return partial(clients.approve, client, thumbprint_heard=heard, by=get("carla"))


def _add_route(get: Get) -> Act:
    address = "https://intake.agency.example.org/in"
    return partial(routes.add, get("agency"), way="https", address=address, by=get("cleo"))


def _approve_route(get: Get) -> Act:
    route = _add_route(get)()
    return partial(routes.approve, route, address=route.address, by=get("carla"))


def _acknowledge(get: Get) -> Act:
    referral = get("delivered")
    return partial(
        receipts.acknowledge,
        referral,
        agency_reference="SZ-17",
        receipt_sha256=referral.bundle.sha256,
        by=get("lee"),
    )


def _close(get: Get) -> Act:
    done = _acknowledge(get)().referral
    return partial(docket.close, done, because="Taken over.", by=get("carla"))


def _serve(get: Get) -> Act:
    return partial(get("serve"), get("half_viewed"))


def _receive(get: Get) -> Act:
    said = {"asks": "preservation", "legal_process": "mlat"}
    return partial(
        inquiries.receive, get("delivered"), **said, process_reference="17", by=get("lee")
    )


def _order(get: Get) -> Act:
    referral, lee = get("delivered"), get("lee")

    def act() -> None:
        with pytest.raises(TaskingNotSupported):
            inquiries.refuse_tasking(referral, request_sha256="00", by=lee)

    return act


def _ask_erasure(get: Get) -> Act:
    get("ana")
    some = [AuditEntry.objects.earliest().pk]
    return partial(erasures.ask, some, ticket="T-1", because="A person asked.", by=get("cleo"))


def _prove(get: Get) -> Act:
    get("ana")
    checkpoints.seal_due()
    return partial(readings.prove, AuditEntry.objects.earliest(), by=get("otto"))


def _propose_shredding(get: Get) -> Act:
    item = get("item")
    findings.dismiss(item.finding, because="A parody.", by=get("ben"))
    return partial(shredding.propose, item=item, because="Over.", by=get("carla"))


def _spare(get: Get) -> Act:
    get("item")
    return partial(shredding.spare, keys.current(), by=get("carla"))


def _whole(pieces: Act) -> Act:
    return lambda: b"".join(pieces())


# verb: how it is made ready, the event that it leaves, who is named
VERB: dict[str, tuple[Callable[[Get], Act], str, str]] = {
    "roles.prove_again": (
        lambda get: partial(roles.prove_again, by=get("ana")), "user.proved_again", "ana",
    ),
    "readings.show": (
        lambda get: partial(readings.show, get("finding"), by=get("carla")),
        "finding.shown", "carla",
    ),
    "readings.trace": (
        lambda get: partial(readings.trace, get("finding"), by=get("carla")),
        "finding.traced", "carla",
    ),
    "readings.prove": (_prove, "auditentry.shown", "otto"),
    "erasures.ask": (_ask_erasure, "erasure.asked", "cleo"),
    "erasures.approve": (
        lambda get: partial(erasures.approve, _ask_erasure(get)(), by=get("carla")),
        "erasure.approved", "carla",
    ),
    "erasures.refuse": (
        lambda get: partial(erasures.refuse, _ask_erasure(get)(), because="No.", by=get("carla")),
        "erasure.refused", "carla",
    ),
    "readings.list_": (
        lambda get: partial(readings.list_, Hold, "q=a", by=get("otto")), "hold.listed", "otto",
    ),
    "findings.record": (
        lambda get: partial(
            findings.record,
            statement="An account announces an attack.",
            particulars={},
            rungs={"suspicion": NOW},
            by=get("ana"),
        ),
        "finding.recorded", "ana",
    ),
    "findings.climb": (
        lambda get: partial(
            findings.climb, get("finding"), "refuted", reached_at=NOW, basis="A play.",
            by=get("ana"),
        ),
        "finding.climbed", "ana",
    ),
    "findings.confirm": (
        lambda get: partial(findings.confirm, get("finding"), because="Seen.", by=get("ben")),
        "finding.confirmed", "ben",
    ),
    "findings.dismiss": (
        lambda get: partial(findings.dismiss, get("finding"), because="Parody.", by=get("ben")),
        "finding.dismissed", "ben",
    ),
    "facts.assert_facts": (
        lambda get: partial(
            facts.assert_facts,
            get("finding"),
            {"threat.imminent": True},
            source="the post",
            reason="It names an hour.",
            by=get("ana"),
        ),
        "facts.asserted", "ana",
    ),
    "facts.record_profile": (
        lambda get: partial(facts.record_profile, {"provider.size": "large"}, by=get("carla")),
        "profile.recorded", "carla",
    ),
    "facts.sign_profile": (_sign_profile, "profile.signed", "dora"),
    "drafts.draft": (_draft, "ruledocumentversion.drafted", "carla"),
    "drafts.load": (_load, "ruledocumentversion.drafted", "carla"),
    "drafts.retire": (_retire, "ruledocumentversion.drafted", "carla"),
    "drafts.submit": (_submit, "ruledocumentversion.submitted", "carla"),
    "drafts.approve": (
        lambda get: partial(drafts.approve, _submit(get)(), by=get("dora")),
        "ruledocumentversion.approved", "dora",
    ),
    "drafts.reject": (
        lambda get: partial(drafts.reject, _submit(get)(), because="Not so.", by=get("dora")),
        "ruledocumentversion.rejected", "dora",
    ),
    "evidence.attach": (_attach, "evidence.attached", "ana"),
    "evidence.read": (
        lambda get: _whole(
            partial(evidence.read, get("item"), purpose="Review.", by=get("ben"))
        ),
        "evidence.viewed", "ben",
    ),
    "parts.begin": (_begin, "upload.begun", "ana"),
    "parts.put": (_put, "upload.continued", "ana"),
    "parts.complete": (_complete, "evidence.attached", "ana"),
    "conflicts.resolve": (_resolve, "conflict.resolved", "carla"),
    "conflicts.approve": (
        lambda get: partial(conflicts.approve, _resolve(get)(), by=get("dora")),
        "conflict.approved", "dora",
    ),
    "determinations.sign": (
        lambda get: partial(
            determinations.sign, get("proposed"), because="It holds.", by=get("carla"),
            decisions=[Decision("duty", "bka", accept=True, because="It holds.")],
        ),
        "determination.signed", "carla",
    ),
    "determinations.decline": (
        lambda get: partial(
            determinations.decline, get("proposed"), because="A parody.", by=get("carla")
        ),
        "determination.declined", "carla",
    ),
    "overturnings.propose": (
        lambda get: partial(
            overturnings.propose, get("signed").finding, reason="wrong_item",
            because="Another post.", by=get("ben"),
        ),
        "overturning.proposed", "ben",
    ),
    "overturnings.sign": (
        lambda get: partial(overturnings.sign, _doubt(get), because="Seen.", by=get("carla")),
        "finding.overturned", "carla",
    ),
    "overturnings.decline": (
        lambda get: partial(overturnings.decline, _doubt(get), because="No.", by=get("carla")),
        "overturning.declined", "carla",
    ),
    "overturnings.reinstate": (
        lambda get: partial(
            overturnings.reinstate, _overturned(get), because="It is up.", by=get("ben")
        ),
        "overturning.reinstated", "ben",
    ),
    "overturnings.tell": (_tell, "overturning.told", "ben"),
    "retractions.sign": (_retract, "retraction.signed", "carla"),
    "preservation.extend": (
        lambda get: partial(
            preservation.extend, preservation.place(get("signed")), kept_until=None,
            because="A letter came.", by=get("carla"),
        ),
        "hold.extended", "carla",
    ),
    "preservation.release": (_release, "hold.released", "carla"),
    "exports.export": (_export, "log.exported", "carla"),
    "requests.record": (_ask, "subjectrequest.recorded", "ana"),
    "requests.answer": (_answer, "subjectrequest.answered", "carla"),
    "agencies.enrol": (_enrol, "agency.added", "cleo"),
    "agencies.approve": (
        lambda get: partial(agencies.approve, _enrol(get)(), by=get("carla")),
        "agency.approved", "carla",
    ),
    "agencies.revoke": (
        lambda get: partial(agencies.revoke, get("agency"), because="Closed.", by=get("carla")),
        "agency.revoked", "carla",
    ),
    "agencies.add_key": (_add_key, "agencykey.added", "cleo"),
    "agencies.approve_key": (_approve_key, "agencykey.approved", "carla"),
    "agencies.revoke_key": (
        lambda get: partial(
            agencies.revoke_key, get("agency").keys.get(), because="Lost.", by=get("carla")
        ),
        "agencykey.revoked", "carla",
    ),
    "clients.admit": (_admit, "liaisonclient.added", "cleo"),
    "clients.approve": (_approve_client, "liaisonclient.approved", "carla"),
    "clients.revoke": (
        lambda get: partial(clients.revoke, get("lee"), because="Left.", by=get("carla")),
        "liaisonclient.revoked", "carla",
    ),
    "routes.add": (_add_route, "route.added", "cleo"),
    "routes.approve": (_approve_route, "route.approved", "carla"),
    "routes.revoke": (
        lambda get: partial(
            routes.revoke, _add_route(get)(), because="Moved.", by=get("carla")
        ),
        "route.revoked", "carla",
    ),
    "docket.withdraw": (
        lambda get: partial(docket.withdraw, get("entered"), because="Parody.", by=get("carla")),
        "referral.withdrawn", "carla",
    ),
    "docket.close": (_close, "referral.closed", "carla"),
    "processes.record": (_serve, "legalprocess.recorded", "ana"),
    "processes.approve": (
        lambda get: partial(
            processes.approve, _serve(get)(), because="It names it.", by=get("carla")
        ),
        "legalprocess.approved", "carla",
    ),
    "processes.refuse": (
        lambda get: partial(processes.refuse, _serve(get)(), because="Void.", by=get("carla")),
        "legalprocess.refused", "carla",
    ),
    "inquiries.receive": (_receive, "informationrequest.received", "liaison:lee"),
    "inquiries.refuse_tasking": (_order, "tasking.refused", "liaison:lee"),
    "inquiries.answer": (
        lambda get: partial(inquiries.answer, _receive(get)(), reply="Sent.", by=get("carla")),
        "informationrequest.answered", "carla",
    ),
    "inquiries.refuse": (
        lambda get: partial(inquiries.refuse, _receive(get)(), reply="Too wide.", by=get("carla")),
        "informationrequest.refused", "carla",
    ),
    "shredding.propose": (_propose_shredding, "shredding.proposed", "carla"),
    "shredding.approve": (
        lambda get: partial(shredding.approve, _propose_shredding(get)(), by=get("dora")),
        "shredding.approved", "dora",
    ),
    "shredding.reject": (
        lambda get: partial(
            shredding.reject, _propose_shredding(get)(), because="Not yet.", by=get("dora")
        ),
        "shredding.rejected", "dora",
    ),
    "shredding.spare": (_spare, "kek.spared", "carla"),
    "provenance.export": (
        lambda get: partial(provenance.export, get("delivered"), by=get("carla")),
        "custody.exported", "carla",
    ),
    "receipts.read": (
        lambda get: partial(receipts.read, get("delivered"), by=get("lee")),
        "referral.read", "liaison:lee",
    ),
    "receipts.collect": (
        lambda get: _whole(partial(receipts.collect, get("delivered"), by=get("lee"))),
        "bundle.collected", "liaison:lee",
    ),
    "receipts.note_reference": (
        lambda get: partial(
            receipts.note_reference, get("delivered"), external_ref="CAS 7", by=get("carla")
        ),
        "referral.referenced", "carla",
    ),
    "receipts.acknowledge": (_acknowledge, "referral.acknowledged", "liaison:lee"),
}  # fmt: skip


class TestVerb:
    def test_of_a_person_or_an_agency_is_tried_here(self) -> None:
        named = {
            f"{re.sub(r'.*/|[.]py', '', module)}.{name}"
            for module, names in VERBS.items()
            for name in names
        }
        assert set(VERB) == named

    @pytest.mark.parametrize("verb", VERB)
    @pytest.mark.django_db(transaction=True)
    def test_leaves_one_event_and_no_trace_of_anybody_else(
        self, verb: str, request: pytest.FixtureRequest
    ) -> None:
        make_ready, event, who = VERB[verb]
        actor = who if ":" in who else f"user:{request.getfixturevalue(who).pk}"
        with acting("command:keygen"):
            keys.current()  # as a house has it before its first exhibit
        act = make_ready(request.getfixturevalue)
        before = set(AuditEntry.objects.values_list("pk", flat=True))
        act()
        left = AuditEntry.objects.exclude(pk__in=before)
        assert [entry.event for entry in left if not DIFFS.fullmatch(entry.event)] == [event]
        assert {entry.actor_ref for entry in left} == {actor}
        assert all(map(is_bare, left))
