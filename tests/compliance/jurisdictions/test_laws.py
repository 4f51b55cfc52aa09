"""The five shipped laws, condition by condition: what holds, what fails, what stays a question."""

from collections.abc import Callable
from typing import Any

import pytest

HOLDS, FAILS, OPEN = "holds", "fails", "undetermined"
RECORDS = ("ID", "SUB", "TRAF", "LOC", "PAY")
LOCATIONS = "offence.location suspect.residence suspect.location victim.residence victim.location"

Ask = Callable[..., dict[str, Any]]


def row(outcome: str, **facts: Any) -> Any:
    """One row of a truth table; `__` stands for the point in the name of a fact."""
    known = {name.replace("__", "."): value for name, value in facts.items()}
    return pytest.param(known, outcome, id=" ".join(f"{k}={v}" for k, v in known.items()))


def addressed(said: dict[str, Any], certainty: str = "firm") -> dict[str, dict[str, Any]]:
    """The reports of one certainty, by recipient."""
    return {each["to"]: each for each in said["reports"] if each["certainty"] == certainty}


class TestTerroristContentOnline:
    @pytest.mark.parametrize(
        ("facts", "outcome"),
        [
            row(HOLDS),
            row(FAILS, provider__service_roles=["hosting_private", "ecs_public"]),
            row(OPEN, provider__service_roles={"known": ["ecs_public"], "closed": False}),
            row(FAILS, provider__offers_in=["US", "JP"]),
            row(OPEN, provider__offers_in=None),
            row(HOLDS, provider__offers_in=["US", "MT"]),
            row(FAILS, knowledge__level="unassessed"),
            row(FAILS, knowledge__level="suspicion"),
            row(HOLDS, knowledge__level="reasonable_belief"),
            row(FAILS, knowledge__level="refuted"),
            row(OPEN, knowledge__level=None),
            row(HOLDS, item__visibility="auto_join_group"),
            row(FAILS, item__visibility="human_admitted_group"),
            row(FAILS, item__visibility="one_to_one"),
            row(FAILS, item__visibility="storage_private"),
            row(OPEN, item__visibility=None),
            *(
                row(FAILS, purpose__exempt=purpose)
                for purpose in (
                    "education", "journalism", "art", "research", "counter_terror", "public_debate",
                )
            ),
            row(OPEN, purpose__exempt=None),
            row(FAILS, activity__definition_source=["dir2017_541_other", "tact_s1"]),
            row(OPEN, activity__definition_source={"known": [], "closed": False}),
            row(FAILS, threat__to=["serious_injury", "safety", "property"]),
            row(OPEN, threat__to=None),
            row(FAILS, threat__imminent=False),
            row(OPEN, threat__imminent=None),
            row(OPEN, location__ms_link=False),
            row(OPEN, location__ms_link=None),
            row(HOLDS, location__ms_link=False, counsel__eu_reach_without_ms_link=True),
            row(FAILS, location__ms_link=False, counsel__eu_reach_without_ms_link=False),
        ],
    )  # fmt: skip
    def test_binds_public_hosts_that_believe_in_an_imminent_threat_to_life(
        self, ask: Ask, facts: dict[str, Any], outcome: str
    ) -> None:
        assert ask("G01a", facts)["rules"]["eu-tco-14-5"]["outcome"] == outcome

    @pytest.mark.parametrize(
        ("facts", "outcome"),
        [
            row(HOLDS, counsel__tco_suspected_offence_reading=True),
            row(HOLDS, counsel__tco_suspected_offence_reading=True, activity__offence_stage="past"),
            row(OPEN, counsel__tco_suspected_offence_reading=True, activity__offence_stage=None),
            row(FAILS, counsel__tco_suspected_offence_reading=False),
            row(FAILS, counsel__tco_suspected_offence_reading=None),
        ],
    )
    def test_reaches_a_suspected_offence_only_by_the_reading_of_counsel(
        self, ask: Ask, facts: dict[str, Any], outcome: str
    ) -> None:
        said = ask("G01a", {"threat.imminent": False, "threat.to": []} | facts)
        assert said["rules"]["eu-tco-14-5"]["outcome"] == outcome
        presumed = {"fact": "counsel.tco_suspected_offence_reading", "as": False}
        unread = facts["counsel.tco_suspected_offence_reading"] is None
        assert (presumed | {"for": "eu-tco-14-5"} in said["assumed"]) == unread

    def test_runs_from_belief_one_hour_or_a_day(self, ask: Ask) -> None:
        hasty = ask("G01a", clocks={"suspicion": None})
        assert addressed(hasty)["bka"]["due"] == "2026-03-01T09:50:00Z"
        wide = {"counsel.tco_suspected_offence_reading": True, "threat.to": []}
        slow = ask("G01a", wide | {"threat.imminent": False})
        assert addressed(slow)["bka"]["because"] == ["eu-tco-14-5"]
        assert addressed(slow)["bka"]["due"] == "2026-03-02T08:50:00Z"

    @pytest.mark.parametrize(
        "fact", ["suspect.nationality", "victim.nationality", "target.location"]
    )
    def test_tells_every_member_state_concerned_and_no_other(self, ask: Ask, fact: str) -> None:
        concerned = {"target.location": [], "suspect.nationality": [], "victim.nationality": []}
        said = ask(
            "G01a", concerned | {"threat.to": ["life"], fact: ["AT", "US", "FR"]},
            rule_time="2022-07-01T00:00:00Z",
            clocks={"belief": "2022-06-30T00:00:00Z"},
        )  # fmt: skip
        assert set(addressed(said)) == {"ms-authority@AT", "ms-authority@FR"}
        assert addressed(said, "possible") == {}

    def test_asks_for_public_content_and_what_finds_the_person(self, ask: Ask) -> None:
        classes = [
            "C_pub",
            "C_priv",
            "META",
            "SUSP",
            "ID",
            "TRAF",
            "SUB",
            "LOC",
            "PAY",
            "DET",
            "PROV",
        ]
        wide = {"counsel.tco_suspected_offence_reading": True, "threat.to": []}
        said = ask("G01a", wide | {"threat.imminent": False, "data.available_classes": classes})
        assert addressed(said)["bka"]["release"] == ["C_pub", "ID", "META", "SUB", "SUSP", "TRAF"]
        assert set(addressed(said)["bka"]["withhold"].values()) == {"not_required"}

    @pytest.mark.parametrize(
        ("headquarters", "representative", "firm", "possible"),
        [
            ("DE", "none", {"ms-contact-point@DE", "europol"}, set()),
            ("DE", "IE", {"ms-contact-point@DE", "europol"}, set()),
            ("US", "IE", {"ms-contact-point@IE", "europol"}, set()),
            ("US", "none", {"europol"}, set()),
            ("US", None, {"europol"}, {"ms-contact-point@?"}),
            (None, "IE", {"europol"}, {"ms-contact-point@?"}),
        ],
    )
    def test_falls_back_on_the_contact_point_of_the_home_state_and_europol_both(
        self, ask: Ask, headquarters: str, representative: str, firm: set[str], possible: set[str]
    ) -> None:
        home = {
            "provider.main_establishment": headquarters, "provider.eu_legal_rep": representative,
        }  # fmt: skip
        said = ask("G02", home | {"threat.to": ["life"]})
        dsa = {to for to, each in addressed(said).items() if each["because"] == ["eu-dsa-18"]}
        assert set(addressed(said)) - dsa == firm
        assert {
            to
            for to, each in addressed(said, "possible").items()
            if "eu-tco-14-5" in each["because"]
        } == possible

    @pytest.mark.parametrize(
        ("day", "outcome"), [("2022-06-06", "not_in_force"), ("2022-06-07", HOLDS)]
    )
    def test_applies_from_the_seventh_of_june_2022(self, ask: Ask, day: str, outcome: str) -> None:
        said = ask("G01a", clocks={"belief": f"{day}T00:00:00Z", "actual_knowledge": None})
        assert said["rules"]["eu-tco-14-5"]["outcome"] == outcome


