"""Receipts: what an agency read, collected and acknowledged, and the proof of it in the log."""

from collections.abc import Iterator

from django.contrib.contenttypes.models import ContentType
from django.db import models, transaction
from django.utils import timezone

from compliance import audit, lifecycle, roles
from compliance.audit import checkpoints, entries
from compliance.audit.entries import AuditEntry
from compliance.errors import Malformed, NotPermitted, Stale, WrongState
from compliance.roles import Permission, User
from referrals import bundles, docket
from referrals.clients import LiaisonClient, Scope
from referrals.docket import Referral

REFERENCED = (docket.State.DELIVERED, docket.State.ACKNOWLEDGED)  # may be given a number


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


@audit.attributed
@transaction.atomic
def read(referral: Referral, *, by: LiaisonClient) -> Referral:
    """Note that an agency read a referral; the first reading ends its being unread."""
    _require(referral, by, Scope.READ)
    locked = Referral.objects.select_for_update().get(pk=referral.pk)
    if locked.first_read_at is None:
        locked.first_read_at = timezone.now()
        locked.save(update_fields=["first_read_at"])
    audit.record("referral.read", locked, by=None)
    return locked


@audit.attributed
def collect(
    referral: Referral, *, start: int = 0, stop: int | None = None, by: LiaisonClient
) -> Iterator[bytes]:
    """Return a range of the sealed bundle, after the event of collecting it is committed.

    Raises Retracted or Corrected once it was taken back or replaced.
    """
    _require(referral, by, Scope.READ)
    docket.require_collectable(referral)
    bundle = referral.bundle
    end = bundle.size if stop is None else stop
    if not 0 <= start < end <= bundle.size:
        raise Malformed(f"The range {start} to {end} is not within {bundle.size} bytes.")
    # Durable: an event that could still be rolled back would not come before the first byte.
    with transaction.atomic(durable=True):
        audit.record("bundle.collected", referral, by=None, start=start, stop=end)
    return bundles.read(bundle, start, end)


@audit.attributed
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
    if receipt_sha256 != referral.bundle.sha256:
        raise Malformed("receipt_sha256 is not the SHA-256 of this bundle. Download it again.")
    return Acknowledgement.objects.create(
        referral=lifecycle.advance(referral, docket.State.ACKNOWLEDGED, version=version, by=None),
        client=by,
        agency_reference=agency_reference.strip(),
        receipt_sha256=receipt_sha256,
    )


@audit.attributed
@transaction.atomic
def note_reference(
    referral: Referral, *, external_ref: str, version: int | None = None, by: User
) -> Referral:
    """Note the number under which an agency keeps a referral, such as the CAS number of s.12.

    It may be noted anew until the referral is closed. The log holds each in its private part
    alone (docs/decisions/0008): it leads to a person's file. Raises Malformed, Stale, WrongState.
    """
    roles.require(by, Permission.CLOSE_REFERRAL)
    number = external_ref.strip()
    if not 0 < len(number) <= 100:
        raise Malformed("The external reference wants 1 to 100 characters.")
    current = Referral.objects.select_for_update().get(pk=referral.pk)
    if version not in (None, current.version):
        raise Stale
    if current.state not in REFERENCED:
        raise WrongState(f"{current} is {current.state}; no agency gives it a number now.")
    current.external_ref = number
    current.save(update_fields=["external_ref"])
    audit.record("referral.referenced", current, by=by, external_ref=number)
    return current


def proof(referral: Referral) -> tuple[str, bytes]:
    """Return the `.tlog-proof` of a referral's delivery and the log entry that it proves.

    Raises WrongState before the delivery, and while its entry waits for the next checkpoint.
    """
    entry = AuditEntry.objects.filter(
        event="referral.delivered",
        content_type=ContentType.objects.get_for_model(Referral),
        object_pk=str(referral.pk),
    ).first()
    if entry is None:
        raise WrongState(f"{referral} is {referral.state}; it was not delivered yet.")
    return checkpoints.receipt(entry), entries.public_data(entry)


def _require(referral: Referral, by: LiaisonClient, scope: Scope) -> None:
    if referral.agency_id != by.agency_id:
        raise NotPermitted("This referral is addressed to another agency.")
    if scope not in by.scopes:
        raise NotPermitted(f"This client lacks the scope {scope}.")
