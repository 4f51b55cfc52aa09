"""Periods: when a hold or a silence ends, and what prolongs it."""

from datetime import datetime

from compliance.jurisdictions.book import Compiled
from compliance.jurisdictions.determine.moments import (
    Situation,
    instant,
    later,
    started,
    written,
)
from compliance.jurisdictions.determine.outcomes import Outcome
from compliance.jurisdictions.logic import FAILS, UNDETERMINED


def end(outcome: Outcome, effect: str, situation: Situation) -> str | None:
    """Return the end of a period; one without end, or whose start nobody recorded, stays open."""
    span, start = outcome.rule.then[effect], _start(outcome, effect, situation)
    if start is None:
        return None
    ends = _first_end(outcome, start, effect)
    if renewals(outcome, effect, situation)[0]:
        ends = later(ends, span["renew"]["by"])
    # A silence that may have been extended lasts: words cannot be taken back.
    extension = outcome.rule.extension if effect == "silence" else None
    if extension and extension.weigh(situation.facts) != FAILS:
        ends = later(ends, span["extend"]["by"])
    return written(ends)


def lasts(outcome: Outcome, effect: str, situation: Situation) -> bool:
    """Return whether a period has not ended; what ends now has ended."""
    until = end(outcome, effect, situation)
    return until is None or until > written(situation.rule_time)


def renewals(outcome: Outcome, effect: str, situation: Situation) -> tuple[int, int]:
    """Return how many renewals of a hold count, and how many do not.

    Only one prolongs a hold, and only if it came while the first period ran.
    """
    span, start = outcome.rule.then[effect], _start(outcome, effect, situation)
    if "renew" not in span or start is None:
        return 0, 0
    first = _first_end(outcome, start, effect)
    times = map(instant, situation.clocks.get(span["renew"]["from"], ()))
    asked = [at for at in times if start < at <= situation.rule_time]
    counted = int(any(at <= first for at in asked))
    return counted, len(asked) - counted


def open_extension(outcome: Outcome, situation: Situation) -> Compiled | None:
    """Return what would tell whether a silence that lasts was extended, if nobody knows."""
    when = outcome.rule.extension
    if when is None or not (outcome.applies and lasts(outcome, "silence", situation)):
        return None
    return when if when.weigh(situation.facts) == UNDETERMINED else None


def _start(outcome: Outcome, effect: str, situation: Situation) -> datetime | None:
    span = outcome.rule.then[effect]
    return started(span["from"], situation) if "from" in span else None


def _first_end(outcome: Outcome, start: datetime, effect: str) -> datetime:
    version = outcome.edition.version or {}
    return later(start, version.get("for", outcome.rule.then[effect]["for"]))
