"""rulebook: the law from the command line, with exact answers, refusals and exit statuses."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from compliance import jurisdictions, releases
from compliance.jurisdictions import RuleSet, cases, diff, solve
from compliance.jurisdictions.solve import search
from compliance.management.rulebook import given
from compliance.releases import Release

ROOT = Path(__file__).resolve().parents[2]
ASKED: dict[str, Any] = {
    "schema": "determine/1",
    "rule_time": "2026-03-01T09:00:00Z",
    "clocks": {"suspicion": "2026-03-01T08:40:00Z", "new_event": []},
    "facts": {
        "threat.imminent": True,
        "threat.to": ["life"],
        "offence.location": {"known": ["DE"], "closed": False},
    },
    "simulate": ["us-rrota-s2372"],
}

SAMPLE = Path(settings.BASE_DIR) / "docs" / "samples" / "sheet.json"

Run = Callable[..., str]
Fails = Callable[..., tuple[str, str]]
Spoilt = Callable[[str, str, str], dict[str, str]]


@pytest.fixture
def sheet(tmp_path: Path) -> Callable[[Any], str]:
    """Write a fact sheet, or whatever somebody took for one."""

    def write(content: Any) -> str:
        path = tmp_path / "facts.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return str(path)

    return write


@pytest.fixture
def fails() -> Fails:
    """Run the command, which must refuse with exit status 1: what it prints, and its one line."""

    def call(*arguments: str) -> tuple[str, str]:
        out = StringIO()
        with pytest.raises(CommandError) as refused:
            call_command("rulebook", *arguments, stdout=out)
        assert refused.value.returncode == 1
        line = str(refused.value)
        assert line.isprintable(), "one line, and nothing hidden in it"
        return out.getvalue(), line

    return call


@pytest.fixture
def spoilt(monkeypatch: pytest.MonkeyPatch) -> Spoilt:
    """Ship a law in which one text stands instead of another, once; return its texts."""

    def spoil(name: str, before: str, after: str) -> dict[str, str]:
        texts = releases.shipped_texts()
        assert before in texts[name]
        texts[name] = texts[name].replace(before, after, 1)
        monkeypatch.setattr(releases, "shipped_texts", lambda: texts)
        return texts

    return spoil


def refusals(printed: str) -> list[tuple[str, str]]:
    """The problems of a refusal, which is one line of canonical JSON."""
    (line,) = printed.splitlines()
    refusal = json.loads(line)
    assert line.encode() == jurisdictions.canonical(refusal)
    assert refusal.keys() == {"schema", "problems"}
    assert refusal["schema"] == "refusal/1"
    assert {frozenset(each) for each in refusal["problems"]} == {frozenset({"path", "message"})}
    return [(each["path"], each["message"]) for each in refusal["problems"]]


class TestDetermine:
    @pytest.mark.every_law
    def test_prints_the_determination_as_one_line(
        self, run: Run, sheet: Callable[[Any], str], law: RuleSet
    ) -> None:
        printed = run("determine", sheet(ASKED))
        said = json.loads(printed)
        assert printed == jurisdictions.canonical(said).decode() + "\n"
        asked = {key: value for key, value in ASKED.items() if key != "schema"}
        assert said == jurisdictions.rule_on(law, **asked)
        assert said["rules"]["us-rrota-s2372"]["outcome"] == "undetermined"

    @pytest.mark.every_law
    def test_reads_the_sample_that_ships(self, run: Run) -> None:
        said = json.loads(run("determine", str(SAMPLE)))
        (told,) = [each for each in said["reports"] if each["to"] == "bka"]
        assert (told["certainty"], told["because"]) == ("firm", ["eu-dsa-18"])
        assert told["due"] == "2026-03-01T19:00:00Z"
        assert told["withhold"] == {"C_priv": "us_sca_2702a"}
        assert [each["fields"] for each in said["conflicts"]] == [["C_priv"]]

    def test_prints_the_same_bytes_for_the_same_input(
        self, run: Run, sheet: Callable[[Any], str]
    ) -> None:
        turned = {key: ASKED[key] for key in reversed(ASKED)}
        turned["facts"] = dict(reversed(ASKED["facts"].items()))
        first = run("determine", sheet(ASKED))
        assert run("determine", sheet(json.dumps(turned, indent=2))) == first
        said = json.loads(first)
        named = said.pop("sha256")
        text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert hashlib.sha256(text.encode()).hexdigest() == named

    def test_can_do_without_a_simulation_and_without_clocks(
        self, run: Run, sheet: Callable[[Any], str]
    ) -> None:
        fewer = {key: ASKED[key] for key in ("schema", "rule_time", "facts")}
        said = json.loads(run("determine", sheet(fewer)))
        assert said["clocks"] == {}
        assert said["rules"]["us-rrota-s2372"]["outcome"] == "not_in_force"

    @pytest.mark.parametrize(
        "text",
        [
            json.dumps(ASKED, indent=1),
            json.dumps(ASKED).replace(', "facts"', '\n, "facts"'),
            "\n\n" + json.dumps(ASKED) + "\n\n",
            json.dumps(ASKED).replace(" ", "\r\n"),
        ],
        ids=["indented", "broken after a brace", "between empty lines", "by Windows"],
    )  # fmt: skip
    def test_takes_one_object_however_it_is_laid_out(
        self, run: Run, sheet: Callable[[Any], str], text: str
    ) -> None:
        json.loads(text)
        (line,) = run("determine", sheet(text)).splitlines()
        assert json.loads(line)["schema"] == "determination/1"

    @pytest.mark.slow
    def test_answers_each_line_of_json_lines_in_its_place(
        self, run: Run, sheet: Callable[[Any], str]
    ) -> None:
        others = [ASKED, ASKED | {"facts": {}}, ASKED | {"rule_time": "2026-03-02T09:00:00Z"}]
        printed = run("determine", sheet("\n\n".join(map(json.dumps, others)) + "\n"))
        assert printed == "".join(run("determine", sheet(each)) for each in others)

    @pytest.mark.slow
    def test_answers_a_refused_line_with_its_refusal_in_its_place(
        self, run: Run, fails: Fails, sheet: Callable[[Any], str]
    ) -> None:
        lines = ["not JSON", json.dumps(ASKED), json.dumps(ASKED | {"facts": 5}), json.dumps(ASKED)]
        printed, line = fails("determine", sheet("\n".join(lines)))
        answers = printed.splitlines(keepends=True)
        good = run("determine", sheet(ASKED))
        assert (answers[1], answers[3]) == (good, good)
        assert refusals(answers[0])[0][1].startswith("is not JSON: Expecting value")
        assert refusals(answers[2]) == [("facts", "must be a table, not 5.")]
        assert line.startswith("2 of 4 lines refused; first: is not JSON: Expecting value")

    def test_does_not_break_a_line_at_what_only_looks_like_its_end(
        self, fails: Fails, sheet: Callable[[Any], str]
    ) -> None:
        odd = json.dumps(ASKED | {"facts": {"a\u2028b\x85c": True}}, ensure_ascii=False)
        printed, _ = fails("determine", sheet(f"{odd}\n{odd}"))
        assert len(printed.split("\n")) == 3

    @pytest.mark.parametrize(
        ("content", "path", "message"),
        [
            ("", "", "is not JSON: Expecting value"),
            ("{", "", "is not JSON: Expecting property name"),
            ("[]", "schema", "must be determine/1."),
            ("null", "schema", "must be determine/1."),
            ({}, "schema", "must be determine/1."),
            ({"schema": "determination/1"}, "schema", "must be determine/1."),
            ({"schema": ["determine/1"]}, "schema", "must be determine/1."),
            (ASKED | {"rule_time": "2026-03-01"}, "rule_time", "must be a time such as "),
            (ASKED | {"facts": []}, "facts", "must be a table, not a list."),
            (ASKED | {"more": 1}, "more", "the key 'more' is not known"),
            (
                ASKED | {"facts": {"threat.imminent": "yes"}}, "facts.threat.imminent",
                "threat.imminent must be true or false, not 'yes'.",
            ),
            (ASKED | {"simulate": ["eu-dsa-18"]}, "simulate[0]", "eu-dsa-18 is not a proposed"),
            ('{"schema": 1, "schema": 1}', "", "is not JSON: a key stands twice in one object"),
            ('{"facts": {"a": NaN}}', "", "is not JSON: NaN is not a number"),
            ('{"facts": {"a": -Infinity}}', "", "is not JSON: -Infinity is not a number"),
            ("[" * 100_000, "", "is nested too deeply."),
            ("\ufeff{}", "", "is not JSON: Unexpected UTF-8 BOM"),
        ],
    )  # fmt: skip
    def test_refuses_what_cannot_be_meant(
        self, fails: Fails, sheet: Callable[[Any], str], content: Any, path: str, message: str
    ) -> None:
        printed, line = fails("determine", sheet(content))
        ((where, why),) = refusals(printed)
        assert (where, why[: len(message)]) == (path, message)
        assert line == (f"{path}: {why}" if path else why)

    @pytest.mark.parametrize("depth", [100, 500, 900, 940, 970, 990])
    def test_refuses_what_is_nested_without_end_and_never_breaks(
        self, fails: Fails, sheet: Callable[[Any], str], depth: int
    ) -> None:
        deep = json.dumps(ASKED).replace("true", "[" * depth + "]" * depth)
        ((path, message),) = refusals(fails("determine", sheet(deep))[0])
        assert path in ("facts.threat.imminent", "")
        assert message.startswith(("threat.imminent must be", "is nested too deeply."))

    @pytest.mark.parametrize("name", ["\ud800", "a\nb", "\x1b[2J", "\u202e"])
    def test_names_what_hides_or_breaks_in_plain_characters(
        self, fails: Fails, sheet: Callable[[Any], str], name: str
    ) -> None:
        for asked in (ASKED | {name: 1}, ASKED | {"facts": {name: 1}}):
            printed, line = fails("determine", sheet(asked))
            assert ascii(name)[1:-1] in line
            assert all(part.isprintable() for each in refusals(printed) for part in each)

    def test_names_every_problem_and_sums_them_up_in_one_line(
        self, fails: Fails, sheet: Callable[[Any], str]
    ) -> None:
        facts = {"threat.to": ["live"], "threat.imminent": None}
        printed, line = fails("determine", sheet(ASKED | {"facts": facts}))
        assert [path for path, _ in refusals(printed)] == [
            "facts.threat.to", "facts.threat.imminent",
        ]  # fmt: skip
        assert line.startswith("facts.threat.to: ")
        assert line.endswith(" (and 1 more)")

    def test_refuses_a_file_that_is_not_there(self, fails: Fails, tmp_path: Path) -> None:
        printed, line = fails("determine", str(tmp_path / "none.json"))
        ((path, message),) = refusals(printed)
        assert path == ""
        assert message == line
        assert line.startswith(f"{tmp_path / 'none.json'} cannot be read: ")

    def test_refuses_a_file_that_is_no_text(self, fails: Fails, tmp_path: Path) -> None:
        (tmp_path / "facts.json").write_bytes(b"\xff\xfe")
        _, line = fails("determine", str(tmp_path / "facts.json"))
        assert "cannot be read: 'utf-8' codec can't decode" in line

    @pytest.mark.slow
    def test_refuses_more_than_it_reads_rather_than_read_a_part(
        self, fails: Fails, run: Run, sheet: Callable[[Any], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        line = json.dumps(ASKED) + "\n"
        monkeypatch.setattr(given, "LARGEST", 2 * len(line))
        assert len(run("determine", sheet(2 * line)).splitlines()) == 2
        printed, said = fails("determine", sheet(3 * line))
        assert said.endswith(f"is longer than {2 * len(line)} characters.")
        assert len(refusals(printed)) == 1
        monkeypatch.setattr(sys, "stdin", StringIO(3 * line))
        assert fails("determine", "-")[1] == f"- is longer than {2 * len(line)} characters."

    def test_reads_standard_input(
        self, run: Run, sheet: Callable[[Any], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "stdin", StringIO(json.dumps(ASKED)))
        assert run("determine", "-") == run("determine", sheet(ASKED))
        assert not sys.stdin.closed

    def test_needs_no_database_and_no_clock(self, run: Run, sheet: Callable[[Any], str]) -> None:
        # Without the `db` fixture every query fails the test.
        assert run("determine", sheet(ASKED)) == run("determine", sheet(ASKED))


class TestTest:
    @pytest.mark.slow
    @pytest.mark.every_law
    def test_counts_the_shipped_cases(self, run: Run) -> None:
        lines = run("test").splitlines()
        assert "G02: passed" in lines
        assert "G19: journey" in lines
        assert "us-2258a-holds: passed" in lines
        passed = len(lines) - 6
        assert lines[-1] == f"{passed} passed, 0 differ, 5 journeys (tested as journeys)"

    @pytest.mark.slow
    @pytest.mark.every_law
    def test_prints_every_verdict_as_data(self, run: Run, law: RuleSet) -> None:
        said = json.loads(run("test", "--json"))
        assert said.keys() == {"rule_set", "cases"}
        assert said["rule_set"] == law.sha256
        shipped = cases.read(law, releases.shipped_cases())
        assert said["cases"] == [vars(cases.judge(law, case)) for case in shipped]

    @pytest.mark.slow
    def test_runs_the_files_given_and_names_each_key_with_both_values(
        self, fails: Fails, run: Run, tmp_path: Path
    ) -> None:
        entry = {
            "id": "C1", "title": "A sample", "kind": "determine",
            "rule_time": "2026-03-01T09:00:00Z",
            "facts": {"provider.uk_nexus": False, "threat.to": []},
            "expect": {
                "rules": {"eu-dsa-18": "fails", "us-sca-block": "holds"}, "preserve_until": "open",
            },
        }  # fmt: skip
        good = entry | {"id": "C2", "expect": {"rules": {"eu-dsa-18": "fails"}}}
        for name, listed in (("a", [entry]), ("b", [good])):
            content = {"schema": "cases/1", "cases": listed}
            (tmp_path / name).write_text(json.dumps(content), "utf-8")
        assert run("test", str(tmp_path / "b")) == (
            "C2: passed\n1 passed, 0 differ, 0 journeys (tested as journeys)\n"
        )
        files = [str(tmp_path / "a"), str(tmp_path / "b")]
        printed, line = fails("test", *files)
        assert line == "1 cases differ: C1"
        assert printed.splitlines()[:4] == [
            "C1: differs",
            '  rules.us-sca-block: expected "holds", found "undetermined"',
            '  preserve_until: expected "open", found null',
            "C2: passed",
        ]
        printed, _ = fails("test", "--json", *files)
        assert [each["status"] for each in json.loads(printed)["cases"]] == ["differs", "passed"]

    def test_refuses_cases_that_cannot_be_meant(self, fails: Fails, tmp_path: Path) -> None:
        (tmp_path / "c").write_text("schema: cases/1\ncases: []\n", "utf-8")
        printed, line = fails("test", str(tmp_path / "c"))
        assert printed == ""
        assert line == f"{tmp_path / 'c'}, line 2: cases: must not be empty."
        printed, _ = fails("test", "--json", str(tmp_path / "c"))
        assert refusals(printed) == [("cases", "must not be empty.")]

    def test_refuses_a_file_that_is_not_there(self, fails: Fails, tmp_path: Path) -> None:
        assert "cannot be read" in fails("test", str(tmp_path / "none"))[1]


class TestCheck:
    @pytest.mark.slow
    @pytest.mark.every_law
    def test_counts_the_shipped_law_and_says_what_is_proved_of_it(
        self, run: Run, law: RuleSet
    ) -> None:
        lines = run("check").splitlines()
        assert lines[0] == (
            f"{len(law.rules)} rules, {len(law.vocabulary.facts)} facts, rule set {law.sha256}"
        )
        note = lines.index("note: eu-dsa-18.vlop holds only where eu-dsa-18.all holds too")
        assert lines[note + 1].startswith('  for instance {"')
        assert not [line for line in lines if line.startswith(("fault", "open"))]
        assert [line for line in lines if line.endswith("can hold together (--json names them)")]
        assert json.loads(run("check", "--json")) == {
            "rule_set": law.sha256, "rules": sorted(law.rules), "findings": solve.findings(law),
        }  # fmt: skip

    @pytest.mark.slow
    def test_of_the_shipped_law_leaves_nothing_open(self, run: Run) -> None:
        assert run("check", "--strict") == run("check")

    @pytest.mark.slow
    def test_fails_when_a_rule_says_nothing(self, fails: Fails, spoilt: Spoilt) -> None:
        spoilt(
            "us-sca.yaml",
            "when: {fact: provider.us_sca_covered, is: true",
            "when: {fact: provider.us_sca_covered, is: false",
        )
        printed, line = fails("check")
        assert line == "1 findings refuse this law; see above."
        assert "fault: us-sca-block.records can never hold" in printed.splitlines()
        printed, _ = fails("check", "--json")
        assert {
            "rule": "us-sca-block.records", "kind": "never", "level": "fault",
            "finding": "can never hold", "proved": True, "witness": None,
        } in json.loads(printed)["findings"]  # fmt: skip

    @pytest.mark.slow
    def test_fails_if_strict_when_something_waits_for_a_person(
        self, run: Run, fails: Fails, spoilt: Spoilt
    ) -> None:
        spoilt("us-sca.yaml", "accepted: true", "accepted: false")
        assert "\nopen: us-sca is not modelled, and nobody accepted that: " in run("check")
        assert fails("check", "--strict")[1] == "1 findings refuse this law; see above."

    def test_refuses_a_law_that_cannot_be_read(
        self, fails: Fails, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        texts = releases.shipped_texts() | {"eu-dsa.yaml": "schema: rulebook/1"}
        monkeypatch.setattr(releases, "shipped_texts", lambda: texts)
        printed, line = fails("check")
        assert printed == ""
        assert line.startswith("eu-dsa.yaml, line 1: has no ")
        assert ("", "has no 'rules'.") in refusals(fails("check", "--json")[0])

    def test_gives_up_no_question_in_silence(
        self, fails: Fails, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(search, "MOST_KINDS", 1)
        printed, _ = fails("check")
        assert "not proved" in printed


class TestExplain:
    def test_prints_the_proof_of_a_rule_in_words(
        self, run: Run, sheet: Callable[[Any], str]
    ) -> None:
        printed = run("explain", sheet(ASKED), "us-sca-emergency")
        assert printed.startswith("us-sca-emergency: ")
        assert "\nJudged at 2026-03-01T09:00:00Z, version from " in printed
        assert "\n\nIt cannot be said yet whether the permission holds; these facts" in printed
        assert ": includes any of life, serious injury; seen: life\n" in printed
        assert "\n\nWhat would follow\n" in printed

    def test_prints_all_parts_of_a_record(self, run: Run, sheet: Callable[[Any], str]) -> None:
        printed = run("explain", sheet(ASKED), "us-sca-block", "eu-dsa-18.all")
        heads = re.findall(r"^([a-z0-9.-]+): ", printed, re.MULTILINE)
        assert heads == ["us-sca-block.content", "us-sca-block.records", "eu-dsa-18.all"]

    def test_prints_the_proof_as_data(
        self, run: Run, sheet: Callable[[Any], str], law: RuleSet
    ) -> None:
        said = json.loads(run("explain", sheet(ASKED), "eu-tco-14-5", "--json"))
        asked = {key: value for key, value in ASKED.items() if key != "schema"}
        assert said == {"eu-tco-14-5": jurisdictions.explain(law, **asked)["eu-tco-14-5"]}

    def test_refuses_a_rule_that_is_not_there(
        self, fails: Fails, sheet: Callable[[Any], str]
    ) -> None:
        printed, line = fails("explain", sheet(ASKED), "eu-dsa-19")
        assert printed == ""
        assert line.startswith("the rule 'eu-dsa-19' is not known; there are ")
        assert "eu-dsa-18, eu-dsa-18.all, " in line
        printed, _ = fails("explain", sheet(ASKED), "eu-dsa-19", "--json")
        assert refusals(printed) == [("", line)]

    def test_refuses_facts_that_cannot_be_meant(
        self, fails: Fails, sheet: Callable[[Any], str]
    ) -> None:
        printed, line = fails("explain", sheet(ASKED | {"facts": 5}), "eu-dsa-18")
        assert (printed, line) == ("", "facts: must be a table, not 5.")


class TestDiff:
    @pytest.fixture
    def books(self, tmp_path: Path) -> Path:
        """The shipped law in a directory, with more time for one report and its cases beside."""
        texts = releases.shipped_texts() | releases.shipped_cases()
        before = "hours: {imminent: 1, otherwise: 24}"
        texts["eu-tco.yaml"] = texts["eu-tco.yaml"].replace(before, before.replace("1", "2", 1))
        for name, text in texts.items():
            (tmp_path / name).write_text(text, "utf-8")
        return tmp_path

    @pytest.mark.slow
    def test_tells_what_changed_and_a_situation_that_shows_it(self, run: Run, books: Path) -> None:
        lines = run("diff", "shipped", str(books)).splitlines()
        assert lines[0].startswith("1 rules changed from ")
        assert lines[1:4] == ["", "eu-tco-14-5: changed", "  then"]
        assert [line[:12] for line in lines[4:6]] == ["    - report", "    + report"]
        assert lines[6] == "  outcome: the same in every situation"
        assert lines[7].startswith('  in the situation {"clocks":{"')
        due = [line for line in lines[8:] if line.startswith("    due ")]
        assert due
        assert all(" (firm duty): 20" in line and " -> 20" in line for line in due)

    @pytest.mark.slow
    @pytest.mark.every_law
    def test_prints_the_same_as_data(self, run: Run, books: Path, law: RuleSet) -> None:
        told = json.loads(run("diff", "shipped", str(books), "--json"))
        new = given.law(str(books))
        assert told["old"] == law.sha256 != told["new"] == new.sha256
        assert told["rules"] == diff.changes(law, new)
        assert (told["facts"], told["authorities"]) == ([], [])

    @pytest.mark.slow
    def test_names_words_and_desks_that_changed_beside_the_rules(
        self, run: Run, books: Path
    ) -> None:
        for name, before in (
            ("facts.yaml", "The threat is imminent"),
            ("authorities.yaml", "Bundeskriminalamt"),
        ):
            text = (books / name).read_text("utf-8")
            assert before in text
            (books / name).write_text(text.replace(before, "Other"), "utf-8")
        assert "\nThese facts changed: threat.imminent\n" in run("diff", "shipped", str(books))
        assert "\nThese authorities changed: bka" in run("diff", str(books), "shipped")

    @pytest.mark.slow
    def test_has_no_situation_for_words_that_decide_nothing(self, run: Run, books: Path) -> None:
        texts = releases.shipped_texts()
        spoken = texts["eu-tco.yaml"].replace("title: Inform the", "title: Tell the")
        (books / "eu-tco.yaml").write_text(spoken, "utf-8")
        assert run("diff", "shipped", str(books)).splitlines()[1:] == [
            "", "eu-tco-14-5: changed", "  title",
            "    - Inform the authorities of content involving an imminent threat to life",
            "    + Tell the authorities of content involving an imminent threat to life",
            "  outcome: the same in every situation",
        ]  # fmt: skip

    def test_says_that_a_law_is_the_same(self, run: Run) -> None:
        assert re.fullmatch(
            r"0 rules changed from (\w{12}) to \1\n", run("diff", "shipped", "shipped")
        )

    @pytest.mark.slow
    def test_tells_a_rule_that_is_no_more(self, run: Run, books: Path) -> None:
        (books / "eu-tco.yaml").unlink()
        lines = run("diff", "shipped", str(books)).splitlines()
        assert "eu-tco-14-5: removed" in lines
        assert "  outcome: differs" in lines
        assert "    outcome eu-tco-14-5: holds -> nothing" in lines

    @pytest.mark.slow
    def test_names_the_golden_cases_that_only_one_of_the_laws_gives(
        self, run: Run, books: Path
    ) -> None:
        told = json.loads(run("diff", "shipped", str(books), "--json"))["cases"]
        failing, passing = told["newly_failing"], told["newly_passing"]
        assert (bool(failing), passing) == (True, [])
        assert f"\nGolden cases newly failing: {', '.join(failing)}" in run(
            "diff", "shipped", str(books)
        )
        assert f"\nGolden cases newly passing: {', '.join(failing)}" in run(
            "diff", str(books), "shipped"
        )

    @pytest.mark.slow
    def test_takes_the_cases_of_releases_too(self, run: Run, enacted: Release) -> None:
        """Rules under another title give every answer as before."""
        told = json.loads(run("diff", "shipped", enacted.sha256[:12], "--json"))
        assert told["old"] != told["new"]
        assert told["cases"] == {"newly_failing": [], "newly_passing": []}

    def test_refuses_what_is_no_law(self, db: object, fails: Fails, tmp_path: Path) -> None:
        said = f"{tmp_path} is neither 'shipped', a directory of rulebooks nor a release's hash."
        assert fails("diff", "shipped", str(tmp_path)) == ("", said)
        printed, _ = fails("diff", "--json", str(tmp_path), "shipped")
        assert refusals(printed) == [("", said)]


class TestTheProcess:
    """Once as the outside sees it: exit status, and which stream says what."""

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("arguments", "text", "status", "schema", "said"),
        [
            (["determine", "-"], json.dumps(ASKED), 0, "determination/1", ""),
            (
                ["determine", "-"], "{}", 1, "refusal/1",
                "CommandError: schema: must be determine/1.\n",
            ),
            (["determine"], "", 2, None, None),
            (["judge"], "", 2, None, None),
        ],
    )  # fmt: skip
    def test_ends_with_the_status_of_the_contract(
        self, arguments: list[str], text: str, status: int, schema: str | None, said: str | None
    ) -> None:
        done = subprocess.run(
            [sys.executable, "manage.py", "rulebook", *arguments],
            cwd=ROOT, input=text, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == status
        assert (json.loads(done.stdout)["schema"] if done.stdout else None) == schema
        assert said is None or done.stderr == said
