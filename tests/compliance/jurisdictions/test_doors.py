"""The doors of the law: what it says, why, and that the why can be checked by somebody else."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from compliance import jurisdictions
from compliance.jurisdictions import Problems, RuleSet, logic

Ask = Callable[..., dict[str, Any]]
SITUATION: dict[str, Any] = {
    "facts": {
        "provider.service_roles": ["ecs_public", "hosting_public"],
        "provider.us_sca_covered": True,
        "knowledge.level": "actual_knowledge",
        "threat.to": {"known": ["life"], "closed": False},
        "data.available_classes": ["C_priv", "META"],
    },
    "clocks": {"actual_knowledge": "2026-03-01T08:00:00Z"},
    "rule_time": "2026-03-01T09:00:00Z",
}


class TestRuleOn:
    def test_answers_in_the_form_of_the_contract_by_the_law_it_was_given(
        self, law: RuleSet
    ) -> None:
        said = jurisdictions.rule_on(law, **SITUATION)
        assert said["schema"] == "determination/1"
        assert said["rule_set"] == law.sha256
        assert said["rules"]["us-sca-block"]["outcome"] == "holds"
        assert said["rules"]["us-rrota-s2372"]["outcome"] == "not_in_force"

    def test_simulates_what_is_only_proposed_when_it_is_asked_to(self, law: RuleSet) -> None:
        planning = {"activity.class": ["planning"]}
        asked = SITUATION | {"facts": SITUATION["facts"] | planning}
        said = jurisdictions.rule_on(law, **asked, simulate=["us-rrota-s2372"])
        assert said["rules"]["us-rrota-s2372"]["outcome"] == "simulated"

    def test_leaves_what_it_was_given_as_it_was(self, law: RuleSet) -> None:
        given = copy.deepcopy(SITUATION)
        jurisdictions.rule_on(law, **given)
        assert given == SITUATION

    def test_refuses_a_word_it_does_not_know(self, law: RuleSet) -> None:
        spoilt = SITUATION | {"facts": {"threat.iminent": True}}
        with pytest.raises(Problems, match=r"did you mean 'threat\.imminent'"):
            jurisdictions.rule_on(law, **spoilt)


class TestExplain:
    def test_proves_every_rule_to_a_checker_that_trusts_nobody(self, law: RuleSet) -> None:
        said = jurisdictions.rule_on(law, **SITUATION)
        proofs = jurisdictions.explain(law, **SITUATION)
        assert proofs.keys() == law.rules.keys()
        for name, rule in law.rules.items():
            assert logic.accepts(rule.when, proofs[name]["when"], SITUATION["facts"])
            assert proofs[name]["outcome"] == said["rules"][name]["outcome"]
            for head in ("binds", "exempt"):
                condition = getattr(rule, head)
                assert (head in proofs[name]) == (condition is not None)
                if condition is not None:
                    assert logic.accepts(condition, proofs[name][head], SITUATION["facts"])
