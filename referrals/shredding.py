"""Shredding: the end of one item or of a period's evidence, decided by two, certified and signed.

It stands above the docket because it is refused while a referral needs the evidence. What ends is
what opens it: the headers, the wraps, and for a period its keys. Then the object goes. The record
of the item, and what the log says of it, stay.
"""

import json
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from compliance import audit, determinations, findings, lifecycle, preservation, roles
from compliance.errors import Malformed, Refused, SamePerson
from compliance.evidence import Item
from compliance.findings import Finding, reference
from compliance.lifecycle import by_a_second_person, stamped
from compliance.roles import Permission, User
from compliance.vault import keys, uploads
from compliance.vault.escrow import EscrowedKey
from compliance.vault.keys import FileKeyWrap, Kek
from referrals import bundles, docket, manifests
from referrals.bundles import SealedHeader
from referrals.docket import Referral
from referrals.sealing import sshsig

NAMESPACE = "dutyline-shredding@v1"
OVER = (docket.State.CLOSED, docket.State.WITHDRAWN)


class Needed(Refused):
    """Something still needs this evidence."""


class State(models.TextChoices):
    """The last thing that happened to a shredding."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    SHREDDED = "shredded"


def shredding_number() -> str:
    """Return a new number for a shredding."""
    return reference("X")


class Shredding(models.Model):
    """One item, or all that a period's keys wrap, on its way to an end that cannot be undone."""

    State = State
    MOVES = {
        State.PROPOSED: (State.APPROVED, State.REJECTED),
        State.APPROVED: (State.SHREDDED,),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.CharField(max_length=12, unique=True, default=shredding_number)
    item = models.ForeignKey(Item, models.PROTECT, null=True, related_name="+")
    period = models.CharField(max_length=10, blank=True)
    state = models.CharField(max_length=12, choices=State, default=State.PROPOSED)
    version = models.PositiveIntegerField(default=1)
    remains = models.JSONField(default=list, help_text="What was shredded: ids and digests.")
    certificate = models.TextField(blank=True)
    signature = models.TextField(blank=True)
    proposed_at = models.DateTimeField(default=timezone.now)
    proposed_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    proposed_because = models.TextField()
    approved_at = models.DateTimeField(null=True)
    approved_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    rejected_at = models.DateTimeField(null=True)
    rejected_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    rejected_because = models.TextField(blank=True)
    shredded_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ["view"]
        ordering = ["-proposed_at", "-id"]
        constraints = [
            models.CheckConstraint(
                name="shredding_is_of_an_item_or_a_period",
                condition=Q(item__isnull=True) & ~Q(period="") | Q(item__isnull=False, period=""),
            ),
            stamped("shredding", State.APPROVED),
            stamped("shredding", State.REJECTED),
            stamped("shredding", State.SHREDDED, by=False),
            by_a_second_person("shredding", State.APPROVED, "proposed"),
        ]

    def __str__(self) -> str:
        return self.number


@audit.attributed
@transaction.atomic
def propose(*, item: Item | None = None, period: str = "", because: str, by: User) -> Shredding:
    """Propose to shred one item, or all evidence of a period (a year) that is over."""
    roles.require(by, Permission.PROPOSE_SHREDDING)
    if (item is None) == (not period):
        raise Malformed("Name one item, or one period.")
    if period and not (keks(period) and period < f"{timezone.now().year}"):
        raise Malformed("Name a year that is over and of which there is a key, such as 2024.")
    if not because.strip():
        raise Malformed("A reason is missing. Say in a sentence why this may go.")
    made = Shredding.objects.create(
        item=item, period=period, proposed_because=because.strip(), proposed_by=by
    )
    _require_not_needed(evidence_of(made))
    audit.record("shredding.proposed", made, by=by)
    return made


@audit.attributed
@transaction.atomic
def approve(shredding: Shredding, *, version: int | None = None, by: User) -> Shredding:
    """Approve what a colleague proposed: from this instant nobody opens the evidence any more.

    Headers and wraps are deleted here, in one transaction with the question whether a hold, a
    silence or a referral still needs them. Keys and objects follow; they may take a while.
    """
    roles.require(by, Permission.APPROVE_SHREDDING)
    if shredding.proposed_by_id == by.pk:
        raise SamePerson("A second person must approve what you proposed.")
    items = evidence_of(shredding)
    _require_not_needed(items)
    approved = lifecycle.advance(shredding, State.APPROVED, version=version, by=by)
    approved.remains = [_described(item) for item in items]
    approved.save(update_fields=["remains"])
    SealedHeader.objects.filter(item__in=items).delete()
    for item in items:
        keys.forget(item.pk)
    for kek in keks(shredding.period):
        if kek.state == Kek.State.MADE:
            keys.retire(kek)
    return approved


@audit.attributed
def reject(shredding: Shredding, *, because: str, by: User) -> Shredding:
    """Reject a proposal: the evidence stays."""
    roles.require(by, Permission.APPROVE_SHREDDING)
    return lifecycle.advance(shredding, State.REJECTED, because=because, by=by)


@audit.attributed
@transaction.atomic
def spare(kek: Kek, *, by: User) -> Kek:
    """Move what is still needed of a key's period to this year's key, so that the rest can go."""
    roles.require(by, Permission.PROPOSE_SHREDDING)
    kept = [item.pk for item in _wrapped_in(kek.period) if needed([item])]
    heir = keys.lift(kept)
    audit.record("kek.spared", kek, by=by, heir=heir.pk, wraps=len(kept))
    return heir


def evidence_of(shredding: Shredding) -> list[Item]:
    """Return the items that a shredding ends."""
    return [shredding.item] if shredding.item else _wrapped_in(shredding.period)


def keks(period: str) -> list[Kek]:
    """Return the keys of a period that are not destroyed yet."""
    if not period:
        return []
    return list(Kek.objects.filter(period=period).exclude(state=Kek.State.DESTROYED))


def needed(items: list[Item]) -> list[str]:
    """Say what still needs these items, a sentence each; nothing if they may go."""
    about = Finding.objects.filter(items__in=items).distinct().order_by("recorded_at")
    return [reason for finding in about for reason in _needs(finding)]


def shred_due() -> int:
    """Destroy the keys and remove the objects of what was approved, and certify it."""
    approved = Shredding.objects.filter(state=State.APPROVED).order_by("approved_at")
    return lifecycle.pull("shred", approved, shred, prepare=end)


def end(shredding: Shredding) -> None:
    """Have the providers destroy a period's keys, and remove the objects from the storage."""
    for kek in keks(shredding.period):
        if keys.wraps(kek).exists():
            raise Needed(f"The {kek} wraps something again.")
        keys.destroy(kek)
    for each in shredding.remains:
        uploads.store().discard(each["object"])


def shred(shredding: Shredding, _: None) -> Shredding:
    """Put on record that all is gone, and issue the certificate."""
    for kek in keks(shredding.period):
        lifecycle.advance(kek, Kek.State.DESTROYED, by=None)
    done = lifecycle.advance(shredding, State.SHREDDED, by=None)
    done.certificate = _certificate(done)
    message = done.certificate.encode()
    done.signature = sshsig.sign(bundles.service_key(), message, NAMESPACE)
    done.save(update_fields=["certificate", "signature"])
    return done


def allowed_signers() -> str:
    """Return the allowed_signers file against which a certificate is verified."""
    key = bundles.service_key().public_key()
    return f"{sshsig.allowed_signer(bundles.PRINCIPAL, NAMESPACE, key)}\n"


def _wrapped_in(period: str) -> list[Item]:
    known = [(kek.provider, kek.key_id) for kek in keks(period)]
    wrapped = [
        wrap.subject
        for provider, key_id in known
        for wrap in FileKeyWrap.objects.filter(provider=provider, key_id=key_id)
    ]
    return list(Item.objects.filter(pk__in=wrapped).order_by("attached_at", "pk"))


def _require_not_needed(items: list[Item]) -> None:
    # Locked, for a signature or a referral may be on its way.
    list(Finding.objects.select_for_update().filter(pk__in=[item.finding_id for item in items]))
    if reasons := needed(items):
        more = f" So do {len(reasons) - 1} more." if len(reasons) > 1 else ""
        raise Needed(f"{reasons[0]}{more}")


def _needs(finding: Finding) -> Iterator[str]:
    if finding.state == findings.State.RECORDED:
        yield f"{finding} is not decided yet."
    if finding.state == findings.State.CONFIRMED and not finding.determinations.exists():
        yield f"{finding} waits for the law."
    for each in finding.determinations.order_by("proposed_at"):
        if each.state == determinations.State.PROPOSED:
            yield f"The {each} waits for counsel."
        if preservation.is_held(each):
            yield f"The {each} is held."
        if any(_lasts(silence["until"]) for silence in each.result["silence"]):
            yield f"The {each} is under a silence."
    about = Referral.objects.filter(obligation__determination__finding=finding)
    for referral in about.exclude(state__in=OVER):
        yield f"The referral {referral} needs it."
    if docket.unentered().filter(determination__finding=finding).exists():
        yield f"{finding} is owed to an agency."


def _lasts(until: str | None) -> bool:
    """Tell whether a silence lasts; one without an end lasts as long as its hold."""
    return until is not None and datetime.fromisoformat(until) > timezone.now()


def _described(item: Item) -> dict[str, Any]:
    wrap = FileKeyWrap.objects.filter(subject=item.pk).first()
    return {
        "id": str(item.pk),
        "finding": item.finding.reference,
        "exhibit": item.exhibit,
        "size": item.size,
        "sha256": item.sha256,
        "object": item.sealed_name,
        "object_sha256": item.sealed_sha256,
        "key": f"{wrap.provider}:{wrap.key_id}" if wrap else None,
        "escrow": _escrow(wrap),
    }


def _escrow(wrap: FileKeyWrap | None) -> str | None:
    """Return for which key in the safe the item was in escrow: it is to be destroyed there."""
    kept = EscrowedKey.objects.filter(wrap=wrap).first() if wrap else None
    return kept.fingerprint if kept else None


def _certificate(shredding: Shredding) -> str:
    used = {each["key"] for each in shredding.remains}
    about = Kek.objects.filter(period=shredding.period) if shredding.period else Kek.objects.all()
    known = [(f"{kek.provider}:{kek.key_id}", kek) for kek in about.order_by("made_at")]
    told = {
        "schema": "shredding/1",
        "number": shredding.number,
        "issuer": settings.LOG_ORIGIN,
        "period": shredding.period or None,
        "items": shredding.remains,
        "keys": [
            {"key": name, "state": kek.state, "destroyed_at": _written(kek.destroyed_at)}
            for name, kek in known
            if shredding.period or name in used
        ],
        "proposed": _act(shredding, "proposed"),
        "approved": _act(shredding, "approved"),
        "shredded_at": _written(shredding.shredded_at),
    }
    return json.dumps(told, sort_keys=True, indent=1) + "\n"


def _act(shredding: Shredding, state: str) -> dict[str, str | None]:
    by: User = getattr(shredding, f"{state}_by")
    return {"by": manifests.pseudonym(by), "at": _written(getattr(shredding, f"{state}_at"))}


def _written(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
