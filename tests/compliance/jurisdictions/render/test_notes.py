"""Notes: the conclusion first, then why, then what follows, in words."""

from collections.abc import Callable
from textwrap import dedent
from typing import Any

import pytest

from compliance import jurisdictions
from compliance.jurisdictions import RuleSet, cases, render

Enact = Callable[..., RuleSet]
NOON = "2026-03-01T12:00:00Z"
BELIEF = {"belief": "2026-03-01T11:00:00Z"}
HOLDING: dict[str, Any] = {
    "provider.offers_in": ["AT", "US"], "threat.imminent": True, "knowledge.level": "suspicion",
    "threat.to": ["life"], "purpose.exempt": "none",
    "location.dsa_ms_identification": "identified",
    "offence.location": {"known": ["DE"], "closed": False},
}  # fmt: skip


def note(rules: RuleSet, name: str, facts: dict[str, Any], **changes: Any) -> str:
    asked = {"facts": facts, "clocks": {}, "rule_time": NOON} | changes
    proof = jurisdictions.explain(rules, **asked)[name]
    return render.certificate(rules, name, proof, jurisdictions.rule_on(rules, **asked))


def conclusion(text: str) -> list[str]:
    return text.split("\n\n")[1].splitlines()


class TestOfADuty:
    def test_that_holds_says_who_is_told_and_by_when(self, sample: RuleSet) -> None:
        assert note(sample, "xx-tell", HOLDING, clocks=BELIEF) == dedent("""\
            xx-tell: Tell somebody
            s.2-5
            duty · statute · confidence H · not verified by counsel
            Judged at 2026-03-01T11:00:00Z, version from 2020-01-01, in force

            The duty holds: it binds the provider, what triggers it is there and nothing exempts.

            Who is bound [holds]
              [holds] "in the Union" Where the service is offered: includes any of member states; seen: AT, US

            What triggers it [holds]
              [holds] any of these
                [holds] "an imminent threat" all of these
                  [holds] "imminent" (s.2(1)) The threat is imminent: is yes; seen: yes
                  [holds] The rung of knowledge reached: is one of actual knowledge, suspicion; seen: suspicion
                [holds] (s.3) this must not be so
                  [fails] What is threatened: includes none of life; seen: life

            What exempts [fails]
              [fails] "for research" The purpose of the dissemination: is not none; seen: none

            Recipients, step 1 [holds]: ms-authority of each of offence.location, home_state, fbi
              [holds] (s.5) The Member States are identified: is identified; seen: identified

            What follows
              report META, ID, "promptly" (1 h if imminent, otherwise 24 h, by policy)
              bka: firm duty, by 2026-03-01T12:00:00Z
              fbi: firm duty, by 2026-03-01T12:00:00Z
              ms-authority@?: possible duty, by 2026-03-01T12:00:00Z
              still open: Where is it?
              still open: Where is the representative?
              still open: Where is the head office?
            """)  # noqa: E501

    def test_that_fails_names_what_is_enough_to_fail_it(self, sample: RuleSet) -> None:
        facts = HOLDING | {"threat.imminent": False, "threat.to": []}
        assert note(sample, "xx-tell", facts, clocks=BELIEF) == dedent("""\
            xx-tell: Tell somebody
            s.2-5
            duty · statute · confidence H · not verified by counsel
            Judged at 2026-03-01T11:00:00Z, version from 2020-01-01, in force

            The duty does not hold, because what triggers it is not there: "imminent" is not so (seen: no); 'What is threatened: includes none of life' is so (seen: nothing).

            Who is bound [holds]
              [holds] "in the Union" Where the service is offered: includes any of member states; seen: AT, US

            What triggers it [fails]
              [fails] any of these
                [fails] "an imminent threat" all of these
                  [fails] "imminent" (s.2(1)) The threat is imminent: is yes; seen: no
                  [holds] The rung of knowledge reached: is one of actual knowledge, suspicion; seen: suspicion
                [fails] (s.3) this must not be so
                  [holds] What is threatened: includes none of life; seen: nothing

            What exempts [fails]
              [fails] "for research" The purpose of the dissemination: is not none; seen: none

            Recipients, step 1 [holds]: ms-authority of each of offence.location, home_state, fbi
              [holds] (s.5) The Member States are identified: is identified; seen: identified
            """)  # noqa: E501

    def test_that_is_open_asks_what_would_settle_it(self, sample: RuleSet) -> None:
        facts = {"provider.offers_in": ["AT"], "threat.to": [], "purpose.exempt": "none"}
        assert note(sample, "xx-tell", facts) == dedent("""\
            xx-tell: Tell somebody
            s.2-5
            duty · statute · confidence H · not verified by counsel
            Judged at 2026-03-01T12:00:00Z, version from 2020-01-01, in force

            It cannot be said yet whether the duty holds; these facts would settle it:
              Is the threat imminent? (The threat is imminent)
              Which rung is reached? (The rung of knowledge reached)

            Who is bound [holds]
              [holds] "in the Union" Where the service is offered: includes any of member states; seen: AT

            What triggers it [undetermined]
              [undetermined] any of these
                [undetermined] "an imminent threat" all of these
                  [undetermined] "imminent" (s.2(1)) The threat is imminent: is yes; not known
                  [undetermined] The rung of knowledge reached: is one of actual knowledge, suspicion; not known
                [fails] (s.3) this must not be so
                  [holds] What is threatened: includes none of life; seen: nothing

            What exempts [fails]
              [fails] "for research" The purpose of the dissemination: is not none; seen: none

            Recipients, step 1 [undetermined]: ms-authority of each of offence.location, home_state, fbi
              [undetermined] (s.5) The Member States are identified: is identified; not known

            What would follow
              report META, ID, "promptly" (1 h if imminent, otherwise 24 h, by policy)
              europol: possible duty, no time is set
              fbi: possible duty, no time is set
              garda: possible duty, no time is set
              ms-authority@?: possible duty, no time is set
              still open: Are they identified?
              still open: Where is it?
              still open: Where is the representative?
              still open: Where is the head office?
            """)  # noqa: E501