class TestDigitalServices:
    @pytest.mark.parametrize(
        ("facts", "outcome"),
        [
            row(HOLDS),
            row(HOLDS, provider__service_roles=["hosting_private"]),
            row(FAILS, provider__service_roles=["interpersonal", "ecs_public", "search"]),
            row(FAILS, provider__offers_in=["US"]),
            row(OPEN, provider__offers_in={"known": ["US"], "closed": False}),
            row(FAILS, knowledge__level="unassessed"),
            row(HOLDS, knowledge__level="suspicion"),
            row(HOLDS, knowledge__level="reasonable_belief"),
            row(FAILS, knowledge__level="refuted"),
            row(OPEN, knowledge__level=None),
            row(HOLDS, threat__to=["serious_injury"]),
            row(HOLDS, threat__to=["safety"]),
            row(FAILS, threat__to=["property"]),
            row(FAILS, threat__to=[]),
            row(OPEN, threat__to={"known": ["property"], "closed": False}),
            row(HOLDS, activity__offence_stage="ongoing"),
            row(HOLDS, activity__offence_stage="past"),
            row(OPEN, activity__offence_stage=None),
            row(OPEN, location__ms_link=False),
            row(HOLDS, location__ms_link=False, counsel__eu_reach_without_ms_link=True),
            row(FAILS, location__ms_link=False, counsel__eu_reach_without_ms_link=False),
            row(HOLDS, item__visibility="one_to_one"),
            row(HOLDS, purpose__exempt="journalism"),
            row(HOLDS, threat__imminent=False),
            row(HOLDS, provider__size="micro"),
        ],
    )
    def test_binds_every_host_with_a_suspicion_of_a_threat_to_life_or_safety(
        self, ask: Ask, facts: dict[str, Any], outcome: str
    ) -> None:
        assert ask("G01a", facts)["rules"]["eu-dsa-18"]["outcome"] == outcome

    @pytest.mark.parametrize(
        ("size", "day", "vlop", "everybody"),
        [
            ("vlop", "2023-08-24", "not_in_force", "not_in_force"),
            ("vlop", "2023-08-25", HOLDS, "not_in_force"),
            ("vlose", "2023-08-25", HOLDS, "not_in_force"),
            ("large", "2023-08-25", FAILS, "not_in_force"),
            (None, "2023-08-25", OPEN, "not_in_force"),
            ("small", "2024-02-16", FAILS, "not_in_force"),
            ("small", "2024-02-17", FAILS, HOLDS),
        ],
    )
    def test_binds_the_very_large_first_and_then_everybody(
        self, ask: Ask, size: str, day: str, vlop: str, everybody: str
    ) -> None:
        clocks = {"suspicion": f"{day}T00:00:00Z", "belief": None, "actual_knowledge": None}
        said = ask("G01a", {"provider.size": size}, clocks)["rules"]
        assert (said["eu-dsa-18.vlop"]["outcome"], said["eu-dsa-18.all"]["outcome"]) == (
            vlop, everybody,
        )  # fmt: skip

    @pytest.mark.parametrize("fact", LOCATIONS.split())
    def test_tells_every_member_state_concerned_and_no_other(self, ask: Ask, fact: str) -> None:
        nowhere: dict[str, Any] = {name: [] for name in LOCATIONS.split()}
        said = ask("G31c", nowhere | {fact: ["IE", "NL", "GB"]})
        assert set(addressed(said)) == {"garda", "ms-authority@NL"}
        assert addressed(said, "possible") == {}

    def test_never_owes_a_report_to_nobody(self, ask: Ask) -> None:
        nowhere: dict[str, Any] = {name: ["US"] for name in LOCATIONS.split()}
        said = ask("G31c", nowhere)
        assert addressed(said) == {}
        assert set(addressed(said, "possible")) == {"ms-authority@?"}

    @pytest.mark.parametrize(
        ("headquarters", "representative", "to", "instead"),
        [
            ("DE", "none", "bka", ["europol"]),
            ("JP", "IE", "garda", ["europol"]),
            ("FR", "IE", "ms-authority@FR", ["europol"]),
            ("JP", "none", "europol", []),
            # Which of the two it is, stays open with the home State.
            ("JP", None, "ms-authority@?", ["europol"]),
        ],
    )
    def test_falls_back_on_the_home_state_or_europol_one_of_them(
        self, ask: Ask, headquarters: str, representative: str, to: str, instead: list[str]
    ) -> None:
        home = {
            "provider.main_establishment": headquarters, "provider.eu_legal_rep": representative,
            "location.dsa_ms_identification": "impossible",
        }  # fmt: skip
        said = ask("G31c", home)
        assert [each["to"] for each in said["reports"]] == [to]
        assert addressed(said, "possible" if to.endswith("?") else "firm")[to]["instead"] == instead

    def test_leaves_every_recipient_possible_while_the_states_are_sought(self, ask: Ask) -> None:
        said = ask("G31c", {"location.dsa_ms_identification": None})
        assert said["rules"]["eu-dsa-18"]["outcome"] == HOLDS
        assert addressed(said) == {}
        assert set(addressed(said, "possible")) == {"bka", "ms-authority@?"}
        assert addressed(said, "possible")["bka"]["instead"] == ["europol"]
        assert {"reason": "identify_member_state", "because": ["eu-dsa-18"]} in said["human"]

    def test_asks_counsel_how_far_the_union_reaches(self, ask: Ask) -> None:
        raised = {"reason": "eu_reach", "because": ["eu-dsa-18", "eu-tco-14-5"]}
        assert raised in ask("G01a", {"location.ms_link": False})["human"]
        assert raised not in ask("G01a", {"location.ms_link": None})["human"]


