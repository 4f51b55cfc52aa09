"""Logic: what holds, what fails, what nobody can say yet, and a proof that cannot be bent."""

import itertools
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.jurisdictions import logic
from compliance.jurisdictions.logic import FAILS, HOLDS, NAMES, UNDETERMINED
from tests.compliance.jurisdictions.chance import (
    LEARNT,
    PRESUMING,
    VALUES,
    Plain,
    any_condition,
    completions,
    conditions,
    facts_of,
    leaf,
    pairs_of_sheets,
    presumptive,
    read_plainly,
    whole_facts,
)

TRUTH = {"yes": HOLDS, "open": UNDETERMINED, "no": FAILS}
KNOWN = {"yes": True, "no": False}  # and nobody knows whether "open"


class TestWeigh:
    @pytest.mark.parametrize(("one", "other"), list(itertools.product(TRUTH, repeat=2)))
    def test_takes_the_least_of_all_and_the_greatest_of_any(self, one: str, other: str) -> None:
        parts = [leaf(one), leaf(other)]
        assert logic.weigh({"all": parts}, KNOWN) == min(TRUTH[one], TRUTH[other])
        assert logic.weigh({"any": parts}, KNOWN) == max(TRUTH[one], TRUTH[other])

    @pytest.mark.parametrize(
        ("name", "mirrored"), [("yes", "fails"), ("open", "undetermined"), ("no", "holds")]
    )
    def test_mirrors_what_is_negated(self, name: str, mirrored: str) -> None:
        assert NAMES[logic.weigh({"not": [leaf(name)]}, KNOWN)] == mirrored

    def test_lets_nothing_at_all_hold_and_no_alternative_fail(self) -> None:
        assert logic.weigh({"all": []}, {}) == HOLDS
        assert logic.weigh({"any": []}, {}) == FAILS

    @pytest.mark.parametrize(
        ("op", "value", "seen", "weight"),
        [
            ("is", True, True, HOLDS),
            ("is", True, False, FAILS),
            ("is", False, False, HOLDS),
            ("is", "low", "high", FAILS),
            ("is_not", "low", "high", HOLDS),
            ("is_not", "low", "low", FAILS),
            ("in", ["high", "low"], "low", HOLDS),
            ("in", ["high"], "low", FAILS),
            ("not_in", ["high"], "low", HOLDS),
            ("not_in", ["high", "low"], "low", FAILS),
            ("is", 2, 2, HOLDS),
            ("is", 2, 3, FAILS),
            ("at_least", 2, 1, FAILS),
            ("at_least", 2, 2, HOLDS),
            ("at_least", 2, 3, HOLDS),
            ("at_most", 2, 1, HOLDS),
            ("at_most", 2, 2, HOLDS),
            ("at_most", 2, 3, FAILS),
            ("includes", "DE", ["DE", "FR"], HOLDS),
            ("includes", "DE", ["FR"], FAILS),
            ("includes", "DE", [], FAILS),
            ("includes_any", ["DE", "US"], ["US"], HOLDS),
            ("includes_any", ["DE", "US"], ["FR"], FAILS),
            ("includes_none", ["DE", "US"], ["FR"], HOLDS),
            ("includes_none", ["DE", "US"], [], HOLDS),
            ("includes_none", ["DE", "US"], ["FR", "US"], FAILS),
        ],
    )
    def test_tests_a_known_value(self, op: str, value: Any, seen: Any, weight: int) -> None:
        assert logic.weigh(leaf("x", op, value), {"x": seen}) == weight
        assert logic.weigh(leaf("x", op, value), {"y": seen}) == UNDETERMINED

    @pytest.mark.parametrize(
        ("op", "value", "known", "weight"),
        [
            ("includes", "DE", ["DE"], HOLDS),
            ("includes", "DE", ["FR"], UNDETERMINED),
            ("includes", "DE", [], UNDETERMINED),
            ("includes_any", ["DE", "US"], ["US"], HOLDS),
            ("includes_any", ["DE", "US"], ["FR"], UNDETERMINED),
            ("includes_none", ["DE", "US"], ["US"], FAILS),
            ("includes_none", ["DE", "US"], ["FR"], UNDETERMINED),
        ],
    )
    def test_takes_an_open_set_as_proof_of_members_never_of_absence(
        self, op: str, value: Any, known: list[str], weight: int
    ) -> None:
        seen = {"x": {"known": known, "closed": False}}
        assert logic.weigh(leaf("x", op, value), seen) == weight

    @pytest.mark.parametrize("presume", [True, False])
    def test_presumes_only_while_the_fact_has_no_value(self, presume: bool) -> None:
        condition = leaf("x", presume=presume)
        assert logic.weigh(condition, {}) == (HOLDS if presume else FAILS)
        assert logic.weigh(condition, {"x": True}) == HOLDS
        assert logic.weigh(condition, {"x": False}) == FAILS

    def test_does_not_presume_of_a_set_that_somebody_began(self) -> None:
        condition = leaf("x", "includes", "DE", presume=False)
        assert logic.weigh(condition, {"x": {"known": [], "closed": False}}) == UNDETERMINED

    @given(conditions, pairs_of_sheets)
    def test_never_flips_when_somebody_learns(
        self, condition: Plain, sheets: tuple[Plain, Plain]
    ) -> None:
        before, after = (logic.weigh(condition, facts) for facts in sheets)
        assert before in (UNDETERMINED, after)

    @given(conditions, whole_facts)
    def test_reads_as_plain_logic_when_everything_is_known(
        self, condition: Plain, facts: Plain
    ) -> None:
        assert logic.weigh(condition, facts) == (HOLDS if read_plainly(condition, facts) else FAILS)

    @given(st.lists(conditions, min_size=1, max_size=3), pairs_of_sheets, st.randoms())
    def test_does_not_care_for_order_nor_how_a_negation_is_written(
        self, parts: list[Plain], sheets: tuple[Plain, Plain], random: Any
    ) -> None:
        facts = sheets[0]
        shuffled = random.sample(parts, len(parts))
        denied = [{"not": [part]} for part in parts]
        assert logic.weigh({"all": parts}, facts) == logic.weigh({"all": shuffled}, facts)
        assert logic.weigh({"not": [{"all": parts}]}, facts) == logic.weigh({"any": denied}, facts)
        assert logic.weigh({"not": [{"any": parts}]}, facts) == logic.weigh({"all": denied}, facts)

    @given(presumptive, pairs_of_sheets)
    def test_does_not_care_for_facts_that_it_does_not_name(
        self, condition: Plain, sheets: tuple[Plain, Plain]
    ) -> None:
        named = {name: sheets[0][name] for name in facts_of(condition) & sheets[0].keys()}
        assert logic.weigh(condition, sheets[0]) == logic.weigh(condition, named)


