"""Proofs: what the shipped law is proved to be, and the situation that breaks a bad one."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.jurisdictions import RuleSet, logic, solve
from compliance.jurisdictions.book.rules import Assertion
from compliance.jurisdictions.logic import FAILS, HOLDS
from compliance.jurisdictions.solve import search

Enact = Callable[..., RuleSet]
MET = {"fact": "threat.imminent", "is": True}
UNMET = {"fact": "threat.imminent", "is": False}
LIFE = {"fact": "threat.to", "includes": "life"}
SETTLED = {"fact": "location.dsa_ms_identification", "is": "identified"}
HOPELESS = {"fact": "location.dsa_ms_identification", "is": "impossible"}


def found(rules: RuleSet, *kinds: str) -> list[tuple[str, str, str, str]]:
    told = solve.findings(rules)
    return [
        (each["rule"], each["kind"], each["level"], each["finding"])
        for each in told
        if each["kind"] in kinds
    ]


def witness(rules: RuleSet, kind: str) -> Any:
    (one,) = [each for each in solve.findings(rules) if each["kind"] == kind]
    return one["witness"]


def telling(*steps: dict[str, Any]) -> dict[str, Any]:
    chain = [{**step, "to": [{"authority": "fbi"}]} for step in steps]
    return {"report": {"fields": "available", "first_of": chain}}


class TestRules:
    @pytest.mark.slow
    def test_that_are_shipped_can_all_hold_and_fail_and_tell_somebody(self, law: RuleSet) -> None:
        told = solve.findings(law)
        assert {each["kind"] for each in told} <= {"implied", "overlap", "uncited", "unused"}
        assert not [each for each in told if "not proved" in each["finding"]]

    def test_are_named_if_they_say_nothing(self, enact: Enact) -> None:
        rules = enact({
            "xx-never": {"when": {"all": [MET, {"not": MET}]}},
            "xx-good": {},
            "xx-always": {"when": {"any": [MET, {"not": MET}]}},
            "xx-exempt": {"exempt": MET},
            "xx-bound": {"binds": UNMET},
        })  # fmt: skip
        assert found(rules, "never", "always", "implied", "overlap") == [
            ("xx-always", "always", "fault", "always holds"),
            ("xx-bound", "never", "fault", "can never hold"),
            ("xx-exempt", "never", "fault", "can never hold"),
            ("xx-never", "never", "fault", "can never hold"),
        ]
        assert witness(rules, "always") == {"threat.imminent": True}

    def test_are_named_with_a_question_that_is_given_up(
        self, enact: Enact, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(search, "MOST_KINDS", 1)
        rules = enact({"xx-wide": {"when": LIFE}})
        assert found(rules, "never", "always") == [
            ("xx-wide", "always", "fault", "may be a rule that always holds: not proved"),
            ("xx-wide", "never", "fault", "may be a rule that can never hold: not proved"),
        ]

    def test_leave_nobody_to_tell_where_no_step_of_the_chain_is_taken(self, enact: Enact) -> None:
        short = enact({"xx-short": {"then": telling({"when": SETTLED})}})
        assert found(short, "gap") == [
            ("xx-short", "gap", "fault", "can hold and leave nobody to tell")
        ]
        shown = witness(short, "gap")
        assert logic.weigh(short.rules["xx-short"].own, shown) == HOLDS
        assert shown["location.dsa_ms_identification"] == "impossible"
        whole = {"then": telling({"when": SETTLED}, {"when": HOPELESS})}
        open_end = {"then": telling({"when": SETTLED}, {})}
        assert found(enact({"xx-whole": whole, "xx-open": open_end}), "gap") == []


class TestPairs:
    def test_imply_each_other_or_overlap_with_a_situation_to_show_it(self, enact: Enact) -> None:
        rules = enact({"xx-wide": {}, "xx-narrow": {"when": {"all": [MET, LIFE]}}})
        assert found(rules, "implied", "overlap") == [
            ("xx-narrow", "implied", "note", "holds only where xx-wide holds too"),
            ("xx-narrow", "overlap", "note", "can hold together with xx-wide"),
        ]
        for kind in ("implied", "overlap"):
            for rule in rules.rules.values():
                assert logic.weigh(rule.own, witness(rules, kind)) == HOLDS

    def test_that_exclude_each_other_are_no_finding(self, enact: Enact) -> None:
        assert found(enact({"xx-a": {}, "xx-b": {"when": UNMET}}), "implied", "overlap") == []

    def test_are_compared_only_within_a_mode_and_over_a_fact_that_both_test(
        self, enact: Enact
    ) -> None:
        bar = {"mode": "prohibition", "then": {"preserve": {"until": "lifted"}}}
        rules = enact({"xx-a": {}, "xx-b": {"when": LIFE}, "xx-c": bar})
        assert found(rules, "implied", "overlap") == []

    def test_that_are_given_up_wait_for_a_person(
        self, enact: Enact, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        apart = {"when": {"any": [MET, {"all": [LIFE, UNMET]}]}}
        rules = enact({"xx-a": {}, "xx-b": apart})
        monkeypatch.setattr(search, "MOST_KINDS", 1)
        told = found(rules, "implied")
        assert told == [
            ("xx-a", "implied", "note", "holds only where xx-b holds too"),
            ("xx-b", "implied", "open",
             "may be a rule that holds only where xx-a holds too: not proved"),
        ]  # fmt: skip

    @pytest.mark.slow
    def test_of_the_shipped_law_are_compared_in_seconds(self, law: RuleSet) -> None:
        start = process_time()
        told = found(law, "implied")
        assert process_time() - start < 5
        said = "holds only where eu-dsa-18.all holds too"
        assert ("eu-dsa-18.vlop", "implied", "note", said) in told

    @pytest.mark.slow
    @given(data=st.data())
    def test_imply_each_other_if_and_only_if_no_situation_parts_them(
        self, enact: Enact, data: st.DataObject
    ) -> None:
        leaf = st.sampled_from([MET, UNMET, LIFE, SETTLED])
        condition = st.builds(
            lambda branch, parts: {branch: parts},
            st.sampled_from(["all", "any"]), st.lists(leaf, min_size=1, max_size=3),
        )  # fmt: skip
        texts = {"xx-a": {"when": data.draw(condition)}, "xx-b": {"when": data.draw(condition)}}
        rules = enact(texts)
        idle = {each[0] for each in found(rules, "never", "always")}
        for one, other in (("xx-a", "xx-b"), ("xx-b", "xx-a")):
            said = f"holds only where {other} holds too"
            implied = any(each[::3] == (one, said) for each in found(rules, "implied"))
            parted = any(
                logic.weigh(rules.rules[one].own, facts) == HOLDS
                and logic.weigh(rules.rules[other].own, facts) == FAILS
                for facts in _everything()
            )
            alike = solve.facts_of(rules.rules[one].own) & solve.facts_of(rules.rules[other].own)
            assert implied == (not parted and bool(alike) and not idle)


def _everything() -> Iterable[dict[str, Any]]:
    for imminent in (True, False):
        for to in (["life"], []):
            for settled in ("identified", "impossible"):
                yield {
                    "threat.imminent": imminent, "threat.to": to,
                    "location.dsa_ms_identification": settled,
                }  # fmt: skip


class TestClaims:
    """A claim of a book: under what is given, whenever the rule holds, somebody is told."""

    @pytest.fixture
    def claim(self, enact: Enact) -> Callable[..., RuleSet]:
        def make(given: dict[str, Any], effect: str = "report") -> RuleSet:
            rules = enact({"xx-a": {"then": telling({"when": SETTLED})}})
            leaf = {"fact": given["fact"], "op": "is", "value": given["is"]}
            claim = Assertion("xx-sample", "Somebody is told", "xx-a", effect, leaf)
            return replace(rules, claims=(claim,))

        return make

    def test_stands_and_answers_for_the_gap_in_the_chain(
        self, claim: Callable[..., RuleSet]
    ) -> None:
        assert found(claim(SETTLED), "claim", "gap") == []

    def test_falls_with_the_situation_that_breaks_it(self, claim: Callable[..., RuleSet]) -> None:
        rules = claim(HOPELESS)
        said = 'breaks the claim "Somebody is told": nobody is told'
        assert found(rules, "claim", "gap") == [("xx-a", "claim", "fault", said)]
        assert witness(rules, "claim") == {
            "location.dsa_ms_identification": "impossible", "threat.imminent": True,
        }  # fmt: skip

    def test_is_named_if_it_speaks_of_no_situation(self, claim: Callable[..., RuleSet]) -> None:
        said = 'never meets what the claim "Somebody is told" is given'
        assert found(claim(UNMET), "claim") == [("xx-a", "claim", "fault", said)]

    def test_of_another_effect_leaves_the_chain_to_be_looked_at(
        self, claim: Callable[..., RuleSet]
    ) -> None:
        assert [each[1] for each in found(claim(SETTLED, "human"), "claim", "gap")] == ["gap"]


class TestIsRefused:
    @pytest.mark.parametrize(
        ("level", "plainly", "strictly"),
        [("fault", True, True), ("open", False, True), ("note", False, False)],
    )
    def test_tells_what_a_law_cannot_stand_with(
        self, level: str, plainly: bool, strictly: bool
    ) -> None:
        assert solve.is_refused({"level": level}) is plainly
        assert solve.is_refused({"level": level}, strict=True) is strictly
