"""Asking for more over the API: under legal process, about an own referral, and never an order."""

import hashlib
import json
from typing import Any

import pytest

from compliance.audit.entries import AuditEntry
from compliance.roles import User
from referrals import inquiries
from referrals.clients import LiaisonClient, Scope
from referrals.docket import Referral
from referrals.inquiries import InformationRequest
from tests.referrals.api.conftest import LIST, Program

SERVE = "https://duty.example.org/serve"
ASKED = {"asks": "preservation", "legal_process": "preservation_letter", "process_reference": "7"}
HEADERS = {"If-Match": '"3"', "Idempotency-Key": "a-1"}


@pytest.fixture
def path(delivered: Referral) -> str:
    """Where Lee asks."""
    return f"{LIST}/{delivered.pk}/information-requests"


class TestAsk:
    def test_puts_the_request_on_record_once(
        self, program: Program, path: str, delivered: Referral
    ) -> None:
        reply = program.post(path, ASKED, headers=HEADERS)
        again = program.post(path, ASKED, headers=HEADERS)
        assert (reply.status_code, again.content) == (200, reply.content)
        assert again.headers["Idempotent-Replayed"] == "true"
        request = InformationRequest.objects.get()
        assert (request.referral, request.client.client_id) == (delivered, "lee")
        assert reply.json() == {
            "id": str(request.pk), "number": request.number, "state": "received",
            **ASKED, "classes": [], "text": "",
            "received_at": request.received_at.isoformat().replace("+00:00", "Z"),
            "answered_at": None, "refused_at": None, "reply": "",
        }  # fmt: skip
        delivered.refresh_from_db()
        assert delivered.version == 3

    def test_is_read_again_with_what_counsel_answered(
        self, program: Program, path: str, carla: User
    ) -> None:
        program.post(path, ASKED, headers=HEADERS)
        inquiries.answer(InformationRequest.objects.get(), reply="It is kept.", by=carla)
        (shown,) = program.get(path).json()["items"]
        assert (shown["state"], shown["reply"]) == ("answered", "It is kept.")
        assert "carla" not in str(shown)

    @pytest.mark.parametrize(
        ("changes", "errors"),
        [
            ({"asks": "everything"}, {"asks": ["invalid_choice"]}),
            ({"legal_process": "a call"}, {"legal_process": ["invalid_choice"]}),
            ({"process_reference": ""}, {"process_reference": ["blank"]}),
            ({"@sample-1": 1}, {"non_field_errors": ["unknown_member"]}),
        ],
    )
    def test_is_refused_where_a_member_is_wrong(
        self, program: Program, path: str, changes: dict[str, Any], errors: dict[str, Any]
    ) -> None:
        reply = program.post(path, ASKED | changes, headers=HEADERS)
        assert (reply.status_code, reply.json()["errors"]) == (400, errors)
        assert b"sample-1" not in reply.content

    @pytest.mark.parametrize("body", [[], "watch", 7, None])
    def test_is_refused_where_the_body_is_no_object(
        self, program: Program, path: str, body: Any
    ) -> None:
        data = json.dumps(body).encode()
        assert program.call("POST", path, data, headers=HEADERS).status_code == 400

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"Idempotency-Key": "a-1"}, 428),
            ({"Idempotency-Key": "a-1", "If-Match": '"2"'}, 412),
            ({"If-Match": '"3"'}, 400),
        ],
    )
    def test_wants_the_version_and_a_key(
        self, program: Program, path: str, headers: dict[str, str], status: int
    ) -> None:
        assert program.post(path, ASKED, headers=headers).status_code == status
        assert not InformationRequest.objects.exists()

    def test_wants_a_scope_of_its_own(self, program: Program, path: str) -> None:
        LiaisonClient.objects.update(scopes=[Scope.READ])
        assert program.get(path).status_code == 200
        for asked in (ASKED, {"asks": "watch"}):
            reply = program.post(path, asked, headers=HEADERS)
            assert (reply.status_code, reply.json()["code"]) == (403, "not_permitted")
        LiaisonClient.objects.update(scopes=[Scope.REQUEST])
        assert program.get(path).status_code == 403
        assert program.post(path, ASKED, headers=HEADERS).status_code == 200


class TestOrder:
    def test_is_refused_logged_and_answered_with_the_address_alone(
        self, program: Program, path: str, settings: Any, delivered: Referral
    ) -> None:
        settings.LEGAL_PROCESS_URL = SERVE
        order = {"asks": "monitoring", "text": "Watch @sample-1."}
        reply = program.post(path, order)  # no order is one, whatever else it lacks
        assert (reply.status_code, reply.json()) == (403, {
            "type": "about:blank", "title": "Forbidden", "status": 403,
            "code": "tasking_not_supported",
            "detail": "Nobody is watched, searched or listened to for an agency."
            " Serve legal process instead.",
            "legal_process_url": SERVE,
        })  # fmt: skip
        entry = AuditEntry.objects.get(event="tasking.refused")
        assert (entry.actor_ref, entry.remote_addr) == ("liaison:lee", "127.0.0.1")
        digest = hashlib.sha256(json.dumps(order).encode()).hexdigest()
        assert entry.additional_data == {"agency": "bka", "request": digest}
        assert not InformationRequest.objects.exists()

    def test_about_another_agencys_referral_finds_nothing(
        self, other_program: Program, path: str
    ) -> None:
        for asked in ({"asks": "watch"}, ASKED):
            assert other_program.post(path, asked, headers=HEADERS).status_code == 404
        assert other_program.get(path).status_code == 404
        assert not AuditEntry.objects.filter(event="tasking.refused").exists()
