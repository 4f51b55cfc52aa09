"""Lint: what is read that should not be, not quoted, not modelled, not used."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from compliance import jurisdictions
from compliance.jurisdictions import RuleSet, solve
from compliance.jurisdictions.solve import lint

Enact = Callable[..., RuleSet]
MET = {"fact": "threat.imminent", "is": True}


def found(rules: RuleSet, kind: str) -> list[tuple[str, str, str]]:
    told = [each for each in solve.findings(rules) if each["kind"] == kind]
    assert all(each["witness"] is None for each in told)
    return [(each["rule"], each["level"], each["finding"]) for each in told]


class TestSpecialCategories:
    @pytest.mark.parametrize(
        ("changes", "word"),
        [
            ({"name": "suspect.religion"}, "religio"),
            ({"name": "suspect.political_party"}, "politic"),
            ({"label": "Ethnic origin, as the account states it"}, "ethnic"),
            ({"ask": "Which trade union does the person belong to?"}, "trade union"),
            ({"values": ("religious", "none")}, "religio"),
            ({"label": "The person's state of health"}, "health"),
            ({"name": "location.ms_link", "label": "At least one Member State of the Union"}, ""),
            ({"label": "The evidence contains child sexual abuse material"}, ""),
            ({"label": "The bodies embrace the finding"}, ""),
        ],
    )
    def test_are_known_by_the_name_the_words_and_the_values_of_a_fact(
        self, law: RuleSet, changes: dict[str, Any], word: str
    ) -> None:
        fact = replace(law.vocabulary.facts["item.visibility"], **changes)
        assert lint.special(fact) == word

    @pytest.mark.slow
    def test_are_read_by_no_shipped_rule(self, law: RuleSet) -> None:
        assert found(law, "special") == []

    def test_are_a_fault_of_the_rule_that_reads_them(
        self, words: dict[str, str], enact: Enact
    ) -> None:
        rules = enact({"xx-a": {}, "xx-b": {"when": {"fact": "item.contains_csam", "is": True}}})
        changed = {
            **rules.vocabulary.facts,
            "threat.imminent": replace(
                rules.vocabulary.facts["threat.imminent"], label="Race of the person"
            ),
        }
        rules.vocabulary.facts = changed
        said = "reads threat.imminent, a special category of data (race; GDPR Art 9)"
        assert found(rules, "special") == [("xx-a", "fault", said)]


class TestQuotations:
    def test_are_missed_where_neither_a_test_nor_what_holds_it_has_any(self, enact: Enact) -> None:
        bare = {"fact": "activity.offence_stage", "is": "likely"}
        rules = enact({
            "xx-a": {"when": {"all": [{**MET, "says": "imminent"}, {"any": [bare, bare]}]}},
            "xx-b": {"when": {"all": [bare], "cite": "s.2"}},
            "xx-c": {"when": {"not": {**bare, "cite": "s.3"}}},
            "xx-d": {"when": {"fact": "counsel.eu_reach_without_ms_link", "is": True}},
        })  # fmt: skip
        said = "tests activity.offence_stage and quotes no words of the law for it"
        assert found(rules, "uncited") == [("xx-a", "note", said)]

    def test_are_not_asked_of_the_house(self, enact: Enact) -> None:
        policy = {"then": {"human": ["minor"]}}
        rules = enact({"xx-a": {"when": {**MET, "says": "imminent"}}}, {"house-a": policy})
        assert found(rules, "uncited") == []


class TestWhatIsNotModelled:
    def test_waits_for_somebody_to_accept_it(self, enact: Enact) -> None:
        gaps = [
            {"what": "s.9: orders", "accepted": False}, {"what": "s.8: fines", "accepted": True},
        ]  # fmt: skip
        rules = enact({"xx-a": {}}, not_modelled=gaps)
        said = 'is not modelled, and nobody accepted that: "s.9: orders"'
        assert found(rules, "not_modelled") == [("xx-sample", "open", said)]


class TestUnusedFacts:
    def unused(self, rules: RuleSet) -> set[str]:
        return {each[2].removeprefix("no rule reads ") for each in found(rules, "unused")}

    def test_are_those_that_no_rule_and_no_evaluator_reads(self, enact: Enact) -> None:
        desk = {"authority": "ms-authority", "each_of": ["offence.location", "home_state"]}
        renewal = {"fact": "law.ie_oasa_9_renewal", "is": "confirmed"}
        rules = enact({"xx-a": {
            "binds": {"fact": "provider.size", "is": "vlop"},
            "exempt": {"fact": "purpose.exempt", "is": "research"},
            "trigger": {"nature": "event", "clock": "order"},
            "versions": [{"from": "2020-01-01", "status": "sunset", "renewal": renewal}],
            "then": {
                "report": {"fields": "available", "first_of": [
                    {"when": {"fact": "location.ms_link", "is": True}, "to": [desk]},
                ]},
                "preserve": {"for": "P6M", "from": "removal"},
            },
            "open": [{"fact": "counsel.eu_reach_without_ms_link", "reason": "eu_reach",
                      "given": {"fact": "item.status", "is": "live"}}],
        }})  # fmt: skip
        unused = self.unused(rules)
        clocks = {rules.vocabulary.clocks[name].name for name in ("order", "removal", "belief")}
        used = {
            "threat.imminent", "provider.size", "purpose.exempt", "law.ie_oasa_9_renewal",
            "location.ms_link", "offence.location", "counsel.eu_reach_without_ms_link",
            "item.status", "provider.eu_legal_rep", *clocks,
        }  # fmt: skip
        assert not unused & used
        assert "suspect.age_band" in unused
        assert used | unused <= rules.vocabulary.facts.keys()

    def test_are_not_those_that_extend_an_effect_or_spare_countries(self, enact: Enact) -> None:
        rules = enact({"xx-a": {}})
        longer = {"when": {"fact": "order.extended", "op": "is", "value": True}, "by": "P6W"}
        then = {
            "silence": {"for": "P6W", "from": "nondisclosure", "extend": longer},
            "strip": {"fields": ["ID"], "outside": ["EU", "adequacy.countries"]},
        }
        assert self.unused(rules) >= {"order.extended", "adequacy.countries"}
        changed = replace(rules, rules={"xx-a": replace(rules.rules["xx-a"], then=then)})
        assert not self.unused(changed) & {"order.extended", "adequacy.countries"}


@pytest.mark.slow
def test_findings_are_plain_data(law: RuleSet) -> None:
    told = solve.findings(law)
    assert json.loads(jurisdictions.canonical(told)) == told
