"""Receipts: what an agency read, collected and acknowledged, and the proof of it in the log."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from compliance import audit, lifecycle
from compliance.audit import checkpoints, entries
from compliance.audit.context import NobodyActs, acting, current
from compliance.audit.entries import AuditEntry
from compliance.errors import Malformed, NotPermitted
from referrals import bundles, docket
from referrals.clients import LiaisonClient, Scope
from referrals.docket import Referral

SHA256 = re.compile(r"[0-9a-f]{64}")


class Acknowledgement(models.Model):
    """An agency's word that it has the referral, with its own reference for it."""

    referral = models.OneToOneField(Referral, models.PROTECT, related_name="acknowledgement")
    client = models.ForeignKey(LiaisonClient, models.PROTECT, related_name="+")
    agency_reference = models.CharField(max_length=100)
    receipt_sha256 = models.CharField(max_length=64)
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ["view"]

    def __str__(self) -> str:
        return f"acknowledgement of {self.referral.number}"


@transaction.atomic
def read(referral: Referral, *, by: LiaisonClient) -> Referral:
    """Note that an agency read a referral; the first reading ends its being unread."""
    _require(referral, by, Scope.READ)
    locked = Referral.objects.select_for_update().get(pk=referral.pk)
    if locked.first_read_at is None:
        locked.first_read_at = timezone.now()
        locked.save(update_fields=["first_read_at"])
    _record("referral.read", locked, by)
    return locked


def collect(
    referral: Referral, *, start: int = 0, stop: int | None = None, by: LiaisonClient
) -> Iterator[bytes]:
    """Return a range of the sealed bundle, after the event of collecting it is committed."""
    _require(referral, by, Scope.READ)
    bundle = referral.bundle
    end = bundle.size if stop is None else stop
    if not 0 <= start < end <= bundle.size:
        raise Malformed(f"The range {start} to {end} is not within {bundle.size} bytes.")
    with transaction.atomic(durable=True):
        _record("bundle.collected", referral, by, start=start, stop=end)
    return bundles.read(bundle, start, end)


@transaction.atomic
def acknowledge(
    referral: Referral,
    *,
    agency_reference: str,
    receipt_sha256: str,
    version: int | None = None,
    by: LiaisonClient,
) -> Acknowledgement:
    """Acknowledge a referral: the agency has the bundle with this SHA-256 under its reference.

    Raises Malformed when the digest is not the one of the bundle, Stale, or WrongState.
    """
    _require(referral, by, Scope.ACKNOWLEDGE)
    if not 0 < len(agency_reference.strip()) <= 100:
        raise Malformed("agency_reference wants 1 to 100 characters.")
    if not SHA256.fullmatch(receipt_sha256) or receipt_sha256 != referral.bundle.sha256:
        raise Malformed("receipt_sha256 is not the SHA-256 of this bundle. Download it again.")
    with _as(by):
        done = lifecycle.advance(referral, docket.State.ACKNOWLEDGED, version=version, by=None)
    return Acknowledgement.objects.create(
        referral=done,
        client=by,
        agency_reference=agency_reference.strip(),
        receipt_sha256=receipt_sha256,
    )


def proof(referral: Referral) -> tuple[str, bytes]:
    """Return the `.tlog-proof` of a referral's delivery and the log entry that it proves.

    Raises audit.checkpoints' Unsealed while the entry waits for the next checkpoint.
    """
    entry = AuditEntry.objects.get(event="referral.delivered", object_pk=str(referral.pk))
    return checkpoints.receipt(entry), entries.public_data(entry)


def _require(referral: Referral, by: LiaisonClient, scope: Scope) -> None:
    if referral.agency_id != by.agency_id:
        raise NotPermitted("This referral is addressed to another agency.")
    if scope not in by.scopes:
        raise NotPermitted(f"This client lacks the scope {scope}.")


def _as(by: LiaisonClient) -> AbstractContextManager[object]:
    """Act as the client, within the request that is being answered, if there is one."""
    try:
        around = current()
    except NobodyActs:
        return acting(client=by.client_id)
    return acting(client=by.client_id, cid=around.cid, remote_addr=around.remote_addr)


def _record(event: str, referral: Referral, by: LiaisonClient, **detail: Any) -> None:
    with _as(by):
        audit.record(event, referral, by=None, **detail)
