"""Retractions: what an overturned finding owes to every agency that got any version of it."""

import uuid
from datetime import datetime, timedelta
from typing import Any, cast

from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from compliance import audit, facts, lifecycle, overturnings, roles
from compliance.findings import Finding
from compliance.lifecycle import stamped
from compliance.overturnings import Overturning
from compliance.roles import Permission, User
from referrals import agencies, docket
from referrals.agencies import Agency
from referrals.docket import FilingType, Referral

TERM = timedelta(hours=24)  # house policy; GDPR Art 19 names no hour
OURS = "STAFF"  # a class that no agency gets


class State(models.TextChoices):
    """The last thing that happened to a retraction."""

    PROPOSED = "proposed"
    SIGNED = "signed"


class Retraction(models.Model):
    """What one agency is to be told about one overturned finding, and what it is to destroy."""

    State = State
    MOVES = {State.PROPOSED: (State.SIGNED,)}

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    overturning = models.ForeignKey(Overturning, models.PROTECT, related_name="+")
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    referral = models.OneToOneField(Referral, models.PROTECT, null=True, related_name="retraction")
    state = models.CharField(max_length=12, choices=State, default=State.PROPOSED)
    version = models.PositiveIntegerField(default=1)
    erase = models.JSONField(help_text="The classes of data that it got, all to be erased there.")
    due_at = models.DateTimeField()
    proposed_at = models.DateTimeField(default=timezone.now)
    signed_at = models.DateTimeField(null=True)
    signed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    signed_because = models.TextField(blank=True)

    class Meta:
        default_permissions = ["view"]
        ordering = ["due_at", "id"]
        constraints = [
            stamped("retraction", State.SIGNED),
            models.UniqueConstraint(
                fields=["overturning", "agency"], name="an_agency_is_told_once"
            ),
            models.CheckConstraint(
                name="retraction_is_signed_before_it_is_entered",
                condition=models.Q(referral__isnull=True) | models.Q(state=State.SIGNED),
            ),
        ]

    def __str__(self) -> str:
        return f"retraction of {self.overturning.finding.reference} from {self.agency}"

    @property
    def is_overdue(self) -> bool:
        """Tell whether it is late: not entered in time, or as its referral says."""
        return self.referral.is_overdue if self.referral else self.due_at < timezone.now()


@transaction.atomic
def propose(referral: Referral) -> Retraction:
    """Propose to take back from its agency whatever it got about an overturned finding."""
    finding = referral.obligation.determination.finding
    overturning = finding.overturnings.get(signed_at__isnull=False)
    overturned_at = cast(datetime, overturning.signed_at)
    made = Retraction.objects.create(
        overturning=overturning,
        agency=referral.agency,
        erase=_held(finding, taken_back(finding, referral.agency)),
        due_at=overturned_at + TERM,
    )
    audit.record("retraction.proposed", made, by=None, reason=overturning.reason)
    return made


@audit.attributed
@transaction.atomic
def sign(
    retraction: Retraction, *, because: str, version: int | None = None, by: User
) -> Retraction:
    """Sign what an agency is told. It is entered in the docket next."""
    roles.require(by, Permission.SIGN_RETRACTION)
    overturnings.require_second(retraction.overturning, by)
    return lifecycle.advance(retraction, State.SIGNED, because=because, version=version, by=by)


@transaction.atomic
def enter(retraction: Retraction) -> Retraction:
    """Enter a signed retraction in the docket, for whoever answers for the agency now."""
    current = Retraction.objects.select_for_update().get(pk=retraction.pk)
    earlier = taken_back(current.overturning.finding, current.agency)
    current.referral = docket.put_down(
        Referral(
            obligation=earlier[-1].obligation,
            agency=agencies.successor(current.agency),
            filing_type=FilingType.RETRACTION,
            due_at=current.due_at,
            owner=current.signed_by,
        ),
        earlier,
    )
    current.save(update_fields=["referral"])
    return current


def retract_due() -> int:
    """Withdraw what is on its way, propose what was delivered, enter what counsel signed."""
    withdrawn = docket.withdraw_due()
    proposed = lifecycle.pull("retract", _untold(), propose)
    signed = Retraction.objects.filter(state=State.SIGNED, referral__isnull=True)
    return withdrawn + proposed + lifecycle.pull("enter-retraction", signed, enter)


def taken_back(finding: Finding, agency: Agency) -> list[Referral]:
    """Return every version that an agency got of an overturned finding, oldest first."""
    got = _got().filter(agency=agency, obligation__determination__finding=finding)
    return list(got.order_by("entered_at", "id"))


def notice(retraction: Retraction) -> dict[str, Any]:
    """Return what the agency reads: why, since when, and what it is to destroy. No content."""
    overturning = retraction.overturning
    return {
        "reason": overturning.reason,
        "overturned_at": overturning.signed_at.isoformat() if overturning.signed_at else None,
        "destroy": [
            {"number": each.number, "id": str(each.pk), "bundle_sha256": each.bundle.sha256}
            for each in taken_back(overturning.finding, retraction.agency)
        ],
        "erase": retraction.erase,
    }


def waiting() -> QuerySet[Retraction]:
    """Return the retractions that wait for counsel, most urgent first."""
    return Retraction.objects.filter(state=State.PROPOSED).order_by("due_at", "id")


def _untold() -> QuerySet[Referral]:
    """Return what agencies got of overturned findings and nobody proposed to take back yet."""
    told = Retraction.objects.filter(
        agency=OuterRef("agency"),
        overturning__finding=OuterRef("obligation__determination__finding"),
    )
    return _got().filter(~Exists(told)).order_by("entered_at", "id")


def _got() -> QuerySet[Referral]:
    """Return what agencies got of overturned findings, or may have got.

    What was handed to a route and withdrawn before the route confirmed may have arrived.
    """
    pushed = Q(state=docket.State.WITHDRAWN, attempts__route__isnull=False)
    return docket.of_overturned().filter(Q(state__in=docket.GOT) | pushed).distinct()


def _held(finding: Finding, got: list[Referral]) -> list[str]:
    """Return the classes that an agency got and that the finding has anything of."""
    released = {name for each in got for name in each.obligation.release}
    return sorted(released & {*facts.available_classes(finding)} - {OURS})
