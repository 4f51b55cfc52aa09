"""Determinations: what the law says about a finding, and the counsel who signed it."""

import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from compliance import (
    answers,
    audit,
    conflicts,
    facts,
    findings,
    jurisdictions,
    lifecycle,
    releases,
    roles,
)
from compliance.answers import Answer
from compliance.decisions import Decision as Decision
from compliance.decisions import decided, firm_reports
from compliance.errors import SamePerson, Tampered, WrongState
from compliance.facts import ProviderProfile
from compliance.findings import Finding
from compliance.lifecycle import stamped
from compliance.releases import Release
from compliance.roles import Permission, User


class State(models.TextChoices):
    """The last thing that happened to a determination."""

    PROPOSED = "proposed"
    SIGNED = "signed"
    DECLINED = "declined"
    SUPERSEDED = "superseded"


def _one_a_finding(name: str, **which: Any) -> models.UniqueConstraint:
    """Return the constraint that a finding has one such determination at most."""
    return models.UniqueConstraint(fields=["finding"], condition=models.Q(**which), name=name)


class Determination(models.Model):
    """The law's answer for one finding: computed, stored with its hashes, signed by counsel."""

    State = State
    MOVES = {
        State.PROPOSED: (State.SIGNED, State.DECLINED, State.SUPERSEDED),
        State.SIGNED: (State.SUPERSEDED,),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    finding = models.ForeignKey(Finding, models.PROTECT, related_name="determinations")
    supersedes = models.ForeignKey("self", models.PROTECT, null=True, related_name="+")
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
    superseded_at = models.DateTimeField(null=True)
    # What it still holds under: the inputs against which the law was last asked.
    is_newest = models.BooleanField(default=True, help_text="Of those that are not superseded.")
    checks = models.PositiveIntegerField(default=0)
    checked_at = models.DateTimeField()
    checked_version = models.PositiveIntegerField(help_text="Of the finding.")
    checked_release = models.ForeignKey(Release, models.PROTECT, related_name="+")
    checked_profile = models.ForeignKey(
        ProviderProfile, models.PROTECT, null=True, related_name="+"
    )
    review_at = models.DateTimeField(null=True, help_text="When time alone may change the answer.")

    class Meta:
        default_permissions = ["view"]
        ordering = ["-proposed_at", "-id"]
        indexes = [models.Index(fields=["-proposed_at", "-id"], name="determination_by_age")]
        constraints = [
            stamped("determination", State.SIGNED),
            stamped("determination", State.DECLINED),
            stamped("determination", State.SUPERSEDED, by=False),
            _one_a_finding("determination_signed_once", state=State.SIGNED),
            _one_a_finding("determination_proposed_once", state=State.PROPOSED),
            _one_a_finding("determination_newest_once", is_newest=True),
        ]

    def __str__(self) -> str:
        return f"determination on {self.finding.reference}"


class Obligation(models.Model):
    """One report on which counsel decided: to whom, what of it, until when, and whether."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    determination = models.ForeignKey(Determination, models.PROTECT, related_name="obligations")
    continues = models.ForeignKey("self", models.PROTECT, null=True, related_name="+")
    chain = models.UUIDField(default=uuid.uuid4, db_index=True, editable=False)
    recipient = models.CharField(max_length=40)
    kind = models.CharField(max_length=12, choices=[("duty", "duty"), ("permission", "permission")])
    because = models.JSONField()
    due_at = models.DateTimeField(null=True)
    release = models.JSONField()
    withhold = models.JSONField()
    is_accepted = models.BooleanField(default=True)
    reason = models.TextField(help_text="Why counsel decided so.")

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


def provisional(finding: Finding) -> dict[str, Any]:
    """Return what the law says now of a finding that nobody confirmed yet. Nothing is stored."""
    if finding.state != findings.State.RECORDED:
        raise WrongState(f"{finding} is {finding.state}; a provisional answer comes before that.")
    try:
        return answers.say(releases.rules(), facts.snapshot(finding), timezone.now())
    except jurisdictions.Problems as problems:
        raise WrongState("The law cannot read the facts on record. Assert them anew.") from problems


def propose(finding: Finding, *, rule_time: datetime | None = None) -> Determination:
    """Compute what the law says about a confirmed finding and lay it before counsel."""
    with transaction.atomic():
        locked = Finding.objects.select_for_update().get(pk=finding.pk)
        _require_confirmed(locked)
        if locked.determinations.exists():
            raise WrongState(f"{locked} has a determination already; it is reviewed.")
        return _lay(locked, answers.ask(locked, rule_time))


def review(determination: Determination, *, rule_time: datetime | None = None) -> Determination:
    """Ask the law again for a finding, and return the determination that answers now.

    The same answer is laid before nobody: the determination that gave it is marked as checked.
    Another one is proposed; one that was proposed before and not decided on is superseded.
    """
    with transaction.atomic():
        finding = Finding.objects.select_for_update().get(pk=determination.finding_id)
        _require_confirmed(finding)
        live = finding.determinations.exclude(state=State.SUPERSEDED)
        newest, *earlier = live.select_for_update().order_by("-proposed_at", "-id")
        fresh = answers.ask(finding, rule_time)
        if jurisdictions.is_same(newest.result, fresh.result):
            return _check(newest, fresh)
        if newest.state == State.PROPOSED:
            newest = lifecycle.advance(newest, State.SUPERSEDED, by=None)
        newest.is_newest = False
        newest.save(update_fields=["is_newest"])
        standing = earlier[0] if earlier and newest.state == State.SUPERSEDED else None
        if standing and jurisdictions.is_same(standing.result, fresh.result):
            return _check(standing, fresh)
        return _lay(finding, fresh, newest)


def reproduce(determination: Determination) -> str:
    """Return the hash that the stored facts give once more: the stored one, or something is wrong.

    Raises WrongState if the law that the determination rests on is not at hand, and Tampered
    if the record is not what was laid before counsel.
    """
    _require_unchanged(determination)
    rules = releases.rules_of(determination.release)
    return str(answers.say(rules, determination.snapshot, determination.rule_time)["sha256"])


def legal_basis(obligation: Obligation) -> list[dict[str, str]]:
    """Return what a recipient is told of the law: the rules that held and asked for its report.

    `[{"rule", "title", "cite"}]`, as the release has them on which counsel signed.
    """
    said = obligation.determination.result["rules"]
    records = releases.rules_of(obligation.determination.release).records
    return [
        {"rule": rule.record, "title": rule.title, "cite": rule.cite}
        for record in obligation.because
        for rule in records[record]
        if "report" in rule.then and said[rule.id]["outcome"] == "holds"
    ]


@audit.attributed
@transaction.atomic
def sign(
    determination: Determination,
    *,
    decisions: Iterable[Decision],
    because: str,
    version: int | None = None,
    by: User,
) -> Determination:
    """Sign a determination, with a decision on each firm duty. The second gate.

    What is accepted becomes an obligation; what is declined stays on record with its reason. A
    permission is taken up only if a decision names it. No report at all is an answer like others.
    Raises WrongState while a conflict about what is accepted waits for counsel.
    """
    roles.require(by, Permission.SIGN_DETERMINATION)
    _require_third(determination, by)
    older = _superseded(determination)
    signed = lifecycle.advance(determination, State.SIGNED, because=because, version=version, by=by)
    _require_unchanged(signed)
    for report, decision in decided(signed.result, decisions):
        _oblige(signed, report, decision, older)
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
    """Propose for every confirmed finding that has no determination; review what may be outdated.

    Outdated may be what rests on another rung, profile or release than now, or on another time.
    What nobody signed of a finding that was overturned since is set aside.
    """
    first = Finding.objects.filter(state=findings.State.CONFIRMED, determinations__isnull=True)
    proposed = lifecycle.pull("propose", first.order_by("confirmed_at"), propose)
    pointless = Determination.objects.filter(
        state=State.PROPOSED, finding__state=findings.State.OVERTURNED
    )
    proposed += lifecycle.pull("set-aside", pointless, set_aside)
    return proposed + lifecycle.pull(
        "review", _outdated(), review, named=lambda each: f"{each.pk}:{each.checks}"
    )


def is_third(determination: Determination, person: User) -> bool:
    """Tell whether a person neither recorded nor confirmed the finding, and so may sign."""
    return findings.is_third(determination.finding, person)


def firm(determination: Determination, kind: str) -> Iterator[dict[str, Any]]:
    """Return the reports of one kind that may be signed: firm ones only."""
    return firm_reports(determination.result, kind)


@transaction.atomic
def set_aside(determination: Determination) -> Determination:
    """Take a proposal off counsel's table: its finding was overturned before anybody signed."""
    return lifecycle.advance(determination, State.SUPERSEDED, by=None)


def _outdated() -> models.QuerySet[Determination]:
    rests_on_less = (
        ~models.Q(checked_version=models.F("finding__version"))
        | ~models.Q(checked_release__sha256=releases.rules().sha256)
        | ~models.Q(checked_profile=facts.profile())
        | models.Q(review_at__lte=timezone.now())
    )
    stands = {"is_newest": True, "finding__state": findings.State.CONFIRMED}
    newest = Determination.objects.filter(rests_on_less, **stands)
    return newest.order_by("checked_at").only("checks", "finding")


def _lay(finding: Finding, fresh: Answer, overtaken: Determination | None = None) -> Determination:
    """Put an answer on record, before counsel."""
    made = Determination(
        finding=finding,
        supersedes=overtaken,
        release=fresh.release,
        snapshot=fresh.snapshot,
        snapshot_sha256=jurisdictions.digest(fresh.snapshot),
        rule_time=fresh.rule_time,
        result=fresh.result,
        result_sha256=fresh.result["sha256"],
        explanation=answers.explain(fresh),
    )
    return _noted("proposed", made, fresh)


def _check(standing: Determination, fresh: Answer) -> Determination:
    """Mark a determination as the law's answer under newer inputs too."""
    standing.is_newest, standing.checks = True, standing.checks + 1
    return _noted("checked", standing, fresh)


def _noted(event: str, determination: Determination, fresh: Answer) -> Determination:
    """Write under which inputs a determination holds, and the event."""
    determination.checked_at = fresh.rule_time
    determination.checked_version = fresh.version
    determination.checked_release = fresh.release
    determination.checked_profile = fresh.profile
    determination.review_at = fresh.review_at
    determination.save()
    audit.record(
        f"determination.{event}",
        determination,
        by=None,
        release=fresh.release.sha256,
        snapshot=jurisdictions.digest(fresh.snapshot),
        result=fresh.result["sha256"],
    )
    return determination


def _superseded(determination: Determination) -> Determination | None:
    """Lock the finding, and take the signed determination out of force that this one replaces."""
    finding = Finding.objects.select_for_update().get(pk=determination.finding_id)
    _require_confirmed(finding)
    checked = Determination.objects.get(pk=determination.pk).checked_version
    if finding.version != checked:
        raise WrongState(f"More is known of {finding} now. The law is being asked again; wait.")
    older = finding.determinations.exclude(pk=determination.pk).filter(state=State.SIGNED).first()
    return older and lifecycle.advance(older, State.SUPERSEDED, by=None)


def _oblige(
    determination: Determination,
    report: dict[str, Any],
    decision: Decision,
    older: Determination | None,
) -> None:
    """Put a decided report on record: an obligation, or why there is none."""
    about = conflicts.about(determination.result, report) if decision.accept else []
    released = conflicts.released(determination.finding, about)
    continued = older and decision.accept and _owed_by(older, report)
    Obligation.objects.create(
        determination=determination,
        is_accepted=decision.accept,
        reason=decision.because.strip(),
        continues=continued or None,
        chain=continued.chain if continued else uuid.uuid4(),
        recipient=report["to"],
        kind=report["kind"],
        because=report["because"],
        due_at=parse_datetime(report["due"]) if report["due"] else None,
        release=sorted({*report["release"], *released}),
        withhold={key: code for key, code in report["withhold"].items() if key not in released},
    )


def _owed_by(older: Determination, report: dict[str, Any]) -> Obligation | None:
    same = {"recipient": report["to"], "kind": report["kind"]}
    return older.obligations.filter(**same, is_accepted=True).first()


def _require_confirmed(finding: Finding) -> None:
    if finding.state != findings.State.CONFIRMED:
        raise WrongState(f"{finding} is {finding.state}; only a confirmed finding is determined.")


def _require_third(determination: Determination, by: User) -> None:
    if not is_third(determination, by):
        raise SamePerson("Whoever recorded or confirmed a finding cannot sign its determination.")


def _require_unchanged(determination: Determination) -> None:
    """Refuse a record that is not, fact by fact and word by word, what the law once said."""
    said = {name: value for name, value in determination.result.items() if name != "sha256"}
    found = [jurisdictions.digest(each) for each in (determination.snapshot, said)]
    if found != [determination.snapshot_sha256, determination.result_sha256]:
        raise Tampered(f"The {determination} is not the one that was proposed.")