class TestSoundness:
    @pytest.mark.slow
    def test_says_what_every_completion_agrees_on(self) -> None:
        chance, exact = random.Random(1), 0  # noqa: S311
        for _ in range(5000):
            condition = any_condition(chance)
            sheet = {name: chance.choice(pairs)[0] for name, pairs in LEARNT.items()}
            facts = {name: value for name, value in sheet.items() if value is not None}
            weight = logic.weigh(condition, facts)
            verdicts = {read_plainly(condition, whole) for whole in completions(facts)}
            if weight != UNDETERMINED:
                assert verdicts == {weight == HOLDS}
            elif asks_nothing_twice(condition):
                assert verdicts == {True, False}  # no less than sound: exact
                exact += 1
        assert exact > 500


def asks_nothing_twice(condition: Plain) -> bool:
    """Return whether each fact is tested once, and so that the test may go either way."""
    tests = list(logic.leaves(condition))
    settled = [each for each in tests if (each["op"], each["value"]) in SETTLED]
    return not settled and len(facts_of(condition)) == len(tests)


SETTLED = [("at_least", 0), ("at_most", 2)]


class TestNeeds:
    @pytest.mark.parametrize(
        ("condition", "needed"),
        [
            (leaf("yes"), set()),
            (leaf("open"), {"open"}),
            (leaf("open", presume=False), set()),
            ({"all": [leaf("no"), leaf("open")]}, set()),
            ({"all": [leaf("yes"), leaf("open")]}, {"open"}),
            ({"any": [leaf("yes"), leaf("open")]}, set()),
            ({"any": [leaf("a"), {"all": [leaf("b"), leaf("no")]}]}, {"a"}),
            ({"not": [{"any": [leaf("a"), leaf("b")]}]}, {"a", "b"}),
        ],
    )
    def test_asks_for_what_lies_on_the_way(self, condition: Plain, needed: set[str]) -> None:
        assert logic.needs(condition, KNOWN) == needed

    @given(conditions, pairs_of_sheets, whole_facts)
    def test_settles_with_what_it_asks_for_and_not_without(
        self, condition: Plain, sheets: tuple[Plain, Plain], whole: Plain
    ) -> None:
        facts = sheets[0]
        asked = logic.needs(condition, facts)
        told = facts | {name: whole[name] for name in asked}
        untold = whole | {name: facts[name] for name in facts}
        untold = {
            name: value for name, value in untold.items() if name in facts or name not in asked
        }
        assert bool(asked) == (logic.weigh(condition, facts) == UNDETERMINED)
        assert logic.weigh(condition, told) != UNDETERMINED
        assert (logic.weigh(condition, untold) == UNDETERMINED) == bool(asked)


