"""Rules: one rule as a person reads it."""

from collections.abc import Callable
from dataclasses import replace
from textwrap import dedent

from compliance.jurisdictions import RuleSet, render

Enact = Callable[..., RuleSet]


class TestParts:
    def test_are_what_a_change_of_a_rule_is_told_in(self, sample: RuleSet) -> None:
        assert render.parts(sample, "xx-tell") == {
            "title": "Tell somebody",
            "citation": "s.2-5 (xx-sample)",
            "standing": "duty · statute · confidence H · not verified by counsel",
            "trigger": 'event, clock belief, "knows"',
            "versions": "From 2020-01-01: in force",
            "binds": '"in the Union" Where the service is offered: includes any of member states',
            "when": dedent("""\
                any of these
                  "an imminent threat" all of these
                    "imminent" (s.2(1)) The threat is imminent: is yes
                    The rung of knowledge reached: is one of actual knowledge, suspicion
                  (s.3) this must not be so
                    What is threatened: includes none of life"""),
            "exempt": '"for research" The purpose of the dissemination: is not none',
            "then": dedent("""\
                report META, ID, "promptly" (1 h if imminent, otherwise 24 h, by policy)
                  (s.5) The Member States are identified: is identified
                  to ms-authority of each of offence.location, home_state, fbi
                  to europol and garda"""),
            "overrides": "",
            "open": "",
        }

    def test_show_renewals_presumptions_and_open_questions(self, enact: Enact) -> None:
        renewal = {"fact": "law.ie_oasa_9_renewal", "is": "confirmed"}
        near = {"fact": "threat.imminent", "is": True, "presume": False}
        either = {"any": [near, {"all": [renewal, {"not": near}]}]}
        rules = enact({"xx-a": {
            "when": near,
            "versions": [{"from": "2020-01-01", "status": "sunset", "renewal": either}],
            "open": [
                {"fact": "threat.imminent", "reason": "minor", "given": renewal},
                {"fact": "threat.imminent", "reason": "eu_reach"},
            ],
        }})  # fmt: skip
        told = render.parts(rules, "xx-a")
        assert told["binds"] == ""
        assert told["trigger"] == "state"
        assert told["when"] == "A fact: is yes; presumed not to be so while unknown"
        assert told["versions"] == (
            "From 2020-01-01: sunset, if "
            "(A fact: is yes or (A fact: is confirmed and not (A fact: is yes)))"
        )
        reasons = rules.vocabulary.reasons
        assert told["open"].splitlines() == [
            f"while threat.imminent is open, {reasons['minor']}, given A fact: is confirmed",
            f"while threat.imminent is open, {reasons['eu_reach']}",
        ]

    def test_name_what_a_sentence_has_no_words_for(self, enact: Enact) -> None:
        rules = enact({"xx-a": {}})
        longer = {"when": {"fact": "threat.imminent", "op": "is", "value": True}, "by": "P6W"}
        then = {
            "silence": {"towards": ["public"], "about": "removal", "for": "P1Y", "extend": longer},
            "strip": {"fields": ["ID"], "outside": ["EU"], "code": "gdpr_transfer"},
            "act": {"what": "give the receipt", "within": "a day"},
            "new_effect": {"who": "the house"},
            "another": ["a_new_reason"],
        }
        changed = replace(rules, rules={"xx-a": replace(rules.rules["xx-a"], then=then)})
        assert render.parts(changed, "xx-a")["then"].splitlines() == [
            "say nothing to public about removal for 1 year; extend: if A fact: is yes, by 6 weeks",
            f"give no ID outside EU ({rules.vocabulary.codes['gdpr_transfer']})",
            "act: give the receipt within a day",
            "new effect; who: the house",
            "another: a_new_reason",
        ]


class TestRule:
    def test_reads_from_its_heading_to_its_consequences(self, sample: RuleSet) -> None:
        assert render.rule(sample, "xx-tell") == dedent("""\
            xx-tell: Tell somebody
            s.2-5
            duty · statute · confidence H · not verified by counsel
            From 2020-01-01: in force

            Who is bound
              "in the Union" Where the service is offered: includes any of member states

            What triggers it
              any of these
                "an imminent threat" all of these
                  "imminent" (s.2(1)) The threat is imminent: is yes
                  The rung of knowledge reached: is one of actual knowledge, suspicion
                (s.3) this must not be so
                  What is threatened: includes none of life

            What exempts
              "for research" The purpose of the dissemination: is not none

            What follows
              report META, ID, "promptly" (1 h if imminent, otherwise 24 h, by policy)
                (s.5) The Member States are identified: is identified
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
            From 2021-01-01: superseded, successor xx-next

            What triggers it
              A fact: is yes

            What follows
              give no C_priv, ID to us gov, eu agency (18 USC 2702(a) bars it and no exception for this recipient holds)
              say nothing to affected user, public about report until lifted
              keep everything for 90 days from order
              a person looks: the suspect is a minor; fields are minimised, a second approver is needed, the case never enters a small statistical cell
            """)  # noqa: E501
        assert render.rule(rules, "xx-lift").partition("What follows\n")[2].splitlines() == [
            "  free C_priv, ID to us gov, eu agency",
            "  report every available class",
            "    to fbi or us-local-le",
        ]

    def test_of_every_shipped_law_can_be_read(self, law: RuleSet) -> None:
        for name in law.rules:
            assert render.rule(law, name).startswith(f"{name}: ")
