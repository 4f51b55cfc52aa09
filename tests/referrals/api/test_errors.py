"""Errors: whatever goes wrong under /api is told as problem details, and tells nothing else."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import pytest
from django.core.exceptions import RequestDataTooBig
from django.http import Http404
from django.test import Client, RequestFactory
from rest_framework import exceptions
from rest_framework.exceptions import ErrorDetail

from compliance import errors as refusals
from compliance.errors import KeyUnusable, Refused, Tampered
from referrals.api import errors
from referrals.api.errors import MEDIA_TYPE, OAuthProblem, Problem
from referrals.docket import Referral
from referrals.inquiries import TaskingNotSupported

LIST = "/api/v1/referrals"
SECRET = "an account announces an attack"  # noqa: S105 (content, which no error may repeat)


def told(reply: Any, status: int, code: str) -> dict[str, Any]:
    """Check that a reply is problem details of this status and code, and return them."""
    assert (reply.status_code, reply.headers["Content-Type"]) == (status, MEDIA_TYPE)
    body: dict[str, Any] = reply.json()
    title = HTTPStatus(status).phrase
    assert body.items() >= {"type": "about:blank", "title": title, "status": status}.items()
    assert body["code"] == code
    assert body["detail"].endswith(".")
    return body


def answered(error: Exception) -> Any:
    """Return what the handler makes of an exception."""
    return errors.problem(error, {})


class TestProblem:
    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (refusals.Malformed("The range is empty."), 400),
            (refusals.NotPermitted("This client lacks the scope."), 403),
            (refusals.WrongState("It is closed."), 409),
            (refusals.Stale(), 412),
        ],
    )
    def test_passes_on_a_refusal_that_the_caller_can_do_something_about(
        self, error: Refused, status: int
    ) -> None:
        reply = answered(error)
        assert (reply.status_code, reply.data["status"]) == (status, status)
        assert (reply.data["code"], reply.data["detail"]) == (error.code, error.message)
        assert reply.content_type == MEDIA_TYPE

    @pytest.mark.parametrize(
        "error", [KeyUnusable(SECRET), Tampered(SECRET), ValueError(SECRET), LookupError(SECRET)]
    )
    def test_leaves_what_is_our_own_fault_to_the_500(self, error: Exception) -> None:
        assert answered(error) is None

    @pytest.mark.parametrize(
        ("error", "status", "code"),
        [
            (Http404(SECRET), 404, "not_found"),
            (RequestDataTooBig(SECRET), 413, "too_large"),
            (exceptions.ParseError(SECRET), 400, "parse_error"),
            (exceptions.NotAuthenticated(SECRET), 401, "not_authenticated"),
            (exceptions.PermissionDenied(SECRET, code="not_permitted"), 403, "not_permitted"),
            (exceptions.MethodNotAllowed(SECRET), 405, "method_not_allowed"),
            (exceptions.NotAcceptable(SECRET), 406, "not_acceptable"),
            (exceptions.UnsupportedMediaType(SECRET), 415, "unsupported_media_type"),
            (exceptions.Throttled(detail=SECRET), 429, "throttled"),
        ],
    )
    def test_says_in_our_words_what_the_framework_refused(
        self, error: Exception, status: int, code: str
    ) -> None:
        reply = answered(error)
        assert (reply.status_code, reply.data["code"]) == (status, code)
        assert reply.data["title"] == HTTPStatus(status).phrase
        assert SECRET not in str(reply.data)

    @pytest.mark.parametrize(("wait", "seconds"), [(0.2, "1"), (30.4, "31"), (None, "1")])
    def test_says_how_long_to_wait(self, wait: float | None, seconds: str) -> None:
        assert answered(exceptions.Throttled(wait)).headers["Retry-After"] == seconds

    def test_names_the_fields_and_the_rules_but_not_the_values(self) -> None:
        broken = {"limit": [ErrorDetail(SECRET, code="max_value")]}
        reply = answered(exceptions.ValidationError(broken))
        assert (reply.status_code, reply.data["code"]) == (400, "malformed")
        assert reply.data["errors"] == {"limit": ["max_value"]}
        assert SECRET not in str(reply.data)

    @pytest.mark.parametrize(
        ("code", "challenge"),
        [
            ("not_authenticated", 'DPoP algs="Ed25519 EdDSA"'),
            ("invalid_token", 'DPoP algs="Ed25519 EdDSA", error="invalid_token"'),
            ("invalid_dpop_proof", 'DPoP algs="Ed25519 EdDSA", error="invalid_dpop_proof"'),
        ],
    )
    def test_challenges_whoever_it_does_not_know(self, code: str, challenge: str) -> None:
        reply = answered(Problem(401, code, "Who are you?"))
        assert reply.headers["WWW-Authenticate"] == challenge

    @pytest.mark.parametrize("where", ["https://duty.example.org/serve", ""])
    def test_of_an_order_names_where_legal_process_is_served(
        self, settings: Any, where: str
    ) -> None:
        settings.LEGAL_PROCESS_URL = where
        reply = answered(TaskingNotSupported())
        assert (reply.status_code, reply.data["code"]) == (403, "tasking_not_supported")
        assert reply.data["legal_process_url"] == (where or None)

    def test_challenges_nobody_else(self) -> None:
        assert "WWW-Authenticate" not in answered(Problem(403, "invalid_token", "No.")).headers

    def test_carries_its_headers(self) -> None:
        reply = answered(Problem(416, "no", "No.", Content_Range="bytes */7"))
        assert reply.headers["Content-Range"] == "bytes */7"

    def test_of_a_token_speaks_as_oauth_clients_read_it(self) -> None:
        reply = answered(OAuthProblem(400, "invalid_scope", "Not yours."))
        assert reply.content_type == "application/json"
        assert (
            reply.data.items()
            >= {
                "error": "invalid_scope",
                "error_description": "Not yours.",
                "code": "invalid_scope",
                "detail": "Not yours.",
                "status": 400,
            }.items()
        )


class TestNotFound:
    @pytest.mark.parametrize("path", ["/api", "/api/", "/api/v2/referrals", "/.well-known/x"])
    def test_tells_a_program(self, path: str, client: Client) -> None:
        assert told(client.get(path), 404, "not_found")["detail"] == "Nothing is here."

    def test_tells_a_program_that_knows_itself(self, program: Any) -> None:
        for path in (f"{LIST}/", f"{LIST}/7/bundle", "/api/v1"):
            told(program.get(path), 404, "not_found")

    def test_tells_a_person(self, client: Client) -> None:
        reply = client.get("/nowhere")
        assert (reply.status_code, reply.headers["Content-Type"]) == (
            404,
            "text/html; charset=utf-8",
        )
        assert b"<h1>Not Found</h1><p>Nothing is here.</p>" in reply.content


class TestBadRequest:
    def test_tells_a_program_under_the_name_of_another_host(self, client: Client) -> None:
        reply = client.get(LIST, headers={"Host": "evil.example.org"})
        assert "evil" not in str(told(reply, 400, "bad_request"))

    def test_tells_a_person(self, client: Client) -> None:
        reply = client.get("/nowhere", headers={"Host": "evil.example.org"})
        assert (reply.status_code, b"<h1>Bad Request</h1>" in reply.content) == (400, True)


class TestServerError:
    @pytest.mark.parametrize("error", [RuntimeError(SECRET), KeyUnusable(SECRET)])
    def test_tells_a_program_that_it_is_not_its_fault(
        self,
        error: Exception,
        program: Any,
        delivered: Referral,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def broken(*args: Any) -> None:
            raise error

        monkeypatch.setattr("referrals.receipts.proof", broken)
        program.http.raise_request_exception = False
        reply = program.get(f"{LIST}/{delivered.pk}/receipt")
        told(reply, 500, "server_error")
        assert SECRET.encode() not in reply.content

    def test_tells_a_person(self) -> None:
        reply = errors.server_error(RequestFactory().get("/nowhere"))
        assert reply.status_code == 500
        assert b"<h1>Internal Server Error</h1><p>Something failed on our side." in reply.content


class TestEveryAddress:
    @pytest.mark.parametrize(
        ("method", "allowed"),
        [
            ("PUT", "GET, HEAD"),
            ("PATCH", "GET, HEAD"),
            ("DELETE", "GET, HEAD"),
            ("POST", "GET, HEAD"),
        ],
    )
    def test_says_which_methods_it_takes(self, method: str, allowed: str, program: Any) -> None:
        reply = program.call(method, LIST)
        told(reply, 405, "method_not_allowed")
        assert reply.headers["Allow"] == allowed

    def test_wants_to_know_who_calls(self, client: Client, delivered: Referral) -> None:
        for path in ("", f"/{delivered.pk}", f"/{delivered.pk}/bundle", f"/{delivered.pk}/receipt"):
            reply = client.get(f"{LIST}{path}")
            told(reply, 401, "not_authenticated")
            assert reply.headers["WWW-Authenticate"] == errors.CHALLENGE

    def test_of_tokens_answers_in_json_or_not_at_all(self, client: Client, db: None) -> None:
        wanted: Mapping[str, str] = {"Accept": "image/png"}
        told(client.post("/api/token", headers=dict(wanted)), 406, "not_acceptable")
