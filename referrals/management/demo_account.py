"""The demo's account: what happened to the samples, read off the records, as plain data."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from compliance import releases
from compliance.audit.verification import Report
from compliance.determinations import Determination, State
from compliance.findings import Finding
from compliance.preservation import Hold
from compliance.vault import age
from referrals import filings
from referrals.docket import Referral
from referrals.management.demo_samples import Sample


def of_finding(sample: Sample, finding: Finding) -> dict[str, Any]:
    """Return what happened to one sample."""
    determination = Determination.objects.get(finding=finding, state=State.SIGNED)
    referrals = Referral.objects.filter(obligation__determination=determination)
    return {
        "sample": sample.name,
        "title": sample.title,
        "reference": finding.reference,
        "recorded_at": finding.recorded_at,
        "confirmed_at": finding.confirmed_at,
        "confirmed_because": finding.confirmed_because,
        "exhibits": [
            {"name": item.name, "class": item.field_class, "size": item.size, "sha256": item.sha256}
            for item in finding.items.order_by("exhibit")
        ],
        "law": _law(determination),
        "signed_at": determination.signed_at,
        "signed_because": determination.signed_because,
        "hold": _hold(determination),
        "referrals": [_referral(each) for each in referrals.order_by("due_at", "number")],
    }


def of_log(report: Report) -> dict[str, Any]:
    """Return what the verification of the log found."""
    return {
        "verifies": report.good,
        "entries": report.size,
        "root": report.root,
        "problem": report.problem,
    }


def _law(determination: Determination) -> dict[str, Any]:
    result = determination.result
    return {
        "release": determination.release.sha256,
        "result": determination.result_sha256,
        "rules": {name: rule["outcome"] for name, rule in result["rules"].items()},
        "why_not": list(_why_not(determination.explanation)),
        "conflicts": result["conflicts"],
        "human": [found["reason"] for found in result["human"]],
    }


def _hold(determination: Determination) -> dict[str, Any] | None:
    hold = Hold.objects.filter(determination=determination).first()
    return None if hold is None else {"kept_until": hold.kept_until, "because": hold.because}


def _referral(referral: Referral) -> dict[str, Any]:
    obligation = referral.obligation
    return {
        "number": referral.number,
        "to": obligation.recipient,
        "kind": obligation.kind,
        "state": referral.state,
        "because": obligation.because,
        "due_at": referral.due_at,
        "delivered_at": referral.delivered_at,
        "seconds_to_spare": _seconds(referral.delivered_at, referral.due_at),
        "release": obligation.release,
        "withhold": obligation.withhold,
        "items": [item.name for item in filings.released_items(referral)],
        "bundle": {"size": referral.bundle.size, "sha256": referral.bundle.sha256},
        "key": {
            "type": age.parse_recipient(referral.bundle.agency_key.recipient).kind,
            "fingerprint": referral.bundle.agency_key.fingerprint,
        },
        "acknowledged_at": referral.acknowledged_at,
        "agency_reference": referral.acknowledgement.agency_reference,
        "closed_at": referral.closed_at,
    }


def _seconds(earlier: datetime | None, later: datetime | None) -> int | None:
    return int((later - earlier).total_seconds()) if earlier and later else None


def _why_not(explanation: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield each law that binds the provider and asked for no report, and what it lacked first."""
    for record, rules in releases.rules().records.items():
        told = next((explanation[each.id] for each in rules if "report" in each.then), None)
        if told is None or told["outcome"] == "holds" or _binds_others(told):
            continue
        parts = [told[key] for key in ("binds", "when") if key in told]
        lacked = next(_lacking(parts), None) if told["outcome"] == "fails" else None
        yield {"rule": record, "outcome": told["outcome"], "lacks": lacked}


def _binds_others(told: Mapping[str, Any]) -> bool:
    return "binds" in told and told["binds"]["result"] == "fails"


def _lacking(parts: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the tests that failed, in the order of the law's own words."""
    for part in parts:
        if part["result"] != "fails":
            continue
        if "fact" in part:
            yield {key: part.get(key) for key in ("fact", "seen", "says", "cite")}
        else:
            yield from _lacking(part.get("all") or part.get("any") or [])
