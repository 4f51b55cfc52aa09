"""Docket: the register of referrals. One signed obligation towards one agency is one referral."""

import uuid

from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from compliance import audit, lifecycle, roles
from compliance.determinations import Obligation
from compliance.errors import WrongState
from compliance.findings import reference
from compliance.lifecycle import stamped
from compliance.roles import Permission, User
from referrals import agencies
from referrals.agencies import Agency

URGENT = F("due_at").asc(nulls_last=True)  # what has no due date can wait


class State(models.TextChoices):
    """The last thing that happened to a referral."""

    ENTERED = "entered"
    SEALED = "sealed"
    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


def referral_number() -> str:
    """Return a new number for a referral."""
    return reference("R")


class Referral(models.Model):
    """What one agency gets about one finding, and how far it has come."""

    State = State
    MOVES = {
        State.ENTERED: (State.SEALED, State.WITHDRAWN),
        State.SEALED: (State.DELIVERED, State.WITHDRAWN),
        State.DELIVERED: (State.ACKNOWLEDGED,),
        State.ACKNOWLEDGED: (State.CLOSED,),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.CharField(max_length=12, unique=True, default=referral_number)
    obligation = models.OneToOneField(Obligation, models.PROTECT, related_name="+")
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="referrals")
    state = models.CharField(max_length=12, choices=State, default=State.ENTERED)
    version = models.PositiveIntegerField(default=1)
    due_at = models.DateTimeField(null=True)
    entered_at = models.DateTimeField(default=timezone.now)
    sealed_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    first_read_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    closed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    closed_because = models.TextField(blank=True)
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    withdrawn_because = models.TextField(blank=True)

    class Meta:
        default_permissions = ["view"]
        ordering = ["-entered_at", "-id"]
        indexes = [
            models.Index(fields=["-entered_at", "-id"], name="referral_by_age"),
            models.Index(fields=["agency", "-delivered_at", "-id"], name="referral_of_agency"),
        ]
        constraints = [
            stamped("referral", State.SEALED, by=False),
            stamped("referral", State.DELIVERED, by=False),
            stamped("referral", State.ACKNOWLEDGED, by=False),
            stamped("referral", State.CLOSED),
            stamped("referral", State.WITHDRAWN),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def is_overdue(self) -> bool:
        """Tell whether the due date passed before the agency could get it, or need not any more."""
        settled_at = self.delivered_at or self.withdrawn_at or timezone.now()
        return bool(self.due_at and settled_at > self.due_at)


@transaction.atomic
def enter(obligation: Obligation) -> Referral:
    """Enter a signed obligation in the docket, addressed to the agency that answers for it."""
    agency = agencies.for_recipient(obligation.recipient)
    referral = Referral.objects.create(
        obligation=obligation, agency=agency, due_at=obligation.due_at
    )
    audit.record("referral.entered", referral, by=None)
    return referral


@audit.attributed
def withdraw(referral: Referral, *, because: str, version: int | None = None, by: User) -> Referral:
    """Withdraw a referral that no agency could get yet."""
    roles.require(by, Permission.CLOSE_REFERRAL)
    return lifecycle.advance(referral, State.WITHDRAWN, because=because, version=version, by=by)


@audit.attributed
def close(referral: Referral, *, because: str, version: int | None = None, by: User) -> Referral:
    """Close a referral that its agency acknowledged."""
    roles.require(by, Permission.CLOSE_REFERRAL)
    return lifecycle.advance(referral, State.CLOSED, because=because, version=version, by=by)


def require_sealed(referral: Referral) -> None:
    """Lock a referral until the transaction ends, or refuse: only a sealed one goes on its way."""
    current = Referral.objects.select_for_update().get(pk=referral.pk)
    if current.state != State.SEALED:
        raise WrongState(f"{current} is {current.state}; only a sealed referral is delivered.")


def unentered() -> QuerySet[Obligation]:
    """Return the signed obligations that are not in the docket yet, most urgent first."""
    entered = Referral.objects.filter(obligation=OuterRef("pk"))
    return Obligation.objects.filter(~Exists(entered)).order_by(URGENT)


def enter_due() -> int:
    """Enter every signed obligation that is not in the docket."""
    return lifecycle.pull("enter", unentered(), enter)


def overdue() -> QuerySet[Referral]:
    """Return the referrals that should have been delivered by now."""
    return Referral.objects.filter(
        state__in=[State.ENTERED, State.SEALED], due_at__lt=timezone.now()
    )


def for_agency(agency: Agency) -> QuerySet[Referral]:
    """Return what an agency may see: its own referrals, once delivered. The API's one way in."""
    return Referral.objects.filter(
        agency=agency, state__in=[State.DELIVERED, State.ACKNOWLEDGED, State.CLOSED]
    ).select_related("agency", "obligation__determination__finding")
