"""HTTPS: the bundle is pushed to a server of the agency, which says what it received.

POST /their/path HTTP/1.1
Content-Type: application/zip
Content-Digest: sha-256=:…:                  RFC 9530
Idempotency-Key: "…"                         the same key always brings the same bytes
Dutyline-Referral: R-…
Dutyline-Environment: test
Signature-Input: dutyline=("@method" …)      RFC 9421, Ed25519 with the key of allowed_signers
Signature: dutyline=:…:

HTTP/1.1 200 OK
{"sha256": "…"}                              of the bytes that it received
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from django.utils import timezone

from compliance import outbound
from referrals.channels import Confirmation, DeliveryFailed, Parcel

SLOWEST = 256 * 1024  # bytes a second that a line must carry
AGAIN = {408, 425, 429}  # refusals that time may mend
COVERED = ("@method", "@target-uri", "content-digest", "content-length", "idempotency-key")


class Https:
    """Pushes to one address; `sign` makes an Ed25519 signature with the service's key."""

    name = "https"

    def __init__(self, address: str, sign: Callable[[bytes], bytes]) -> None:
        self._address, self._sign = address, sign

    def transmit(self, parcel: Parcel) -> Confirmation:
        """Push the parcel; the server's own digest of what it received is the confirmation."""
        headers = _headers(parcel)
        headers |= _signature(self._address, headers, self._sign)
        seconds = outbound.PATIENCE + parcel.size / SLOWEST
        try:
            answer = outbound.post(self._address, parcel.read(), headers, seconds=seconds)
        except outbound.NoAnswer as error:
            raise DeliveryFailed(error.message, permanent=error.permanent) from error
        if not 200 <= answer.status < 300:
            raise DeliveryFailed(
                f"The agency's server answered {answer.status}.",
                permanent=400 <= answer.status < 500 and answer.status not in AGAIN,
            )
        return Confirmation(
            at=timezone.now(),
            sha256=_received(answer.body),
            answer=f"{answer.status} {hashlib.sha256(answer.body).hexdigest()}",
        )


def _headers(parcel: Parcel) -> dict[str, str]:
    digest = base64.b64encode(bytes.fromhex(parcel.sha256)).decode("ascii")
    return {
        "Content-Type": "application/zip",
        "Content-Length": str(parcel.size),
        "Content-Digest": f"sha-256=:{digest}:",
        "Idempotency-Key": f'"{parcel.key}"',
        "Dutyline-Referral": parcel.number,
        "Dutyline-Environment": parcel.environment,
    }


def _signature(
    address: str, headers: Mapping[str, str], sign: Callable[[bytes], bytes]
) -> dict[str, str]:
    """Sign what the request is about (RFC 9421, section 2.5)."""
    derived = {"@method": "POST", "@target-uri": address}
    said = derived | {name.lower(): value for name, value in headers.items()}
    names = " ".join(f'"{name}"' for name in COVERED)
    created = int(timezone.now().timestamp())
    params = f'({names});created={created};alg="ed25519";tag="dutyline-push"'
    lines = [f'"{name}": {said[name]}' for name in COVERED] + [f'"@signature-params": {params}']
    signature = base64.b64encode(sign("\n".join(lines).encode())).decode("ascii")
    return {"Signature-Input": f"dutyline={params}", "Signature": f"dutyline=:{signature}:"}


def _received(body: bytes) -> str:
    """Return the digest that the agency's server names; any other answer is none."""
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("sha256"), str):
        raise DeliveryFailed("The agency's server does not say what it received.", permanent=False)
    return str(found["sha256"])