class TestStoredCommunications:
    @pytest.mark.parametrize(
        ("covered", "consent", "content", "records"),
        [
            (True, False, HOLDS, HOLDS),
            (True, True, FAILS, HOLDS),
            (True, None, OPEN, HOLDS),
            (False, False, FAILS, FAILS),
            (None, False, OPEN, OPEN),
            (None, True, FAILS, OPEN),
        ],
    )
    def test_bars_content_for_all_and_records_for_american_authorities(
        self, ask: Ask, covered: bool, consent: bool, content: str, records: str
    ) -> None:
        facts = {
            "provider.us_sca_covered": covered, "consent.addressee_or_originator": consent,
            "emergency.good_faith_statement": False,
            "data.available_classes": ["C_pub", "C_priv", *RECORDS, "META"],
        }  # fmt: skip
        said = ask("G13", facts)
        assert said["rules"]["us-sca-block.content"]["outcome"] == content
        assert said["rules"]["us-sca-block.records"]["outcome"] == records
        private = [] if content == FAILS else ["C_priv"]
        american = [] if records == FAILS else ["ID", "LOC", "PAY", "SUB", "TRAF"]
        elsewhere = dict.fromkeys(("clearinghouse", "eu_agency", "foreign_gov"), private)
        assert said["barred"] == elsewhere | {"us_gov": sorted(private + american)}

    @pytest.mark.parametrize(
        ("day", "content", "records"),
        [
            ("1986-10-20", "not_in_force", "not_in_force"),
            ("1986-10-21", HOLDS, "not_in_force"),
            ("2001-10-25", HOLDS, "not_in_force"),
            ("2001-10-26", HOLDS, HOLDS),
        ],
    )
    def test_barred_content_in_1986_and_records_in_2001(
        self, ask: Ask, day: str, content: str, records: str
    ) -> None:
        said = ask("G13", rule_time=f"{day}T12:00:00Z")["rules"]
        assert said["us-sca-block.content"]["outcome"] == content
        assert said["us-sca-block.records"]["outcome"] == records

    @pytest.mark.parametrize(
        ("facts", "outcome"),
        [
            row(HOLDS),
            row(FAILS, provider__us_sca_covered=False),
            row(FAILS, knowledge__level="suspicion"),
            row(HOLDS, knowledge__level="reasonable_belief"),
            row(HOLDS, threat__to=["serious_injury"]),
            row(FAILS, threat__to=["safety", "property"]),
            row(FAILS, emergency__without_delay=False),
            row(OPEN, emergency__without_delay=None),
            row(FAILS, emergency__good_faith_statement=False),
            row(OPEN, emergency__good_faith_statement=None),
            row(HOLDS, threat__imminent=False),
        ],
    )
    def test_opens_in_an_emergency_that_a_person_states_in_good_faith(
        self, ask: Ask, facts: dict[str, Any], outcome: str
    ) -> None:
        said = ask("G13", facts)
        assert said["rules"]["us-sca-emergency"]["outcome"] == outcome
        covered = facts.get("provider.us_sca_covered", True)
        shut = ["C_priv", "ID", "LOC", "SUB", "TRAF"] if covered and outcome != HOLDS else []
        assert said["barred"]["us_gov"] == shut
        assert said["barred"]["foreign_gov"] == (["C_priv"] if covered else [])
        assert said["rules"]["us-sca-block"]["outcome"] == (HOLDS if covered else FAILS)

    @pytest.mark.parametrize(
        ("facts", "raised"),
        [
            ({"emergency.good_faith_statement": None}, True),
            ({"emergency.good_faith_statement": None, "emergency.without_delay": None}, True),
            ({"emergency.good_faith_statement": None, "emergency.without_delay": False}, False),
            ({"emergency.good_faith_statement": False}, False),
            ({"emergency.without_delay": None}, False),
            ({}, False),
        ],
    )
    def test_asks_a_person_for_the_statement_only_while_it_could_open(
        self, ask: Ask, facts: dict[str, Any], raised: bool
    ) -> None:
        asked = {"reason": "good_faith_statement", "because": ["us-sca-emergency"]}
        assert (asked in ask("G13", facts)["human"]) is raised

    def test_lets_one_american_agency_be_told_and_names_the_other(self, ask: Ask) -> None:
        told = addressed(ask("G13"))["fbi"]
        assert (told["kind"], told["instead"]) == ("permission", ["us-local-le"])
        assert told["because"] == ["us-sca-emergency"]

    def test_withholds_a_public_post_while_nobody_knows_who_could_read_it(self, ask: Ask) -> None:
        said = ask("G17", {"item.visibility": None})
        assert said["barred"]["us_gov"] == ["C_pub", "ID", "SUB", "TRAF"]
        assert said["barred"]["foreign_gov"] == ["C_pub"]
        assert {"fact": "item.visibility", "as": "C_priv", "for": "release"} in said["assumed"]


