"""Shapes: a slip is named by its line and its path, once, with the word that was meant."""

from typing import Any

import pytest

from compliance.jurisdictions import shape
from compliance.jurisdictions.shape import MOST_PROBLEMS, Check, Problem, Problems, Report


def told(check: Check, value: Any) -> list[str]:
    """What a shape says of a value: path and message."""
    report = Report()
    check(value, (), report)
    return [
        f"{each.path}: {each.message}" if each.path else each.message for each in report.problems
    ]


LETTERS = shape.text(5, "[a-z]+", "small letters")
EITHER = shape.either(shape.many(shape.flag), shape.flag)
PERSON = shape.record({"name": shape.text(10)}, {"wakes": shape.flag})
WAYS = shape.exactly_one({"to": PERSON, "any_of": PERSON})


class TestProblem:
    @pytest.mark.parametrize(
        ("problem", "sentence"),
        [
            (
                Problem("law.yaml", 3, "rules[0]", "is wrong."),
                "law.yaml, line 3: rules[0]: is wrong.",
            ),
            (Problem("law.yaml", 0, "", "is wrong."), "law.yaml: is wrong."),
            (Problem("", 0, "facts", "is wrong."), "facts: is wrong."),
            (Problem("", 0, "", "is wrong."), "is wrong."),
        ],
    )
    def test_names_as_much_of_the_place_as_there_is(self, problem: Problem, sentence: str) -> None:
        assert str(problem) == sentence

    def test_counts_what_it_does_not_quote(self) -> None:
        one, two = Problem("", 0, "a", "is wrong."), Problem("", 0, "b", "is wrong.")
        assert str(Problems([one])) == "a: is wrong."
        assert str(Problems([one, two, two])) == "a: is wrong. (and 2 more)"
        assert Problems([one, two]).problems == (one, two)


class TestReport:
    def test_gives_the_line_of_the_nearest_part_that_stands_in_the_text(self) -> None:
        report = Report("law.yaml", {(): 1, ("rules",): 4, ("rules", 0, "id"): 6})
        assert report.line(("rules", 0, "id")) == 6
        assert report.line(("rules", 0, "cite")) == 4
        assert report.line(("title",)) == 1
        assert Report().line(("rules",)) == 0

    def test_says_the_same_thing_once(self) -> None:
        report = Report()
        report.add(("a",), "is wrong.")
        report.add(("a",), "is wrong.")
        report.add(("b",), "is wrong.")
        assert [each.path for each in report.problems] == ["a", "b"]

    def test_stops_before_a_hostile_file_costs_much(self, monkeypatch: pytest.MonkeyPatch) -> None:
        report = Report()
        for number in range(MOST_PROBLEMS):
            report.unknown(("words", number), "the word", "blck", ["black"])
        assert report.is_full
        monkeypatch.setattr(shape, "nearest", None)  # nobody asks for one more suggestion
        report.unknown(("words", 0), "the word", "blck", ["black"])
        shape.word("black")("blck", (), report)
        shape.exactly_one({"black": shape.flag})({"blck": True}, (), report)
        report.add((), "is wrong.")
        assert len(report.problems) == MOST_PROBLEMS

    def test_is_silent_while_nothing_is_wrong(self) -> None:
        report = Report()
        report.settle()
        report.add((), "is wrong.")
        with pytest.raises(Problems, match=r"^is wrong\.$"):
            report.settle()


class TestWritten:
    @pytest.mark.parametrize(
        ("path", "text"),
        [
            ((), ""),
            (("rules", 0, "when", "all", 1), "rules[0].when.all[1]"),
            ((2, "when"), "[2].when"),
            (("a\nb", "\x1b[2J", "\ud800"), r"'a\nb'.'\x1b[2J'.'\ud800'"),
            (("x" * 300,), "x" * 199),
        ],
    )
    def test_stays_on_one_line_whatever_a_key_holds(self, path: shape.Path, text: str) -> None:
        assert shape.written(path)[:199] == text


class TestShown:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("no\nwhere", r"'no\nwhere'"),
            (True, "True"),
            (None, "None"),
            (1.5, "1.5"),
            ([1, [2]], "a list"),
            ({"a": 1}, "a table"),
            ("x" * 100, f"'{'x' * 56}..."),
        ],
    )
    def test_is_short(self, value: Any, text: str) -> None:
        assert shape.shown(value) == text

    @pytest.mark.slow
    def test_is_not_drawn_into_the_depth_of_what_it_shows(self) -> None:
        deep: list[Any] = []
        for _ in range(100_000):
            deep = [deep]
        assert shape.shown(deep) == "a list"
        assert shape.nearest(deep, ["black"]) == ""
        while deep:
            deep = deep.pop()  # let go of it layer by layer


class TestNearest:
    @pytest.mark.parametrize(
        ("word", "suggestion"),
        [("blck", "; did you mean 'black'"), ("xyz", ""), ("", ""), (7, ""), (None, "")],
    )
    def test_suggests_the_word_that_was_meant_or_none(self, word: Any, suggestion: str) -> None:
        assert shape.nearest(word, {"black", "white"}) == suggestion


