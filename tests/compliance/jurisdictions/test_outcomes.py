"""Outcomes: what one rule says, and how a record speaks for its parts."""

from collections.abc import Callable
from typing import Any

import pytest

from compliance import jurisdictions
from compliance.jurisdictions import RuleSet

Enact = Callable[..., RuleSet]
NOON = "2026-03-01T12:00:00Z"
RENEWED = {"fact": "law.ie_oasa_9_renewal", "is": "confirmed"}


def version(status: str) -> dict[str, Any]:
    more = {"sunset": {"renewal": RENEWED}, "superseded": {"successor": "xx-next"}}
    return {"from": "2020-01-01", "status": status} | more.get(status, {})


def ruled(rules: RuleSet, facts: dict[str, Any], *simulate: str) -> dict[str, Any]:
    return jurisdictions.rule_on(
        rules, facts=facts, clocks={}, rule_time=NOON, simulate=list(simulate)
    )


MET, UNMET, UNKNOWN = {"threat.imminent": True}, {"threat.imminent": False}, {}


class TestTheStatus:
    @pytest.mark.parametrize(
        ("status", "facts", "outcome", "certainties", "reasons"),
        [
            ("in_force", MET, "holds", ["firm"], []),
            ("in_force", UNMET, "fails", [], ["no_duty"]),
            ("in_force", UNKNOWN, "undetermined", ["possible"], []),
            # A preview keeps its outcome; what it asks for is possible until counsel adopts it.
            ("preview", MET, "holds", ["possible"], ["preview_rule"]),
            ("preview", UNMET, "fails", [], ["no_duty"]),
            ("preview", UNKNOWN, "undetermined", ["possible"], []),
            # A court suspended it: advice, whatever the facts, and none if they do not fit.
            ("suspended", MET, "suspended", [], ["no_duty", "suspended_rule"]),
            ("suspended", UNKNOWN, "suspended", [], ["no_duty", "suspended_rule"]),
            ("suspended", UNMET, "suspended", [], ["no_duty"]),
            # A sunset that nobody confirmed is open, never silently off.
            ("sunset", MET | {RENEWED["fact"]: "confirmed"}, "holds", ["firm"], []),
            ("sunset", MET | {RENEWED["fact"]: "lapsed"}, "fails", [], ["no_duty"]),
            ("sunset", MET, "undetermined", ["possible"], ["unknown_validity"]),
            ("sunset", UNKNOWN, "undetermined", ["possible"], ["unknown_validity"]),
            ("sunset", UNMET, "fails", [], ["no_duty"]),
            (
                "sunset", UNKNOWN | {RENEWED["fact"]: "confirmed"},
                "undetermined", ["possible"], [],
            ),
            ("superseded", MET, "not_in_force", [], ["no_duty"]),
            ("proposed", MET, "not_in_force", [], ["no_duty"]),
            ("proposed", UNKNOWN, "not_in_force", [], ["no_duty"]),
        ],
    )  # fmt: skip
    def test_decides_what_an_outcome_is_worth(
        self,
        enact: Enact,
        status: str,
        facts: dict[str, Any],
        outcome: str,
        certainties: list[str],
        reasons: list[str],
    ) -> None:
        confidence = "M" if status == "preview" else "H"
        said = ruled(
            enact({"xx-rule": {}}, versions=[version(status)], confidence=confidence), facts
        )
        assert said["rules"]["xx-rule"]["outcome"] == outcome
        assert said["rules"]["xx-rule"]["status"] == status
        assert [each["certainty"] for each in said["reports"]] == certainties
        assert [each["reason"] for each in said["human"]] == reasons

    def test_is_none_before_the_first_version(self, enact: Enact) -> None:
        rules = enact({"xx-rule": {}}, versions=[{"from": "2026-03-02", "status": "in_force"}])
        rule = ruled(rules, MET)["rules"]["xx-rule"]
        assert (rule["outcome"], rule["status"]) == ("not_in_force", None)

    @pytest.mark.parametrize("name", ["xx-rule", "xx-rule.a"])
    @pytest.mark.parametrize(
        ("facts", "outcome", "certainties"),
        [
            (MET, "simulated", ["simulated"]),
            (UNMET, "fails", []),
            (UNKNOWN, "undetermined", ["simulated"]),
        ],
    )
    def test_of_a_proposal_is_simulated_when_its_rule_or_record_is_named(
        self, enact: Enact, name: str, facts: Any, outcome: str, certainties: list[str]
    ) -> None:
        said = ruled(enact({"xx-rule.a": {}}, versions=[version("proposed")]), facts, name)
        assert said["rules"]["xx-rule"]["outcome"] == outcome
        assert [each["certainty"] for each in said["reports"]] == certainties

    def test_of_a_proposal_takes_no_effect_in_the_world_even_when_simulated(
        self, enact: Enact
    ) -> None:
        cells = {"fields": ["C_priv"], "to": ["us_gov"]}
        bar = {"mode": "prohibition", "versions": [version("in_force")]}
        rules = enact(
            {
                "xx-duty": {"versions": [version("in_force")]},
                "xx-bar": bar | {"then": {"strip": cells | {"code": "us_sca_2702a"}}},
                "xx-wider": {
                    "mode": "prohibition",
                    "then": {
                        "strip": {"fields": ["META"], "to": ["us_gov"], "code": "us_sca_2702a"},
                        "silence": {"until": "lifted", "towards": ["public"], "about": "report"},
                        "preserve": {"until": "lifted"},
                        "human": ["minor"],
                    },
                },
                "xx-lift": {"mode": "permission", "overrides": ["xx-bar"], "then": {"lift": cells}},
                "xx-keep": {"then": {"preserve": {"until": "lifted"}}},
            },
            versions=[version("proposed")],
        )
        facts = MET | {"data.available_classes": ["C_priv", "META"], "item.visibility": "public"}
        named = ("xx-wider", "xx-lift", "xx-keep")
        said = ruled(rules, facts, *named)
        assert {said["rules"][name]["outcome"] for name in named} == {"simulated"}
        assert said["barred"]["us_gov"] == ["C_priv"]
        assert (said["preserve"], said["silence"]) == (None, [])
        assert [each["reason"] for each in said["human"]] == ["conflict"]
        assert said["reports"][0]["release"] == ["META"]


