"""Strict text: YAML without its surprises, refused by the line; JSON in one way only."""

import json
import math
import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from compliance.jurisdictions.book import canonical, digest, joined, parse, strict

LOADERS = [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)]
LETTERS = st.text(
    st.characters(categories=["L", "N", "P", "S"], include_characters=" \n"), max_size=8
)
plain_data = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | LETTERS,
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(LETTERS, parts, max_size=4),
    max_leaves=12,
)
yaml_bits = st.sampled_from(
    ["a", "b: 1", "- ", ": ", "? ", "\n", "  ", "[", "]", "{", "}", ",", "&x ", "*x", "!!int ", "'",
     '"', "|", ">", "#", "%", "---\n", "...", "<<: ", "~", "null", "no", "1.5", "2026-03-01",
     "\\", "\\x", "@"]
)  # fmt: skip


def refused(text: str) -> list[tuple[int, str]]:
    """The lines and messages of what is wrong with a text."""
    return [(each.line, each.message) for each in parse("law.yaml", text)[1].problems]


@pytest.fixture(params=LOADERS, ids=["Python", "C"])
def _loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read with the one or the other scanner: a computer may lack the fast one."""
    monkeypatch.setattr(strict, "_LOADER", request.param)


@pytest.mark.usefixtures("_loader")
class TestParse:
    def test_reads_what_json_reads_and_comments_and_blocks_beside(self) -> None:
        text = (
            "# a law\na: [true, false, null, 12, -3, 0]\nb:\n  - x: plain text\n    'y': \"two\"\n"
        )
        data, report = parse("law.yaml", text)
        assert report.problems == []
        assert data == {
            "a": [True, False, None, 12, -3, 0],
            "b": [{"x": "plain text", "y": "two"}],
        }

    @pytest.mark.parametrize(
        "text", ["'no'", '"1.5"', "'2026-03-01'", "'null'", "'~'", "'12'", "''", "'<<'"]
    )
    def test_takes_what_is_quoted_as_text(self, text: str) -> None:
        assert parse("law.yaml", f"a: {text}")[0] == {"a": text[1:-1]}

    def test_knows_the_line_of_every_part(self) -> None:
        report = parse("law.yaml", "a: 1\nb:\n- c: 2\n  d: [3,\n    4]\n")[1]
        assert report.file == "law.yaml"
        places: dict[tuple[str | int, ...], int] = {
            (): 1, ("a",): 1, ("b",): 2, ("b", 0): 3, ("b", 0, "c"): 3, ("b", 0, "d", 0): 4,
            ("b", 0, "d", 1): 5, ("b", 0, "d", 9): 4,
        }  # fmt: skip
        assert {path: report.line(path) for path in places} == places

    @pytest.mark.parametrize(
        ("text", "line", "message"),
        [
            ("a: 1\na: 2", 2, "the key 'a' stands here twice."),
            ("{a: 1,\n\n'a': 2}", 3, "the key 'a' stands here twice."),
            ("a: &x 1", 1, "an anchor ('x') is not allowed; write the value out."),
            ("a: &x [1]\nb: *x", 2, "an alias ('x') is not allowed; write the value out."),
            ("a:\n  <<: 1", 2, "the merge key '<<' is not allowed."),
            ("=: 1", 1, "the default key '=' is not allowed."),
            ("\na: !!int '5'", 2, "a tag ('tag:yaml.org,2002:int') is not allowed."),
            ("a: !!python/name:os.system x", 1,
             "a tag ('tag:yaml.org,2002:python/name:os.system') is not allowed."),
            ("a: ! x", 1, "a tag ('!') is not allowed."),
            *(
                (f"a:\n- {text}", 2,
                 f"{text!r} is not a boolean here; write true or false, or quote it.")
                for text in ("no", "NO", "yes", "on", "Off", "True", "FALSE")
            ),
            *(
                (f"a: {text}", 1,
                 f"{text!r} is a fraction; only whole numbers are allowed, or quote it.")
                for text in ("1.5", "-1.5", "1.0e+3", ".inf", ".NaN", "1:30.5")
            ),
            *(
                (f"a: {text}", 1,
                 f"{text!r} is not a plain whole number; write it in full, or quote it.")
                for text in ("+1", "-0", "007", "0x1F", "0b11", "1_000", "1:30", "1" * 19)
            ),
            *(
                (f"a: {text}", 1, f"{text!r} is a date without quotes; quote it.")
                for text in ("2026-03-01", "2026-03-01T09:00:00Z", "2026-03-01 09:00:00")
            ),
            *(
                (f"a: {text}", 1,
                 f"a value is missing ({text!r}); write null, or leave the key out.")
                for text in ("", "~", "Null")
            ),
            ("a:\n- \n- b", 2, "a value is missing (''); write null, or leave the key out."),
            ("no: 1", 1, "'no' is not a boolean here; write true or false, or quote it."),
            ("true: 1", 1, "a key must be text."),
            ("a:\n  7: 1", 2, "a key must be text."),
            ("? [a]\n: 1", 1, "cannot be read: a key must be text."),
            ("? {a: 1}\n: 1", 1, "cannot be read: a key must be text."),
            ("a: 1\n*x : 2", 2, "cannot be read: a key must be text."),
            ("", 1, "is empty."),
            ("# nothing\n", 1, "is empty."),
            ("a: 1\n---\nb: 2", 2, "must be one document without directives."),
            ("%YAML 1.1\n---\na: 1", 1, "must be one document without directives."),
            ("%TAG !e! tag:example.org,2000:\n---\na: 1", 1,
             "must be one document without directives."),
            ("[" * 50 + "]" * 50, 1, "cannot be read: it is nested deeper than 40 levels."),
            ("a: 1\nb: " + "{c: " * 40 + "1" + "}" * 40, 2,
             "cannot be read: it is nested deeper than 40 levels."),
        ],
    )  # fmt: skip
    def test_refuses_what_surprises_and_says_where(
        self, text: str, line: int, message: str
    ) -> None:
        assert (line, message) in refused(text)

    @pytest.mark.parametrize(
        ("text", "line", "shown"),
        [
            ("a: 1\n# b \u202e c", 2, r"'\u202e'"),
            ("a: x\u200by", 1, r"'\u200b'"),
            ("# note \u2028a: 1", 1, r"'\u2028'"),
            ("# note \u0085a: 1", 1, r"'\x85'"),
            ("# note \ra: 1", 1, r"'\r'"),
            ("\ufeffa: 1", 1, r"'\ufeff'"),
            ("a: 1\n\nb: \x00", 3, r"'\x00'"),
            ("a:\t1", 1, r"'\t'"),
            ("a: §\u00a05", 1, r"'\xa0'"),
            ("a: \ud800", 1, r"'\ud800'"),
            ('a: 1\nb: "\\u202eevil"', 2, r"'\u202e'"),
            ('"a\\0": 1', 1, r"'\x00'"),
        ],
    )
    def test_refuses_what_an_editor_would_hide(self, text: str, line: int, shown: str) -> None:
        message = f"a hidden character ({shown}) is not allowed; type a plain one."
        assert (line, message) in refused(text)

    def test_takes_the_line_ends_of_every_system_and_blocks_of_lines(self) -> None:
        assert parse("law.yaml", "a: |\r\n  one\r\n  two\r\n")[0] == {"a": "one\ntwo\n"}

    @pytest.mark.parametrize("text", ["a: [1", "a: 'x", "a: b: c", "- a\nb: 1", "@", "]", "a: *"])
    def test_refuses_what_is_not_yaml_at_all(self, text: str) -> None:
        data, report = parse("law.yaml", text)
        assert data is None
        assert [each.message[:16] for each in report.problems] == ["cannot be read: "]
        assert report.problems[0].line >= 1

    def test_names_every_problem_at_once(self) -> None:
        lines = [line for line, _ in refused("a: no\nb: 1.5\na: &x 2026-03-01\n")]
        assert lines == [1, 2, 3, 3, 3]


class TestParseAnything:
    @pytest.mark.slow
    @given(plain_data)
    def test_reads_json_as_json_does(self, value: Any) -> None:
        data, report = parse("law.json", json.dumps(value, ensure_ascii=False))
        assert (data, report.problems) == (value, [])

    @given(st.lists(yaml_bits, max_size=14).map("".join) | st.text(max_size=20))
    def test_answers_any_text_with_plain_data_or_with_problems(self, text: str) -> None:
        data, report = parse("law.yaml", text)
        assert report.problems or json.loads(canonical(data)) == data

    def test_refuses_a_file_of_more_than_a_megabyte_before_it_reads_it(self) -> None:
        assert refused("# " + "x" * 999_998 + "\n") == [(0, "is larger than 1000000 bytes.")]
        assert refused("# " + "é" * 499_999) == [(1, "is empty.")]
        assert refused("# " + "é" * 500_000) == [(0, "is larger than 1000000 bytes.")]

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "text",
        ["[" * 400_000, "{a: " * 200_000, "- " * 400_000, "? " * 400_000, "&a " * 300_000,
         "%TAG ! tag:x\n" * 70_000, '"' * 900_000, "[1.5," * 160_000, "\x00\n" * 400_000],
        ids=["lists", "tables", "dashes", "questions", "anchors", "directives", "quotes", "numbers",
             "zeroes"],
    )  # fmt: skip
    def test_is_not_slowed_down_by_a_hostile_file(self, text: str) -> None:
        begun = time.process_time()
        assert refused(text)
        assert time.process_time() - begun < 10  # without bounds it takes minutes


def reordered(value: Any) -> Any:
    """The same data, every table written from its end."""
    if isinstance(value, dict):
        return {key: reordered(part) for key, part in reversed(value.items())}
    return [reordered(part) for part in value] if isinstance(value, list) else value


class TestCanonical:
    def test_writes_plain_data_in_one_way(self) -> None:
        assert (
            canonical({"b": [1, None, True], "a": "§ 5"})
            == '{"a":"§ 5","b":[1,null,true]}'.encode()
        )

    @given(plain_data)
    def test_does_not_care_for_the_order_of_keys(self, value: Any) -> None:
        assert canonical(value) == canonical(reordered(value))
        assert json.loads(canonical(value)) == value

    def test_refuses_a_number_that_json_cannot_write(self) -> None:
        with pytest.raises(ValueError, match="not JSON compliant"):
            canonical(math.nan)


class TestJoined:
    @given(
        st.dictionaries(st.sampled_from("abcdef"), plain_data), st.sets(st.sampled_from("abcdef"))
    )
    def test_is_the_canonical_form_whichever_parts_are_written_already(
        self, table: dict[str, Any], done: set[str]
    ) -> None:
        written = {name: canonical(table[name]).decode() for name in done & table.keys()}
        assert joined(table, written) == canonical(table)


class TestDigest:
    def test_is_the_sha256_of_the_canonical_form(self) -> None:
        empty = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"  # of {}
        assert digest({}) == empty
        assert digest({"a": 1}) != digest({"a": "1"}) != digest({"a": True})
