"""Determinations: what the law says about a finding, and the counsel who signed it."""

import uuid
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from compliance import audit, facts, findings, jurisdictions, lifecycle, releases, roles
from compliance.errors import Malformed, SamePerson, Tampered, WrongState
from compliance.findings import Finding
from compliance.lifecycle import stamped
from compliance.releases import Release
from compliance.roles import Permission, User


class State(models.TextChoices):
    """The last thing that happened to a determination."""

    PROPOSED = "proposed"
    SIGNED = "signed"
    DECLINED = "declined"


class Determination(models.Model):
    """The law's answer for one finding: computed, stored with its hashes, signed by counsel."""

    State = State
    MOVES = {State.PROPOSED: (State.SIGNED, State.DECLINED)}

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    finding = models.OneToOneField(Finding, models.PROTECT, related_name="determination")
    release = models.ForeignKey(Release, models.PROTECT, related_name="+")
    state = models.CharField(max_length=12, choices=State, default=State.PROPOSED)
    version = models.PositiveIntegerField(default=1)
    snapshot = models.JSONField()
    snapshot_sha256 = models.CharField(max_length=64)
    rule_time = models.DateTimeField()
    result = models.JSONField()
    result_sha256 = models.CharField(max_length=64)
    explanation = models.JSONField()
    proposed_at = models.DateTimeField(default=timezone.now)
    signed_at = models.DateTimeField(null=True)
    signed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    signed_because = models.TextField(blank=True)
    declined_at = models.DateTimeField(null=True)
    declined_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    declined_because = models.TextField(blank=True)

    class Meta:
        default_permissions = ["view"]
        ordering = ["-proposed_at", "-id"]
        indexes = [models.Index(fields=["-proposed_at", "-id"], name="determination_by_age")]
        constraints = [
            stamped("determination", State.SIGNED),
            stamped("determination", State.DECLINED),
        ]

    def __str__(self) -> str:
        return f"determination on {self.finding.reference}"


class Obligation(models.Model):
    """One report that a signed determination commits us to: to whom, what of it, until when."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    determination = models.ForeignKey(Determination, models.PROTECT, related_name="obligations")
    recipient = models.CharField(max_length=40)
    kind = models.CharField(max_length=12, choices=[("duty", "duty"), ("permission", "permission")])
    because = models.JSONField()
    due_at = models.DateTimeField(null=True)
    release = models.JSONField()
    withhold = models.JSONField()

    class Meta:
        default_permissions = ["view"]
        ordering = ["due_at", "recipient"]
        constraints = [
            models.UniqueConstraint(
                fields=["determination", "recipient", "kind"], name="obligation_stated_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} towards {self.recipient}"


def propose(finding: Finding, *, rule_time: datetime | None = None) -> Determination:
    """Compute what the law says about a confirmed finding and lay it before counsel."""
    if finding.state != findings.State.CONFIRMED:
        raise WrongState(f"{finding} is {finding.state}; only a confirmed finding is determined.")
    known, at = facts.snapshot(finding), (rule_time or timezone.now()).replace(microsecond=0)
    asked = known | {"rule_time": at.strftime("%Y-%m-%dT%H:%M:%SZ")}
    rules = releases.rules()
    with transaction.atomic():
        result = jurisdictions.rule_on(rules, **asked)
        determination = Determination.objects.create(
            finding=finding,
            release=releases.current(),
            snapshot=known,
            snapshot_sha256=jurisdictions.digest(known),
            rule_time=at,
            result=result,
            result_sha256=result["sha256"],
            explanation=jurisdictions.explain(rules, **asked),
        )
        audit.record(
            "determination.proposed",
            determination,
            by=None,
            release=determination.release.sha256,
            snapshot=determination.snapshot_sha256,
            result=determination.result_sha256,
        )
    return determination


def reproduce(determination: Determination) -> str:
    """Return the hash that the stored facts give once more: the stored one, or something is wrong.

    Raises WrongState if another law is loaded now than the determination rests on, and Tampered
    if the record is not what was laid before counsel.
    """
    _require_unchanged(determination)
    rules = releases.rules()
    if determination.release.sha256 != rules.sha256:
        raise WrongState(
            f"The {determination} rests on {determination.release}; the law loaded now is another."
        )
    at = determination.rule_time.strftime("%Y-%m-%dT%H:%M:%SZ")
    asked = determination.snapshot | {"rule_time": at}
    return str(jurisdictions.rule_on(rules, **asked)["sha256"])


@audit.attributed
@transaction.atomic
def sign(
    determination: Determination,
    *,
    take_up: Collection[str] = (),
    because: str,
    version: int | None = None,
    by: User,
) -> Determination:
    """Sign a determination. The second gate: every firm duty becomes an obligation.

    `take_up` names the recipients of permissions that counsel chooses to use; none is pre-selected.
    """
    roles.require(by, Permission.SIGN_DETERMINATION)
    _require_third(determination, by)
    signed = lifecycle.advance(determination, State.SIGNED, because=because, version=version, by=by)
    _require_unchanged(signed)
    open_to_choice = {report["to"] for report in firm(signed, "permission")}
    if unknown := set(take_up) - open_to_choice:
        raise Malformed(f"There is no firm permission towards {', '.join(sorted(unknown))}.")
    for report in firm(signed, "duty"):
        _oblige(signed, report)
    for report in firm(signed, "permission"):
        if report["to"] in take_up:
            _oblige(signed, report)
    return signed


@audit.attributed
def decline(
    determination: Determination, *, because: str, version: int | None = None, by: User
) -> Determination:
    """Decline a determination: nothing leaves, and the reason stays on record."""
    roles.require(by, Permission.SIGN_DETERMINATION)
    _require_third(determination, by)
    return lifecycle.advance(determination, State.DECLINED, because=because, version=version, by=by)


def propose_due() -> int:
    """Propose a determination for every confirmed finding that has none."""
    owed = Finding.objects.filter(
        state=findings.State.CONFIRMED, determination__isnull=True
    ).order_by("confirmed_at")
    return lifecycle.pull("propose", owed, propose)


def is_third(determination: Determination, person: User) -> bool:
    """Tell whether a person neither recorded nor confirmed the finding, and so may sign."""
    finding = determination.finding
    return person.pk not in (finding.recorded_by_id, finding.confirmed_by_id)


def firm(determination: Determination, kind: str) -> Iterator[dict[str, Any]]:
    """Return the reports of one kind that may be signed: firm ones only."""
    for report in determination.result["reports"]:
        if report["certainty"] == "firm" and report["kind"] == kind:
            yield report


def _oblige(determination: Determination, report: dict[str, Any]) -> None:
    Obligation.objects.create(
        determination=determination,
        recipient=report["to"],
        kind=report["kind"],
        because=report["because"],
        due_at=parse_datetime(report["due"]) if report["due"] else None,
        release=report["release"],
        withhold=report["withhold"],
    )


def _require_third(determination: Determination, by: User) -> None:
    if not is_third(determination, by):
        raise SamePerson("Whoever recorded or confirmed a finding cannot sign its determination.")


def _require_unchanged(determination: Determination) -> None:
    """Refuse a record that is not, fact by fact and word by word, what the law once said."""
    said = {name: value for name, value in determination.result.items() if name != "sha256"}
    found = [jurisdictions.digest(each) for each in (determination.snapshot, said)]
    if found != [determination.snapshot_sha256, determination.result_sha256]:
        raise Tampered(f"The {determination} is not the one that was proposed.")
