"""Changes: two answers that ask the same of us are one; time alone may make another."""

from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest

from compliance import jurisdictions
from compliance.jurisdictions import RuleSet

Enact = Callable[..., RuleSet]
Ask = Callable[..., dict[str, Any]]

VERSIONS = [
    {"from": "2026-02-10", "status": "in_force"},
    {"from": "2026-02-12", "status": "suspended"},
]


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2026, 2, day, hour, tzinfo=UTC)


def silent(*ends: str | None) -> dict[str, Any]:
    return {"silence": [{"until": end} for end in ends]}


class TestIsSame:
    @pytest.fixture
    def said(self, ask: Ask, golden: dict[str, Any]) -> dict[str, Any]:
        """What the law says of a golden case with a report, a conflict and a hold."""
        return ask(next(iter(golden)))

    def test_holds_whatever_the_hashes_and_the_times(self, said: dict[str, Any]) -> None:
        other = said | {"rule_set": "x", "sha256": "x", "rule_time": "x", "clocks": {}}
        other |= {"questions": [], "assumed": [], "human": []}
        assert jurisdictions.is_same(said, other)

    @pytest.mark.parametrize("part", ["reports", "conflicts", "preserve", "silence"])
    def test_fails_with_what_is_asked_of_us(self, said: dict[str, Any], part: str) -> None:
        assert not jurisdictions.is_same(said, said | {part: "another"})

    def test_fails_with_an_outcome(self, said: dict[str, Any]) -> None:
        other = deepcopy(said)
        other["rules"]["eu-dsa-18"]["outcome"] = "another"
        assert not jurisdictions.is_same(said, other)


class TestNextChange:
    @pytest.mark.parametrize(
        ("after", "ends", "then"),
        [
            (at(9), [], at(10)),
            (at(10), [], at(12)),
            (at(11, 23), [None], at(12)),
            (at(12), [], None),
            (at(12), ["2026-02-14T06:00:00Z", "2026-02-13T06:00:00Z"], at(13, 6)),
            (at(9), ["2026-02-09T06:00:00Z"], at(9, 6)),
            (at(10, 7), ["2026-02-10T06:00:00Z"], at(12)),
        ],
    )
    def test_is_the_first_version_or_end_of_silence_after_an_instant(
        self, enact: Enact, after: datetime, ends: list[str], then: datetime | None
    ) -> None:
        rules = enact({"xx-rule": {"versions": VERSIONS}})
        assert jurisdictions.next_change(rules, silent(*ends), after) == then
