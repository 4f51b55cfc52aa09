"""Proofs: each request shows the key anew, and a proof that was seen or bent opens nothing."""

import re
import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from joserfc.jwk import ECKey, OKPKey

from referrals.api import proofs
from referrals.clients import SeenOnce
from tests.referrals.api.conftest import BASE, LIST, Program, public

KEY = OKPKey.generate_key("Ed25519")
TYPE = "The proof's typ must be dpop+jwt."
NO_KEY = "The header jwk: This is not an Ed25519 public key in JWK form."
METHOD = "The proof's htm is not the method of this request."
ADDRESS = "The proof's htu is not the address of this request without its query."
TIME = "The proof's iat is more than a minute off. Check the clock."
SECONDS = "The claim iat wants a number of seconds."
DIGEST = "The proof's ath is not the digest of this token."
NAME = "The claim jti wants 8 to 128 visible ASCII characters."
USED = "This proof was used before."
BOUND = "The token is bound to another key."

HEADERS: list[tuple[dict[str, Any], str]] = [
    ({"typ": None}, TYPE),
    ({"typ": "JWT"}, TYPE),
    ({"typ": ["dpop+jwt"]}, TYPE),
    ({"alg": "none"}, "The algorithm must be one of Ed25519, EdDSA."),
    ({"alg": "HS256"}, "The algorithm must be one of Ed25519, EdDSA."),
    ({"alg": "RS256"}, "The algorithm must be one of Ed25519, EdDSA."),
    ({"crit": ["htm"]}, "The header must be without crit and b64."),
    ({"jwk": None}, NO_KEY),
    ({"jwk": "key"}, NO_KEY),
    ({"jwk": ECKey.generate_key("P-256").as_dict(private=False)}, NO_KEY),
    ({"jwk": {"kty": "oct", "k": "AAAA"}}, NO_KEY),
    ({"jwk": public(KEY)}, "The signature does not fit the key."),
    (
        {"jwk": KEY.as_dict(private=True)},
        "The header jwk: This JWK holds a private key. Never send it; make a new one.",
    ),
]
CLAIMS: list[tuple[dict[str, Any], str]] = [
    ({"htm": None}, METHOD),
    ({"htm": "POST"}, METHOD),
    ({"htm": "get"}, METHOD),
    ({"htm": ["GET"]}, METHOD),
    ({"htu": None}, ADDRESS),
    ({"htu": f"{BASE}{LIST}?unread=true"}, ADDRESS),
    ({"htu": f"{BASE}{LIST}/"}, ADDRESS),
    ({"htu": f"{BASE}/api/token"}, ADDRESS),
    ({"htu": f"http://testserver{LIST}"}, ADDRESS),  # what the Host header says
    ({"htu": f"https://localhost:8000{LIST}"}, ADDRESS),
    ({"htu": LIST}, ADDRESS),
    ({"htu": 5}, ADDRESS),
    ({"iat": None}, SECONDS),
    ({"iat": "now"}, SECONDS),
    ({"iat": True}, SECONDS),
    ({"iat": 10**400}, SECONDS),
    ({"iat": 0}, TIME),
    ({"ath": None}, DIGEST),
    ({"ath": ""}, DIGEST),
    ({"ath": "None"}, DIGEST),
    ({"ath": "ümlaut"}, DIGEST),
    ({"ath": "\ud800"}, DIGEST),
    ({"ath": ["x"]}, DIGEST),
    ({"ath": "A" * 43}, DIGEST),
    ({"jti": None}, NAME),
    ({"jti": "short"}, NAME),
    ({"jti": "x" * 129}, NAME),
    ({"jti": 12345678}, NAME),
]
BENT: list[tuple[dict[str, Any], str]] = [
    ({"htm": "GET"}, METHOD),
    ({"htu": BASE}, ADDRESS),
    ({"iat": 0}, TIME),
    ({"jti": "short"}, NAME),
    ({"header": {"typ": "JWT"}}, TYPE),
    ({"header": {"alg": "none"}}, "The algorithm must be one of Ed25519, EdDSA."),
]


def refused(reply: Any, sentence: str, status: int = 401) -> None:
    """Assert that a proof was refused in the one form of RFC 9449."""
    told = reply.json()
    assert (reply.status_code, told["code"]) == (status, "invalid_dpop_proof"), told
    assert told["detail"] == sentence
    if status == 401:
        challenge = 'DPoP algs="Ed25519 EdDSA", error="invalid_dpop_proof"'
        assert reply["WWW-Authenticate"] == challenge


def bent(program: Program, header: Any = None, **claims: Any) -> Any:
    """Send a request whose proof has another header or other claims."""
    token = program.token
    return program.get(proof=program.proof("GET", LIST, token=token, header=header, **claims))


