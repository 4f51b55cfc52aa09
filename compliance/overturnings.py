"""Overturnings: a confirmed finding was wrong. One person says so, counsel signs, it is undone."""

import uuid
from collections.abc import Iterable
from typing import Any

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from compliance import audit, findings, lifecycle, roles
from compliance.errors import Malformed, SamePerson, WrongState
from compliance.findings import Finding
from compliance.lifecycle import by_a_second_person
from compliance.roles import Permission, User

USER = "affected_user"


class Reason(models.TextChoices):
    """Why a finding is overturned: the values of the fact `retraction.reason`."""

    MISTAKEN_IDENTITY = "mistaken_identity", "It was somebody else"
    WRONG_ITEM = "wrong_item", "It was another item"
    NOT_TERRORIST = "not_terrorist", "It is no terrorist activity"
    COMPROMISED_ACCOUNT = "compromised_account", "The account was in other hands"
    DUPLICATE = "duplicate", "It was referred already"
    COURT_ORDER = "court_order", "A court ordered it"


def _stamped(act: str) -> models.CheckConstraint:
    """Return the constraint that an act has an instant, a person and a reason, or none of them."""
    at, by, why = f"{act}_at__isnull", f"{act}_by__isnull", f"{act}_because"
    return models.CheckConstraint(
        name=f"overturning_{act}_is_stamped",
        condition=Q(**{at: True, by: True, why: ""})
        | Q(**{at: False, by: False}) & ~Q(**{why: ""}),
    )


