"""Reports: who is told, how surely, by when, and where laws clash."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from compliance import jurisdictions
from compliance.jurisdictions import RuleSet

Enact = Callable[..., RuleSet]
NOON = "2026-03-01T12:00:00Z"
KNOWN = {
    "threat.imminent": True,
    "item.visibility": "public",
    "suspect.age_band": "adult",
    "data.available_classes": ["C_pub", "C_priv", "META", "ID", "STAFF"],
}
MET = {"fact": "threat.imminent", "is": True}
OPEN = {"fact": "order.extended", "is": True}


def report(*to: str, way: str = "to", **more: Any) -> dict[str, Any]:
    """A report to these desks; `desk@fact` is one desk for each country that the fact names."""
    desks = [_desk(name) for name in to]
    return {"report": {"fields": "available", way: desks} | more}


def _desk(name: str) -> dict[str, Any]:
    authority, _, fact = name.partition("@")
    return {"authority": authority, "each_of": [fact]} if fact else {"authority": authority}


def chain(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"report": {"fields": "available", "first_of": list(steps)} | more}


def step(when: dict[str, Any] | None, *to: str, way: str = "to") -> dict[str, Any]:
    return {way: [_desk(name) for name in to]} | ({"when": when} if when else {})


def said(rules: RuleSet, facts: dict[str, Any] | None = None, **clocks: Any) -> dict[str, Any]:
    return jurisdictions.rule_on(rules, facts=KNOWN | (facts or {}), clocks=clocks, rule_time=NOON)


def told(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Who is told, and how surely."""
    return [(each["to"], each["certainty"]) for each in found["reports"]]


class TestMerge:
    def test_makes_one_report_of_two_duties_towards_one_desk(self, enact: Enact) -> None:
        due = {"words": "soon", "hours": {"imminent": 4, "otherwise": 24}}
        sooner = {"words": "at once", "hours": {"imminent": 1, "otherwise": 2}}
        trigger = {"nature": "event", "clock": "belief", "words": "knows"}
        rules = enact({
            "xx-a": {"trigger": trigger, "then": report("bka", deadline=due, fields=["META"])},
            "xx-b.x": {"trigger": trigger, "then": report("bka", deadline=sooner, fields=["ID"])},
            "xx-b.y": {"then": report("bka", fields=["SUB"])},
        })  # fmt: skip
        assert said(rules, belief="2026-03-01T10:00:00Z")["reports"] == [{
            "to": "bka", "instead": [], "kind": "duty", "certainty": "firm",
            "because": ["xx-a", "xx-b"], "due": "2026-03-01T11:00:00Z",
            "release": ["ID", "META"],
            "withhold": {"C_priv": "not_required", "C_pub": "not_required", "STAFF": "standing"},
        }]  # fmt: skip

    def test_merges_the_two_names_of_one_desk(self, enact: Enact) -> None:
        rules = enact({
            "xx-a": {"then": report("bka", "garda")},
            "xx-b": {"then": report("ms-authority@offence.location")},
        })  # fmt: skip
        found = said(rules, {"offence.location": ["DE", "IE", "FR", "US"]})
        assert told(found) == [("bka", "firm"), ("garda", "firm"), ("ms-authority@FR", "firm")]
        assert found["reports"][0]["because"] == ["xx-a", "xx-b"]

    def test_keeps_kinds_and_certainties_apart(self, enact: Enact) -> None:
        rules = enact({
            "xx-firm": {"then": report("fbi")},
            "xx-open": {"when": OPEN, "then": report("fbi")},
            "xx-may": {"mode": "permission", "then": report("fbi")},
            "xx-fails": {"when": {"not": MET}, "then": report("fbi")},
        })  # fmt: skip
        found = said(rules)["reports"]
        assert [(each["kind"], each["certainty"], each["because"]) for each in found] == [
            ("duty", "firm", ["xx-firm"]),
            ("duty", "possible", ["xx-open"]),
            ("permission", "firm", ["xx-may"]),
        ]

    @pytest.mark.parametrize(
        ("imminent", "due"),
        [
            (True, "2026-03-01T11:00:00Z"),
            (None, "2026-03-01T11:00:00Z"),
            (False, "2026-03-02T10:00:00Z"),
        ],
    )
    def test_runs_the_short_timer_unless_the_threat_is_known_not_to_be_imminent(
        self, enact: Enact, imminent: bool | None, due: str
    ) -> None:
        limit = {"words": "soon", "hours": {"imminent": 1, "otherwise": 24}}
        rules = enact({"xx-a": {
            "when": {"fact": "item.visibility", "is": "public"},
            "trigger": {"nature": "event", "clock": "belief", "words": "knows"},
            "then": report("fbi", deadline=limit),
        }, "xx-b": {"when": {"fact": "item.visibility", "is": "public"}}})  # fmt: skip
        facts = {name: value for name, value in KNOWN.items() if name != "threat.imminent"}
        if imminent is not None:
            facts["threat.imminent"] = imminent
        found = jurisdictions.rule_on(
            rules, facts=facts, clocks={"belief": "2026-03-01T10:00:00Z"}, rule_time=NOON
        )
        assert found["reports"][0]["due"] == due
        timer = {"fact": "threat.imminent", "as": True, "for": "timer"}
        assert (timer in found["assumed"]) is (imminent is None)
        untimed = jurisdictions.rule_on(rules, facts=facts, clocks={}, rule_time=NOON)
        assert untimed["reports"][0]["due"] is None
        assert timer not in untimed["assumed"]


