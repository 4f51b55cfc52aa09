"""Comparisons: two laws side by side, in words."""

from collections.abc import Iterator, Mapping
from difflib import ndiff
from typing import Any

from compliance import jurisdictions
from compliance.jurisdictions import RuleSet, cases, diff


def compared(old: RuleSet, new: RuleSet, golden: Mapping[str, str]) -> dict[str, Any]:
    """Return what two laws do not have in common: rules, and the words and desks beside them.

    Beside them, the golden cases that only one of the two gives.
    """
    golden = golden if old.sha256 != new.sha256 else {}  # none turns
    return {
        "old": old.sha256,
        "new": new.sha256,
        "rules": diff.changes(old, new),
        "cases": cases.turned(*(cases.passing(law, golden) for law in (old, new))),
        "facts": _unlike(old.vocabulary.facts, new.vocabulary.facts),
        "authorities": _unlike(old.authorities, new.authorities),
    }


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield a comparison line by line."""
    yield f"{len(found['rules'])} rules changed from {found['old'][:12]} to {found['new'][:12]}"
    for each in found["rules"]:
        yield from ["", f"{each['rule']}: {each['change']}", *_parts(each["parts"])]
        yield f"  outcome: {each['outcome']}"
        if each["witness"]:
            yield f"  in the situation {jurisdictions.canonical(each['witness']).decode()}"
        yield from (f"    {line(change)}" for change in each["consequences"])
    for kind in ("facts", "authorities"):
        if found[kind]:
            yield f"\nThese {kind} changed: {', '.join(found[kind])}"
    for way, named in found["cases"].items():
        if named:
            yield f"\nGolden cases {way.replace('_', ' ')}: {', '.join(named)}"


def line(change: Mapping[str, Any]) -> str:
    """Return one consequence: what it is about, what it was and what it is."""
    before, after = (_said(change[key]) for key in ("before", "after"))
    return f"{change['what']} {change['of']}: {before} -> {after}"


def _said(value: Any) -> str:
    if isinstance(value, str):
        return value
    return jurisdictions.canonical(value).decode() if value else "nothing"


def _parts(parts: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Yield each part that changed: the lines that went, and those that came."""
    for part, texts in parts.items():
        yield f"  {part}"
        old, new = texts["old"].splitlines(), texts["new"].splitlines()
        yield from (f"    {each}" for each in ndiff(old, new) if each[0] in "+-")


def _unlike(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
