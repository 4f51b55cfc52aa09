"""Cases: golden answers, and how far the shipped law gives them.

A case may name rules that are not shipped yet. What such a rule could change is then not compared,
and the verdict says so: a case is never passed over in silence.
"""

from dataclasses import dataclass, field
from typing import Any

from compliance.jurisdictions.book import RuleSet
from compliance.jurisdictions.cases import differ
from compliance.jurisdictions.cases.form import NOT_SHIPPED, Case, read
from compliance.jurisdictions.determine import determine

__all__ = ["NOT_SHIPPED", "Case", "Verdict", "judge", "read"]

IDLE = ("fails", "not_in_force")  # a missing rule that a case expects so changes nothing else


@dataclass
class Verdict:
    """How a case went: passed, in part, not covered, differs, or a journey, not run here."""

    id: str
    title: str
    status: str = "journey"
    compared: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    differences: list[dict[str, Any]] = field(default_factory=list)


def judge(rules: RuleSet, case: Case) -> Verdict:
    """Compare a case with the determination, as far as the shipped rules can speak of it."""
    verdict = Verdict(case.id, case.title)
    if case.kind == "journey":
        return verdict
    said = determine(rules, case.given)
    verdict.missing = sorted(case.named - {*rules.rules, *rules.records})
    outcomes = case.expect.get("rules", {})
    partial = any(outcomes.get(name) not in IDLE for name in verdict.missing)
    for key in [key for key in case.expect if key != "notes"]:
        comparable = _comparable(key, case.expect[key], verdict.missing, partial)
        (verdict.left_out if comparable is _NOTHING else verdict.compared).append(key)
        if comparable is not _NOTHING:
            verdict.differences += differ.BY_KEY[key](comparable, said, case.expect)
    if "reports_exact" in verdict.left_out:
        verdict.differences += differ.unlisted(said, case.expect)
    verdict.differences += differ.standing(said)
    verdict.status = _status(verdict)
    return verdict


def _status(verdict: Verdict) -> str:
    if verdict.differences:
        return "differs"
    if verdict.missing:
        return "in part" if verdict.compared else "not covered"
    return "passed"


_NOTHING = object()


def _comparable(key: str, wanted: Any, missing: list[str], partial: bool) -> Any:
    """Return what of an expectation no missing rule could change, or _NOTHING.

    A further rule can keep or silence more, never less: what is expected not to be, is compared.
    """
    if key == "rules":
        shipped = {name: outcome for name, outcome in wanted.items() if name not in missing}
        return shipped or _NOTHING
    if not partial or (key in ("silence", "preserve_until") and wanted is None):
        return wanted
    if key != "reports":
        return _NOTHING
    ours = [each for each in wanted if each.get("because") and not {*each["because"]} & {*missing}]
    return ours or _NOTHING
