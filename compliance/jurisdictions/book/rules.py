"""Rules: one rule, and the set of them that is the law of a moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cached_property
from typing import Any, NamedTuple

from compliance.jurisdictions import logic
from compliance.jurisdictions.book.words import Vocabulary
from compliance.jurisdictions.logic import Condition, Seek, Weigh

HOME_STATE = "home_state"  # the one derived name: see determine.reports.home_state


class Compiled:
    """A condition that is weighed often."""

    def __init__(self, condition: Condition) -> None:
        self.condition = condition
        self.weigh: Weigh = logic.compiled(condition)

    @cached_property
    def needs(self) -> Seek:
        """Return the function of facts that leave it open, to those that would settle it."""
        return logic.seeking(self.condition)

    @cached_property
    def presumed(self) -> list[tuple[str, Any]]:
        """Return the facts that are presumed while nothing is known, and the value of each."""
        return [
            (leaf["fact"], () if leaf["op"].startswith("includes") else not leaf["value"])
            for leaf in logic.leaves(self.condition)
            if "presume" in leaf
        ]

    @cached_property
    def named(self) -> dict[str, set[Any]]:
        """Return the values that each fact is tested for; all others are alike."""
        found: dict[str, set[Any]] = {}
        for leaf in logic.leaves(self.condition):
            value = leaf["value"]
            found.setdefault(leaf["fact"], set()).update(
                value if isinstance(value, list) else [value]
            )
        return found


class Edition(NamedTuple):
    """A rule as one of its versions has it, or as it stood before the first."""

    since: datetime
    version: Mapping[str, Any] | None
    status: str | None
    compiled: Compiled  # the renewal of a sunset version comes last


class Step(NamedTuple):
    """A step of the chain of those who are told, and when it is taken if none before it is."""

    way: str
    recipients: list[Mapping[str, Any]]
    when: Compiled


@dataclass(frozen=True)
class Rule:
    """One rule as the evaluator reads it: conditions resolved, names checked."""

    id: str
    title: str
    mode: str
    cite: str
    regime: str
    law: str
    rank: str
    confidence: str
    counsel_verified: bool
    nature: str
    clock: str
    words: str
    versions: tuple[Mapping[str, Any], ...]
    binds: Condition | None
    when: Condition
    exempt: Condition | None
    then: Mapping[str, Any]
    overrides: tuple[str, ...]
    open: tuple[Mapping[str, Any], ...]

    @cached_property
    def editions(self) -> tuple[Edition, ...]:
        """Return the rule as each version has it, newest first, and as it was before them all."""
        return tuple(self._edition(version) for version in (*reversed(self.versions), None))

    def _edition(self, version: Mapping[str, Any] | None) -> Edition:
        since = date.fromisoformat(version["from"]) if version else date.min
        renewal = [version["renewal"]] if version and "renewal" in version else []
        return Edition(
            since=datetime.combine(since, time(), UTC),
            version=version,
            status=version["status"] if version else None,
            compiled=Compiled({"all": [self.own, *renewal]}),
        )

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Return the chain of those who are told."""
        told = self.then.get("report", {"steps": ()})["steps"]
        return tuple(
            Step(each["way"], each["recipients"], Compiled(each["when"] or {"all": []}))
            for each in told
        )

    @cached_property
    def extension(self) -> Compiled | None:
        """Return when its silence is extended, if ever."""
        extend = self.then.get("silence", {}).get("extend")
        return Compiled(extend["when"]) if extend else None

    @cached_property
    def record(self) -> str:
        """Return the record of the law it is part of: `us-sca-block.content` → `us-sca-block`."""
        return self.id.partition(".")[0]

    @property
    def own(self) -> Condition:
        """Return the whole condition: bound, triggered and not exempt."""
        exempt = [{"not": [self.exempt]}] if self.exempt else []
        return {"all": [*([self.binds] if self.binds else []), self.when, *exempt]}


@dataclass(frozen=True)
class Assertion:
    """What a book claims of a rule: in every situation that is given, the effect is there."""

    regime: str
    name: str
    rule: str
    effect: str
    given: Condition


@dataclass(frozen=True)
class RuleSet:
    """The law of a moment: vocabulary, authorities and rules, known by one hash."""

    sha256: str
    vocabulary: Vocabulary
    authorities: Mapping[str, Mapping[str, Any]]
    rules: Mapping[str, Rule]
    claims: tuple[Assertion, ...] = ()
    not_modelled: tuple[Mapping[str, Any], ...] = ()  # regime, what, accepted

    @cached_property
    def records(self) -> dict[str, list[Rule]]:
        """Return the rules of each record, sorted."""
        found: dict[str, list[Rule]] = {}
        for name in sorted(self.rules):
            found.setdefault(self.rules[name].record, []).append(self.rules[name])
        return found

    @cached_property
    def desks(self) -> dict[str, Mapping[str, Any]]:
        """Return the authorities, and as `name@?` one of those that each Member State has."""
        named = [name for name in sorted(self.authorities, reverse=True) if "@" in name]
        unknown = {f"{name.partition('@')[0]}@?": self.authorities[name] for name in named}
        return {**unknown, **self.authorities}

    @cached_property
    def effects(self) -> dict[str, list[str]]:
        """Return the rules of each effect, in the order of the records."""
        found: dict[str, list[str]] = {}
        for rule in (each for rules in self.records.values() for each in rules):
            for effect in rule.then:
                found.setdefault(effect, []).append(rule.id)
        return found