class TestARecipientOfEach:
    @pytest.mark.parametrize(
        ("facts", "expected"),
        [
            ({"offence.location": ["AT", "US"]}, [("ms-authority@AT", "firm")]),
            (
                {"offence.location": {"known": ["AT", "US"], "closed": False}},
                [("ms-authority@?", "possible"), ("ms-authority@AT", "firm")],
            ),
            (
                {"offence.location": {"known": ["US"], "closed": False}},
                [("ms-authority@?", "possible")],
            ),
            ({}, [("ms-authority@?", "possible")]),
            # A duty that would tell nobody is a question, not silence.
            ({"offence.location": []}, [("ms-authority@?", "possible")]),
            ({"offence.location": ["US"]}, [("ms-authority@?", "possible")]),
        ],
    )  # fmt: skip
    def test_is_firm_as_far_as_the_states_are_known(
        self, enact: Enact, facts: dict[str, Any], expected: list[tuple[str, str]]
    ) -> None:
        rules = enact({"xx-a": {"then": report("ms-authority@offence.location")}})
        found = said(rules, facts)
        assert told(found) == expected
        open_set = facts.get("offence.location", {"closed": False})
        asked = [] if isinstance(open_set, list) else ["offence.location"]
        assert found["rules"]["xx-a"]["needs"] == asked

    @pytest.mark.parametrize(
        ("headquarters", "representative", "asked"),
        [
            (None, None, ["provider.eu_legal_rep", "provider.main_establishment"]),
            (None, "IE", ["provider.main_establishment"]),
            ("US", None, ["provider.eu_legal_rep"]),
            ("US", "none", []),
            ("DE", None, []),
        ],
    )
    def test_asks_for_all_that_tells_the_home_state(
        self, enact: Enact, headquarters: str, representative: str, asked: list[str]
    ) -> None:
        home = {
            "provider.main_establishment": headquarters, "provider.eu_legal_rep": representative,
        }  # fmt: skip
        known = {name: value for name, value in home.items() if value}
        rules = enact({"xx-a": {"then": report("ms-contact-point@home_state")}})
        assert said(rules, known)["rules"]["xx-a"]["needs"] == asked

    def test_that_is_not_known_is_barred_like_any_other_of_its_kind(self, enact: Enact) -> None:
        cells = {"fields": ["C_priv"], "to": ["foreign_gov"], "code": "us_sca_2702a"}
        rules = enact({
            "xx-a": {"then": report("ms-contact-point@home_state")},
            "xx-bar": {"mode": "prohibition", "then": {"strip": cells}},
        })  # fmt: skip
        (found,) = said(rules)["reports"]
        assert (found["to"], found["withhold"]["C_priv"]) == ("ms-contact-point@?", "us_sca_2702a")


