"""Agencies: who may receive a referral, and the key that a bundle is sealed to."""

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from compliance import audit, lifecycle, releases, roles
from compliance.errors import KeyUnusable, Malformed, Refused, SamePerson
from compliance.lifecycle import by_a_second_person, stamped
from compliance.roles import Permission, User
from compliance.vault import age

NOTICE = timedelta(days=30)  # so long before its end an agency is asked for its next key


class NotEnrolled(Refused):
    """No approved agency is enrolled for this recipient."""


class State(models.TextChoices):
    """The last thing that happened to an agency or to one of its keys."""

    ADDED = "added"
    APPROVED = "approved"
    REVOKED = "revoked"


class Admitted(models.Model):
    """What one person adds and another approves, and what is revoked with a reason."""

    State = State
    MOVES = {State.ADDED: (State.APPROVED, State.REVOKED), State.APPROVED: (State.REVOKED,)}

    state = models.CharField(max_length=12, choices=State, default=State.ADDED)
    version = models.PositiveIntegerField(default=1)
    added_at = models.DateTimeField(default=timezone.now)
    added_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    approved_at = models.DateTimeField(null=True)
    approved_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    revoked_because = models.TextField(blank=True)

    class Meta:
        abstract = True
        default_permissions = ["view"]
        constraints = [
            stamped("%(class)s", State.APPROVED),
            stamped("%(class)s", State.REVOKED),
            by_a_second_person("%(class)s", "approved", "added"),
        ]


class Agency(Admitted):
    """One authority of the rulebooks, enrolled by one person and approved by another."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    authority = models.CharField(max_length=40)
    name = models.CharField(max_length=200)
    environment = models.CharField(
        max_length=12, choices=[("test", "test"), ("production", "production")]
    )

    class Meta(Admitted.Meta):
        verbose_name_plural = "agencies"
        ordering = ["authority"]
        constraints = [
            models.UniqueConstraint(
                name="one_agency_answers_for_an_authority",
                fields=["authority"],
                condition=~models.Q(state=State.REVOKED),
            ),
            *Admitted.Meta.constraints,
        ]

    def __str__(self) -> str:
        return self.authority


class AgencyKey(Admitted):
    """An age public key of an agency; its fingerprint is read back before it counts."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="keys")
    recipient = models.TextField()
    fingerprint = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()

    class Meta(Admitted.Meta):
        ordering = ["-added_at"]

    def __str__(self) -> str:
        return f"key {self.fingerprint[:16]}"

    @property
    def kind(self) -> str:
        """Return the type of the key, as age calls it."""
        return age.parse_recipient(self.recipient).kind


@audit.attributed
@transaction.atomic
def enrol(*, authority: str, name: str, environment: str = "test", by: User) -> Agency:
    """Enrol the agency that answers for an authority of the rulebooks."""
    roles.require(by, Permission.ENROL_AGENCY)
    if authority not in releases.rules().authorities:
        raise Malformed(f"The rulebooks know no authority {authority!r}.")
    if not 0 < len(name.strip()) <= 200:
        raise Malformed("The agency's name wants 1 to 200 characters.")
    if environment not in ("test", "production"):
        raise Malformed("The environment is test or production.")
    if Agency.objects.filter(authority=authority).exclude(state=State.REVOKED).exists():
        raise Malformed(f"An agency is enrolled for {authority} already.")
    agency = Agency.objects.create(
        authority=authority, name=name.strip(), environment=environment, added_by=by
    )
    audit.record("agency.added", agency, by=by)
    return agency


@audit.attributed
def approve(agency: Agency, *, by: User) -> Agency:
    """Approve an agency that a colleague enrolled."""
    roles.require(by, Permission.APPROVE_AGENCY)
    require_second(agency, by)
    return lifecycle.advance(agency, State.APPROVED, by=by)


@audit.attributed
def revoke(agency: Agency, *, because: str, by: User) -> Agency:
    """Revoke an agency: nothing more is entered or sealed for it, and its clients cannot call."""
    roles.require(by, Permission.APPROVE_AGENCY)
    return lifecycle.advance(agency, State.REVOKED, because=because, by=by)


