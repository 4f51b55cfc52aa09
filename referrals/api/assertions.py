"""Assertions: a program says who it is by signing with its registered key (RFC 7523)."""

import time
from collections.abc import Collection
from datetime import timedelta

from compliance.audit import context
from referrals import clients
from referrals.api import jose
from referrals.api.jose import BadToken, Signed
from referrals.clients import LiaisonClient

LONGEST = 5 * 60  # seconds that an assertion may last
LEEWAY = 10
KEPT = timedelta(seconds=400)
NOBODY = "No client that may call now from here signed this."


def check(text: str, *, audiences: Collection[str]) -> LiaisonClient:
    """Return the client that signed this assertion for one of `audiences`, or raise BadToken."""
    assertion = jose.parse(text)
    # 1. Who says it: a client on record, that may call now and from here, and signed this.
    client = _client(assertion)
    # 2. About itself, to us, for a short while (RFC 7523 section 3).
    if assertion.claims.get("sub") != client.client_id:
        raise BadToken("The claims iss and sub must both be the client id.")
    _check_audience(assertion, audiences)
    _check_time(assertion)
    # 3. Once. Last, so that an assertion which fails otherwise is not used up.
    if not clients.use_once(f"assertion:{client.client_id}:{assertion.jti()}", life=KEPT):
        raise BadToken("This assertion was used before.")
    return client


def _client(assertion: Signed) -> LiaisonClient:
    """Return the client; whatever is wrong gets one answer, so nobody learns who is on record."""
    name = assertion.claims.get("iss")
    client = clients.find_client(name) if isinstance(name, str) else None
    if client is None or not client.is_usable or not client.may_come_from(remote_address()):
        raise BadToken(NOBODY)
    try:
        assertion.check(clients.import_key(client.public_key))
    except BadToken as error:
        raise BadToken(NOBODY) from error
    return client


def remote_address() -> str | None:
    """Return the address of the caller, as the middleware worked it out."""
    return context.current().remote_addr


def _check_audience(assertion: Signed, audiences: Collection[str]) -> None:
    named = assertion.claims.get("aud")
    if isinstance(named, list) and len(named) == 1:
        named = named[0]
    if not isinstance(named, str) or named not in audiences:
        raise BadToken("The claim aud must be the token endpoint or the issuer, alone.")


def _check_time(assertion: Signed) -> None:
    now = time.time()
    if not now - LEEWAY < assertion.number("exp") <= now + LONGEST + LEEWAY:
        raise BadToken("The claim exp must lie ahead, by five minutes at most.")
    for claim in {"iat", "nbf"} & set(assertion.claims):
        if assertion.number(claim) > now + LEEWAY:
            raise BadToken(f"The claim {claim} lies in the future. Check the clock.")
