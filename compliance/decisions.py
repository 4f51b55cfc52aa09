"""Decisions: what counsel decides on each report that the law asks for or permits."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from compliance.errors import Malformed

KINDS = ("duty", "permission")


@dataclass(frozen=True)
class Decision:
    """What counsel decides on one firm report: a duty, or a permission that is taken up."""

    kind: str
    to: str
    accept: bool
    because: str


def firm_reports(result: Mapping[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    """Yield the reports of one kind that may be signed: firm ones only."""
    for report in result["reports"]:
        if report["certainty"] == "firm" and report["kind"] == kind:
            yield report


def decided(
    result: Mapping[str, Any], told: Iterable[Decision]
) -> Iterator[tuple[dict[str, Any], Decision]]:
    """Yield each report that was decided on; refuse a duty left open and what is not firm."""
    told = list(told)
    made = {(each.kind, each.to): each for each in told}
    if len(made) < len(told):
        raise Malformed("A report is decided on twice. Decide on each once.")
    reports = {
        (kind, report["to"]): report for kind in KINDS for report in firm_reports(result, kind)
    }
    for kind, to in sorted(made.keys() - reports.keys()):
        raise Malformed(f"There is no firm {kind} towards {to}.")
    for (kind, to), report in reports.items():
        decision = made.get((kind, to))
        if decision is None and kind == "duty":
            raise Malformed(f"Accept or decline the duty towards {to}, with a reason.")
        if decision and not decision.because.strip():
            raise Malformed(f"Say why you decide so on the {kind} towards {to}.")
        if decision:
            yield report, decision