class TestAChain:
    IDENTIFIED = {"fact": "location.dsa_ms_identification", "is": "identified"}
    IMPOSSIBLE = {"fact": "location.dsa_ms_identification", "is": "impossible"}

    @pytest.mark.parametrize(
        ("first", "second", "expected"),
        [
            (True, True, [("fbi", "firm")]),
            (True, None, [("fbi", "firm")]),
            (False, True, [("bka", "firm")]),
            (False, False, [("garda", "firm")]),
            # Behind an open step nothing is settled: not the next step, and not the last.
            (None, True, [("bka", "possible"), ("fbi", "possible")]),
            (None, False, [("fbi", "possible"), ("garda", "possible")]),
            (None, None, [("bka", "possible"), ("fbi", "possible"), ("garda", "possible")]),
            (False, None, [("bka", "possible"), ("garda", "possible")]),
        ],
    )
    def test_takes_the_first_step_whose_condition_holds(
        self, enact: Enact, first: bool, second: bool, expected: list[tuple[str, str]]
    ) -> None:
        rules = enact({"xx-a": {"then": chain(
            step({"fact": "order.extended", "is": True}, "fbi"),
            step({"fact": "order.nondisclosure", "is": True}, "bka"),
            step(None, "garda"),
        )}})  # fmt: skip
        facts = {"order.extended": first, "order.nondisclosure": second}
        known = {name: value for name, value in facts.items() if value is not None}
        found = said(rules, known)
        assert told(found) == expected
        needed = {"firm": [], "possible": sorted(facts.keys() - known.keys())}
        assert found["rules"]["xx-a"]["needs"] == needed[expected[0][1]]

    def test_without_a_step_that_fits_tells_nobody(self, enact: Enact) -> None:
        rules = enact({"xx-a": {"then": chain(step(self.IDENTIFIED, "fbi"))}})
        assert told(said(rules, {"location.dsa_ms_identification": "impossible"})) == []

    def test_asks_nothing_of_a_rule_that_fails(self, enact: Enact) -> None:
        rules = enact({"xx-a": {"when": {"not": MET}, "then": chain(step(self.IDENTIFIED, "fbi"))}})
        assert said(rules)["rules"]["xx-a"]["needs"] == []

    def test_may_want_all_of_several(self, enact: Enact) -> None:
        rules = enact({"xx-a": {"then": chain(step(None, "fbi", "europol", way="all_of"))}})
        assert told(said(rules)) == [("europol", "firm"), ("fbi", "firm")]