class TestMembers:
    def test_tells_a_complete_list_from_one_that_may_grow(self) -> None:
        assert logic.members(["DE"]) == ({"DE"}, True)
        assert logic.members({"known": ["DE"], "closed": False}) == ({"DE"}, False)
        assert logic.members({"known": [], "closed": True}) == (set(), True)


class TestProve:
    def test_says_what_was_seen_and_what_the_law_says(self) -> None:
        condition = {"all": [leaf("yes", says="to life", cite="s. 1")], "says": "a threat"}
        assert logic.prove(condition, KNOWN) == {
            "all": [
                {"fact": "yes", "op": "is", "value": True, "seen": True, "result": "holds",
                 "says": "to life", "cite": "s. 1"},
            ],
            "says": "a threat",
            "result": "holds",
        }  # fmt: skip

    def test_looks_at_every_leaf_though_one_settles_it(self) -> None:
        proof = logic.prove({"any": [leaf("yes"), leaf("no"), leaf("open")]}, KNOWN)
        assert [part["result"] for part in proof["any"]] == ["holds", "fails", "undetermined"]
        assert [part.get("seen") for part in proof["any"]] == [True, False, None]

    @pytest.mark.parametrize("presume", [True, False])
    def test_marks_what_is_presumed_and_only_then(self, presume: bool) -> None:
        condition = leaf("open", presume=presume)
        assert logic.prove(condition, {})["presumed"] is presume
        assert "presumed" not in logic.prove(condition, {"open": False})
        assert "presumed" not in logic.prove(leaf("open"), {})

    @given(presumptive, pairs_of_sheets)
    def test_ends_where_weighing_ends_and_is_accepted_after_a_journey(
        self, condition: Plain, sheets: tuple[Plain, Plain]
    ) -> None:
        proof = logic.prove(condition, sheets[0])
        assert proof["result"] == NAMES[logic.weigh(condition, sheets[0])]
        assert [each["fact"] for each in logic.leaves(proof)] == [
            each["fact"] for each in logic.leaves(condition)
        ]
        assert logic.accepts(condition, json.loads(json.dumps(proof)), sheets[0])


CONDITION: Plain = {
    "any": [
        {"all": [leaf("seen", says="a word"), leaf("n", "at_least", 1)], "cite": "s. 1"},
        {"not": [leaf("late", presume=False)]},
    ]
}
FACTS = {"seen": True, "n": 1}
BENT: dict[str, Any] = {
    "a result turned": lambda proof: proof.update(result="fails"),
    "a result left out": lambda proof: proof.pop("result"),
    "a leaf's result turned": lambda proof: proof["any"][0]["all"][0].update(result="fails"),
    "another value seen": lambda proof: proof["any"][0]["all"][0].update(seen=False),
    "a value of another type": lambda proof: proof["any"][0]["all"][0].update(seen=1),
    "another threshold": lambda proof: proof["any"][0]["all"][1].update(value=0),
    "a threshold of another type": lambda proof: proof["any"][0]["all"][1].update(value=True),
    "another test": lambda proof: proof["any"][0]["all"][1].update(op="at_most"),
    "another fact": lambda proof: proof["any"][0]["all"][1].update(fact="seen"),
    "a value nobody saw": lambda proof: proof["any"][1]["not"][0].update(seen=False),
    "a presumption hidden": lambda proof: proof["any"][1]["not"][0].pop("presumed"),
    "a presumption turned": lambda proof: proof["any"][1]["not"][0].update(presumed=True),
    "a presumption of what was seen": lambda proof: proof["any"][0]["all"][0].update(presumed=True),
    "a part left out": lambda proof: proof["any"].pop(),
    "a part added": lambda proof: proof["any"].append(proof["any"][0]),
    "another branch": lambda proof: proof.update(all=proof.pop("any")),
    "a branch beside it": lambda proof: proof.update({"all": []}),
    "a note beside it": lambda proof: proof.update(note="nothing to see"),
    "a value seen by a branch": lambda proof: proof.update(seen=True),
    "other words": lambda proof: proof["any"][0]["all"][0].update(says="another word"),
    "words left out": lambda proof: proof["any"][0].pop("cite"),
    "parts that are no list": lambda proof: proof.update(any=5),
    "a part that is no table": lambda proof: proof["any"].__setitem__(1, "holds"),
}


