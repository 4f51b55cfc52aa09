"""Requests: what people ask about data of theirs, and what the law lets us do about it now.

A person may ask to have their data erased (GDPR Art 17) or to see it (Art 15). Where a matter about
them is held, or a law wants silence towards them, the request is parked: it is not done, the basis
is on record, and it is taken up again when nothing is in its way any more. Whoever answers the
person gives the same neutral words in every case. Nothing is ever erased from here: what the answer
says was done is done by people, once the request is cleared.
"""

import uuid
from calendar import monthrange
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.utils import timezone
from django.utils.dateformat import format as in_words

from compliance import audit, determinations, findings, lifecycle, preservation, releases, roles
from compliance.determinations import Determination
from compliance.errors import Malformed, Refused
from compliance.findings import Finding, reference
from compliance.lifecycle import stamped
from compliance.roles import Permission, User

MOST, LONGEST = 20, 320  # names of one person; an e-mail address has 320 characters at most
NAMING = ("ID", "SUB")  # the particulars of a finding that name an account or its holder

Basis = dict[str, str]  # rule, cite
# Why the GDPR itself lets a request wait, beside the law that asks for the hold or the silence.
LEGAL_DUTY: Basis = {"rule": "gdpr", "cite": "Regulation (EU) 2016/679, Art 17(3)(b)"}
LEGAL_CLAIMS: Basis = {"rule": "gdpr", "cite": "Regulation (EU) 2016/679, Art 17(3)(e)"}
RESTRICTED: Basis = {"rule": "gdpr", "cite": "Regulation (EU) 2016/679, Art 23(1)(d)"}
UNDECIDED: Basis = {"rule": "house.undecided", "cite": "Regulation (EU) 2016/679, Art 12(3)"}

NEUTRAL = (
    "Thank you for your request, which reached us on {day}. It has the number {number}. We are "
    "dealing with it and will write to you again when it is done. If you do not agree with how "
    "we deal with it, you may turn to a data protection supervisory authority or to a court."
)


class InTheWay(Refused):
    """Something is held about this person again. The request waits until that ends."""


class Kind(models.TextChoices):
    """What a person asks for."""

    ERASURE = "erasure", "erasure (GDPR Art 17)"
    ACCESS = "access", "access (GDPR Art 15)"


# What is done instead of what was asked, while something is in the way.
SUSPENDED = {Kind.ERASURE: "suspend_erasure", Kind.ACCESS: "suspend_access"}


class State(models.TextChoices):
    """The last thing that happened to a request."""

    RECORDED = "recorded"
    PARKED = "parked"
    CLEARED = "cleared"
    ANSWERED = "answered"


def request_number() -> str:
    """Return a new number for a request, which tells nothing."""
    return reference("S")


