"""Lifecycle: the one door through which a record changes its state, and the lease on owed work."""

import logging
import secrets
import uuid
from collections.abc import Callable
from datetime import timedelta
from operator import attrgetter
from typing import Any, TypeVar

from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone

from compliance import audit
from compliance.audit.context import acting, new_cid
from compliance.errors import Malformed, Refused, Stale, WrongState
from compliance.roles import User

log = logging.getLogger(__name__)
R = TypeVar("R", bound=models.Model)

WORKER = "system:worker"
LEASE = timedelta(seconds=15)  # the first; each further attempt gets twice as long
LONGEST_LEASE = timedelta(hours=2)
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=15)


@transaction.atomic
def advance(
    record: R,
    to: str,
    *,
    because: str = "",
    version: int | None = None,
    by: User | None,
) -> R:
    """Move `record` to the state `to`, stamp it, log it and return it, or refuse.

    `version` is the one that the caller read: Stale if somebody else was faster. A state that
    has a field for its reason wants one.
    """
    current: Any = type(record)._default_manager.select_for_update().get(pk=record.pk)
    if version not in (None, current.version):
        raise Stale
    if to not in current.MOVES.get(current.state, ()):
        raise WrongState(f"{current} is {current.state}; it cannot become {to}.")
    was, current.state = current.state, to
    stamps: dict[str, object] = {f"{to}_at": timezone.now()} | ({f"{to}_by": by} if by else {})
    if hasattr(current, f"{to}_because"):
        stamps[f"{to}_because"] = _reason(because)
    for field, value in stamps.items():
        setattr(current, field, value)
    current.version += 1
    current.save(update_fields=["state", "version", *stamps])
    audit.record(f"{current._meta.model_name}.{to}", current, by=by, was=was)
    return current  # type: ignore[no-any-return]


def _reason(because: str) -> str:
    if not because.strip():
        raise Malformed("A reason is missing. Say in a sentence why you decide so.")
    return because.strip()


def stamped(model: str, state: str, *, by: bool = True) -> models.CheckConstraint:
    """Return the constraint that a state and its stamps come together."""
    filled = Q(**{f"{state}_at__isnull": False})
    empty = Q(**{f"{state}_at__isnull": True})
    if by:
        filled &= Q(**{f"{state}_by__isnull": False})
        empty &= Q(**{f"{state}_by__isnull": True})
    return models.CheckConstraint(
        name=f"{model}_{state}_is_stamped", condition=filled | empty & ~Q(state=state)
    )


def by_a_second_person(model: str, state: str, first: str) -> models.CheckConstraint:
    """Return the constraint that whoever stamped `first` did not stamp `state` as well."""
    return models.CheckConstraint(
        name=f"{model}_{state}_by_a_second_person",
        condition=Q(**{f"{state}_by__isnull": True}) | ~Q(**{f"{state}_by": F(f"{first}_by")}),
    )


def diagram(model: Any) -> str:
    """Draw the moves of a record as a Mermaid state diagram."""
    lines = [f"    [*] --> {next(iter(model.MOVES))}"]
    lines += [f"    {was} --> {to}" for was, after in model.MOVES.items() for to in after]
    return "\n".join(["stateDiagram-v2", *lines])


class Work(models.Model):
    """One effect that is owed: claimed by a lease, done once, never silently dropped."""

    key = models.CharField(max_length=120, unique=True)
    topic = models.CharField(max_length=40)
    subject = models.UUIDField()
    cid = models.CharField(max_length=64)
    available_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveIntegerField(default=0)
    lease = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name_plural = "work"
        indexes = [
            models.Index(
                fields=["topic", "available_at", "id"],
                condition=Q(done_at__isnull=True),
                name="work_that_is_owed",
            )
        ]

    def __str__(self) -> str:
        return self.key


def claim(topic: str) -> Work | None:
    """Take the lease on the oldest row of `topic` that nobody holds, or return None."""
    now = timezone.now()
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    waiting = Work.objects.filter(free, topic=topic, done_at__isnull=True, available_at__lte=now)
    with transaction.atomic():
        row = waiting.select_for_update(skip_locked=True).order_by("available_at", "id").first()
        if row is None:
            return None
        lease = min(LONGEST_LEASE, LEASE * 2 ** min(row.attempts, 12))
        row.lease, row.lease_until = secrets.token_hex(16), now + lease
        row.attempts += 1
        row.save(update_fields=["lease", "lease_until", "attempts"])
    return row


def finish(row: Work) -> None:
    """Mark the row done inside the effect's transaction; a lost lease rolls the effect back."""
    mine = Work.objects.filter(pk=row.pk, lease=row.lease, done_at__isnull=True)
    if mine.update(done_at=timezone.now(), lease_until=None, last_error="") != 1:
        raise Stale(f"The lease on {row} was lost; another worker took it.")


def give_back(row: Work, error: Exception) -> None:
    """Return a row whose effect failed, to be tried again after a growing, jittered pause."""
    limit = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(row.attempts, 12))
    pause = limit * secrets.SystemRandom().random()
    reason = error.message if isinstance(error, Refused) else type(error).__name__
    mine = Work.objects.filter(pk=row.pk, lease=row.lease)
    later = {"lease_until": None, "available_at": timezone.now() + pause}
    with acting(WORKER, cid=row.cid), transaction.atomic():
        if mine.update(**later, last_error=reason[:200]):
            audit.record("work.failed", row, by=None, error=type(error).__name__)
    log.warning("work %s failed: %s", row.pk, type(error).__name__)


def owe(topic: str, subject: uuid.UUID) -> None:
    """Owe `subject` an effect that recurs: one row for ever, owed anew whenever it was done."""
    row, is_new = Work.objects.get_or_create(
        key=f"{topic}:{subject}", defaults={"topic": topic, "subject": subject, "cid": new_cid()}
    )
    if not is_new:
        done = Work.objects.filter(pk=row.pk, done_at__isnull=False)
        done.update(done_at=None, attempts=0, cid=new_cid(), available_at=timezone.now())


def pull(
    topic: str,
    owed: models.QuerySet[R],
    act: Callable[..., object],
    *,
    prepare: Callable[[R], Any] | None = None,
    named: Callable[[R], object] = attrgetter("pk"),
) -> int:
    """Do `act` once for every record that is `owed`, and return how often it was done.

    `prepare` works outside any transaction (files, the network); `act` gets what it returned,
    and is one transaction with the mark that it is done. What may be owed again for the same
    record is `named` anew each time.
    """
    for record in owed:
        Work.objects.get_or_create(
            key=f"{topic}:{named(record)}",
            defaults={"topic": topic, "subject": record.pk, "cid": new_cid()},
        )
    done = 0
    while row := claim(topic):
        done += _do(row, owed, act, prepare)
    return done


def _do(row: Work, owed: models.QuerySet[Any], act: Callable[..., object], prepare: Any) -> bool:
    """Run one effect under its lease; what fails goes back to the queue, never lost."""
    with acting(WORKER, cid=row.cid):
        try:
            # Asked anew under the lease: the row may be another worker's, younger than our list.
            record = owed.filter(pk=row.subject).first()
            ready = (prepare(record),) if record and prepare else ()
            with transaction.atomic():
                if record:  # if not, a person was faster, or an earlier pass did it
                    act(record, *ready)
                finish(row)
        except Exception as error:  # a bug too: one record must not stop all the others
            give_back(row, error)
            return False
    return record is not None


def failing() -> models.QuerySet[Work]:
    """Return the work that failed at least once and is not done, for the desk."""
    return Work.objects.filter(done_at__isnull=True, attempts__gt=0).exclude(last_error="")
