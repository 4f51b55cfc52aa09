"""Solve: what can be proved of a rule set, and the situation that shows it.

`witness` searches one situation; `findings` asks everything of a whole set.
"""

from typing import Any

from compliance.jurisdictions.book import RuleSet
from compliance.jurisdictions.solve.lint import remarks
from compliance.jurisdictions.solve.proofs import answers
from compliance.jurisdictions.solve.search import NotProved, facts_of, witness

__all__ = ["NotProved", "facts_of", "findings", "is_refused", "witness"]


def findings(rules: RuleSet) -> list[dict[str, Any]]:
    """Return what is found of a rule set: rule, kind, level, the finding in words, whether it is
    proved, and a situation that shows it.

    A `fault` is wrong in any case; an `open` one waits for a person, and fails a strict check; a
    `note` is no fault. The witness is None where the finding is that there is no situation.
    """
    found = [*remarks(rules), *answers(rules)]
    return sorted(found, key=lambda each: (each["rule"], each["kind"], each["finding"]))


def is_refused(finding: dict[str, Any], *, strict: bool = False) -> bool:
    """Tell whether a rule set cannot stand with a finding."""
    return finding["level"] == "fault" or (strict and finding["level"] == "open")
