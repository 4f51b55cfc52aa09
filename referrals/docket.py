"""Docket: the register of referrals. One signed obligation towards one agency is one referral.

What an agency got is never changed. A later filing stands beside it and names the earlier ones: a
supplement adds, a correction replaces, a retraction takes all of it back.
"""

import uuid
from collections.abc import Iterable

from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, TextChoices
from django.utils import timezone

from compliance import audit, determinations, findings, lifecycle, releases, roles
from compliance.determinations import Determination, Obligation
from compliance.errors import Refused, Stale, WrongState
from compliance.findings import Finding, reference
from compliance.lifecycle import stamped
from compliance.roles import Permission, User
from referrals import agencies
from referrals.agencies import Agency

IN_FORCE = {
    "determination__state": determinations.State.SIGNED,
    "determination__finding__state": findings.State.CONFIRMED,
    "is_accepted": True,
}
OVERTURNED = "The finding was overturned."
TOLD = ("release", "withhold", "because")  # what of an obligation its agency is told
URGENT = F("due_at").asc(nulls_last=True)  # what has no due date can wait


class Retracted(Refused):
    """The finding was overturned. Nothing of it can be fetched; a retraction says what to do."""


class Corrected(Refused):
    """A correction replaces this referral. Fetch the correction."""


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


class FilingType(TextChoices):
    """What a referral is to those that its agency got before in the same matter."""

    INITIAL = "initial"
    SUPPLEMENT = "supplement"
    CORRECTION = "correction"
    RETRACTION = "retraction"


