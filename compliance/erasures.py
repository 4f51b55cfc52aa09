"""Erasures: the private part of log entries, given up for good by two people, under a ticket.

The public part, the commitment and the tree stay and still verify; without its salt a commitment
says nothing any more. The triggers let a private part go only while an approved erasure names its
entry, and on PostgreSQL only the role of the eraser may write there at all.
"""

import uuid
from collections.abc import Iterable, Sequence

from django.db import connection, models, transaction
from django.utils import timezone

from compliance import audit, lifecycle, preservation, roles
from compliance.audit import entries as log
from compliance.audit.context import acting
from compliance.audit.entries import AuditEntry
from compliance.errors import Malformed, Refused, SamePerson
from compliance.findings import Finding
from compliance.lifecycle import by_a_second_person, stamped
from compliance.roles import Permission, User

ERASER = "system:eraser"
MOST = 1000
FAR = 4  # steps from a record to the finding that it belongs to


class Held(Refused):
    """An entry is about a matter under hold. Nothing of it is erased before the hold ends."""


class State(models.TextChoices):
    """The last thing that happened to an erasure."""

    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"
    ERASED = "erased"


class Erasure(models.Model):
    """What is to be erased, why, and who asked for it and approved it."""

    State = State
    MOVES = {
        State.ASKED: (State.APPROVED, State.REFUSED),
        State.APPROVED: (State.ERASED, State.REFUSED),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    ticket = models.CharField(max_length=60)
    because = models.TextField()
    entries = models.JSONField()
    state = models.CharField(max_length=12, choices=State, default=State.ASKED)
    version = models.PositiveIntegerField(default=1)
    asked_at = models.DateTimeField(default=timezone.now)
    asked_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    approved_at = models.DateTimeField(null=True)
    approved_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    refused_at = models.DateTimeField(null=True)
    refused_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    refused_because = models.TextField(blank=True)
    erased_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ["view"]
        ordering = ["-asked_at", "-id"]
        constraints = [
            stamped("erasure", State.APPROVED),
            stamped("erasure", State.REFUSED),
            stamped("erasure", State.ERASED, by=False),
            by_a_second_person("erasure", "approved", "asked"),
        ]

    def __str__(self) -> str:
        return f"erasure {str(self.pk)[:8]}"


@audit.attributed
@transaction.atomic
def ask(entries: Sequence[int], *, ticket: str, because: str, by: User) -> Erasure:
    """Ask that the private part of these entries be erased. A counsel decides.

    Raises NotPermitted, Malformed, or Held.
    """
    roles.require(by, Permission.ASK_ERASURE)
    named = sorted(set(entries))
    if not 0 < len(named) <= MOST:
        raise Malformed(f"Name 1 to {MOST} entries by their numbers.")
    if not ticket.strip() or len(ticket.strip()) > 60 or not because.strip():
        raise Malformed("An erasure wants the number of a ticket, and a reason.")
    found = AuditEntry.objects.in_bulk(named)
    if len(found) < len(named) or any(entry.salt is None for entry in found.values()):
        raise Malformed("One of these entries does not exist, or was erased before.")
    _refuse_held(found.values())
    erasure = Erasure.objects.create(
        ticket=ticket.strip(), because=because.strip(), entries=named, asked_by=by
    )
    audit.record("erasure.asked", erasure, by=by, entries=named)
    return erasure


@audit.attributed
@transaction.atomic
def approve(erasure: Erasure, *, version: int | None = None, by: User) -> Erasure:
    """Approve an erasure that somebody else asked for; the eraser carries it out."""
    roles.require(by, Permission.APPROVE_ERASURE)
    if erasure.asked_by_id == by.pk:
        raise SamePerson
    _refuse_held(_entries(erasure))
    return lifecycle.advance(erasure, State.APPROVED, version=version, by=by)


@audit.attributed
def refuse(erasure: Erasure, *, because: str, version: int | None = None, by: User) -> Erasure:
    """Refuse an erasure, with the reason; an approved one too, until it is carried out."""
    roles.require(by, Permission.APPROVE_ERASURE)
    return lifecycle.advance(erasure, State.REFUSED, because=because, version=version, by=by)


@transaction.atomic
def erase(erasure: Erasure) -> Erasure:
    """Blank the private parts, each with its event. Held if a hold began since the approval."""
    doomed = _entries(erasure)
    _refuse_held(doomed)
    blank = ", ".join(f"{name} = NULL" for name in (*log.PRIVATE, "salt"))
    with connection.cursor() as cursor:
        for entry in doomed:
            cursor.execute(f"UPDATE compliance_auditentry SET {blank} WHERE id = %s", [entry.pk])  # noqa: S608
            audit.record(log.ERASED, entry, by=None, erasure=erasure.pk)
    return lifecycle.advance(erasure, State.ERASED, by=None)


def erase_due() -> tuple[int, int]:
    """Carry out what is approved; return how many were, and how many a hold keeps waiting."""
    done = held = 0
    for erasure in Erasure.objects.filter(state=State.APPROVED).order_by("approved_at"):
        with acting(ERASER):
            try:
                erase(erasure)
                done += 1
            except Held:
                held += 1
    return done, held


def _entries(erasure: Erasure) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(pk__in=erasure.entries).order_by("pk"))


def _refuse_held(entries: Iterable[AuditEntry]) -> None:
    for entry in entries:
        model = entry.content_type.model_class()
        record = model._base_manager.filter(pk=entry.object_pk).first() if model else None
        for finding in _matters(record, FAR):
            if any(map(preservation.is_held, finding.determinations.all())):
                raise Held


def _matters(record: models.Model | None, far: int) -> Iterable[Finding]:
    """Yield the finding that a record is, or the findings that it leads to."""
    if isinstance(record, Finding):
        yield record
    elif record is not None and far:
        for field in record._meta.concrete_fields:
            if isinstance(field, models.ForeignKey):
                yield from _matters(getattr(record, field.name), far - 1)
