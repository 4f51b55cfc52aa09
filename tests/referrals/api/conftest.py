"""Programs: what an agency's own code sends, signed with real keys, over the real addresses."""

import base64
import hashlib
import json
import secrets
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.cache import cache
from django.test import Client
from joserfc.jwk import OKPKey

from compliance.vault import age
from referrals.agencies import Agency
from referrals.clients import LiaisonClient
from referrals.docket import Referral, referral_number

BASE = "http://localhost:8000"
LIST = "/api/v1/referrals"
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
Form = Mapping[str, Any]


def b64(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(key: OKPKey, header: Form | str, claims: Form | str) -> str:
    """Sign a compact JWS (RFC 7515); text is taken as it is, so that it may break any rule."""
    parts = (part if isinstance(part, str) else json.dumps(part) for part in (header, claims))
    covered = ".".join(b64(part.encode()) for part in parts)
    signature = key.private_key.sign(covered.encode())  # type: ignore[union-attr]
    return f"{covered}.{b64(signature)}"


def public(key: OKPKey) -> dict[str, Any]:
    """Return the public half as a bare JWK."""
    return {name: key.as_dict(private=False)[name] for name in ("kty", "crv", "x")}


class Program:
    """One program of an agency: it holds a key, gets a token, and proves the key each time.

    What a test names replaces what the program would say of itself; None leaves it out.
    """

    def __init__(self, client_id: str, key: OKPKey, address: str = "127.0.0.1") -> None:
        self.client_id, self.key = client_id, key
        self.http = Client(REMOTE_ADDR=address)
        self._token = ""

    @property
    def token(self) -> str:
        """The token of this program, asked for once."""
        if not self._token:
            reply = self.ask_token()
            assert reply.status_code == 200, reply.content
            self._token = reply.json()["access_token"]
        return self._token

    def assertion(
        self, *, header: Form | None = None, key: OKPKey | None = None, **claims: Any
    ) -> str:
        """Return an assertion of who this is (RFC 7523)."""
        now = int(time.time())
        said = {"iss": self.client_id, "sub": self.client_id, "aud": f"{BASE}/api/token"}
        said |= {"iat": now, "exp": now + 60, "jti": secrets.token_urlsafe(16)} | claims
        return signed(key or self.key, _kept({"alg": "Ed25519", **(header or {})}), _kept(said))

    def proof(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        header: Form | None = None,
        key: OKPKey | None = None,
        **claims: Any,
    ) -> str:
        """Return a proof for one request (RFC 9449), naming the token if there is one."""
        key = key or self.key
        head = {"typ": "dpop+jwt", "alg": "Ed25519", "jwk": public(key)} | dict(header or {})
        said: dict[str, Any] = {"htm": method, "htu": f"{BASE}{path.partition('?')[0]}"}
        said |= {"iat": int(time.time()), "jti": secrets.token_urlsafe(16)}
        if token is not None:
            said["ath"] = b64(hashlib.sha256(token.encode()).digest())
        return signed(key, _kept(head), _kept(said | claims))

    def ask_token(self, *, proof: str | None = None, **form: Any) -> Any:
        """Ask for a token and return the reply; an empty `proof` sends none."""
        asked: dict[str, Any] = {"grant_type": "client_credentials"}
        asked["client_assertion_type"] = JWT_BEARER
        if "client_assertion" not in form:
            asked["client_assertion"] = self.assertion()
        proof = self.proof("POST", "/api/token") if proof is None else proof
        return self.http.post(
            "/api/token",
            urlencode(_kept(asked | form), doseq=True),
            headers={"DPoP": proof} if proof else {},
            content_type="application/x-www-form-urlencoded",
        )

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        proof: str | None = None,
        authorization: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send one request with a fresh proof and return the reply; `body` becomes JSON.

        An empty `proof` or `authorization` sends none; bytes as `body` are sent as they are.
        """
        if authorization is None:
            authorization = f"DPoP {self.token}"
        if proof is None:
            proof = self.proof(method, path, token=authorization.partition(" ")[2])
        own = {"Authorization": authorization, "DPoP": proof}
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body)
        return self.http.generic(
            method,
            path,
            data,
            "application/json",
            headers={name: value for name, value in own.items() if value} | dict(headers or {}),
        )

    def get(self, path: str = LIST, **more: Any) -> Any:
        """GET with a fresh proof."""
        return self.call("GET", path, **more)

    def head(self, path: str, **more: Any) -> Any:
        """HEAD with a fresh proof."""
        return self.call("HEAD", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> Any:
        """POST with a fresh proof."""
        return self.call("POST", path, body, **more)


def _kept(said: Form) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}


@pytest.fixture(autouse=True)
def _fresh_throttles(settings: Any) -> Iterator[None]:
    """Serve under one address, and start every test with nobody counted."""
    settings.BASE_URL = BASE
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def program(lee: LiaisonClient, liaison_key: OKPKey) -> Program:
    """Lee's program at the agency that answers for Germany."""
    return Program(lee.client_id, liaison_key)


@pytest.fixture
def other_agency(enrol: Callable[..., Agency]) -> Agency:
    """Another agency, which has nothing to do with the referral to the first."""
    return enrol("europol", age.generate_identity())


@pytest.fixture
def other_key() -> OKPKey:
    """The signing key of the other agency's program."""
    return OKPKey.generate_key("Ed25519")


@pytest.fixture
def mia(
    other_agency: Agency, admit: Callable[..., LiaisonClient], other_key: OKPKey
) -> LiaisonClient:
    """Mia's client at the other agency."""
    return admit(other_agency, other_key, "mia")


@pytest.fixture
def other_program(mia: LiaisonClient, other_key: OKPKey) -> Program:
    """Mia's program at the other agency."""
    return Program(mia.client_id, other_key)


@pytest.fixture
def again(delivered: Referral) -> Callable[..., Referral]:
    """Put another referral to the same agency on record, with a bundle of its own."""

    def make(**changes: Any) -> Referral:
        referral = Referral.objects.get(pk=delivered.pk)
        own, bundle = referral.obligation, referral.bundle
        own.pk, own.recipient = uuid.uuid4(), f"bka-{uuid.uuid4().hex}"
        own.save(force_insert=True)
        fresh = {"pk": uuid.uuid4(), "number": referral_number(), "obligation": own} | changes
        for name, value in fresh.items():
            setattr(referral, name, value)
        referral.save(force_insert=True)
        bundle.pk, bundle.referral = None, referral
        bundle.save(force_insert=True)
        return referral

    return make
