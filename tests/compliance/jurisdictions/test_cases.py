"""Cases: the golden answers are given, and a runner that is told a falsehood says so."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from compliance import releases
from compliance.jurisdictions import Problems, RuleSet, cases
from compliance.jurisdictions.cases import Case, Verdict, judge

Enact = Callable[..., RuleSet]
NOON = "2026-03-01T12:00:00Z"
JOURNEYS = "G19 G28b G38 G43b G44"

ENTRY: dict[str, Any] = {
    "id": "C1", "title": "A sample", "kind": "determine", "rule_time": NOON,
    "facts": {}, "expect": {"human": ["no_duty"]},
}  # fmt: skip
JOURNEY: dict[str, Any] = {
    "id": "J1", "title": "A journey", "kind": "journey",
    "given": ["a"], "when": ["b"], "then": ["c"],
}  # fmt: skip


@pytest.mark.every_law
class TestTheGoldenCases:
    @pytest.mark.slow
    def test_are_all_judged_and_none_differs(self, law: RuleSet, golden: dict[str, Case]) -> None:
        verdicts = {name: judge(law, case) for name, case in golden.items()}
        assert [each.differences for each in verdicts.values() if each.differences] == []
        journeys = {name for name, each in verdicts.items() if each.status == "journey"}
        assert journeys == {*JOURNEYS.split()}
        passed = {name for name, each in verdicts.items() if each.status == "passed"}
        assert passed | journeys == verdicts.keys()

    @pytest.mark.slow
    def test_are_the_same_for_every_run(self, law: RuleSet, golden: dict[str, Case]) -> None:
        again = cases.read(law, releases.shipped_cases())
        assert [vars(judge(law, each)) for each in again] == [
            vars(judge(law, each)) for each in golden.values()
        ]


def without(listed: list[Any], to: str) -> list[Any]:
    return [each for each in listed if each["to"] != to]


def changed(case: Case, **expect: Any) -> Case:
    return replace(case, expect=copy.deepcopy(dict(case.expect)) | expect)


def of_report(case: Case, of: str, **changes: Any) -> Case:
    """The case with one of its expected reports changed."""
    reports = [each | (changes if each["to"] == of else {}) for each in case.expect["reports"]]
    return changed(case, reports=reports)


class TestAFalseExpectation:
    """G13 passes as it stands; each change below makes it say what is not so."""

    @pytest.fixture
    def case(self, golden: dict[str, Case]) -> Case:
        return golden["G13"]

    def differs(self, law: RuleSet, case: Case) -> dict[str, tuple[Any, Any]]:
        verdict = judge(law, case)
        assert verdict.status == "differs"
        return {each["key"]: (each["expected"], each["found"]) for each in verdict.differences}

    @pytest.mark.parametrize(
        ("rule", "outcome", "found"),
        [
            ("eu-dsa-18", "fails", "holds"),
            ("eu-dsa-18.vlop", "holds", "fails"),
            ("us-sca-block", "undetermined", "holds"),
            ("us-rrota-s2372", "simulated", "not_in_force"),
        ],
    )
    def test_of_an_outcome_is_found(
        self, law: RuleSet, case: Case, rule: str, outcome: str, found: str
    ) -> None:
        wrong = changed(case, rules=case.expect["rules"] | {rule: outcome})
        assert self.differs(law, wrong) == {f"rules.{rule}": (outcome, found)}

    @pytest.mark.parametrize(
        ("changes", "wanted"),
        [
            ({"to": "garda"}, "one firm report"),
            ({"kind": "permission"}, "one firm report"),
            ({"certainty": "possible"}, "one possible report"),
            ({"certainty": "simulated"}, "one simulated report"),
        ],
    )
    def test_of_a_report_is_found(
        self, law: RuleSet, case: Case, changes: dict[str, str], wanted: str
    ) -> None:
        there = ["bka (duty, firm)", "fbi (permission, firm)", "ms-authority@? (duty, possible)"]
        wrong = changed(of_report(case, "bka", **changes), reports_exact=False)
        key = f"reports.{changes.get('to', 'bka')}"
        assert self.differs(law, wrong) == {key: (wanted, there)}

    @pytest.mark.parametrize(
        ("to", "changes", "key", "expected", "found"),
        [
            ("bka", {"because": ["eu-dsa-18", "eu-tco-14-5"]}, "because",
             ["eu-dsa-18", "eu-tco-14-5"], ["eu-dsa-18"]),
            ("bka", {"because": ["eu-tco-14-5"]}, "because", ["eu-tco-14-5"], ["eu-dsa-18"]),
            ("bka", {"due": "2026-03-01T09:40:01Z"}, "due",
             "2026-03-01T09:40:01Z", "2026-03-01T09:40:00Z"),
            ("bka", {"due": None}, "due", None, "2026-03-01T09:40:00Z"),
            ("fbi", {"withhold": ["META", "SUSP"]}, "withhold", ["META", "SUSP"], ["META", "SUSP"]),
            ("bka", {"release": ["C_priv"]}, "release", ["C_priv"],
             ["C_pub", "ID", "LOC", "META", "SUB", "SUSP", "TRAF"]),
            ("fbi", {"release": ["META", "PAY"]}, "release", ["META", "PAY"],
             ["C_priv", "C_pub", "ID", "LOC", "META", "SUB", "SUSP", "TRAF"]),
            ("bka", {"codes": {"C_priv": "not_required"}}, "codes",
             {"C_priv": "not_required"}, {"C_priv": "us_sca_2702a"}),
            ("bka", {"codes": {"META": "minor"}}, "codes", {"META": "minor"}, {"META": None}),
        ],
    )  # fmt: skip
    def test_of_what_a_report_holds_is_found(
        self, law: RuleSet, case: Case, to: str, changes: Any, key: str, expected: Any, found: Any
    ) -> None:
        wrong = of_report(case, to, **changes)
        assert self.differs(law, wrong) == {f"reports.{to}.{key}": (expected, found)}

    def test_of_who_alone_is_told_is_found(self, law: RuleSet, case: Case) -> None:
        fewer = changed(case, reports=without(case.expect["reports"], "bka"))
        assert self.differs(law, fewer) == {"reports_exact": ([], ["bka"])}
        more = changed(case, reports=[*case.expect["reports"], {"to": "europol"}])
        assert self.differs(law, more)["reports_exact"] == (["bka", "europol"], ["bka"])
        assert judge(law, changed(fewer, reports_exact=False)).status == "passed"

    @pytest.mark.parametrize("to", ["bka", "fbi", "ms-authority@?"])
    def test_of_who_is_not_told_is_found(self, law: RuleSet, case: Case, to: str) -> None:
        wrong = changed(case, absent_reports_to=["europol", to])
        assert self.differs(law, wrong) == {"absent_reports_to": (["europol", to], [to])}

    def test_of_who_is_not_told_forgives_a_simulation(
        self, law: RuleSet, golden: dict[str, Case]
    ) -> None:
        verdict = judge(law, changed(golden["G17"], absent_reports_to=["fbi"]))
        assert verdict.status == "passed"

    @pytest.mark.parametrize(
        ("barred", "key", "found"),
        [
            ({"foreign_gov": []}, "foreign_gov", ["C_priv"]),
            ({"foreign_gov": ["C_priv", "ID"]}, "foreign_gov", ["C_priv"]),
            ({"us_gov": ["C_priv"]}, "us_gov", []),
        ],
    )
    def test_of_what_is_barred_is_found(
        self, law: RuleSet, case: Case, barred: dict[str, list[str]], key: str, found: list[str]
    ) -> None:
        wrong = changed(case, barred=barred)
        assert self.differs(law, wrong) == {f"barred.{key}": (barred[key], found)}

    @pytest.mark.parametrize(
        "clashes",
        [
            [],
            [{"to": "europol"}],
            [{"fields": ["C_priv", "ID"]}],
            [{"duties": ["eu-tco-14-5"]}],
            [{"duties": ["eu-dsa-18", "eu-tco-14-5"]}],
            [{"prohibitions": ["us-rrota-s2372"]}],
            [{}, {"to": "europol"}],
            [{}, {}],
        ],
    )
    def test_of_a_conflict_is_found(
        self, law: RuleSet, case: Case, clashes: list[dict[str, Any]]
    ) -> None:
        (there,) = case.expect["conflicts"]
        wrong = changed(case, conflicts=[there | each for each in clashes])
        expected, found = self.differs(law, wrong)["conflicts"]
        assert found == [["bka", ["C_priv"], ["eu-dsa-18"], ["us-sca-block"]]]
        assert len(expected) == len(clashes)

    def test_of_a_persons_task_is_found(self, law: RuleSet, case: Case) -> None:
        wrong = changed(case, human=["conflict", "minor"])
        assert self.differs(law, wrong) == {
            "human": (["conflict", "minor"], ["conflict"]),
        }  # fmt: skip

    def test_names_each_thing_that_is_false(self, law: RuleSet, case: Case) -> None:
        wrong = of_report(changed(case, human=["minor"]), "bka", due=None, because=["eu-tco-14-5"])
        assert self.differs(law, wrong).keys() == {
            "reports.bka.because", "reports.bka.due", "human",
        }  # fmt: skip


@pytest.fixture(scope="module")
def rules(enact: Enact) -> RuleSet:
    """A small law that keeps, silences and tells one desk twice."""
    silence = {"for": "P6W", "from": "order", "towards": ["affected_user"], "about": "report"}
    cells = {"fields": ["C_priv"], "to": ["us_gov"]}
    return enact({
        "xx-duty": {},
        "xx-may": {"mode": "permission"},
        "xx-keep": {"then": {"preserve": {"for": "P6M", "from": "order"}}},
        "xx-hush": {"mode": "prohibition", "then": {"silence": silence}},
        "xx-bar": {"mode": "prohibition", "then": {"strip": cells | {"code": "us_sca_2702a"}}},
    })  # fmt: skip


class TestASample:
    def judged(self, rules: RuleSet, expect: dict[str, Any], **changes: Any) -> Verdict:
        entry = {
            "id": "C1", "title": "A sample", "kind": "determine", "rule_time": NOON,
            "clocks": {"order": "2026-02-20T00:00:00Z"},
            "facts": {
                "threat.imminent": True, "item.visibility": "public",
                "data.available_classes": ["META", "STAFF"],
            },
            "expect": expect,
        }  # fmt: skip
        text = json.dumps({"schema": "cases/1", "cases": [entry | changes]})
        (case,) = cases.read(rules, {"sample.cases.yaml": text})
        return judge(rules, case)

    @pytest.mark.parametrize(
        ("until", "status"),
        [
            ("2026-08-20T00:00:00Z", "passed"),
            ("2026-08-20T00:00:01Z", "differs"),
            ("open", "differs"),
            (None, "differs"),
        ],
    )
    def test_is_compared_by_how_long_it_keeps(
        self, rules: RuleSet, until: str | None, status: str
    ) -> None:
        verdict = self.judged(rules, {"preserve_until": until})
        assert verdict.status == status
        assert [(each["key"], each["expected"], each["found"]) for each in verdict.differences] == (
            [("preserve_until", until, "2026-08-20T00:00:00Z")] if status == "differs" else []
        )

    @pytest.mark.parametrize(
        ("changes", "status"),
        [
            ({}, "passed"),
            ({"until": None}, "differs"),
            ({"until": "2026-04-03T00:00:01Z"}, "differs"),
            ({"towards": ["affected_user", "public"]}, "differs"),
            ({"because": ["xx-hush", "xx-keep"]}, "differs"),
            ({"because": ["xx-keep"]}, "differs"),
        ],
    )
    def test_is_compared_by_its_silence(
        self, rules: RuleSet, changes: dict[str, Any], status: str
    ) -> None:
        silence = {
            "towards": ["affected_user"], "until": "2026-04-03T00:00:00Z", "because": ["xx-hush"],
        } | changes  # fmt: skip
        verdict = self.judged(rules, {"silence": silence})
        assert verdict.status == status
        assert [each["key"] for each in verdict.differences] == ["silence"] * (status == "differs")

    def test_that_expects_no_silence_is_false_while_one_lasts(self, rules: RuleSet) -> None:
        (found,) = self.judged(rules, {"silence": None}).differences
        assert (found["key"], found["expected"]) == ("silence", None)
        assert found["found"][0]["because"] == ["xx-hush"]

    def test_that_expects_nothing_kept_and_none_silent_passes_where_it_is_so(
        self, enact: Enact
    ) -> None:
        verdict = self.judged(enact({"xx-duty": {}}), {"silence": None, "preserve_until": None})
        assert verdict.status == "passed"

    def test_with_two_reports_to_one_desk_must_say_which_it_means(self, rules: RuleSet) -> None:
        for kind in ("duty", "permission"):
            assert self.judged(rules, {"reports": [{"to": "fbi", "kind": kind}]}).status == "passed"
        (found,) = self.judged(rules, {"reports": [{"to": "fbi"}]}).differences
        assert found["found"] == ["fbi (duty, firm)", "fbi (permission, firm)"]

    @pytest.mark.parametrize("expect", [{"human": ["no_duty"]}, {"reports": []}, {"rules": {}}])
    def test_never_passes_with_a_class_that_stands_withheld(
        self, rules: RuleSet, expect: dict[str, Any]
    ) -> None:
        lost = copy.copy(rules.vocabulary)
        lost.standing = frozenset()
        verdict = self.judged(replace(rules, vocabulary=lost), expect | {"reports": []})
        assert {"key": "reports.fbi", "expected": "no standing class", "found": "STAFF"} in (
            verdict.differences
        )
        assert verdict.status == "differs"

    @pytest.mark.parametrize(
        "expect",
        [
            {"rules": {"de-stgb-138": "holds"}},
            {"reports": [{"to": "fbi", "kind": "duty", "because": ["de-stgb-138", "xx-duty"]}]},
            {"silence": {"towards": ["public"], "until": None, "because": ["uk-tact-39"]}},
            {"conflicts": [{
                "to": "fbi", "fields": ["ID"], "duties": ["xx-duty"],
                "prohibitions": ["uk-tact-39"],
            }]},
            {"conflicts": [{
                "to": "fbi", "fields": ["ID"], "duties": ["nz-tsa-43"], "prohibitions": ["xx-bar"],
            }]},
        ],
        ids=["outcome", "report", "silence", "prohibition", "duty"],
    )  # fmt: skip
    def test_that_names_a_law_which_is_not_there_is_refused_wherever_it_does(
        self, rules: RuleSet, expect: dict[str, Any]
    ) -> None:
        with pytest.raises(Problems, match=r"the rule '(de-stgb-138|uk-tact-39|nz-tsa-43)'"):
            self.judged(rules, expect)
        with pytest.raises(Problems, match=r"the rule 'nz-tsa-43'"):
            self.judged(rules, {"human": ["minor"]}, simulate=["nz-tsa-43"])

    def test_that_is_a_journey_is_counted_and_not_judged(self, rules: RuleSet) -> None:
        journey = {
            "id": "J1", "title": "A journey", "kind": "journey",
            "given": ["a state"], "when": ["a step"], "then": ["an end"],
        }  # fmt: skip
        text = json.dumps({"schema": "cases/1", "cases": [journey]})
        (case,) = cases.read(rules, {"journeys.yaml": text})
        assert vars(judge(rules, case)) == vars(Verdict("J1", "A journey"))


class TestRead:
    def refusals(self, law: RuleSet, *entries: dict[str, Any], **heads: Any) -> list[str]:
        text = json.dumps({"schema": "cases/1", "cases": list(entries)} | heads)
        with pytest.raises(Problems) as refused:
            cases.read(law, {"sample.cases.yaml": text})
        assert {each.file for each in refused.value.problems} == {"sample.cases.yaml"}
        found = [f"{each.path}: {each.message}" for each in refused.value.problems]
        return [each.removeprefix("cases[0].") for each in found]

    def test_lays_the_facts_of_a_case_over_its_profile_over_the_defaults(
        self, law: RuleSet
    ) -> None:
        heads = {
            "defaults": {
                "threat.imminent": True, "threat.to": ["life"], "order.extended": None,
                "item.status": "live",
            },
            "profiles": {
                "P-1": {"threat.to": [], "item.status": None, "provider.size": "small"},
                "P-2": {"provider.size": "micro"},
            },
        }  # fmt: skip
        entry = ENTRY | {
            "profile": "P-1", "facts": {"threat.imminent": None, "provider.size": "large"},
        }  # fmt: skip
        text = json.dumps({"schema": "cases/1", "cases": [entry]} | heads)
        (case,) = cases.read(law, {"sample.cases.yaml": text})
        assert case.given == {
            "rule_time": NOON, "clocks": {}, "simulate": [],
            "facts": {"threat.to": [], "provider.size": "large"},
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("changes", "refusal"),
        [
            # What would never be compared could only pass.
            ({"expect": {}}, "expect: expects nothing."),
            ({"expect": {"notes": "Nothing."}}, "expect: expects nothing."),
            (
                {"then": ["it is refused"]},
                "then: a determine case has no 'then'; nothing would compare it.",
            ),
            # A slip in a name would be taken for a law that is not shipped yet.
            (
                {"expect": {"rules": {"eu-dsa-81": "holds"}}},
                "expect.rules: the rule 'eu-dsa-81' is not known; did you mean 'eu-dsa-18'.",
            ),
            (
                {"expect": {"rules": {"eu-dsa-18.nobody": "holds"}}},
                "expect.rules: the rule 'eu-dsa-18.nobody' is not known; did you mean "
                "'eu-dsa-18.vlop'.",
            ),
            (
                {"expect": {"rules": {"us-842p": "holds"}}},
                "expect.rules: the rule 'us-842p' is not known.",
            ),
            (
                {"simulate": ["us-rrota-s2327"]},
                "simulate: the rule 'us-rrota-s2327' is not known; did you mean "
                "'us-rrota-s2372'.",
            ),
            (
                {"expect": {"reports": [{"to": "bka", "because": ["eu-dsa-19"]}]}},
                "expect.reports[0].because: the rule 'eu-dsa-19' is not known; did you "
                "mean 'eu-dsa-18'.",
            ),
            # A report is addressed to the desk that stands for it, never to its other name.
            (
                {"expect": {"absent_reports_to": ["ms-authority@DE"]}},
                "expect: a report to ms-authority@DE is addressed to bka; name that.",
            ),
            (
                {"expect": {"reports": [{"to": "ms-authority@IE"}]}},
                "expect: a report to ms-authority@IE is addressed to garda; name that.",
            ),
            (
                {"expect": {"absent_reports_to": ["bkaa"]}},
                "expect: the authority 'bkaa' is not known; did you mean 'bka'.",
            ),
            (
                {"expect": {"barred": {"us_govt": []}}},
                "expect: the recipient class 'us_govt' is not known; did you mean 'us_gov'.",
            ),
            (
                {"expect": {"barred": {"us_gov": ["C_prv"]}}},
                "expect: the class 'C_prv' is not known; did you mean 'C_priv'.",
            ),
            *(
                (
                    {"expect": {"reports": [{"to": "bka"} | wrong]}},
                    "expect: the class 'C_prv' is not known; did you mean 'C_priv'.",
                )
                for wrong in (
                    {"release": ["C_prv"]}, {"withhold": ["C_prv"]}, {"codes": {"C_prv": "minor"}},
                )
            ),
            (
                {"expect": {"reports": [{"to": "bka", "codes": {"ID": "minors"}}]}},
                "expect: the code 'minors' is not known; did you mean 'minor'.",
            ),
            (
                {"expect": {"human": ["no_duties"]}},
                "expect: the reason 'no_duties' is not known; did you mean 'no_duty'.",
            ),
            (
                {"expect": {"silence": {
                    "towards": ["user"], "until": None, "because": ["uk-tact-39"],
                }}},
                "expect: the party 'user' is not known.",
            ),
            (
                {"facts": {"threat.imminent": "yes"}},
                "facts.threat.imminent: threat.imminent must be true or false, not 'yes'.",
            ),
            (
                {"facts": {"threat.iminent": None}},
                "facts.threat.iminent: the fact 'threat.iminent' is not known; did you "
                "mean 'threat.imminent'.",
            ),
            (
                {"profile": "P-3"},
                "profile: the profile 'P-3' is not known; did you mean 'P-1'.",
            ),
            # What the evaluator would refuse is refused before any case runs, with its case.
            (
                {"clocks": {"believe": NOON}},
                "cases[0]: clocks.believe: the clock 'believe' is not known; did you mean "
                "'belief'.",
            ),
            (
                {"clocks": {"rule_time": NOON}},
                "cases[0]: clocks.rule_time: the clock 'rule_time' is not known.",
            ),
            ({"clocks": {"belief": [NOON]}}, "cases[0]: clocks.belief: must be one time."),
            (
                {"simulate": ["eu-dsa-18"]},
                "cases[0]: simulate[0]: eu-dsa-18 is not a proposed rule; it is law already.",
            ),
            # Shapes.
            (
                {"expect": {"reports_exact": "true"}},
                "expect.reports_exact: must be true or false, not 'true'.",
            ),
            (
                {"expect": {"rules": {"eu-dsa-18": "maybe"}}},
                "expect.rules.eu-dsa-18: must be one of holds, fails, undetermined, "
                "not_in_force, suspended, simulated, not 'maybe'.",
            ),
            (
                {"expect": {"silence": []}},
                "expect.silence: must be a table, not a list.",
            ),
            (
                {"expect": {"preserve_until": "closed"}},
                "expect.preserve_until: must be a time such as '2026-03-01T09:00:00Z', "
                "not 'closed'.",
            ),
            (
                {"expect": {"absent": ["bka"]}},
                "expect.absent: the key 'absent' is not known.",
            ),
        ],
    )  # fmt: skip
    def test_refuses_a_case_that_could_pass_by_a_slip(
        self, law: RuleSet, changes: dict[str, Any], refusal: str
    ) -> None:
        profiles = {"P-1": {"provider.size": "small"}}
        assert self.refusals(law, ENTRY | changes, profiles=profiles) == [refusal]

    @pytest.mark.parametrize(
        ("entry", "refusal"),
        [
            (
                {key: value for key, value in ENTRY.items() if key != missing},
                f"cases[0]: a determine case needs {missing!r}.",
            )
            for missing in ("rule_time", "expect")
        ]
        + [
            (
                {key: value for key, value in JOURNEY.items() if key != missing},
                f"cases[0]: a journey case needs {missing!r}.",
            )
            for missing in ("given", "when", "then")
        ]
        + [
            (
                JOURNEY | {"expect": {"human": ["no_duty"]}},
                "expect: a journey case has no 'expect'; nothing would compare it.",
            ),
            (
                JOURNEY | {"facts": {}},
                "facts: a journey case has no 'facts'; nothing would compare it.",
            ),
        ],
    )
    def test_wants_of_each_kind_what_it_needs_and_no_more(
        self, law: RuleSet, entry: dict[str, Any], refusal: str
    ) -> None:
        assert self.refusals(law, entry) == [refusal]

    def test_checks_the_defaults_and_every_profile(self, law: RuleSet) -> None:
        heads = {"defaults": {"item.status": "gone"}, "profiles": {"P-1": {"threat.to": "life"}}}
        found = self.refusals(law, ENTRY, **heads)
        assert [each.partition(": ")[0] for each in found] == [
            "defaults.item.status", "profiles.P-1.threat.to",
        ]  # fmt: skip

    def test_takes_a_number_once(self, law: RuleSet) -> None:
        assert self.refusals(law, ENTRY, ENTRY) == ["cases[1].id: the case C1 exists already."]

    def test_names_every_file_that_cannot_be_read(self, law: RuleSet) -> None:
        good = json.dumps({"schema": "cases/1", "cases": [ENTRY]})
        with pytest.raises(Problems) as refused:
            cases.read(law, {"b.yaml": "cases: [", "a.yaml": "schema: cases/2", "c.yaml": good})
        assert [each.file for each in refused.value.problems] == ["a.yaml", "a.yaml", "b.yaml"]

    def test_reads_every_file_in_the_order_of_names(self, law: RuleSet) -> None:
        texts = {
            name: json.dumps({"schema": "cases/1", "cases": [ENTRY | {"id": name}]})
            for name in ("b", "a")
        }
        assert [case.id for case in cases.read(law, texts)] == ["a", "b"]


def told(*entries: dict[str, Any]) -> dict[str, str]:
    return {"sample.cases.yaml": json.dumps({"schema": "cases/1", "cases": [*entries]})}


class TestPassing:
    def test_are_the_cases_that_a_law_gives(self, enact: Enact) -> None:
        law = enact({"xx-1": {}})
        wrong = ENTRY | {"id": "C2", "expect": {"rules": {"xx-1": "holds"}}}
        assert cases.passing(
            law, told(ENTRY | {"expect": {"rules": {"xx-1": "undetermined"}}}, wrong, JOURNEY)
        ) == {"C1"}

    def test_are_not_those_that_speak_of_another_law(self, enact: Enact) -> None:
        other = ENTRY | {"id": "C2", "expect": {"rules": {"xx-2": "undetermined"}}}
        mine = ENTRY | {"expect": {"rules": {"xx-1": "undetermined"}}}
        assert cases.passing(enact({"xx-1": {}}), told(other, mine)) == {"C1"}
        assert cases.passing(enact({"xx-2": {}}), told(other, mine)) == {"C2"}

    def test_are_not_told_of_a_file_of_another_form(self, enact: Enact) -> None:
        with pytest.raises(Problems, match="has no 'cases'"):
            cases.passing(enact({"xx-1": {}}), {"sample.cases.yaml": '{"schema": "cases/1"}'})


class TestTurned:
    def test_names_what_passes_no_more_and_what_passes_now(self) -> None:
        assert cases.turned({"a", "b", "c"}, {"e", "d", "b"}) == {
            "newly_failing": ["a", "c"], "newly_passing": ["d", "e"],
        }  # fmt: skip
