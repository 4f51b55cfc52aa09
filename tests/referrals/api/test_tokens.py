"""Tokens: a program that proves who it is gets five minutes, and everybody else gets a reason."""

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from joserfc.jwk import OKPKey

from referrals import clients
from referrals.agencies import Agency
from referrals.api import tokens
from referrals.clients import AccessToken, LiaisonClient, Scope
from tests.referrals.api.conftest import BASE, JWT_BEARER, Program

FORM = "application/x-www-form-urlencoded"


def refused(reply: Any, status: int, code: str) -> str:
    """Assert that no token was given, in the form of RFC 6749 (5.2), and return the sentence."""
    told = reply.json()
    assert (reply.status_code, told["status"]) == (status, status), told
    assert told["code"] == told["error"] == code
    assert told["detail"] == told["error_description"]
    assert reply["Content-Type"] == "application/json"
    assert reply["Cache-Control"] == "no-store"
    assert not AccessToken.objects.exists()
    return str(told["detail"])


class TestMetadata:
    def test_lets_a_stock_client_configure_itself(self, client: Client) -> None:
        reply = client.get("/.well-known/oauth-authorization-server")
        assert reply.json() == {
            "issuer": BASE,
            "token_endpoint": f"{BASE}/api/token",
            "scopes_supported": ["referrals:read", "referrals:acknowledge", "referrals:request"],
            "response_types_supported": [],
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["Ed25519", "EdDSA"],
            "dpop_signing_alg_values_supported": ["Ed25519", "EdDSA"],
        }


class TestPost:
    def test_gives_a_token_for_five_minutes(self, program: Program) -> None:
        reply = program.ask_token()
        told = reply.json()
        assert reply.status_code == 200
        assert reply["Cache-Control"] == "no-store"
        assert len(told.pop("access_token")) == 43  # 32 bytes
        assert told == {
            "token_type": "DPoP",
            "expires_in": 300,
            "scope": "referrals:acknowledge referrals:read referrals:request",
        }

    def test_keeps_its_digest_alone_bound_to_key_and_client(
        self, program: Program, lee: LiaisonClient, liaison_key: OKPKey
    ) -> None:
        before = timezone.now()
        token, other = (program.ask_token().json()["access_token"] for _ in range(2))
        assert token != other
        kept = AccessToken.objects.earliest("id")
        assert kept.digest == clients.digest(token)
        assert (kept.client, kept.thumbprint) == (lee, liaison_key.thumbprint())
        assert timedelta(minutes=5) <= kept.expires_at - before < timedelta(minutes=5, seconds=5)
        assert str(kept) == f"token {kept.pk}"

    def test_knows_one_grant(self, program: Program) -> None:
        for grant in (None, "", "password", "authorization_code"):
            sentence = refused(program.ask_token(grant_type=grant), 400, "unsupported_grant_type")
            assert sentence == "Ask for client_credentials."

    @pytest.mark.parametrize("content_type", [FORM, "application/json", ""])
    @pytest.mark.usefixtures("db")
    def test_refuses_an_empty_body_in_any_form(self, client: Client, content_type: str) -> None:
        reply = client.generic("POST", "/api/token", content_type=content_type)
        refused(reply, 400, "unsupported_grant_type")

    def test_knows_one_kind_of_assertion(self, program: Program) -> None:
        for kind in (None, "", "urn:example:other"):
            sentence = refused(program.ask_token(client_assertion_type=kind), 401, "invalid_client")
            assert sentence == f"client_assertion_type must be {JWT_BEARER}."

    def test_takes_no_secret(self, program: Program) -> None:
        form = {"client_assertion_type": None, "client_assertion": None}
        reply = program.ask_token(client_id="lee", client_secret="x", **form)  # noqa: S106
        refused(reply, 401, "invalid_client")

    def test_refuses_a_parameter_that_comes_twice(self, program: Program) -> None:
        said = {
            "grant_type": "client_credentials",
            "client_assertion_type": JWT_BEARER,
            "client_id": "lee",
            "scope": "referrals:read",
        }
        for name in (*said, "client_assertion"):
            said["client_assertion"] = program.assertion()
            reply = program.ask_token(**said | {name: [said[name]] * 2})
            assert refused(reply, 400, "invalid_request") == f"The parameter {name} came twice."

    def test_compares_the_client_id_if_there_is_one(self, program: Program) -> None:
        sentence = refused(program.ask_token(client_id="mia"), 401, "invalid_client")
        assert sentence == "client_id is not who signed the assertion."
        assert program.ask_token(client_id="lee").status_code == 200

    def test_gives_all_scopes_whatever_part_is_asked_for(self, program: Program) -> None:
        for asked in (None, "", "referrals:read", "referrals:read " * 2):
            reply = program.ask_token(scope=asked)
            scopes = "referrals:acknowledge referrals:read referrals:request"
            assert reply.json()["scope"] == scopes

    @pytest.mark.parametrize("asked", ["referrals:acknowledge", "admin", "referrals:read\0"])
    def test_refuses_to_promise_a_scope_that_the_client_lacks(
        self,
        agency: Agency,
        admit: Callable[..., LiaisonClient],
        liaison_key: OKPKey,
        asked: str,
    ) -> None:
        admit(agency, liaison_key, scopes=[Scope.READ])
        reply = Program("lee", liaison_key).ask_token(scope=f"referrals:read {asked}")
        sentence = refused(reply, 400, "invalid_scope")
        assert sentence == "The client does not have every scope asked for."

    def test_reads_the_body_alone(self, program: Program) -> None:
        program.http.defaults["QUERY_STRING"] = "grant_type=client_credentials"
        refused(program.ask_token(grant_type=None), 400, "unsupported_grant_type")

    @pytest.mark.parametrize(
        ("method", "content_type", "status", "code"),
        [
            ("GET", FORM, 405, "method_not_allowed"),
            ("PUT", FORM, 405, "method_not_allowed"),
            ("POST", "application/json", 415, "unsupported_media_type"),
            ("POST", "multipart/form-data; boundary=x", 415, "unsupported_media_type"),
        ],
    )
    def test_refuses_another_method_and_another_form(
        self, db: None, client: Client, method: str, content_type: str, status: int, code: str
    ) -> None:
        reply = client.generic(method, "/api/token", b"{}", content_type)
        assert (reply.status_code, reply.json()["code"]) == (status, code)
        assert reply["Cache-Control"] == "no-store"

    def test_refuses_a_body_that_is_too_large(self, db: None, client: Client) -> None:
        reply = client.generic("POST", "/api/token", b"a=" + b"x" * 2**20, FORM)
        assert (reply.status_code, reply.json()["code"]) == (413, "too_large")

    def test_refuses_a_flood_of_parameters(self, db: None, client: Client) -> None:
        reply = client.generic("POST", "/api/token", "&".join(["a=1"] * 2000), FORM)
        assert reply.status_code == 400


