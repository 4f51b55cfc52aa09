"""Diff: what a change of the law changes, in words and in a situation that shows it.

Two things are compared: two rule sets, rule by rule (`changes`), and two determinations of one
situation (`replayed`). Plain data in, plain data out.
"""

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from typing import Any

from compliance.jurisdictions import logic, render, solve
from compliance.jurisdictions.book import HOME_STATE, Rule, RuleSet, digest
from compliance.jurisdictions.determine import determine
from compliance.jurisdictions.determine.moments import RUNGS, written
from compliance.jurisdictions.logic import HOLDS, Condition

DIFFERS, SAME, NOT_PROVED = "differs", "the same in every situation", "not proved"
IDLE = (None, "fails", "not_in_force")  # an absent rule, and what is no more than one
# The parts of a rule as `render` has them, and what the evaluator reads of each.
PARTS: dict[str, tuple[str, ...]] = {
    "title": ("title",), "citation": ("cite", "regime"),
    "standing": ("mode", "rank", "confidence", "counsel_verified"),
    "trigger": ("nature", "clock", "words"), "versions": ("versions",), "binds": ("binds",),
    "when": ("when",), "exempt": ("exempt",), "then": ("then",), "overrides": ("overrides",),
    "open": ("open",),
}  # fmt: skip
SPOKEN = ("title", "cite", "regime", "confidence", "counsel_verified", "words", "says")

MOST_BESIDE = 20  # rules that report, tried beside one that strips or lifts

Situation = dict[str, Any]


def changes(old: RuleSet, new: RuleSet) -> list[dict[str, Any]]:
    """Return the rules that were added, removed or changed, each with what shows the change.

    `parts` holds old and new text. `outcome` says whether the outcome of the rule differs in the
    `witness`, is proved to be the same wherever the tested facts are known, or neither. The
    witness is a situation as `determine` takes it, or None; `consequences` are what the change of
    this rule alone changes in it, all else being as it is new.
    """
    return [
        _Change(old, new, name).told()
        for name in sorted({*old.rules, *new.rules})
        if old.rules.get(name) != new.rules.get(name)
    ]


def replayed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what differs between two determinations of one situation.

    Outcomes, recipients and how sure each is, due times, withheld classes, and what else follows.
    A rule that only one law has, and that comes to nothing there, is no difference.
    """
    one, other = _facets(before), _facets(after)
    return [
        {"what": what, "of": name, **_unlike(was.get(name), other[what].get(name))}
        for what, was in one.items()
        for name in sorted({*was, *other[what]})
        if _differ(what, name, was, other[what])
    ]


def _differ(what: str, name: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    if name in was and name in now:
        return bool(was[name] != now[name])
    if what == "outcome":
        return was.get(name) not in IDLE or now.get(name) not in IDLE
    return what not in ("due", "withhold")  # of a report that only one side has


def _unlike(was: Any, now: Any) -> dict[str, Any]:
    """Return two values; of two tables, what they do not have in common."""
    if isinstance(was, dict) and isinstance(now, dict):
        keys = [key for key in {*was, *now} if was.get(key) != now.get(key)]
        was, now = ({key: each[key] for key in keys if key in each} for each in (was, now))
    return {"before": was, "after": now}


def _facets(said: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what a determination says, by what it is about, without the reasons."""
    reports = {
        f"{each['to']} ({each['certainty']} {each['kind']})": each for each in said["reports"]
    }
    recipients: dict[str, list[str]] = {}
    for each in said["reports"]:
        recipients.setdefault(f"{each['to']} ({each['kind']})", []).append(each["certainty"])
    rules = said["rules"].items()
    return {
        "outcome": {name: each["outcome"] for name, each in rules if not each["parts"]},
        "recipient": recipients,
        "due": {name: each["due"] for name, each in reports.items()},
        "withhold": {name: each["withhold"] for name, each in reports.items()},
        "barred": dict(said["barred"]),
        "preserve": {"until": said["preserve"]["until"]} if said["preserve"] else {},
        "silence": {
            ", ".join(each["towards"]): each["until"] or "lifted" for each in said["silence"]
        },
        "human": {each["reason"]: True for each in said["human"]},
    }


