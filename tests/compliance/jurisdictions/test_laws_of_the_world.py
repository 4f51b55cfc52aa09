"""The laws outside the Union and the United States, through time: what bound whom, and when."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from compliance import jurisdictions, releases
from compliance.jurisdictions import RuleSet, cases
from compliance.jurisdictions.determine.moments import written

HOLDS, FAILS, OPEN = "holds", "fails", "undetermined"
NOT_YET, SUSPENDED = "not_in_force", "suspended"
SECOND_LIMB = {"assistance.prevention": False, "assistance.prosecution": True}
CONFIRMED: dict[str, Any] = {}
UNCONFIRMED = {"law.ie_oasa_9_renewal": None}
LAPSED = {"law.ie_oasa_9_renewal": "lapsed"}

Ask = Callable[..., dict[str, Any]]


def reasons(said: dict[str, Any]) -> set[str]:
    """What a person must look at."""
    return {each["reason"] for each in said["human"]}


def due(said: dict[str, Any], to: str) -> tuple[str, str | None]:
    """How sure the one report to a desk is, and when it is due."""
    (report,) = (each for each in said["reports"] if each["to"] == to)
    return report["certainty"], report["due"]


def told(said: dict[str, Any]) -> set[str]:
    """Who is told anything, surely or perhaps."""
    return {each["to"] for each in said["reports"]}


@pytest.fixture(scope="module")
def beside(law: RuleSet) -> dict[str, list[cases.Case]]:
    """The cases that stand beside a book of the world, by its regime."""
    return {
        name.partition(".")[0]: cases.read(law, {name: text})
        for name, text in releases.shipped_cases().items()
        if not name.startswith(("cases", "eu-", "house", "us-"))
    }


class TestTheCasesBesideTheBooks:
    def test_show_each_rule_hold_fail_stay_open_and_not_be_law_yet(
        self, law: RuleSet, beside: dict[str, list[cases.Case]]
    ) -> None:
        shown: dict[str, set[str]] = {}
        for case in [case for listed in beside.values() for case in listed]:
            for name, outcome in case.expect.get("rules", {}).items():
                shown.setdefault(name, set()).add(outcome)
        ours = {rule.id for rule in law.rules.values() if rule.regime in beside}
        assert len(ours) >= 20
        for name in sorted(ours):
            assert shown.get(name, set()) >= {HOLDS, FAILS, OPEN, NOT_YET}, name

    def test_speak_of_the_book_that_they_stand_beside_alone(
        self, law: RuleSet, beside: dict[str, list[cases.Case]]
    ) -> None:
        for regime, listed in beside.items():
            ours = [rule for rule in law.rules.values() if rule.regime == regime]
            names = {name for rule in ours for name in (rule.id, rule.record)}
            assert [
                case.id for case in listed if not case.expect.get("rules", {}).keys() <= names
            ] == [], regime


class TestTheIrishSunset:
    @pytest.mark.parametrize(
        ("renewal", "outcome", "certainty", "asks"),
        [
            (CONFIRMED, HOLDS, "firm", False),
            (UNCONFIRMED, OPEN, "possible", True),
            (LAPSED, FAILS, None, False),
        ],
    )
    def test_binds_only_in_a_year_for_which_both_houses_renewed_it(
        self, ask: Ask, renewal: dict[str, Any], outcome: str, certainty: str | None, asks: bool
    ) -> None:
        said = ask("ie-oasa-9a-holds", renewal)
        assert said["rules"]["ie-oasa-9"]["outcome"] == outcome
        assert said["rules"]["ie-oasa-9"]["status"] == "sunset"
        found = [each["certainty"] for each in said["reports"] if each["to"] == "garda"]
        assert found == ([certainty] if certainty else [])
        assert ("unknown_validity" in reasons(said)) is asks

    def test_asks_whether_it_was_renewed_and_nothing_else(self, ask: Ask) -> None:
        said = ask("ie-oasa-9a-holds", UNCONFIRMED)
        assert said["rules"]["ie-oasa-9"]["needs"] == ["law.ie_oasa_9_renewal"]
        (asked,) = (each for each in said["questions"] if "ie-oasa-9" in each["settles"])
        assert asked["fact"] == "law.ie_oasa_9_renewal"

    def test_asks_nobody_about_the_renewal_of_a_duty_that_fails_anyway(self, ask: Ask) -> None:
        said = ask("ie-oasa-9a-holds", UNCONFIRMED | {"assistance.prevention": False})
        assert said["rules"]["ie-oasa-9"]["outcome"] == FAILS
        assert "unknown_validity" not in reasons(said)


class TestTheIrishSuspension:
    @pytest.mark.parametrize(
        ("day", "first", "second"),
        [
            ("1998-09-02", NOT_YET, NOT_YET),
            ("1998-09-03", FAILS, HOLDS),
            ("2018-02-20", FAILS, HOLDS),
            ("2018-02-21", FAILS, SUSPENDED),
            ("2019-05-27", FAILS, SUSPENDED),
            ("2019-05-28", FAILS, HOLDS),
        ],
    )
    def test_took_the_second_limb_away_for_fifteen_months(
        self, ask: Ask, day: str, first: str, second: str
    ) -> None:
        noon = f"{day}T12:00:00Z"
        said = ask("ie-oasa-9a-holds", SECOND_LIMB, {"suspicion": noon}, rule_time=noon)["rules"]
        assert (said["ie-oasa-9.a"]["outcome"], said["ie-oasa-9.b"]["outcome"]) == (first, second)
        assert said["ie-oasa-9"]["outcome"] == second

    @pytest.mark.parametrize("facts", [{}, UNCONFIRMED, LAPSED, {"excuse.reasonable": True}])
    def test_owes_nothing_whatever_the_facts(self, ask: Ask, facts: dict[str, Any]) -> None:
        said = ask("ie-oasa-9b-suspended", facts)
        assert said["rules"]["ie-oasa-9"]["outcome"] == SUSPENDED
        assert "garda" not in told(said)

    @pytest.mark.parametrize(
        ("facts", "advised"),
        [({}, True), ({"assistance.prosecution": None}, True), ({"threat.to": []}, False)],
    )
    def test_is_shown_as_advice_where_the_duty_could_matter(
        self, ask: Ask, facts: dict[str, Any], advised: bool
    ) -> None:
        assert ("suspended_rule" in reasons(ask("ie-oasa-9b-suspended", facts))) is advised

    def test_left_the_first_limb_as_it_was(self, ask: Ask) -> None:
        both = {"assistance.prevention": True, "assistance.prosecution": True}
        said = ask("ie-oasa-9b-suspended", both)
        assert said["rules"]["ie-oasa-9"]["outcome"] == HOLDS
        assert due(said, "garda") == ("firm", "2018-06-02T08:00:00Z")
        assert "suspended_rule" in reasons(said)


class TestTheGermanLawOfNetworks:
    @pytest.mark.parametrize(
        ("day", "outcome", "status"),
        [
            ("2022-01-31", NOT_YET, None),
            ("2022-02-01", HOLDS, "preview"),
            ("2024-05-13", HOLDS, "preview"),
            ("2024-05-14", NOT_YET, "superseded"),
        ],
    )
    def test_counted_from_february_2022_until_another_law_took_its_place(
        self, ask: Ask, day: str, outcome: str, status: str | None
    ) -> None:
        clocks = {"belief": f"{day}T12:00:00Z"}
        rule = ask("de-netzdg-3a-looked-back", clocks=clocks)["rules"]["de-netzdg-3a"]
        assert (rule["outcome"], rule["status"]) == (outcome, status)

    def test_names_the_law_that_took_its_place(
        self, law: RuleSet, golden: dict[str, cases.Case]
    ) -> None:
        given = golden["de-netzdg-3a-superseded"].given
        proof = jurisdictions.explain(law, **given)["de-netzdg-3a"]
        assert proof["successor"] in law.records

    def test_was_never_more_than_possible(self, ask: Ask) -> None:
        said = ask("de-netzdg-3a-holds")
        assert due(said, "bka") == ("possible", "2023-06-02T08:00:00Z")
        assert "preview_rule" in reasons(said)


class TestKnowledgeOlderThanTheLaw:
    """Known a day before the law began, evaluated at noon of its first day."""

    @pytest.mark.parametrize(
        ("case", "rule", "first_day", "clock", "desk", "hours"),
        [
            ("ie-oasa-9a-holds", "ie-oasa-9.a", "1998-09-03", "belief", "garda", 24),
            ("uk-tact-38b-holds", "uk-tact-38b", "2001-12-14", "belief", "uk-constable", 24),
            ("ca-cc-83-1-holds", "ca-cc-83-1", "2001-12-24", "actual_knowledge", "rcmp", 24),
            ("in-bnss-33-holds", "in-bnss-33", "2024-07-01", "belief", "in-police", 4),
            ("za-pocdatara-12-holds", "za-pocdatara-12", "2005-05-20", "suspicion", "za-police",
             24),
            ("nz-tsa-43-holds", "nz-tsa-43", "2002-10-18", "suspicion", "nz-police", 24),
        ],
    )  # fmt: skip
    def test_binds_whoever_has_it_from_the_first_day_of_the_law(
        self, ask: Ask, case: str, rule: str, first_day: str, clock: str, desk: str, hours: int
    ) -> None:
        none = {"suspicion": None, "belief": None, "actual_knowledge": None}
        earlier = none | {clock: "1990-01-01T00:00:00Z"}
        said = ask(case, clocks=earlier, rule_time=f"{first_day}T12:00:00Z")
        assert said["rules"][rule]["outcome"] == HOLDS
        begun = datetime.fromisoformat(f"{first_day}T00:00:00Z")
        assert due(said, desk)[1] == written(begun + timedelta(hours=hours)), "not from before"

    @pytest.mark.parametrize(
        ("case", "rule", "first_day", "clock"),
        [
            ("au-avm-474-33-holds", "au-avm-474-33", "2019-04-06", "suspicion"),
            ("au-esafety-codes-holds", "au-esafety-codes", "2023-12-16", "belief"),
            ("de-netzdg-3a-holds", "de-netzdg-3a", "2022-02-01", "belief"),
            ("fr-lcen-6-holds", "fr-lcen-6", "2014-11-15", "notice"),
            ("uk-tact-19-holds", "uk-tact-19", "2001-02-19", "suspicion"),
        ],
    )
    def test_binds_nobody_where_the_law_asks_who_becomes_aware(
        self, ask: Ask, case: str, rule: str, first_day: str, clock: str
    ) -> None:
        none = {"suspicion": None, "belief": None, "actual_knowledge": None}
        noon = f"{first_day}T12:00:00Z"
        earlier = none | {clock: "1990-01-01T00:00:00Z"}
        assert ask(case, clocks=earlier, rule_time=noon)["rules"][rule]["outcome"] == NOT_YET
        again = earlier | {"new_event": [f"{first_day}T08:00:00Z"]}
        said = ask(case, clocks=again, rule_time=noon)["rules"][rule]
        assert (said["outcome"], said["moment"]) == (HOLDS, f"{first_day}T08:00:00Z")


class TestTheSilenceOfTheUnitedKingdom:
    KEPT = {"until": "open", "because": ["uk-tact-39"]}
    QUIET = [{"towards": ["affected_user", "public"], "until": None, "because": ["uk-tact-39"]}]

    @pytest.mark.parametrize(
        "rule_time", ["2026-03-01T09:00:00Z", "2026-09-01T09:00:00Z", "2076-03-01T09:00:00Z"]
    )
    def test_lasts_until_somebody_lifts_it_and_so_does_the_hold(
        self, ask: Ask, rule_time: str
    ) -> None:
        said = ask("uk-tact-19-holds", rule_time=rule_time)
        assert (said["silence"], said["preserve"]) == (self.QUIET, self.KEPT)

    @pytest.mark.parametrize(
        ("case", "facts", "outcome"),
        [
            ("uk-tact-19-holds", {}, HOLDS),
            ("uk-tact-38b-holds", {}, HOLDS),
            ("uk-tact-39-holds", {}, HOLDS),
            ("uk-tact-39-holds", {"authority.investigation_known": False}, FAILS),
            ("uk-tact-39-holds", {"authority.investigation_known": None}, OPEN),
            ("uk-tact-38b-holds", {"excuse.reasonable": True}, FAILS),
            ("uk-tact-38b-holds", {"excuse.reasonable": None}, OPEN),
            ("uk-tact-19-holds", {"provider.uk_nexus": False}, FAILS),
            ("uk-tact-19-holds", {"provider.uk_nexus": None}, OPEN),
        ],
    )
    def test_begins_with_a_disclosure_or_an_investigation_and_for_safety_while_that_is_open(
        self, ask: Ask, case: str, facts: dict[str, Any], outcome: str
    ) -> None:
        said = ask(case, facts)
        assert said["rules"]["uk-tact-39"]["outcome"] == outcome
        begun = outcome != FAILS
        assert said["silence"] == (self.QUIET if begun else [])
        assert said["preserve"] == (self.KEPT if begun else None)
        assumed = [each for each in said["assumed"] if each["for"] == "uk-tact-39"]
        assert bool(assumed) is (outcome == OPEN)

    def test_gives_the_employee_the_receipt_of_the_internal_report(self, ask: Ask) -> None:
        assert "internal_receipt" in reasons(ask("uk-tact-19-holds"))
        assert "internal_receipt" not in reasons(ask("uk-tact-38b-holds"))


class TestTheLawsThatBindPeople:
    @pytest.mark.parametrize("case", ["de-stgb-138-holds", "fr-cp-434-holds"])
    def test_advise_the_colleague_and_send_nothing(self, ask: Ask, case: str) -> None:
        said = ask(case)
        record = case.removesuffix("-holds")
        assert {"reason": "staff_advice", "because": [record]} in said["human"]
        assert [each for each in said["reports"] if record in each["because"]] == []

    @pytest.mark.parametrize("case", ["de-stgb-138-too-late", "fr-cp-434-elsewhere"])
    def test_advise_nobody_where_they_fail(self, ask: Ask, case: str) -> None:
        assert "staff_advice" not in reasons(ask(case))


class TestTheBurdenInAustralia:
    KNOWING = {
        "authority.already_knows": True, "authority.knowing_agencies": ["afp"],
        "authority.knowledge_basis_recorded": True,
    }  # fmt: skip

    @pytest.mark.parametrize(
        ("facts", "outcome"),
        [
            ({}, FAILS),
            ({"authority.already_knows": False}, HOLDS),
            ({"authority.knowing_agencies": ["fbi"]}, HOLDS),
            ({"authority.knowledge_basis_recorded": False}, HOLDS),
            ({"authority.already_knows": None}, HOLDS),
            ({"authority.knowing_agencies": None}, HOLDS),
            ({"authority.knowledge_basis_recorded": None}, HOLDS),
            ({"authority.knowing_agencies": {"known": ["fbi"], "closed": False}}, OPEN),
        ],
    )
    def test_is_the_providers_and_what_is_not_on_record_does_not_excuse(
        self, ask: Ask, facts: dict[str, Any], outcome: str
    ) -> None:
        said = ask("au-avm-474-33-holds", self.KNOWING | facts)
        assert said["rules"]["au-avm-474-33"]["outcome"] == outcome

    def test_is_listed_as_presumed_while_nobody_said_otherwise(self, ask: Ask) -> None:
        presumed = {
            each["fact"]: each["as"]
            for each in ask("au-avm-474-33-holds")["assumed"]
            if each["for"] == "au-avm-474-33"
        }
        assert presumed == {
            "authority.already_knows": False, "authority.knowing_agencies": [],
            "authority.knowledge_basis_recorded": False,
        }  # fmt: skip
        known = ask("au-avm-474-33-holds", self.KNOWING)["assumed"]
        assert [each for each in known if each["for"] == "au-avm-474-33"] == []


class TestPreviews:
    """What counsel has not adopted asks for nothing that is firm, and keeps nothing."""

    @pytest.mark.parametrize(
        "case",
        [
            "au-esafety-codes-holds", "ch-voluntary-holds", "fr-cp-434-holds", "fr-lcen-6-holds",
            "in-it-rules-2021-holds", "nz-tsa-43-holds", "uk-voluntary-ctiru-holds",
        ],
    )  # fmt: skip
    def test_are_at_most_possible_and_say_so(self, ask: Ask, case: str) -> None:
        said, record = ask(case), case.removesuffix("-holds")
        assert (said["rules"][record]["outcome"], said["rules"][record]["status"]) == (
            HOLDS,
            "preview",
        )
        assert {"reason": "preview_rule", "because": [record]} in said["human"]
        of_it = [each for each in said["reports"] if record in each["because"]]
        assert {each["certainty"] for each in of_it} <= {"possible"}
        assert record not in (said["preserve"] or {"because": []})["because"]
