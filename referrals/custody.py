"""Custody: every touch of what an agency got, read off the log, from the first upload to the last.

Nothing is kept twice: an event of custody is an entry of the log, told for one referral.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models import Q

from compliance import readings
from compliance.audit.checkpoints import AuditLeaf
from compliance.audit.entries import AuditEntry
from compliance.roles import User
from referrals import manifests, processes
from referrals.bundles import SealedHeader
from referrals.docket import Referral

SAYS = {
    "evidence.attached": "attached, sealed as it arrived",
    "sealedheader.created": "issued to the agency's key",
    "sealedheader.updated": "revoked",
    "bundle.renewed": "made anew",
    "bundle.collected": "downloaded",
    "referral.entered": "entered in the docket",
    "referral.delivered": "brought within the agency's reach",
}


@dataclass(frozen=True)
class Thing:
    """What was touched: the record, and what the sheet calls it."""

    record: models.Model
    name: str


@dataclass(frozen=True)
class CustodyEvent:
    """One touch: of what, by whom, and who gave and who got where it changed hands."""

    entry: AuditEntry
    leaf: int | None
    thing: Thing
    by: str
    span: tuple[int, int] | None
    released_by: str
    received_by: str
    receipt_id: str

    @property
    def at(self) -> datetime:
        """The moment, as the log has it."""
        return self.entry.timestamp

    @property
    def says(self) -> str:
        """What happened, in words; in the log's own where there are no others."""
        event = str(self.entry.event)
        words = SAYS.get(event, event.partition(".")[2].replace("_", " "))
        return f"{words}, bytes {self.span[0]} to {self.span[1] - 1}" if self.span else words


def chain(referral: Referral) -> list[CustodyEvent]:
    """Return every touch of a referral, its exhibits, headers, bundles and processes, in order."""
    things = {
        (ContentType.objects.get_for_model(each.record).pk, str(each.record.pk)): each
        for each in _things(referral)
    }
    about = Q()
    for kind, key in things:
        about |= Q(content_type=kind, object_pk=key)
    happened = Q(action=AuditEntry.Action.ACCESS) | Q(event__startswith="sealedheader.")
    found = AuditEntry.objects.filter(about & happened).select_related("actor")
    found = found.exclude(event__endswith=f".{readings.SHOWN}")  # a page is no exhibit
    touches = list(found.order_by("timestamp", "id"))
    leaves = dict(AuditLeaf.objects.filter(entry__in=touches).values_list("entry_id", "idx"))
    return [
        _told(entry, leaves.get(entry.pk), things[entry.content_type_id, entry.object_pk], referral)
        for entry in touches
    ]


def _things(referral: Referral) -> Iterator[Thing]:
    items = {each.item.pk: each.item for each in processes.exhibits(referral)}
    yield Thing(referral, f"referral {referral}")
    for item in items.values():
        yield Thing(item, str(item))
    for header in SealedHeader.objects.filter(
        item__in=items, agency_key__agency=referral.agency
    ).select_related("agency_key"):
        yield Thing(header, f"header of {items[header.item_id]} to {header.agency_key}")
    for bundle in referral.bundles.all():
        yield Thing(bundle, f"bundle {bundle.version}")
    for process in referral.processes.all():
        yield Thing(process, f"{process.get_kind_display()} {process.reference}")


def _told(entry: AuditEntry, leaf: int | None, thing: Thing, referral: Referral) -> CustodyEvent:
    detail = entry.additional_data or {}
    is_theirs = entry.actor_ref.startswith("liaison:")
    if "version" in detail:
        thing = Thing(thing.record, f"bundle {detail['version']}")
    return CustodyEvent(
        entry=entry,
        leaf=leaf,
        thing=thing,
        by=_who(entry, referral),
        span=(detail["start"], detail["stop"]) if "stop" in detail else None,
        released_by="the provider" if is_theirs else "",
        received_by=referral.agency.name if is_theirs else "",
        receipt_id=_receipt(entry, referral),
    )


def _who(entry: AuditEntry, referral: Referral) -> str:
    """Name whoever acted as the agency knows them: by role and number, or by the program."""
    if isinstance(entry.actor, User):
        return manifests.pseudonym(entry.actor)
    kind, _, name = entry.actor_ref.partition(":")
    return f"{name} of {referral.agency.name}" if kind == "liaison" else f"the {name}"


def _receipt(entry: AuditEntry, referral: Referral) -> str:
    if entry.event != "referral.acknowledged":
        return ""
    said = referral.acknowledgement
    return f"{said.agency_reference}, for the bundle of SHA-256 {said.receipt_sha256}"
