"""JOSE: the signed tokens that liaison programs send. Ed25519 alone, by either of its names."""

import base64
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry, deserialize_compact

from compliance.errors import Malformed
from referrals import clients

ALGORITHMS = ("Ed25519", "EdDSA")
JTI = re.compile(r"[\x21-\x7e]{8,128}")
LONGEST = 8192  # characters; an honest one has about 500


class BadToken(ValueError):
    """A signed token breaks a rule; the message says which."""


class _Registry(JWSRegistry):
    """Reads EdDSA as Ed25519: with a key of that curve they are one signature (RFC 9864)."""

    def get_alg(self, name: str) -> Any:
        return super().get_alg("Ed25519" if name == "EdDSA" else name)


# What a header says beyond what we read is ignored (RFC 7515 section 4).
_REGISTRY = _Registry(algorithms=["Ed25519"], strict_check_header=False)


@dataclass(frozen=True)
class Signed:
    """A compact JWS with JSON inside (RFC 7519). Nothing in it is believed before `check`."""

    text: str
    header: dict[str, Any]
    claims: dict[str, Any]

    def check(self, key: OKPKey) -> None:
        """Raise BadToken unless `key` signed this."""
        try:
            deserialize_compact(self.text, key, registry=_REGISTRY)
        except (JoseError, ValueError) as error:
            raise BadToken("The signature does not fit the key.") from error

    def number(self, claim: str) -> float:
        """Return a NumericDate (RFC 7519 section 2)."""
        value = self.claims.get(claim)
        if not isinstance(value, float) or not math.isfinite(value):
            raise BadToken(f"The claim {claim} wants a number of seconds.")
        return value

    def jti(self) -> str:
        """Return the identifier under which this token may be used once."""
        value = self.claims.get("jti")
        if not isinstance(value, str) or not JTI.fullmatch(value):
            raise BadToken("The claim jti wants 8 to 128 visible ASCII characters.")
        return value


def parse(text: str) -> Signed:
    """Read a compact JWS whose algorithm we allow, or raise BadToken."""
    parts = text.split(".")
    if len(text) > LONGEST or len(parts) != 3:
        raise BadToken("This is not a signed JWT.")
    signed = Signed(text, _object(parts[0]), _object(parts[1]))
    if signed.header.get("alg") not in ALGORITHMS:
        raise BadToken(f"The algorithm must be one of {', '.join(ALGORITHMS)}.")
    # We know no extension, and what is critical must be known (RFC 7515 section 4.1.11).
    if {"crit", "b64"} & set(signed.header):
        raise BadToken("The header must be without crit and b64.")
    return signed


def public_key(jwk: object) -> OKPKey:
    """Return the public key that a header carries, or raise BadToken."""
    try:
        return clients.import_key(jwk)
    except Malformed as error:
        raise BadToken(f"The header jwk: {error.message}") from error


def _object(part: str) -> dict[str, Any]:
    try:
        # Every number is a float: a whole one of any length is read, and is infinite at worst.
        value = json.loads(
            base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)),
            object_pairs_hook=_once_each,
            parse_int=float,
        )
    except (ValueError, RecursionError) as error:
        raise BadToken("This is not a signed JWT.") from error
    if not isinstance(value, dict):
        raise BadToken("This is not a signed JWT.")
    return value


def _once_each(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object whose names are unique (RFC 7519 section 4), so that none has two meanings."""
    told: dict[str, Any] = {}
    for name, value in pairs:
        if name in told:
            raise ValueError("a name occurs twice")
        told[name] = value
    return told