class TestSeeking:
    def test_asks_nothing_about_what_is_presumed(self) -> None:
        condition = {"any": [leaf("b1", presume=False), leaf("b2")]}
        assert logic.needs(condition, {}) == logic.seeking(condition)({}) == {"b2"}


class TestAccepts:
    def test_accepts_the_truth(self) -> None:
        assert logic.accepts(CONDITION, logic.prove(CONDITION, FACTS), FACTS)

    @pytest.mark.parametrize("bend", BENT.values(), ids=BENT)
    def test_refuses_a_certificate_that_somebody_bent(self, bend: Any) -> None:
        proof = json.loads(json.dumps(logic.prove(CONDITION, FACTS)))
        bend(proof)
        assert not logic.accepts(CONDITION, proof, FACTS)

    @pytest.mark.parametrize("nonsense", [None, [], "holds", 1, {}, {"result": "holds"}])
    def test_refuses_what_is_no_certificate(self, nonsense: Any) -> None:
        assert logic.accepts(CONDITION, nonsense, FACTS) is False
        assert logic.accepts(leaf("seen"), nonsense, FACTS) is False

    @pytest.mark.parametrize(("closed", "result"), [(True, "fails"), (False, "undetermined")])
    def test_reads_a_set_that_says_itself_whether_it_is_closed(
        self, closed: bool, result: str
    ) -> None:
        condition, facts = leaf("x", "includes", "DE"), {"x": {"known": ["FR"], "closed": closed}}
        proof = logic.prove(condition, facts)
        assert proof["result"] == result
        assert logic.accepts(condition, proof, facts)

    @pytest.mark.parametrize("parts", [{}, "", ()])
    def test_refuses_nothing_that_only_looks_like_an_empty_list(self, parts: Any) -> None:
        assert logic.accepts({"all": []}, {"all": [], "result": "holds"}, {})
        assert not logic.accepts({"all": []}, {"all": parts, "result": "holds"}, {})

    @pytest.mark.parametrize("facts", [{}, {"seen": False, "n": 1}, {"seen": True}, {"n": 1}])
    def test_refuses_a_certificate_of_other_facts(self, facts: Plain) -> None:
        assert not logic.accepts(CONDITION, logic.prove(CONDITION, FACTS), facts)

    @pytest.mark.parametrize("test", PRESUMING, ids=str)
    def test_reads_every_test_of_every_value_as_it_is_and_no_other_way(self, test: Plain) -> None:
        sets = [
            {"known": known, "closed": closed} for known in ([], ["DE"]) for closed in (False, True)
        ]
        seen = [*VALUES[test["fact"]], *(sets if test["fact"] == "s" else ())]
        for facts in ({}, *({test["fact"]: value} for value in seen)):
            proof = logic.prove(test, facts)
            assert logic.accepts(test, proof, facts) is True
            for other in {*NAMES.values()} - {proof["result"]}:
                assert logic.accepts(test, {**proof, "result": other}, facts) is False

    @given(presumptive, pairs_of_sheets, st.data())
    def test_refuses_any_other_result_at_any_place(
        self, condition: Plain, sheets: tuple[Plain, Plain], data: st.DataObject
    ) -> None:
        proof = logic.prove(condition, sheets[0])
        node = data.draw(st.sampled_from(list(nodes(proof))))
        node["result"] = data.draw(st.sampled_from(sorted({*NAMES.values()} - {node["result"]})))
        assert not logic.accepts(condition, proof, sheets[0])


def nodes(proof: Plain) -> list[Plain]:
    """Every node of a certificate, itself first."""
    parts = proof.get("all") or proof.get("any") or proof.get("not") or []
    return [proof, *(each for part in parts for each in nodes(part))]