@audit.attributed
@transaction.atomic
def add_key(agency: Agency, recipient: str, *, expires_at: datetime, by: User) -> AgencyKey:
    """Add an agency's public key. It counts once a second person approved it.

    `recipient` is age1pq… (mlkem768x25519, which we advise), age1… (X25519) or age1tag… (p256tag).
    """
    roles.require(by, Permission.ENROL_AGENCY)
    try:
        parsed = age.parse_recipient(recipient.strip())
    except age.AgeError as error:
        raise Malformed(
            "This is not an age public key. It begins with age1pq, age1 or age1tag."
        ) from error
    if expires_at <= timezone.now():
        raise Malformed("The key's last day must lie in the future.")
    mark = age.fingerprint(parsed)
    if AgencyKey.objects.filter(fingerprint=mark).exists():
        raise Malformed("This key is on record already.")
    key = AgencyKey.objects.create(
        agency=agency, recipient=str(parsed), fingerprint=mark, expires_at=expires_at, added_by=by
    )
    audit.record("agencykey.added", key, by=by, fingerprint=mark)
    return key


@audit.attributed
def approve_key(key: AgencyKey, *, fingerprint: str, by: User) -> AgencyKey:
    """Approve a key: `fingerprint` is what the agency read out over another channel."""
    roles.require(by, Permission.APPROVE_AGENCY)
    require_second(key, by)
    heard = "".join(fingerprint.split()).lower()
    if heard != key.fingerprint:
        raise Malformed("The fingerprint that the agency read out is not the one of this key.")
    return lifecycle.advance(key, State.APPROVED, by=by)


@audit.attributed
def revoke_key(key: AgencyKey, *, because: str, by: User) -> AgencyKey:
    """Revoke a key; nothing is sealed to it from now on."""
    roles.require(by, Permission.APPROVE_AGENCY)
    return lifecycle.advance(key, State.REVOKED, because=because, by=by)


def expiring() -> QuerySet[AgencyKey]:
    """Return the keys that end within NOTICE and that no later one of their agency follows."""
    soon = timezone.now() + NOTICE
    heir = _usable_keys().filter(agency=OuterRef("agency"), expires_at__gt=soon)
    return _usable_keys().filter(~Exists(heir), expires_at__lte=soon).order_by("expires_at")


@transaction.atomic
def warn(key: AgencyKey) -> None:
    """Put on record that a key is about to end; the desk asks for the next one."""
    audit.record("agencykey.warned", key, by=None)


def warn_due() -> int:
    """Warn once of every key that is about to end."""
    return lifecycle.pull("warn", expiring(), warn)


def for_recipient(recipient: str) -> Agency:
    """Return the approved agency for a recipient of the law, or raise NotEnrolled."""
    agency = Agency.objects.filter(authority=recipient, state=State.APPROVED).first()
    if agency is None:
        raise NotEnrolled(f"No approved agency is enrolled for {recipient}. Enrol it, then wait.")
    return agency


def successor(agency: Agency) -> Agency:
    """Return the agency itself, or once it is revoked who answers for its authority now."""
    return agency if agency.state == State.APPROVED else for_recipient(agency.authority)


def sealing_key(agency: Agency) -> AgencyKey:
    """Return the newest usable key of an agency, or raise KeyUnusable."""
    key = _usable_keys().filter(agency=agency).order_by("-approved_at").first()
    if key is None:
        raise KeyUnusable(
            f"The agency {agency} has no approved, unexpired key. Add one and have it approved; "
            "what waits for it then goes on by itself."
        )
    return key


def is_usable(key: AgencyKey) -> bool:
    """Tell whether a key still counts."""
    return _usable_keys().filter(pk=key.pk).exists()


def require_usable(key: AgencyKey) -> None:
    """Refuse a key that was revoked or expired meanwhile; until the transaction ends it is not."""
    if _usable_keys().select_for_update().filter(pk=key.pk).first() is None:
        raise KeyUnusable(f"The {key} of {key.agency} was revoked or expired while it was used.")


def _usable_keys() -> QuerySet[AgencyKey]:
    return AgencyKey.objects.filter(
        state=State.APPROVED, agency__state=State.APPROVED, expires_at__gt=timezone.now()
    )


def require_second(record: Any, by: User) -> None:
    """Refuse the person who added a record as the one who approves it."""
    if record.added_by_id == by.pk:
        raise SamePerson("A second person must approve what you added.")
