"""Delivery: brings a sealed bundle within its agency's reach, and keeps every attempt."""

from django.db import models, transaction
from django.utils import timezone

from compliance import audit, lifecycle
from referrals import bundles, docket
from referrals.channels import Confirmation, DeliveryFailed, Parcel
from referrals.channels.pickup import Pickup
from referrals.docket import Referral

CHANNEL = Pickup()


class Attempt(models.Model):
    """One try to deliver, on record before anything left and whatever became of it."""

    referral = models.ForeignKey(Referral, models.PROTECT, related_name="attempts")
    number = models.PositiveIntegerField()
    channel = models.CharField(max_length=20)
    environment = models.CharField(max_length=12)
    opened_at = models.DateTimeField(default=timezone.now)
    confirmed_at = models.DateTimeField(null=True)
    confirmed_sha256 = models.CharField(max_length=64, blank=True)
    failed_at = models.DateTimeField(null=True)
    failed_because = models.CharField(max_length=200, blank=True)
    is_permanent = models.BooleanField(default=False)

    class Meta:
        default_permissions = ["view"]
        ordering = ["referral", "number"]
        constraints = [
            models.UniqueConstraint(fields=["referral", "number"], name="attempt_numbered_once"),
            models.UniqueConstraint(
                fields=["referral"],
                condition=models.Q(confirmed_at__isnull=True, failed_at__isnull=True),
                name="one_open_attempt",
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.referral.number}"


def transmit(referral: Referral) -> tuple[Attempt, Confirmation]:
    """Open an attempt, or resume the open one, and hand the parcel to the channel."""
    attempt = _open(referral)
    try:
        return attempt, CHANNEL.transmit(_parcel(referral))
    except DeliveryFailed as error:
        _fail(attempt, error)
        raise


@transaction.atomic
def deliver(referral: Referral, sent: tuple[Attempt, Confirmation]) -> Referral:
    """Record that the channel confirmed: the agency can get it from here on."""
    attempt, confirmation = sent
    attempt.confirmed_at, attempt.confirmed_sha256 = confirmation.at, confirmation.sha256
    attempt.save(update_fields=["confirmed_at", "confirmed_sha256"])
    return lifecycle.advance(referral, docket.State.DELIVERED, by=None)


def deliver_due() -> int:
    """Deliver every sealed referral, most urgent first."""
    owed = Referral.objects.filter(state=docket.State.SEALED).order_by("due_at")
    return lifecycle.pull("deliver", owed, deliver, prepare=transmit)


def _open(referral: Referral) -> Attempt:
    still_open = referral.attempts.filter(confirmed_at__isnull=True, failed_at__isnull=True)
    return still_open.first() or Attempt.objects.create(
        referral=referral,
        number=referral.attempts.count() + 1,
        channel=CHANNEL.name,
        environment=referral.agency.environment,
    )


@transaction.atomic
def _fail(attempt: Attempt, error: DeliveryFailed) -> None:
    attempt.failed_at, attempt.failed_because = timezone.now(), error.message[:200]
    attempt.is_permanent = error.permanent
    attempt.save(update_fields=["failed_at", "failed_because", "is_permanent"])
    audit.record("delivery.failed", attempt.referral, by=None, attempt=attempt.number)


def _parcel(referral: Referral) -> Parcel:
    bundle = referral.bundle
    return Parcel(
        key=f"{referral.pk}:1",
        number=referral.number,
        authority=referral.agency.authority,
        environment=referral.agency.environment,
        size=bundle.size,
        sha256=bundle.sha256,
        objects=bundles.stored_objects(bundle),
    )
