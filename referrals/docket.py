"""Docket: the register of referrals. One signed obligation towards one agency is one referral."""

import uuid

from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from compliance import audit, determinations, lifecycle, releases, roles
from compliance.determinations import Determination, Obligation
from compliance.errors import Refused, Stale, WrongState
from compliance.findings import reference
from compliance.lifecycle import stamped
from compliance.roles import Permission, User
from referrals import agencies
from referrals.agencies import Agency

IN_FORCE = {"determination__state": determinations.State.SIGNED, "is_accepted": True}
URGENT = F("due_at").asc(nulls_last=True)  # what has no due date can wait


class ReferenceMissing(Refused):
    """The law wants the number that the agency gave. Note it as the external reference first."""


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
    external_ref = models.CharField(
        max_length=100, blank=True, help_text="The number that the agency gave it."
    )
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
    """Enter an obligation in the docket, addressed to the agency that answers for it."""
    agency = agencies.for_recipient(obligation.recipient)
    referral = Referral.objects.create(
        obligation=obligation, agency=agency, due_at=obligation.due_at
    )
    audit.record("referral.entered", referral, by=None)
    return referral


@transaction.atomic
def follow(referral: Referral) -> Referral:
    """Let a referral that is on its way follow the obligation that continues its own."""
    current = Referral.objects.select_for_update().get(pk=referral.pk)
    current.obligation = _continuing(current)
    current.due_at = current.obligation.due_at
    current.version += 1
    current.save(update_fields=["obligation", "due_at", "version"])
    audit.record("referral.followed", current, by=None, obligation=current.obligation_id)
    return current


@audit.attributed
def withdraw(referral: Referral, *, because: str, version: int | None = None, by: User) -> Referral:
    """Withdraw a referral that no agency could get yet."""
    roles.require(by, Permission.CLOSE_REFERRAL)
    return lifecycle.advance(referral, State.WITHDRAWN, because=because, version=version, by=by)


@audit.attributed
def close(referral: Referral, *, because: str, version: int | None = None, by: User) -> Referral:
    """Close a referral that its agency acknowledged, under its number where the law wants one."""
    roles.require(by, Permission.CLOSE_REFERRAL)
    _require_reference(Referral.objects.get(pk=referral.pk))
    return lifecycle.advance(referral, State.CLOSED, because=because, version=version, by=by)


def wants_reference(referral: Referral) -> bool:
    """Tell whether a law that asks for a referral wants the number that the agency gave it."""
    asked = {*referral.obligation.because}
    return any(
        each["reason"] == "external_reference" and asked & {*each["because"]}
        for each in referral.obligation.determination.result["human"]
    )


def require_owed(referral: Referral) -> Referral:
    """Lock a referral until the transaction ends, or refuse: no signed determination asks for it.

    The determination is locked too, so that no newer one is signed meanwhile.
    """
    current = Referral.objects.select_for_update().get(pk=referral.pk)
    if current.obligation_id != referral.obligation_id:
        raise Stale  # what was made ready rests on the obligation that it had before
    asks = Determination.objects.select_for_update().get(obligations=current.obligation_id)
    if asks.state != determinations.State.SIGNED:
        raise WrongState(f"{current} is not owed any more. Counsel may withdraw it.")
    return current


def require_sealed(referral: Referral) -> None:
    """Lock a referral, or refuse: only a sealed one that is owed goes on its way."""
    current = require_owed(referral)
    if current.state != State.SEALED:
        raise WrongState(f"{current} is {current.state}; only a sealed referral is delivered.")


def owed(state: State) -> QuerySet[Referral]:
    """Return the referrals in a state that a signed determination asks for, most urgent first."""
    signed = {"obligation__determination__state": determinations.State.SIGNED}
    return Referral.objects.filter(state=state, **signed).order_by(URGENT)


def idle() -> QuerySet[Referral]:
    """Return what is on its way and not owed any more: it waits for counsel to withdraw it."""
    return _outdated().exclude(pk__in=_following())


def unentered() -> QuerySet[Obligation]:
    """Return the obligations that are owed and not in the docket yet, most urgent first.

    A referral stands for its whole chain of obligations; a withdrawn one for its own alone.
    """
    same = Referral.objects.filter(obligation__chain=OuterRef("chain"))
    entered = same.exclude(~Q(obligation=OuterRef("pk")), state=State.WITHDRAWN)
    signed = Obligation.objects.filter(**IN_FORCE)
    return signed.filter(~Exists(entered)).order_by(URGENT)


def enter_due() -> int:
    """Enter every obligation that is not in the docket; let the others follow the newest law."""
    followed = lifecycle.pull(
        "follow", _following(), follow, named=lambda each: f"{each.pk}:{each.version}"
    )
    return followed + lifecycle.pull("enter", unentered(), enter)


def _outdated() -> QuerySet[Referral]:
    """Return what is on its way under a determination that another one superseded."""
    on_its_way = Referral.objects.filter(state__in=[State.ENTERED, State.SEALED])
    return on_its_way.exclude(obligation__determination__state=determinations.State.SIGNED)


def _following() -> QuerySet[Referral]:
    """Return what goes on under the obligation that continues its own; a sealed one as sealed."""
    goes_on = Obligation.objects.filter(chain=OuterRef("obligation__chain"), **IN_FORCE)
    as_sealed = goes_on.filter(
        release=OuterRef("obligation__release"), withhold=OuterRef("obligation__withhold")
    )
    return _outdated().filter(
        Q(state=State.ENTERED) & Exists(goes_on) | Q(state=State.SEALED) & Exists(as_sealed)
    )


def _continuing(referral: Referral) -> Obligation:
    return Obligation.objects.get(chain=referral.obligation.chain, **IN_FORCE)


def _require_reference(referral: Referral) -> None:
    if wants_reference(referral) and not referral.external_ref:
        said = releases.rules().vocabulary.reasons["external_reference"]
        raise ReferenceMissing(
            f"{referral} stays open: {said}. Note it as the external reference, then close."
        )


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
