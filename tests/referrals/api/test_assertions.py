"""Assertions: a program says who it is, about itself, to us, for minutes, and once."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from joserfc.jwk import OKPKey

from compliance.roles import User
from referrals import clients
from referrals.agencies import Agency, State
from referrals.api import assertions
from referrals.clients import AccessToken, LiaisonClient, Scope, SeenOnce
from tests.referrals.api.conftest import BASE, Program, signed

ENDPOINT = f"{BASE}/api/token"
NOBODY = "No client that may call now from here signed this."
SAME = "The claims iss and sub must both be the client id."
AUDIENCE = "The claim aud must be the token endpoint or the issuer, alone."
EXPIRY = "The claim exp must lie ahead, by five minutes at most."
SECONDS = "The claim exp wants a number of seconds."
NAME = "The claim jti wants 8 to 128 visible ASCII characters."
NO_JWT = "This is not a signed JWT."

CLAIMS: list[tuple[dict[str, Any], str]] = [
    ({"iss": None}, NOBODY),
    ({"iss": "nobody"}, NOBODY),
    ({"iss": "LEE"}, NOBODY),
    ({"iss": "lee\n"}, NOBODY),
    ({"iss": "lee\0"}, NOBODY),
    ({"iss": ["lee"]}, NOBODY),
    ({"iss": "x" * 41}, NOBODY),
    ({"sub": None}, SAME),
    ({"sub": "mia"}, SAME),
    ({"sub": ["lee"]}, SAME),
    ({"aud": None}, AUDIENCE),
    ({"aud": ""}, AUDIENCE),
    ({"aud": []}, AUDIENCE),
    ({"aud": [ENDPOINT, BASE]}, AUDIENCE),
    ({"aud": [[ENDPOINT]]}, AUDIENCE),
    ({"aud": f"{BASE}/"}, AUDIENCE),
    ({"aud": f"{BASE}/api/v1/referrals"}, AUDIENCE),
    ({"aud": "http://testserver/api/token"}, AUDIENCE),
    ({"aud": "https://other.example.org/api/token"}, AUDIENCE),
    ({"aud": {ENDPOINT: 1}}, AUDIENCE),
    ({"exp": None}, SECONDS),
    ({"exp": "soon"}, SECONDS),
    ({"exp": True}, SECONDS),
    ({"exp": 10**400}, SECONDS),
    ({"iat": "now"}, "The claim iat wants a number of seconds."),
    ({"nbf": []}, "The claim nbf wants a number of seconds."),
    ({"jti": None}, NAME),
    ({"jti": "short"}, NAME),
    ({"jti": "x" * 129}, NAME),
    ({"jti": 12345678}, NAME),
]


def refused(reply: Any, sentence: str) -> None:
    """Assert that nobody was recognised, in the form of RFC 6749, and no token left us."""
    told = reply.json()
    assert (reply.status_code, told["code"], told["error"]) == (401, *["invalid_client"] * 2), told
    assert told["detail"] == told["error_description"] == sentence
    assert reply["WWW-Authenticate"] == 'DPoP algs="Ed25519 EdDSA"'
    assert not AccessToken.objects.exists()


def said(program: Program, **claims: Any) -> Any:
    """Ask for a token with an assertion whose claims are others."""
    return program.ask_token(client_assertion=program.assertion(**claims))


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> int:
    """The second at which the clock stands still."""
    moment = int(time.time())
    monkeypatch.setattr(assertions.time, "time", lambda: moment)
    return moment


class TestCheck:
    def test_takes_the_endpoint_or_the_issuer_as_audience(self, program: Program) -> None:
        for audience in (ENDPOINT, BASE, [ENDPOINT], [BASE]):
            assert said(program, aud=audience).status_code == 200

    def test_takes_the_algorithm_under_either_name(self, program: Program) -> None:
        for algorithm in ("Ed25519", "EdDSA"):
            assertion = program.assertion(header={"alg": algorithm, "typ": "JWT", "kid": "1"})
            assert program.ask_token(client_assertion=assertion).status_code == 200

    @pytest.mark.slow
    def test_refuses_claims_that_bend_the_rules(
        self, program: Program, subtests: pytest.Subtests
    ) -> None:
        for claims, sentence in CLAIMS:
            with subtests.test(claims=claims):
                refused(said(program, **claims), sentence)

    def test_forgives_a_clock_that_is_ten_seconds_off(self, program: Program, now: int) -> None:
        for life in (-9, 1, 300, 310):
            assert said(program, exp=now + life).status_code == 200

    def test_refuses_an_assertion_that_is_over_or_lasts_too_long(
        self, program: Program, now: int
    ) -> None:
        for life in (-10, -3600, 310.5, 10**9):
            refused(said(program, exp=now + life), EXPIRY)

    @pytest.mark.parametrize("claim", ["iat", "nbf"])
    def test_refuses_an_assertion_from_the_future(
        self, program: Program, now: int, claim: str
    ) -> None:
        sentence = f"The claim {claim} lies in the future. Check the clock."
        refused(said(program, **{claim: now + 11}), sentence)
        assert said(program, **{claim: now + 10}).status_code == 200
        assert said(program, **{claim: None}).status_code == 200

    def test_refuses_what_is_no_assertion_at_all(self, program: Program) -> None:
        for text in (None, "", "nonsense", "a.b.c", "x" * 9000):
            refused(program.ask_token(client_assertion=text), NO_JWT)

    def test_refuses_a_claim_that_is_said_twice(self, program: Program, lee: LiaisonClient) -> None:
        claims = f'{{"iss": "mia", "iss": "lee", "sub": "lee", "aud": "{BASE}", "jti": "12345678"}}'
        text = signed(program.key, {"alg": "Ed25519"}, claims)
        refused(program.ask_token(client_assertion=text), NO_JWT)

    def test_refuses_every_other_algorithm(self, program: Program) -> None:
        for algorithm in ("none", "HS256", "RS256", "ES256", "PS256"):
            assertion = program.assertion(header={"alg": algorithm})
            sentence = "The algorithm must be one of Ed25519, EdDSA."
            refused(program.ask_token(client_assertion=assertion), sentence)

    def test_never_takes_a_key_from_the_assertion_itself(self, program: Program) -> None:
        forger = OKPKey.generate_key("Ed25519")
        header = {"jwk": forger.as_dict(private=False)}
        assertion = program.assertion(header=header, key=forger)
        refused(program.ask_token(client_assertion=assertion), NOBODY)


class TestWhoMayCall:
    """Whoever may not call now and from here gets one answer, so that nobody can ask who may."""

    def test_is_nobody_whose_key_signed_something_else(
        self, program: Program, other_key: OKPKey
    ) -> None:
        assertion = program.assertion(key=other_key)
        refused(program.ask_token(client_assertion=assertion), NOBODY)

    def test_is_nobody_who_was_never_admitted(self, db: None, liaison_key: OKPKey) -> None:
        refused(Program("nobody", liaison_key).ask_token(), NOBODY)

    def test_is_nobody_whom_a_second_person_did_not_approve(
        self, agency: Agency, cleo: User, carla: User, liaison_key: OKPKey
    ) -> None:
        client = clients.admit(
            agency,
            client_id="lee",
            public_key=liaison_key.as_dict(private=False),
            scopes=[Scope.READ],
            expires_at=timezone.now() + timedelta(days=1),
            by=cleo,
        )
        program = Program("lee", liaison_key)
        refused(program.ask_token(), NOBODY)
        clients.approve(client, thumbprint_heard=liaison_key.thumbprint(), by=carla)
        assert program.ask_token().status_code == 200

    def test_is_nobody_who_was_revoked(
        self, program: Program, lee: LiaisonClient, carla: User
    ) -> None:
        clients.revoke(lee, because="Laptop lost.", by=carla)
        refused(program.ask_token(), NOBODY)

    def test_is_nobody_whose_time_is_over(self, program: Program, lee: LiaisonClient) -> None:
        LiaisonClient.objects.update(expires_at=timezone.now())
        refused(program.ask_token(), NOBODY)

    def test_is_nobody_of_an_agency_that_was_revoked(
        self, program: Program, agency: Agency, carla: User
    ) -> None:
        Agency.objects.update(state=State.REVOKED, revoked_at=timezone.now(), revoked_by=carla)
        refused(program.ask_token(), NOBODY)

    def test_is_nobody_from_a_foreign_address(
        self, agency: Agency, liaison_key: OKPKey, admit: Callable[..., LiaisonClient]
    ) -> None:
        admit(agency, liaison_key, networks=["192.0.2.0/24"])
        refused(Program("lee", liaison_key, "198.51.100.7").ask_token(), NOBODY)
        assert Program("lee", liaison_key, "192.0.2.7").ask_token().status_code == 200


class TestOnce:
    def test_is_how_often_an_assertion_gives_a_token(self, program: Program) -> None:
        assertion = program.assertion()
        assert program.ask_token(client_assertion=assertion).status_code == 200
        AccessToken.objects.all().delete()
        refused(program.ask_token(client_assertion=assertion), "This assertion was used before.")

    def test_is_how_often_a_client_may_use_a_name(
        self, program: Program, other_program: Program
    ) -> None:
        name = "one-name-for-all"
        assert said(program, jti=name).status_code == 200
        assert said(program, jti=name, exp=int(time.time()) + 99).status_code == 401
        assert said(other_program, jti=name).status_code == 200

    def test_is_not_spent_on_an_assertion_that_fails(
        self, program: Program, other_key: OKPKey
    ) -> None:
        name = "one-name-for-all"
        for bent in ({"exp": 0}, {"aud": "x"}, {"sub": "x"}, {"key": other_key}):
            assert said(program, jti=name, **bent).status_code == 401
        assert said(program, jti=name).status_code == 200

    def test_lasts_longer_than_the_assertion_could_be_used(self, program: Program) -> None:
        before = timezone.now()
        assert said(program).status_code == 200
        seen = SeenOnce.objects.earliest("id")  # the proof comes second
        longest = assertions.LONGEST + 2 * assertions.LEEWAY
        assert seen.expires_at - before > timedelta(seconds=longest)
