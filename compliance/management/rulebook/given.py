"""What is given: laws by name, files, determine/1 objects, and the refusal of what cannot be."""

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from compliance import documents, jurisdictions, releases
from compliance.jurisdictions import Problem, Problems, RuleSet
from compliance.releases import Release

LARGEST = 100_000_000  # characters of input; more is a mistake, not a finding


def law(name: str) -> RuleSet:
    """Return the law that a name stands for, or raise Problems.

    `shipped`, a directory of rulebooks (golden cases in it are left aside), or the first digits of
    a release's hash.
    """
    if name == "shipped":
        return jurisdictions.read(releases.shipped_texts())
    if texts := directory(name):
        return jurisdictions.read(documents.law_in(texts))
    return releases.rules_of(release(name))


def golden(name: str) -> dict[str, str]:
    """Return the golden cases that come with the law that a name stands for."""
    if name == "shipped":
        return releases.shipped_cases()
    return documents.cases_in(directory(name) or releases.dump(release(name)))


def release(digits: str) -> Release:
    """Return the latest release whose hash begins with these digits, or raise Problems."""
    found = Release.objects.filter(sha256__startswith=digits).first()
    if found is None:
        message = f"{digits} is neither 'shipped', a directory of rulebooks nor a release's hash."
        raise Problems([Problem("", 0, "", message)])
    return found


def directory(name: str) -> dict[str, str]:
    """Return the documents in a directory, golden cases and all: file name and text."""
    return {path.name: text(str(path)) for path in sorted(Path(name).glob("*.yaml"))}


def text(name: str) -> str:
    """Return the text of a file, or of standard input; raise Problems if it cannot be read."""
    try:
        with nullcontext(sys.stdin) if name == "-" else open(name, encoding="utf-8") as source:
            given: str = source.read(LARGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise Problems([Problem("", 0, "", f"{name} cannot be read: {error}")]) from error
    if len(given) > LARGEST:
        raise Problems([Problem("", 0, "", f"{name} is longer than {LARGEST} characters.")])
    return given


def objects(text: str) -> list[str]:
    """Return the JSON objects of a file: the whole, or one a line if the whole is not one."""
    lines = [line for line in text.split("\n") if line.strip()]
    try:
        json.JSONDecoder().decode(text)
    except (ValueError, RecursionError):
        marked = (line.strip() for line in lines)
        return lines if any(line[0] == "{" and line[-1] == "}" for line in marked) else [text]
    return [text]


def asked(text: str) -> dict[str, Any]:
    """Return the determine/1 object that a text is; what it asks is checked where it is read."""
    try:
        given = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except ValueError as error:
        raise Problems([Problem("", 0, "", f"is not JSON: {error}")]) from error
    except RecursionError as error:
        raise Problems([Problem("", 0, "", "is nested too deeply.")]) from error
    if not isinstance(given, dict) or given.get("schema") != "determine/1":
        raise Problems([Problem("", 0, "schema", "must be determine/1.")])
    return given


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return table


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def refusal(refused: Problems) -> dict[str, Any]:
    """Return a refusal as data: where, and what is wrong there."""
    problems = [
        {"path": one_line(each.path), "message": one_line(each.message)}
        for each in refused.problems
    ]
    return {"schema": "refusal/1", "problems": problems}


def one_line(text: str) -> str:
    """Return a text with everything that is no plain character escaped.

    What was handed in may hold a line break, an order to the terminal, or half a character.
    """
    plain = (each if each.isprintable() else ascii(each)[1:-1] for each in text)
    return "".join(plain)
