"""rulebook: the law as data, checked, tested, determined and explained from the command line."""

import json
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from compliance import jurisdictions, releases
from compliance.jurisdictions import Problem, Problems, RuleSet, cases, determine, render, solve

LARGEST = 100_000_000  # characters of input; more is a mistake, not a finding


class Command(BaseCommand):
    """`manage.py rulebook check | test [FILE…] | determine FILE | explain FACTS RULE…`."""

    help = "Checks, tests, determines and explains the law that is shipped."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add one sub-command for each question."""
        commands = parser.add_subparsers(dest="command", required=True)
        check = commands.add_parser(
            "check", help="read every rulebook; find what never or always holds"
        )
        test = commands.add_parser(
            "test", help="run golden cases: the shipped ones, or the files given"
        )
        test.add_argument("files", nargs="*", metavar="FILE")
        determine = commands.add_parser("determine", help="print what the law says of determine/1")
        determine.add_argument(
            "file", metavar="FILE", help="JSON or JSON Lines; - is standard input"
        )
        explain = commands.add_parser("explain", help="print why: the proof of each rule named")
        explain.add_argument(
            "file", metavar="FACTS", help="one determine/1 object; - is standard input"
        )
        explain.add_argument("rules", nargs="+", metavar="RULE")
        for command in (check, test, determine, explain):
            command.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Answer with exit status 0, or refuse with one line and exit status 1."""
        try:
            self.ACTIONS[options["command"]](self, options)
        except Problems as refused:
            if options["json"] or options["command"] == "determine":
                self._print(_refusal(refused))
            raise CommandError(_one_line(str(refused))) from refused

    def review(self, options: Mapping[str, Any]) -> None:
        """Read the shipped law and look for rules that say nothing."""
        rules = jurisdictions.read(releases.shipped_texts())
        found = solve.findings(rules)
        count = f"{len(rules.rules)} rules, {len(rules.vocabulary.facts)} facts"
        if options["json"]:
            self._print({"rule_set": rules.sha256, "rules": sorted(rules.rules), "findings": found})
        else:
            self.stdout.write(f"{count}, rule set {rules.sha256}")
            for each in found:
                self.stdout.write(f"{each['rule']}: {each['finding']}")
        if found:
            raise CommandError(f"{len(found)} rules say nothing, or may; see above.")

    def test(self, options: Mapping[str, Any]) -> None:
        """Compare golden cases; exit status 1 if one differs."""
        rules = jurisdictions.read(releases.shipped_texts())
        texts = {name: _text(name) for name in options["files"]} or releases.shipped_cases()
        verdicts = [cases.judge(rules, case) for case in cases.read(rules, texts)]
        if options["json"]:
            self._print({"rule_set": rules.sha256, "cases": [vars(each) for each in verdicts]})
        else:
            self.stdout.write("\n".join(_tested(verdicts)))
        differing = [each.id for each in verdicts if each.status == "differs"]
        if differing:
            raise CommandError(f"{len(differing)} cases differ: {', '.join(differing)}")

    def determine(self, options: Mapping[str, Any]) -> None:
        """Print a determination for each object; a refused one answers with its refusal."""
        rules = jurisdictions.read(releases.shipped_texts())
        texts = _objects(_text(options["file"]))
        if len(texts) == 1:
            self._print(determine.determine(rules, _asked(texts[0])))
            return
        refused = [refusal for text in texts if (refusal := self._line(rules, text))]
        if refused:
            first = _one_line(str(refused[0]))
            raise CommandError(f"{len(refused)} of {len(texts)} lines refused; first: {first}")

    def explain(self, options: Mapping[str, Any]) -> None:
        """Print the proof of each rule or record named."""
        rules = jurisdictions.read(releases.shipped_texts())
        names = _named(rules, options["rules"])
        proofs = determine.explain(rules, _asked(_text(options["file"])))
        if options["json"]:
            self._print({name: proofs[name] for name in names})
        else:
            self.stdout.write(
                "\n".join(render.certificate(rules, name, proofs[name]) for name in names)
            )

    ACTIONS = {"check": review, "test": test, "determine": determine, "explain": explain}

    def _line(self, rules: RuleSet, text: str) -> Problems | None:
        try:
            self._print(determine.determine(rules, _asked(text)))
        except Problems as refused:
            self._print(_refusal(refused))
            return refused
        return None

    def _print(self, value: Any) -> None:
        self.stdout.write(jurisdictions.canonical(value).decode())


def _tested(verdicts: list[cases.Verdict]) -> list[str]:
    """Return one line a case, what differs below it, and the sum of all."""
    lines = [line for verdict in verdicts for line in _verdict(verdict)]
    count = Counter(verdict.status for verdict in verdicts)
    return [
        *lines,
        f"{count['passed']} passed, {count['in part']} passed in part and {count['not covered']} "
        f"not covered (they name rules that are not shipped), {count['differs']} differ, "
        f"{count['journey']} journeys (tested as journeys)",
    ]


def _verdict(verdict: cases.Verdict) -> list[str]:
    lines = [f"{verdict.id}: {verdict.status}"]
    if verdict.missing:
        lines[0] += f"; names rules that are not shipped ({', '.join(verdict.missing)})"
        lines[0] += f"; compared: {', '.join(verdict.compared) or 'nothing'}"
        lines[0] += f"; not compared: {', '.join(verdict.left_out)}" if verdict.left_out else ""
    for each in verdict.differences:
        expected, found = (
            jurisdictions.canonical(each[key]).decode() for key in ("expected", "found")
        )
        lines.append(f"  {each['key']}: expected {expected}, found {found}")
    return lines


def _named(rules: RuleSet, asked: list[str]) -> list[str]:
    """Return the rules asked for; a record stands for all its parts."""
    known = sorted({*rules.rules, *rules.records})
    for name in asked:
        if name not in known:
            message = f"the rule {name!r} is not known; there are {', '.join(known)}."
            raise Problems([Problem("", 0, "", message)])
    return [rule.id for name in asked for rule in rules.records.get(name) or [rules.rules[name]]]


def _text(name: str) -> str:
    try:
        with nullcontext(sys.stdin) if name == "-" else open(name, encoding="utf-8") as source:
            text: str = source.read(LARGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise Problems([Problem("", 0, "", f"{name} cannot be read: {error}")]) from error
    if len(text) > LARGEST:
        raise Problems([Problem("", 0, "", f"{name} is longer than {LARGEST} characters.")])
    return text


def _objects(text: str) -> list[str]:
    """Return the JSON objects of a file: the whole, or one a line if the whole is not one."""
    lines = [line for line in text.split("\n") if line.strip()]
    try:
        json.JSONDecoder().decode(text)
    except (ValueError, RecursionError):
        marked = (line.strip() for line in lines)
        return lines if any(line[0] == "{" and line[-1] == "}" for line in marked) else [text]
    return [text]


def _asked(text: str) -> dict[str, Any]:
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


def _refusal(refused: Problems) -> dict[str, Any]:
    problems = [
        {"path": _one_line(each.path), "message": _one_line(each.message)}
        for each in refused.problems
    ]
    return {"schema": "refusal/1", "problems": problems}


def _one_line(text: str) -> str:
    """Return a text with everything that is no plain character escaped.

    What was handed in may hold a line break, an order to the terminal, or half a character.
    """
    plain = (each if each.isprintable() else ascii(each)[1:-1] for each in text)
    return "".join(plain)
