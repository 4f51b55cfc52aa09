"""Render: a rule and a proof as a person reads them."""

from collections.abc import Callable
from textwrap import dedent
from typing import Any

import pytest

from compliance import jurisdictions
from compliance.jurisdictions import RuleSet, cases, render

Enact = Callable[..., RuleSet]
NOON = "2026-03-01T12:00:00Z"


def shown(rules: RuleSet, name: str, facts: dict[str, Any], **changes: Any) -> str:
    asked = {"facts": facts, "clocks": {}, "rule_time": NOON} | changes
    return render.certificate(rules, name, jurisdictions.explain(rules, **asked)[name])


@pytest.fixture(scope="module")
def sample(enact: Enact) -> RuleSet:
    """A law with something of every kind in its conditions and its report."""
    met = {"fact": "threat.imminent", "is": True, "says": "imminent", "cite": "s.2(1)"}
    states = {"fact": "provider.offers_in", "includes_any": "member_states", "says": "in the Union"}
    level = {"fact": "knowledge.level", "in": ["suspicion", "actual_knowledge"]}
    settled = {"fact": "location.dsa_ms_identification", "is": "identified", "cite": "s.5"}
    rule = {
        "title": "Tell somebody", "cite": "s.2-5", "binds": states,
        "when": {
            "any": [
                {"all": [met, level], "says": "an imminent threat"},
                {"not": {"fact": "threat.to", "includes_none": ["life"]}, "cite": "s.3"},
            ]
        },
        "exempt": {"fact": "purpose.exempt", "is_not": "none", "says": "for research"},
        "trigger": {"nature": "event", "clock": "belief", "words": "knows"},
        "then": {"report": {
            "deadline": {"words": "promptly", "hours": {"imminent": 1, "otherwise": 24}},
            "fields": ["META", "ID"],
            "first_of": [
                {"when": settled, "to": [
                    {"authority": "ms-authority", "each_of": ["offence.location", "home_state"]},
                    {"authority": "fbi"},
                ]},
                {"all_of": [{"authority": "europol"}, {"authority": "garda"}]},
            ],
        }},
    }  # fmt: skip
    return enact({"xx-tell": rule})


class TestRule:
    def test_reads_from_its_heading_to_its_consequences(self, sample: RuleSet) -> None:
        assert render.rule(sample, "xx-tell") == dedent("""\
            xx-tell: Tell somebody
            s.2-5
            duty · statute · confidence H · not verified by counsel
            From 2020-01-01: in force

            Who is bound
              "in the Union" provider.offers_in includes any of member_states

            What triggers it
              any of
                "an imminent threat" all of
                  "imminent" (s.2(1)) threat.imminent is true
                  knowledge.level is one of actual_knowledge, suspicion
                (s.3) not
                  threat.to includes none of life

            What exempts
              "for research" purpose.exempt is not none

            What follows
              report META, ID, "promptly" (1 h if imminent, otherwise 24 h, by policy)
                (s.5) location.dsa_ms_identification is identified
                to ms-authority of each of offence.location, home_state, fbi
                to europol and garda
            """)

    def test_names_what_it_bars_lifts_keeps_and_silences(self, enact: Enact) -> None:
        cells = {"fields": ["C_priv", "ID"], "to": ["us_gov", "eu_agency"]}
        hush = {"until": "lifted", "towards": ["affected_user", "public"], "about": "report"}
        later = [
            {"from": "2020-01-01", "status": "in_force"},
            {"from": "2021-01-01", "status": "superseded", "successor": "xx-next"},
        ]
        desks = [{"authority": "fbi"}, {"authority": "us-local-le"}]
        rules = enact(
            {
                "xx-bar": {
                    "mode": "prohibition",
                    "versions": later,
                    "then": {
                        "strip": cells | {"code": "us_sca_2702a"},
                        "silence": hush,
                        "preserve": {"for": "P90D", "from": "order"},
                        "human": ["minor"],
                    },
                },
                "xx-lift": {
                    "mode": "permission",
                    "overrides": ["xx-bar"],
                    "then": {"lift": cells, "report": {"fields": "available", "any_of": desks}},
                },
            },
            counsel_verified=True,
        )
        assert render.rule(rules, "xx-bar") == dedent("""\
            xx-bar: A sample rule
            s.1
            prohibition · statute · confidence H · verified by counsel
            From 2020-01-01: in force
            From 2021-01-01: superseded

            What triggers it
              threat.imminent is true

            What follows
              strip C_priv, ID towards us_gov, eu_agency
              preserve, P90D from order
              silence towards affected_user, public, until lifted
              a person: the suspect is a minor; fields are minimised, a second approver is needed, the case never enters a small statistical cell
            """)  # noqa: E501
        assert render.rule(rules, "xx-lift").partition("What follows\n")[2].splitlines() == [
            "  report every available class",
            "    to fbi or us-local-le",
            "  lift C_priv, ID towards us_gov, eu_agency",
        ]

    def test_of_every_shipped_law_can_be_read(self, law: RuleSet) -> None:
        for name in law.rules:
            assert render.rule(law, name).startswith(f"{name}: ")


