"""Solve: is there a situation in which a rule holds, and one in which it fails?

The evaluator is its own solver: weighing part of the facts bounds what the rest can do.
"""

from collections.abc import Iterator
from itertools import chain, combinations
from typing import Any

from compliance.jurisdictions import logic
from compliance.jurisdictions.book import Fact, RuleSet, Vocabulary
from compliance.jurisdictions.logic import FAILS, HOLDS, Condition

MOST_STEPS = 100_000  # a question
MOST_KINDS = 10  # kinds of members of one set fact that a condition tells apart


class NotProved(Exception):
    """The search was given up before it had an answer."""


def witness(
    condition: Condition, words: Vocabulary, wanted: int, *, steps: int = MOST_STEPS
) -> dict[str, Any] | None:
    """Return a situation in which a condition weighs `wanted`, or None if there is none.

    Raises NotProved when `steps` situations did not settle it.
    """
    plain = _without_presumptions(condition)
    values = {name: _values(words.facts[name], plain) for name in _facts(plain)}
    pending: list[dict[str, Any]] = [{}]
    for _ in range(steps):
        if not pending:
            return None
        facts = pending.pop()
        weight = logic.weigh(plain, facts)
        if weight == wanted:
            return facts
        if weight != -wanted:
            fact = min(logic.needs(plain, facts))
            pending += [{**facts, fact: value} for value in values[fact]]
    raise NotProved(f"{steps} situations were not enough.")


def findings(rules: RuleSet) -> list[dict[str, str]]:
    """Return the rules that can never hold, that always hold, or of which neither is proved."""
    found = []
    for name, rule in sorted(rules.rules.items()):
        for wanted, sentence in ((HOLDS, "can never hold"), (FAILS, "always holds")):
            try:
                said = "" if witness(rule.own, rules.vocabulary, wanted) is not None else sentence
            except NotProved:
                said = f"may be a rule that {sentence}: not proved"
            if said:
                found.append({"rule": name, "finding": said})
    return found


def _facts(condition: Condition) -> set[str]:
    return {leaf["fact"] for leaf in logic.leaves(condition)}


def _without_presumptions(condition: Condition) -> Condition:
    if "fact" in condition:
        return {key: value for key, value in condition.items() if key != "presume"}
    branch = logic.branch_of(condition)
    return {branch: [_without_presumptions(part) for part in condition[branch]]}


def _values(fact: Fact, condition: Condition) -> list[Any]:
    """Return values of a fact, one of each kind that the condition can tell apart."""
    tests = [_wanted(leaf) for leaf in logic.leaves(condition) if leaf["fact"] == fact.name]
    if fact.type == "bool":
        return [False, True]
    if fact.type == "count":
        edges = {value for test in tests for value in test}
        return sorted({max(0, edge + step) for edge in edges for step in (-1, 0, 1)})
    kinds: dict[tuple[bool, ...], str] = {}
    for value in fact.values:
        kinds.setdefault(tuple(value in test for test in tests), value)
    if fact.type == "choice":
        return list(kinds.values())
    if len(kinds) > MOST_KINDS:
        raise NotProved(f"{fact.name} is tested in too many ways.")
    return [list(members) for members in _subsets(sorted(kinds.values()))]


def _wanted(leaf: Condition) -> list[Any]:
    value = leaf["value"]
    return value if isinstance(value, list) else [value]


def _subsets(values: list[str]) -> Iterator[tuple[str, ...]]:
    return chain.from_iterable(combinations(values, size) for size in range(len(values) + 1))
