"""Proofs: a program shows with every request that it holds its key (DPoP, RFC 9449)."""

import base64
import hashlib
import secrets
import time
from datetime import timedelta

from referrals import clients
from referrals.api import jose
from referrals.api.jose import BadToken, Signed

SKEW = 60  # seconds that a program's clock may be off


def check(
    text: str | None,
    *,
    method: str,
    url: str,
    token: str | None = None,
    bound_to: str | None = None,
) -> str:
    """Check a proof as RFC 9449 section 4.3 lists it; return the thumbprint of its key.

    With `token` the proof must name it, and with `bound_to` its key must be that one.
    """
    # 1.-3. One header, a well-formed JWT.
    if not text:
        raise BadToken("The header DPoP is missing.")
    proof = jose.parse(text)
    # 4.-7. Its type, algorithm (in parse) and signature, by a public key that it carries.
    if proof.header.get("typ") != "dpop+jwt":
        raise BadToken("The proof's typ must be dpop+jwt.")
    key = jose.public_key(proof.header.get("jwk"))
    proof.check(key)
    # 8.-11. Made for this request, now.
    _check_request(proof, method, url)
    # 12. Made for this token, by the key that it is bound to.
    if token is not None:
        _check_token(proof, token)
    thumbprint = key.thumbprint()
    if bound_to is not None and not secrets.compare_digest(thumbprint, bound_to):
        raise BadToken("The token is bound to another key.")
    # Last, so that a proof which fails otherwise is not used up (section 11.1).
    _use(thumbprint, proof.jti())
    return thumbprint


def _check_request(proof: Signed, method: str, url: str) -> None:
    if proof.claims.get("htm") != method:
        raise BadToken("The proof's htm is not the method of this request.")
    if proof.claims.get("htu") != url:
        raise BadToken("The proof's htu is not the address of this request without its query.")
    if abs(proof.number("iat") - time.time()) > SKEW:
        raise BadToken("The proof's iat is more than a minute off. Check the clock.")


def _check_token(proof: Signed, token: str) -> None:
    digest = hashlib.sha256(token.encode()).digest()
    wanted = base64.urlsafe_b64encode(digest).rstrip(b"=")
    given = str(proof.claims.get("ath")).encode("utf-8", "replace")
    if not secrets.compare_digest(given, wanted):
        raise BadToken("The proof's ath is not the digest of this token.")


def _use(thumbprint: str, jti: str) -> None:
    life = timedelta(seconds=2 * SKEW + 10)
    if not clients.use_once(f"proof:{thumbprint}:{jti}", life=life):
        raise BadToken("This proof was used before.")