class TestConclusion:
    @pytest.mark.parametrize(
        ("facts", "said"),
        [
            (
                {"provider.offers_in": ["US"]},
                'it does not bind the provider: "in the Union" is not so (seen: US)',
            ),
            (
                HOLDING | {"purpose.exempt": "research"},
                'it exempts this: "for research" is so (seen: research)',
            ),
            (
                HOLDING | {"threat.to": [], "knowledge.level": "refuted"},
                "what triggers it is not there: 'The rung of knowledge reached: is one of "
                "actual knowledge, suspicion' is not so (seen: refuted); "
                "'What is threatened: includes none of life' is so (seen: nothing)",
            ),
        ],
    )  # fmt: skip
    def test_gives_the_part_that_fails(
        self, sample: RuleSet, facts: dict[str, Any], said: str
    ) -> None:
        expected = [f"The duty does not hold, because {said}."]
        assert conclusion(note(sample, "xx-tell", facts)) == expected

    @pytest.mark.parametrize(
        ("versions", "judged", "said"),
        [
            (
                [{"from": "2020-01-01", "status": "suspended"}],
                ", version from 2020-01-01, suspended",
                "The duty is suspended by a court, whatever the facts.",
            ),
            (
                [{"from": "2030-01-01", "status": "in_force"}], "",
                "The duty is not in force at that time: whatever the facts.",
            ),
            (
                [{"from": "2020-01-01", "status": "superseded", "successor": "xx-next"}],
                ", version from 2020-01-01, superseded; superseded by xx-next",
                "The duty is not in force at that time: whatever the facts.",
            ),
            (
                [{"from": "2020-01-01", "status": "proposed"}],
                ", version from 2020-01-01, proposed",
                "The duty is not in force at that time: it is only proposed.",
            ),
        ],
    )  # fmt: skip
    def test_of_a_rule_out_of_force_is_all_that_is_said(
        self, enact: Enact, versions: list[dict[str, Any]], judged: str, said: str
    ) -> None:
        text = note(enact({"xx-a": {"versions": versions}}), "xx-a", {"threat.imminent": True})
        assert text == dedent(f"""\
            xx-a: A sample rule
            s.1
            duty · statute · confidence H · not verified by counsel
            Judged at 2026-03-01T12:00:00Z{judged}

            {said}

            What triggers it [holds]
              [holds] A fact: is yes; seen: yes
            """)

    def test_of_a_proposed_rule_says_what_would_be(self, enact: Enact) -> None:
        rules = enact({"xx-a": {"versions": [{"from": "2020-01-01", "status": "proposed"}]}})
        text = note(rules, "xx-a", {"threat.imminent": True}, simulate=["xx-a"])
        assert conclusion(text) == [
            "The duty would hold if the proposal were law; nothing follows from it today."
        ]
        assert text.endswith(
            "What would follow\n  report every available class\n"
            "  fbi: simulated duty, no time is set\n"
        )

    def test_of_a_preview_waits_for_counsel(self, enact: Enact) -> None:
        version = {"from": "2020-01-01", "status": "preview"}
        rules = enact({"xx-a": {"versions": [version]}}, confidence="M")
        assert conclusion(note(rules, "xx-a", {"threat.imminent": True})) == [
            "The duty holds: what triggers it is there.",
            "Counsel must adopt it before anything that it asks for is firm.",
        ]

    def test_of_a_sunset_turns_on_its_renewal(self, enact: Enact) -> None:
        renewal = {"fact": "law.ie_oasa_9_renewal", "is": "confirmed"}
        version = {"from": "2020-01-01", "status": "sunset", "renewal": renewal}
        rules, met = enact({"xx-a": {"versions": [version]}}), {"threat.imminent": True}
        text = note(rules, "xx-a", met)
        assert conclusion(text)[1:] == ["  Is it so? (A fact)"]
        assert "\nWhether it was renewed [undetermined]\n  [undetermined] A fact: is conf" in text
        assert conclusion(note(rules, "xx-a", met | {"law.ie_oasa_9_renewal": "lapsed"})) == [
            "The duty does not hold, because it was not renewed: "
            "'A fact: is confirmed' is not so (seen: lapsed)."
        ]


