"""Refusals: a page with a way back for people at the desk, problem details for programs."""

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views import defaults

from referrals.api import errors


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that cannot be read, or that is larger than is allowed."""
    answer = defaults.bad_request if _is_at_the_desk(request) else errors.bad_request
    return answer(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an address where nothing is."""
    answer = defaults.page_not_found if _is_at_the_desk(request) else errors.not_found
    return answer(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a fault of ours, without a word about it."""
    answer = defaults.server_error if _is_at_the_desk(request) else errors.server_error
    return answer(request)


def _is_at_the_desk(request: HttpRequest) -> bool:
    return request.path.startswith(reverse("admin:index"))
