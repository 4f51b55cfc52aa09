"""Errors of the API: every refusal as problem details (RFC 9457), under a code that stays."""

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from rest_framework.exceptions import APIException, Throttled, ValidationError
from rest_framework.response import Response

from compliance.errors import Malformed, NotPermitted, Refused, Stale, WrongState
from referrals.docket import Corrected, Retracted
from referrals.inquiries import TaskingNotSupported

MEDIA_TYPE = "application/problem+json"
CHALLENGE = 'DPoP algs="Ed25519 EdDSA"'
# What a caller can do something about. Any other refusal is a fault of ours: a 500 without a word.
STATUSES = {
    Malformed: 400,
    NotPermitted: 403,
    WrongState: 409,
    Corrected: 410,
    Retracted: 410,
    Stale: 412,
}
MACHINES = ("/api", "/.well-known")
PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    "<h1>{title}</h1><p>{detail}</p></html>"
)


class Problem(APIException):
    """A refusal of the API itself: status, stable code, one sentence without content."""

    media_type = MEDIA_TYPE

    def __init__(self, status: int, code: str, detail: str, **headers: str) -> None:
        super().__init__(detail, code)
        self.status_code, self.code, self.sentence = status, code, detail
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def members(self) -> dict[str, Any]:
        """Return what the answer says beside status and code."""
        return {"detail": self.sentence}


class OAuthProblem(Problem):
    """A refusal of the token endpoint, in the form that OAuth clients read (RFC 6749 5.2)."""

    media_type = "application/json"

    def members(self) -> dict[str, Any]:
        """Return the two members of RFC 6749 beside our own."""
        return super().members() | {"error": self.code, "error_description": self.sentence}


def problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer an exception as problem details; None leaves it to `server_error`."""
    known = _problem(error)
    if known is None:
        return None
    headers = dict(known.headers)
    if known.status_code == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = _challenge(known.code)
    return Response(
        _body(known.status_code, known.code, **known.members()),
        status=known.status_code,
        headers=headers,
        content_type=known.media_type,
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that is refused before anybody reads it, such as one for another host."""
    return _answer(request, 400, "bad_request", "The request cannot be read.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an address that nobody serves."""
    return _answer(request, 404, "not_found", "Nothing is here.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a fault of ours, without a word about it."""
    return _answer(request, 500, "server_error", "Something failed on our side. Try again later.")


class _Tasking(Problem):
    """An order that is refused, and where legal process is served instead."""

    def __init__(self, refusal: TaskingNotSupported) -> None:
        super().__init__(403, refusal.code, refusal.message)

    def members(self) -> dict[str, Any]:
        return super().members() | {"legal_process_url": settings.LEGAL_PROCESS_URL or None}


class _Malformed(Problem):
    """A body or query that cannot be accepted: which field, and by which rule, never its value."""

    def __init__(self, error: ValidationError) -> None:
        super().__init__(400, "malformed", "Some of what was sent cannot be accepted.")
        self.errors = error.get_codes()

    def members(self) -> dict[str, Any]:
        return super().members() | {"errors": self.errors}


def _problem(error: Exception) -> Problem | None:
    if isinstance(error, Problem):
        return error
    if isinstance(error, TaskingNotSupported):
        return _Tasking(error)
    if isinstance(error, Refused) and type(error) in STATUSES:
        return Problem(STATUSES[type(error)], error.code, error.message)
    if isinstance(error, Http404):
        return Problem(404, "not_found", "Nothing is here.")
    if isinstance(error, RequestDataTooBig):
        return Problem(413, "too_large", "The request is too large.")
    if isinstance(error, ValidationError):
        return _Malformed(error)
    return _framework(error) if isinstance(error, APIException) else None


def _framework(error: APIException) -> Problem:
    """Translate an exception of the framework. Its own words may repeat input; ours do not."""
    wait = (
        {"Retry_After": str(getattr(error, "wait", None) or 1)}
        if isinstance(error, Throttled)
        else {}
    )
    phrase = HTTPStatus(error.status_code).phrase
    return Problem(error.status_code, str(error.get_codes()), f"{phrase}.", **wait)


def _challenge(code: str) -> str:
    """Return the challenge of a 401, with the error where RFC 9449 (7.1) names one."""
    named = code in ("invalid_token", "invalid_dpop_proof")
    return f'{CHALLENGE}, error="{code}"' if named else CHALLENGE


def _body(status: int, code: str, **members: Any) -> dict[str, Any]:
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "code": code, **members}


def _answer(request: HttpRequest, status: int, code: str, detail: str) -> HttpResponse:
    """Answer a program with problem details, and a person with a short page."""
    if request.path.startswith(MACHINES):
        body = _body(status, code, detail=detail)
        return JsonResponse(body, status=status, content_type=MEDIA_TYPE)
    page = PAGE.format(title=HTTPStatus(status).phrase, detail=detail)
    return HttpResponse(page, status=status)
