"""Conflicts: one law asks for a class of data, another bars it, and counsel decides what goes."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from compliance import audit, findings, jurisdictions, roles
from compliance.errors import Malformed, SamePerson, WrongState
from compliance.findings import Finding
from compliance.lifecycle import by_a_second_person
from compliance.roles import Permission, User

TERMS = ("to", "fields", "duties", "prohibitions")


class Resolution(models.TextChoices):
    """What becomes of the classes over which two laws collide."""

    WITHHOLD = "withhold", "They stay here"
    RELEASE = "release", "They go: the bar does not bite"


class ConflictDecision(models.Model):
    """Counsel's decision on one conflict in one finding; for a release a second counsel's too."""

    Resolution = Resolution

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    finding = models.ForeignKey(Finding, models.PROTECT, related_name="conflict_decisions")
    conflict_id = models.CharField(max_length=64, db_index=True)
    terms = models.JSONField(help_text="To whom, which classes, which duties, which bars.")
    resolution = models.CharField(max_length=12, choices=Resolution)
    because = models.TextField()
    citation = models.CharField(max_length=500, blank=True)
    decided_at = models.DateTimeField(default=timezone.now)
    decided_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    approved_at = models.DateTimeField(null=True)
    approved_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")

    class Meta:
        default_permissions = ["view"]
        ordering = ["-decided_at", "-id"]
        constraints = [
            by_a_second_person("conflict", "approved", "decided"),
            models.CheckConstraint(
                name="conflict_approval_is_stamped",
                condition=models.Q(approved_at__isnull=True, approved_by__isnull=True)
                | models.Q(approved_at__isnull=False, approved_by__isnull=False),
            ),
            models.CheckConstraint(
                name="conflict_release_is_cited",
                condition=models.Q(resolution=Resolution.WITHHOLD) | ~models.Q(citation=""),
            ),
        ]

    def __str__(self) -> str:
        return f"decision on a conflict in {self.finding}"

    @property
    def releases(self) -> bool:
        """Tell whether the classes go: so decided, and approved by a second counsel."""
        return self.resolution == Resolution.RELEASE and self.approved_at is not None

    @property
    def waits(self) -> bool:
        """Tell whether a second counsel has yet to approve."""
        return self.resolution == Resolution.RELEASE and self.approved_at is None


@audit.attributed
@transaction.atomic
def resolve(
    finding: Finding,
    conflict: Mapping[str, Any],
    *,
    resolution: str,
    because: str,
    citation: str = "",
    by: User,
) -> ConflictDecision:
    """Decide a conflict that a determination names; the latest decision on it counts.

    To withhold takes one counsel. To release takes a citation, and a second counsel's approval.
    """
    roles.require(by, Permission.SIGN_DETERMINATION)
    _require_third(Finding.objects.select_for_update().get(pk=finding.pk), by)
    terms = {name: conflict[name] for name in TERMS}
    if jurisdictions.digest(terms) != conflict["id"]:
        raise Malformed("This is not a conflict as the law states it. Open the page again.")
    if resolution not in Resolution:
        raise Malformed("Say whether the classes stay here or go.")
    if not because.strip():
        raise Malformed("A reason is missing. Say in a sentence why you decide so.")
    if resolution == Resolution.RELEASE and not 0 < len(citation.strip()) <= 500:
        raise Malformed("Cite why the bar does not bite, in 1 to 500 characters.")
    decision = ConflictDecision.objects.create(
        finding=finding,
        conflict_id=conflict["id"],
        terms=terms,
        resolution=resolution,
        because=because.strip(),
        citation=citation.strip() if resolution == Resolution.RELEASE else "",
        decided_by=by,
    )
    audit.record("conflict.resolved", decision, by=by, conflict=decision.conflict_id)
    return decision


@audit.attributed
@transaction.atomic
def approve(decision: ConflictDecision, *, by: User) -> ConflictDecision:
    """Approve that barred classes go, as a second counsel who holds that the bar does not bite."""
    roles.require(by, Permission.SIGN_DETERMINATION)
    current = ConflictDecision.objects.select_for_update().get(pk=decision.pk)
    _require_third(current.finding, by)
    if current.decided_by_id == by.pk:
        raise SamePerson("A second counsel must approve that barred classes go.")
    if not current.waits:
        raise WrongState("This decision waits for nobody's approval.")
    current.approved_at, current.approved_by = timezone.now(), by
    current.save(update_fields=["approved_at", "approved_by"])
    audit.record("conflict.approved", current, by=by, conflict=current.conflict_id)
    return current


def about(result: Mapping[str, Any], report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the conflicts of a result about a report: duties' alone, towards its recipient."""
    found = result["conflicts"] if report["kind"] == "duty" else []
    return [conflict for conflict in found if conflict["to"] == report["to"]]


def released(finding: Finding, about: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the barred classes that counsel lets go, or refuse while a conflict is undecided."""
    classes: set[str] = set()
    for conflict in about:
        decision = decision_on(finding, conflict)
        named = f"The conflict about {', '.join(conflict['fields'])} towards {conflict['to']}"
        if decision is None:
            raise WrongState(f"{named} is not decided. Decide it first.")
        if decision.waits:
            raise WrongState(f"{named} waits for a second counsel's approval.")
        classes |= set(conflict["fields"]) if decision.releases else set()
    return classes


def decision_on(finding: Finding, conflict: Mapping[str, Any]) -> ConflictDecision | None:
    """Return the decision that counts on a conflict in a finding: the latest."""
    return ConflictDecision.objects.filter(finding=finding, conflict_id=conflict["id"]).first()


def precedents(finding: Finding, conflict: Mapping[str, Any]) -> models.QuerySet[ConflictDecision]:
    """Return the decisions on the same conflict in other findings, latest first."""
    same = ConflictDecision.objects.filter(conflict_id=conflict["id"]).exclude(finding=finding)
    return same.select_related("finding", "decided_by", "approved_by")


def _require_third(finding: Finding, by: User) -> None:
    if not findings.is_third(finding, by):
        raise SamePerson("Whoever recorded or confirmed a finding cannot decide its conflicts.")
