"""Provenance: a chain of custody in CASE/UCO 1.4 as JSON-LD, for the tools of others.

Each event carries the entry of the log that it is read off, and the proof that the log holds it:
`docs/verify/verify_receipt.sh` checks the two offline.
"""

import json
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.db import models

from compliance import audit, roles
from compliance.audit import checkpoints, entries
from compliance.roles import Permission, User
from referrals import custody, processes
from referrals.bundles import Bundle
from referrals.custody import CustodyEvent
from referrals.docket import Referral
from referrals.processes import Exhibit

UCO = "https://ontology.unifiedcyberontology.org/uco"
CASE = "https://ontology.caseontology.org/case"
CONTEXT = {
    "kb": "urn:uuid:",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "case-investigation": f"{CASE}/investigation/",
    **{
        f"uco-{part}": f"{UCO}/{part}/"
        for part in ("action", "core", "identity", "observable", "tool", "types")
    },
}
PROVIDER = "the provider"

Node = dict[str, Any]


@audit.attributed
def export(referral: Referral, *, by: User) -> bytes:
    """Return the chain of custody of a referral as JSON-LD, after the event of exporting it.

    Not within a transaction: each event proves that it is in the log, so the log is sealed first.
    """
    roles.require(by, Permission.READ_LOG)
    checkpoints.seal_due()
    graph = _graph(referral, custody.chain(referral))
    data = f"{json.dumps(graph, ensure_ascii=False, indent=1)}\n".encode()
    audit.record("custody.exported", referral, by=by, sha256=sha256(data).hexdigest())
    return data


def _graph(referral: Referral, touches: list[CustodyEvent]) -> Node:
    exhibits = processes.exhibits(referral)
    agency = _node("identity", "Organization", referral.agency, name=referral.agency.name)
    provider = _node("identity", "Organization", PROVIDER, name=settings.LOG_ORIGIN)
    return {
        "@context": CONTEXT | {"dutyline": f"https://{settings.LOG_ORIGIN}#"},
        **_node("core", "Bundle", referral, "custody", name=f"Chain of custody of {referral}"),
        "uco-core:object": [
            provider,
            agency,
            *_people(touches),
            _node("core", "UcoObject", referral, name=f"Referral {referral}"),
            *(node for each in exhibits for node in _exhibit(each)),
            *(_bundle(each) for each in referral.bundles.all()),
            *_others(touches),
            *(_action(each, referral) for each in touches),
        ],
    }


def _people(touches: Iterable[CustodyEvent]) -> Iterator[Node]:
    """Yield who acted, once each: people by their pseudonyms, programs by their names."""
    for actor, name in {each.entry.actor_ref: each.by for each in touches}.items():
        kind = ("identity", "Person") if actor.startswith("user:") else ("tool", "Tool")
        yield _node(*kind, actor, name=name)


def _exhibit(exhibit: Exhibit) -> Iterator[Node]:
    """Yield an exhibit as a file and as a piece of evidence; of its content only what may go."""
    item = exhibit.item
    digest = item.sha256 if exhibit.is_open else item.sealed_sha256
    size = item.size if exhibit.is_open else item.sealed_size
    name = f"{exhibit.member}, {'in clear' if exhibit.is_open else 'sealed'}"
    yield _file(item, name, size, digest)
    yield {
        **_node("investigation", "ProvenanceRecord", item, "record", name=str(item)),
        "case-investigation:exhibitNumber": str(item.exhibit),
        "uco-core:object": [_link(item)],
    }


def _bundle(bundle: Bundle) -> Node:
    name = f"{bundle.referral.number}.zip, version {bundle.version}"
    return _file(bundle, name, bundle.size, bundle.sha256)


def _others(touches: Iterable[CustodyEvent]) -> Iterator[Node]:
    """Yield the headers and legal processes that were touched."""
    things = {each.thing.record: each.thing.name for each in touches}
    for record, name in things.items():
        if record._meta.model_name in ("sealedheader", "legalprocess"):
            yield _node("core", "UcoObject", record, name=name)


def _action(touch: CustodyEvent, referral: Referral) -> Node:
    entry = touch.entry
    node: Node = {
        **_node("investigation", "InvestigativeAction", entry, name=str(entry.event)),
        "uco-core:description": f"{touch.thing.name}: {touch.says}",
        "uco-action:startTime": _moment(touch.at),
        "uco-action:performer": _link(entry.actor_ref),
        "uco-action:object": [_link(touch.thing.record)],
        "dutyline:logEntry": entries.public_data(entry).decode(),
    }
    if touch.received_by:
        node["uco-action:participant"] = [_link(PROVIDER), _link(referral.agency)]
    if touch.receipt_id:
        node["dutyline:receipt"] = touch.receipt_id
    if touch.leaf is not None:
        node["dutyline:logProof"] = checkpoints.receipt(entry)
    return node


def _file(record: models.Model, name: str, size: int, digest: str) -> Node:
    content = {
        **_node("observable", "ContentDataFacet", record, "content"),
        "uco-observable:sizeInBytes": size,
        "uco-observable:hash": [
            {
                **_node("types", "Hash", record, "hash"),
                "uco-types:hashMethod": "SHA256",
                "uco-types:hashValue": {"@type": "xsd:hexBinary", "@value": digest},
            }
        ],
    }
    return {**_node("observable", "File", record, name=name), "uco-core:hasFacet": [content]}


def _node(
    part: str, kind: str, about: models.Model | str, facet: str = "", *, name: str = ""
) -> Node:
    space = "case" if part == "investigation" else "uco"
    named = {"uco-core:name": name} if name else {}
    return {"@id": _id(about, facet), "@type": f"{space}-{part}:{kind}", **named}


def _link(about: models.Model | str) -> Node:
    return {"@id": _id(about)}


def _id(about: models.Model | str, facet: str = "") -> str:
    """Return a lasting id of a record, or of one facet of it: the same in every export."""
    told = about if isinstance(about, str) else f"{about._meta.label_lower}:{about.pk}"
    return f"kb:{uuid.uuid5(uuid.NAMESPACE_URL, f'{settings.LOG_ORIGIN}/{told}#{facet}')}"


def _moment(at: datetime) -> Node:
    told = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"@type": "xsd:dateTime", "@value": told}
