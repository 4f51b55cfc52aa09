"""Clients: the programs of an agency's liaisons, known by keys that they hold alone."""

import hashlib
import ipaddress
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, models, transaction
from django.utils import timezone
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from compliance import audit, lifecycle, roles
from compliance.errors import Malformed
from compliance.roles import Permission, User
from referrals import agencies
from referrals.agencies import Admitted, Agency, State

TOKEN_LIFE = timedelta(minutes=5)
REPLY_LIFE = timedelta(days=7)
CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}")
PRIVATE_MEMBERS = frozenset({"d", "k", "p", "q", "dp", "dq", "qi", "oth"})
NO_KEY = "This is not an Ed25519 public key in JWK form."


class Scope(models.TextChoices):
    """What a client may do with the referrals addressed to its agency."""

    READ = "referrals:read"
    ACKNOWLEDGE = "referrals:acknowledge"
    REQUEST = "referrals:request"


class LiaisonClient(Admitted):
    """One program of one agency, known by its Ed25519 public key."""

    client_id = models.CharField(max_length=40, unique=True)
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="clients")
    public_key = models.JSONField()
    scopes = models.JSONField()
    networks = models.JSONField(default=list)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.client_id

    @property
    def is_usable(self) -> bool:
        """Tell whether this client may call us now."""
        return (
            self.state == State.APPROVED
            and self.agency.state == State.APPROVED
            and self.expires_at > timezone.now()
        )

    def may_come_from(self, address: str | None) -> bool:
        """Tell whether the client's networks hold the address; no networks means anywhere."""
        if not self.networks:
            return True
        try:
            asked = ipaddress.ip_address(address or "")
        except ValueError:
            return False
        asked = getattr(asked, "ipv4_mapped", None) or asked  # as a socket for both sees IPv4
        return any(asked in ipaddress.ip_network(network) for network in self.networks)


class AccessToken(models.Model):
    """A token of five minutes, kept as its SHA-256 and bound to one key (RFC 9449)."""

    digest = models.CharField(max_length=64, unique=True)
    client = models.ForeignKey(LiaisonClient, models.PROTECT, related_name="+")
    thumbprint = models.CharField(max_length=64)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ["view"]

    def __str__(self) -> str:
        return f"token {self.pk}"


class SeenOnce(models.Model):
    """The digest of a proof or assertion that was used; a second use is a replay."""

    digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ["view"]

    def __str__(self) -> str:
        return f"seen {self.pk}"


class StoredReply(models.Model):
    """What we answered to a request with an Idempotency-Key, byte for byte."""

    client = models.ForeignKey(LiaisonClient, models.PROTECT, related_name="+")
    key = models.CharField(max_length=128)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    body = models.BinaryField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ["view"]
        verbose_name_plural = "stored replies"
        constraints = [
            models.UniqueConstraint(fields=["client", "key"], name="one_reply_for_one_key")
        ]

    def __str__(self) -> str:
        return f"reply {self.pk}"


@audit.attributed
@transaction.atomic
def admit(
    agency: Agency,
    *,
    client_id: str,
    public_key: Mapping[str, Any],
    scopes: Sequence[str],
    networks: Sequence[str] = (),
    expires_at: datetime,
    by: User,
) -> LiaisonClient:
    """Admit a client with its Ed25519 public key (JWK). It counts once a second person approved."""
    roles.require(by, Permission.ENROL_AGENCY)
    _check(client_id, scopes, networks, expires_at)
    client = LiaisonClient.objects.create(
        agency=agency,
        client_id=client_id,
        public_key=import_key(public_key).as_dict(),
        scopes=sorted(set(scopes)),
        networks=list(networks),
        expires_at=expires_at,
        added_by=by,
    )
    audit.record("liaisonclient.added", client, by=by, thumbprint=thumbprint(client))
    return client


@audit.attributed
def approve(client: LiaisonClient, *, thumbprint_heard: str, by: User) -> LiaisonClient:
    """Approve a client: the thumbprint (RFC 7638) is what the agency read out."""
    roles.require(by, Permission.APPROVE_AGENCY)
    agencies.require_second(client, by)
    if thumbprint_heard.strip() != thumbprint(client):
        raise Malformed("The thumbprint that the agency read out is not the one of this key.")
    return lifecycle.advance(client, State.APPROVED, by=by)