class TestAnAlternative:
    def test_goes_to_the_first_named(self, enact: Enact) -> None:
        found = said(enact({"xx-a": {"then": report("fbi", "bka", "garda", way="any_of")}}))
        assert told(found) == [("fbi", "firm")]
        assert found["reports"][0]["instead"] == ["bka", "garda"]

    def test_names_the_others_in_order(self, enact: Enact) -> None:
        desks = ("pharos", "ofac", "ncmec", "garda", "fbi", "europol", "bka")
        found = said(enact({"xx-a": {"then": report(*desks, way="any_of")}}))
        assert found["reports"][0]["instead"] == sorted(desks[1:])

    def test_goes_to_whom_a_firm_duty_tells_already(self, enact: Enact) -> None:
        rules = enact({
            "xx-a": {"then": report("fbi", "bka", "garda", way="any_of")},
            "xx-b": {"then": report("garda")},
        })  # fmt: skip
        found = said(rules)
        assert told(found) == [("garda", "firm")]
        assert found["reports"][0]["because"] == ["xx-a", "xx-b"]
        assert found["reports"][0]["instead"] == ["bka", "fbi"]

    @pytest.mark.parametrize(
        "other",
        [
            {"when": OPEN, "then": report("garda")},
            {"mode": "permission", "then": report("garda")},
            {"when": {"not": MET}, "then": report("garda")},
        ],
    )
    def test_is_not_drawn_by_what_is_no_firm_duty(
        self, enact: Enact, other: dict[str, Any]
    ) -> None:
        rules = enact({"xx-a": {"then": report("fbi", "garda", way="any_of")}, "xx-b": other})
        assert ("fbi", "firm") in told(said(rules))

    @pytest.mark.parametrize(
        ("states", "expected", "instead"),
        [
            (["AT"], ("ms-authority@AT", "firm"), ["europol"]),
            (None, ("ms-authority@?", "possible"), ["europol"]),
            (
                {"known": ["AT"], "closed": False},
                ("ms-authority@AT", "firm"),
                ["europol", "ms-authority@?"],
            ),
        ],
    )
    def test_is_firm_if_the_first_named_is_known(
        self, enact: Enact, states: Any, expected: tuple[str, str], instead: list[str]
    ) -> None:
        rules = enact(
            {"xx-a": {"then": report("ms-authority@offence.location", "europol", way="any_of")}}
        )
        found = said(rules, {"offence.location": states} if states else {})
        assert told(found) == [expected]
        assert found["reports"][0]["instead"] == instead

    def test_is_firm_towards_whom_a_firm_duty_tells_though_the_first_is_not_known(
        self, enact: Enact
    ) -> None:
        desks = ("ms-authority@offence.location", "europol")
        rules = enact({
            "xx-a": {"then": report(*desks, way="any_of")}, "xx-b": {"then": report("europol")},
        })  # fmt: skip
        found = said(rules)
        assert told(found) == [("europol", "firm")]
        assert found["reports"][0]["because"] == ["xx-a", "xx-b"]

    @pytest.mark.parametrize(
        "states",
        [
            ["IE", "FR", "DE", "AT"],
            ["FR", "DE", "AT"],
            ["IE", "DE", "AT"],
            ["IE", "FR"],
        ],
    )
    def test_of_many_states_goes_to_the_first_by_name(
        self, enact: Enact, states: list[str]
    ) -> None:
        rules = enact({"xx-a": {"then": report("ms-authority@offence.location", way="any_of")}})
        found = said(rules, {"offence.location": states})
        assert told(found) == [(f"ms-authority@{min(states)}", "firm")]

    def test_of_whom_nobody_is_known_stays_possible(self, enact: Enact) -> None:
        rules = enact({"xx-a": {"then": report("ms-authority@offence.location", way="any_of")}})
        assert told(said(rules)) == [("ms-authority@?", "possible")]


