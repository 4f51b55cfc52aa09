"""Cases: golden answers, and whether the law gives them."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from compliance.jurisdictions.book import RuleSet
from compliance.jurisdictions.cases import differ
from compliance.jurisdictions.cases.form import Case, read, readable
from compliance.jurisdictions.determine import determine

__all__ = ["Case", "Verdict", "judge", "passing", "read", "turned"]


@dataclass
class Verdict:
    """How a case went: passed, differs, or a journey, which is not run here."""

    id: str
    title: str
    status: str = "journey"
    differences: list[dict[str, Any]] = field(default_factory=list)


def judge(rules: RuleSet, case: Case) -> Verdict:
    """Compare a case with the determination of what it gives."""
    verdict = Verdict(case.id, case.title)
    if case.kind == "journey":
        return verdict
    said = determine(rules, case.given)
    for key in [key for key in case.expect if key != "notes"]:
        verdict.differences += differ.BY_KEY[key](case.expect[key], said, case.expect)
    verdict.differences += differ.standing(said)
    verdict.status = "differs" if verdict.differences else "passed"
    return verdict


def passing(rules: RuleSet, texts: Mapping[str, str]) -> frozenset[str]:
    """Return the ids of the cases that a law gives; one that it has no words for it does not give.

    Raises Problems for a file that is of another form.
    """
    verdicts = [judge(rules, case) for case in readable(rules, texts)]
    return frozenset(verdict.id for verdict in verdicts if verdict.status == "passed")


def turned(before: Set[str], after: Set[str]) -> dict[str, list[str]]:
    """Return which cases pass no more, and which pass now."""
    return {"newly_failing": sorted(before - after), "newly_passing": sorted(after - before)}
