"""Conditions: tags, preconditions and ranges, read as RFC 9110 reads them."""

import base64
import hashlib
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from compliance.errors import Stale
from referrals.api import conditions
from referrals.api.errors import Problem

TAG = '"a1"'
SIZE = 10


def asking(**headers: str) -> Any:
    """Return a request with these headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return RequestFactory().get("/", headers=named)


class TestIsKnown:
    @pytest.mark.parametrize(
        ("said", "known"),
        [
            ('"a1"', True),
            ('W/"a1"', True),
            ('"b2", "a1"', True),
            ("*", True),
            ('"b2"', False),
            ("a1", False),
            ('"W/a1"', False),
            ("", False),
        ],
    )
    def test_compares_weakly(self, said: str, known: bool) -> None:
        assert conditions.is_known(asking(If_None_Match=said), TAG) is known

    def test_nobody_knows_what_they_do_not_name(self) -> None:
        assert not conditions.is_known(asking(), TAG)


class TestNotModified:
    def test_says_nothing_but_the_tag(self) -> None:
        answer = conditions.not_modified(TAG)
        assert (answer.status_code, dict(answer.headers)) == (304, {"ETag": TAG})
        assert b"".join(answer) == b""


class TestAgreed:
    @pytest.mark.parametrize("said", ['"3"', '"2", "3"', ' "3" '])
    def test_is_the_version_that_the_caller_named(self, said: str) -> None:
        assert conditions.agreed(asking(If_Match=said), 3) == 3

    @pytest.mark.parametrize("said", ['"2"', '"4"', 'W/"3"', '"03"', '"3", x', '"33"'])
    def test_refuses_another_one(self, said: str) -> None:
        with pytest.raises(Stale):
            conditions.agreed(asking(If_Match=said), 30 if said == '"3", x' else 3)

    @pytest.mark.parametrize(
        "headers", [{}, {"If_Match": ""}, {"If_Match": "*"}, {"If_Match": "3"}]
    )
    def test_wants_one_to_be_named(self, headers: dict[str, str]) -> None:
        with pytest.raises(Problem, match="Send If-Match with the ETag") as refusal:
            conditions.agreed(asking(**headers), 3)
        assert (refusal.value.status_code, refusal.value.code) == (428, "precondition_required")


def part(said: str, **more: str) -> tuple[int, int] | None:
    return conditions.asked_range(asking(Range=said, **more), TAG, SIZE)


class TestAskedRange:
    @pytest.mark.parametrize(
        ("said", "found"),
        [
            ("bytes=0-3", (0, 4)),
            ("bytes=0-0", (0, 1)),
            ("bytes=4-", (4, 10)),
            ("bytes=9-9", (9, 10)),
            ("bytes=4-99", (4, 10)),
            ("bytes=-3", (7, 10)),
            ("bytes=-99", (0, 10)),
            ("BYTES=0-3", (0, 4)),
        ],
    )
    def test_is_from_the_first_byte_up_to_the_last(self, said: str, found: tuple[int, int]) -> None:
        assert part(said) == found

    @pytest.mark.parametrize(
        "said",
        [
            "",
            "bytes=",
            "bytes=-",
            "bytes=3-2",
            "bytes=0-1,4-5",
            "bytes=0-1, 4-5",
            "lines=0-3",
            "bytes=a-3",
            "bytes=1-2x",
            "bytes=+1-2",
            "bytes=٣-٤".encode().decode("latin-1"),
            f"bytes=0-{10**18}",
        ],
    )
    def test_is_the_whole_when_it_is_not_understood(self, said: str) -> None:
        assert part(said) is None

    def test_is_the_whole_without_being_asked_for(self) -> None:
        assert conditions.asked_range(asking(), TAG, SIZE) is None

    @pytest.mark.parametrize("said", ["bytes=10-", "bytes=10-12", "bytes=-0", f"bytes={10**17}-"])
    def test_cannot_begin_behind_the_end(self, said: str) -> None:
        with pytest.raises(Problem, match=r"The range begins behind the end\.") as refusal:
            part(said)
        assert (refusal.value.status_code, refusal.value.code) == (416, "range_not_satisfiable")
        assert refusal.value.headers == {"Content-Range": "bytes */10"}

    @pytest.mark.parametrize(
        ("said", "found"),
        [
            (TAG, (0, 4)),
            ('"b2"', None),
            ('W/"a1"', None),  # If-Range compares strongly
            ("Tue, 24 Nov 2026 10:00:00 GMT", None),  # we name no date that could be meant
        ],
    )
    def test_is_the_whole_to_whoever_has_a_part_of_something_else(
        self, said: str, found: tuple[int, int] | None
    ) -> None:
        assert part("bytes=0-3", If_Range=said) == found

    def test_of_something_else_is_the_whole_even_behind_the_end(self) -> None:
        assert part("bytes=99-", If_Range='"b2"') is None

    @given(size=st.integers(1, 40), first=st.integers(0, 50), last=st.none() | st.integers(0, 50))
    def test_is_what_slicing_gives(self, size: int, first: int, last: int | None) -> None:
        whole = bytes(range(size))
        request: HttpRequest = asking(Range=f"bytes={first}-{'' if last is None else last}")
        wanted = whole[first:] if last is None else whole[first : last + 1]
        if first >= size and (last is None or last >= first):
            with pytest.raises(Problem):
                conditions.asked_range(request, TAG, size)  # type: ignore[arg-type]
            return
        found = conditions.asked_range(request, TAG, size)  # type: ignore[arg-type]
        assert (whole[slice(*found)] if found else b"") == wanted


class TestDigest:
    def test_is_a_dictionary_of_rfc_9530(self) -> None:
        hashed = hashlib.sha256(b"Tonight.")
        told = base64.b64encode(hashed.digest()).decode()
        assert conditions.digest(hashed.hexdigest()) == f"sha-256=:{told}:"

    def test_of_nothing_is_the_one_that_the_rfc_prints(self) -> None:
        assert conditions.digest(hashlib.sha256(b"").hexdigest()) == (
            "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
        )
