"""Inquiries: what an agency asks about a referral of its own, under legal process, and our reply.

What may be asked for is what the referral withholds: it exists, and it is about this referral. An
order to watch, to search or to deliver what is yet to come is refused, whoever gives it and under
whatever process, and kept in the log: no agency directs what the provider looks for.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from django.db import models, transaction
from django.utils import timezone

from compliance import audit, lifecycle, roles
from compliance.errors import Malformed, NotPermitted, Refused, Stale
from compliance.findings import reference
from compliance.lifecycle import stamped
from compliance.roles import Permission, User
from referrals.clients import LiaisonClient, Scope
from referrals.docket import Referral
from referrals.processes import LegalProcess

TEXT_LIMIT = 2_000
REFERENCE_LIMIT = 100
# How programs have been seen to name an order, as what is asked for or as a member of its own.
ORDERS = frozenset(
    [
        "alert", "deliver", "intercept", "monitor", "monitoring", "search", "surveil",
        "surveillance", "track", "watch",
    ]
)  # fmt: skip


class TaskingNotSupported(Refused):
    """Nobody is watched, searched or listened to for an agency. Serve legal process instead."""


class Asks(models.TextChoices):
    """What a request is for."""

    DATA = "data", "data that the referral withholds"
    PRESERVATION = "preservation", "that what is held be kept"


# What was served to get something, and the letter that asks to keep it only.
PROCESSES = [*LegalProcess.Kind.choices, ("preservation_letter", "preservation letter")]


class State(models.TextChoices):
    """The last thing that happened to a request."""

    RECEIVED = "received"
    ANSWERED = "answered"
    REFUSED = "refused"


def inquiry_number() -> str:
    """Return a new number for a request."""
    return reference("Q")


class InformationRequest(models.Model):
    """One request of one agency about one referral, and what it was told."""

    State = State
    MOVES = {State.RECEIVED: (State.ANSWERED, State.REFUSED)}

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.CharField(max_length=12, unique=True, default=inquiry_number)
    referral = models.ForeignKey(Referral, models.PROTECT, related_name="inquiries")
    client = models.ForeignKey(LiaisonClient, models.PROTECT, related_name="+")
    state = models.CharField(max_length=12, choices=State, default=State.RECEIVED)
    version = models.PositiveIntegerField(default=1)
    asks = models.CharField(max_length=20, choices=Asks)
    classes = models.JSONField(default=list, help_text="Classes of data that are asked for.")
    legal_process = models.CharField(max_length=20, choices=PROCESSES)
    process_reference = models.CharField(max_length=REFERENCE_LIMIT)
    text = models.TextField(blank=True)
    received_at = models.DateTimeField(default=timezone.now)
    answered_at = models.DateTimeField(null=True)
    answered_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    refused_at = models.DateTimeField(null=True)
    refused_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    reply = models.TextField(blank=True, help_text="What the agency is told.")

    class Meta:
        default_permissions = ["view"]
        ordering = ["-received_at", "-id"]
        indexes = [models.Index(fields=["-received_at", "-id"], name="inquiry_by_age")]
        constraints = [
            stamped("informationrequest", State.ANSWERED),
            stamped("informationrequest", State.REFUSED),
        ]

    def __str__(self) -> str:
        return self.number


@audit.attributed
@transaction.atomic
def receive(
    referral: Referral,
    *,
    asks: str,
    classes: Sequence[str] = (),
    legal_process: str,
    process_reference: str,
    text: str = "",
    version: int | None = None,
    by: LiaisonClient,
) -> InformationRequest:
    """Receive what an agency asks about a referral of its own; counsel answers it.

    `version` is the referral's that the agency read. Raises NotPermitted, Malformed, or Stale.
    """
    _require(referral, by)
    if asks not in Asks or legal_process not in dict(PROCESSES):
        raise Malformed("Name what is asked for and the legal process, each from its list.")
    if not 0 < len(process_reference.strip()) <= REFERENCE_LIMIT:
        raise Malformed(f"process_reference wants 1 to {REFERENCE_LIMIT} characters.")
    if len(text) > TEXT_LIMIT:
        raise Malformed(f"text wants no more than {TEXT_LIMIT} characters.")
    locked = Referral.objects.select_for_update().get(pk=referral.pk)
    if version not in (None, locked.version):
        raise Stale
    request = InformationRequest.objects.create(
        referral=locked,
        client=by,
        asks=asks,
        classes=_withheld(locked, asks, classes),
        legal_process=legal_process,
        process_reference=process_reference.strip(),
        text=text.strip(),
    )
    audit.record("informationrequest.received", request, by=None, referral=locked.pk)
    return request


@audit.attributed
def refuse_tasking(referral: Referral, *, request_sha256: str, by: LiaisonClient) -> NoReturn:
    """Refuse an order, and keep in the log who gave it, when, and the digest of its words.

    Raises TaskingNotSupported, after the event is committed, or NotPermitted.
    """
    _require(referral, by)
    with transaction.atomic(durable=True):
        audit.record(
            "tasking.refused",
            referral,
            by=None,
            agency=referral.agency.authority,
            request=request_sha256,
        )
    raise TaskingNotSupported


@audit.attributed
def answer(
    request: InformationRequest, *, reply: str, version: int | None = None, by: User
) -> InformationRequest:
    """Answer a request in words. What it asks for leaves by legal process, never through here."""
    return _settle(request, State.ANSWERED, reply, version, by)


@audit.attributed
def refuse(
    request: InformationRequest, *, reply: str, version: int | None = None, by: User
) -> InformationRequest:
    """Refuse a request; the agency reads why."""
    return _settle(request, State.REFUSED, reply, version, by)


def is_tasking(asked: object) -> bool:
    """Tell whether what a program sent is an order, by any name that we know."""
    if not isinstance(asked, Mapping):
        return False
    named = {str(asked.get("asks")), *map(str, asked)}
    return bool(ORDERS & {each.strip().lower() for each in named})


def about(referral: Referral) -> models.QuerySet[InformationRequest]:
    """Return what its agency asked about a referral, newest first."""
    return InformationRequest.objects.filter(referral=referral)


def waiting() -> models.QuerySet[InformationRequest]:
    """Return the requests that wait for counsel, oldest first."""
    return InformationRequest.objects.filter(state=State.RECEIVED).order_by("received_at", "id")


def _require(referral: Referral, by: LiaisonClient) -> None:
    if referral.agency_id != by.agency_id:
        raise NotPermitted("This referral is addressed to another agency.")
    if Scope.REQUEST not in by.scopes:
        raise NotPermitted(f"This client lacks the scope {Scope.REQUEST}.")


def _withheld(referral: Referral, asks: str, classes: Sequence[str]) -> list[str]:
    """Return the classes asked for, sorted: some of those withheld, and none to have it kept."""
    withheld: dict[str, Any] = referral.obligation.withhold
    named = {*classes}
    if asks == Asks.PRESERVATION and named:
        raise Malformed("classes is for data alone; everything that is held can be kept.")
    if asks == Asks.DATA and (not named or named - withheld.keys()):
        raise Malformed("classes wants one or more of those that the referral withholds.")
    return sorted(named)


@transaction.atomic
def _settle(
    request: InformationRequest, to: State, reply: str, version: int | None, by: User
) -> InformationRequest:
    roles.require(by, Permission.ANSWER_REQUEST)
    if not reply.strip():
        raise Malformed("Say in a sentence what the agency is told.")
    settled = lifecycle.advance(request, to, version=version, by=by)
    settled.reply = reply.strip()
    settled.save(update_fields=["reply"])
    return settled
