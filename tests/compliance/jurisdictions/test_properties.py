"""Properties: what is true of every set of rules, whatever their conditions and whoever asks."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance import jurisdictions
from compliance.jurisdictions import RuleSet, cases, logic
from compliance.jurisdictions.logic import FAILS, NAMES, UNDETERMINED
from tests.compliance.jurisdictions.chance import (
    Plain,
    conditions_of,
    leaf,
    pairs_of_sheets,
    presumptive,
    read_plainly,
    sheets_of,
    whole_of,
)

ROOT = Path(__file__).resolve().parents[3]
NOON = "2026-03-01T12:00:00Z"
FLAGS = ("threat.imminent", "order.extended", "excuse.reasonable", "item.contains_csam")
VALUES: dict[str, list[Any]] = {name: [True, False] for name in FLAGS} | {
    "offence.location": [[], ["DE"], ["FR"], ["DE", "FR"]]
}
LEAVES = [
    *(leaf(name, value=value) for name in FLAGS for value in VALUES[name]),
    leaf("offence.location", "includes", "DE"),
    leaf("offence.location", "includes_any", ["DE", "FR"]),
    leaf("offence.location", "includes_none", ["FR"]),
]
SIGHTS = [
    *(leaf("item.visibility", op, "public") for op in ("is", "is_not")),
    *(leaf("item.visibility", op, ["one_to_one", "public"]) for op in ("in", "not_in")),
]
conditions, sheets, wholes = conditions_of(LEAVES), sheets_of(VALUES), whole_of(VALUES)
SEEN = {
    "item.visibility": "public",
    "data.available_classes": ["C_pub", "C_priv", "META", "ID", "STAFF"],
}
ANYTHING: Plain = {"all": []}


def said(rules: RuleSet, facts: Plain) -> Plain:
    return jurisdictions.rule_on(rules, facts=SEEN | facts, clocks={}, rule_time=NOON)


def dealt(data: st.DataObject, rules: RuleSet, *names: str) -> RuleSet:
    """The same rules, these of them on conditions that chance deals out."""
    dealt_out = {name: replace(rules.rules[name], when=data.draw(conditions)) for name in names}
    return replace(rules, rules={**rules.rules, **dealt_out})


def cells(*fields: str, to: tuple[str, ...]) -> Plain:
    return {"fields": list(fields), "to": list(to)}


@pytest.fixture(scope="module")
def clashing(enact: Callable[..., RuleSet]) -> RuleSet:
    """Two duties, a permission that lifts, two prohibitions and a policy: all may clash."""
    content = cells("C_priv", "ID", to=("us_gov", "foreign_gov"))
    names, public = cells("META", "ID", to=("us_gov",)), cells("C_pub", to=("us_gov",))
    return enact(
        {
            "xx-a": {"then": {"report": {"fields": ["META", "ID"], "to": [{"authority": "fbi"}]}}},
            "xx-b": {"then": {"report": {"fields": "available", "to": [{"authority": "bka"}]}}},
            "xx-may": {
                "mode": "permission",
                "overrides": ["xx-content"],
                "then": {
                    "lift": cells("C_priv", "ID", to=("us_gov",)),
                    "report": {"fields": "available", "to": [{"authority": "fbi"}]},
                },
            },
            "xx-content": {
                "mode": "prohibition",
                "then": {"strip": content | {"code": "us_sca_2702a"}},
            },
            "xx-names": {
                "mode": "prohibition",
                "then": {"strip": names | {"code": "gdpr_transfer"}},
            },
        },
        policies={"house-a": {"then": {"strip": public | {"code": "minor"}}}},
    )


ALL = ("xx-a", "xx-b", "xx-may", "xx-content", "xx-names", "house-a")
BARS = ("xx-content", "xx-names")
CLASS = {"fbi": "us_gov", "bka": "foreign_gov"}


class TestCompiled:
    @given(presumptive, pairs_of_sheets)
    def test_weighs_as_the_condition_does(self, condition: Plain, of: tuple[Plain, Plain]) -> None:
        function = logic.compiled(condition)
        for facts in of:
            assert function(facts) == logic.weigh(condition, facts)

    @given(presumptive, pairs_of_sheets)
    def test_asks_for_what_leaves_the_condition_open(
        self, condition: Plain, of: tuple[Plain, Plain]
    ) -> None:
        wanted = logic.seeking(condition)
        for facts in of:
            if logic.weigh(condition, facts) == UNDETERMINED:
                assert wanted(facts) == logic.needs(condition, facts)

    @pytest.mark.parametrize("branch", ["all", "any"])
    def test_of_nothing_is_as_the_condition_is(self, branch: str) -> None:
        for condition in ({branch: []}, {branch: [{"any": []}, {"all": []}]}):
            assert logic.compiled(condition)({}) == logic.weigh(condition, {})


class TestAClass:
    @given(data=st.data(), of=sheets)
    def test_leaves_exactly_when_a_rule_asks_for_it_and_every_bar_fails(
        self, clashing: RuleSet, data: st.DataObject, of: tuple[Plain, Plain]
    ) -> None:
        rules = dealt(data, clashing, *ALL)
        found = said(rules, of[0])
        weights = {name: logic.weigh(rules.rules[name].own, of[0]) for name in ALL}
        for name, weight in weights.items():
            assert found["rules"][name]["outcome"] == NAMES[weight]

        def barring(field: str, to: str) -> list[str]:
            struck = {
                name for name in BARS if weights["xx-may"] == 1
                and name in rules.rules["xx-may"].overrides
                and within(rules.rules["xx-may"].then["lift"], field, to)
            }  # fmt: skip
            return [
                name for name in BARS
                if weights[name] != -1 and name not in struck
                and within(rules.rules[name].then["strip"], field, to)
            ]  # fmt: skip

        available = SEEN["data.available_classes"]
        for to, barred in found["barred"].items():
            assert barred == sorted(field for field in available if barring(field, to))
        for report in found["reports"]:
            to = CLASS[report["to"]]
            kept_back = {
                field for field in available if barring(field, to) or field == "STAFF"
                or (weights["house-a"] != -1 and (field, to) == ("C_pub", "us_gov"))
            }  # fmt: skip
            asked = {"META", "ID"} if report["because"] == ["xx-a"] else {*available}
            assert {*report["release"]} == asked - kept_back
            assert report["withhold"].keys() == {*available} - {*report["release"]}

    @given(data=st.data(), of=sheets)
    def test_is_kept_back_in_the_open_never_with_its_report(
        self, clashing: RuleSet, data: st.DataObject, of: tuple[Plain, Plain]
    ) -> None:
        rules = dealt(data, clashing, *ALL)
        free = {name: rule for name, rule in rules.rules.items() if name not in BARS}
        unbarred = said(replace(rules, rules=free), of[0])["reports"]
        found = said(rules, of[0])
        assert [(each["to"], each["kind"], each["certainty"]) for each in found["reports"]] == [
            (each["to"], each["kind"], each["certainty"]) for each in unbarred
        ]
        for report in found["reports"]:
            if (report["kind"], report["certainty"]) != ("duty", "firm"):
                continue
            asked = {"META", "ID"} if report["to"] == "fbi" else {*SEEN["data.available_classes"]}
            clashes = [each for each in found["conflicts"] if each["to"] == report["to"]]
            fields = [field for each in clashes for field in each["fields"]]
            assert sorted(fields) == sorted(
                field
                for field, code in report["withhold"].items()
                if field in asked and code in ("us_sca_2702a", "gdpr_transfer")
            )
            assert all(each["blocking"] == (not report["release"]) for each in clashes)

    @pytest.mark.slow
    @given(data=st.data(), of=sheets)
    def test_that_may_leave_still_may_when_more_is_known(
        self, clashing: RuleSet, data: st.DataObject, of: tuple[Plain, Plain]
    ) -> None:
        rules = dealt(data, clashing, *ALL)
        before, after = (said(rules, facts) for facts in of)
        for to, barred in before["barred"].items():
            assert {*after["barred"][to]} <= {*barred}
        known = {(each["to"], each["kind"]): each for each in after["reports"]}
        for report in before["reports"]:
            if report["certainty"] == "firm":
                later = known[report["to"], report["kind"]]
                assert later["certainty"] == "firm"
                assert {*report["release"]} <= {*later["release"]}


def within(bounds: Plain, field: str, to: str) -> bool:
    return field in bounds["fields"] and to in bounds["to"]


DESKS = ("fbi", "bka", "europol", "ncmec")


@pytest.fixture(scope="module")
def chained(enact: Callable[..., RuleSet]) -> RuleSet:
    """A duty that always holds, to report to one desk."""
    rules = enact({"xx-chain": {}})
    return replace(rules, rules={"xx-chain": replace(rules.rules["xx-chain"], when=ANYTHING)})


def chain(data: st.DataObject, rules: RuleSet) -> tuple[RuleSet, list[Plain | None]]:
    """The duty with a chain of steps, each to a desk of its own; the last may be for the rest."""
    whens: list[Plain | None] = data.draw(st.lists(conditions, min_size=1, max_size=3))
    if data.draw(st.booleans()):
        whens = [*whens, None]
    steps = [
        {"when": when, "way": "to", "recipients": [{"authority": desk}]}
        for when, desk in zip(whens, DESKS, strict=False)
    ]
    then = {"report": {"deadline": None, "fields": "available", "steps": steps}}
    return replace(rules, rules={"xx-chain": replace(rules.rules["xx-chain"], then=then)}), whens


def told(found: Plain) -> dict[str, str]:
    return {each["to"]: each["certainty"] for each in found["reports"]}


class TestAChain:
    @given(data=st.data(), facts=wholes)
    def test_is_the_first_step_that_holds_when_everything_is_known(
        self, chained: RuleSet, data: st.DataObject, facts: Plain
    ) -> None:
        rules, whens = chain(data, chained)
        taken = [
            desk
            for when, desk in zip(whens, DESKS, strict=False)
            if when is None or read_plainly(when, facts)
        ]
        assert told(said(rules, facts)) == dict.fromkeys(taken[:1], "firm")

    @given(data=st.data(), of=sheets)
    def test_has_one_firm_step_at_most_which_stays_and_candidates_only_go(
        self, chained: RuleSet, data: st.DataObject, of: tuple[Plain, Plain]
    ) -> None:
        rules, _ = chain(data, chained)
        before, after = (told(said(rules, facts)) for facts in of)
        assert {*after} <= {*before}
        firm = [to for to, certainty in before.items() if certainty == "firm"]
        assert len(firm) <= 1
        assert not firm or after == before == {firm[0]: "firm"}

    @given(data=st.data(), of=sheets, whole=wholes)
    def test_is_settled_by_what_it_asks_for(
        self, chained: RuleSet, data: st.DataObject, of: tuple[Plain, Plain], whole: Plain
    ) -> None:
        rules, _ = chain(data, chained)
        found = said(rules, of[0])
        asked = found["rules"]["xx-chain"]["needs"]
        assert bool(asked) == ("possible" in told(found).values())
        learned = of[0] | {name: whole[name] for name in asked}
        assert {*told(said(rules, learned)).values()} <= {"firm"}


class TestWhatIsOpen:
    @pytest.mark.slow
    @given(data=st.data(), of=sheets, whole=wholes)
    def test_lists_the_facts_that_settle_it_and_no_others_do(
        self, clashing: RuleSet, data: st.DataObject, of: tuple[Plain, Plain], whole: Plain
    ) -> None:
        rules, facts = dealt(data, clashing, *ALL), of[0]
        found = said(rules, facts)
        needs = {name: found["rules"][name]["needs"] for name in ALL}
        assert {each["fact"] for each in found["questions"]} == {
            fact for asked in needs.values() for fact in asked
        }
        for name, asked in needs.items():
            is_open = found["rules"][name]["outcome"] == "undetermined"
            assert bool(asked) == is_open
            if is_open:
                told_it = facts | {fact: whole[fact] for fact in asked}
                untold = {fact: value for fact, value in whole.items() if fact not in asked}
                assert said(rules, told_it)["rules"][name]["outcome"] != "undetermined"
                assert said(rules, untold | facts)["rules"][name]["outcome"] == "undetermined"


class TestWhatIsAssumed:
    @given(condition=conditions_of([*LEAVES, *SIGHTS]), of=sheets)
    def test_is_every_value_with_which_an_open_bar_stands(
        self, clashing: RuleSet, condition: Plain, of: tuple[Plain, Plain]
    ) -> None:
        bar = replace(clashing.rules["xx-names"], when=condition)
        rules, facts = replace(clashing, rules={**clashing.rules, "xx-names": bar}), of[0]
        found = jurisdictions.rule_on(rules, facts=facts, clocks={}, rule_time=NOON)
        read_as = {each["fact"]: each["as"] for each in found["assumed"] if each["for"] == bar.id}
        values = {"item.visibility": rules.vocabulary.facts["item.visibility"].values}
        for name in logic.needs(bar.own, facts):
            every = values.get(name, VALUES[name] if name in FLAGS else ())
            stands = [
                each for each in every if logic.weigh(bar.own, {**facts, name: each}) != FAILS
            ]
            some = sorted(stands) if len(stands) < len(every) else None
            assert read_as.pop(name) == (stands[0] if len(stands) == 1 else some)
        assert not read_as


class TestACertificate:
    @pytest.mark.slow
    @given(data=st.data(), of=sheets)
    def test_is_accepted_by_the_checker_and_refused_when_anything_in_it_is_changed(
        self, clashing: RuleSet, data: st.DataObject, of: tuple[Plain, Plain]
    ) -> None:
        rules, facts = dealt(data, clashing, *ALL), SEEN | of[0]
        proofs = jurisdictions.explain(rules, facts=facts, clocks={}, rule_time=NOON)
        for name, rule in rules.rules.items():
            proof = json.loads(json.dumps(proofs[name]["when"]))
            assert logic.accepts(rule.when, proof, facts)
            table, key = data.draw(st.sampled_from(list(places(proof))))
            table[key] = changed(table[key])
            assert not logic.accepts(rule.when, proof, facts)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in plain data at which a single value stands."""
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(part, dict | list):
            yield from places(part)
        else:
            yield value, key


def changed(value: Any) -> Any:
    return not value if isinstance(value, bool) else f"{value}x"


@pytest.mark.slow
class TestTheHash:
    def test_does_not_hang_on_the_order_of_sets_or_keys(
        self, law: RuleSet, golden: dict[str, cases.Case], texts: dict[str, str]
    ) -> None:
        given = [golden[name].given for name in ("G01a", "G02", "G13", "G17", "G28a")]
        ours = [jurisdictions.rule_on(law, **each)["sha256"] for each in given]
        for seed in ("0", "1", "2"):
            backwards = [each | {"facts": dict(reversed(each["facts"].items()))} for each in given]
            done = subprocess.run(
                [sys.executable, "-c", SCRIPT],
                cwd=ROOT, env={"PYTHONHASHSEED": seed}, check=True, capture_output=True, text=True,
                input=json.dumps([dict(reversed(texts.items())), backwards]),
            )  # fmt: skip
            assert done.stdout.split() == ours


SCRIPT = """
import json, sys
from compliance import jurisdictions
texts, given = json.load(sys.stdin)
law = jurisdictions.read(texts)
for each in given:
    print(jurisdictions.rule_on(law, **each)["sha256"])
"""
