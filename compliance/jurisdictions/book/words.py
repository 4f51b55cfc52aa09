"""Words: the facts, classes, codes and reasons that rules, cases and fact sheets may name."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from compliance.jurisdictions import shape
from compliance.jurisdictions.shape import Path, Report

# What the evaluator reads or writes by name: facts and their types, clocks and whether they are
# lists of times, codes, reasons. A vocabulary without one of them would fail in the middle.
FACTS = {
    "data.available_classes": "set", "item.visibility": "choice", "provider.eu_legal_rep": "choice",
    "provider.main_establishment": "choice", "recipient.class": "choice", "threat.imminent": "bool",
}  # fmt: skip
CLOCKS = {"suspicion": False, "belief": False, "actual_knowledge": False, "new_event": True}
CODES = ("not_required", "standing")
REASONS = (
    "blocking_conflict", "conflict", "no_duty", "notice_due", "preservation_basis",
    "preview_rule", "reasonable_excuse", "suspended_rule", "unknown_validity",
)  # fmt: skip
SPECIAL = {"ethnicity", "health", "philosophy", "politics", "race", "religion", "sexuality"}


@dataclass(frozen=True)
class Fact:
    """One word of the vocabulary."""

    name: str
    type: str
    kind: str
    label: str
    ask: str
    values: tuple[str, ...] = ()
    clock: str = ""
    many: bool = False

    @cached_property
    def known(self) -> frozenset[str]:
        """Return the values as a set: a country is one of hundreds."""
        return frozenset(self.values)


class Vocabulary:
    """The words that rules, cases and fact sheets may use."""

    def __init__(self, data: Mapping[str, Any], authorities: Mapping[str, Any]) -> None:
        self.lists: dict[str, tuple[str, ...]] = {
            "countries": tuple(data["countries"]),
            "member_states": tuple(data["member_states"]),
            "field_classes": tuple(data["field_classes"]),
            "authorities": tuple(authorities),
        }
        self.facts = {name: self._fact(name, entry) for name, entry in data["facts"].items()}
        self.clocks = {fact.clock: fact for fact in self.facts.values() if fact.clock}
        self.handed = {name: each for name, each in self.clocks.items() if name != "rule_time"}
        self.field_classes: dict[str, str] = data["field_classes"]
        self.standing = frozenset(data["standing_withheld"])
        self.silence_parties = frozenset(data["silence_parties"])
        self.codes: dict[str, str] = data["withhold_codes"]
        self.reasons: dict[str, str] = data["human_reasons"]
        self._checks: Mapping[str, Callable[[Fact, Any], Any]] = {
            "bool": self._bool, "choice": self._choice, "count": self._count, "set": self._set,
            "time": self._time,
        }  # fmt: skip

    def _fact(self, name: str, entry: Mapping[str, Any]) -> Fact:
        listed = entry.get("values", [])
        values = self.lists.get(listed, ()) if isinstance(listed, str) else tuple(listed)
        keep = {key: entry[key] for key in ("type", "kind", "label", "ask")}
        more = {key: entry[key] for key in ("clock", "many") if key in entry}
        return Fact(name, **keep, values=(*values, *entry.get("also", ())), **more)

    @cached_property
    def member_states(self) -> frozenset[str]:
        """Return the Member States of the Union."""
        return frozenset(self.lists["member_states"])

    @cached_property
    def recipient_classes(self) -> tuple[str, ...]:
        """Return the classes of recipients that prohibitions tell apart."""
        return tuple(sorted(self.facts["recipient.class"].values))

    @property
    def starts(self) -> list[str]:
        """Return the clocks that a period can start from: single times that are handed over."""
        return [name for name, fact in self.handed.items() if not fact.many]

    def fact(self, name: str) -> Fact:
        """Return a fact, or refuse an unknown name with the nearest known one."""
        if name not in self.facts:
            raise ValueError(
                f"the fact {shape.shown(name)} is not known{shape.nearest(name, self.facts)}."
            )
        return self.facts[name]

    def ask(self, name: str) -> str:
        """Return the question that a fact answers."""
        return self.fact(name).ask

    def label(self, name: str) -> str:
        """Return what a fact says."""
        return self.fact(name).label

    def kind(self, name: str) -> str:
        """Return provider, observed or judgement."""
        return self.fact(name).kind

    def check(self, name: str, value: Any) -> Any:
        """Return the value of a fact in its one form, or refuse it and say why."""
        fact = self.facts.get(name) or self.fact(name)
        if value is None:
            raise ValueError(f"{name} has no value; leave an unknown fact out.")
        return self._checks[fact.type](fact, value)

    def check_one(self, fact: Fact, value: Any) -> Any:
        """Return one value of a fact, or one member of a set, or refuse it and say why."""
        one = "choice" if fact.type == "set" else fact.type
        return self._checks[one](fact, value)

    def cross_check(self, data: Mapping[str, Any], report: Report) -> None:
        """Report what does not fit together within the vocabulary."""
        for name, entry in data["facts"].items():
            self._check_fact(name, entry, report)
        for name in sorted(self.standing - self.field_classes.keys()):
            report.unknown(("standing_withheld",), "the class", name, self.field_classes)
        for name in sorted(self.member_states - {*self.lists["countries"]}):
            report.unknown(("member_states",), "the country", name, self.lists["countries"])
        self._check_needed(report)

    def _check_fact(self, name: str, entry: Mapping[str, Any], report: Report) -> None:
        path: Path = ("facts", name)
        fact, listed = self.facts[name], entry.get("values", ())
        if isinstance(listed, str) and listed not in self.lists:
            report.unknown((*path, "values"), "the named list", listed, self.lists)
        if (fact.type in ("choice", "set")) != bool(listed):
            report.add(path, "a choice or a set has values, and nothing else has.")
        if len({*fact.values}) < len(fact.values):
            report.add((*path, "values"), "a value stands here twice.")
        if (fact.type == "time") != bool(fact.clock):
            report.add(path, "a time has a clock, and nothing else has.")
        if self.clocks.get(fact.clock, fact) is not fact:
            report.add((*path, "clock"), f"the clock {fact.clock} exists already.")
        if SPECIAL & {*re.split("[._]", name)}:
            report.add(path, "is a special category of data; no rule may turn on it.")

    def _check_needed(self, report: Report) -> None:
        """Report what the evaluator knows by name and would not find."""
        for name, kind in FACTS.items():
            if name not in self.facts or self.facts[name].type != kind:
                report.add(("facts",), f"has no {kind} {name!r}, which the evaluator reads.")
        for name, many in CLOCKS.items():
            if name not in self.clocks or self.clocks[name].many != many:
                wanted = "list of times" if many else "single time"
                report.add(("facts",), f"has no {wanted} with the clock {name!r}.")
        for key, needed, known in (
            ("withhold_codes", CODES, self.codes),
            ("human_reasons", REASONS, self.reasons),
        ):
            for name in [name for name in needed if name not in known]:
                report.add((key,), f"has no {name!r}, which the evaluator writes.")

    def _bool(self, fact: Fact, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"{fact.name} must be true or false, not {shape.shown(value)}.")
        return value

    def _count(self, fact: Fact, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 10**15:
            raise ValueError(f"{fact.name} must be a whole number, not {shape.shown(value)}.")
        return value

    def _time(self, fact: Fact, value: Any) -> Any:
        raise ValueError(f"{fact.name} is a time; give it under clocks as {fact.clock!r}.")

    def _choice(self, fact: Fact, value: Any) -> str:
        if not isinstance(value, str) or value not in fact.known:
            few = f" of {', '.join(fact.values)}" if len(fact.values) <= 12 else ""
            raise ValueError(
                f"{fact.name} must be one{few or ' of its values'}, not {shape.shown(value)}"
                f"{shape.nearest(value, fact.values)}."
            )
        return value

    def _set(self, fact: Fact, value: Any) -> Any:
        open_form = isinstance(value, dict)
        if open_form and (
            set(value) != {"known", "closed"} or not isinstance(value["closed"], bool)
        ):
            raise ValueError(f"{fact.name} must be a list, or {{known: [...], closed: false}}.")
        known = value["known"] if open_form else value
        if not isinstance(known, list):
            raise ValueError(f"{fact.name} must be a list of values, not {shape.shown(known)}.")
        checked = sorted({self._choice(fact, member) for member in known})
        return {"known": checked, "closed": False} if open_form and not value["closed"] else checked
