"""Delivery: brings a sealed bundle within its agency's reach, and keeps every attempt."""

from functools import partial
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from compliance import audit, lifecycle
from compliance.errors import Stale
from referrals import agencies, bundles, docket, routes
from referrals.bundles import Bundle
from referrals.channels import Channel, Confirmation, DeliveryFailed, Parcel
from referrals.docket import Referral
from referrals.routes import Route

STILL_OPEN = models.Q(confirmed_at__isnull=True, failed_at__isnull=True)


class Attempt(models.Model):
    """One try to deliver, on record before anything left and whatever became of it."""

    referral = models.ForeignKey(Referral, models.PROTECT, related_name="attempts")
    number = models.PositiveIntegerField()
    route = models.ForeignKey(Route, models.PROTECT, null=True, related_name="+")
    channel = models.CharField(max_length=20)
    environment = models.CharField(max_length=12)
    opened_at = models.DateTimeField(default=timezone.now)
    confirmed_at = models.DateTimeField(null=True)
    confirmed_sha256 = models.CharField(max_length=64, blank=True)
    answer = models.CharField(max_length=100, blank=True)  # status and digest of what was said
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
                condition=STILL_OPEN,
                name="one_open_attempt",
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.referral.number}"


def transmit(referral: Referral) -> tuple[Attempt, Confirmation]:
    """Open an attempt, or resume the open one, and hand the parcel to the channel."""
    bundles.renew(referral)
    attempt, parcel = _open(referral), _parcel(referral)
    try:
        return attempt, _transmitted(attempt, parcel)
    except DeliveryFailed as error:
        _fail(attempt, error)
        raise


@transaction.atomic
def deliver(referral: Referral, sent: tuple[Attempt, Confirmation]) -> Referral:
    """Record that the channel confirmed: the agency can get it from here on."""
    attempt, confirmation = sent
    docket.require_owed(referral)
    bundle = Bundle.objects.select_for_update().get(referral=referral)
    agencies.require_usable(bundle.agency_key)
    if confirmation.sha256 != bundle.sha256:
        raise Stale(f"The bundle of {referral} was sealed anew while the channel had the old one.")
    delivered = lifecycle.advance(referral, docket.State.DELIVERED, by=None)
    _end(
        attempt,
        confirmed_at=confirmation.at,
        confirmed_sha256=confirmation.sha256,
        answer=confirmation.answer,
    )
    return delivered


def deliver_due() -> int:
    """Deliver every sealed referral, most urgent first; abandon what was withdrawn on its way."""
    owed = docket.owed(docket.State.SEALED)
    delivered = lifecycle.pull("deliver", owed, deliver, prepare=transmit)
    withdrawn = Referral.objects.filter(
        attempts__in=Attempt.objects.filter(STILL_OPEN), state=docket.State.WITHDRAWN
    )
    return delivered + lifecycle.pull("abandon", withdrawn, abandon)


@transaction.atomic
def abandon(referral: Referral) -> None:
    """End the attempt that a withdrawn referral left open."""
    attempt = referral.attempts.get(STILL_OPEN)
    _end(attempt, failed_at=timezone.now(), failed_because="Withdrawn.", is_permanent=True)
    audit.record("delivery.abandoned", referral, by=None, attempt=attempt.number)


# Durable: the attempt must be committed before the channel hands anything to anybody.
@transaction.atomic(durable=True)
def _open(referral: Referral) -> Attempt:
    docket.require_sealed(referral)
    route = routes.to(referral.agency)
    return referral.attempts.filter(STILL_OPEN).first() or Attempt.objects.create(
        referral=referral,
        number=referral.attempts.count() + 1,
        route=route,
        channel=_channel(route).name,
        environment=referral.agency.environment,
    )


def _channel(route: Route | None) -> Channel:
    return routes.channel(route, sign=bundles.service_key().sign)


def _transmitted(attempt: Attempt, parcel: Parcel) -> Confirmation:
    if not routes.is_open(attempt.route):
        raise DeliveryFailed(
            "The route was revoked. The next attempt takes another.", permanent=False
        )
    confirmation = _channel(attempt.route).transmit(parcel)
    if confirmation.sha256 != parcel.sha256:
        raise DeliveryFailed("The channel confirmed other bytes than were sealed.", permanent=False)
    return confirmation


@transaction.atomic
def _fail(attempt: Attempt, error: DeliveryFailed) -> None:
    _end(
        attempt,
        failed_at=timezone.now(),
        failed_because=error.message[:200],
        is_permanent=error.permanent,
    )
    audit.record("delivery.failed", attempt.referral, by=None, attempt=attempt.number)


def _end(attempt: Attempt, **outcome: Any) -> None:
    """Write how an open attempt ended, unless another worker wrote that already."""
    current = Attempt.objects.select_for_update().get(pk=attempt.pk)
    if current.confirmed_at or current.failed_at:
        raise Stale(f"Another worker ended {attempt}.")
    for field, value in outcome.items():
        setattr(current, field, value)
    current.save(update_fields=list(outcome))


def _parcel(referral: Referral) -> Parcel:
    bundle = referral.bundle
    return Parcel(
        key=f"{referral.pk}:{bundle.sha256}",
        number=referral.number,
        authority=referral.agency.authority,
        environment=referral.agency.environment,
        size=bundle.size,
        sha256=bundle.sha256,
        objects=bundles.stored_objects(bundle),
        read=partial(bundles.read, bundle, 0, bundle.size),
    )
