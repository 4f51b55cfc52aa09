"""Findings: what a person of the provider found, and the second person who confirmed it."""

import re
import secrets
import uuid
from collections.abc import Collection, Mapping
from datetime import datetime

from django.db import models, transaction
from django.utils import timezone

from compliance import audit, lifecycle, roles
from compliance.errors import Malformed, SamePerson, Stale, WrongState
from compliance.lifecycle import by_a_second_person, stamped
from compliance.roles import Permission, User

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # nothing that is misread aloud: no 0 O 1 I L U
STATEMENT_LIMIT = 20_000
PARTICULAR_LIMIT = 2_000
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")

# What a finding may say about an account, by class of data (peers.md 3.4, regimes.md section 1).
CLASSES = ("META", "ID", "SUB", "TRAF", "LOC", "PAY", "THIRD", "REPORTER")


class State(models.TextChoices):
    """The last thing that happened to a finding."""

    RECORDED = "recorded"
    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"
    OVERTURNED = "overturned"


class Knowledge(models.TextChoices):
    """The ladder of knowledge, lowest rung first; refuted is the fall from any rung."""

    SUSPICION = "suspicion"
    REASONABLE_BELIEF = "reasonable_belief"
    ACTUAL_KNOWLEDGE = "actual_knowledge"
    REFUTED = "refuted"


# The rungs in order, and the clock of the law that each one starts.
CLOCKS = {
    Knowledge.SUSPICION: "suspicion",
    Knowledge.REASONABLE_BELIEF: "belief",
    Knowledge.ACTUAL_KNOWLEDGE: "actual_knowledge",
}
LADDER = tuple(CLOCKS)
AS_STATED = "The statement of the finding."


def reference(letter: str) -> str:
    """Return a new short number that can be read over the telephone, such as F-7KQ4-M2XA."""
    drawn = [secrets.choice(ALPHABET) for _ in range(8)]
    return f"{letter}-{''.join(drawn[:4])}-{''.join(drawn[4:])}"


def finding_reference() -> str:
    """Return a new number for a finding."""
    return reference("F")


class Finding(models.Model):
    """One finding of apparent terrorist activity, recorded by one person, confirmed by another."""

    State = State
    MOVES = {
        State.RECORDED: (State.CONFIRMED, State.DISMISSED),
        State.CONFIRMED: (State.OVERTURNED,),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    reference = models.CharField(max_length=12, unique=True, default=finding_reference)
    state = models.CharField(max_length=12, choices=State, default=State.RECORDED)
    version = models.PositiveIntegerField(default=1)
    supplements = models.ForeignKey(
        "self", models.PROTECT, null=True, related_name="supplemented_by"
    )
    contributors = models.JSONField(default=list, help_text="Ids of whoever added to it.")
    statement = models.TextField(help_text="The reasoned suspicion: who, what, when, where, why.")
    particulars = models.JSONField(default=dict)
    knowledge = models.CharField(
        max_length=20, choices=Knowledge, help_text="The top of the ladder, repeated for lists."
    )
    recorded_at = models.DateTimeField(default=timezone.now)
    recorded_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    confirmed_at = models.DateTimeField(null=True)
    confirmed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    confirmed_because = models.TextField(blank=True)
    dismissed_at = models.DateTimeField(null=True)
    dismissed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    dismissed_because = models.TextField(blank=True)
    overturned_at = models.DateTimeField(null=True)
    overturned_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    overturned_because = models.TextField(blank=True)

    class Meta:
        default_permissions = ["view"]
        ordering = ["-recorded_at", "-id"]
        indexes = [models.Index(fields=["-recorded_at", "-id"], name="finding_by_age")]
        constraints = [
            stamped("finding", State.CONFIRMED),
            stamped("finding", State.DISMISSED),
            stamped("finding", State.OVERTURNED),
            by_a_second_person("finding", "confirmed", "recorded"),
        ]

    def __str__(self) -> str:
        return self.reference


class Rung(models.Model):
    """One rung of knowledge of one finding: since when, and on which basis. Append-only."""

    finding = models.ForeignKey(Finding, models.PROTECT, related_name="rungs")
    rung = models.CharField(max_length=20, choices=Knowledge)
    reached_at = models.DateTimeField()
    basis = models.TextField(help_text="What the judgement rests on.")
    recorded_at = models.DateTimeField(default=timezone.now)
    recorded_by = models.ForeignKey(User, models.PROTECT, related_name="+")

    class Meta:
        default_permissions = ["view"]
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["finding", "rung"], name="rung_reached_once"),
        ]

    def __str__(self) -> str:
        return f"{self.get_rung_display().lower()} on {self.finding}"


