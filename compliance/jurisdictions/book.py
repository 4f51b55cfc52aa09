"""Books: strict YAML in, a rule set out. Every problem at once, with its line and a suggestion."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from compliance.jurisdictions import shape
from compliance.jurisdictions.logic import Condition, members
from compliance.jurisdictions.shape import Path, Report

LARGEST = 1_000_000  # bytes a file
DEEPEST = 40  # levels a document
MOST_NODES, MOST_LEVELS = 200, 8  # a rule's condition
ALLOWED = {
    "bool": {"is"},
    "choice": {"is", "is_not", "in", "not_in"},
    "set": {"includes", "includes_any", "includes_none"},
    "count": {"is", "at_least", "at_most"},
}
DERIVED = {"home_state": ("provider.main_establishment", "provider.eu_legal_rep")}
_RESOLVER = yaml.resolver.Resolver()
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def canonical(value: Any) -> bytes:
    """Return the one way to write plain data: UTF-8 JSON, keys sorted, no spaces."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest(value: Any) -> str:
    """Return the sha256 of the canonical form."""
    return hashlib.sha256(canonical(value)).hexdigest()


# ---- strict YAML


def parse(name: str, text: str) -> tuple[Any, Report]:
    """Read strict YAML: the plain data, and a report that knows the lines and what was wrong."""
    lines: dict[Path, int] = {}
    report = Report(name, lines)
    try:
        if len(text.encode()) > LARGEST:
            report.add((), "is larger than 1 MB.")
            return None, report
        return _Reader(report, lines).read(yaml.parse(text, Loader=_LOADER)), report
    except UnicodeEncodeError:
        report.add((), "is not Unicode text.")
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        lines[()] = mark.line + 1 if mark else 1
        report.add((), f"cannot be read: {getattr(error, 'problem', None) or error}.")
    return None, report


class _Reader:
    """Builds plain data from YAML events with a stack of its own, so that depth cannot hurt."""

    def __init__(self, report: Report, lines: dict[Path, int]) -> None:
        self.report, self.lines = report, lines
        self.open: list[tuple[Path, Any]] = []
        self.key: Any = None
        self.documents = 0
        self.root: Any = None

    def read(self, events: Any) -> Any:
        for event in events:
            line = event.start_mark.line + 1
            if isinstance(event, yaml.DocumentStartEvent):
                self.documents += 1
                self.lines.setdefault((), line)
                if self.documents > 1 or event.version or event.tags:
                    self._refuse(line, "must be one document without directives.")
            elif isinstance(event, yaml.NodeEvent):
                self._node(event, line)
            elif isinstance(event, yaml.CollectionEndEvent):
                self.open.pop()
        if not self.documents:
            self._refuse(1, "is empty.")
        return self.root

    def _node(self, event: Any, line: int) -> None:
        if event.anchor:
            what = "an alias" if isinstance(event, yaml.AliasEvent) else "an anchor"
            self._refuse(line, f"{what} ({event.anchor!r}) is not allowed; write the value out.")
        if getattr(event, "tag", None):
            self._refuse(line, f"a tag ({event.tag[:40]!r}) is not allowed.")
        if len(self.open) >= DEEPEST:
            raise yaml.MarkedYAMLError(
                problem=f"it is nested deeper than {DEEPEST} levels", problem_mark=event.start_mark
            )
        is_key = bool(self.open) and isinstance(self.open[-1][1], dict) and self.key is None
        if is_key:
            self._name(event, line)
        else:
            self._value(event, line)

    def _name(self, event: Any, line: int) -> None:
        plain = isinstance(event, yaml.ScalarEvent)
        if not plain or not isinstance(self._scalar(event, line), str):
            self._refuse(line, "a key must be text.")
            if not plain:
                raise yaml.MarkedYAMLError(
                    problem="a key must be text", problem_mark=event.start_mark
                )
        path, table = self.open[-1]
        if event.value in table:
            self._refuse(line, f"the key {shape.shown(event.value)} stands here twice.")
        self.key = event.value
        self.lines[(*path, event.value)] = line

    def _value(self, event: Any, line: int) -> None:
        if isinstance(event, yaml.MappingStartEvent):
            value: Any = {}
        elif isinstance(event, yaml.SequenceStartEvent):
            value = []
        else:
            value = self._scalar(event, line) if isinstance(event, yaml.ScalarEvent) else None
        path = self._place(value, line)
        if isinstance(event, yaml.CollectionStartEvent):
            self.open.append((path, value))

    def _place(self, value: Any, line: int) -> Path:
        if not self.open:
            self.root = value
            return ()
        path, into = self.open[-1]
        if isinstance(into, dict):
            step: str | int = self.key
            into[step], self.key = value, None
        else:
            step = len(into)
            into.append(value)
        self.lines.setdefault((*path, step), line)
        return (*path, step)

    def _scalar(self, event: Any, line: int) -> Any:
        text: str = event.value
        if not event.implicit[0]:
            return text
        kind = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False)).rpartition(":")[2]
        if kind == "str":
            return text
        if kind == "bool" and text in ("true", "false"):
            return text == "true"
        if kind == "null" and text == "null":
            return None
        if kind == "int" and re.fullmatch(r"0|-?[1-9][0-9]{0,17}", text):
            return int(text)
        self._refuse(line, _LOOSE[kind].format(shape.shown(text)))
        return text

    def _refuse(self, line: int, message: str) -> None:
        path = self.open[-1][0] if self.open else ()
        kept, self.lines[path] = self.lines.get(path, line), line
        self.report.add(path, message)
        self.lines[path] = kept