class SubjectRequest(models.Model):
    """One request of one person about data of theirs."""

    State = State
    MOVES = {
        State.RECORDED: (State.PARKED, State.CLEARED),
        State.PARKED: (State.CLEARED,),
        State.CLEARED: (State.ANSWERED,),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.CharField(max_length=12, unique=True, default=request_number)
    kind = models.CharField(max_length=8, choices=Kind)
    identifiers = models.JSONField(help_text="Names under which the person is known here.")
    state = models.CharField(max_length=12, choices=State, default=State.RECORDED)
    version = models.PositiveIntegerField(default=1)
    received_at = models.DateTimeField()
    due_at = models.DateTimeField(help_text="A month after it was received (GDPR Art 12(3)).")
    recorded_at = models.DateTimeField(default=timezone.now)
    recorded_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    action = models.CharField(max_length=20, blank=True, help_text="What is done instead.")
    basis = models.JSONField(default=list, help_text="By which law: rule and citation.")
    matters = models.JSONField(default=list, help_text="Ids of the findings in its way.")
    parked_at = models.DateTimeField(null=True)
    cleared_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    answered_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    answered_because = models.TextField(blank=True, help_text="What was done, and why.")

    class Meta:
        default_permissions = ["view"]
        ordering = ["-recorded_at", "-id"]
        indexes = [models.Index(fields=["-recorded_at", "-id"], name="request_by_age")]
        constraints = [
            stamped("subjectrequest", State.PARKED, by=False),
            stamped("subjectrequest", State.CLEARED, by=False),
            stamped("subjectrequest", State.ANSWERED),
        ]

    def __str__(self) -> str:
        return self.number


@dataclass
class Obstacles:
    """What is in the way of a request: the findings, and by which law. Empty: nothing."""

    matters: list[str] = field(default_factory=list)
    basis: list[Basis] = field(default_factory=list)

    def add(self, finding: Finding, reasons: Iterable[Basis]) -> None:
        """Add why one finding is in the way, if it is."""
        fresh = list(reasons)
        if fresh:
            self.matters.append(str(finding.pk))
            self.basis += [each for each in fresh if each not in self.basis]


@audit.attributed
@transaction.atomic
def record(
    *, kind: str, identifiers: Sequence[str], received_at: datetime, by: User
) -> SubjectRequest:
    """Record what a person asks, and the names under which that person is known to the provider.

    Raises NotPermitted, or Malformed with what cannot be accepted.
    """
    roles.require(by, Permission.RECORD_REQUEST)
    if kind not in Kind:
        raise Malformed("Say whether the person asks for erasure or for access.")
    names = [each.strip() for each in identifiers if each.strip()]
    if not 0 < len(names) <= MOST or any(len(each) > LONGEST for each in names):
        raise Malformed(f"Name the person by 1 to {MOST} names of {LONGEST} characters at most.")
    if timezone.is_naive(received_at) or received_at > timezone.now():
        raise Malformed("Say when the request came, with its time zone, not in the future.")
    request = SubjectRequest.objects.create(
        kind=kind,
        identifiers=names,
        received_at=received_at,
        due_at=_month_after(received_at),
        recorded_by=by,
    )
    audit.record("subjectrequest.recorded", request, by=by)
    return request


@audit.attributed
def answer(
    request: SubjectRequest, *, because: str, version: int | None = None, by: User
) -> SubjectRequest:
    """Answer a cleared request: what was done, and why. Refused if something is in its way again.

    Raises NotPermitted, InTheWay, Malformed, Stale, or WrongState.
    """
    roles.require(by, Permission.ANSWER_REQUEST)
    if _obstacles(request, _about(request)).matters:
        raise InTheWay
    return lifecycle.advance(request, State.ANSWERED, because=because, version=version, by=by)


@transaction.atomic
def weigh(request: SubjectRequest) -> SubjectRequest:
    """Park a recorded request if something is in its way, or clear it."""
    found = _obstacles(request, _about(request))
    if not found.matters:
        return lifecycle.advance(request, State.CLEARED, by=None)
    parked = lifecycle.advance(request, State.PARKED, by=None)
    parked.action = SUSPENDED[Kind(parked.kind)]
    return _put(parked, found)


@transaction.atomic
def take_up(request: SubjectRequest) -> SubjectRequest:
    """Clear a parked request whose obstacles ended; it stays parked if there are others by now."""
    found = _obstacles(request, _about(request))
    if not found.matters:
        return lifecycle.advance(request, State.CLEARED, by=None)
    current = SubjectRequest.objects.select_for_update().get(pk=request.pk)
    current.version += 1
    audit.record("subjectrequest.prolonged", current, by=None)
    return _put(current, found)


def weigh_due() -> int:
    """Weigh what is recorded, and take up again what was parked once nothing is in its way."""
    fresh = SubjectRequest.objects.filter(state=State.RECORDED).order_by("recorded_at")
    over = [each.pk for each in SubjectRequest.objects.filter(state=State.PARKED) if _is_over(each)]
    parked = SubjectRequest.objects.filter(state=State.PARKED, pk__in=over)
    return lifecycle.pull("weigh", fresh, weigh) + lifecycle.pull(
        "take-up", parked, take_up, named=lambda each: f"{each.pk}:{each.version}"
    )


def neutral_answer(request: SubjectRequest) -> str:
    """Return what the person is told now: the same in every case, whatever is known of them."""
    return NEUTRAL.format(day=in_words(request.received_at, "j F Y"), number=request.number)


def waiting() -> models.QuerySet[SubjectRequest]:
    """Return the requests that are not answered, the most urgent first."""
    return SubjectRequest.objects.exclude(state=State.ANSWERED).order_by("due_at", "id")


def _put(request: SubjectRequest, found: Obstacles) -> SubjectRequest:
    request.basis, request.matters = found.basis, found.matters
    request.save(update_fields=["action", "basis", "matters", "version"])
    return request


def _is_over(request: SubjectRequest) -> bool:
    """Tell whether what is on record as in the way of a parked request ended."""
    known = Finding.objects.filter(pk__in=request.matters)
    return not _obstacles(request, known).matters


def _about(request: SubjectRequest) -> Iterator[Finding]:
    """Yield every finding whose particulars name the person."""
    names = set(map(_plain, request.identifiers))
    known = Finding.objects.exclude(state=findings.State.DISMISSED).only("state", "particulars")
    for finding in known.iterator():
        told = (finding.particulars.get(each, {}).values() for each in NAMING)
        if names & {_plain(value) for values in told for value in values}:
            yield finding


def _plain(name: str) -> str:
    """Return a name as it is compared: letters of one case, without the at sign of a handle."""
    return name.strip().casefold().removeprefix("@")


def _obstacles(request: SubjectRequest, about: Iterable[Finding]) -> Obstacles:
    found = Obstacles()
    for finding in about:
        found.add(finding, [UNDECIDED] if _is_undecided(finding) else _reasons(request, finding))
    return found


def _is_undecided(finding: Finding) -> bool:
    """Tell whether people or the law have yet to say what becomes of a finding."""
    if finding.state != findings.State.CONFIRMED:
        return finding.state == findings.State.RECORDED
    known = finding.determinations
    decided = (determinations.State.SIGNED, determinations.State.DECLINED)
    return (
        known.filter(state=determinations.State.PROPOSED).exists()
        or not known.filter(state__in=decided).exists()
    )


def _reasons(request: SubjectRequest, finding: Finding) -> list[Basis]:
    why = _kept if request.kind == Kind.ERASURE else _hushed
    signed = finding.determinations.exclude(signed_at=None).select_related("release")
    return [each for determination in signed for each in why(determination)]


def _kept(determination: Determination) -> list[Basis]:
    """Return why what belongs to a determination is kept; nothing if it is not."""
    if not preservation.is_held(determination):
        return []
    laws = [each for each in preservation.because(determination) if not each.startswith("house.")]
    cited = [_cited(determination, each) for each in laws]
    return [*cited, *([LEGAL_DUTY] if laws else []), LEGAL_CLAIMS]


def _hushed(determination: Determination) -> list[Basis]:
    """Return by which law the person is to learn nothing now; nothing if no silence lasts."""
    laws = [
        rule
        for silence in determination.result["silence"]
        if "affected_user" in silence["towards"] and _lasts(determination, silence)
        for rule in silence["because"]
    ]
    return [*(_cited(determination, each) for each in laws), *([RESTRICTED] if laws else [])]


def _lasts(determination: Determination, silence: dict[str, Any]) -> bool:
    until = preservation.silent_until(determination, silence)
    return until is None or until > timezone.now()


def _cited(determination: Determination, record: str) -> Basis:
    rule = releases.rules_of(determination.release).records[record][0]
    return {"rule": record, "cite": f"{rule.law}, {rule.cite}"}


def _month_after(at: datetime) -> datetime:
    """Return the end of a month that runs from an instant (Regulation 1182/71 Art 3(2)(c))."""
    year, month = at.year + at.month // 12, at.month % 12 + 1
    return at.replace(year=year, month=month, day=min(at.day, monthrange(year, month)[1]))