class TestTheProposedDuty:
    @pytest.mark.parametrize(
        ("facts", "outcome"),
        [
            row("simulated"),
            *(
                row("simulated", activity__class=[kind])
                for kind in ("attack_threat", "planning", "incitement", "financing", "membership")
            ),
            row(FAILS, activity__class=["glorification", "communication_only", "hoax"]),
            row(FAILS, activity__class=["instruction_explosives"]),
            row(
                "simulated",
                activity__class=["instruction_explosives"],
                instructional__intent_evidence=True,
            ),
            row(
                OPEN,
                activity__class=["instruction_explosives"],
                instructional__intent_evidence=None,
            ),
            row(FAILS, knowledge__level="reasonable_belief"),
            row(FAILS, provider__service_roles=["hosting_public"]),
            row("simulated", provider__service_roles=["rcs_public"]),
            row(OPEN, activity__class=None),
        ],
    )  # fmt: skip
    def test_is_shown_when_somebody_asks_for_it(
        self, ask: Ask, facts: dict[str, Any], outcome: str
    ) -> None:
        said = ask("G17", facts)
        assert said["rules"]["us-rrota-s2372"]["outcome"] == outcome
        assert (outcome != FAILS) == ("fbi" in addressed(said, "simulated"))

    def test_is_never_owed(self, ask: Ask) -> None:
        for case in ("G01a", "G13", "G17"):
            said = ask(case, simulate=[])
            assert said["rules"]["us-rrota-s2372"]["outcome"] == "not_in_force"
            assert addressed(said, "simulated") == {}
        simulated = ask("G13", simulate=["us-rrota-s2372"])
        assert "us-rrota-s2372" not in addressed(simulated)["fbi"]["because"]
        assert addressed(simulated)["fbi"]["kind"] == "permission"
        assert addressed(simulated, "simulated")["fbi"]["kind"] == "duty"

    def test_changes_nothing_else(self, ask: Ask) -> None:
        plain, simulated = ask("G13"), ask("G13", simulate=["us-rrota-s2372"])
        simulated["reports"] = [r for r in simulated["reports"] if r["certainty"] != "simulated"]
        for key in ("reports", "barred", "conflicts", "preserve", "silence", "human", "assumed"):
            assert simulated[key] == plain[key], key

    def test_shows_the_clock_it_would_run_by(self, ask: Ask) -> None:
        shown = addressed(ask("G17", {"threat.imminent": True}), "simulated")["fbi"]
        assert shown["due"] == "2026-03-01T10:00:00Z"
        assert shown["withhold"]["ID"] == "us_sca_2702a"
        assert shown["release"] == ["C_pub", "META", "SUSP"]


