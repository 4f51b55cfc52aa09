"""The law for tests: what is shipped, the golden cases, and small books of our own."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from compliance import jurisdictions, releases
from compliance.jurisdictions import RuleSet, cases

WORDS = ("facts.yaml", "authorities.yaml")
BOOK: dict[str, Any] = {
    "schema": "rulebook/1",
    "regime": "xx-sample",
    "title": "A sample law",
    "jurisdiction": "XX",
    "rank": "statute",
    "confidence": "H",
    "counsel_verified": False,
    "review_by": "2027-01-01",
    "versions": [{"from": "2020-01-01", "status": "in_force"}],
}
HEADS: dict[str, Any] = {
    "title": "A sample rule",
    "cite": "s.1",
    "mode": "duty",
    "trigger": {"nature": "state"},
    "when": {"fact": "threat.imminent", "is": True},
    "then": {"report": {"fields": "available", "to": [{"authority": "fbi"}]}},
}


@pytest.fixture(scope="session")
def texts() -> dict[str, str]:
    """The shipped texts of the law."""
    return releases.shipped_texts()


@pytest.fixture(scope="session")
def law(texts: dict[str, str]) -> RuleSet:
    """The shipped law."""
    return jurisdictions.read(texts)


@pytest.fixture(scope="session")
def golden(law: RuleSet) -> dict[str, cases.Case]:
    """The shipped golden cases, by id."""
    return {case.id: case for case in cases.read(law, releases.shipped_cases())}


@pytest.fixture(scope="session")
def enact(texts: dict[str, str]) -> Callable[..., RuleSet]:
    """Read a sample book: each rule by its id, with what differs from an ordinary rule."""

    def make(rules: dict[str, dict[str, Any]], **heads: Any) -> RuleSet:
        books = {"": BOOK | heads | {"rules": [HEADS | {"id": n} | r for n, r in rules.items()]}}
        if policies := heads.pop("policies", None):
            books[""].pop("policies")
            listed = [HEADS | {"id": n, "mode": "condition"} | r for n, r in policies.items()]
            books["house-"] = BOOK | {"rank": "policy", "regime": "house", "rules": listed}
        written = {f"{name}book.yaml": json.dumps(book) for name, book in books.items()}
        return jurisdictions.read({name: texts[name] for name in WORDS} | written)

    return make


@pytest.fixture
def ask(law: RuleSet, golden: dict[str, cases.Case]) -> Callable[..., dict[str, Any]]:
    """Determine the situation of a golden case with a few facts or clocks changed.

    None takes a fact or a clock away.
    """

    def make(
        case: str,
        facts: dict[str, Any] | None = None,
        clocks: dict[str, Any] | None = None,
        **changes: Any,
    ) -> dict[str, Any]:
        given = dict(golden[case].given)
        given["facts"] = _known(given["facts"] | (facts or {}))
        given["clocks"] = _known(given["clocks"] | (clocks or {}))
        return jurisdictions.rule_on(law, **given | changes)

    return make


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
