"""Conditions and facts at random: facts of each type, every test of them, every way to learn."""

import itertools
import random
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from compliance.jurisdictions import logic

Plain = dict[str, Any]


def leaf(fact: str, op: str = "is", value: Any = True, **more: Any) -> Plain:
    return {"fact": fact, "op": op, "value": value, **more}


VALUES: dict[str, list[Any]] = {
    "b1": [True, False],
    "b2": [True, False],
    "c": ["low", "high", "top"],
    "s": [[], ["DE"], ["FR"], ["DE", "FR"]],
    "n": [0, 1, 2],
}
LEAVES = [
    *(leaf(fact, "is", value) for fact in ("b1", "b2") for value in (True, False)),
    *(leaf("c", op, value) for op in ("is", "is_not") for value in VALUES["c"]),
    *(leaf("c", op, value) for op in ("in", "not_in") for value in (["low"], ["high", "low"])),
    *(leaf("s", "includes", value) for value in ("DE", "FR")),
    *(
        leaf("s", op, value)
        for op in ("includes_any", "includes_none")
        for value in VALUES["s"][1:]
    ),
    *(leaf("n", op, value) for op in ("is", "at_least", "at_most") for value in VALUES["n"]),
]
PRESUMING = [*LEAVES, *(leaf(fact, presume=way) for fact in ("b1", "b2") for way in (True, False))]


def branches(children: st.SearchStrategy[Plain]) -> st.SearchStrategy[Plain]:
    several = st.lists(children, min_size=1, max_size=3)
    return st.one_of(
        several.map(lambda parts: {"all": parts, "says": "the words of the law"}),
        several.map(lambda parts: {"any": parts, "cite": "s. 1"}),
        children.map(lambda part: {"not": [part]}),
    )


def conditions_of(leaves: Sequence[Plain]) -> st.SearchStrategy[Plain]:
    """Conditions over these tests of facts."""
    return st.recursive(st.sampled_from(leaves), branches, max_leaves=6)


def learnt(value: Any) -> list[tuple[Any, Any]]:
    """Every pair of what is known of a value before and after; None is nothing."""
    steps = [None, value]
    if isinstance(value, list):
        open_sets = [{"known": value[:size], "closed": False} for size in range(len(value) + 1)]
        steps = [None, *open_sets, value]
    return list(itertools.combinations_with_replacement(steps, 2))


def known(sheet: Plain) -> Plain:
    """A fact sheet without what nobody knows."""
    return {name: value for name, value in sheet.items() if value is not None}


def sheets_of(values: Mapping[str, list[Any]]) -> st.SearchStrategy[tuple[Plain, Plain]]:
    """A fact sheet, and a better informed one: more facts, more members, sets that are closed."""
    steps = {name: [pair for one in ones for pair in learnt(one)] for name, ones in values.items()}
    drawn = st.fixed_dictionaries({name: st.sampled_from(each) for name, each in steps.items()})
    return drawn.map(
        lambda sheet: tuple(
            known({name: pair[side] for name, pair in sheet.items()}) for side in (0, 1)
        )
    )


def whole_of(values: Mapping[str, list[Any]]) -> st.SearchStrategy[Plain]:
    """A fact sheet on which nothing is missing."""
    return st.fixed_dictionaries({name: st.sampled_from(each) for name, each in values.items()})


conditions, presumptive = conditions_of(LEAVES), conditions_of(PRESUMING)
pairs_of_sheets, whole_facts = sheets_of(VALUES), whole_of(VALUES)
LEARNT = {name: [pair for one in each for pair in learnt(one)] for name, each in VALUES.items()}


def read_plainly(condition: Plain, facts: Plain) -> bool:
    """Read a condition as one reads a sentence when everything is known."""
    for word, combine in (("all", all), ("any", any)):
        if word in condition:
            return combine(read_plainly(part, facts) for part in condition[word])
    if "not" in condition:
        return not read_plainly(condition["not"][0], facts)
    seen, value = facts[condition["fact"]], condition["value"]
    return {
        "is": lambda: seen == value,
        "is_not": lambda: seen != value,
        "in": lambda: seen in value,
        "not_in": lambda: seen not in value,
        "includes": lambda: value in seen,
        "includes_any": lambda: bool({*seen} & {*value}),
        "includes_none": lambda: not {*seen} & {*value},
        "at_least": lambda: seen >= value,
        "at_most": lambda: seen <= value,
    }[condition["op"]]()


def facts_of(condition: Plain) -> set[str]:
    return {each["fact"] for each in logic.leaves(condition)}


def any_condition(
    chance: random.Random, depth: int = 3, *, leaves: Sequence[Plain] = tuple(LEAVES)
) -> Plain:
    """A condition of so many floors at most."""
    if not depth or chance.random() < 0.3:
        return chance.choice(leaves)
    branch = chance.choice(["all", "any", "not"])
    width = 1 if branch == "not" else chance.randint(1, 3)
    return {branch: [any_condition(chance, depth - 1, leaves=leaves) for _ in range(width)]}


def completions(facts: Plain) -> list[Plain]:
    """Every situation that a fact sheet may turn out to describe."""

    def ways(name: str) -> list[Any]:
        if name not in facts:
            return VALUES[name]
        if not isinstance(facts[name], dict):
            return [facts[name]]
        return [value for value in VALUES[name] if {*facts[name]["known"]} <= {*value}]

    choices = itertools.product(*map(ways, VALUES))
    return [dict(zip(VALUES, choice, strict=True)) for choice in choices]
