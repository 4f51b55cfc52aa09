"""History: all that the log holds about one record, in an order to read, with diffs and numbers."""

from dataclasses import dataclass
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models import Q

from compliance.audit.checkpoints import AuditLeaf
from compliance.models import AuditEntry

SHOWN = 100


@dataclass(frozen=True)
class Told:
    """One entry: its number in the sealed log, if it has one, and what it changed, in words."""

    entry: AuditEntry
    number: int | None
    changes: list[tuple[str, str, str]]
    detail: list[tuple[str, str]]


def told(record: models.Model, before: AuditEntry | None = None) -> list[Told]:
    """Return the newest entries about a record, or those before one, one more than is shown."""
    kind = ContentType.objects.get_for_model(record)
    about = AuditEntry.objects.filter(content_type=kind, object_pk=str(record.pk))
    if before:
        older = Q(timestamp__lt=before.timestamp) | Q(id__lt=before.pk)
        about = about.filter(older, timestamp__lte=before.timestamp)
    found = list(about.select_related("actor")[: SHOWN + 1])
    leaves = AuditLeaf.objects.filter(entry__in=[entry.pk for entry in found])
    numbers = dict(leaves.values_list("entry_id", "idx"))
    return [
        Told(entry, numbers.get(entry.pk), _changes(entry.changes), _detail(entry.additional_data))
        for entry in found
    ]


def _changes(changes: dict[str, Any] | None) -> list[tuple[str, str, str]]:
    """Return field, before and after; of links, what was put there or taken away."""
    said = []
    for field, change in (changes or {}).items():
        if isinstance(change, list):
            was, now = (_said(value) for value in change)
        else:
            linked = ", ".join(map(str, change["objects"]))
            was, now = ("", linked) if change["operation"] == "add" else (linked, "")
        if was or now:
            said.append((field.replace("_", " "), was, now))
    return said


def _said(value: object) -> str:
    """Return a value in words; django-auditlog writes what there is none of as a text."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return "" if text == "None" or text.endswith(".None") else text


def _detail(detail: dict[str, Any] | None) -> list[tuple[str, str]]:
    return [(name.replace("_", " "), _said(value)) for name, value in (detail or {}).items()]
