"""Moments: which version of a rule counts, and from when its time runs."""

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from compliance.jurisdictions.book import Rule, RuleSet

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


@dataclass(frozen=True)
class Moment:
    """The instant a rule is judged at, the version that counts then, and when its clock starts."""

    at: datetime
    version: Mapping[str, Any] | None
    start: datetime | None


def instant(text: str) -> datetime:
    """Return the time that a text such as 2026-03-01T09:00:00Z names."""
    return datetime.fromisoformat(text)


def written(at: datetime) -> str:
    """Return a time as the law contract writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(rule: Rule, situation: Situation) -> Moment:
    """Return the moment of a rule: rules.md section 2, Trigger."""
    now, start = situation.rule_time, started(rule.clock, situation)
    if rule.nature == "state":
        version = _version(rule, now)
        floor = first_instant(version) if version else None
        return Moment(now, version, max(start, floor) if start and floor else start)
    if start is None:
        return Moment(now, _version(rule, now), None)
    events = _later_events(situation, start) if rule.nature == "event" else []
    found = [(at, _version(rule, at)) for at in [start, *events]]
    for statuses in IN_FORCE:
        for at, version in found:
            if version and version["status"] in statuses:
                return Moment(at, version, at)
    return Moment(start, found[0][1], start)


def started(clock: str, situation: Situation) -> datetime | None:
    """Return when a clock began to run; for a rung, when it or a higher one was first reached."""
    names = RUNGS[RUNGS.index(clock) :] if clock in RUNGS else (clock,)
    instants = [instant(situation.clocks[name]) for name in names if name in situation.clocks]
    return min((at for at in instants if at <= situation.rule_time), default=None)


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


def _version(rule: Rule, at: datetime) -> Mapping[str, Any] | None:
    begun = [version for version in rule.versions if first_instant(version) <= at]
    return begun[-1] if begun else None


def first_instant(version: Mapping[str, Any]) -> datetime:
    """Return when a version comes into force: its first day, 00:00 UTC."""
    return datetime.combine(date.fromisoformat(version["from"]), time(), UTC)


def _later_events(situation: Situation, start: datetime) -> list[datetime]:
    events = [instant(text) for text in situation.clocks.get("new_event", ())]
    return [at for at in events if start < at <= situation.rule_time]
