"""Diff: what a change of the law changes, rule by rule and answer by answer."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from compliance.jurisdictions.book import RuleSet


def changes(old: RuleSet, new: RuleSet) -> list[dict[str, Any]]:
    """Return the rules that were added, removed or changed, each with the parts that differ."""
    return [
        {"rule": name, "change": _change(old, new, name), "parts": _parts(old, new, name)}
        for name in sorted({*old.rules, *new.rules})
        if old.rules.get(name) != new.rules.get(name)
    ]


def replayed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return which outcomes differ between two determinations of one situation."""
    was, now = ({n: r["outcome"] for n, r in said["rules"].items()} for said in (before, after))
    return [
        {"what": "outcome", "of": name, "before": was.get(name), "after": now.get(name)}
        for name in sorted({*was, *now})
        if was.get(name) != now.get(name)
    ]


def _change(old: RuleSet, new: RuleSet, name: str) -> str:
    if name in old.rules and name in new.rules:
        return "changed"
    return "removed" if name in old.rules else "added"


def _parts(old: RuleSet, new: RuleSet, name: str) -> dict[str, dict[str, str]]:
    rules = [law.rules.get(name) for law in (old, new)]
    texts = [
        {f.name: str(getattr(rule, f.name)) for f in fields(rule)} if rule else {} for rule in rules
    ]
    return {
        part: {"old": texts[0].get(part, ""), "new": texts[1].get(part, "")}
        for part in sorted({*texts[0], *texts[1]})
        if texts[0].get(part) != texts[1].get(part)
    }
