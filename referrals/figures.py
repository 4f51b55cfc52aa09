"""Figures: what the referrals' rooms add to the public report."""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from compliance import transparency
from compliance.transparency import Half, Happened, Table, TransparencyReport
from referrals.docket import Referral
from referrals.inquiries import InformationRequest
from referrals.retractions import Retraction

TABLES = (
    Table(
        "referrals", "Referrals settled",
        {"delivered": "delivered to the agency", "withdrawn": "withdrawn before that"},
    ),
    Table("retractions", "Retractions", {"signed": "signed by counsel"}),
    Table("acknowledgements", "Referrals acknowledged", {"acknowledged": "by the agency"}),
    Table(
        "requests-of-agencies", "Requests of agencies under legal process",
        {"answered": "answered", "refused": "refused"},
        "Regulation (EU) 2022/2065 Art 15(1)(a), of those about a referral",
    ),
    Table("orders", "Orders of agencies to watch or to search", {"refused": "refused"}),
)  # fmt: skip
EVENTS = {
    "referral.delivered": ("referrals", "delivered"),
    "referral.withdrawn": ("referrals", "withdrawn"),
    "retraction.signed": ("retractions", "signed"),
    "referral.acknowledged": ("acknowledgements", "acknowledged"),
    "informationrequest.answered": ("requests-of-agencies", "answered"),
    "informationrequest.refused": ("requests-of-agencies", "refused"),
    "tasking.refused": ("orders", "refused"),
}


def publish(half: Half, *, at: datetime | None = None) -> TransparencyReport:
    """Return the figures of a half over the rooms of both sides, as they are published."""
    rows = chain(transparency.happened(half.end), happened(half.end))
    return transparency.publish(half, tables(), rows, at=at)


def tables() -> tuple[Table, ...]:
    """Return the tables of both sides."""
    return (*transparency.TABLES, *TABLES)


def happened(before: datetime) -> Iterator[Happened]:
    """Yield what happened in the referrals' rooms until an instant."""
    matter = "obligation__determination__finding"
    known = [
        *Referral.objects.values_list("pk", matter),
        *Retraction.objects.values_list("pk", "overturning__finding"),
        *InformationRequest.objects.values_list("pk", f"referral__{matter}"),
    ]
    findings = {str(pk): finding for pk, finding in known}
    return transparency.logged(EVENTS, findings, before)
