"""Jurisdictions: the law as data. Plain data in, plain data out; no clock, files or framework."""

from collections.abc import Mapping, Sequence
from typing import Any

from compliance.jurisdictions import determine as _determine
from compliance.jurisdictions.book import RuleSet, canonical, digest, read
from compliance.jurisdictions.determine.changes import is_same, next_change
from compliance.jurisdictions.shape import Problem, Problems

__all__ = [
    "Problem", "Problems", "RuleSet", "canonical", "digest", "explain", "is_same", "next_change",
    "read", "rule_on",
]  # fmt: skip


def rule_on(
    rules: RuleSet,
    *,
    facts: Mapping[str, Any],
    clocks: Mapping[str, Any],
    rule_time: str,
    simulate: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what the law says: the form determination/1 of the law contract."""
    return _determine.determine(rules, _given(facts, clocks, rule_time, simulate))


def explain(
    rules: RuleSet,
    *,
    facts: Mapping[str, Any],
    clocks: Mapping[str, Any],
    rule_time: str,
    simulate: Sequence[str] = (),
) -> dict[str, dict[str, Any]]:
    """Return why: one certificate for each rule, by its id."""
    return _determine.explain(rules, _given(facts, clocks, rule_time, simulate))


def _given(
    facts: Mapping[str, Any], clocks: Mapping[str, Any], rule_time: str, simulate: Sequence[str]
) -> dict[str, Any]:
    return {
        "rule_time": rule_time,
        "clocks": dict(clocks),
        "facts": dict(facts),
        "simulate": list(simulate),
    }
