"""Parts at the desk: a program in a person's session sends a large file, and resumes it.

    POST …/finding/ID/uploads/                    {"name", "size", "media_type"}
    GET  …/finding/ID/uploads/UPLOAD/             what is there, and what is missing
    PUT  …/finding/ID/uploads/UPLOAD/parts/N/     the bytes, with Content-Digest (RFC 9530)
    POST …/finding/ID/uploads/UPLOAD/complete/    {"sha256", and what is told of the item}

Answers are JSON; a refusal has a stable `code`. Every request but GET wants X-CSRFToken.
"""

import base64
import json
import re
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.urls import URLPattern, path
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from compliance import parts
from compliance.admin.desk import person
from compliance.errors import Malformed, NotPermitted, Refused, Tampered
from compliance.findings import Finding
from compliance.parts import PartedUpload
from compliance.roles import Permission, require

View = Callable[..., HttpResponseBase]
DIGEST = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):\s*(?:,|$)")
STATUS: dict[type[Refused], HTTPStatus] = {
    NotPermitted: HTTPStatus.FORBIDDEN,
    Malformed: HTTPStatus.BAD_REQUEST,
    Tampered: HTTPStatus.INTERNAL_SERVER_ERROR,
}
TOLD: dict[str, type | tuple[type, ...]] = {
    "field_class": str,
    "acquired_by": str,
    "source_url": str,
    "source_account": str,
    "publicly_available": (bool, type(None)),
    "exif_viewed": (bool, type(None)),
    "automated_detection": (bool, type(None)),
}


def urls(around: Callable[[View], View]) -> list[URLPattern]:
    """Return the addresses, each behind the desk's own door."""
    base = "<uuid:finding_id>/uploads/"
    rooms: tuple[tuple[str, View, str], ...] = (
        ("", require_POST(begin), "begin"),
        ("<uuid:upload_id>/", require_GET(status), "status"),
        ("<uuid:upload_id>/parts/<int:number>/", require_http_methods(["PUT"])(put), "put"),
        ("<uuid:upload_id>/complete/", require_POST(complete), "complete"),
    )
    return [
        path(f"{base}{where}", around(_answering(view)), name=f"compliance_parts_{name}")
        for where, view, name in rooms
    ]


def _answering(view: View) -> View:
    """Let those in who may record findings; answer a refusal with its code."""

    @wraps(view)
    def answer(request: HttpRequest, **where: Any) -> HttpResponseBase:
        try:
            require(person(request), Permission.RECORD_FINDING)
            return view(request, **where)
        except Refused as refusal:
            status = STATUS.get(type(refusal), HTTPStatus.CONFLICT)
            told = {"code": refusal.code, "detail": refusal.message}
            return JsonResponse(told, status=status)

    return answer


def begin(request: HttpRequest, finding_id: UUID) -> HttpResponseBase:
    """Begin an upload."""
    finding = Finding.objects.filter(pk=finding_id).first()
    if finding is None:
        raise Http404
    asked = _body(request, {"name": str, "size": int, "media_type": str})
    if not {"name", "size"} <= set(asked):
        raise Malformed("Say the file's name and its size in bytes.")
    upload = parts.begin(finding, **asked, by=person(request))
    return JsonResponse(_told(upload), status=HTTPStatus.CREATED)


def status(request: HttpRequest, finding_id: UUID, upload_id: UUID) -> HttpResponseBase:
    """Say what is there and what is missing."""
    return JsonResponse(_told(_own(request, finding_id, upload_id)))


def put(request: HttpRequest, finding_id: UUID, upload_id: UUID, number: int) -> HttpResponseBase:
    """Take one part. It is in memory whole, sealed and stored before the answer."""
    upload = _own(request, finding_id, upload_id)
    sha256 = _digest(request.headers.get("Content-Digest", ""))
    length = request.headers.get("Content-Length", "")
    if not length.isdecimal() or int(length) > parts.PART:
        raise Malformed(f"A part has at most {parts.PART} bytes, and says how many.")
    part = parts.put(upload, number, request.read(int(length)), sha256=sha256, by=person(request))
    return JsonResponse({"number": part.number, "sha256": part.sha256})


def complete(request: HttpRequest, finding_id: UUID, upload_id: UUID) -> HttpResponseBase:
    """Make an exhibit of the parts."""
    upload = _own(request, finding_id, upload_id)
    asked = _body(request, TOLD | {"sha256": str, "acquired_at": str})
    if not {"sha256", "acquired_at", "field_class"} <= set(asked):
        raise Malformed("Say sha256, acquired_at and field_class.")
    try:
        asked["acquired_at"] = parse_datetime(asked["acquired_at"])
    except ValueError:
        asked["acquired_at"] = None
    item = parts.complete(upload, **asked, by=person(request))
    told = {"item": str(item.pk), "exhibit": item.exhibit, "sha256": item.sha256}
    return JsonResponse(told | {"is_mismatched": item.is_mismatched}, status=HTTPStatus.CREATED)


def _own(request: HttpRequest, finding_id: UUID, upload_id: UUID) -> PartedUpload:
    """Return an upload of the caller's own; another's is not there."""
    upload = PartedUpload.objects.filter(
        pk=upload_id, finding=finding_id, begun_by=person(request)
    ).first()
    if upload is None:
        raise Http404
    return upload


def _told(upload: PartedUpload) -> dict[str, Any]:
    return {
        "upload": str(upload.pk),
        "size": upload.size,
        "part_size": parts.PART,
        "parts": upload.count,
        "missing": parts.missing(upload),
    }


def _body(request: HttpRequest, wanted: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON object of the request; a field that is not wanted, or not so, is refused."""
    try:
        told = json.loads(request.body)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise Malformed("The body is a JSON object.")
    for name, value in told.items():
        kind = wanted.get(name)
        if kind is None or not isinstance(value, kind) or (kind is int and value is True):
            raise Malformed(f"{name[:40]!r} is not known here, or not of the kind that is wanted.")
    return told


def _digest(header: str) -> str:
    """Return the SHA-256 of a Content-Digest (RFC 9530) in hex."""
    found = DIGEST.search(header)
    if found is None:
        raise Malformed("Send Content-Digest: sha-256=:BASE64: of the part.")
    return base64.b64decode(found[1]).hex()
