"""HTTPS: an agency's server gets the sealed bytes once, signed, and says what it received."""

import base64
import json
import ssl
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from referrals.channels import Confirmation, DeliveryFailed
from referrals.channels.https import Https
from tests.referrals.channels.parcel import BYTES, DIGEST, PARCEL
from tests.servers import hear, say, serving

KEY = Ed25519PrivateKey.generate()


pytestmark = pytest.mark.usefixtures("trusted")


class Agency:
    """A server of an agency: keeps what it was sent, by its key, and answers."""

    def __init__(self, status: str = "200 OK", answer: bytes | None = None) -> None:
        self.heard: list[tuple[str, dict[str, str], bytes]] = []
        self.kept: dict[str, bytes] = {}
        self._status, self._answer = status, answer

    def talk(self, line: ssl.SSLSocket) -> None:
        """Answer one request."""
        self.heard.append(heard := hear(line))
        self.kept[heard[1]["idempotency-key"]] = heard[2]
        found = json.dumps({"sha256": sha256(heard[2]).hexdigest()}).encode()
        say(line, self._status, found if self._answer is None else self._answer)


def push(agency: Agency, pem: Path, path: str = "/in") -> tuple[str, Confirmation]:
    with serving(agency.talk, pem) as url:
        return f"{url}{path}", Https(f"{url}{path}", KEY.sign).transmit(PARCEL)


class TestTransmit:
    def test_brings_the_very_bytes_and_returns_what_the_agency_received(self, pem: Path) -> None:
        agency = Agency()
        _, said = push(agency, pem)
        ((first, headers, body),) = agency.heard
        assert (first, body) == ("POST /in HTTP/1.1", BYTES)
        assert said.sha256 == DIGEST
        answer = json.dumps({"sha256": DIGEST}).encode()
        assert said.answer == f"200 {sha256(answer).hexdigest()}"
        told = ("content-type", "dutyline-referral", "dutyline-environment")
        assert [headers[each] for each in told] == ["application/zip", "R-7K3M-9QXT", "test"]
        digest = base64.b64encode(sha256(BYTES).digest()).decode()
        assert headers["content-digest"] == f"sha-256=:{digest}:"

    def test_is_signed_so_that_the_agency_knows_whose_it_is(self, pem: Path) -> None:
        agency = Agency()
        url, _ = push(agency, pem, "/in?box=1")
        ((_, headers, _),) = agency.heard
        # As an agency's engineer reads RFC 9421, and not as our code does it.
        params = headers["signature-input"].removeprefix("dutyline=")
        base = (
            f'"@method": POST\n"@target-uri": {url}\n'
            f'"content-digest": {headers["content-digest"]}\n'
            f'"content-length": {len(BYTES)}\n'
            f'"idempotency-key": {headers["idempotency-key"]}\n'
            f'"@signature-params": {params}'
        )
        signature = headers["signature"].removeprefix("dutyline=:").removesuffix(":")
        KEY.public_key().verify(base64.b64decode(signature), base.encode())

    def test_has_the_same_key_however_often_it_is_sent(self, pem: Path) -> None:
        agency = Agency()
        push(agency, pem)
        push(agency, pem)
        assert len(agency.heard) == 2
        assert agency.kept == {f'"0f0f:{DIGEST}"': BYTES}

    @pytest.mark.parametrize(
        ("status", "permanent"),
        [
            ("400 Bad Request", True),
            ("401 Unauthorized", True),
            ("408 Request Timeout", False),
            ("409 Conflict", True),
            ("425 Too Early", False),
            ("429 Too Many Requests", False),
            ("499 Odd", True),
            ("500 Internal Server Error", False),
            ("503 Service Unavailable", False),
        ],
    )
    def test_fails_as_the_agency_refuses(self, pem: Path, status: str, permanent: bool) -> None:
        with pytest.raises(DeliveryFailed) as caught:
            push(Agency(status), pem)
        assert caught.value.message == f"The agency's server answered {status[:3]}."
        assert caught.value.permanent is permanent

    def test_fails_when_the_server_redirects(self, pem: Path) -> None:
        with pytest.raises(DeliveryFailed, match="redirects") as caught:
            push(Agency("302 Found"), pem)
        assert caught.value.permanent

    @pytest.mark.parametrize(
        "answer", [b"", b"ok", b"[]", b"{}", b'{"sha256": 7}', b"[" * 60_000, b"\xff"]
    )
    def test_wants_to_hear_what_was_received(self, pem: Path, answer: bytes) -> None:
        with pytest.raises(DeliveryFailed, match="does not say what it received") as caught:
            push(Agency(answer=answer), pem)
        assert not caught.value.permanent
