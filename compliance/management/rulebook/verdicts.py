"""Verdicts: how golden cases went, a line a case."""

from collections import Counter

from compliance import jurisdictions
from compliance.jurisdictions import cases


def lines(verdicts: list[cases.Verdict]) -> list[str]:
    """Return one line a case, what differs below it, and the sum of all."""
    told = [line for verdict in verdicts for line in _verdict(verdict)]
    count = Counter(verdict.status for verdict in verdicts)
    return [
        *told,
        f"{count['passed']} passed, {count['differs']} differ, "
        f"{count['journey']} journeys (tested as journeys)",
    ]


def _verdict(verdict: cases.Verdict) -> list[str]:
    lines = [f"{verdict.id}: {verdict.status}"]
    for each in verdict.differences:
        expected, found = (
            jurisdictions.canonical(each[key]).decode() for key in ("expected", "found")
        )
        lines.append(f"  {each['key']}: expected {expected}, found {found}")
    return lines
