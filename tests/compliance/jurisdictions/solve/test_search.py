"""Search: a witness is a witness, and no witness means that there is none."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.jurisdictions import RuleSet, logic
from compliance.jurisdictions.logic import FAILS, HOLDS, Condition
from compliance.jurisdictions.solve import NotProved, witness


def leaf(fact: str, op: str, value: Any, **more: Any) -> Condition:
    return {"fact": fact, "op": op, "value": value, **more}


IMMINENT = leaf("threat.imminent", "is", True)
SMALL = leaf("provider.size", "in", ["micro", "small"])
BIG = leaf("provider.size", "not_in", ["micro", "small"])
MANY = leaf("review.reviewers", "at_least", 2)
FEW = leaf("review.reviewers", "at_most", 1)
LIFE = leaf("threat.to", "includes", "life")
NOBODY = leaf("threat.to", "includes_none", ["life", "serious_injury", "safety"])


class TestWitness:
    @pytest.mark.parametrize(
        "condition",
        [
            {"all": []},
            IMMINENT,
            {"not": [IMMINENT]},
            {"all": [IMMINENT, {"not": [SMALL]}]},
            {"all": [MANY, leaf("review.reviewers", "at_most", 2)]},
            {"all": [LIFE, leaf("threat.to", "includes_any", ["property", "safety"])]},
            leaf("review.reviewers", "is", 0),
            {"all": [{"not": [leaf("provider.size", "is", "micro")]}, SMALL]},
        ],
    )
    def test_is_a_situation_in_which_the_condition_holds(
        self, law: RuleSet, condition: Condition
    ) -> None:
        found = witness(condition, law.vocabulary.facts, HOLDS)
        assert found is not None
        for name, value in found.items():
            assert law.vocabulary.check(name, value) == value
        assert logic.weigh(condition, found) == HOLDS

    @pytest.mark.parametrize(
        "condition",
        [
            {"any": []},
            {"all": [IMMINENT, {"not": [IMMINENT]}]},
            {"all": [SMALL, BIG]},
            {"all": [MANY, FEW]},
            {"all": [LIFE, NOBODY]},
            leaf("review.reviewers", "at_most", -1),
            {"all": [leaf("provider.size", "is", "micro"), BIG]},
        ],
    )  # fmt: skip
    def test_is_none_for_a_contradiction(self, law: RuleSet, condition: Condition) -> None:
        assert witness(condition, law.vocabulary.facts, HOLDS) is None
        assert witness({"not": [condition]}, law.vocabulary.facts, FAILS) is None
        assert witness({"not": [condition]}, law.vocabulary.facts, HOLDS) is not None

    def test_needs_no_presumption(self, law: RuleSet) -> None:
        # What is presumed may still be learned; a presumption proves nothing about a rule.
        presumed = {"all": [{"not": [leaf("threat.imminent", "is", True, presume=False)]}, MANY]}
        found = witness({"not": [presumed]}, law.vocabulary.facts, HOLDS)
        assert found is not None
        assert logic.weigh(presumed, found) == FAILS
        taken = witness({"all": [leaf("threat.imminent", "is", True, presume=False)]},
                        law.vocabulary.facts, HOLDS)  # fmt: skip
        assert taken == {"threat.imminent": True}

    def test_is_given_up_after_so_many_steps(self, law: RuleSet) -> None:
        with pytest.raises(NotProved, match=r"^2 situations were not enough\.$"):
            witness({"all": [IMMINENT, SMALL, BIG]}, law.vocabulary.facts, HOLDS, steps=2)
        assert witness({"all": [IMMINENT, SMALL, BIG]}, law.vocabulary.facts, HOLDS) is None

    def test_is_not_sought_in_a_set_that_is_told_apart_in_too_many_ways(self, law: RuleSet) -> None:
        tests = [
            leaf("offence.location", "includes", each) for each in law.vocabulary.member_states
        ]
        with pytest.raises(NotProved, match=r"^offence\.location is tested in too many ways\.$"):
            witness({"all": tests}, law.vocabulary.facts, HOLDS)

    @given(data=st.data())
    def test_is_found_if_and_only_if_there_is_one(self, law: RuleSet, data: st.DataObject) -> None:
        plain = st.sampled_from([IMMINENT, SMALL, BIG, MANY, FEW, LIFE, NOBODY])
        conditions = st.recursive(
            plain,
            lambda part: st.one_of(
                st.lists(part, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
                st.lists(part, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
                part.map(lambda one: {"not": [one]}),
            ),
            max_leaves=6,
        )
        condition = data.draw(conditions)
        everything = [
            {"threat.imminent": imminent, "provider.size": size, "review.reviewers": reviewers,
             "threat.to": to}
            for imminent, size, reviewers, to in product(
                (True, False), ("micro", "large"), (0, 1, 2, 3),
                ([], ["life"], ["safety"], ["life", "safety"], ["property"]),
            )
        ]  # fmt: skip
        for wanted in (HOLDS, FAILS):
            exists = any(logic.weigh(condition, facts) == wanted for facts in everything)
            found = witness(condition, law.vocabulary.facts, wanted)
            assert (found is not None) == exists
            assert found is None or logic.weigh(condition, found) == wanted
