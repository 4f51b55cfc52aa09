"""The log at the desk: what is proven and up to when, what happened to a record, and the proofs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_safe

from compliance import readings
from compliance.admin.desk import Button, Desk, address, at, person
from compliance.audit import checkpoints, signing, timestamps, witnesses
from compliance.audit.checkpoints import AuditLeaf
from compliance.errors import WrongState
from compliance.models import AuditEntry, AuditOutbox
from compliance.roles import Permission

COUNTED = 10_000  # entries that wait, counted no further
SOON = timedelta(minutes=1)  # in which the sealer comes by

# What a search asks for, told by its form: each is one column, with an index of its own.
FORMS = {
    "actor_ref": re.compile(r"anonymous|(?:user|liaison|system|command):\S+"),
    "event": re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*"),
    "cid": re.compile(r"[0-9a-f]{32}"),
}


@dataclass(frozen=True)
class Proven:
    """How far the log is proven, for whoever reads it."""

    size: int
    until: datetime | None
    waiting: str
    is_behind: bool
    cosigned: list[tuple[str, int]]
    stamped: datetime | None
    origin: str


@admin.display(description="record")
def _about(entry: AuditEntry) -> str:
    return format_html("<code>{}</code>", entry.object_pk)


@admin.display(description="kind")
def _kind(entry: AuditEntry) -> str:
    return str(entry.content_type.name)


@admin.display(description="who")
def _who(entry: AuditEntry) -> str:
    return entry.actor.get_username() if entry.actor else entry.actor_ref


class LogDesk(Desk):
    """The audit log, for whoever may read it."""

    seen_with = Permission.READ_LOG
    called = "Audit log"
    list_display = (at("timestamp"), "event", _kind, _about, _who, "purpose")
    list_select_related = ("content_type", "actor")
    change_list_template = "admin/compliance/auditentry/list.html"
    search_fields = ("object_pk__exact",)
    search_help_text = "A whole event, record id, actor (user:17) or correlation id."
    shown = (
        "timestamp", "event", "content_type", "object_pk", "object_repr", "actor", "actor_ref",
        "cid", "purpose", "remote_addr", "changes", "additional_data",
    )  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses of every desk, and those of an entry's proof."""
        seen = self.admin_site.admin_view
        given = [("proof", self.proof), ("public", self.public)]
        return [
            path(
                f"<str:object_id>/{what}/",
                seen(require_safe(view)),
                name=f"compliance_auditentry_{what}",
            )
            for what, view in given
        ] + super().get_urls()

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        """Look in the one column that what was typed can stand in: a million rows are not read."""
        typed = search_term.strip()
        if not typed:
            return queryset, False
        column = next((name for name, form in FORMS.items() if form.fullmatch(typed)), None)
        if column:
            return queryset.filter(**{column: typed}), False
        # The index of records begins with their kind, so every kind is named.
        known = list(ContentType.objects.values_list("id", flat=True))
        return queryset.filter(content_type__in=known, object_pk=typed), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """List the entries, under how far they are proven."""
        return super().changelist_view(request, {"proven": proven()} | (extra_context or {}))

    def story(self, request: HttpRequest, record: Any, tried: Button | None) -> dict[str, Any]:
        """Return the entry's place in the log, and its record, if its reader may see that."""
        site, model = self.admin_site, record.content_type.model_class()
        told: dict[str, Any] = {"leaf": AuditLeaf.objects.filter(entry=record).first()}
        if site.is_registered(model) and site.get_model_admin(model).has_view_permission(request):
            told["about"] = address(model(pk=record.object_pk))
        return told

    def proof(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Hand out the `.tlog-proof` of an entry, once it is sealed."""
        return self._given(request, object_id, 0, "tlog-proof")

    def public(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Hand out the public part of an entry: what its proof is about."""
        return self._given(request, object_id, 1, "json")

    def _given(self, request: HttpRequest, object_id: str, which: int, ending: str) -> HttpResponse:
        entry = self._seen(request, object_id)
        try:
            text = readings.prove(entry, by=person(request))[which]
        except WrongState as refusal:
            messages.error(request, refusal.message)
            return redirect(address(entry))
        named = f'attachment; filename="entry-{entry.pk}.{ending}"'
        return HttpResponse(text, content_type="text/plain", headers={"Content-Disposition": named})


def proven() -> Proven:
    """Return how far the log is proven. A few rows are read, however long it is."""
    signed, stamp = checkpoints.published(), timestamps.last()
    size = signed.size if signed else 0
    last = AuditLeaf.objects.select_related("entry").filter(idx=size - 1).first()
    waiting = AuditOutbox.objects.all()[: COUNTED + 1].count()
    oldest = AuditOutbox.objects.select_related("entry").order_by("entry_id").first()
    return Proven(
        size=size,
        until=last.entry.timestamp if last else None,
        waiting=f"more than {COUNTED}" if waiting > COUNTED else str(waiting),
        is_behind=oldest is not None and oldest.entry.timestamp < timezone.now() - SOON,
        cosigned=list(_cosigned()),
        stamped=stamp.stamped_at if stamp else None,
        origin=signing.verifier().name,
    )


def _cosigned() -> Iterator[tuple[str, int]]:
    for name in witnesses.names():
        row = checkpoints.last_cosigned(name)
        yield name, row.checkpoint_id if row else 0
