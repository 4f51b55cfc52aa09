"""Pagination: pages by key, so that page one thousand costs what page one does."""

import base64
import uuid
from datetime import UTC, datetime
from typing import NamedTuple

from django.db.models import Q, QuerySet

from referrals.api.errors import Problem
from referrals.docket import Referral


class Place(NamedTuple):
    """Where a page ended: the last row's delivery and id, which together are unique."""

    delivered_at: datetime
    id: uuid.UUID

    def cursor(self) -> str:
        """Return this place as text that a caller hands back unread."""
        text = f"{self.delivered_at.isoformat()} {self.id}"
        return base64.urlsafe_b64encode(text.encode()).decode()


def place(cursor: str) -> Place:
    """Return the place that a cursor names, or answer 400."""
    try:
        at, _, pk = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        # In UTC, as the table has it: a moment beyond the calendar overflows here, not there.
        return Place(datetime.fromisoformat(at).astimezone(UTC), uuid.UUID(pk))
    except (ValueError, OverflowError) as error:
        raise Problem(
            400, "bad_cursor", "Take the cursor from the link to the next page."
        ) from error


def page(
    rows: QuerySet[Referral], *, after: Place | None, limit: int
) -> tuple[list[Referral], Place | None]:
    """Return up to `limit` rows, newest first, and the place to go on from."""
    rows = rows.order_by("-delivered_at", "-id")
    if after:
        # a <= x AND (a < x OR id < y): the index finds the first row, OR alone would scan.
        rows = rows.filter(
            Q(delivered_at__lt=after.delivered_at) | Q(id__lt=after.id),
            delivered_at__lte=after.delivered_at,
        )
    found = list(rows[: limit + 1])
    if len(found) <= limit:
        return found, None
    last = found[limit - 1]
    return found[:limit], Place(last.delivered_at, last.pk)  # type: ignore[arg-type]
