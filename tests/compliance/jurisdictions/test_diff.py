"""Diff: what changed is told in words, and a situation shows what it changes."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance import jurisdictions
from compliance.jurisdictions import RuleSet, cases, diff
from compliance.jurisdictions.diff import DIFFERS, NOT_PROVED, SAME
from compliance.jurisdictions.solve import search

Enact = Callable[..., RuleSet]
NOON = "2026-03-01T12:00:00Z"
MET = {"fact": "threat.imminent", "is": True}
UNMET = {"fact": "threat.imminent", "is": False}
LIFE = {"fact": "threat.to", "includes": "life"}
BAR = {"fields": ["ID", "LOC"], "to": ["us_gov"], "code": "us_sca_2702a"}


def only(old: RuleSet, new: RuleSet) -> dict[str, Any]:
    (change,) = diff.changes(old, new)
    return change


def told(change: dict[str, Any], *kinds: str) -> list[tuple[Any, ...]]:
    return [
        tuple(each.values()) for each in change["consequences"] if each["what"] in (kinds or KINDS)
    ]


KINDS = ("outcome", "recipient", "due", "withhold", "preserve", "silence", "barred")


def report(*desks: str, hours: int = 1, **more: Any) -> dict[str, Any]:
    limit = {"words": "soon", "hours": {"imminent": hours, "otherwise": 24}}
    to = [{"authority": desk} for desk in desks]
    return {"report": {"fields": "available", "deadline": limit, "to": to} | more}


def timed(clock: str = "belief", **more: Any) -> dict[str, Any]:
    return {"trigger": {"nature": "event", "clock": clock}, "then": report("fbi")} | more


class TestChanges:
    def test_of_a_law_and_itself_are_none(self, law: RuleSet) -> None:
        assert diff.changes(law, law) == []

    def test_are_plain_data(self, law: RuleSet, enact: Enact) -> None:
        told = diff.changes(enact({"xx-a": {}}), enact({"xx-b": {}}))
        assert json.loads(jurisdictions.canonical(told)) == told
        assert [(each["rule"], each["change"]) for each in told] == [
            ("xx-a", "removed"), ("xx-b", "added"),
        ]  # fmt: skip

    def test_tell_a_rule_that_comes_and_one_that_goes(self, enact: Enact) -> None:
        small, large = enact({"xx-a": {}}), enact({"xx-a": {}, "xx-b": {"when": LIFE}})
        added, removed = only(small, large), only(large, small)
        assert added["change"] == "added"
        assert added["parts"]["title"] == {"old": "", "new": "A sample rule"}
        assert "exempt" not in added["parts"]
        assert removed["parts"]["title"] == {"old": "A sample rule", "new": ""}
        for change, sides in ((added, (None, "holds")), (removed, ("holds", None))):
            assert change["outcome"] == DIFFERS
            assert told(change, "outcome") == [("outcome", "xx-b", *sides)]

    def test_tell_a_part_in_its_old_and_its_new_text(self, enact: Enact) -> None:
        change = only(enact({"xx-a": {}}), enact({"xx-a": {"when": UNMET, "title": "Other"}}))
        assert change["parts"] == {
            "title": {"old": "A sample rule", "new": "Other"},
            "when": {"old": "A fact: is yes", "new": "A fact: is no"},
        }

    def test_show_a_situation_in_which_the_outcomes_differ(self, enact: Enact) -> None:
        change = only(enact({"xx-a": {}}), enact({"xx-a": {"when": {"all": [MET, LIFE]}}}))
        assert change["outcome"] == DIFFERS
        assert change["witness"]["facts"]["threat.imminent"] is True
        assert "life" not in change["witness"]["facts"]["threat.to"]
        assert told(change, "outcome", "recipient") == [
            ("outcome", "xx-a", "holds", "fails"), ("recipient", "fbi (duty)", ["firm"], None),
        ]  # fmt: skip

    def test_prove_that_other_words_mean_the_same(self, enact: Enact) -> None:
        twice = {"all": [MET, {"any": [MET, LIFE]}]}
        change = only(enact({"xx-a": {}}), enact({"xx-a": {"when": twice}}))
        assert (change["outcome"], change["witness"], change["consequences"]) == (SAME, None, [])
        spoken = {**MET, "says": "imminent"}
        change = only(enact({"xx-a": {}}), enact({"xx-a": {"when": spoken, "cite": "s.2"}}))
        assert change["parts"].keys() == {"citation", "when"}
        assert (change["outcome"], change["witness"]) == (SAME, None)

    def test_show_what_a_presumption_decides(self, enact: Enact) -> None:
        listed = {"fact": "threat.to", "includes_any": ["life", "safety"]}
        for test in (UNMET, listed):
            presumed = {"all": [MET, {"not": {**test, "presume": False}}]}
            plain = {"all": [MET, {"not": test}]}
            if test is UNMET:
                presumed["all"][0] = plain["all"][0] = LIFE
            old, new = enact({"xx-a": {"when": presumed}}), enact({"xx-a": {"when": plain}})
            for change, sides in (
                (only(old, new), ("holds", "undetermined")),
                (only(new, old), ("undetermined", "holds")),
            ):
                assert change["outcome"] == DIFFERS
                assert test["fact"] not in change["witness"]["facts"]
                assert told(change, "outcome") == [("outcome", "xx-a", *sides)]

    def test_say_what_is_not_proved(self, enact: Enact, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(search, "MOST_KINDS", 1)
        narrow = {"when": {"all": [LIFE, {"any": [LIFE, MET]}]}}
        change = only(enact({"xx-a": {"when": LIFE}}), enact({"xx-a": narrow}))
        assert (change["outcome"], change["witness"]) == (NOT_PROVED, None)

    def test_do_not_guess_where_a_fact_is_of_another_type(self, enact: Enact) -> None:
        old, new = enact({"xx-a": {}}), enact({"xx-a": {"when": LIFE}})
        facts = new.vocabulary.facts
        facts["threat.imminent"] = replace(facts["threat.imminent"], type="count")
        change = only(old, new)
        assert (change["outcome"], change["witness"]) == (NOT_PROVED, None)

    def test_find_the_day_on_which_versions_differ(self, enact: Enact) -> None:
        later = {"versions": [{"from": "2021-06-01", "status": "in_force"}]}
        change = only(enact({"xx-a": {}, "xx-b": {}}), enact({"xx-a": later, "xx-b": {}}))
        assert change["witness"]["rule_time"] == "2020-01-01T12:00:00Z"
        assert told(change, "outcome") == [("outcome", "xx-a", "holds", "not_in_force")]

    def test_find_the_time_at_which_clocks_differ(self, enact: Enact) -> None:
        change = only(enact({"xx-a": timed()}), enact({"xx-a": timed("suspicion")}))
        assert change["parts"].keys() == {"trigger"}
        assert change["outcome"] == NOT_PROVED  # no situation was found, and not all were tried
        assert told(change) == [
            ("due", "fbi (firm duty)", "2020-01-01T12:40:00Z", "2020-01-01T12:30:00Z")
        ]

    def test_show_what_a_change_of_consequences_changes(self, enact: Enact) -> None:
        wide = {"then": report("fbi", "europol", hours=2)}
        change = only(enact({"xx-a": timed()}), enact({"xx-a": timed(**wide)}))
        assert change["outcome"] == SAME
        assert told(change) == [
            ("recipient", "europol (duty)", None, ["firm"]),
            ("due", "fbi (firm duty)", "2020-01-01T12:40:00Z", "2020-01-01T13:40:00Z"),
        ]

    def test_show_the_hours_of_a_threat_that_is_not_imminent(self, enact: Enact) -> None:
        calm = report("fbi")
        calm["report"]["deadline"]["hours"]["otherwise"] = 48
        old, new = timed(when=LIFE), timed(when=LIFE, then=calm)
        change = only(enact({"xx-a": old}), enact({"xx-a": new}))
        assert change["witness"]["facts"]["threat.imminent"] is False
        assert told(change) == [
            ("due", "fbi (firm duty)", "2020-01-02T11:40:00Z", "2020-01-03T11:40:00Z")
        ]

    def test_name_another_country_for_each_fact_that_names_recipients(self, enact: Enact) -> None:
        places = ["offence.location", "suspect.location", "home_state"]
        old, new = (
            {"then": {"report": {"fields": "available", "first_of": [
                {"when": LIFE, "to": [{"authority": "ms-authority", "each_of": each}]},
                {"to": [{"authority": "europol"}]},
            ]}}}
            for each in (places[:2], places)
        )  # fmt: skip
        change = only(enact({"xx-a": old}), enact({"xx-a": new}))
        assert told(change) == [("recipient", "garda (duty)", None, ["firm"])]
        assert change["witness"]["facts"]["provider.main_establishment"] == "IE"

    def test_show_what_a_bar_strips_beside_somebody_who_is_told(self, enact: Enact) -> None:
        bar = {"mode": "prohibition", "when": LIFE, "then": {"strip": BAR}}
        less = bar | {"then": {"strip": BAR | {"fields": ["ID"]}}}
        change = only(enact({"xx-a": {}, "xx-b": bar}), enact({"xx-a": {}, "xx-b": less}))
        assert change["outcome"] == SAME
        assert told(change) == [
            ("withhold", "fbi (firm duty)", {"LOC": "us_sca_2702a"}, {}),
            ("barred", "us_gov", ["ID", "LOC"], ["ID"]),
        ]
        policy = {"when": LIFE, "then": {"strip": BAR | {"code": "minor"}}}
        fewer = policy | {"then": {"strip": BAR | {"code": "minor", "fields": ["ID"]}}}
        laws = [enact({"xx-a": {}}, {"house-a": each}) for each in (policy, fewer)]
        change = only(*laws)
        assert told(change) == [("withhold", "fbi (firm duty)", {"LOC": "minor"}, {})]
        assert change["outcome"] == SAME

    def test_show_what_is_kept_and_who_is_told_nothing(self, enact: Enact) -> None:
        hush = {"until": "lifted", "towards": ["public"], "about": "report"}
        keep = {"preserve": {"for": "P6M", "from": "removal"}, "silence": hush}
        bar = {"mode": "prohibition", "then": {"strip": BAR}}
        change = only(
            enact({"xx-a": bar}), enact({"xx-a": bar | {"then": keep | {"human": ["minor"]}}})
        )
        assert told(change, "preserve", "silence", "human") == [
            ("preserve", "until", None, "2020-07-01T11:20:00Z"),
            ("silence", "public", None, "lifted"),
            ("human", "minor", None, True),
        ]

    def test_show_what_a_proposed_rule_would_change(self, enact: Enact) -> None:
        plan = {"versions": [{"from": "2020-01-01", "status": "proposed"}]}
        change = only(enact({"xx-a": {}}), enact({"xx-a": {}, "xx-b": plan | {"when": LIFE}}))
        assert change["witness"]["simulate"] == ["xx-b"]
        assert told(change, "outcome", "recipient") == [
            ("outcome", "xx-b", None, "simulated"),
            ("recipient", "fbi (duty)", ["firm"], ["firm", "simulated"]),
        ]

    def test_show_each_rule_apart_from_what_else_changed(self, enact: Enact) -> None:
        old = enact({"xx-a": {"when": LIFE}, "xx-b": {}})
        new = enact({"xx-a": {}, "xx-b": {"then": {"human": ["minor"]}}})
        first, second = diff.changes(old, new)
        assert told(first) == [
            ("outcome", "xx-a", "fails", "holds"), ("recipient", "fbi (duty)", None, ["firm"]),
        ]  # fmt: skip
        assert told(second, "outcome", "recipient", "human") == [("human", "minor", None, True)]

    def test_know_the_words_of_both_laws(self, enact: Enact) -> None:
        old, new = enact({"xx-a": {}}), enact({"xx-a": {}, "xx-b": {"when": LIFE}})
        facts = dict(old.vocabulary.facts)
        facts["threat.to"] = replace(facts["threat.to"], values=("property",))
        old.vocabulary.facts = facts
        change = only(old, new)
        assert "life" in change["witness"]["facts"]["threat.to"]
        assert change["outcome"] == DIFFERS

    @pytest.mark.slow
    @given(data=st.data())
    def test_have_a_witness_that_really_differs(self, enact: Enact, data: st.DataObject) -> None:
        settled = {"fact": "location.dsa_ms_identification", "is": "identified"}
        leaf = st.sampled_from([MET, UNMET, LIFE, settled, {**LIFE, "presume": False}])
        condition = st.builds(
            lambda branch, parts: {branch: parts},
            st.sampled_from(["all", "any"]), st.lists(leaf, min_size=1, max_size=3),
        )  # fmt: skip
        rule = st.builds(
            lambda when, hours: timed(when=when, then=report("fbi", hours=hours)),
            condition, st.sampled_from([1, 2]),
        )  # fmt: skip
        laws = [enact({"xx-a": data.draw(rule), "xx-b": {}}) for _ in range(2)]
        for change in diff.changes(*laws):
            assert change["witness"] is not None or change["outcome"] == SAME
            if change["witness"]:
                before, after = (
                    jurisdictions.rule_on(rules, **change["witness"]) for rules in laws
                )
                assert diff.replayed(before, after) == change["consequences"] != []
                outcomes = [each["rules"]["xx-a"]["outcome"] for each in (before, after)]
                assert (outcomes[0] != outcomes[1]) == (change["outcome"] == DIFFERS)


class TestReplayed:
    @pytest.mark.slow
    def test_finds_nothing_between_a_determination_and_itself(
        self, law: RuleSet, golden: dict[str, cases.Case]
    ) -> None:
        for case in golden.values():
            if case.kind == "determine":
                said = jurisdictions.rule_on(law, **case.given)
                assert diff.replayed(said, said) == []

    def test_passes_over_a_rule_that_comes_to_nothing(self, enact: Enact) -> None:
        asked = {
            "facts": {"threat.imminent": True},
            "clocks": {},
            "rule_time": NOON,
        }
        idle = {"when": UNMET}
        before = jurisdictions.rule_on(enact({"xx-a": {}}), **asked)
        after = jurisdictions.rule_on(enact({"xx-a": {}, "xx-b": idle}), **asked)
        assert diff.replayed(before, after) == diff.replayed(after, before) == []

    def test_names_a_report_that_went_once_and_not_by_its_time_as_well(self, enact: Enact) -> None:
        asked = {
            "facts": {"threat.imminent": True}, "clocks": {"belief": "2026-03-01T11:00:00Z"},
            "rule_time": NOON,
        }  # fmt: skip
        before = jurisdictions.rule_on(enact({"xx-a": timed()}), **asked)
        after = jurisdictions.rule_on(enact({"xx-a": timed(when=UNMET)}), **asked)
        assert [each["what"] for each in diff.replayed(before, after)] == [
            "outcome", "recipient", "human",
        ]  # fmt: skip

    def test_names_a_rule_that_went_out_of_force(self, enact: Enact) -> None:
        asked = {
            "facts": {"threat.imminent": False},
            "clocks": {},
            "rule_time": NOON,
        }
        gone = {"versions": [{"from": "2030-01-01", "status": "in_force"}]}
        before = jurisdictions.rule_on(enact({"xx-a": {}}), **asked)
        after = jurisdictions.rule_on(enact({"xx-a": gone}), **asked)
        assert diff.replayed(before, after) == [
            {"what": "outcome", "of": "xx-a", "before": "fails", "after": "not_in_force"}
        ]
