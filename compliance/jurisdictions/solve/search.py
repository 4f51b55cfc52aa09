"""Search: a situation in which a condition holds, or the proof that there is none.

The evaluator is its own solver: weighing part of the facts bounds what the rest can do.
"""

from collections.abc import Iterator, Mapping
from itertools import chain, combinations
from typing import Any

from compliance.jurisdictions import logic
from compliance.jurisdictions.book import Fact
from compliance.jurisdictions.logic import Condition

MOST_STEPS = 100_000  # a question
MOST_KINDS = 10  # kinds of members of one set fact that a condition tells apart


class NotProved(Exception):
    """The search was given up before it had an answer."""


def witness(
    condition: Condition, words: Mapping[str, Fact], wanted: int, *, steps: int = MOST_STEPS
) -> dict[str, Any] | None:
    """Return a situation in which a condition weighs `wanted`, or None if there is none.

    Nothing is presumed in it. Raises NotProved when `steps` situations did not settle it.
    """
    plain = without_presumptions(condition)
    values: dict[str, list[Any]] = {}
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
            if fact not in values:
                values[fact] = _values(words[fact], plain)
            pending += [{**facts, fact: value} for value in values[fact]]
    raise NotProved(f"{steps} situations were not enough.")


def facts_of(*conditions: Condition | None) -> set[str]:
    """Return the facts that conditions test."""
    return {leaf["fact"] for each in conditions if each for leaf in logic.leaves(each)}


def without_presumptions(condition: Condition) -> Condition:
    """Return a condition that presumes nothing: what is presumed may still be learned."""
    if "fact" in condition:
        return {key: value for key, value in condition.items() if key != "presume"}
    branch = logic.branch_of(condition)
    return {branch: [without_presumptions(part) for part in condition[branch]]}


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