class TestAConflict:
    BAR = {"fields": ["C_priv", "ID", "STAFF"], "to": ["us_gov"], "code": "us_sca_2702a"}

    def rules(self, enact: Enact, **changes: dict[str, Any]) -> RuleSet:
        plain: dict[str, dict[str, Any]] = {
            "xx-duty": {"then": report("fbi")},
            "xx-bar": {"mode": "prohibition", "then": {"strip": self.BAR}},
        }
        changed = {f"xx-{name}": value for name, value in changes.items()}
        return enact(
            {name: plain.get(name, {}) | changed.get(name, {}) for name in plain | changed}
        )

    def test_is_a_class_that_a_firm_duty_asks_for_and_a_bar_strips(self, enact: Enact) -> None:
        found = said(self.rules(enact))
        (clash,) = found["conflicts"]
        id_ = clash.pop("id")
        assert clash == {
            "to": "fbi", "fields": ["C_priv", "ID"], "duties": ["xx-duty"],
            "prohibitions": ["xx-bar"], "blocking": False, "interim": "withhold",
        }  # fmt: skip
        named = {key: clash[key] for key in ("to", "fields", "duties", "prohibitions")}
        assert id_ == jurisdictions.digest(named)
        assert found["human"] == [{"reason": "conflict", "because": ["xx-duty"]}]
        assert found["reports"][0]["release"] == ["C_pub", "META"]

    def test_has_the_same_name_whatever_else_changes(self, enact: Enact) -> None:
        later = said(self.rules(enact, other={"then": report("bka")}), {"excuse.reasonable": True})
        assert later["conflicts"][0]["id"] == said(self.rules(enact))["conflicts"][0]["id"]

    @pytest.mark.parametrize(
        ("exempt", "raised"),
        [
            ({"fact": "excuse.reasonable", "is": True}, True),
            ({"fact": "order.extended", "is": True}, False),
        ],
    )
    def test_calls_counsel_where_the_duty_knows_a_reasonable_excuse(
        self, enact: Enact, exempt: dict[str, Any], raised: bool
    ) -> None:
        known = {"excuse.reasonable": False, "order.extended": False}
        found = said(self.rules(enact, duty={"exempt": exempt}), known)
        asked = {"reason": "reasonable_excuse", "because": ["xx-duty"]}
        assert (asked in found["human"]) is raised

    def test_calls_counsel_where_one_part_of_the_duty_knows_an_excuse(self, enact: Enact) -> None:
        excuse = {"exempt": {"fact": "excuse.reasonable", "is": True}}
        parts = {"xx-duty.a": excuse, "xx-duty.b": {}}
        rules = enact({
            **{name: {"then": report("fbi")} | part for name, part in parts.items()},
            "xx-bar": {"mode": "prohibition", "then": {"strip": self.BAR}},
        })  # fmt: skip
        found = said(rules, {"excuse.reasonable": False})
        assert {"reason": "reasonable_excuse", "because": ["xx-duty"]} in found["human"]

    def test_that_leaves_nothing_blocks_and_is_never_silent(self, enact: Enact) -> None:
        found = said(self.rules(enact), {"data.available_classes": ["C_priv", "STAFF"]})
        assert found["reports"][0]["release"] == []
        assert found["reports"][0]["certainty"] == "firm"
        assert found["conflicts"][0]["blocking"] is True
        assert found["human"] == [
            {"reason": "blocking_conflict", "because": ["xx-duty"]},
            {"reason": "conflict", "because": ["xx-duty"]},
        ]

    @pytest.mark.parametrize(
        "changes",
        [
            {"duty": {"when": OPEN}},
            {"duty": {"mode": "permission"}},
            {"duty": {"then": report("fbi", fields=["META"])}},
            {"duty": {"then": report("bka")}},
            {"bar": {"when": {"not": MET}}},
            {"bar": {"then": {"strip": BAR | {"fields": ["STAFF"]}}}},
        ],
        ids=["open", "permission", "not asked for", "elsewhere", "no bar", "standing"],
    )
    def test_needs_a_firm_duty_and_a_bar_on_what_it_asks_for(
        self, enact: Enact, changes: dict[str, Any]
    ) -> None:
        assert said(self.rules(enact, **changes))["conflicts"] == []

    def test_arises_with_a_bar_that_is_open(self, enact: Enact) -> None:
        found = said(self.rules(enact, bar={"when": OPEN}))
        assert [each["fields"] for each in found["conflicts"]] == [["C_priv", "ID"]]

    def test_is_one_for_each_pair_of_sides(self, enact: Enact) -> None:
        more = {"strip": {"fields": ["ID"], "to": ["us_gov"], "code": "gdpr_transfer"}}
        found = said(
            self.rules(
                enact,
                more={"mode": "prohibition", "then": more},
                meta={"then": report("fbi", fields=["META", "ID"])},
            )
        )
        assert [(c["fields"], c["duties"], c["prohibitions"]) for c in found["conflicts"]] == [
            (["C_priv"], ["xx-duty"], ["xx-bar"]),
            (["ID"], ["xx-duty", "xx-meta"], ["xx-bar", "xx-more"]),
        ]
        assert found["reports"][0]["withhold"]["ID"] == "us_sca_2702a"

    def test_names_classes_duties_and_bars_in_order(self, enact: Enact) -> None:
        fields = ["C_priv", "C_pub", "ID", "LOC", "META", "PAY", "SUB", "SUSP", "TRAF"]
        others = {f"xx-{letter}": {"then": report("fbi")} for letter in "qwertz"}
        bars = {
            f"xx-bar-{letter}": {
                "mode": "prohibition",
                "then": {"strip": {**self.BAR, "fields": fields[::-1]}},
            }
            for letter in "uiopas"
        }
        found = said(enact(others | bars), {"data.available_classes": fields[::-1]})
        (conflict,) = found["conflicts"]
        assert conflict["fields"] == fields
        assert conflict["duties"] == sorted(others)
        assert conflict["prohibitions"] == sorted(bars)

    def test_never_sets_a_duty_of_policy_against_a_statute(self, enact: Enact) -> None:
        # The reader refuses a duty of policy; the evaluator does not rely on that.
        rules = self.rules(enact)
        policy = {**rules.rules, "xx-duty": replace(rules.rules["xx-duty"], rank="policy")}
        found = said(replace(rules, rules=policy))
        assert found["conflicts"] == []
        assert found["reports"][0]["withhold"]["C_priv"] == "us_sca_2702a"
