"""Moments: which version of a rule counts, and from when its time runs."""

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any

from compliance.jurisdictions.book import Edition, Rule, RuleSet

RUNGS = ("suspicion", "belief", "actual_knowledge")  # a rung skipped is reached with the next
IN_FORCE = (("in_force", "sunset"), ("preview",))  # law first, then what may be law


@dataclass(frozen=True)
class Situation:
    """What a determination is made of."""

    rules: RuleSet
    facts: Mapping[str, Any]
    clocks: Mapping[str, Any]
    rule_time: datetime
    simulate: frozenset[str]

    @cached_property
    def starts(self) -> dict[str, datetime]:
        """Return when each clock began to run; a rung, when it or a higher one was reached."""
        begun = {name: instant(text) for name, text in self.clocks.items() if isinstance(text, str)}
        begun = {name: at for name, at in begun.items() if at <= self.rule_time}
        for higher, rung in pairwise(reversed(RUNGS)):
            if higher in begun:
                begun[rung] = min(begun.get(rung, begun[higher]), begun[higher])
        return begun

    @cached_property
    def events(self) -> list[datetime]:
        """Return the new events, as they came, without those that are still to come."""
        events = map(instant, self.clocks.get("new_event", ()))
        return [at for at in events if at <= self.rule_time]


# The instant a rule is judged at, the edition that counts then, and when its clock starts.
Moment = tuple[datetime, Edition, datetime | None]


def instant(text: str) -> datetime:
    """Return the time that a text such as 2026-03-01T09:00:00Z names."""
    return datetime.fromisoformat(text)


@lru_cache
def written(at: datetime) -> str:
    """Return a time as the law contract writes it."""
    return f"{at.isoformat()[:19]}Z"


def moment(rule: Rule, situation: Situation) -> Moment:
    """Return the moment of a rule: rules.md section 2, Trigger."""
    now, start = situation.rule_time, situation.starts.get(rule.clock)
    if start is None:
        return now, rule.edition(now), None
    if rule.nature == "state":
        edition = rule.edition(now)
        return now, edition, max(start, edition.since)
    first = start, rule.edition(start), start
    if rule.nature != "event" or not situation.events:
        return first
    later_on = [(at, rule.edition(at), at) for at in situation.events if at > start]
    return _in_force([first, *later_on])


def started(clock: str, situation: Situation) -> datetime | None:
    """Return when a clock began to run; for a rung, when it or a higher one was first reached."""
    return situation.starts.get(clock)


def later(start: datetime, period: str) -> datetime:
    """Return the end of a period that protects: a missing calendar day counts as the next one."""
    number, unit = int(period[1:-1]), period[-1]
    if unit in "DW":
        return start + timedelta(days=number * (7 if unit == "W" else 1))
    months = start.year * 12 + start.month - 1 + number * (12 if unit == "Y" else 1)
    year, month = divmod(months, 12)
    missing = start.day > monthrange(year, month + 1)[1]
    first = start.replace(year=year, month=month + 1, day=1)
    if missing:
        return first + timedelta(days=monthrange(year, month + 1)[1])
    return first.replace(day=start.day)


def _in_force(found: list[Moment]) -> Moment:
    """Return the first moment at which there is law, or may be law, or else the first of all."""
    for statuses in IN_FORCE:
        for each in found:
            if each[1].status in statuses:
                return each
    return found[0]