_LOOSE = {
    "bool": "{} is not a boolean here; write true or false, or quote it.",
    "null": "a value is missing ({}); write null, or leave the key out.",
    "int": "{} is not a plain whole number; write it in full, or quote it.",
    "float": "{} is a fraction; only whole numbers are allowed, or quote it.",
    "timestamp": "{} is a date without quotes; quote it.",
    "merge": "the merge key {} is not allowed.",
    "value": "the default key {} is not allowed.",
}


# ---- the vocabulary


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
        self.field_classes: dict[str, str] = data["field_classes"]
        self.standing = frozenset(data["standing_withheld"])
        self.silence_parties = frozenset(data["silence_parties"])
        self.codes: dict[str, str] = data["withhold_codes"]
        self.reasons: dict[str, str] = data["human_reasons"]

    def _fact(self, name: str, entry: Mapping[str, Any]) -> Fact:
        listed = entry.get("values", [])
        values = self.lists.get(listed, ()) if isinstance(listed, str) else tuple(listed)
        keep = {key: entry[key] for key in ("type", "kind", "label", "ask")}
        more = {key: entry[key] for key in ("clock", "many") if key in entry}
        return Fact(name, **keep, values=(*values, *entry.get("also", ())), **more)

    @property
    def member_states(self) -> frozenset[str]:
        """Return the Member States of the Union."""
        return frozenset(self.lists["member_states"])

    @cached_property
    def recipient_classes(self) -> tuple[str, ...]:
        """Return the classes of recipients that prohibitions tell apart."""
        return tuple(sorted(self.fact("recipient.class").values))

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
        fact = self.fact(name)
        if value is None:
            raise ValueError(f"{name} has no value; leave an unknown fact out.")
        checked: Any = getattr(self, f"_{fact.type}")(fact, value)
        return checked

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
        if not isinstance(value, str) or value not in fact.values:
            few = f" of {', '.join(fact.values)}" if len(fact.values) <= 12 else ""
            raise ValueError(
                f"{fact.name} must be one{few or ' of its values'}, not {shape.shown(value)}"
                f"{shape.nearest(value, fact.values)}."
            )
        return value

    def _set(self, fact: Fact, value: Any) -> Any:
        open_form = isinstance(value, dict)
        if open_form and (set(value) != {"known", "closed"} or not isinstance(value["closed"], bool)):
            raise ValueError(f"{fact.name} must be a list, or {{known: [...], closed: false}}.")
        known = value["known"] if open_form else value
        if not isinstance(known, list):
            raise ValueError(f"{fact.name} must be a list of values, not {shape.shown(known)}.")
        checked = sorted({self._choice(fact, member) for member in known})
        return {"known": checked, "closed": False} if open_form and not value["closed"] else checked


# ---- rules


@dataclass(frozen=True)
class Rule:
    """One rule as the evaluator reads it: conditions resolved, names checked."""

    id: str
    title: str
    mode: str
    cite: str
    regime: str
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

    @property
    def record(self) -> str:
        """Return the record of the law a rule is part of: `us-sca-block.content` → `us-sca-block`."""
        return self.id.partition(".")[0]

    @property
    def own(self) -> Condition:
        """Return the whole condition: bound, triggered and not exempt."""
        exempt = [{"not": [self.exempt]}] if self.exempt else []
        return {"all": [*([self.binds] if self.binds else []), self.when, *exempt]}


@dataclass(frozen=True)
class RuleSet:
    """The law of a moment: vocabulary, authorities and rules, known by one hash."""

    sha256: str
    vocabulary: Vocabulary
    authorities: Mapping[str, Mapping[str, Any]]
    rules: Mapping[str, Rule]

    @cached_property
    def records(self) -> dict[str, list[Rule]]:
        """Return the rules of each record, sorted."""
        found: dict[str, list[Rule]] = {}
        for name in sorted(self.rules):
            found.setdefault(self.rules[name].record, []).append(self.rules[name])
        return found