GOT = (State.DELIVERED, State.ACKNOWLEDGED, State.CLOSED)
ON_ITS_WAY = (State.ENTERED, State.SEALED)


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
    obligation = models.ForeignKey(Obligation, models.PROTECT, related_name="+")
    filing_type = models.CharField(max_length=10, choices=FilingType, default=FilingType.INITIAL)
    prior_referrals = models.ManyToManyField(
        "self", symmetrical=False, related_name="later_referrals"
    )
    owner = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", help_text="Who sees to it."
    )
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
            models.CheckConstraint(
                name="referral_withdrawn_is_stamped",
                condition=Q(withdrawn_at__isnull=False, withdrawn_by__isnull=False)
                | Q(withdrawn_at__isnull=False, withdrawn_because=OVERTURNED)
                | Q(withdrawn_at__isnull=True, withdrawn_by__isnull=True)
                & ~Q(state=State.WITHDRAWN),
            ),
            models.UniqueConstraint(
                name="obligation_referred_once",
                fields=["obligation"],
                condition=~Q(filing_type=FilingType.RETRACTION),
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def is_overdue(self) -> bool:
        """Tell whether the due date passed before the agency could get it, or need not any more.

        A retraction is settled once the agency says that it has it.
        """
        is_retraction = self.filing_type == FilingType.RETRACTION
        arrived_at = self.acknowledged_at if is_retraction else self.delivered_at
        settled_at = arrived_at or self.withdrawn_at or timezone.now()
        return bool(self.due_at and settled_at > self.due_at)


@transaction.atomic
def enter(obligation: Obligation) -> Referral:
    """Enter an obligation in the docket, addressed to the agency that answers for it."""
    agency = agencies.for_recipient(obligation.recipient)
    earlier = _earlier(obligation, agency)
    return put_down(
        Referral(
            obligation=obligation,
            agency=agency,
            filing_type=_filing_type(obligation, earlier),
            due_at=obligation.due_at,
            owner=obligation.determination.signed_by,
        ),
        earlier,
    )


def put_down(referral: Referral, earlier: Iterable[Referral]) -> Referral:
    """Put a new referral on record with those that it follows upon. Within a transaction."""
    referral.save(force_insert=True)
    referral.prior_referrals.set(earlier)
    audit.record("referral.entered", referral, by=None, filing_type=referral.filing_type)
    return referral


@transaction.atomic
def follow(referral: Referral) -> Referral:
    """Let a referral that is on its way follow the obligation that continues its own."""
    current = Referral.objects.select_for_update().get(pk=referral.pk)
    current.obligation = _continuing(current)
    current.due_at = current.obligation.due_at
    current.filing_type = _filing_type(current.obligation, current.prior_referrals.all())
    current.version += 1
    current.save(update_fields=["obligation", "due_at", "filing_type", "version"])
    audit.record("referral.followed", current, by=None, obligation=current.obligation_id)
    return current


def _earlier(obligation: Obligation, agency: Agency) -> list[Referral]:
    """Return what an agency got before in the matter: of this finding, or of one it supplements."""
    same_matter = Q(obligation__chain=obligation.chain) | Q(
        obligation__determination__finding__in=_supplemented(obligation.determination.finding)
    )
    got = Referral.objects.filter(same_matter, agency=agency, state__in=GOT)
    standing = got.filter(obligation__determination__finding__state=findings.State.CONFIRMED)
    return list(standing.order_by("delivered_at", "id"))


def _supplemented(finding: Finding) -> list[Finding]:
    """Return the findings that a finding supplements, the nearest first."""
    earlier = finding.supplements
    return [earlier, *_supplemented(earlier)] if earlier else []


def _filing_type(obligation: Obligation, earlier: Iterable[Referral]) -> FilingType:
    """Return what a referral is to the earlier ones: a correction if it takes anything away."""
    *_, last = None, *earlier
    if last is None:
        return FilingType.INITIAL
    if last.obligation.chain != obligation.chain:
        return FilingType.SUPPLEMENT
    keeps = {*last.obligation.release} <= {*obligation.release}
    adds = keeps and last.obligation.because == obligation.because
    return FilingType.SUPPLEMENT if adds else FilingType.CORRECTION


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


@transaction.atomic
def withdraw_overturned(referral: Referral) -> Referral:
    """Withdraw a referral that is on its way about a finding that was overturned."""
    return lifecycle.advance(referral, State.WITHDRAWN, because=OVERTURNED, by=None)


def withdraw_due() -> int:
    """Withdraw what is on its way about findings that were overturned."""
    return lifecycle.pull(
        "withdraw", of_overturned().filter(state__in=ON_ITS_WAY), withdraw_overturned
    )


def of_overturned() -> QuerySet[Referral]:
    """Return the referrals about findings that were overturned, but for the retractions."""
    overturned = {"obligation__determination__finding__state": findings.State.OVERTURNED}
    return Referral.objects.filter(**overturned).exclude(filing_type=FilingType.RETRACTION)


def wants_reference(referral: Referral) -> bool:
    """Tell whether a law that asks for a referral wants the number that the agency gave it."""
    asked = {*referral.obligation.because}
    return referral.filing_type != FilingType.RETRACTION and any(
        each["reason"] == "external_reference" and asked & {*each["because"]}
        for each in referral.obligation.determination.result["human"]
    )


def require_owed(referral: Referral) -> Referral:
    """Lock a referral until the transaction ends, or refuse: no signed determination asks for it.

    The finding and the determination are locked too, so that neither is overturned and no newer
    one is signed meanwhile. A retraction is owed since the finding is overturned, and for good.
    """
    current = Referral.objects.select_for_update().get(pk=referral.pk)
    if current.obligation_id != referral.obligation_id:
        raise Stale  # what was made ready rests on the obligation that it had before
    if current.filing_type == FilingType.RETRACTION:
        return current
    about = Finding.objects.select_for_update(of=("self",))
    finding = about.get(determinations__obligations=current.obligation_id)
    asks = Determination.objects.select_for_update().get(obligations=current.obligation_id)
    signed = asks.state == determinations.State.SIGNED
    if not signed or finding.state != findings.State.CONFIRMED:
        raise WrongState(f"{current} is not owed any more. Counsel may withdraw it.")
    return current


def require_collectable(referral: Referral) -> None:
    """Refuse what was taken back or replaced: an agency may read that it was, and no more of it."""
    if of_overturned().filter(pk=referral.pk).exists():
        raise Retracted
    replaces = {"filing_type": FilingType.CORRECTION, "state__in": GOT}
    if referral.later_referrals.filter(obligation__chain=referral.obligation.chain, **replaces):
        raise Corrected


def require_sealed(referral: Referral) -> None:
    """Lock a referral, or refuse: only a sealed one that is owed goes on its way."""
    current = require_owed(referral)
    if current.state != State.SEALED:
        raise WrongState(f"{current} is {current.state}; only a sealed referral is delivered.")


def owed(state: State) -> QuerySet[Referral]:
    """Return the referrals in a state that a signed determination asks for, most urgent first."""
    return Referral.objects.filter(_is_owed(), state=state).order_by(URGENT)


def idle() -> QuerySet[Referral]:
    """Return what is on its way and not owed any more: it waits for counsel to withdraw it."""
    return _outdated().exclude(pk__in=_following())


def unentered() -> QuerySet[Obligation]:
    """Return the obligations that are owed and not in the docket yet, most urgent first.

    A referral on its way stands for its whole chain of obligations, a withdrawn one for its own
    alone, and what was delivered for as long as the law asks for the very same.
    """
    same = Referral.objects.filter(obligation__chain=OuterRef("chain"))
    later = Referral.objects.filter(
        obligation__chain=OuterRef("obligation__chain"), delivered_at__gt=OuterRef("delivered_at")
    )
    said = {f"obligation__{name}": OuterRef(name) for name in TOLD}
    entered = same.filter(
        Q(state__in=ON_ITS_WAY)
        | Q(obligation=OuterRef("pk"))
        | Q(state__in=GOT, **said) & ~Exists(later)
    )
    return Obligation.objects.filter(~Exists(entered), **IN_FORCE).order_by(URGENT)


def enter_due() -> int:
    """Enter every obligation that is not in the docket; let the others follow the newest law."""
    followed = lifecycle.pull(
        "follow", _following(), follow, named=lambda each: f"{each.pk}:{each.version}"
    )
    return followed + lifecycle.pull("enter", unentered(), enter)


def _is_owed() -> Q:
    """Return the condition that a referral is owed: counsel signed it, and nobody undid that."""
    in_force = {
        "obligation__determination__state": determinations.State.SIGNED,
        "obligation__determination__finding__state": findings.State.CONFIRMED,
    }
    return Q(filing_type=FilingType.RETRACTION) | Q(**in_force)


def _outdated() -> QuerySet[Referral]:
    """Return what is on its way, and what it rests on was superseded or overturned."""
    return Referral.objects.filter(state__in=ON_ITS_WAY).exclude(_is_owed())


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
    """Return what should have been delivered by now; of a retraction, acknowledged."""
    unanswered = Q(state=State.DELIVERED, filing_type=FilingType.RETRACTION)
    late = Referral.objects.filter(due_at__lt=timezone.now())
    return late.filter(Q(state__in=ON_ITS_WAY) | unanswered)


def for_agency(agency: Agency) -> QuerySet[Referral]:
    """Return what an agency may see: its own referrals, once delivered. The API's one way in."""
    return Referral.objects.filter(agency=agency, state__in=GOT).select_related(
        "agency", "obligation__determination__finding"
    )
