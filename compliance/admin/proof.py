"""Proof: whoever opens evidence showed within the last minutes that the session is still theirs."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth import authenticate, logout
from django.http import HttpRequest
from django.utils import timezone

from compliance import roles
from compliance.admin.forms import Asking
from compliance.errors import NotPermitted

FRESH = timedelta(minutes=5)
TRIES = 5  # wrong passwords, after which the session ends
AT, FAILED = "proved_at", "proofs_failed"


class Password(Asking):
    """The person's own password, once more."""

    password = forms.CharField(
        label="Your password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )


def is_fresh(request: HttpRequest) -> bool:
    """Tell whether the last proof of this session is recent. Signing in is none: it may be old."""
    at = request.session.get(AT, 0.0)
    return bool(timezone.now().timestamp() - at < FRESH.total_seconds())


def give(request: HttpRequest, *, password: str) -> None:
    """Prove who is there, or raise NotPermitted; the last wrong answer ends the session."""
    user: Any = request.user
    known = authenticate(request, username=user.get_username(), password=password)
    if known is not None and known.pk == user.pk:
        roles.prove_again(by=user)
        request.session[AT] = timezone.now().timestamp()
        request.session.pop(FAILED, None)
        return
    failed = request.session.get(FAILED, 0) + 1
    request.session[FAILED] = failed
    if failed >= TRIES:
        logout(request)
        raise NotPermitted("Too many wrong passwords. Sign in again.")
    raise NotPermitted("This is not your password.")
