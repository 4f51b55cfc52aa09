"""Authentication: a token of five minutes, and with each request a proof of the key behind it."""

from dataclasses import dataclass
from typing import ClassVar, cast

from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from referrals import clients
from referrals.api import proofs
from referrals.api.assertions import remote_address
from referrals.api.errors import CHALLENGE, Problem
from referrals.api.jose import BadToken
from referrals.clients import AccessToken, LiaisonClient


@dataclass(frozen=True)
class Liaison:
    """The principal of a request: a program of an agency. It is not a user."""

    client: LiaisonClient
    is_authenticated: ClassVar[bool] = True


class DPoP(BaseAuthentication):
    """The scheme DPoP (RFC 9449 section 7)."""

    def authenticate(self, request: Request) -> tuple[Liaison, None] | None:
        """Return who calls, None without credentials, or raise a 401."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return None
        if scheme.lower() != "dpop":
            raise Problem(401, "invalid_token", "The scheme must be DPoP.")
        known = _usable(token)
        try:
            proofs.check(
                request.headers.get("DPoP"),
                method=str(request.method),
                url=address(request.path),
                token=token,
                bound_to=known.thumbprint,
            )
        except BadToken as error:
            clients.refuse(known.client, "invalid_dpop_proof")
            raise Problem(401, "invalid_dpop_proof", str(error)) from error
        request._request.liaison = known.client  # type: ignore[attr-defined]  # for the audit log
        return Liaison(known.client), None

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return CHALLENGE


def caller(request: Request) -> LiaisonClient:
    """Return the client that calls; only behind a permission that asked for one."""
    return cast(Liaison, request.user).client


def address(path: str) -> str:
    """Return a path of ours as agencies see it; what the Host header claims is ignored."""
    return f"{settings.BASE_URL.rstrip('/')}{path}"


def _usable(token: str) -> AccessToken:
    known = clients.find_token(token)
    if known is None or not known.client.is_usable:
        raise Problem(401, "invalid_token", "The token is unknown, expired or no longer valid.")
    if not known.client.may_come_from(remote_address()):
        clients.refuse(known.client, "invalid_token")
        raise Problem(401, "invalid_token", "This client may not call from here.")
    return known
