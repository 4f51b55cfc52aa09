"""Manifests: what a bundle says of itself, to be signed: who, what, by which law, on what terms.

What a human of the provider viewed is under `items`; what nobody viewed is apart, under `unviewed`.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.utils.crypto import salted_hmac

from compliance import determinations, evidence
from compliance.audit import checkpoints, entries
from compliance.audit.entries import AuditEntry
from compliance.determinations import Obligation
from compliance.roles import User
from referrals import filings, terms
from referrals.agencies import AgencyKey
from referrals.docket import Referral
from referrals.processes import Exhibit
from referrals.terms import Terms

TERMS_MEMBER = "data/terms.txt.age"


class Because(models.TextChoices):
    """Why a version of a bundle was made."""

    FIRST = "first", "first sealing"
    AGENCY_KEY = "agency_key", "another key of the agency"
    LEGAL_PROCESS = "legal_process", "legal process"


@dataclass(frozen=True)
class Edition:
    """One version of a bundle: its number, why it is made, the SHA-256 of the one it replaces."""

    version: int
    because: str
    replaces: str | None


def describe(
    referral: Referral, exhibits: Iterable[Exhibit], key: AgencyKey, edition: Edition
) -> dict[str, Any]:
    """Return the manifest: only released classes, and the code of what was withheld."""
    obligation = referral.obligation
    determination = obligation.determination
    finding = determination.finding
    released, signed = filings.released_classes(referral), filings.signature(referral)
    told = [(each.is_viewed, _described(each, with_source="META" in released)) for each in exhibits]
    return {
        "schema": "manifest/1",
        "referral": filings.heading(referral),
        "bundle": {
            "version": edition.version,
            "because": edition.because,
            "replaces": edition.replaces,
        },
        "environment": referral.agency.environment,
        "agency": referral.agency.authority,
        "sealed_to": key.fingerprint,
        "law": _law(obligation),
        "kind": obligation.kind,
        "statement": finding.statement if "SUSP" in released else None,
        "particulars": {
            name: values for name, values in finding.particulars.items() if name in released
        },
        "items": [item for is_viewed, item in told if is_viewed],
        "unviewed": [item for is_viewed, item in told if not is_viewed],
        "released": sorted(released),
        "withheld": filings.withheld(referral),
        "confirmed": _act(finding, "confirmed"),
        "signed": _act(signed, "signed"),
        "terms": _terms(terms_of(referral)),
        **filings.about(referral),
        **_log_receipt(signed),
    }


def terms_of(referral: Referral) -> Terms:
    """Return the terms on which an agency gets a referral."""
    return terms.of(referral.agency.authority, referral.obligation.because)


def pseudonym(person: User) -> str:
    """Return the name under which an agency knows a person of the provider."""
    drawn = salted_hmac("referrals.bundles.pseudonym", str(person.pk), algorithm="sha256")
    return f"{person.role}-{drawn.hexdigest()[:8]}"


def canonical(manifest: dict[str, Any]) -> bytes:
    """Return the one text of a manifest: what is signed, and what `manifest.json` holds."""
    text = json.dumps(manifest, sort_keys=True, ensure_ascii=False, indent=1)
    return f"{text}\n".encode()


def _described(exhibit: Exhibit, *, with_source: bool) -> dict[str, Any]:
    item = exhibit.item
    source = {
        "source_url": item.source_url,
        "acquired_at": item.acquired_at.isoformat(),
        "acquired_by": pseudonym(item.attached_by),
    }
    return {
        "id": str(item.pk),
        "exhibit": item.exhibit,
        "size": item.size,
        "media_type": item.media_type,
        "member": exhibit.member,
        "viewed_by_human": exhibit.is_viewed,
        "view_scope": exhibit.view,
        "publicly_available": item.field_class == evidence.FieldClass.PUBLIC,
        **(source if with_source else {}),
        **_inside(exhibit),
    }


def _inside(exhibit: Exhibit) -> dict[str, Any]:
    """Return what tells the content apart, and for what nobody viewed, which process opens it."""
    item, process = exhibit.item, exhibit.process
    if not exhibit.is_open:
        # Not even its digest: to compare that with a list would be to look inside already.
        return {"sealed_sha256": item.sealed_sha256, "opened_by": None}
    inside = {"name": item.name, "sha256": item.sha256}
    return inside if exhibit.is_viewed else inside | {"opened_by": _process(process)}


def _process(process: Any) -> dict[str, str]:
    return {
        "kind": process.kind,
        "reference": process.reference,
        "issued_by": process.issued_by,
        "received_at": process.received_at.isoformat(),
        "approved_by": pseudonym(process.approved_by),
    }


def _law(obligation: Obligation) -> dict[str, Any]:
    determination = obligation.determination
    return {
        "release": determination.release.sha256,
        "rules": determinations.legal_basis(obligation),
        "rule_time": determination.rule_time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "result": determination.result_sha256,
    }


def _act(record: Any, state: str) -> dict[str, str]:
    by, at = getattr(record, f"{state}_by"), getattr(record, f"{state}_at")
    return {"by": pseudonym(by), "at": at.isoformat()}


def _terms(agreed: Terms) -> dict[str, Any]:
    return {"texts": list(agreed.names), "sha256": agreed.sha256, "member": TERMS_MEMBER}


def _log_receipt(signed: models.Model) -> dict[str, str]:
    """Return the entry of counsel's signature and the proof that it is in the log."""
    event = f"{signed._meta.model_name}.signed"
    entry = AuditEntry.objects.get(event=event, object_pk=str(signed.pk))
    checkpoints.seal_due()
    return {
        "log_receipt": checkpoints.receipt(entry),
        "log_entry": entries.public_data(entry).decode(),
    }
