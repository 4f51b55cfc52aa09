"""Outcomes: what one rule says about one situation."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from compliance.jurisdictions import logic
from compliance.jurisdictions.book import Rule
from compliance.jurisdictions.determine.moments import Moment, Situation, moment, written
from compliance.jurisdictions.logic import FAILS, HOLDS, NAMES, UNDETERMINED, Condition

LIVE = ("in_force", "preview", "sunset")
STRENGTH = ("holds", "undetermined", "suspended", "simulated", "not_in_force", "fails")


@dataclass(frozen=True)
class Outcome:
    """A rule, the moment at which it was judged, and what came of it."""

    rule: Rule
    moment: Moment
    value: int
    simulated: bool

    @property
    def status(self) -> str | None:
        """Return the status of the version that counts, or None if there is none."""
        return str(self.moment.version["status"]) if self.moment.version else None

    @property
    def live(self) -> bool:
        """Return whether the rule has effects in the world."""
        return self.status in LIVE

    @property
    def applies(self) -> bool:
        """Return whether the rule holds, or may yet, in the world: then what it bars is barred."""
        return self.live and self.value != FAILS

    @property
    def is_open(self) -> bool:
        """Return whether the rule holds or may yet hold, in the world or in a simulation."""
        return (self.live or self.simulated) and self.value != FAILS

    @property
    def name(self) -> str:
        """Return the outcome as the law contract names it."""
        if self.status == "suspended":
            return "suspended"
        if self.simulated and self.value == HOLDS:
            return "simulated"
        return NAMES[self.value] if self.live or self.simulated else "not_in_force"

    @cached_property
    def condition(self) -> Condition:
        """Return what had to hold, the renewal of a sunset version included."""
        version = self.moment.version or {}
        renewal = [version["renewal"]] if "renewal" in version else []
        return {"all": [self.rule.own, *renewal]}


def outcomes(situation: Situation) -> dict[str, Outcome]:
    """Return the outcome of every rule, by id."""
    return {name: _outcome(rule, situation) for name, rule in sorted(situation.rules.rules.items())}


def _outcome(rule: Rule, situation: Situation) -> Outcome:
    at = moment(rule, situation)
    proposed = at.version is not None and at.version["status"] == "proposed"
    simulated = proposed and bool({rule.id, rule.record} & situation.simulate)
    unjudged = Outcome(rule, at, UNDETERMINED, simulated)
    return Outcome(rule, at, logic.weigh(unjudged.condition, situation.facts), simulated)


def of_records(
    situation: Situation, found: Mapping[str, Outcome], needs: Mapping[str, frozenset[str]]
) -> dict[str, Any]:
    """Return the `rules` of a determination: every rule, and every record as its strongest part."""
    said: dict[str, Any] = {}
    for record, rules in situation.rules.records.items():
        parts = {rule.id: _said(found[rule.id], needs) for rule in rules}
        strongest = min(parts, key=lambda name: (STRENGTH.index(parts[name]["outcome"]), name))
        union = sorted({fact for part in parts.values() for fact in part["needs"]})
        names = sorted(name for name in parts if name != record)
        said |= parts | {record: {**parts[strongest], "needs": union, "parts": names}}
    return said


def _said(outcome: Outcome, needs: Mapping[str, frozenset[str]]) -> dict[str, Any]:
    return {
        "outcome": outcome.name,
        "kind": outcome.rule.mode,
        "status": outcome.status,
        "moment": written(outcome.moment.at),
        "needs": sorted(needs[outcome.rule.id]),
        "parts": [],
    }