class TestConsequences:
    def test_show_the_exceptions_to_a_bar(
        self, law: RuleSet, golden: dict[str, cases.Case]
    ) -> None:
        text = note(law, "us-sca-block.records", **golden["G13"].given)
        assert (
            "\nException us-sca-emergency [holds]: C_priv, ID, SUB, TRAF, LOC, PAY to us gov\n"
        ) in text
        assert "\nWhat follows\n  give no ID, SUB, TRAF, LOC, PAY to us gov (18 USC" in text

    def test_name_who_would_do_instead(self, law: RuleSet, golden: dict[str, cases.Case]) -> None:
        text = note(law, "us-sca-emergency", **golden["G13"].given)
        assert "\n  fbi (or us-local-le): firm permission, by 2026-03-01T" in text

    def test_show_each_step_of_the_chain(self, law: RuleSet, golden: dict[str, cases.Case]) -> None:
        text = note(law, "eu-dsa-18.all", **golden["G02"].given)
        assert "\nRecipients, step 1 [fails]: ms-authority of each of " in text
        assert "\nRecipients, step 2 [holds]: ms-authority of each of home_state or europ" in text

    def test_name_what_was_presumed_and_for_what(self, enact: Enact) -> None:
        limit = {"words": "soon", "hours": {"imminent": 1, "otherwise": 24}}
        rules = enact({
            "xx-a": {
                "trigger": {"nature": "event", "clock": "belief"},
                "when": {"fact": "item.visibility", "is": "public"},
                "exempt": {"fact": "item.contains_csam", "is": True, "presume": False},
                "then": {"report": {
                    "deadline": limit, "fields": "available", "to": [{"authority": "fbi"}],
                }},
            },
            "xx-b": {
                "mode": "prohibition",
                "when": {"all": [
                    {"fact": "review.reviewers", "at_least": 2},
                    {"fact": "purpose.exempt", "is": "research"},
                ]},
                "then": {"preserve": {"until": "lifted"}},
            },
        })  # fmt: skip
        facts = {"item.visibility": "public"}
        text = note(rules, "xx-a", facts, clocks=BELIEF)
        assert text.endswith("\n\nWhat was presumed\n  A fact: no\n  A fact: yes\n")
        assert "What was presumed" not in note(rules, "xx-a", facts | {
            "item.contains_csam": False, "threat.imminent": True,
        }, clocks=BELIEF)  # fmt: skip
        assert "A fact: yes" not in note(rules, "xx-a", facts)
        assert note(rules, "xx-b", {}).endswith(
            "\n\nWhat was presumed\n  A fact: research\n  A fact: whatever it is\n"
        )

    @pytest.mark.slow
    def test_of_every_shipped_rule_can_be_read(
        self, law: RuleSet, golden: dict[str, cases.Case]
    ) -> None:
        for case in (golden["G02"], golden["G13"]):
            for name in law.rules:
                assert note(law, name, **case.given).startswith(f"{name}: ")


class TestTest:
    @pytest.mark.parametrize(
        ("test", "facts", "line"),
        [
            ({"fact": "threat.imminent", "is": True}, {}, "is yes; not known"),
            (
                {"fact": "threat.imminent", "is": True, "presume": False}, {},
                "is yes; not known, presumed: no",
            ),
            ({"fact": "threat.imminent", "is": False}, {"threat.imminent": False}, "seen: no"),
            ({"fact": "threat.to", "includes": "life"}, {"threat.to": []}, "seen: nothing"),
            (
                {"fact": "threat.to", "includes_none": ["life", "safety"]},
                {"threat.to": {"known": ["property"], "closed": False}},
                "includes none of life, safety; seen: property, perhaps others",
            ),
            (
                {"fact": "offence.location", "includes_any": "member_states"},
                {"offence.location": ["AT", "DE", "FR", "IE"]},
                "includes any of member states; seen: member states",
            ),
            (
                {"fact": "review.reviewers", "at_least": 2}, {"review.reviewers": 1},
                "is at least 2; seen: 1",
            ),
            (
                {"fact": "item.status", "not_in": ["live", "removed_tos"]},
                {"item.status": "removed_tos"},
                "is none of live, removed tos; seen: removed tos",
            ),
        ],
    )  # fmt: skip
    def test_stands_beside_the_fact_that_was_seen(
        self, enact: Enact, test: dict[str, Any], facts: dict[str, Any], line: str
    ) -> None:
        text = note(enact({"xx-a": {"when": test}}), "xx-a", facts)
        (told,) = [each for each in text.splitlines() if each.startswith("  [")]
        assert told.endswith(line)
