"""Exhibits at the desk: opened for a purpose, after a proof, veiled until asked for, never run.

What a file holds was written by somebody else. A browser gets the few kinds of picture, film and
sound that it decodes, under the type that its first bytes speak for; everything that is text is
shown as letters; nothing else is shown at all. Whatever is sent is on record before its first byte.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import PurePath
from typing import Any, cast

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from compliance import evidence, readings, roles
from compliance.admin import proof
from compliance.admin.desk import Desk, Step, address, at, person
from compliance.admin.forms import Purpose
from compliance.errors import Malformed, NotPermitted, Refused
from compliance.models import Item
from compliance.roles import Permission, User

OPEN_FOR = timedelta(minutes=30)  # so long a purpose that was told lets its item be seen
SHIFT = timedelta(hours=8)
TEXT_SHOWN = 256 * 1024  # bytes of a text; the copy holds the rest
SHOWN_AS = {
    **dict.fromkeys(
        ("image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/bmp"), "picture"
    ),
    **dict.fromkeys(("video/mp4", "video/webm", "video/quicktime", "video/3gpp"), "film"),
    **dict.fromkeys(("audio/mpeg", "audio/ogg", "audio/wav", "audio/flac", "audio/mp4"), "sound"),
    **dict.fromkeys(("text/plain", "text/html", "text/xml", "image/svg+xml"), "text"),
}
# Of what is sent as it is: no script, no style, no origin, whatever a browser makes of it.
INERT = {
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)
SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
OPENED = "opened"  # in the session: purpose and end, by item


def _open(request: HttpRequest, item: Item, *, purpose: str, by: User) -> HttpResponseBase:
    """Remember in the session what the exhibit is opened for, and lead to where it is seen."""
    roles.require(by, Permission.VIEW_EVIDENCE)
    if not purpose.strip():
        raise Malformed("Say why you open this item.")
    until = (timezone.now() + OPEN_FOR).timestamp()
    opened = request.session.get(OPENED, {})
    request.session[OPENED] = opened | {str(item.pk): [purpose.strip(), until]}
    return redirect(address(item, "view"))


class ItemDesk(Desk):
    """Exhibits. Opening one is a step with a purpose, and each reading is an event."""

    seen_with = Permission.VIEW_MATTER
    called = "Exhibits"
    list_display = ("__str__", "finding", "name", "field_class", "size", at("attached_at"))
    list_filter = ("field_class",)
    list_select_related = ("finding",)
    search_fields = ("finding__reference__exact", "sha256__exact")
    search_help_text = "The whole number of a finding, or a whole SHA-256."
    shown = (
        "finding", "exhibit", "name", "media_type", "sniffed_type", "field_class", "source_url",
        "source_account", "acquired_at", "acquired_by", "publicly_available", "exif_viewed",
        "automated_detection", "size", "sha256", "attached_at", "attached_by",
    )  # fmt: skip
    steps = (Step("open", "Open", Permission.VIEW_EVIDENCE, _open, "", Purpose),)

    def get_urls(self) -> list[URLPattern]:
        """Add the room in which an exhibit is seen."""
        seen = self.admin_site.admin_view
        rooms: tuple[tuple[str, Callable[..., HttpResponseBase]], ...] = (
            ("view", require_http_methods(["GET", "POST"])(self.view)),
            ("content", require_GET(self.content)),
            ("copy", require_POST(self.copy)),
        )
        return [
            *(
                path(f"<str:object_id>/{name}/", seen(room), name=f"compliance_item_{name}")
                for name, room in rooms
            ),
            *super().get_urls(),
        ]

    def headline(self, record: Any) -> str:
        """Return what stands over the page of an exhibit."""
        return f"Exhibit {record.exhibit} of {record.finding}"

    def home(self, record: Any) -> models.Model:
        """Return the finding: its page is where exhibits are opened."""
        return cast(models.Model, record.finding)

    def take(self, request: HttpRequest, object_id: str, *, step: Step) -> HttpResponseBase:
        """Take the step: what it is opened for stays in the session for a while."""
        return super().take(
            request, object_id, step=replace(step, verb=partial(step.verb, request))
        )

    def view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Show an exhibit to whoever said why and proved who they are."""
        item = self._opened(request, object_id)
        if item is None:
            messages.error(request, "Say on this page why you open the exhibit.")
            return redirect(address(self._found(request, object_id).finding))
        if request.method == "GET":
            readings.show(item, by=person(request))
        if request.method == "POST" or not proof.is_fresh(request):
            return self._prove(request, item)
        try:
            shown = _shown(item, purpose=_purpose(request, item), by=person(request))
        except Refused as refusal:
            messages.error(request, refusal.message)
            return redirect(address(item.finding))
        return self.page(
            request,
            "view",
            title=self.headline(item),
            item=item,
            exposure=evidence.exposure(person(request), timezone.now() - SHIFT),
            hours=SHIFT // timedelta(hours=1),
            **shown,
        )

    def content(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Send the bytes of an exhibit that a browser decodes, or a range of them."""
        item = self._opened(request, object_id)
        if item is None or _as(item) not in ("picture", "film", "sound"):
            raise PermissionDenied("This exhibit is not open.")
        try:
            span = _asked(request.headers.get("Range", ""), item.size)
        except ValueError:
            return HttpResponse(
                status=416, headers=INERT | {"Content-Range": f"bytes */{item.size}"}
            )
        return _sent(request, item, item.sniffed_type, span)

    def copy(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Send an exhibit as a file to save: no browser shows it."""
        item = self._opened(request, object_id)
        if item is None:
            raise PermissionDenied("This exhibit is not open.")
        answer = _sent(request, item, "application/octet-stream", None)
        if answer.status_code == 200:
            answer["Content-Disposition"] = content_disposition_header(True, _file_name(item)) or ""
        return answer

    def _opened(self, request: HttpRequest, object_id: str) -> Item | None:
        """Return the exhibit if this session may see it now."""
        item: Item = self._found(request, object_id)
        if not person(request).may(Permission.VIEW_EVIDENCE):
            raise PermissionDenied
        return item if _purpose(request, item) else None

    def _prove(self, request: HttpRequest, item: Item) -> HttpResponseBase:
        """Ask for the password, and go on once it is right."""
        posted = request.method == "POST"
        form = proof.Password(item, *([request.POST] if posted else []))
        if posted and form.is_valid():
            try:
                proof.give(request, **form.cleaned_data)
            except NotPermitted as refusal:
                if not request.user.is_authenticated:
                    messages.error(request, refusal.message)
                    return redirect("admin:index")
                form.add_error("password", refusal.message)
            else:
                return redirect(address(item, "view"))
        page = self.page(request, "prove", title=self.headline(item), item=item, form=form)
        page.status_code = 400 if posted else 200
        return page


def _purpose(request: HttpRequest, item: Item) -> str:
    """Return what this session opened the exhibit for; nothing if it did not, or long ago."""
    purpose, until = request.session.get(OPENED, {}).get(str(item.pk), ("", 0.0))
    return str(purpose) if timezone.now().timestamp() < until else ""


def _as(item: Item) -> str:
    """Return as what an exhibit is shown; nothing if it is not."""
    return SHOWN_AS.get(item.sniffed_type, "")


def _shown(item: Item, *, purpose: str, by: User) -> dict[str, Any]:
    """Return what the page needs: a text is in it, as letters."""
    shown: dict[str, Any] = {"as": _as(item)}
    if shown["as"] == "text":
        stop = min(item.size, TEXT_SHOWN)
        data = b"".join(evidence.read(item, purpose=purpose, stop=stop, by=by))
        wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        shown["text"] = data.decode("utf-16" if wide else "utf-8-sig", errors="replace")
        shown["is_cut"] = stop < item.size
    return shown


def _asked(header: str, size: int) -> tuple[int, int] | None:
    """Return start and stop of the one range asked for, None for the whole (RFC 9110, 14.1.2).

    ValueError where nothing of it is there.
    """
    match = RANGE.fullmatch(header)
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    if start >= stop:
        raise ValueError("The range holds nothing.")
    return start, stop


def _sent(
    request: HttpRequest, item: Item, kind: str, span: tuple[int, int] | None
) -> HttpResponseBase:
    """Send bytes in clear; the event is committed before the first of them."""
    start, stop = span or (0, item.size)
    try:
        pieces = evidence.read(
            item, purpose=_purpose(request, item), start=start, stop=stop, by=person(request)
        )
        # The first piece is drawn here, so that a lost key is told and is not a broken file.
        whole = _all_of(next(pieces), pieces)
    except Refused as refusal:
        return HttpResponse(refusal.message, status=409, headers=INERT, content_type="text/plain")
    headers = INERT | {"Content-Length": str(stop - start), "Accept-Ranges": "bytes"}
    if span:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{item.size}"
    return StreamingHttpResponse(
        whole, status=206 if span else 200, content_type=kind, headers=headers
    )


def _all_of(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """Join them in a generator: closing it, when a browser goes away, closes the rest."""
    yield first
    yield from rest


def _file_name(item: Item) -> str:
    """Return a name that is plain text on every system, whatever the sender called the file."""
    given = PurePath(item.name)
    stem = "".join(letter for letter in given.stem if letter in SAFE)[:60] or "item"
    suffix = "".join(letter for letter in given.suffix if letter in SAFE)[:10]
    name = f"{item.finding.reference}-{item.exhibit}-{stem}"
    return f"{name}.{suffix}" if suffix else name
