"""Filings: what a referral says of itself, of the earlier ones, and of what changed since them."""

from collections.abc import Mapping
from typing import Any

from compliance import determinations, jurisdictions
from compliance.determinations import Determination
from compliance.evidence import Item
from referrals import retractions
from referrals.docket import FilingType, Referral
from referrals.retractions import Retraction


def heading(referral: Referral) -> dict[str, Any]:
    """Return which filing this is: its number, its type, its version and those before it."""
    earlier = before(referral)
    return {
        "number": referral.number,
        "id": str(referral.pk),
        "filing_type": referral.filing_type,
        "version": len(earlier) + 1,
        "prior_referrals": [each.number for each in earlier],
    }


def before(referral: Referral) -> list[Referral]:
    """Return the earlier filings of the matter, oldest first."""
    return sorted(referral.prior_referrals.all(), key=lambda each: (each.entered_at, each.number))


def about(referral: Referral) -> dict[str, Any]:
    """Return what a later filing has and an initial one has not: the notice, or the changes."""
    if referral.filing_type == FilingType.RETRACTION:
        return {"retraction": retractions.notice(referral.retraction)}
    return {"changes": changes(referral)} if before(referral) else {}


def changes(referral: Referral) -> dict[str, Any]:
    """Return what changed since the last filing of the same finding, by id and digest.

    What supplements another finding adds to it, so all of it is added.
    """
    last = before(referral)[-1]
    is_same = last.obligation.chain == referral.obligation.chain
    was = disclosed(last) if is_same else {"fields": {}, "items": {}}
    now = disclosed(referral)
    return {"since": last.number, **{name: _diff(was[name], now[name]) for name in now}}


def disclosed(referral: Referral) -> dict[str, dict[str, str]]:
    """Return the digest of each field and each item that a referral tells its agency."""
    obligation, released = referral.obligation, released_classes(referral)
    finding = obligation.determination.finding
    fields: dict[str, Any] = {
        "law": [obligation.because, determinations.legal_basis(obligation)],
        "withheld": withheld(referral),
        **{name: values for name, values in finding.particulars.items() if name in released},
    }
    if "SUSP" in released:
        fields["statement"] = finding.statement
    return {
        "fields": {name: jurisdictions.digest({"said": said}) for name, said in fields.items()},
        "items": {str(item.pk): item.sha256 for item in released_items(referral)},
    }


def released_classes(referral: Referral) -> set[str]:
    """Return the classes of data that go with a referral; with a retraction none does."""
    is_retraction = referral.filing_type == FilingType.RETRACTION
    return set() if is_retraction else {*referral.obligation.release}


def withheld(referral: Referral) -> dict[str, str]:
    """Return the classes that the law keeps back from an agency, with the code of the reason."""
    is_retraction = referral.filing_type == FilingType.RETRACTION
    return {} if is_retraction else referral.obligation.withhold


def released_items(referral: Referral) -> list[Item]:
    """Return the items whose class of content the ruling releases to this agency."""
    finding = referral.obligation.determination.finding
    return list(finding.items.filter(field_class__in=released_classes(referral)))


def signature(referral: Referral) -> Determination | Retraction:
    """Return what counsel signed, so that this referral may go."""
    if referral.filing_type == FilingType.RETRACTION:
        return referral.retraction
    return referral.obligation.determination


def _diff(was: Mapping[str, str], now: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {
        "added": {name: mark for name, mark in now.items() if name not in was},
        "changed": {name: mark for name, mark in now.items() if was.get(name, mark) != mark},
        "withdrawn": {name: mark for name, mark in was.items() if name not in now},
    }