@audit.attributed
def record(
    *,
    statement: str,
    particulars: Mapping[str, Mapping[str, str]],
    rungs: Mapping[str, datetime],
    basis: str = AS_STATED,
    supplements: Finding | None = None,
    by: User,
) -> Finding:
    """Record what was found: the suspicion in words, particulars by class, rungs with instants.

    `rungs` says when each rung of knowledge was reached, at least suspicion; `basis` on what
    these judgements rest, if not on the statement itself. New evidence about a confirmed finding
    is a finding of its own that `supplements` it.
    Raises NotPermitted, Malformed with the field that cannot be accepted, or WrongState.
    """
    roles.require(by, Permission.RECORD_FINDING)
    _check_supplemented(supplements)
    _check_statement(statement)
    _check_particulars(particulars)
    if unknown := set(rungs) - set(LADDER):
        raise Malformed(f"Knowledge has no rung {min(unknown)!r}.")
    _check_ladder(rungs)
    basis = _checked_basis(basis)
    with transaction.atomic():
        finding = Finding.objects.create(
            statement=statement.strip(),
            particulars={key: dict(values) for key, values in particulars.items()},
            knowledge=_top(rungs),
            supplements=supplements,
            recorded_by=by,
        )
        for rung in filter(rungs.__contains__, LADDER):
            Rung.objects.create(
                finding=finding, rung=rung, reached_at=rungs[rung], basis=basis, recorded_by=by
            )
        audit.record("finding.recorded", finding, by=by)
    return finding


@audit.attributed
@transaction.atomic
def climb(
    finding: Finding,
    rung: str,
    *,
    reached_at: datetime,
    basis: str,
    version: int | None = None,
    by: User,
) -> Rung:
    """Put on record that a further rung of knowledge was reached, or that all was refuted.

    Whoever climbs before the confirmation takes part in the finding and cannot confirm it.
    Raises Malformed for an instant that cannot be, and WrongState for a rung that is set already,
    on a refuted ladder, and once the finding is dismissed.
    """
    roles.require(by, Permission.RECORD_FINDING)
    if rung not in Knowledge:
        raise Malformed(f"Knowledge has no rung {rung!r}.")
    locked = _climbable(finding, version)
    reached = {each.rung: each.reached_at for each in locked.rungs.all()}
    if Knowledge.REFUTED in reached:
        raise WrongState(f"{locked} is refuted; what is new belongs to a new finding.")
    if rung in reached:
        raise WrongState(f"{locked} reached {Knowledge(rung).label.lower()} already; it is set.")
    _check_ladder(reached | {rung: reached_at})
    made = Rung.objects.create(
        finding=locked,
        rung=rung,
        reached_at=reached_at,
        basis=_checked_basis(basis),
        recorded_by=by,
    )
    locked.knowledge = _top({*reached, rung})
    _take_part(locked, by, "knowledge")
    audit.record("finding.climbed", locked, by=by, rung=rung)
    return made


@audit.attributed
def confirm(finding: Finding, *, because: str, version: int | None = None, by: User) -> Finding:
    """Confirm a colleague's finding. The first of the two gates."""
    roles.require(by, Permission.CONFIRM_FINDING)
    _require_second(finding, by)
    return lifecycle.advance(finding, State.CONFIRMED, because=because, version=version, by=by)


@audit.attributed
def dismiss(finding: Finding, *, because: str, version: int | None = None, by: User) -> Finding:
    """Dismiss a finding: nothing follows from it, and the reason stays on record."""
    roles.require(by, Permission.CONFIRM_FINDING)
    _require_second(finding, by)
    return lifecycle.advance(finding, State.DISMISSED, because=because, version=version, by=by)


def open_to_more(finding: Finding, contributor: User) -> Finding:
    """Lock a finding for more evidence or facts by `contributor`, who cannot decide on it then.

    Whoever read it before has read another version. Raises WrongState once it is decided.
    """
    locked = Finding.objects.select_for_update().get(pk=finding.pk)
    if locked.state != State.RECORDED:
        raise WrongState(f"{finding} is {locked.state}; what is new belongs to a new finding.")
    _take_part(locked, contributor)
    return locked