class Overturning(models.Model):
    """One person's word that a confirmed finding was wrong, counsel's answer, and the redress."""

    Reason = Reason

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    finding = models.ForeignKey(Finding, models.PROTECT, related_name="overturnings")
    reason = models.CharField(max_length=20, choices=Reason)
    because = models.TextField(help_text="What shows that the finding was wrong.")
    proposed_at = models.DateTimeField(default=timezone.now)
    proposed_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    signed_at = models.DateTimeField(null=True)
    signed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    signed_because = models.TextField(blank=True)
    declined_at = models.DateTimeField(null=True)
    declined_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    declined_because = models.TextField(blank=True)
    reinstated_at = models.DateTimeField(null=True)
    reinstated_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    reinstated_because = models.TextField(blank=True)
    told_at = models.DateTimeField(null=True)
    told_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    told_because = models.TextField(blank=True)

    class Meta:
        default_permissions = ["view"]
        ordering = ["-proposed_at", "-id"]
        constraints = [
            *(_stamped(act) for act in ("signed", "declined", "reinstated", "told")),
            by_a_second_person("overturning", "signed", "proposed"),
            models.UniqueConstraint(
                name="overturning_waits_or_stands_once",
                fields=["finding"],
                condition=Q(declined_at__isnull=True),
            ),
            models.CheckConstraint(
                name="overturning_is_decided_one_way",
                condition=Q(signed_at__isnull=True) | Q(declined_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"overturning of {self.finding.reference}"

    @property
    def waits(self) -> bool:
        """Tell whether counsel has yet to sign or decline it."""
        return self.signed_at is None and self.declined_at is None


@audit.attributed
@transaction.atomic
def propose(finding: Finding, *, reason: str, because: str, by: User) -> Overturning:
    """Say that a confirmed finding was wrong. Nothing changes before counsel signs.

    Whoever recorded or confirmed it may say so too.
    Raises Malformed for a reason that is none, and WrongState once it is said or not confirmed.
    """
    roles.require(by, Permission.PROPOSE_RETRACTION)
    if reason not in Reason:
        raise Malformed(f"The reason is one of {', '.join(Reason)}.")
    locked = Finding.objects.select_for_update().get(pk=finding.pk)
    if locked.state != findings.State.CONFIRMED:
        raise WrongState(f"{locked} is {locked.state}; only a confirmed finding is overturned.")
    if locked.overturnings.filter(declined_at__isnull=True).exists():
        raise WrongState(f"To overturn {locked} is proposed already. Counsel decides.")
    made = Overturning.objects.create(
        finding=locked, reason=reason, because=_said(because), proposed_by=by
    )
    audit.record("overturning.proposed", made, by=by, reason=reason)
    return made


@audit.attributed
@transaction.atomic
def sign(overturning: Overturning, *, because: str, by: User) -> Overturning:
    """Overturn the finding: from here nothing of it leaves, and nothing of it can be fetched."""
    finding, waiting = _waiting(overturning, by)
    waiting.finding = lifecycle.advance(finding, findings.State.OVERTURNED, because=because, by=by)
    waiting.signed_at, waiting.signed_by = waiting.finding.overturned_at, by
    waiting.signed_because = waiting.finding.overturned_because
    waiting.save(update_fields=["signed_at", "signed_by", "signed_because"])
    return waiting


@audit.attributed
@transaction.atomic
def decline(overturning: Overturning, *, because: str, by: User) -> Overturning:
    """Let the finding stand, with the reason; it may be proposed anew."""
    _, waiting = _waiting(overturning, by)
    return _stamp(waiting, "declined", because, by)


@audit.attributed
@transaction.atomic
def reinstate(overturning: Overturning, *, because: str, by: User) -> Overturning:
    """Note that content and account are back as they were, or why that cannot be."""
    return _stamp(_redressed(overturning, by), "reinstated", because, by)


@audit.attributed
@transaction.atomic
def tell(overturning: Overturning, *, because: str, by: User) -> Overturning:
    """Note that the user was told, and how.

    Raises WrongState while a law wants silence towards the user.
    """
    standing = _redressed(overturning, by)
    if silences := silences_of(standing.finding):
        raise WrongState(f"The user is not to be told: {', '.join(_because(silences))}.")
    return _stamp(standing, "told", because, by)


def silences_of(finding: Finding) -> list[dict[str, Any]]:
    """Return the silences towards the user that hold now, by the law that counsel signed last."""
    signed = finding.determinations.filter(signed_at__isnull=False).order_by("-signed_at").first()
    said = signed.result["silence"] if signed else ()
    return [each for each in said if USER in each["towards"] and _lasts(each["until"])]


def unredressed() -> models.QuerySet[Overturning]:
    """Return what is signed while content is not reinstated or the user not told, oldest first."""
    open_yet = Q(reinstated_at__isnull=True) | Q(told_at__isnull=True)
    return Overturning.objects.filter(open_yet, signed_at__isnull=False).order_by("signed_at")


def is_second(overturning: Overturning, person: User) -> bool:
    """Tell whether a person neither proposed it nor had decided on the finding: who may sign."""
    return person.pk != overturning.proposed_by_id and findings.is_third(
        overturning.finding, person
    )


def require_second(overturning: Overturning, by: User) -> None:
    """Refuse whoever proposed to overturn a finding, recorded or confirmed it."""
    if not is_second(overturning, by):
        raise SamePerson("Whoever proposed this, recorded or confirmed the finding cannot sign it.")


def _waiting(overturning: Overturning, by: User) -> tuple[Finding, Overturning]:
    """Lock a finding and what is proposed about it, or refuse whoever may not decide."""
    roles.require(by, Permission.SIGN_RETRACTION)
    finding = Finding.objects.select_for_update().get(pk=overturning.finding_id)
    waiting = Overturning.objects.select_for_update().get(pk=overturning.pk)
    if not waiting.waits:
        raise WrongState(f"The {waiting} is decided already.")
    require_second(waiting, by)
    return finding, waiting


def _redressed(overturning: Overturning, by: User) -> Overturning:
    roles.require(by, Permission.PROPOSE_RETRACTION)
    standing = Overturning.objects.select_for_update().get(pk=overturning.pk)
    if standing.signed_at is None:
        raise WrongState(f"The {standing} is not signed; there is nothing to put right.")
    return standing


def _stamp(overturning: Overturning, act: str, because: str, by: User) -> Overturning:
    """Write an act once: when, who, why."""
    if getattr(overturning, f"{act}_at"):
        raise WrongState(f"The {overturning} is {act} already.")
    stamps = {f"{act}_at": timezone.now(), f"{act}_by": by, f"{act}_because": _said(because)}
    for name, value in stamps.items():
        setattr(overturning, name, value)
    overturning.save(update_fields=list(stamps))
    audit.record(f"overturning.{act}", overturning, by=by)
    return overturning


def _said(because: str) -> str:
    if not because.strip():
        raise Malformed("A reason is missing. Say in a sentence why you decide so.")
    return because.strip()


def _lasts(until: str | None) -> bool:
    """Tell whether a silence lasts: one that names no instant lasts until it is lifted."""
    end = parse_datetime(until) if until else None
    return end is None or end > timezone.now()


def _because(silences: Iterable[dict[str, Any]]) -> list[str]:
    return sorted({rule for each in silences for rule in each["because"]})
