"""Pagination: page by page, every referral is shown once, and a cursor opens no other door."""

import base64
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referrals.api import pagination
from referrals.api.errors import Problem
from referrals.api.pagination import Place
from referrals.docket import Referral

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ID = uuid.UUID(int=7)


def written(text: str | bytes) -> str:
    """Return any text as a cursor."""
    data = text if isinstance(text, bytes) else text.encode()
    return base64.urlsafe_b64encode(data).decode()


class TestPlace:
    @given(
        at=st.datetimes(timezones=st.just(UTC)),
        pk=st.uuids(),
    )
    def test_is_found_again_from_its_cursor(self, at: datetime, pk: uuid.UUID) -> None:
        there = Place(at, pk)
        assert pagination.place(there.cursor()) == there

    def test_is_a_moment_in_utc_wherever_it_was_written(self) -> None:
        at = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
        found = pagination.place(written(f"{at.isoformat()} {ID}"))
        assert found == Place(NOON, ID)
        assert found.delivered_at.tzinfo is UTC

    @pytest.mark.parametrize(
        "cursor",
        [
            "x",
            "💡",
            "====",
            written(""),
            written(b"\xff\xfe"),
            written(NOON.isoformat()),
            written(f"{NOON.isoformat()} 7"),
            written(f"noon {ID}"),
            written(f"{ID} {NOON.isoformat()}"),
            written(f"0001-01-01T00:00:00+14:00 {ID}"),
            written(f"9999-12-31T23:59:59-14:00 {ID}"),
        ],
    )
    def test_is_refused_if_we_did_not_write_it(self, cursor: str) -> None:
        with pytest.raises(Problem, match="Take the cursor from the link to the next page") as no:
            pagination.place(cursor)
        assert (no.value.status_code, no.value.code) == (400, "bad_cursor")

    @given(at=st.datetimes(timezones=st.timezones() | st.none()), pk=st.uuids())
    def test_is_a_place_or_a_refusal_for_any_moment(self, at: datetime, pk: uuid.UUID) -> None:
        with suppress(Problem):  # and nothing else
            found = pagination.place(written(f"{at.isoformat()} {pk}"))
            assert (found.delivered_at.tzinfo, found.id) == (UTC, pk)


class TestPage:
    @pytest.fixture
    def shelf(self, delivered: Referral, again: Callable[..., Referral]) -> list[Referral]:
        """Seven referrals, newest first; some were delivered in the same instant."""
        hours = (0, 0, 0, 1, 2, 2)
        made = [again(delivered_at=NOON - timedelta(hours=ago)) for ago in hours]
        return sorted([delivered, *made], key=lambda row: (row.delivered_at, row.pk), reverse=True)

    def test_after_page_shows_each_row_once_newest_first(self, shelf: list[Referral]) -> None:
        for limit in range(1, len(shelf) + 2):
            found, after = pagination.page(Referral.objects.all(), after=None, limit=limit)
            pages = [found]
            while after:
                found, after = pagination.page(Referral.objects.all(), after=after, limit=limit)
                pages.append(found)
                assert len(pages) <= len(shelf), "the pages never end"
            assert [row for page in pages for row in page] == shelf
            assert len(pages) == -(-len(shelf) // limit)  # rounded up: none is empty

    def test_is_not_shifted_by_what_arrives_in_between(
        self, shelf: list[Referral], again: Callable[..., Referral]
    ) -> None:
        _, after = pagination.page(Referral.objects.all(), after=None, limit=3)
        again(delivered_at=NOON + timedelta(days=300))
        found, _ = pagination.page(Referral.objects.all(), after=after, limit=3)
        assert found == shelf[3:6]

    def test_of_nothing_is_empty_and_the_last(self, db: None) -> None:
        assert pagination.page(Referral.objects.all(), after=None, limit=3) == ([], None)
