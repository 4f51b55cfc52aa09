"""Authentication: a token counts under its key, from its networks, while its client may call."""

from collections.abc import Callable
from typing import Any

from django.test import Client
from django.utils import timezone
from joserfc.jwk import OKPKey

from compliance.audit.entries import AuditEntry
from compliance.roles import User
from referrals import clients
from referrals.agencies import Agency, State
from referrals.clients import AccessToken, LiaisonClient
from referrals.docket import Referral
from tests.referrals.api.conftest import LIST, Program

CHALLENGE = 'DPoP algs="Ed25519 EdDSA"'
UNKNOWN = "The token is unknown, expired or no longer valid."
SCHEME = "The scheme must be DPoP."
ELSEWHERE = "This client may not call from here."


def refused(reply: Any, sentence: str) -> None:
    """Assert that a token opened nothing, in the form of RFC 9449 (7.1) and RFC 9457."""
    told = reply.json()
    assert (reply.status_code, told["code"], told["detail"]) == (401, "invalid_token", sentence)
    assert reply["WWW-Authenticate"] == f'{CHALLENGE}, error="invalid_token"'
    assert reply["Content-Type"] == "application/problem+json"


class TestAuthenticate:
    def test_asks_a_stranger_for_credentials(self, db: None, client: Client) -> None:
        reply = client.get(LIST)
        assert (reply.status_code, reply.json()["code"]) == (401, "not_authenticated")
        assert reply["WWW-Authenticate"] == CHALLENGE

    def test_takes_the_scheme_in_any_case_and_no_other(self, program: Program) -> None:
        for scheme in ("DPoP", "dpop", "DPOP"):
            assert program.get(authorization=f"{scheme} {program.token}").status_code == 200
        for scheme in ("Bearer", "Basic", "Token", "DPoPx"):
            refused(program.get(authorization=f"{scheme} {program.token}"), SCHEME)

    def test_refuses_a_token_that_we_did_not_give(self, program: Program) -> None:
        for token in ("", " ", "x", "A" * 43, "ümlaut", "x" * 9000):
            refused(program.get(authorization=f"DPoP {token}"), UNKNOWN)

    def test_refuses_a_digest_for_a_token(self, program: Program) -> None:
        # Who reads our table has nothing to show.
        kept = clients.digest(program.token)
        refused(program.get(authorization=f"DPoP {kept}"), UNKNOWN)

    def test_refuses_a_token_whose_five_minutes_are_over(self, program: Program) -> None:
        assert program.get().status_code == 200
        AccessToken.objects.update(expires_at=timezone.now())
        refused(program.get(), UNKNOWN)

    def test_refuses_the_token_of_a_client_that_was_revoked_since(
        self, program: Program, lee: LiaisonClient, carla: User
    ) -> None:
        assert program.get().status_code == 200
        clients.revoke(lee, because="Laptop lost.", by=carla)
        refused(program.get(), UNKNOWN)

    def test_refuses_the_token_of_a_client_that_expired_since(self, program: Program) -> None:
        assert program.get().status_code == 200
        LiaisonClient.objects.update(expires_at=timezone.now())
        refused(program.get(), UNKNOWN)

    def test_refuses_the_token_of_an_agency_that_was_revoked_since(
        self, program: Program, carla: User
    ) -> None:
        assert program.get().status_code == 200
        Agency.objects.update(state=State.REVOKED, revoked_at=timezone.now(), revoked_by=carla)
        refused(program.get(), UNKNOWN)

    def test_refuses_a_foreign_address(
        self, agency: Agency, liaison_key: OKPKey, admit: Callable[..., LiaisonClient]
    ) -> None:
        admit(agency, liaison_key, networks=["192.0.2.0/24", "2001:db8::/32"])
        program = Program("lee", liaison_key, "192.0.2.7")
        assert program.get().status_code == 200
        # What a program claims of its way here is not believed.
        for address in ("198.51.100.7", "192.0.3.1", "2001:db9::1", "::ffff:198.51.100.7", ""):
            program.http.defaults["REMOTE_ADDR"] = address
            refused(program.get(headers={"X-Forwarded-For": "192.0.2.7"}), ELSEWHERE)
        for address in ("192.0.2.255", "2001:db8::1", "::ffff:192.0.2.7"):
            program.http.defaults["REMOTE_ADDR"] = address
            assert program.get().status_code == 200

    def test_believes_the_trusted_proxy_about_the_address(
        self,
        agency: Agency,
        liaison_key: OKPKey,
        admit: Callable[..., LiaisonClient],
        settings: Any,
    ) -> None:
        admit(agency, liaison_key, networks=["192.0.2.0/24"])
        settings.TRUSTED_PROXIES = 1
        program = Program("lee", liaison_key)
        program.http.defaults["HTTP_X_FORWARDED_FOR"] = "198.51.100.7, 192.0.2.7"
        assert program.get().status_code == 200
        program.http.defaults["HTTP_X_FORWARDED_FOR"] = "192.0.2.7, 198.51.100.7"
        refused(program.get(), ELSEWHERE)

    def test_spends_no_proof_on_a_token_that_fails(self, program: Program) -> None:
        proof = program.proof("GET", LIST, token=program.token)
        assert program.get(proof=proof, authorization="DPoP x").status_code == 401
        assert program.get(proof=proof).status_code == 200


class TestCaller:
    def test_is_the_actor_in_the_log(self, program: Program, delivered: Referral) -> None:
        assert program.get(f"{LIST}/{delivered.pk}").status_code == 200
        entry = AuditEntry.objects.get(event="referral.read")
        assert (entry.actor_ref, entry.actor, entry.remote_addr) == (
            "liaison:lee",
            None,
            "127.0.0.1",
        )

    def test_sees_nothing_of_another_agency(
        self, program: Program, other_program: Program, delivered: Referral
    ) -> None:
        assert [row["id"] for row in program.get().json()["items"]] == [str(delivered.pk)]
        assert other_program.get().json()["items"] == []
        reply = other_program.get(f"{LIST}/{delivered.pk}")
        assert (reply.status_code, reply.json()["code"]) == (404, "not_found")
        assert not AuditEntry.objects.filter(event="referral.read").exists()
