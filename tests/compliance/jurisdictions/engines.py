"""Engines: our conditions as engines read them that are not ours; the second opinion of the tests.

There is one exact way to ask CEL for a third truth value. An unknown fact is a key that is missing,
never null: reading it is an error, and `&&`, `||` and `!` pass errors on as Kleene's logic passes
on what nobody knows. A set that is open has a second key that is missing, for who else is in it:
`"DE" in f["s"] || f["s, others"]`. Zen has no such way; it is measured only with all facts known.
"""

import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from compliance.jurisdictions.logic import FAILS, HOLDS, UNDETERMINED, branch_of

Plain = dict[str, Any]
JOINED = {"all": (" && ", "true"), "any": (" || ", "false")}
COMPARED = {"is": "==", "is_not": "!=", "at_least": ">=", "at_most": "<="}


def cel(condition: Plain) -> str:
    """Return a condition in the words of CEL."""
    if "fact" in condition:
        name = json.dumps(condition["fact"])
        if "presume" in condition:
            presumed = json.dumps(condition["presume"])
            return f"({name} in f ? {_cel_test(condition)} : {presumed})"
        return _cel_test(condition)
    branch, parts = _parts(condition, cel)
    if branch == "not":
        return f"!({parts[0]})"
    joint, nothing = JOINED[branch]
    return f"({joint.join(parts) or nothing})"


def known_to_cel(facts: Mapping[str, Any]) -> Plain:
    """Return facts as CEL must see them: `others` of a closed set are none, of an open one open."""
    seen: Plain = {}
    for name, value in facts.items():
        is_open = isinstance(value, dict) and not value["closed"]
        seen[name] = value["known"] if isinstance(value, dict) else value
        if isinstance(seen[name], list) and not is_open:
            seen[f"{name}, others"] = False
    return {"f": seen}


def zen(condition: Plain) -> str:
    """Return a condition in the words of Zen, in which `not` binds what is in brackets."""
    if "fact" in condition:
        return _zen_test(condition)
    branch, parts = _parts(condition, zen)
    if branch == "not":
        return f"(not ({parts[0]}))"
    joint = {"all": " and ", "any": " or "}[branch]
    return f"({joint.join(parts) or JOINED[branch][1]})"


def known_to_zen(facts: Mapping[str, Any]) -> Plain:
    """Return facts as Zen reads names: without dots; of an open set, whom it knows."""
    return {
        _zen_name(name): value["known"] if isinstance(value, dict) else value
        for name, value in facts.items()
    }


class Rust:
    """common-expression-language, which is CEL in Rust."""

    package = "common-expression-language"

    def __init__(self) -> None:
        self._engine = import_module("cel")

    def read(self, condition: Plain) -> Any:
        return self._engine.compile(cel(condition))

    def see(self, facts: Mapping[str, Any]) -> Any:
        return self._engine.Context(variables=known_to_cel(facts))

    def weigh(self, program: Any, seen: Any) -> int:
        try:
            return HOLDS if program.execute(seen) else FAILS
        except KeyError:
            return UNDETERMINED


class Cpp:
    """cel-expr-python, which is CEL in C++."""

    package = "cel-expr-python"

    def __init__(self) -> None:
        engine = import_module("cel_expr_python.cel")
        kinds = engine.Type.Map(engine.Type.STRING, engine.Type.DYN)
        self._law = engine.NewEnv(variables={"f": kinds})
        self._error = engine.Type.ERROR

    def read(self, condition: Plain) -> Any:
        return self._law.compile(cel(condition))

    def see(self, facts: Mapping[str, Any]) -> Any:
        return self._law.Activation(known_to_cel(facts))

    def weigh(self, program: Any, seen: Any) -> int:
        value = program.eval(seen).value()
        if value is True or value is False:
            return HOLDS if value else FAILS
        assert "Key not found" in str(value), value
        return UNDETERMINED


class Python:
    """cel-python, which is CEL in Python."""

    package = "cel-python"

    def __init__(self) -> None:
        self._engine = import_module("celpy")
        self._law = self._engine.Environment()

    def read(self, condition: Plain) -> Any:
        return self._law.program(self._law.compile(cel(condition)))

    def see(self, facts: Mapping[str, Any]) -> Any:
        return self._engine.json_to_cel(known_to_cel(facts))

    def weigh(self, program: Any, seen: Any) -> int:
        try:
            return HOLDS if program.evaluate(seen) else FAILS
        except self._engine.CELEvalError:
            return UNDETERMINED


class Zen:
    """zen-engine, which knows no third value: what is unknown to it is null, and often a no."""

    package = "zen-engine"

    def __init__(self) -> None:
        self._engine = import_module("zen")

    def read(self, condition: Plain) -> Any:
        return self._engine.compile_expression(zen(condition))

    def see(self, facts: Mapping[str, Any]) -> Any:
        return known_to_zen(facts)

    def weigh(self, program: Any, seen: Any) -> int:
        return HOLDS if program.evaluate(seen) else FAILS


def _parts(condition: Plain, words: Any) -> tuple[str, list[str]]:
    branch = branch_of(condition)
    return branch, [words(part) for part in condition[branch]]


def _cel_test(leaf: Plain) -> str:
    name, op, value = json.dumps(leaf["fact"]), leaf["op"], json.dumps(leaf["value"])
    if op in COMPARED:
        return f"f[{name}] {COMPARED[op]} {value}"
    if op in ("in", "not_in"):
        return f"{'!' * (op == 'not_in')}(f[{name}] in {value})"
    others = f"f[{json.dumps(leaf['fact'] + ', others')}]"
    if op == "includes":
        return f"({value} in f[{name}] || {others})"
    return f"{'!' * (op == 'includes_none')}(f[{name}].exists(x, x in {value}) || {others})"


def _zen_test(leaf: Plain) -> str:
    name, op, value = _zen_name(leaf["fact"]), leaf["op"], json.dumps(leaf["value"])
    if op in COMPARED:
        return f"({name} {COMPARED[op]} {value})"
    if op in ("in", "not_in"):
        return f"({name} {op.replace('_', ' ')} {value})"
    if op == "includes":
        return f"({value} in {name})"
    return f"{'none' if op == 'includes_none' else 'some'}({name}, # in {value})"


def _zen_name(fact: str) -> str:
    return fact.replace(".", "_")
