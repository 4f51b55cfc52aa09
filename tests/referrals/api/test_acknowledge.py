"""Acknowledging: an agency says that it has the bundle, of this version, once."""

from collections.abc import Callable
from typing import Any

import pytest
from joserfc.jwk import OKPKey

from compliance.audit.entries import AuditEntry
from compliance.roles import User
from referrals import docket
from referrals.agencies import Agency
from referrals.clients import LiaisonClient, Scope
from referrals.docket import Referral, State
from referrals.receipts import Acknowledgement

LIST = "/api/v1/referrals"
HEADERS = {"If-Match": '"3"', "Idempotency-Key": "a-1"}


@pytest.fixture
def path(delivered: Referral) -> str:
    return f"{LIST}/{delivered.pk}/acknowledge"


@pytest.fixture
def said(delivered: Referral) -> dict[str, str]:
    """What an honest agency says."""
    return {"agency_reference": "SZ-17", "receipt_sha256": delivered.bundle.sha256}


class TestAcknowledge:
    def test_puts_the_agencys_word_on_record(
        self, program: Any, path: str, said: dict[str, str], delivered: Referral
    ) -> None:
        reply = program.post(path, said, headers=HEADERS)
        assert (reply.status_code, reply.headers["Content-Type"]) == (200, "application/json")
        done = Referral.objects.get(pk=delivered.pk)
        assert done.acknowledged_at is not None
        assert reply.json() == {
            "number": delivered.number,
            "state": "acknowledged",
            "version": 4,
            "acknowledged_at": done.acknowledged_at.isoformat().replace("+00:00", "Z"),
            **said,
        }
        assert done.acknowledgement.client.client_id == "lee"
        entry = AuditEntry.objects.get(event="referral.acknowledged")
        assert (entry.actor_ref, entry.remote_addr) == ("liaison:lee", "127.0.0.1")

    def test_moves_the_tag_on(self, program: Any, path: str, said: dict[str, str]) -> None:
        program.post(path, said, headers=HEADERS)
        assert program.get(path.removesuffix("/acknowledge")).headers["ETag"] == '"4"'

    def test_wants_the_version_that_it_is_about(
        self, program: Any, path: str, said: dict[str, str]
    ) -> None:
        key = {"Idempotency-Key": "a-1"}
        for match in ({}, {"If-Match": "*"}, {"If-Match": "3"}):
            reply = program.post(path, said, headers=key | match)
            assert (reply.status_code, reply.json()["code"]) == (428, "precondition_required")
        assert not Acknowledgement.objects.exists()

    def test_is_refused_about_another_version(
        self, program: Any, path: str, said: dict[str, str]
    ) -> None:
        for match in ('"2"', 'W/"3"'):
            reply = program.post(path, said, headers=HEADERS | {"If-Match": match})
            assert (reply.status_code, reply.json()["code"]) == (412, "stale")
        assert not Acknowledgement.objects.exists()

    def test_says_which_field_breaks_which_rule_and_not_what_it_held(
        self, program: Any, path: str, said: dict[str, str]
    ) -> None:
        for name, value, rule in (
            ("agency_reference", None, "null"),
            ("agency_reference", " ", "blank"),
            ("agency_reference", "secret" * 17, "max_length"),
            ("agency_reference", ["secret"], "invalid"),
            ("agency_reference", "\0", "null_characters_not_allowed"),
            ("receipt_sha256", "secret", "invalid"),
            ("receipt_sha256", "A" * 64, "invalid"),
        ):
            reply = program.post(path, said | {name: value}, headers=HEADERS)
            assert (reply.status_code, reply.json()["code"]) == (400, "malformed")
            assert reply.json()["errors"] == {name: [rule]}
            assert b"secret" not in reply.content

    def test_wants_both_fields(self, program: Any, path: str) -> None:
        for body in ([], "x", 7, None, {}):
            reply = program.post(path, body, headers=HEADERS)
            assert (reply.status_code, reply.json()["code"]) == (400, "malformed"), body

    def test_is_refused_with_the_digest_of_something_else(
        self, program: Any, path: str, said: dict[str, str]
    ) -> None:
        reply = program.post(path, said | {"receipt_sha256": "0" * 64}, headers=HEADERS)
        assert (reply.status_code, reply.json()["code"]) == (400, "malformed")
        assert reply.json()["detail"].startswith("receipt_sha256 is not the SHA-256 of this bundle")

    def test_wants_json(self, program: Any, path: str) -> None:
        for body in (b"{", b"\xff", b'{"x": NaN}', b"[" * 50_000, b"1" * 5000):
            reply = program.post(path, body, headers=HEADERS)
            assert (reply.status_code, reply.json()["code"]) == (400, "parse_error"), body[:9]
            assert reply.json()["detail"] == "Bad Request."

    def test_wants_json_by_name(self, program: Any, path: str) -> None:
        for kind in ("application/x-www-form-urlencoded", "text/plain", ""):
            reply = program.post(path, b"a=1", headers=HEADERS | {"Content-Type": kind})
            assert (reply.status_code, reply.json()["code"]) == (415, "unsupported_media_type")

    def test_reads_no_more_than_a_megabyte(self, program: Any, path: str) -> None:
        reply = program.post(path, b" " * (2**20 + 1), headers=HEADERS)
        assert (reply.status_code, reply.json()["code"]) == (413, "too_large")

    def test_happens_once_for_all_programs_of_an_agency(
        self,
        program: Any,
        path: str,
        said: dict[str, str],
        agency: Agency,
        admit: Callable[..., LiaisonClient],
    ) -> None:
        key = OKPKey.generate_key("Ed25519")
        kim = type(program)(admit(agency, key, "kim").client_id, key)
        program.post(path, said, headers=HEADERS)
        # The same key from another program is another key.
        assert kim.post(path, said, headers=HEADERS).json()["code"] == "stale"
        again = kim.post(path, said, headers=HEADERS | {"If-Match": '"4"'})
        assert (again.status_code, again.json()["code"]) == (409, "wrong_state")
        assert Acknowledgement.objects.get().client.client_id == "lee"

    def test_is_too_late_after_the_closing(
        self, program: Any, path: str, said: dict[str, str], carla: User
    ) -> None:
        program.post(path, said, headers=HEADERS)
        docket.close(Referral.objects.get(), because="Taken over.", by=carla)
        headers = {"If-Match": '"5"', "Idempotency-Key": "a-2"}
        assert program.post(path, said, headers=headers).status_code == 409
        assert Referral.objects.get().state == State.CLOSED

    def test_wants_its_own_scope_and_no_other(
        self,
        program: Any,
        path: str,
        said: dict[str, str],
        agency: Agency,
        admit: Callable[..., LiaisonClient],
    ) -> None:
        key = OKPKey.generate_key("Ed25519")
        kim = type(program)(admit(agency, key, "kim", scopes=[Scope.READ]).client_id, key)
        joe = type(program)(admit(agency, key, "joe", scopes=[Scope.ACKNOWLEDGE]).client_id, key)
        for body in (said, "nonsense"):
            reply = kim.post(path, body, headers=HEADERS)
            assert (reply.status_code, reply.json()["code"]) == (403, "not_permitted")
        assert not Acknowledgement.objects.exists()
        for there in ("", "/bundle", "/receipt"):
            reply = joe.get(path.replace("/acknowledge", there))
            assert (reply.status_code, reply.json()["code"]) == (403, "not_permitted")
        assert joe.get(LIST).status_code == 403
        assert joe.post(path, said, headers=HEADERS).status_code == 200
