"""Piles: what waits for the same step, as the desk's front page shows it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.contrib.admin.templatetags.admin_urls import admin_urlname
from django.db.models import Model, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil

SHOWN = 8  # rows of a pile; the list behind it holds the rest
COUNTED = 100


@dataclass(frozen=True)
class Row:
    """One thing that waits: its name, where it is, and a sentence; how much of its time is gone."""

    title: str
    url: str
    note: str
    share: int | None = None


@dataclass(frozen=True)
class Pile:
    """Things that wait for the same step."""

    title: str
    empty: str
    total: int
    rows: list[Row]
    is_urgent: bool = False

    @property
    def count(self) -> str:
        """Return the number of things, counted no further than makes a difference."""
        return f"{COUNTED}+" if self.total > COUNTED else str(self.total)


def pile_of(
    title: str, empty: str, waiting: QuerySet[Any], rows: Iterable[Row], **more: Any
) -> Pile:
    """Return a pile of what waits, with its first rows."""
    return Pile(title, empty, waiting.order_by()[: COUNTED + 1].count(), list(rows), **more)


def page_of(record: Model) -> str:
    """Return where a record is read."""
    return reverse(admin_urlname(cast(Any, record._meta), SafeString("change")), args=[record.pk])


def when(due: datetime | None) -> str:
    """Say how long there is, or how late it is."""
    if due is None:
        return "without a due time"
    if due < timezone.now():
        return f"overdue by {timesince(due, depth=2)}"
    return f"due in {timeuntil(due, depth=2)}"


def ago(then: datetime) -> str:
    """Say how long ago it was."""
    return f"{timesince(then, depth=1)} ago"


def share_of(start: datetime | None, due: datetime | None) -> int | None:
    """Return how much of the time is gone, in percent."""
    if start is None or due is None:
        return None
    whole, gone = due - start, timezone.now() - start
    return 100 if gone >= whole else int(gone / whole * 100)