class TestThrottle:
    @pytest.mark.usefixtures("db")
    def test_stops_an_address_that_guesses(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def guess(address: str) -> Any:
            return client.generic("POST", "/api/token", REMOTE_ADDR=address)

        assert tokens.PerAddress.rate == "120/min"
        monkeypatch.setattr(tokens.PerAddress, "rate", "3/min")
        answers = [guess("192.0.2.7") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [400, 400, 400, 429]
        assert answers[-1].json()["code"] == "throttled"
        assert 0 < int(answers[-1]["Retry-After"]) <= 60
        assert answers[-1]["Cache-Control"] == "no-store"
        assert guess("192.0.2.8").status_code == 400


class TestSilence:
    def test_is_kept_about_keys_tokens_names_and_addresses(
        self, program: Program, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        canary = "canary-5f1d"
        token = program.token
        program.http.defaults["REMOTE_ADDR"] = "198.51.100.77"
        assertion = program.assertion(jti=canary, aud=canary)
        proof = program.proof("POST", "/api/token", jti=canary)
        answers = [
            program.ask_token(),
            program.ask_token(client_assertion=assertion),
            program.ask_token(client_assertion=canary),
            program.ask_token(client_id=canary),
            program.ask_token(scope=canary),
            program.ask_token(grant_type=canary),
            program.ask_token(client_assertion_type=canary),
            program.ask_token(client_assertion=program.assertion(iss=canary)),
            program.ask_token(proof=proof),
            program.ask_token(proof=proof),
            program.ask_token(proof=canary),
            program.get(authorization=f"Bearer {token}"),
            program.get(authorization=f"DPoP {canary}"),
            program.get(proof=canary),
            program.get(headers={"X-Forwarded-For": canary}),
        ]
        expected = [200, *[401] * 3, *[400] * 2, *[401] * 2, 200, *[400] * 2, *[401] * 3, 200]
        assert [answer.status_code for answer in answers] == expected
        given = {answer.json().get("access_token", "-") for answer in answers} - {"-"}
        secret = {token, canary, "198.51.100.77", "lee", assertion, proof, *given}
        told = [json.dumps(answer.json()) for answer in answers if answer.status_code != 200]
        for each in secret:
            assert not [sentence for sentence in (*told, caplog.text) if each in sentence], each
