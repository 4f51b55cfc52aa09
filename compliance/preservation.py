"""Preservation: nothing of a signed matter is erased while its hold lasts."""

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from compliance import audit, lifecycle, roles
from compliance.determinations import Determination, Obligation
from compliance.errors import Malformed, Stale, WrongState
from compliance.lifecycle import stamped
from compliance.roles import Permission, User

# House policy where no law sets a period: what we referred is kept as long as 18 USC 2703(f)
# lets an authority ask for at first, so that its legal process does not come too late.
HOUSE_PERIOD = timedelta(days=90)


class State(models.TextChoices):
    """The last thing that happened to a hold."""

    PLACED = "placed"
    RELEASED = "released"


class Hold(models.Model):
    """The evidence of one signed determination, kept from its signature until a date."""

    State = State
    MOVES = {State.PLACED: (State.RELEASED,)}

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    determination = models.OneToOneField(Determination, models.PROTECT, related_name="hold")
    state = models.CharField(max_length=12, choices=State, default=State.PLACED)
    version = models.PositiveIntegerField(default=1)
    because = models.JSONField()
    kept_until = models.DateTimeField(null=True, help_text="Empty: until released.")
    placed_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True)
    released_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    released_because = models.TextField(blank=True)

    class Meta:
        default_permissions = ["view"]
        ordering = ["-placed_at", "-id"]
        constraints = [stamped("hold", State.RELEASED)]

    def __str__(self) -> str:
        return f"hold on {self.determination.finding.reference}"


@transaction.atomic
def place(determination: Determination) -> Hold:
    """Place the hold of a signed determination; it counts from the signature."""
    if determination.signed_at is None:
        raise WrongState(f"{determination} is not signed; there is nothing to hold.")
    because, until = _period(determination, determination.signed_at)
    hold = Hold.objects.create(
        determination=determination,
        because=because,
        kept_until=until,
        placed_at=determination.signed_at,
    )
    audit.record("hold.placed", hold, by=None)
    return hold


@audit.attributed
def release(hold: Hold, *, because: str, by: User) -> Hold:
    """Release a hold, with the reason."""
    roles.require(by, Permission.RELEASE_HOLD)
    return lifecycle.advance(hold, State.RELEASED, because=because, by=by)


@audit.attributed
@transaction.atomic
def extend(
    hold: Hold, *, kept_until: datetime | None, because: str, version: int | None = None, by: User
) -> Hold:
    """Keep the matter longer: until a later instant, or, without one, until it is released.

    Such as on an authority's letter (18 USC 2703(f)). Raises Malformed, Stale, or WrongState.
    """
    roles.require(by, Permission.RELEASE_HOLD)
    if not because.strip():
        raise Malformed("A reason is missing. Say in a sentence why it is kept longer.")
    current = Hold.objects.select_for_update().get(pk=hold.pk)
    if version not in (None, current.version):
        raise Stale
    if current.state != State.PLACED:
        raise WrongState(f"The {current} is {current.state}; it cannot be extended.")
    if current.kept_until is None or (kept_until and kept_until <= current.kept_until):
        raise Malformed("An extension ends later than the hold that it extends.")
    current.kept_until, current.version = kept_until, current.version + 1
    current.save(update_fields=["kept_until", "version"])
    audit.record("hold.extended", current, by=by, purpose=because.strip())
    return current


def place_due() -> int:
    """Place the hold of every signed determination that asks for one and has none."""
    return lifecycle.pull("place", _owed(), place)


def _owed() -> models.QuerySet[Determination]:
    """Return the signed determinations that ask for a hold and have none."""
    refers = models.Exists(
        Obligation.objects.filter(determination=models.OuterRef("pk"), is_accepted=True)
    )
    signed = Determination.objects.filter(signed_at__isnull=False, hold__isnull=True)
    return signed.filter(refers | ~models.Q(result__preserve=None)).order_by("signed_at")


def is_held(determination: Determination) -> bool:
    """Tell whether nothing of this matter may be erased now."""
    hold = Hold.objects.filter(determination=determination).first()
    if hold is None:
        return _owed().filter(pk=determination.pk).exists()
    over = hold.kept_until is not None and hold.kept_until < timezone.now()
    return hold.state == State.PLACED and not over


def silent_until(determination: Determination, silence: dict[str, Any]) -> datetime | None:
    """Return when a silence of a signed matter is over, or was; None while nobody can tell.

    One without an end lasts as long as the hold that counsel lifts, and for ever without a hold.
    """
    if silence["until"]:
        return datetime.fromisoformat(silence["until"])
    hold = Hold.objects.filter(determination=determination).first()
    if hold is None or is_held(determination):
        return None
    return hold.released_at or hold.kept_until


def because(determination: Determination) -> list[str]:
    """Return by which laws a signed matter is held, or that the house holds what it referred."""
    return _period(determination, timezone.now())[0]


def _period(determination: Determination, start: datetime) -> tuple[list[str], datetime | None]:
    """Return why and until when: the law's period, or the house's where no law sets one."""
    law = determination.result["preserve"]
    if law is None:
        return ["house.referred"], start + HOUSE_PERIOD
    return law["because"], None if law["until"] == "open" else parse_datetime(law["until"])