@audit.attributed
def revoke(client: LiaisonClient, *, because: str, by: User) -> LiaisonClient:
    """Revoke a client; its tokens end with it."""
    roles.require(by, Permission.APPROVE_AGENCY)
    return lifecycle.advance(client, State.REVOKED, because=because, by=by)


def import_key(jwk: object) -> OKPKey:
    """Return the Ed25519 public key in a JWK (RFC 8037); a private one is refused."""
    if not isinstance(jwk, Mapping) or (jwk.get("kty"), jwk.get("crv")) != ("OKP", "Ed25519"):
        raise Malformed(NO_KEY)
    if PRIVATE_MEMBERS & set(jwk):
        raise Malformed("This JWK holds a private key. Never send it; make a new one.")
    try:
        return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": str(jwk.get("x"))})
    except (JoseError, ValueError) as error:
        raise Malformed(NO_KEY) from error


def thumbprint(client: LiaisonClient) -> str:
    """Return the RFC 7638 thumbprint of a client's public key."""
    return import_key(client.public_key).thumbprint()


def find_client(client_id: str) -> LiaisonClient | None:
    """Return the client of this name, whatever its state."""
    if not CLIENT_ID.fullmatch(client_id):
        return None
    return LiaisonClient.objects.select_related("agency").filter(client_id=client_id).first()


def lock(client: LiaisonClient) -> LiaisonClient:
    """Take the client's row for this transaction: what it sends twice comes one by one."""
    return LiaisonClient.objects.select_for_update().get(pk=client.pk)


def issue_token(client: LiaisonClient, key_thumbprint: str) -> str:
    """Return a new access token, bound to the key with this thumbprint."""
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        AccessToken.objects.create(
            digest=digest(token),
            client=client,
            thumbprint=key_thumbprint,
            expires_at=timezone.now() + TOKEN_LIFE,
        )
        audit.record("liaisonclient.signed_in", client, by=None, key=key_thumbprint)
    return token


def refuse(client: LiaisonClient | None, reason: str) -> None:
    """Put on record that a program was not let in; None is one that nobody knows."""
    audit.record("liaisonclient.refused", client or LiaisonClient(pk=0), by=None, reason=reason)


def find_token(token: str) -> AccessToken | None:
    """Return the record of a token that has not expired."""
    return (
        AccessToken.objects.select_related("client__agency")
        .filter(digest=digest(token), expires_at__gt=timezone.now())
        .first()
    )


def use_once(what: str, *, life: timedelta) -> bool:
    """Tell whether `what` is new. One insert decides, so two at once cannot both win."""
    try:
        with transaction.atomic():
            SeenOnce.objects.create(digest=digest(what), expires_at=timezone.now() + life)
    except IntegrityError:
        return False
    return True


def find_reply(client: LiaisonClient, key: str) -> StoredReply | None:
    """Return what we answered to this client under this Idempotency-Key."""
    return StoredReply.objects.filter(client=client, key=key).first()


def keep_reply(client: LiaisonClient, key: str, fingerprint: str, status: int, body: bytes) -> None:
    """Keep an answer in the effect's transaction, so that effect and answer are one."""
    StoredReply.objects.create(
        client=client,
        key=key,
        fingerprint=fingerprint,
        status=status,
        body=body,
        expires_at=timezone.now() + REPLY_LIFE,
    )


def sweep_due() -> int:
    """Forget what has expired: tokens, used proofs, stored answers."""
    now = timezone.now()
    return sum(
        model.objects.filter(expires_at__lte=now).delete()[0]
        for model in (AccessToken, SeenOnce, StoredReply)
    )


def digest(text: str) -> str:
    """Return the SHA-256 of a text in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def _check(
    client_id: str, scopes: Sequence[str], networks: Sequence[str], expires_at: datetime
) -> None:
    if not CLIENT_ID.fullmatch(client_id):
        raise Malformed("A client id is made of letters, digits and hyphens (40 at most).")
    if LiaisonClient.objects.filter(client_id=client_id).exists():
        raise Malformed(f"There is a client {client_id} already.")
    if not scopes or set(scopes) - set(Scope.values):
        raise Malformed(f"Scopes are {', '.join(Scope.values)}; name at least one.")
    if expires_at <= timezone.now():
        raise Malformed("The client's last day must lie in the future.")
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise Malformed(f"{network!r} is not a network such as 192.0.2.0/24.") from error
