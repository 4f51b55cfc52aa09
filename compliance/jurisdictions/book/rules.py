"""Rules: one rule, and the set of them that is the law of a moment."""

from bisect import bisect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from functools import cached_property
from typing import Any, NamedTuple

from compliance.jurisdictions import logic
from compliance.jurisdictions.book.words import Vocabulary
from compliance.jurisdictions.logic import FAILS, NAMES, Condition, Facts, Seek, Weigh

LIVE = ("in_force", "preview", "sunset")
GUARDS = {"prohibition": {"strip", "silence", "preserve"}, "condition": {"strip"}}
ALWAYS: Condition = {"all": []}
HOME_STATE = "home_state"  # the one derived name: see determine.reports.home_state


class Compiled:
    """A condition that is weighed often.

    weigh: the function of the facts to its value.
    needs: of the facts that leave it open, to those that would settle it.
    """

    def __init__(self, condition: Condition) -> None:
        self.condition = condition
        self.weigh: Weigh = logic.compiled(condition)
        self.needs: Seek = logic.seeking(condition)
        self.kept: list[Any] = []  # see keeping

    @cached_property
    def about(self) -> dict[str, "Compiled"]:
        """Return for each fact what of the condition names it, whatever else must hold."""
        found: dict[str, list[Condition]] = {}
        for part in logic.flat("all", {"all": [self.condition]}):
            for name in {leaf["fact"] for leaf in logic.leaves(part)}:
                found.setdefault(name, []).append(part)
        return {name: Compiled({"all": parts}) for name, parts in found.items()}

    @cached_property
    def presumed(self) -> list[tuple[str, Any]]:
        """Return the facts that are presumed while nothing is known, and the value of each."""
        return [
            (leaf["fact"], () if leaf["op"].startswith("includes") else not leaf["value"])
            for leaf in logic.leaves(self.condition)
            if "presume" in leaf
        ]

    def keeping(self, name: str, values: tuple[Any, ...], facts: Facts) -> list[Any]:
        """Return the values of an unknown fact with which it does not fail, open as it is."""
        about = self.about[name]
        if len(about.named) > 1:
            return about.passing(name, values, facts)
        if not about.kept:  # no other fact matters
            about.kept = about.passing(name, values, {})
        return about.kept

    def passing(self, name: str, values: tuple[Any, ...], facts: Facts) -> list[Any]:
        """Return the values of a fact with which it does not fail, whatever it is without."""
        tested, facts = self.named[name], dict(facts)
        other = next((each for each in values if each not in tested), None)  # as any other would do
        passes: dict[Any, bool] = {}
        for each in (*tested, other) if values else ():
            facts[name] = each
            passes[each] = self.weigh(facts) != FAILS
        return [each for each in values if passes.get(each, passes[other])]

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
    live: bool  # it has effects in the world
    names: Mapping[int, str]  # of the outcome, by the value of the condition
    compiled: Compiled  # the renewal of a sunset version comes last


class Step(NamedTuple):
    """A step of the chain of those who are told, and when it is taken if none before it is."""

    way: str
    recipients: list[Mapping[str, Any]]
    when: Compiled
    named: list[str]  # the recipients, unless a fact must say who some of them are


@dataclass(frozen=True)
class Rule:
    """One rule as the evaluator reads it: conditions resolved, names checked."""

    id: str
    title: str
    mode: str
    cite: str
    regime: str
    law: str = field(compare=False)  # what the whole law is called
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
    unseen: frozenset[str]  # what it quotes, and nobody saw in a published text
    record: str = field(init=False)  # `us-sca-block.content` is part of `us-sca-block`

    def __post_init__(self) -> None:
        object.__setattr__(self, "record", self.id.partition(".")[0])

    @cached_property
    def editions(self) -> tuple[Edition, ...]:
        """Return the rule as it was before any version, and as each has it, the newest last."""
        return tuple(self._edition(version) for version in (None, *self.versions))

    @cached_property
    def edition(self) -> Callable[[datetime], Edition]:
        """Return the function of a time to the rule as it stood then."""
        editions = self.editions
        beginnings = [edition.since for edition in editions]
        return lambda at: editions[bisect(beginnings, at) - 1]

    def _edition(self, version: Mapping[str, Any] | None) -> Edition:
        since = date.fromisoformat(version["from"]) if version else date.min
        renewal = [version["renewal"]] if version and "renewal" in version else []
        status = version["status"] if version else None
        unlike = "suspended" if status == "suspended" else "not_in_force"
        return Edition(
            since=datetime.combine(since, time(), UTC),
            version=version,
            status=status,
            live=status in LIVE,
            names=NAMES if status in LIVE else dict.fromkeys(NAMES, unlike),
            compiled=Compiled({"all": [self.own, *renewal]}),
        )

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Return the chain of those who are told."""
        told = self.then.get("report", {"steps": ()})["steps"]
        return tuple(
            Step(
                each["way"],
                each["recipients"],
                Compiled(each["when"] or ALWAYS),
                []
                if any("each_of" in one for one in each["recipients"])
                else [one["authority"] for one in each["recipients"]],
            )
            for each in told
        )

    @cached_property
    def extension(self) -> Compiled | None:
        """Return when its silence is extended, if ever."""
        extend = self.then.get("silence", {}).get("extend")
        return Compiled(extend["when"]) if extend else None

    @property
    def traits(self) -> list[str]:
        """Return what sets a rule apart beside its effects.

        guard: it takes effect while it is open, for safety: it strips, silences or keeps.
        presumption: it presumes something; doubt: a person must look at what leaves it open;
        choice: facts say who is told.
        """
        guarding = GUARDS.get(self.mode, set()) & self.then.keys()
        presuming = any(each.compiled.presumed for each in self.editions)
        choosing = any(each.when.condition != ALWAYS or not each.named for each in self.steps)
        traits = {
            "guard": guarding, "presumption": presuming, "doubt": self.open, "choice": choosing,
        }  # fmt: skip
        return [name for name, has in traits.items() if has]

    @property
    def own(self) -> Condition:
        """Return the whole condition: bound, triggered and not exempt."""
        exempt = [{"not": [self.exempt]}] if self.exempt else []
        return {"all": [*([self.binds] if self.binds else []), self.when, *exempt]}


class Desk(NamedTuple):
    """A recipient as bars see it: its class, and its country if one is meant."""

    kind: str
    country: str | None = None


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
    def desks(self) -> dict[str, Desk]:
        """Return the authorities as bars see them, and as `name@?` that of any Member State."""
        desks = {
            name: Desk(each["class"], each["country"]) for name, each in self.authorities.items()
        }
        named = [name for name in sorted(desks, reverse=True) if "@" in name]
        return {**{_of_any_state(name): desks[name] for name in named}, **desks}

    @cached_property
    def addresses(self) -> dict[str, str]:
        """Return for each desk the one that stands for it, most often itself."""
        known = {name: each.get("same_as", name) for name, each in self.authorities.items()}
        return {name: name for name in self.desks} | known

    @cached_property
    def effects(self) -> dict[str, list[str]]:
        """Return the rules of each effect, in the order of the records."""
        found: dict[str, list[str]] = {}
        for rule in (each for rules in self.records.values() for each in rules):
            for effect in (*rule.then, *rule.traits):
                found.setdefault(effect, []).append(rule.id)
        return found


def _of_any_state(name: str) -> str:
    return f"{name.partition('@')[0]}@?"