class TestCheck:
    @pytest.mark.parametrize("algorithm", ["Ed25519", "EdDSA"])
    def test_lets_a_fresh_proof_pass_under_either_name(
        self, program: Program, algorithm: str
    ) -> None:
        assert bent(program, header={"alg": algorithm}).status_code == 200

    def test_covers_the_address_without_its_query(self, program: Program) -> None:
        assert program.get(f"{LIST}?unread=true").status_code == 200

    @pytest.mark.parametrize("method", ["HEAD", "GET"])
    def test_covers_the_method(self, program: Program, method: str) -> None:
        assert program.call(method, LIST).status_code == 200
        proof = program.proof(method, LIST, token=program.token)
        other = "GET" if method == "HEAD" else "HEAD"
        assert program.call(other, LIST, proof=proof).status_code == 401

    def test_refuses_a_header_that_bends_the_rules(
        self, program: Program, subtests: pytest.Subtests
    ) -> None:
        for header, sentence in HEADERS:
            with subtests.test(header=header):
                refused(bent(program, header), sentence)

    @pytest.mark.slow
    def test_refuses_claims_that_bend_the_rules(
        self, program: Program, subtests: pytest.Subtests
    ) -> None:
        for claims, sentence in CLAIMS:
            with subtests.test(claims=claims):
                refused(bent(program, **claims), sentence)

    def test_forgives_a_clock_that_is_a_minute_off(
        self, program: Program, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = time.time()
        monkeypatch.setattr(proofs.time, "time", lambda: now)
        for off in (-60, 60):
            assert bent(program, iat=now + off).status_code == 200
        for off in (-60.01, 60.01):
            refused(bent(program, iat=now + off), TIME)

    def test_refuses_what_is_no_token_at_all(self, program: Program) -> None:
        for text in ("nonsense", "a.b.c", "ä.b.c", "x" * 9000):
            refused(program.get(proof=text), "This is not a signed JWT.")

    def test_refuses_a_request_without_proof(self, program: Program) -> None:
        refused(program.get(proof=""), "The header DPoP is missing.")

    def test_refuses_two_proofs(self, program: Program) -> None:
        # A server joins two headers of one name with a comma.
        two = ",".join(program.proof("GET", LIST, token=program.token) for _ in range(2))
        refused(program.get(proof=two), "This is not a signed JWT.")

    def test_refuses_a_proof_that_was_made_for_another_token(
        self, program: Program, other_program: Program
    ) -> None:
        proof = program.proof("GET", LIST, token=other_program.token)
        refused(program.get(proof=proof), DIGEST)

    def test_refuses_a_token_under_another_key(
        self, program: Program, other_program: Program
    ) -> None:
        # Whoever stole a token proves a key, but not the one that it is bound to.
        stolen = program.token
        refused(other_program.get(authorization=f"DPoP {stolen}"), BOUND)
        assert program.get().status_code == 200

    def test_refuses_a_token_under_the_same_programs_second_key(self, program: Program) -> None:
        proof = program.proof("GET", LIST, token=program.token, key=KEY)
        refused(program.get(proof=proof), BOUND)


class TestOnce:
    def test_is_how_often_a_proof_opens_something(self, program: Program) -> None:
        proof = program.proof("GET", LIST, token=program.token)
        assert program.get(proof=proof).status_code == 200
        refused(program.get(proof=proof), USED)

    def test_is_how_often_a_key_may_use_a_name(
        self, program: Program, other_program: Program
    ) -> None:
        name = "one-name-for-all"
        assert bent(program, jti=name).status_code == 200
        refused(bent(program, jti=name, iat=int(time.time()) - 5), USED)
        proof = program.proof("HEAD", LIST, token=program.token, jti=name)
        assert program.head(LIST, proof=proof).status_code == 401
        assert bent(other_program, jti=name).status_code == 200

    def test_counts_proofs_for_tokens_too(self, program: Program) -> None:
        proof = program.proof("POST", "/api/token")
        assert program.ask_token(proof=proof).status_code == 200
        refused(program.ask_token(proof=proof), USED, 400)

    def test_is_not_spent_on_a_proof_that_fails(
        self, program: Program, other_program: Program
    ) -> None:
        proof = program.proof("GET", LIST, token=program.token)
        assert program.head(LIST, proof=proof).status_code == 401
        refused(other_program.get(proof=proof), DIGEST)
        assert program.get(proof=proof).status_code == 200

    def test_lasts_longer_than_the_proof_could_be_used(self, program: Program) -> None:
        before = timezone.now()
        assert bent(program, jti="remembered").status_code == 200
        # Made by a clock a minute fast, it is in time for two minutes more.
        last = SeenOnce.objects.latest("id").expires_at
        assert last - before > timedelta(seconds=2 * proofs.SKEW)

    def test_keeps_a_digest_alone(self, program: Program) -> None:
        assert bent(program, jti="remembered").status_code == 200
        for seen in SeenOnce.objects.all():
            assert re.fullmatch(r"[0-9a-f]{64}", seen.digest)
            assert str(seen) == f"seen {seen.pk}"


class TestForAToken:
    """At the token endpoint a proof is refused with 400, and the token is bound to its key."""

    def test_wants_the_same_rules(self, program: Program, subtests: pytest.Subtests) -> None:
        for changes, sentence in BENT:
            with subtests.test(changes=changes):
                reply = program.ask_token(proof=program.proof("POST", "/api/token", **changes))
                refused(reply, sentence, 400)
                assert reply.json()["error"] == "invalid_dpop_proof"

    def test_wants_a_proof(self, program: Program) -> None:
        refused(program.ask_token(proof=""), "The header DPoP is missing.", 400)

    def test_takes_any_key_and_binds_the_token_to_it(self, program: Program) -> None:
        reply = program.ask_token(proof=program.proof("POST", "/api/token", key=KEY))
        credentials = f"DPoP {reply.json()['access_token']}"
        refused(program.get(authorization=credentials), BOUND)
        program.key = KEY
        assert program.get(authorization=credentials).status_code == 200
