"""Moments: which version of a rule counts, and from when its time runs."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance import jurisdictions
from compliance.jurisdictions import RuleSet
from compliance.jurisdictions.determine.moments import instant, later, written

Enact = Callable[..., RuleSet]
NOON = "2026-03-01T12:00:00Z"


def at(day: int, hour: int = 0) -> str:
    return f"2026-02-{day:02}T{hour:02}:00:00Z"


def timed(
    enact: Enact, versions: list[dict[str, Any]], trigger: dict[str, str], **clocks: Any
) -> tuple[dict[str, Any], str | None]:
    """What one rule with a deadline of one hour or two says at noon: itself, and its due time."""
    report = {
        "deadline": {"words": "soon", "hours": {"imminent": 1, "otherwise": 2}},
        "fields": "available",
        "to": [{"authority": "fbi"}],
    }
    rule = {"versions": versions, "trigger": trigger, "then": {"report": report}}
    said = jurisdictions.rule_on(
        enact({"xx-rule": rule}),
        facts={"threat.imminent": True},
        clocks=clocks,
        rule_time=NOON,
    )
    return said["rules"]["xx-rule"], next((each["due"] for each in said["reports"]), None)


IN_FORCE_FROM_THE_TENTH = [{"from": "2026-02-10", "status": "in_force"}]
SUSPENDED_IN_BETWEEN = [
    {"from": "2026-02-10", "status": "in_force"},
    {"from": "2026-02-12", "status": "suspended"},
    {"from": "2026-02-14", "status": "in_force"},
]
NOT_YET = [{"from": "2026-03-02", "status": "in_force"}]
ENACTED = [
    {"from": "2026-02-10", "status": "proposed"},
    {"from": "2026-02-12", "status": "in_force"},
]
ADOPTED = [
    {"from": "2026-02-10", "status": "preview"},
    {"from": "2026-02-12", "status": "in_force"},
]
REVIVED = [
    {"from": "2026-02-10", "status": "suspended"},
    {
        "from": "2026-02-12", "status": "sunset",
        "renewal": {"fact": "threat.imminent", "is": True},
    },
]  # fmt: skip
ENDED = [
    {"from": "2026-02-10", "status": "in_force"},
    {"from": "2026-02-12", "status": "superseded", "successor": "xx-other"},
]


class TestAnEventRule:
    TRIGGER = {"nature": "event", "clock": "suspicion", "words": "becomes aware"}

    @pytest.mark.parametrize(
        ("versions", "clocks", "outcome", "moment", "due"),
        [
            # One who knew before the law began owes nothing: the law does not look back.
            (IN_FORCE_FROM_THE_TENTH, {"suspicion": at(9, 23)}, "not_in_force", at(9, 23), None),
            (IN_FORCE_FROM_THE_TENTH, {"suspicion": at(10)}, "holds", at(10), at(10, 1)),
            # A new event is judged by its own law, and its own clock runs.
            (
                IN_FORCE_FROM_THE_TENTH, {"suspicion": at(9), "new_event": [at(11), at(10, 5)]},
                "holds", at(10, 5), at(10, 6),
            ),
            # A new event before, or at, the first one is none; nor is one still to come.
            (
                IN_FORCE_FROM_THE_TENTH, {"suspicion": at(11), "new_event": [at(10), at(11)]},
                "holds", at(11), at(11, 1),
            ),
            (
                IN_FORCE_FROM_THE_TENTH,
                {"suspicion": at(9), "new_event": ["2026-03-01T12:00:01Z"]},
                "not_in_force", at(9), None,
            ),
            (
                IN_FORCE_FROM_THE_TENTH, {"suspicion": at(9), "new_event": [NOON]},
                "holds", NOON, "2026-03-01T13:00:00Z",
            ),
            (SUSPENDED_IN_BETWEEN, {"suspicion": at(13)}, "suspended", at(13), None),
            (
                SUSPENDED_IN_BETWEEN, {"suspicion": at(13), "new_event": [at(11)]},
                "suspended", at(13), None,
            ),
            (
                SUSPENDED_IN_BETWEEN, {"suspicion": at(13), "new_event": [at(15)]},
                "holds", at(15), at(15, 1),
            ),
            # A law that has an end is law until then.
            (REVIVED, {"suspicion": at(11), "new_event": [at(13)]}, "holds", at(13), at(13, 1)),
            (ENDED, {"suspicion": at(11)}, "holds", at(11), at(11, 1)),
            (ENDED, {"suspicion": at(12)}, "not_in_force", at(12), None),
            # A bill is no law: what happens once it is enacted is judged by the enacted law.
            (ENACTED, {"suspicion": at(11)}, "not_in_force", at(11), None),
            (ENACTED, {"suspicion": at(11), "new_event": [at(13)]}, "holds", at(13), at(13, 1)),
            # A preview counts from its first event, until an event falls under what is law.
            (ADOPTED, {"suspicion": at(9), "new_event": [at(11)]}, "holds", at(11), at(11, 1)),
            (
                ADOPTED, {"suspicion": at(9), "new_event": [at(11), at(13)]},
                "holds", at(13), at(13, 1),
            ),
            # Nobody recorded when: the law of now, and no due time.
            (IN_FORCE_FROM_THE_TENTH, {}, "holds", NOON, None),
            (IN_FORCE_FROM_THE_TENTH, {"new_event": [at(11)]}, "holds", NOON, None),
            (ENDED, {}, "not_in_force", NOON, None),
            # What is still to come has not happened.
            (IN_FORCE_FROM_THE_TENTH, {"suspicion": "2026-03-01T12:00:01Z"}, "holds", NOON, None),
        ],
    )  # fmt: skip
    def test_is_judged_by_the_law_of_the_event(
        self, enact: Enact, versions: Any, clocks: Any, outcome: str, moment: str, due: str | None
    ) -> None:
        rule, found = timed(enact, versions, self.TRIGGER, **clocks)
        assert (rule["outcome"], rule["moment"], found) == (outcome, moment, due)


class TestAStateRule:
    TRIGGER = {"nature": "state", "clock": "belief", "words": "has"}

    @pytest.mark.parametrize(
        ("versions", "clocks", "outcome", "due"),
        [
            # Whoever still has the information on the first day owes from that day on.
            (IN_FORCE_FROM_THE_TENTH, {"belief": at(9)}, "holds", at(10, 1)),
            (IN_FORCE_FROM_THE_TENTH, {"belief": at(11)}, "holds", at(11, 1)),
            (IN_FORCE_FROM_THE_TENTH, {}, "holds", None),
            # A new event does not re-arm a state.
            (IN_FORCE_FROM_THE_TENTH, {"belief": at(9), "new_event": [at(20)]}, "holds", at(10, 1)),
            (SUSPENDED_IN_BETWEEN, {"belief": at(13)}, "holds", at(14, 1)),
            (ENDED, {"belief": at(11)}, "not_in_force", None),
            (NOT_YET, {"belief": at(9)}, "not_in_force", None),
        ],
    )  # fmt: skip
    def test_is_judged_by_the_law_of_now(
        self, enact: Enact, versions: Any, clocks: Any, outcome: str, due: str | None
    ) -> None:
        rule, found = timed(enact, versions, self.TRIGGER, **clocks)
        assert (rule["outcome"], rule["moment"], found) == (outcome, NOON, due)


class TestARequestRule:
    TRIGGER = {"nature": "request", "clock": "order", "words": "on receipt"}

    @pytest.mark.parametrize(
        ("clocks", "outcome", "moment", "due"),
        [
            ({"order": at(11)}, "holds", at(11), at(11, 1)),
            ({"order": at(9)}, "not_in_force", at(9), None),
            # A new event is no new request.
            ({"order": at(9), "new_event": [at(11)]}, "not_in_force", at(9), None),
            ({}, "holds", NOON, None),
        ],
    )
    def test_is_judged_by_the_law_of_the_request(
        self, enact: Enact, clocks: Any, outcome: str, moment: str, due: str | None
    ) -> None:
        rule, found = timed(enact, IN_FORCE_FROM_THE_TENTH, self.TRIGGER, **clocks)
        assert (rule["outcome"], rule["moment"], found) == (outcome, moment, due)


class TestTheClockOfARung:
    @pytest.mark.parametrize(
        ("clock", "recorded", "start"),
        [
            ("suspicion", {"suspicion": 11, "belief": 12, "actual_knowledge": 13}, 11),
            ("belief", {"suspicion": 11, "belief": 12, "actual_knowledge": 13}, 12),
            ("actual_knowledge", {"suspicion": 11, "belief": 12, "actual_knowledge": 13}, 13),
            ("suspicion", {"actual_knowledge": 13}, 13),
            ("belief", {"suspicion": 11, "actual_knowledge": 13}, 13),
            ("actual_knowledge", {"suspicion": 11, "belief": 12}, None),
            ("suspicion", {"suspicion": 15, "belief": 14}, 14),
            ("notice", {"suspicion": 11, "notice": 12}, 12),
            ("notice", {"suspicion": 11}, None),
        ],
    )
    def test_starts_when_it_or_a_higher_one_was_first_reached(
        self, enact: Enact, clock: str, recorded: dict[str, int], start: int | None
    ) -> None:
        clocks = {name: at(day) for name, day in recorded.items()}
        trigger = {"nature": "event", "clock": clock, "words": "knows"}
        _, due = timed(enact, [{"from": "2020-01-01", "status": "in_force"}], trigger, **clocks)
        assert due == (at(start, 1) if start else None)

    def test_that_is_missing_becomes_a_question(self, enact: Enact) -> None:
        rule = {
            "trigger": {"nature": "event", "clock": "belief", "words": "knows"},
            "then": {"report": {
                "deadline": {"words": "soon", "hours": {"imminent": 1, "otherwise": 2}},
                "fields": "available", "to": [{"authority": "fbi"}],
            }},
        }  # fmt: skip
        rules = enact({"xx-rule": rule})
        asked = {"rule_time": NOON, "facts": {"threat.imminent": True}}
        said = jurisdictions.rule_on(rules, clocks={}, **asked)
        assert said["questions"] == [{"fact": "knowledge.belief_at", "settles": ["xx-rule"]}]
        assert said["rules"]["xx-rule"]["needs"] == []
        said = jurisdictions.rule_on(rules, clocks={"belief": at(1)}, **asked)
        assert said["questions"] == []


class TestLater:
    @pytest.mark.parametrize(
        ("start", "period", "end"),
        [
            ("2026-03-01T08:30:00Z", "P6M", "2026-09-01T08:30:00Z"),
            ("2026-03-01T08:00:00Z", "P6W", "2026-04-12T08:00:00Z"),
            ("2024-05-06T15:00:00Z", "P90D", "2024-08-04T15:00:00Z"),
            ("2024-05-08T15:00:00Z", "P1Y", "2025-05-08T15:00:00Z"),
            ("2026-11-30T00:00:00Z", "P1M", "2026-12-30T00:00:00Z"),
            ("2026-12-31T23:59:59Z", "P1M", "2027-01-31T23:59:59Z"),
            # A day that the month has not: what protects lasts into the next month.
            ("2026-08-31T10:00:00Z", "P6M", "2027-03-01T10:00:00Z"),
            ("2024-02-29T10:00:00Z", "P1Y", "2025-03-01T10:00:00Z"),
            ("2024-02-29T10:00:00Z", "P4Y", "2028-02-29T10:00:00Z"),
            ("2026-10-31T10:00:00Z", "P1M", "2026-12-01T10:00:00Z"),
            ("2027-01-31T10:00:00Z", "P13M", "2028-03-01T10:00:00Z"),
            ("2026-01-31T10:00:00Z", "P12M", "2027-01-31T10:00:00Z"),
        ],
    )
    def test_counts_by_the_calendar_and_rounds_towards_protection(
        self, start: str, period: str, end: str
    ) -> None:
        assert written(later(instant(start), period)) == end

    @given(
        st.datetimes(min_value=instant("1900-01-01T00:00:00Z").replace(tzinfo=None)).filter(
            lambda found: found.year < 2200
        ),
        st.integers(1, 999),
    )
    def test_of_months_lasts_at_least_the_months_and_less_than_a_month_more(
        self, start: Any, months: int
    ) -> None:
        end = later(start, f"P{months}M")
        apart = (end.year - start.year) * 12 + end.month - start.month
        assert (apart, end.day) in {(months, start.day), (months + 1, 1)}
        assert end.time() == start.time()
        assert later(start, f"P{months}M") <= later(start, f"P{months + 1}M")
