"""Routes: how an agency's bundles reach it. An agency without one collects them at the API."""

import re
import uuid
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import models, transaction

from compliance import audit, lifecycle, outbound, roles
from compliance.errors import Malformed
from compliance.roles import Permission, User
from referrals.agencies import Admitted, Agency, State, require_second
from referrals.channels import Channel
from referrals.channels.file_drop import FileDrop
from referrals.channels.https import Https
from referrals.channels.mail import Mail
from referrals.channels.pickup import Pickup

FOLDER = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class Way(models.TextChoices):
    """The kinds of channels that want an address."""

    HTTPS = "https", "pushed to a server of the agency"
    FILE_DROP = "file_drop", "laid into a directory that the agency collects from"
    MAIL = "mail", "collected at the liaison API, with a notice by mail"


class Route(Admitted):
    """One address of an agency, added by one person and approved by another."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="routes")
    way = models.CharField(max_length=12, choices=Way)
    address = models.CharField(max_length=500)
    environment = models.CharField(max_length=12)

    class Meta(Admitted.Meta):
        ordering = ["-added_at"]
        constraints = [
            models.UniqueConstraint(
                name="one_route_leads_to_an_agency",
                fields=["agency"],
                condition=models.Q(state=State.APPROVED),
            ),
            *Admitted.Meta.constraints,
        ]

    def __str__(self) -> str:
        return f"{self.way} to {self.agency}"


@audit.attributed
@transaction.atomic
def add(agency: Agency, *, way: str, address: str, by: User) -> Route:
    """Add an address of an agency. It counts once a second person approved it."""
    roles.require(by, Permission.ENROL_AGENCY)
    if way not in Way.values:
        raise Malformed(f"The way is one of {', '.join(Way.values)}.")
    address = address.strip()
    _require_form(way, address)
    _require_apart(agency.environment, way, address)
    route = Route.objects.create(
        agency=agency, way=way, address=address, environment=agency.environment, added_by=by
    )
    audit.record("route.added", route, by=by, way=way)
    return route


@audit.attributed
@transaction.atomic
def approve(route: Route, *, address: str, by: User) -> Route:
    """Approve a route: `address` is what the agency read out over another channel.

    The route that led there before is to be revoked first.
    """
    roles.require(by, Permission.APPROVE_AGENCY)
    require_second(route, by)
    if address.strip() != route.address:
        raise Malformed("The address that the agency read out is not the one of this route.")
    _require_apart(route.environment, route.way, route.address)
    if Route.objects.filter(agency=route.agency_id, state=State.APPROVED).exists():
        raise Malformed("Another route leads to this agency. Revoke that one first.")
    return lifecycle.advance(route, State.APPROVED, by=by)


@audit.attributed
def revoke(route: Route, *, because: str, by: User) -> Route:
    """Revoke a route: nothing more is sent on it."""
    roles.require(by, Permission.APPROVE_AGENCY)
    return lifecycle.advance(route, State.REVOKED, because=because, by=by)


def to(agency: Agency) -> Route | None:
    """Return the approved route to an agency, or None: it collects at the liaison API."""
    return Route.objects.filter(agency=agency, state=State.APPROVED).first()


def is_open(route: Route | None) -> bool:
    """Tell whether something may be sent on a route by now; the liaison API always is open."""
    return route is None or Route.objects.filter(pk=route.pk, state=State.APPROVED).exists()


def channel(route: Route | None, *, sign: Callable[[bytes], bytes]) -> Channel:
    """Return the channel of a route; `sign` makes a signature with the service's key."""
    if route is None:
        return Pickup()
    if route.way == Way.HTTPS:
        return Https(route.address, sign)
    if route.way == Way.FILE_DROP:
        return FileDrop(_drop_directory() / route.address)
    return Mail(route.address)


def _require_form(way: str, address: str) -> None:
    if len(address) > 500:
        raise Malformed("The address is longer than 500 characters.")
    if way == Way.HTTPS:
        try:
            outbound.parsed(address)
        except outbound.NoAnswer as error:
            raise Malformed(error.message) from error
    elif way == Way.FILE_DROP:
        _drop_directory()
        if not FOLDER.fullmatch(address):
            raise Malformed(
                "The address is the name of a folder in DUTYLINE_DROP_DIR: small letters, digits "
                "and hyphens, 40 at most."
            )
    else:
        try:
            validate_email(address)
        except ValidationError as error:
            raise Malformed("This is not a mail address.") from error


def _drop_directory() -> Path:
    if not settings.DROP_DIR:
        raise Malformed("No directory for drops is named. Set DUTYLINE_DROP_DIR.")
    return Path(settings.DROP_DIR)


def _require_apart(environment: str, way: str, address: str) -> None:
    """Refuse an address where the other environment is at home: no test reaches production."""
    others = Route.objects.filter(way=way).exclude(environment=environment)
    there = others.exclude(state=State.REVOKED).values_list("address", flat=True)
    if _home(way, address) in {_home(way, each) for each in there}:
        raise Malformed(
            "A route of the other environment leads to this place. Test and production are apart."
        )


def _home(way: str, address: str) -> str:
    """Return what no two environments may share: a server, a folder, a mailbox."""
    return urlsplit(address).netloc.lower() if way == Way.HTTPS else address.lower()
