"""The demo's cast: five people of the provider, its signed profile, and two enrolled desks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.hashers import make_password
from django.utils import timezone

from compliance import facts, releases
from compliance.audit.context import acting
from compliance.roles import Role, User
from referrals import agencies, clients
from referrals.agencies import Agency
from referrals.clients import Scope
from referrals.management import demo_samples

ROLES = {
    "ana": Role.REVIEWER,
    "ben": Role.REVIEWER,
    "carla": Role.COUNSEL,
    "dora": Role.COUNSEL,
    "cleo": Role.CUSTODIAN,
}
LIFE = timedelta(days=90)


@dataclass(frozen=True)
class Cast:
    """The people of the demo."""

    ana: User
    ben: User
    carla: User
    dora: User
    cleo: User


@dataclass(frozen=True)
class Introduced:
    """What an agency hands over about itself: public keys, and what it reads out of them."""

    authority: str
    recipient: str
    fingerprint: str
    client_key: Mapping[str, Any]
    thumbprint: str


def people(password: str) -> Cast:
    """Make the five accounts. They share one password, since hashing five takes seconds."""
    hashed = make_password(password)
    with acting("command:demo"):
        return Cast(**{name: _person(name, role, hashed) for name, role in ROLES.items()})


def _person(name: str, role: str, hashed: str) -> User:
    return User.objects.create(
        username=name, email=f"{name}@example.org", role=role, password=hashed, is_staff=True
    )


def sign_profile(cast: Cast) -> None:
    """Carla records what the law asks about the provider; Dora signs it."""
    recorded = facts.record_profile(demo_samples.profile(), by=cast.carla)
    facts.sign_profile(recorded, by=cast.dora)


def enrol(cast: Cast, desk: Introduced) -> Agency:
    """Cleo enrols an agency with its keys; Carla approves what the agency read out to her."""
    expires = timezone.now() + LIFE
    title = releases.rules().authorities[desk.authority]["title"]
    agency = agencies.enrol(
        authority=desk.authority, name=f"Sample desk for: {title}"[:200], by=cast.cleo
    )
    agency = agencies.approve(agency, by=cast.carla)
    key = agencies.add_key(agency, desk.recipient, expires_at=expires, by=cast.cleo)
    agencies.approve_key(key, fingerprint=desk.fingerprint, by=cast.carla)
    client = clients.admit(
        agency,
        client_id=client_id(desk.authority),
        public_key=desk.client_key,
        scopes=list(Scope.values),
        expires_at=expires,
        by=cast.cleo,
    )
    clients.approve(client, thumbprint_heard=desk.thumbprint, by=cast.carla)
    return agency


def client_id(authority: str) -> str:
    """Return the name of the liaison program of a sample desk."""
    return f"sample-liaison-{authority}"
