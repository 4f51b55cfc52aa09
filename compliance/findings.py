"""Findings: what a person of the provider found, and the second person who confirmed it."""

import re
import secrets
import uuid
from collections.abc import Mapping
from datetime import datetime

from django.db import models, transaction
from django.utils import timezone

from compliance import audit, lifecycle, roles
from compliance.errors import Malformed, SamePerson, WrongState
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


class Knowledge(models.TextChoices):
    """The ladder of knowledge, lowest rung first."""

    SUSPICION = "suspicion"
    REASONABLE_BELIEF = "reasonable_belief"
    ACTUAL_KNOWLEDGE = "actual_knowledge"


RUNGS = {
    Knowledge.SUSPICION: "suspicion_at",
    Knowledge.REASONABLE_BELIEF: "belief_at",
    Knowledge.ACTUAL_KNOWLEDGE: "actual_at",
}


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
    MOVES = {State.RECORDED: (State.CONFIRMED, State.DISMISSED)}

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    reference = models.CharField(max_length=12, unique=True, default=finding_reference)
    state = models.CharField(max_length=12, choices=State, default=State.RECORDED)
    version = models.PositiveIntegerField(default=1)
    contributors = models.JSONField(default=list, help_text="Ids of whoever added to it.")
    statement = models.TextField(help_text="The reasoned suspicion: who, what, when, where, why.")
    particulars = models.JSONField(default=dict)
    knowledge = models.CharField(max_length=20, choices=Knowledge)
    suspicion_at = models.DateTimeField(null=True)
    belief_at = models.DateTimeField(null=True)
    actual_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField(default=timezone.now)
    recorded_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    confirmed_at = models.DateTimeField(null=True)
    confirmed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    confirmed_because = models.TextField(blank=True)
    dismissed_at = models.DateTimeField(null=True)
    dismissed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    dismissed_because = models.TextField(blank=True)

    class Meta:
        default_permissions = ["view"]
        ordering = ["-recorded_at", "-id"]
        indexes = [models.Index(fields=["-recorded_at", "-id"], name="finding_by_age")]
        constraints = [
            stamped("finding", State.CONFIRMED),
            stamped("finding", State.DISMISSED),
            by_a_second_person("finding", "confirmed", "recorded"),
        ]

    def __str__(self) -> str:
        return self.reference


@audit.attributed
def record(
    *,
    statement: str,
    particulars: Mapping[str, Mapping[str, str]],
    rungs: Mapping[str, datetime],
    by: User,
) -> Finding:
    """Record what was found: the suspicion in words, particulars by class, rungs with instants.

    `rungs` says when each rung of knowledge was reached; at least suspicion.
    Raises NotPermitted, or Malformed with the field that cannot be accepted.
    """
    roles.require(by, Permission.RECORD_FINDING)
    _check_statement(statement)
    _check_particulars(particulars)
    level = _check_rungs(rungs)
    with transaction.atomic():
        finding = Finding.objects.create(
            statement=statement.strip(),
            particulars={key: dict(values) for key, values in particulars.items()},
            knowledge=level,
            recorded_by=by,
            **{RUNGS[Knowledge(rung)]: at for rung, at in rungs.items()},
        )
        audit.record("finding.recorded", finding, by=by)
    return finding


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
    locked.version += 1
    locked.contributors = sorted({*locked.contributors, contributor.pk})
    locked.save(update_fields=["version", "contributors"])
    return locked


def is_second(finding: Finding, person: User) -> bool:
    """Tell whether a person had no part in a finding until now, and so may decide on it."""
    return person.pk not in (finding.recorded_by_id, *finding.contributors)


def clocks(finding: Finding) -> dict[str, datetime]:
    """Return the instants of the rungs by the clock names of the law."""
    named = {
        "suspicion": finding.suspicion_at,
        "belief": finding.belief_at,
        "actual_knowledge": finding.actual_at,
    }
    return {name: at for name, at in named.items() if at is not None}


def _require_second(finding: Finding, by: User) -> None:
    if not is_second(Finding.objects.get(pk=finding.pk), by):
        raise SamePerson("Whoever recorded or added to a finding cannot decide. Ask a colleague.")


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


def _check_rungs(rungs: Mapping[str, datetime]) -> Knowledge:
    """Return the highest rung reached, or refuse instants that cannot be."""
    if unknown := set(rungs) - set(Knowledge):
        raise Malformed(f"Knowledge has no rung {min(unknown)!r}.")
    if Knowledge.SUSPICION not in rungs:
        raise Malformed("Say when suspicion arose, with its time zone.")
    climbed = [rung for rung in Knowledge if rung in rungs]
    instants = [rungs[rung] for rung in climbed]
    if any(timezone.is_naive(at) for at in instants):
        raise Malformed("An instant of the ladder has no time zone.")
    if instants != sorted(instants):
        raise Malformed("A higher rung of knowledge cannot be older than a lower one.")
    if instants[-1] > timezone.now():
        raise Malformed("A rung of knowledge cannot lie in the future.")
    return climbed[-1]