def is_second(finding: Finding, person: User) -> bool:
    """Tell whether a person had no part in a finding until now, and so may decide on it."""
    return person.pk not in (finding.recorded_by_id, *finding.contributors)


def is_third(finding: Finding, person: User) -> bool:
    """Tell whether a person neither recorded nor confirmed a finding, and so may sign on it."""
    return person.pk not in (finding.recorded_by_id, finding.confirmed_by_id)


def ladder(finding: Finding, at: datetime | None = None) -> dict[str, Rung]:
    """Return the rungs that are on record, or that were at an instant, in the order recorded."""
    rungs = finding.rungs.all()
    known = rungs if at is None else rungs.filter(recorded_at__lte=at)
    return {each.rung: each for each in known}


def level(reached: Collection[str]) -> str:
    """Return how much is known when these rungs are reached, as the law names it."""
    return _top(reached) if reached else "unassessed"


def clocks(reached: Mapping[str, Rung]) -> dict[str, datetime]:
    """Return the instants of the rungs by the clock names of the law."""
    return {name: reached[rung].reached_at for rung, name in CLOCKS.items() if rung in reached}


def _require_second(finding: Finding, by: User) -> None:
    if not is_second(Finding.objects.get(pk=finding.pk), by):
        raise SamePerson("Whoever recorded or added to a finding cannot decide. Ask a colleague.")


def _check_supplemented(finding: Finding | None) -> None:
    now = finding and Finding.objects.get(pk=finding.pk)
    if now and now.state != State.CONFIRMED:
        raise WrongState(f"{now} is {now.state}; only a confirmed finding is supplemented.")


def _check_statement(statement: str) -> None:
    if not statement.strip():
        raise Malformed("The statement is empty. Say who did what, when, where and why it matters.")
    if len(statement) > STATEMENT_LIMIT:
        raise Malformed(f"The statement is longer than {STATEMENT_LIMIT} characters.")


def _check_particulars(particulars: Mapping[str, Mapping[str, str]]) -> None:
    for key, values in particulars.items():
        if key not in CLASSES:
            raise Malformed(f"Particulars know no class {key!r}; use one of {', '.join(CLASSES)}.")
        for name, value in values.items():
            if not NAME.fullmatch(name):
                raise Malformed(f"A name under {key} is not made of a-z, 0-9 and _ (40 at most).")
            if not isinstance(value, str) or not 0 < len(value) <= PARTICULAR_LIMIT:
                raise Malformed(f"{key} {name} wants text of 1 to {PARTICULAR_LIMIT} characters.")


def _climbable(finding: Finding, version: int | None) -> Finding:
    """Lock a finding whose ladder may grow, as the caller read it."""
    locked = Finding.objects.select_for_update().get(pk=finding.pk)
    if version not in (None, locked.version):
        raise Stale
    if locked.state in (State.DISMISSED, State.OVERTURNED):
        raise WrongState(f"{locked} is {locked.state}; what is new belongs to a new finding.")
    return locked


def _take_part(locked: Finding, contributor: User, *changed: str) -> None:
    locked.version += 1
    locked.contributors = sorted({*locked.contributors, contributor.pk})
    locked.save(update_fields=["version", "contributors", *changed])


def _top(reached: Collection[str]) -> Knowledge:
    return [rung for rung in Knowledge if rung in reached][-1]


def _check_ladder(reached: Mapping[str, datetime]) -> None:
    """Refuse instants that no ladder of knowledge can have."""
    if Knowledge.SUSPICION not in reached:
        raise Malformed("Say when suspicion arose, with its time zone.")
    if any(timezone.is_naive(at) for at in reached.values()):
        raise Malformed("An instant of the ladder has no time zone.")
    climbed = [reached[rung] for rung in LADDER if rung in reached]
    if climbed != sorted(climbed):
        raise Malformed("A higher rung of knowledge cannot be older than a lower one.")
    if max(reached.values()) > timezone.now():
        raise Malformed("A rung of knowledge cannot lie in the future.")


def _checked_basis(basis: str) -> str:
    if not 0 < len(basis.strip()) <= STATEMENT_LIMIT:
        raise Malformed(f"Say what this judgement rests on, in 1 to {STATEMENT_LIMIT} characters.")
    return basis.strip()
