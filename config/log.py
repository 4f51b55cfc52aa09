"""The public log: its newest checkpoint and its tiles, for anybody (C2SP tlog-tiles).

A tile holds hashes and nothing else. What the entries say is not public, so no entry bundle is
served. A request costs one query and 8 KiB at most.
"""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from compliance.audit import checkpoints, tree
from compliance.audit.checkpoints import AuditTile

HEADER = "Log-Checkpoint"
FOR_SECONDS = "public, max-age=2"
FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class TileAddress:
    """Which tile is asked for, and how many of its hashes."""

    level: int
    n: int
    width: int = tree.WIDTH


class TileConverter:
    """The path of a tile. Each tile has one path: others are no address at all."""

    regex = r"[0-9]{1,2}/(?:x[0-9]{3}/){0,5}[0-9]{3}(?:\.p/[0-9]{1,3})?"

    def to_python(self, value: str) -> TileAddress:
        """Read a path."""
        path, _, width = value.partition(".p/")
        level, _, n = path.partition("/")
        found = TileAddress(
            int(level), int(re.sub("[x/]", "", n)), int(width) if width else tree.WIDTH
        )
        if not 0 < found.width <= tree.WIDTH or self.to_url(found) != value:
            raise ValueError("This is not how a tile's path is written.")
        return found

    def to_url(self, value: TileAddress) -> str:
        """Write a path."""
        return tree.tile_path(value.level, value.n, value.width)


@require_safe
def checkpoint(request: HttpRequest) -> HttpResponse:
    """Serve the newest checkpoint, with the cosignatures it has."""
    note = checkpoints.published_note()
    if note is None:
        raise Http404
    return HttpResponse(
        note,
        content_type="text/plain; charset=utf-8",
        headers={"Cache-Control": FOR_SECONDS},
    )


@require_safe
def tile(request: HttpRequest, address: TileAddress) -> HttpResponse:
    """Serve a full tile, or the part of it that a checkpoint once needed; neither ever changes."""
    try:
        data = checkpoints.tile(address.level, address.n, address.width)
    except AuditTile.DoesNotExist as error:
        raise Http404 from error
    return HttpResponse(
        data, content_type="application/octet-stream", headers={"Cache-Control": FOR_EVER}
    )


class ShowsCheckpoint:
    """Give every answer of the API the newest checkpoint, so that each agency is a witness."""

    def __init__(self, handler: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.handler = handler

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.handler(request)
        if request.path.startswith("/api/v1/") and (note := checkpoints.published_note()):
            response[HEADER] = base64.b64encode(note.encode()).decode()
        return response
