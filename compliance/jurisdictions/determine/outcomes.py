"""Outcomes: what one rule says about one situation."""

from collections.abc import Mapping
from typing import Any

from compliance.jurisdictions.book import Compiled, Rule
from compliance.jurisdictions.determine.moments import Moment, Situation, moment, written
from compliance.jurisdictions.logic import FAILS, HOLDS, NAMES, UNDETERMINED, Facts

LIVE = ("in_force", "preview", "sunset")
STRENGTH = ("holds", "undetermined", "suspended", "simulated", "not_in_force", "fails")


class Outcome:
    """A rule, the moment at which it was judged, and what came of it.

    status: of the version that counts, or None if there is none.
    live: it has effects in the world.
    applies: it holds, or may yet, in the world; then what it bars is barred.
    is_open: it holds, or may yet, in the world or in a simulation.
    """

    __slots__ = ("applies", "is_open", "live", "moment", "rule", "simulated", "status", "value")

    def __init__(self, rule: Rule, moment: Moment, value: int, simulated: bool) -> None:
        self.rule, self.moment, self.value, self.simulated = rule, moment, value, simulated
        self.status = moment.edition.status
        self.live = self.status in LIVE
        self.applies = self.live and value != FAILS
        self.is_open = self.applies or (simulated and value != FAILS)

    @property
    def name(self) -> str:
        """Return the outcome as the law contract names it."""
        if self.status == "suspended":
            return "suspended"
        if self.simulated and self.value == HOLDS:
            return "simulated"
        return NAMES[self.value] if self.live or self.simulated else "not_in_force"

    @property
    def condition(self) -> Compiled:
        """Return what had to hold, the renewal of a sunset version included."""
        return self.moment.edition.compiled

    def needs(self, facts: Facts) -> frozenset[str]:
        """Return the facts that leave the rule open."""
        return self.condition.needs(facts) if self.value == UNDETERMINED else frozenset()


def outcomes(situation: Situation) -> dict[str, Outcome]:
    """Return the outcome of every rule, by id."""
    return {
        rule.id: _outcome(rule, situation)
        for rules in situation.rules.records.values()
        for rule in rules
    }


def having(situation: Situation, found: Mapping[str, Outcome], effect: str) -> list[Outcome]:
    """Return the outcomes of the rules that have an effect."""
    return [found[name] for name in situation.rules.effects.get(effect, ())]


def _outcome(rule: Rule, situation: Situation) -> Outcome:
    at = moment(rule, situation)
    named = at.edition.status == "proposed" and not situation.simulate.isdisjoint(
        (rule.id, rule.record)
    )
    return Outcome(rule, at, at.edition.compiled.weigh(situation.facts), named)


def of_records(
    situation: Situation, found: Mapping[str, Outcome], needs: Mapping[str, frozenset[str]]
) -> dict[str, Any]:
    """Return the `rules` of a determination: every rule, and every record as its strongest part."""
    said: dict[str, Any] = {}
    for record, rules in situation.rules.records.items():
        for rule in rules:
            said[rule.id] = _said(found[rule.id], needs[rule.id])
        if record not in situation.rules.rules:
            said[record] = _strongest({rule.id: said[rule.id] for rule in rules})
    return said


def _strongest(parts: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a record as the strongest of its parts, which are in order; the first of equals."""
    strongest = min(parts.values(), key=lambda part: STRENGTH.index(part["outcome"]))
    union = sorted({fact for part in parts.values() for fact in part["needs"]})
    return {**strongest, "needs": union, "parts": list(parts)}


def _said(outcome: Outcome, needs: frozenset[str]) -> dict[str, Any]:
    return {
        "outcome": outcome.name,
        "kind": outcome.rule.mode,
        "status": outcome.status,
        "moment": written(outcome.moment.at),
        "needs": sorted(needs) if needs else [],
        "parts": [],
    }
