"""Proofs: what the solver found of the law, a line a finding."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from compliance import jurisdictions
from compliance.jurisdictions import RuleSet

COUNTED = {
    "overlap": "pairs of rules can hold together",
    "unused": "facts are read by no rule",
}


def lines(rules: RuleSet, found: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the size of the law, each finding with its situation, and what is only counted."""
    count = f"{len(rules.rules)} rules, {len(rules.vocabulary.facts)} facts"
    yield f"{count}, rule set {rules.sha256}"
    counted = [each["kind"] for each in found if _is_counted(each)]
    for each in [each for each in found if not _is_counted(each)]:
        yield f"{each['level']}: {each['rule']} {each['finding']}"
        if each["witness"] is not None:
            yield f"  for instance {jurisdictions.canonical(each['witness']).decode()}"
    for kind, number in sorted(Counter(counted).items()):
        yield f"{number} {COUNTED[kind]} (--json names them)"


def _is_counted(finding: dict[str, Any]) -> bool:
    """Tell whether a finding is no news by itself."""
    return finding["kind"] in COUNTED and finding["level"] == "note"
