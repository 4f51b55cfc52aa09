"""Conditions: entity tags, preconditions and ranges (RFC 9110 sections 8, 13 and 14)."""

import base64
import re

from django.http import StreamingHttpResponse
from django.utils.http import parse_etags
from rest_framework.request import Request

from compliance.errors import Stale
from referrals.api.errors import Problem

RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)


def etag(value: object) -> str:
    """Return the strong entity tag of a version or digest."""
    return f'"{value}"'


def is_known(request: Request, tag: str) -> bool:
    """Tell whether the caller has what `tag` names (If-None-Match, weak comparison)."""
    known = parse_etags(request.headers.get("If-None-Match", ""))
    return known == ["*"] or tag in [each.removeprefix("W/") for each in known]


def not_modified(tag: str) -> StreamingHttpResponse:
    """Return the answer to a caller who has what `tag` names."""
    # Streamed without a byte: a Content-Length of 0 would be untrue (RFC 9110 section 8.6).
    answer = StreamingHttpResponse((), status=304, headers={"ETag": tag})
    del answer["Content-Type"]
    return answer


def agreed(request: Request, version: int) -> int:
    """Return `version` if it is what the caller acts upon (If-Match, strong comparison).

    Raises Stale if it is not, and answers 428 to a caller who does not say, or says "whatever".
    """
    known = parse_etags(request.headers.get("If-Match", ""))
    if known in ([], ["*"]):
        raise Problem(
            428, "precondition_required", "Send If-Match with the ETag of what you act upon."
        )
    if etag(version) not in known:
        raise Stale
    return version


def asked_range(request: Request, tag: str, size: int) -> tuple[int, int] | None:
    """Return start and stop of the one range asked for, or None for the whole.

    A header that we do not understand is ignored, as RFC 9110 section 14.2 allows.
    """
    match = RANGE.fullmatch(request.headers.get("Range", ""))
    if match is None or request.headers.get("If-Range", tag) != tag:
        return None
    first, last = match[1], match[2]
    if first:
        start, stop = int(first), min(int(last or size) + 1, size)
        if last and int(last) < start:
            return None
    elif last:
        start, stop = max(0, size - int(last)), size
    else:
        return None
    if start >= size:
        raise Problem(
            416,
            "range_not_satisfiable",
            "The range begins behind the end.",
            Content_Range=f"bytes */{size}",
        )
    return start, stop


def digest(sha256: str) -> str:
    """Return a SHA-256 in hex as the dictionary of RFC 9530."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"
