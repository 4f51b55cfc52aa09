"""Changes: whether two determinations say the same, and when one must be made anew."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from compliance.jurisdictions.book import RuleSet
from compliance.jurisdictions.determine.moments import instant

SUBSTANCE = ("reports", "conflicts", "preserve", "silence")


def is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two results ask the same of us, whenever and under whichever texts."""
    return _substance(one) == _substance(other)


def next_change(rules: RuleSet, result: Mapping[str, Any], after: datetime) -> datetime | None:
    """Return when time alone may change a result: a rule gets a new version, or a silence ends."""
    begins = {edition.since for rule in rules.rules.values() for edition in rule.editions}
    ends = {instant(each["until"]) for each in result["silence"] if each["until"]}
    return min((at for at in begins | ends if at > after), default=None)


def _substance(result: Mapping[str, Any]) -> dict[str, Any]:
    outcomes = {name: rule["outcome"] for name, rule in result["rules"].items()}
    return {"outcomes": outcomes, **{part: result[part] for part in SUBSTANCE}}
