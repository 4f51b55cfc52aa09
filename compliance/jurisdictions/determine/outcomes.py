"""Outcomes: what one rule says about one situation."""

from collections.abc import Iterable, Mapping
from typing import Any

from compliance.jurisdictions.book import Compiled, Rule
from compliance.jurisdictions.determine.moments import Situation, moment, written
from compliance.jurisdictions.logic import FAILS, HOLDS, NAMES, UNDETERMINED, Facts

SIMULATED = NAMES | {HOLDS: "simulated"}
ORDER = ("holds", "undetermined", "suspended", "simulated", "not_in_force", "fails")
STRENGTH = {name: rank for rank, name in enumerate(ORDER)}


class Outcome:
    """A rule, the moment at which it was judged, and what came of it.

    at: when it was judged; edition: the rule as it stood then; start: when its clock began.
    name: as the law contract names it; status: of the version that counts, or None.
    live: it has effects in the world.
    applies: it holds, or may yet, in the world; then what it bars is barred.
    is_open: it holds, or may yet, in the world or in a simulation.
    """

    __slots__ = (
        "applies", "at", "edition", "is_open", "live", "name", "rule", "simulated", "start",
        "status", "value",
    )  # fmt: skip

    def __init__(self, rule: Rule, situation: Situation) -> None:
        self.rule = rule
        self.at, self.edition, self.start = _, edition, _ = moment(rule, situation)
        self.value = value = edition.compiled.weigh(situation.facts)
        self.status = status = edition.status
        self.simulated = status == "proposed" and not situation.simulate.isdisjoint(
            (rule.id, rule.record)
        )
        self.name = SIMULATED[value] if self.simulated else edition.names[value]
        self.live = edition.live
        self.applies = edition.live and value != FAILS
        self.is_open = self.applies or (self.simulated and value != FAILS)

    @property
    def condition(self) -> Compiled:
        """Return what had to hold, the renewal of a sunset version included."""
        return self.edition.compiled

    def needs(self, facts: Facts) -> frozenset[str]:
        """Return the facts that leave the rule open."""
        return self.condition.needs(facts) if self.value == UNDETERMINED else frozenset()


def outcomes(situation: Situation) -> dict[str, Outcome]:
    """Return the outcome of every rule, by id."""
    return {
        rule.id: Outcome(rule, situation)
        for rules in situation.rules.records.values()
        for rule in rules
    }


def having(situation: Situation, found: Mapping[str, Outcome], effect: str) -> list[Outcome]:
    """Return the outcomes of the rules that have an effect."""
    return [found[name] for name in situation.rules.effects.get(effect, ())]


def of_records(
    situation: Situation, found: Mapping[str, Outcome], needs: Mapping[str, frozenset[str]]
) -> dict[str, Any]:
    """Return the `rules` of a determination: every rule, and every record as its strongest part."""
    said: dict[str, Any] = {}
    for record, rules in situation.rules.records.items():
        for rule in rules:
            said[rule.id] = _said(found[rule.id], needs.get(rule.id))
        if record not in situation.rules.rules:
            said[record] = _strongest({rule.id: said[rule.id] for rule in rules})
    return said


def _strongest(parts: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a record as the strongest of its parts, which are in order; the first of equals."""
    strongest = min(parts.values(), key=lambda part: STRENGTH[part["outcome"]])
    union = sorted({fact for part in parts.values() for fact in part["needs"]})
    return {**strongest, "needs": union, "parts": list(parts)}


def _said(outcome: Outcome, needs: Iterable[str] | None) -> dict[str, Any]:
    return {
        "outcome": outcome.name,
        "kind": outcome.rule.mode,
        "status": outcome.status,
        "moment": written(outcome.at),
        "needs": sorted(needs) if needs else [],
        "parts": [],
    }