class TestShapes:
    @pytest.mark.parametrize(
        ("check", "value"),
        [
            (shape.text(5), "abcde"),
            (shape.text(5, "[a-z]+"), "abc"),
            (shape.word("a", "b"), "b"),
            (shape.flag, False),
            (shape.whole(9), 0),
            (shape.whole(9), 9),
            (shape.day, "2024-02-29"),
            (shape.instant, "2026-03-01T09:00:00Z"),
            (shape.instant, "1900-01-01T00:00:00Z"),
            (shape.instant, "2199-12-31T23:59:59Z"),
            (shape.anything, {"a": [None]}),
            (shape.many(shape.flag), [True]),
            (shape.many(shape.flag, 0), []),
            (EITHER, True),
            (EITHER, [True]),
            (shape.table(shape.WORD, shape.flag), {"a": True}),
            (PERSON, {"name": "Ana"}),
            (PERSON, {"name": "Ana", "wakes": True}),
            (shape.exactly_one({"name": PERSON, "flag": shape.anything}), {"name": "Ana"}),
            (shape.NAME, "threat.imminent"),
            (shape.RULE_ID, "us-sca-block.content"),
            (shape.WORD, "C_pub"),
        ],
    )
    def test_let_pass_what_is_as_it_should_be(self, check: Check, value: Any) -> None:
        assert told(check, value) == []

    @pytest.mark.parametrize(
        ("check", "value", "sentences"),
        [
            (shape.text(5), "", ["must be text, not ''."]),
            (shape.text(5), " \n", [r"must be text, not ' \n'."]),
            (shape.text(5), None, ["must be text, not None."]),
            (shape.text(5), "abcdef", ["is longer than 5 characters."]),
            (LETTERS, "aB", ["must be small letters, not 'aB'."]),
            (LETTERS, "a\n", [r"must be small letters, not 'a\n'."]),
            (shape.text(5, r"\d", "a digit"), "٣", ["must be a digit, not '٣'."]),
            (shape.word("in_force", "proposed"), "in_farce",
             ["must be one of in_force, proposed, not 'in_farce'; did you mean 'in_force'."]),
            (shape.word("a"), ["a"], ["must be one of a, not a list."]),
            (shape.flag, 1, ["must be true or false, not 1."]),
            (shape.flag, "true", ["must be true or false, not 'true'."]),
            (shape.whole(9), 10, ["must be a whole number of at most 9, not 10."]),
            (shape.whole(9), -1, ["must be a whole number of at most 9, not -1."]),
            (shape.whole(9), True, ["must be a whole number of at most 9, not True."]),
            (shape.whole(9), "1", ["must be a whole number of at most 9, not '1'."]),
            (shape.day, "2026-02-29", ["must be a day such as '2026-03-01', not '2026-02-29'."]),
            (shape.day, "20260301", ["must be a day such as '2026-03-01', not '20260301'."]),
            (shape.day, 20260301, ["must be a day such as '2026-03-01', not 20260301."]),
            *(
                (shape.instant, text,
                 [f"must be a time such as '2026-03-01T09:00:00Z', not {text!r}."])
                for text in (
                    "2026-03-01", "2026-03-01T09:00:00", "2026-03-01T09:00:00+00:00",
                    "2026-03-01T24:00:00Z", "2026-03-01T25:00:00Z", "1899-12-31T23:59:59Z",
                    "2200-01-01T00:00:00Z", "2026-03-01T09:00:00Z\n",
                )
            ),
            (shape.many(shape.flag), {}, ["must be a list, not a table."]),
            (shape.many(shape.flag), [], ["must not be empty."]),
            (shape.many(shape.flag), [True, 1, 2],
             ["[1]: must be true or false, not 1.", "[2]: must be true or false, not 2."]),
            (EITHER, "a", ["must be true or false, not 'a'."]),
            (EITHER, [], ["must not be empty."]),
            (shape.table(shape.WORD, shape.flag), [], ["must be a table, not a list."]),
            (shape.table(shape.WORD, shape.flag), {"a b": 1},
             ["a b: must be one word, not 'a b'.", "a b: must be true or false, not 1."]),
            (PERSON, "Ana", ["must be a table, not 'Ana'."]),
            (PERSON, {"nam": "Ana"},
             ["has no 'name'.", "nam: the key 'nam' is not known; did you mean 'name'."]),
            (PERSON, {"name": "Ana", "wakes": 1}, ["wakes: must be true or false, not 1."]),
            (WAYS, None, ["must be a table, not None."]),
            (WAYS, {},
             ["must have exactly one of to, any_of."]),
            (WAYS, {"to": 1, "any_of": 1},
             ["must have exactly one of to, any_of."]),
            (WAYS, {"anyof": 1},
             ["must have exactly one of to, any_of; did you mean 'any_of'."]),
            (shape.exactly_one({"name": PERSON}), {"name": ""}, ["name: must be text, not ''."]),
            (shape.NAME, "Threat", ["must be a name such as threat.imminent, not 'Threat'."]),
            (shape.RULE_ID, "dsa", ["must be an id such as eu-dsa-18, not 'dsa'."]),
            (shape.RULE_ID, "eu-dsa-18.all.two",
             ["must be an id such as eu-dsa-18, not 'eu-dsa-18.all.two'."]),
        ],
    )  # fmt: skip
    def test_name_what_is_not(self, check: Check, value: Any, sentences: list[str]) -> None:
        assert told(check, value) == sentences