class _Change:
    """One rule that two laws do not have in common, and the search for what shows it."""

    def __init__(self, old: RuleSet, new: RuleSet, name: str) -> None:
        self.laws, self.name = (old, new), name
        self.rules = [law.rules[name] for law in self.laws if name in law.rules]
        self.sides = [_with(_united(old, new), name, law.rules.get(name)) for law in self.laws]
        self.words = self.sides[0].vocabulary.facts
        self.tested = solve.facts_of(*(rule.own for rule in self.rules))

    def told(self) -> dict[str, Any]:
        """Return the change as plain data."""
        changed = "changed" if len(self.rules) == 2 else "removed"
        changed = "added" if self.name not in self.laws[0].rules else changed
        return {"rule": self.name, "change": changed, "parts": self._parts(), **self._shown()}

    def _parts(self) -> dict[str, dict[str, str]]:
        """Return the old and the new text of each part that is another."""
        texts = [
            render.parts(law, self.name) if self.name in law.rules else {} for law in self.laws
        ]
        return {
            part: {"old": texts[0].get(part, ""), "new": texts[1].get(part, "")}
            for part, names in PARTS.items()
            if any(self._is_changed(name) for name in names)
            and any(text.get(part) for text in texts)
        }

    def _is_changed(self, attribute: str) -> bool:
        values = [getattr(rule, attribute) for rule in self.rules]
        return len(values) == 1 or values[0] != values[1]

    def _shown(self) -> dict[str, Any]:
        """Return whether the outcome differs, and the situation that shows it or what follows."""
        if len({_meaning(rule) for rule in self.rules}) < len(self.rules):
            return {"outcome": SAME, "witness": None, "consequences": []}
        if self._is_retyped():
            return {"outcome": NOT_PROVED, "witness": None, "consequences": []}
        is_same, other = self._is_proved_the_same(), None
        for situation in self._situations():
            before, after = (_said(law, situation) for law in self.sides)
            consequences = replayed(before, after)
            if any((each["what"], each["of"]) == ("outcome", self.name) for each in consequences):
                return {"outcome": DIFFERS, "witness": situation, "consequences": consequences}
            if consequences and other is None:
                other = {"witness": situation, "consequences": consequences}
            if other and is_same:
                break
        outcome = SAME if is_same else NOT_PROVED
        return {"outcome": outcome, **(other or {"witness": None, "consequences": []})}

    def _is_retyped(self) -> bool:
        """Tell whether a fact is no longer tested as it was: then no situation suits both."""
        old, new = (law.vocabulary.facts for law in self.laws)
        both = self.tested & old.keys() & new.keys()
        return any(old[name].type != new[name].type for name in both)

    def _is_proved_the_same(self) -> bool:
        """Tell whether the outcome is proved to be the same wherever the tested facts are known."""
        if len(self.rules) == 1:
            return self._holds_never(self.rules[0].own)
        old, new = self.rules
        timing = [_mute([rule.versions, rule.nature, rule.clock]) for rule in self.rules]
        if timing[0] != timing[1] or _presumed(old.own) != _presumed(new.own):
            return False
        return _mute(old.own) == _mute(new.own) or all(
            self._holds_never(condition) for condition in _apart(old.own, new.own)
        )

    def _holds_never(self, condition: Condition) -> bool:
        try:
            return solve.witness(condition, self.words, HOLDS) is None
        except solve.NotProved:
            return False

    # ---- situations

    def _situations(self) -> Iterator[Situation]:
        """Yield situations that may show the change, the likeliest first."""
        for condition in self._conditions():
            facts = self._witness(condition)
            if facts is not None:
                for imminent, at in product((True, False), self._instants()):
                    yield self._situation(facts, imminent, at)

    def _conditions(self) -> Iterator[Condition]:
        """Yield when only one text holds, when a presumption counts, when each text holds."""
        own = [rule.own for rule in self.rules]
        yield from _apart(*own) if len(own) == 2 else ()
        for condition in own:
            for test in sorted(_presumed(condition)):
                so, not_so = (_settled(condition, test, value) for value in (True, False))
                yield {"all": [so, {"not": [not_so]}]}
                yield {"all": [not_so, {"not": [so]}]}
        yield from self._holding()

    def _holding(self) -> Iterator[Condition]:
        """Yield when a rule holds: with each step taken, alone, and beside a rule that reports."""
        for rule in self.rules:
            for step in rule.then.get("report", {"steps": ()})["steps"]:
                yield {"all": [rule.own, step["when"] or {"all": []}]}
            yield rule.own
        others = [rule for law in self.laws for rule in law.rules.values()]
        telling = [rule.own for rule in others if "report" in rule.then and rule.id != self.name]
        for rule, other in product(self.rules, telling[:MOST_BESIDE]):
            yield {"all": [rule.own, other]}

    def _witness(self, condition: Condition) -> dict[str, Any] | None:
        try:
            return solve.witness(condition, self.words, HOLDS)
        except solve.NotProved:
            return None

    def _instants(self) -> list[datetime]:
        """Return the noons at which another version counts, and one at which all laws have come."""
        every = [
            version["from"]
            for law in self.laws
            for rule in law.rules.values()
            for version in rule.versions
        ]
        mine = {version["from"] for rule in self.rules for version in rule.versions}
        days = [max(every), *sorted(mine - {max(every)}, reverse=True)]
        return [datetime.combine(date.fromisoformat(day), time(12), UTC) for day in days]

    def _situation(self, facts: Mapping[str, Any], imminent: bool, at: datetime) -> Situation:
        # Each clock at a time of its own, so that none is taken for another.
        order = [*sorted(self._clocks() - {*RUNGS}), *RUNGS]
        clocks = {
            name: written(at - timedelta(minutes=10 * (len(order) - number)))
            for number, name in enumerate(order)
        }
        added = {
            "threat.imminent": imminent,
            "item.visibility": self.words["item.visibility"].values[0],
            "data.available_classes": sorted(self.laws[1].vocabulary.field_classes),
            **self._places(),
        }
        spare = {name: value for name, value in added.items() if name not in self.tested}
        simulate = [self.name] if any(map(_is_proposed, self.rules)) else []
        return {
            "rule_time": written(at),
            "clocks": clocks,
            "facts": spare | dict(facts),
            "simulate": simulate,
        }

    def _clocks(self) -> set[str]:
        spans = [each for rule in self.rules for each in rule.then.values() if "from" in each]
        return {rule.clock for rule in self.rules if rule.clock} | {each["from"] for each in spans}

    def _places(self) -> dict[str, Any]:
        """Return a country of its own for each fact that names recipients."""
        asked = sorted(
            {
                name
                for rule in self.rules
                for step in rule.then.get("report", {"steps": ()})["steps"]
                for desk in step["recipients"]
                for name in desk.get("each_of", ())
                if name != HOME_STATE
            }
        )
        states = sorted(self.laws[1].vocabulary.member_states)
        placed = {name: [states[number % len(states)]] for number, name in enumerate(asked)}
        return placed | {"provider.main_establishment": states[-1]}


