"""Idempotency: a POST that is sent twice under one key acts once, and is answered the same."""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction
from django.http import HttpResponse
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from referrals import clients
from referrals.api.authentication import caller
from referrals.api.errors import Problem

KEY = re.compile(r"[\x21-\x7e]{1,128}")


def once(request: Request, act: Callable[[], Mapping[str, Any]]) -> HttpResponse:
    """Do `act` unless this key was answered before; effect and stored answer are one."""
    key = _key(request)
    mark = _fingerprint(request)
    with transaction.atomic():
        client = clients.lock(caller(request))  # one key at a time: the second finds the answer
        known = clients.find_reply(client, key)
        if known is None:
            body = JSONRenderer().render(act())
            clients.keep_reply(client, key, mark, 200, body)
            return HttpResponse(body, content_type="application/json")
    if known.fingerprint != mark:
        raise Problem(422, "key_reused", "This Idempotency-Key came with another request before.")
    return HttpResponse(
        bytes(known.body),
        status=known.status,
        content_type="application/json",
        headers={"Idempotent-Replayed": "true"},
    )


def _key(request: Request) -> str:
    key = request.headers.get("Idempotency-Key", "")
    if not KEY.fullmatch(key):
        raise Problem(
            400,
            "idempotency_key_required",
            "Send an Idempotency-Key of 1 to 128 visible ASCII characters.",
        )
    return key


def _fingerprint(request: Request) -> str:
    """Return what tells one request from another: method, address and body."""
    told = hashlib.sha256(f"{request.method} {request.path}\n".encode())
    told.update(request._request.body)
    return told.hexdigest()