class TestARecord:
    @pytest.mark.parametrize(
        ("first", "second", "outcome"),
        [
            ("in_force", "suspended", "holds"),
            ("suspended", "proposed", "suspended"),
            ("proposed", "superseded", "simulated"),
        ],
    )
    def test_reports_its_strongest_part(
        self, enact: Enact, first: str, second: str, outcome: str
    ) -> None:
        for one, other in ((first, second), (second, first)):
            rules = enact({
                "xx-rule.a": {"versions": [version(one)]},
                "xx-rule.b": {"versions": [version(other)]},
            })  # fmt: skip
            simulate = ["xx-rule"] if "proposed" in (one, other) else []
            said = ruled(rules, MET, *simulate)["rules"]
            assert said["xx-rule"]["outcome"] == outcome
            assert said["xx-rule"]["parts"] == ["xx-rule.a", "xx-rule.b"]
            assert said["xx-rule.a"]["parts"] == []

    @pytest.mark.parametrize(
        ("weaker", "stronger"),
        [
            ({"is": False}, {"is": True}),
            ({"fact": "item.contains_csam", "is": True}, {"is": True}),
            ({"is": False}, {"fact": "item.contains_csam", "is": True}),
        ],
    )
    def test_ranks_holds_before_open_before_fails(
        self, enact: Enact, weaker: dict[str, Any], stronger: dict[str, Any]
    ) -> None:
        fact = {"fact": "threat.imminent"}
        rules = enact(
            {"xx-rule.a": {"when": fact | weaker}, "xx-rule.b": {"when": fact | stronger}}
        )
        said = ruled(rules, MET)["rules"]
        assert said["xx-rule"]["outcome"] == said["xx-rule.b"]["outcome"]
        assert said["xx-rule.a"]["outcome"] != said["xx-rule.b"]["outcome"]

    def test_a_law_not_in_force_outranks_one_that_fails(self, enact: Enact) -> None:
        rules = enact({
            "xx-rule.a": {"when": {"fact": "threat.imminent", "is": False}},
            "xx-rule.b": {"versions": [version("superseded")]},
        })  # fmt: skip
        assert ruled(rules, MET)["rules"]["xx-rule"]["outcome"] == "not_in_force"

    def test_gathers_what_its_parts_still_need(self, enact: Enact) -> None:
        rules = enact({
            "xx-rule.a": {"when": {"fact": "item.contains_csam", "is": True}},
            "xx-rule.b": {"when": {"fact": "order.extended", "is": True}},
            "xx-rule.c": {},
        })  # fmt: skip
        said = ruled(rules, MET)["rules"]
        assert said["xx-rule"]["needs"] == ["item.contains_csam", "order.extended"]
        assert said["xx-rule"]["outcome"] == "holds"
        assert said["xx-rule.a"]["needs"] == ["item.contains_csam"]

    def test_of_one_rule_is_that_rule_and_has_no_parts(self, enact: Enact) -> None:
        said = ruled(enact({"xx-rule": {}}), MET)["rules"]
        assert list(said) == ["xx-rule"]
        assert said["xx-rule"] == {
            "outcome": "holds", "kind": "duty", "status": "in_force", "moment": NOON,
            "needs": [], "parts": [],
        }  # fmt: skip


class TestTheWholeCondition:
    @pytest.mark.parametrize(
        ("bound", "met", "exempt", "outcome"),
        [
            (True, True, False, "holds"),
            (False, True, False, "fails"),
            (True, False, False, "fails"),
            (True, True, True, "fails"),
            (None, True, False, "undetermined"),
            (True, None, False, "undetermined"),
            (True, True, None, "undetermined"),
            (False, None, None, "fails"),
            (None, None, True, "fails"),
        ],
    )
    def test_is_bound_and_triggered_and_not_exempt(
        self, enact: Enact, bound: bool, met: bool, exempt: bool, outcome: str
    ) -> None:
        rules = enact({"xx-rule": {
            "binds": {"fact": "provider.gdpr_applies", "is": True},
            "exempt": {"fact": "excuse.reasonable", "is": True},
        }})  # fmt: skip
        facts = {
            "provider.gdpr_applies": bound, "threat.imminent": met, "excuse.reasonable": exempt,
        }  # fmt: skip
        known = {name: value for name, value in facts.items() if value is not None}
        rule = ruled(rules, known)["rules"]["xx-rule"]
        assert rule["outcome"] == outcome
        unknown = sorted(facts.keys() - known.keys())
        assert rule["needs"] == (unknown if outcome == "undetermined" else [])