def _said(law: RuleSet, situation: Situation) -> dict[str, Any]:
    """Return the determination of a situation; what a law did not propose is not simulated."""
    known = [name for name in situation["simulate"] if name in law.rules]
    simulate = [name for name in known if _is_proposed(law.rules[name])]
    return determine(law, situation | {"simulate": simulate})


def _is_proposed(rule: Rule) -> bool:
    return any(version["status"] == "proposed" for version in rule.versions)


def _with(law: RuleSet, name: str, rule: Rule | None) -> RuleSet:
    """Return a law in which one rule stands as it is given, or not at all."""
    rest = {each: other for each, other in law.rules.items() if each != name}
    return replace(law, rules=rest | ({name: rule} if rule else {}))


def _united(old: RuleSet, new: RuleSet) -> RuleSet:
    """Return the new law with the words and the desks of both, so that it can hold an old rule."""
    words, earlier = copy(new.vocabulary), old.vocabulary
    facts = dict(earlier.facts)
    for name, fact in words.facts.items():
        values = dict.fromkeys([*fact.values, *facts.get(name, fact).values])
        facts[name] = replace(fact, values=tuple(values))
    words.facts, words.clocks = facts, earlier.clocks | words.clocks
    words.codes, words.reasons = earlier.codes | words.codes, earlier.reasons | words.reasons
    desks = {**old.authorities, **new.authorities}
    return replace(new, vocabulary=words, authorities=desks)


def _apart(old: Condition, new: Condition) -> list[Condition]:
    return [{"all": [new, {"not": [old]}]}, {"all": [old, {"not": [new]}]}]


Test = tuple[str, str, Any]


def _presumed(condition: Condition) -> set[Test]:
    """Return the tests that are taken not to be so while their fact is unknown."""
    return {_test(leaf) for leaf in logic.leaves(condition) if "presume" in leaf}


def _test(leaf: Condition) -> Test:
    value = leaf["value"]
    return leaf["fact"], leaf["op"], tuple(value) if isinstance(value, list) else value


def _settled(condition: Condition, test: Test, so: bool) -> Condition:
    """Return a condition in which one test is taken to be so, or not to be so."""
    if "fact" in condition:
        return {"all" if so else "any": []} if _test(condition) == test else condition
    branch = logic.branch_of(condition)
    return {branch: [_settled(part, test, so) for part in condition[branch]]}


def _meaning(rule: Rule) -> str:
    """Return all of a rule that the evaluator reads."""
    names = {name for names in PARTS.values() for name in names} - {*SPOKEN}
    return digest({name: _mute(getattr(rule, name)) for name in names})


def _mute(value: Any) -> Any:
    """Return a part of a rule without the words that only a person reads."""
    if isinstance(value, Mapping):
        return {key: _mute(each) for key, each in value.items() if key not in SPOKEN}
    return [_mute(each) for each in value] if isinstance(value, list | tuple) else value
