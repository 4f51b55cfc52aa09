"""Strict text: YAML without its surprises in, canonical JSON out."""

import hashlib
import json
import re
from collections.abc import Mapping
from itertools import groupby
from typing import Any

import yaml

from compliance.jurisdictions import shape
from compliance.jurisdictions.shape import Path, Report

LARGEST = 1_000_000  # bytes a file
DEEPEST = 40  # levels a document
_RESOLVER: Any = yaml.resolver.Resolver()
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def canonical(value: Any) -> bytes:
    """Return the one way to write plain data: UTF-8 JSON, keys sorted, no spaces."""
    return _CANONICAL.encode(value).encode()


_CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False
)


def digest(value: Any) -> str:
    """Return the sha256 of the canonical form."""
    return hashlib.sha256(canonical(value)).hexdigest()


def joined(table: Mapping[str, Any], written: Mapping[str, str]) -> bytes:
    """Return the canonical form of a table, of whose entries some have theirs already."""
    parts: list[str] = []
    for done, names in groupby(sorted(table), written.__contains__):
        if done:
            parts += [f'"{name}":{written[name]}' for name in names]
        else:
            parts.append(_CANONICAL.encode({name: table[name] for name in names})[1:-1])
    return f"{{{','.join(parts)}}}".encode()


def parse(name: str, text: str) -> tuple[Any, Report]:
    """Read strict YAML: the plain data, and a report that knows the lines and what was wrong."""
    lines: dict[Path, int] = {}
    report = Report(name, lines)
    for lines[()], line in enumerate(text.split("\n"), 1):
        if hidden := _hidden(line.removesuffix("\r")):
            report.add((), hidden)
    lines.clear()
    if not report.problems and len(text.encode()) > LARGEST:
        report.add((), f"is larger than {LARGEST} bytes.")
    if report.problems:
        return None, report
    try:
        return _Reader(report, lines).read(yaml.parse(text, Loader=_LOADER)), report
    except yaml.MarkedYAMLError as error:
        lines[()] = 1 + getattr(error.problem_mark, "line", 0)
        report.add((), f"cannot be read: {error.problem}.")
    return None, report


def _hidden(text: str) -> str:
    """Return the refusal of what looks different to the person who approves it, if it does."""
    if text.isprintable():
        return ""
    hidden = next(character for character in text if not character.isprintable())
    return f"a hidden character ({hidden!a}) is not allowed; type a plain one."


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
            self._refuse(
                line, f"{what} ({shape.shown(event.anchor)}) is not allowed; write the value out."
            )
        if getattr(event, "tag", None):
            self._refuse(line, f"a tag ({shape.shown(event.tag)}) is not allowed.")
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
        if not isinstance(event, yaml.ScalarEvent):
            raise yaml.MarkedYAMLError(problem="a key must be text", problem_mark=event.start_mark)
        if not isinstance(self._scalar(event, line), str):
            self._refuse(line, "a key must be text.")
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
        if hidden := _hidden(text.replace("\n", "")):
            self._refuse(line, hidden)
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
