"""Answers: what the law says of a finding at an instant, computed and not yet anybody's record."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from compliance import facts, jurisdictions, releases
from compliance.facts import ProviderProfile
from compliance.findings import Finding
from compliance.jurisdictions import RuleSet
from compliance.releases import Release


@dataclass(frozen=True)
class Answer:
    """What the law says, and all that it rests on."""

    version: int  # of the finding
    profile: ProviderProfile | None
    release: Release
    snapshot: Mapping[str, Any]
    rule_time: datetime
    result: Mapping[str, Any]
    review_at: datetime | None  # when time alone may change it


def ask(finding: Finding, rule_time: datetime | None = None) -> Answer:
    """Ask the law that is in force what it says of a finding now, or at the instant named."""
    at = (rule_time or timezone.now()).replace(microsecond=0)
    release, known = releases.current(), facts.snapshot(finding)
    rules = releases.rules_of(release)
    result = say(rules, known, at)
    changes = jurisdictions.next_change(rules, result, at)
    return Answer(finding.version, facts.profile(), release, known, at, result, changes)


def say(rules: RuleSet, snapshot: Mapping[str, Any], rule_time: datetime) -> dict[str, Any]:
    """Return what a law says of a snapshot: each time the same."""
    return jurisdictions.rule_on(rules, **_asked(snapshot, rule_time))


def explain(answer: Answer) -> dict[str, Any]:
    """Return why, rule by rule."""
    rules = releases.rules_of(answer.release)
    return jurisdictions.explain(rules, **_asked(answer.snapshot, answer.rule_time))


def _asked(snapshot: Mapping[str, Any], rule_time: datetime) -> dict[str, Any]:
    return {**snapshot, "rule_time": rule_time.strftime("%Y-%m-%dT%H:%M:%SZ")}
