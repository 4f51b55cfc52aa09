"""Hostile books: whatever is done to a book, it is read or refused, soon, and nothing else."""

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from compliance import jurisdictions
from compliance.jurisdictions import Problems, RuleSet, read, shape
from compliance.jurisdictions.book import parse

Draft = dict[str, Any]
Reading = Callable[[Draft], RuleSet]
Refusal = Callable[[Draft], list[str]]
RULEBOOKS = Path(jurisdictions.__file__).parent / "rulebooks"
NEAR = {"fact": "threat.imminent", "is": True}
TOO_LARGE = "its conditions are larger than 200 parts or deeper than 8 levels."
FILES = {
    path.name: path.read_text(encoding="utf-8")
    for path in sorted(RULEBOOKS.glob("*.yaml"))
    if not path.name.endswith("cases.yaml")
}
LAWS = [name for name in FILES if name not in ("facts.yaml", "authorities.yaml")]
DATA = {name: parse(name, text)[0] for name, text in FILES.items()}
JUNK: list[Any] = [
    None, True, -1, 10**17, "", "none", "fbi", "eu-dsa-18", "home_state", "P1M", "x" * 999, [], {},
    [[]], ["C_pub", "C_pub"], {"fact": "threat.imminent", "is": True}, {"use": "suspicion"},
    {"all": [{"all": []}]}, {"to": [{"authority": "fbi"}]}, {"until": "lifted"}, "available",
]  # fmt: skip


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in plain data, the parts of parts included."""
    if not isinstance(value, dict | list):
        return []
    steps = value if isinstance(value, dict) else range(len(value))
    found = [(*way, step) for step in steps]
    return found + [deeper for each in found for deeper in places(value[each[-1]], each)]


def _mutate(book: Any, chance: random.Random) -> None:
    """Replace, remove, double or exchange one part of a book."""
    way = chance.choice(places(book))
    into = _at(book, way[:-1])
    other = copy.deepcopy(_at(book, chance.choice(places(book))))
    deed = chance.randrange(4)
    if deed == 0:
        into[way[-1]] = copy.deepcopy(chance.choice(JUNK))
    elif deed == 1:
        into[way[-1]] = other
    elif deed == 2 or not isinstance(into, dict):
        del into[way[-1]]
    else:
        into[chance.choice(["when", "id", "use", "fact", "any_of", "overrides", "x"])] = other


def _at(value: Any, way: tuple[Any, ...]) -> Any:
    for step in way:
        value = value[step]
    return value


def read_or_refused(texts: dict[str, str]) -> bool:
    """Return whether a law is read; a refusal names its places, and nothing else may be raised."""
    try:
        return bool(read(texts).rules)
    except Problems as problems:
        refused = problems
    assert all(each.message.endswith(".") for each in refused.problems)
    return False


class TestBounds:
    @pytest.mark.parametrize(
        "condition",
        [
            {"all": [NEAR] * 200},
            {"any": [{"all": [NEAR] * 99}, {"all": [NEAR] * 99}]},
            {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"not": NEAR}}}}}}}},
        ],
        ids=["wide", "wide in two", "deep"],
    )
    def test_refuses_a_condition_that_nobody_can_read(
        self, draft: Draft, refusal: Refusal, condition: Any
    ) -> None:
        draft["book"]["rules"][1]["when"] = condition
        assert refusal(draft) == [f"book rules[1]: {TOO_LARGE}"]

    def test_takes_one_that_a_patient_person_can(self, draft: Draft, reading: Reading) -> None:
        deep: Any = NEAR
        for _ in range(7):
            deep = {"not": deep}
        draft["book"]["rules"][0] |= {"when": {"all": [NEAR] * 190}}
        draft["book"]["rules"][1] |= {"when": deep}
        assert set(reading(draft).rules) == {"xx-law-tell", "xx-law-bar", "xx-law-let"}

    def test_counts_the_conditions_of_a_rule_together(self, draft: Draft, refusal: Refusal) -> None:
        draft["book"]["rules"][0] |= {"when": {"all": [NEAR] * 150}, "exempt": {"any": [NEAR] * 50}}
        assert refusal(draft) == [f"book rules[0]: {TOO_LARGE}"]

    @pytest.mark.slow
    @pytest.mark.parametrize("width", [1, 2, 20])
    def test_refuses_conditions_that_unfold_without_end(
        self, draft: Draft, refusal: Refusal, width: int
    ) -> None:
        chain = {f"c{n}": {"all": [{"use": f"c{n + 1}"}] * width} for n in range(60)}
        draft["book"]["conditions"] |= chain | {"c60": NEAR}
        draft["book"]["rules"][1]["when"] = {"use": "c0"}
        assert f"book conditions.c0: {TOO_LARGE}" in refusal(draft)  # without bounds it never ends

    def test_buys_no_suggestion_for_each_of_many_wrong_words(
        self, draft: Draft, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []
        monkeypatch.setattr(shape, "nearest", lambda word, known: asked.append(word) or "")
        draft["book"]["rules"][0]["when"] = {"fact": "item.visibility", "in": ["publik"] * 3000}
        draft["book"]["rules"][1]["then"]["human"] = [f"look{n}" for n in range(3000)]
        assert len(refusal(draft)) == shape.MOST_PROBLEMS
        assert len(asked) <= 2 * shape.MOST_PROBLEMS


class TestHostileBooks:
    @pytest.mark.slow
    @given(name=st.sampled_from([*LAWS * 4, *FILES]), chance=st.randoms(use_true_random=False))
    def test_are_read_or_refused_whatever_part_is_changed(
        self, name: str, chance: random.Random
    ) -> None:
        book = copy.deepcopy(DATA[name])
        for _ in range(chance.randint(1, 3)):
            _mutate(book, chance)
        read_or_refused(FILES | {name: json.dumps(book)})

    @pytest.mark.slow
    @given(name=st.sampled_from(LAWS), chance=st.randoms(use_true_random=False))
    def test_are_read_or_refused_whatever_letter_is_changed(
        self, name: str, chance: random.Random
    ) -> None:
        letters = list(FILES[name])
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(letters))
            letters[place] = chance.choice(
                ["", "\n", "  ", "[", "]", "{", "}", ":", "&", "*", "!", "-"]
            )
        read_or_refused(FILES | {name: "".join(letters)})

    @pytest.mark.slow
    def test_are_read_or_refused_two_thousand_times(self) -> None:
        chance, taken = random.Random(2000), 0  # noqa: S311
        for _ in range(2000):
            name = chance.choice(LAWS)
            book = copy.deepcopy(DATA[name])
            for _ in range(chance.randint(1, 3)):
                _mutate(book, chance)
            taken += read_or_refused({**FILES, name: json.dumps(book)})
        assert 20 < taken < 1000  # most changes matter, and some do not


class TestShipped:
    @pytest.mark.slow
    def test_is_ordinary_yaml_to_everybody_else(self) -> None:
        for name, text in FILES.items():
            assert yaml.safe_load(text) == DATA[name]

    def test_waits_for_counsel(self, law: RuleSet) -> None:
        assert not any(rule.counsel_verified for rule in law.rules.values())

    def test_names_no_desk_as_verified_and_ships_no_address(self) -> None:
        desks = DATA["authorities.yaml"]["authorities"]
        assert all(desk["contact"] == {} and desk["verified_at"] is None for desk in desks.values())
