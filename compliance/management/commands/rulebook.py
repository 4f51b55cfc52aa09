"""rulebook: the law as data, checked, tested, compared and explained from the command line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from compliance import drafts, jurisdictions, releases
from compliance.errors import Refused
from compliance.jurisdictions import Problem, Problems, RuleSet, cases, determine, render, solve
from compliance.management.rulebook import comparisons, given, proofs, stored, verdicts
from compliance.roles import User

LAW = "a directory of rulebooks, 'shipped', or the first digits of a release's hash"


class Command(BaseCommand):
    """`manage.py rulebook`, with a sub-command for each question about the law."""

    help = "Checks, tests, determines, explains and compares the law."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add one sub-command for each question."""
        commands = parser.add_subparsers(dest="command", required=True)
        check = commands.add_parser("check", help="prove what can be proved of the shipped law")
        check.add_argument(
            "--strict", action="store_true", help="fail on what waits for a person as well"
        )
        test = commands.add_parser(
            "test", help="run golden cases: the shipped ones, or the files given"
        )
        test.add_argument("files", nargs="*", metavar="FILE")
        determine = commands.add_parser("determine", help="print what the law says of determine/1")
        determine.add_argument(
            "file", metavar="FILE", help="JSON or JSON Lines; - is standard input"
        )
        explain = commands.add_parser("explain", help="print why: a note on each rule named")
        explain.add_argument(
            "file", metavar="FACTS", help="one determine/1 object; - is standard input"
        )
        explain.add_argument("rules", nargs="+", metavar="RULE")
        diff = commands.add_parser("diff", help="compare two laws, rule by rule")
        replay = commands.add_parser(
            "replay", help="determine every stored determination under two laws"
        )
        for command in (diff, replay):
            command.add_argument("old", metavar="A", help=LAW)
            command.add_argument("new", metavar="B", help=LAW)
        verify = commands.add_parser("verify", help="check the hashes of every determination")
        dump = commands.add_parser("dump", help="write every document of a release to a directory")
        dump.add_argument("folder", metavar="DIR", help="made if it is not there")
        dump.add_argument("release", nargs="?", metavar="RELEASE", help="the one in force, unless")
        load = commands.add_parser("load", help="draft every document of a directory that differs")
        load.add_argument("folder", metavar="DIR")
        load.add_argument("--why", required=True, help="the reason, for whoever approves")
        load.add_argument("--as", required=True, dest="name", metavar="COUNSEL", help="who drafts")
        for command in (check, test, determine, explain, diff, replay, verify, dump, load):
            command.add_argument("--json", action="store_true", help="print JSON, not words")

    def handle(self, *args: Any, **options: Any) -> None:
        """Answer with exit status 0, or refuse with one line and exit status 1."""
        try:
            self.ACTIONS[options["command"]](self, options)
        except Problems as refused:
            if options["json"] or options["command"] == "determine":
                self._print(given.refusal(refused))
            raise CommandError(given.one_line(str(refused))) from refused
        except Refused as refused:
            raise CommandError(refused.message) from refused

    def review(self, options: Mapping[str, Any]) -> None:
        """Read the shipped law and prove what can be proved of it."""
        rules = jurisdictions.read(releases.shipped_texts())
        found = solve.findings(rules)
        if options["json"]:
            self._print({"rule_set": rules.sha256, "rules": sorted(rules.rules), "findings": found})
        else:
            self.stdout.write("\n".join(proofs.lines(rules, found)))
        refused = [each for each in found if solve.is_refused(each, strict=options["strict"])]
        if refused:
            raise CommandError(f"{len(refused)} findings refuse this law; see above.")

    def test(self, options: Mapping[str, Any]) -> None:
        """Compare golden cases; exit status 1 if one differs."""
        rules = jurisdictions.read(releases.shipped_texts())
        texts = {name: given.text(name) for name in options["files"]} or releases.shipped_cases()
        judged = [cases.judge(rules, case) for case in cases.read(rules, texts)]
        if options["json"]:
            self._print({"rule_set": rules.sha256, "cases": [vars(each) for each in judged]})
        else:
            self.stdout.write("\n".join(verdicts.lines(judged)))
        differing = [each.id for each in judged if each.status == "differs"]
        if differing:
            raise CommandError(f"{len(differing)} cases differ: {', '.join(differing)}")

    def determine(self, options: Mapping[str, Any]) -> None:
        """Print a determination for each object; a refused one answers with its refusal."""
        rules = jurisdictions.read(releases.shipped_texts())
        texts = given.objects(given.text(options["file"]))
        if len(texts) == 1:
            self._print(determine.determine(rules, given.asked(texts[0])))
            return
        refused = [refusal for text in texts if (refusal := self._line(rules, text))]
        if refused:
            first = given.one_line(str(refused[0]))
            raise CommandError(f"{len(refused)} of {len(texts)} lines refused; first: {first}")

    def explain(self, options: Mapping[str, Any]) -> None:
        """Print the proof of each rule or record named."""
        rules = jurisdictions.read(releases.shipped_texts())
        names = _named(rules, options["rules"])
        asked = given.asked(given.text(options["file"]))
        told = determine.explain(rules, asked)
        if options["json"]:
            self._print({name: told[name] for name in names})
            return
        said = determine.determine(rules, asked)
        notes = (render.certificate(rules, name, told[name], said) for name in names)
        self.stdout.write("\n".join(notes))

    def diff(self, options: Mapping[str, Any]) -> None:
        """Print what changes from one law to another."""
        old, new = given.law(options["old"]), given.law(options["new"])
        golden = given.golden(options["old"]) | given.golden(options["new"])
        found = comparisons.compared(old, new, golden)
        if options["json"]:
            self._print(found)
        else:
            self.stdout.write("\n".join(comparisons.lines(found)))

    def replay(self, options: Mapping[str, Any]) -> None:
        """Print what each stored determination would have said otherwise, and count the rest."""
        old, new = given.law(options["old"]), given.law(options["new"])
        for each in stored.replayed(old, new):
            if options["json"]:
                self._print(each)
            else:
                self.stdout.write("\n".join(stored.lines(each)))

    def verify(self, options: Mapping[str, Any]) -> None:
        """Check every stored determination; exit status 1 if one is not what it was."""
        found = stored.verified()
        if options["json"]:
            self._print(found)
        else:
            self.stdout.write("\n".join(stored.verdict(found)))
        if found["broken"]:
            count = len(found["broken"])
            raise CommandError(f"{count} determinations are not what was laid before counsel.")

    def dump(self, options: Mapping[str, Any]) -> None:
        """Write the documents of a release, as they were approved."""
        release = given.release(options["release"]) if options["release"] else releases.current()
        texts, folder = releases.dump(release), Path(options["folder"])
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_bytes(text.encode())
        self._said(options, f"{len(texts)} documents of {release}", {"release": release.sha256})

    def load(self, options: Mapping[str, Any]) -> None:
        """Draft what differs from the law on record; counsel submits it at the desk."""
        by = User.objects.filter(username=options["name"]).first()
        if by is None:
            raise CommandError("Nobody has that name. Name the counsel who drafts.")
        made = drafts.load(given.directory(options["folder"]), options["why"], by=by)
        names = [str(each) for each in made]
        self._said(options, "\n".join(f"drafted {name}" for name in names), {"drafted": names})

    ACTIONS = {
        "check": review, "test": test, "determine": determine, "explain": explain, "diff": diff,
        "replay": replay, "verify": verify, "dump": dump, "load": load,
    }  # fmt: skip

    def _line(self, rules: RuleSet, text: str) -> Problems | None:
        try:
            self._print(determine.determine(rules, given.asked(text)))
        except Problems as refused:
            self._print(given.refusal(refused))
            return refused
        return None

    def _said(self, options: Mapping[str, Any], words: str, data: Any) -> None:
        if options["json"]:
            self._print(data)
        else:
            self.stdout.write(words)

    def _print(self, value: Any) -> None:
        self.stdout.write(jurisdictions.canonical(value).decode())


def _named(rules: RuleSet, asked: list[str]) -> list[str]:
    """Return the rules asked for; a record stands for all its parts."""
    known = sorted({*rules.rules, *rules.records})
    for name in asked:
        if name not in known:
            message = f"the rule {name!r} is not known; there are {', '.join(known)}."
            raise Problems([Problem("", 0, "", message)])
    return [rule.id for name in asked for rule in rules.records.get(name) or [rules.rules[name]]]