class TestCertificate:
    def test_shows_what_was_seen_beside_what_was_asked(self, sample: RuleSet) -> None:
        facts = {
            "provider.offers_in": ["AT", "US"], "threat.imminent": True,
            "knowledge.level": "reasonable_belief", "threat.to": ["life"],
            "location.dsa_ms_identification": "impossible",
        }  # fmt: skip
        clocks = {"belief": "2026-03-01T11:00:00Z"}
        assert shown(sample, "xx-tell", facts, clocks=clocks) == dedent("""\
            xx-tell: Tell somebody
            s.2-5
            duty · statute · confidence H · not verified by counsel
            Outcome: undetermined at 2026-03-01T11:00:00Z, version from 2020-01-01, in force

            Who is bound
              [holds] "in the Union" provider.offers_in includes any of member_states; seen: AT, US

            What triggers it
              [holds] any of
                [fails] "an imminent threat" all of
                  [holds] "imminent" (s.2(1)) threat.imminent is true; seen: true
                  [fails] knowledge.level is one of actual_knowledge, suspicion; seen: reasonable_belief
                [holds] (s.3) not
                  [fails] threat.to includes none of life; seen: life

            What exempts
              [undetermined] "for research" purpose.exempt is not none; not known: Is it so?

            Recipients, step 1
              [fails] (s.5) location.dsa_ms_identification is identified; seen: impossible
            """)  # noqa: E501

    def test_shows_the_exceptions_and_the_recipients(
        self, law: RuleSet, golden: dict[str, cases.Case]
    ) -> None:
        text = shown(law, "us-sca-block.records", **golden["G13"].given)
        assert text.endswith(
            "\nException us-sca-emergency holds: C_priv, ID, SUB, TRAF, LOC, PAY towards us_gov\n"
        )
        text = shown(law, "eu-dsa-18.all", **golden["G02"].given)
        assert "\nRecipients, step 1\n  [fails] " in text
        assert "\nRecipients, step 2\n  [holds] " in text

    @pytest.mark.parametrize(
        ("test", "facts", "line"),
        [
            ({"fact": "threat.imminent", "is": True}, {}, "is true; not known: Is it so?"),
            (
                {"fact": "threat.imminent", "is": True, "presume": False}, {},
                "is true; not known, presumed false",
            ),
            ({"fact": "threat.imminent", "is": False}, {"threat.imminent": False}, "seen: false"),
            ({"fact": "threat.to", "includes": "life"}, {"threat.to": []}, "seen: nothing"),
            (
                {"fact": "threat.to", "includes_none": ["life", "safety"]},
                {"threat.to": {"known": ["property"], "closed": False}},
                "includes none of life, safety; seen: property, perhaps others",
            ),
            (
                {"fact": "offence.location", "includes_any": "member_states"},
                {"offence.location": ["AT", "DE", "FR", "IE"]},
                "includes any of member_states; seen: member_states",
            ),
            (
                {"fact": "review.reviewers", "at_least": 2}, {"review.reviewers": 1},
                "review.reviewers is at least 2; seen: 1",
            ),
            (
                {"fact": "review.reviewers", "at_most": 2}, {"review.reviewers": 1},
                "review.reviewers is at most 2; seen: 1",
            ),
            (
                {"fact": "item.status", "not_in": ["live", "restricted"]}, {"item.status": "live"},
                "item.status is none of live, restricted; seen: live",
            ),
        ],
    )  # fmt: skip
    def test_words_each_test_with_its_fact(
        self, enact: Enact, test: dict[str, Any], facts: dict[str, Any], line: str
    ) -> None:
        text = shown(enact({"xx-a": {"when": test}}), "xx-a", facts)
        assert text.splitlines()[-1].endswith(line)

    @pytest.mark.parametrize(
        ("version", "line"),
        [
            (
                {"from": "2020-01-01", "status": "suspended"},
                "Outcome: suspended at 2026-03-01T12:00:00Z, version from 2020-01-01, suspended",
            ),
            (
                {"from": "2030-01-01", "status": "in_force"},
                "Outcome: not in force at 2026-03-01T12:00:00Z",
            ),
            (
                {"from": "2020-01-01", "status": "superseded", "successor": "xx-next"},
                "Superseded by xx-next",
            ),
        ],
    )
    def test_says_which_version_counted(
        self, enact: Enact, version: dict[str, Any], line: str
    ) -> None:
        assert line in shown(enact({"xx-a": {"versions": [version]}}), "xx-a", {}).splitlines()

    def test_shows_whether_a_sunset_was_renewed(self, enact: Enact) -> None:
        renewal = {"fact": "law.ie_oasa_9_renewal", "is": "confirmed"}
        version = {"from": "2020-01-01", "status": "sunset", "renewal": renewal}
        text = shown(enact({"xx-a": {"versions": [version]}}), "xx-a", {})
        assert "\nWhether it was renewed\n  [undetermined] law.ie_oasa_9_renewal is conf" in text