class TestTheHouse:
    @pytest.mark.parametrize(
        ("facts", "reason", "raised"),
        [
            ({"suspect.protected_role": ["clergy"]}, "protected_role", True),
            ({"suspect.protected_role": []}, "protected_role", False),
            ({"suspect.protected_role": None}, "protected_role", False),
            ({"purpose.exempt": "journalism"}, "protected_role", True),
            ({"purpose.exempt": "art"}, "protected_role", False),
            ({"purpose.exempt": "art"}, "exempt_purpose", True),
            ({"purpose.exempt": "none"}, "exempt_purpose", False),
            ({"suspect.age_band": "under10"}, "minor", True),
            ({"suspect.age_band": "10-13"}, "minor", True),
            ({"suspect.age_band": "14-17"}, "minor", True),
            ({"suspect.age_band": "adult"}, "minor", False),
            ({"suspect.age_band": None}, "minor", False),
            (
                {"provider.eu_establishments": [], "provider.eu_legal_rep": "none"},
                "no_legal_representative", True,
            ),
            (
                {"provider.eu_establishments": [], "provider.eu_legal_rep": "IE"},
                "no_legal_representative", False,
            ),
            ({"provider.eu_establishments": ["DE"]}, "no_legal_representative", False),
            ({"knowledge.level": "unassessed"}, "insufficient_basis", True),
            (
                {"knowledge.level": "suspicion", "item.content_access": "metadata_only"},
                "insufficient_basis", True,
            ),
            (
                {"knowledge.level": "suspicion", "item.content_access": "none"},
                "insufficient_basis", True,
            ),
            (
                {"knowledge.level": "suspicion", "item.content_access": "full"},
                "insufficient_basis", False,
            ),
            (
                {"knowledge.level": "actual_knowledge", "item.content_access": "none"},
                "insufficient_basis", False,
            ),
        ],
    )  # fmt: skip
    def test_asks_a_person_to_look(
        self, ask: Ask, facts: dict[str, Any], reason: str, raised: bool
    ) -> None:
        said = ask("G01a", facts)
        assert (reason in [each["reason"] for each in said["human"]]) is raised

    @pytest.mark.parametrize(
        ("facts", "code", "classes"),
        [
            ({"suspect.protected_role": ["lawyer"]}, "source_protection", "ID LOC PAY SUB TRAF"),
            ({"suspect.age_band": "14-17"}, "minor", "PAY THIRD"),
            ({"suspect.age_band": None}, "minor", "PAY THIRD"),
        ],
    )
    def test_gives_less_out_of_care_and_calls_it_no_conflict(
        self, ask: Ask, facts: dict[str, Any], code: str, classes: str
    ) -> None:
        available = ["C_priv", "META", "ID", "SUB", "TRAF", "LOC", "PAY", "THIRD"]
        said = ask("G09a", facts | {"data.available_classes": available})
        told = addressed(said)["bka"]
        kept = sorted(name for name, why in told["withhold"].items() if why == code)
        assert kept == classes.split()
        assert said["conflicts"] == []
        assert said["barred"]["foreign_gov"] == []
