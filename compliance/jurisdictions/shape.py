"""Shapes: what plain data must look like before anybody asks what it means."""

import difflib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

Path = tuple[str | int, ...]
DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
TIME = re.compile(r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):\d\d:\d\dZ", re.ASCII)
MOST_PROBLEMS = 100  # a hostile file must not buy a suggestion for each of a million words


class Problem(NamedTuple):
    """One thing that is wrong, and where."""

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        place = ", ".join([self.file] * bool(self.file) + [f"line {self.line}"] * bool(self.line))
        return ": ".join(part for part in (place, self.path, self.message) if part)


class Problems(ValueError):
    """Everything that is wrong with what was handed in."""

    def __init__(self, problems: Collection[Problem]) -> None:
        self.problems = tuple(problems)
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        super().__init__(f"{self.problems[0]}{more}")


@dataclass
class Report:
    """The problems found so far in one text."""

    file: str = ""
    lines: Mapping[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """Return whether no more problems are noted."""
        return len(self.problems) >= MOST_PROBLEMS

    def add(self, path: Path, message: str) -> None:
        """Note a problem at `path`, once."""
        if self.is_full:
            return
        problem = Problem(self.file, self.line(path), written(path), message)
        if problem not in self.problems:
            self.problems.append(problem)

    def guess(self, path: Path, message: str, word: object, known: Collection[str]) -> None:
        """Note a problem with a word, and the nearest word that would do."""
        if not self.is_full:
            self.add(path, f"{message}{nearest(word, known)}.")

    def unknown(self, path: Path, what: str, word: object, known: Collection[str]) -> None:
        """Note a word that nobody knows, and the nearest one that somebody does."""
        self.guess(path, f"{what} {shown(word)} is not known", word, known)

    def line(self, path: Path) -> int:
        """Return the line of the nearest part of `path` that stands in the text."""
        known = (
            self.lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in self.lines
        )
        return next(known, 0)

    def settle(self) -> None:
        """Raise Problems if anything was noted."""
        if self.problems:
            raise Problems(self.problems)


def written(path: Path) -> str:
    """Return a path as people write it, on one line: `rules[0].when.all[1]`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{_visible(step)}" for step in path)
    return "".join(steps).removeprefix(".")[:200]


def shown(value: object) -> str:
    """Return a value as a message may show it: short, and on one line."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a table"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def nearest(word: object, known: Collection[str]) -> str:
    """Return `; did you mean '…'` for a word that is nearly known, or nothing."""
    asked = word[:80] if isinstance(word, str) else ""
    close = difflib.get_close_matches(asked, sorted(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}" if close else ""


def _visible(step: object) -> str:
    """Return a step of a path as it stands, or spelt out if it hides something."""
    text = str(step)
    return text if text.isprintable() else repr(text)


Check = Callable[[Any, Path, Report], object]


def text(longest: int = 600, form: str = "", wanted: str = "text") -> Check:
    """Return the shape of a text, in a given form if one is named."""

    def check(value: Any, path: Path, report: Report) -> None:
        if not isinstance(value, str) or not value.strip():
            report.add(path, f"must be {wanted}, not {shown(value)}.")
        elif len(value) > longest:
            report.add(path, f"is longer than {longest} characters.")
        elif form and not re.fullmatch(form, value, re.ASCII):
            report.add(path, f"must be {wanted}, not {shown(value)}.")

    return check


def word(*words: str) -> Check:
    """Return the shape of one of these words."""

    def check(value: Any, path: Path, report: Report) -> None:
        if value not in words or not isinstance(value, str):
            wanted = f"must be one of {', '.join(words)}, not {shown(value)}"
            report.guess(path, wanted, value, words)

    return check


def flag(value: Any, path: Path, report: Report) -> None:
    """Check that a value is true or false."""
    if not isinstance(value, bool):
        report.add(path, f"must be true or false, not {shown(value)}.")


def whole(most: int) -> Check:
    """Return the shape of a whole number from nothing to `most`."""

    def check(value: Any, path: Path, report: Report) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            report.add(path, f"must be a whole number of at most {most}, not {shown(value)}.")

    return check


def day(value: Any, path: Path, report: Report) -> None:
    """Check that a value is a quoted day of the calendar."""
    if parsed(date.fromisoformat, DAY, value) is None:
        report.add(path, f"must be a day such as '2026-03-01', not {shown(value)}.")


def instant(value: Any, path: Path, report: Report) -> None:
    """Check that a value is a quoted time in UTC, in a year in which deadlines can be reckoned."""
    at = parsed(datetime.fromisoformat, TIME, value)
    if at is None or not 1900 <= at.year < 2200:
        report.add(path, f"must be a time such as '2026-03-01T09:00:00Z', not {shown(value)}.")


def parsed(read: Callable[[str], Any], form: re.Pattern[str], value: Any) -> Any:
    """Return what `read` makes of a text of this form, or None."""
    if not isinstance(value, str) or not form.fullmatch(value):
        return None
    try:
        return read(value)
    except ValueError:
        return None


def anything(value: Any, path: Path, report: Report) -> None:
    """Check nothing: a later check knows the meaning."""


def many(item: Check, least: int = 1) -> Check:
    """Return the shape of a list."""

    def check(value: Any, path: Path, report: Report) -> None:
        if not isinstance(value, list):
            return report.add(path, f"must be a list, not {shown(value)}.")
        if len(value) < least:
            report.add(path, "must not be empty.")
        for number, each in enumerate(value):
            item(each, (*path, number), report)
        return None

    return check


def either(listed: Check, single: Check) -> Check:
    """Return the shape of a list, or of what is not a list."""

    def check(value: Any, path: Path, report: Report) -> None:
        (listed if isinstance(value, list) else single)(value, path, report)

    return check


def table(key: Check, item: Check) -> Check:
    """Return the shape of a table from names to values."""

    def check(value: Any, path: Path, report: Report) -> None:
        if not isinstance(value, dict):
            return report.add(path, f"must be a table, not {shown(value)}.")
        for name, each in value.items():
            key(name, (*path, name), report)
            item(each, (*path, name), report)
        return None

    return check


def any_table(value: Any, path: Path, report: Report) -> None:
    """Check that a value is a table: a later check knows what may be in it."""
    if not isinstance(value, dict):
        report.add(path, f"must be a table, not {shown(value)}.")


def record(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """Return the shape of a table with known keys."""
    known = {**required, **(optional or {})}

    def check(value: Any, path: Path, report: Report) -> None:
        if not isinstance(value, dict):
            return report.add(path, f"must be a table, not {shown(value)}.")
        for name in [name for name in required if name not in value]:
            report.add(path, f"has no {name!r}.")
        for name, each in value.items():
            if name in known:
                known[name](each, (*path, name), report)
            else:
                report.unknown((*path, name), "the key", name, known)
        return None

    return check


def exactly_one(shapes: Mapping[str, Check]) -> Check:
    """Return the shape of a table that one of these keys, and only one, gives its form."""

    def check(value: Any, path: Path, report: Report) -> None:
        if not isinstance(value, dict):
            return report.add(path, f"must be a table, not {shown(value)}.")
        found = [name for name in shapes if name in value]
        if len(found) != 1:
            stray = "" if found else next(iter(value), "")
            wanted = f"must have exactly one of {', '.join(shapes)}"
            return report.guess(path, wanted, stray, shapes)
        shapes[found[0]](value, path, report)
        return None

    return check


NAME = text(80, r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*", "a name such as threat.imminent")
RULE_ID = text(60, r"[a-z]{2,5}(-[a-z0-9]+)+(\.[a-z0-9]+)?", "an id such as eu-dsa-18")
WORD = text(60, r"[A-Za-z0-9_-]+", "one word")
