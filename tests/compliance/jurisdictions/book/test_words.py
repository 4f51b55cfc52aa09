"""Words: every fact has a type, every value one form, and the evaluator finds what it names."""

from collections.abc import Callable
from typing import Any

import pytest

from compliance.jurisdictions import RuleSet
from compliance.jurisdictions.book import Vocabulary

Draft = dict[str, Any]
Reading = Callable[[Draft], RuleSet]
Refusal = Callable[[Draft], list[str]]


@pytest.fixture
def words(draft: Draft, reading: Reading) -> Vocabulary:
    return reading(draft).vocabulary


class TestFact:
    def test_knows_the_values_of_a_list_and_those_beside_it(self, words: Vocabulary) -> None:
        assert words.fact("provider.eu_legal_rep").values == ("DE", "FR", "none")
        assert words.fact("data.available_classes").values == ("C_pub", "ID", "THIRD")
        assert words.fact("threat.imminent").values == ()

    def test_suggests_the_fact_that_was_meant(self, words: Vocabulary) -> None:
        sentence = "the fact 'threat.iminent' is not known; did you mean 'threat.imminent'"
        with pytest.raises(ValueError, match=f"^{sentence}\\.$"):
            words.fact("threat.iminent")

    def test_gives_its_question_its_label_and_its_kind(
        self, draft: Draft, reading: Reading
    ) -> None:
        draft["words"]["facts"]["threat.imminent"] |= {
            "label": "It is near", "ask": "Is it near?", "kind": "judgement",
        }  # fmt: skip
        words = reading(draft).vocabulary
        assert words.ask("threat.imminent") == "Is it near?"
        assert words.label("threat.imminent") == "It is near"
        assert words.kind("threat.imminent") == "judgement"


class TestVocabulary:
    def test_sorts_its_words(self, words: Vocabulary) -> None:
        assert words.member_states == {"DE", "FR"}
        assert words.recipient_classes == ("foreign_gov", "us_gov")
        assert words.standing == {"THIRD"}
        assert words.silence_parties == {"affected_user", "public"}
        assert words.codes["bar"] == "barred"
        assert words.reasons["look"] == "a person looks"
        assert words.clocks["new_event"].name == "knowledge.new_event_after"
        assert words.clocks["new_event"].many

    def test_starts_a_period_at_single_times_that_are_handed_over(self, words: Vocabulary) -> None:
        assert sorted(words.starts) == ["actual_knowledge", "belief", "suspicion"]


class TestCheck:
    @pytest.mark.parametrize(
        ("fact", "value", "one_form"),
        [
            ("threat.imminent", False, False),
            ("item.visibility", "public", "public"),
            ("provider.eu_legal_rep", "none", "none"),
            ("threat.victims", 0, 0),
            ("threat.victims", 10**15, 10**15),
            ("suspect.residence", [], []),
            ("suspect.residence", ["US", "DE", "US"], ["DE", "US"]),
            ("suspect.residence", {"known": ["US", "DE"], "closed": True}, ["DE", "US"]),
            ("suspect.residence", {"known": ["US", "DE"], "closed": False},
             {"known": ["DE", "US"], "closed": False}),
        ],
    )  # fmt: skip
    def test_gives_a_value_its_one_form(
        self, words: Vocabulary, fact: str, value: Any, one_form: Any
    ) -> None:
        checked = words.check(fact, value)
        assert (checked, type(checked)) == (one_form, type(one_form))

    @pytest.mark.parametrize(
        ("fact", "value", "sentence"),
        [
            ("threat.imminnt", True,
             "the fact 'threat.imminnt' is not known; did you mean 'threat.imminent'."),
            ("threat.imminent", None, "threat.imminent has no value; leave an unknown fact out."),
            ("threat.imminent", 1, "threat.imminent must be true or false, not 1."),
            ("threat.imminent", "true", "threat.imminent must be true or false, not 'true'."),
            ("threat.victims", True, "threat.victims must be a whole number, not True."),
            ("threat.victims", -1, "threat.victims must be a whole number, not -1."),
            ("threat.victims", 1.0, "threat.victims must be a whole number, not 1.0."),
            ("threat.victims", 10**15 + 1,
             "threat.victims must be a whole number, not 1000000000000001."),
            ("knowledge.belief_at", "2026-03-01T09:00:00Z",
             "knowledge.belief_at is a time; give it under clocks as 'belief'."),
            ("item.visibility", "publik",
             "item.visibility must be one of public, private, not 'publik'; "
             "did you mean 'public'."),
            ("item.visibility", ["public"],
             "item.visibility must be one of public, private, not a list."),
            ("suspect.residence", "DE", "suspect.residence must be a list of values, not 'DE'."),
            ("suspect.residence", ["GER"],
             "suspect.residence must be one of DE, FR, US, not 'GER'."),
            ("suspect.residence", [["DE"]],
             "suspect.residence must be one of DE, FR, US, not a list."),
            *(
                ("suspect.residence", value,
                 "suspect.residence must be a list, or {known: [...], closed: false}.")
                for value in ({"known": []}, {"known": [], "closed": 0},
                              {"known": [], "closed": False, "note": ""})
            ),
            ("suspect.residence", {"known": "DE", "closed": False},
             "suspect.residence must be a list of values, not 'DE'."),
        ],
    )  # fmt: skip
    def test_refuses_another_and_says_why(
        self, words: Vocabulary, fact: str, value: Any, sentence: str
    ) -> None:
        with pytest.raises(ValueError, match=r"\.$") as refused:
            words.check(fact, value)
        assert str(refused.value) == sentence

    def test_does_not_list_more_values_than_one_reads(self, draft: Draft, reading: Reading) -> None:
        letters = [f"X{letter}" for letter in "ABCDEFGHIJ"]
        draft["words"]["countries"] += letters
        words = reading(draft).vocabulary
        with pytest.raises(ValueError, match=r"must be one of its values, not 'XAA'; did you mean"):
            words.check("provider.main_establishment", "XAA")


class TestCrossCheck:
    @pytest.mark.parametrize(
        ("fact", "change", "problem"),
        [
            ("law.renewal", {"values": "contries"},
             "facts.law.renewal.values: the named list 'contries' is not known; "
             "did you mean 'countries'."),
            ("law.renewal", {"type": "bool"},
             "facts.law.renewal: a choice or a set has values, and nothing else has."),
            ("threat.victims", {"type": "set"},
             "facts.threat.victims: a choice or a set has values, and nothing else has."),
            ("law.renewal", {"values": ["a", "b", "a"]},
             "facts.law.renewal.values: a value stands here twice."),
            ("provider.eu_legal_rep", {"also": ["DE"]},
             "facts.provider.eu_legal_rep.values: a value stands here twice."),
            ("threat.victims", {"clock": "count"},
             "facts.threat.victims: a time has a clock, and nothing else has."),
            ("threat.victims", {"type": "time"},
             "facts.threat.victims: a time has a clock, and nothing else has."),
            ("rule.time", {"clock": "belief"},
             "facts.knowledge.belief_at.clock: the clock belief exists already."),
            ("suspect.religion", {"type": "bool"},
             "facts.suspect.religion: is a special category of data; no rule may turn on it."),
            ("suspect.politics_of", {"type": "bool"},
             "facts.suspect.politics_of: is a special category of data; no rule may turn on it."),
        ],
    )  # fmt: skip
    def test_refuses_a_fact_that_contradicts_itself(
        self, draft: Draft, refusal: Refusal, fact: str, change: Draft, problem: str
    ) -> None:
        facts = draft["words"]["facts"]
        facts[fact] = facts.get(fact, facts["threat.imminent"]) | change
        assert f"words {problem}" in refusal(draft)

    @pytest.mark.parametrize(
        ("fact", "kind"),
        [
            ("data.available_classes", "set"),
            ("item.visibility", "choice"),
            ("provider.eu_legal_rep", "choice"),
            ("provider.main_establishment", "choice"),
            ("recipient.class", "choice"),
            ("threat.imminent", "bool"),
        ],
    )
    def test_misses_a_fact_that_the_evaluator_reads(
        self, draft: Draft, refusal: Refusal, fact: str, kind: str
    ) -> None:
        missing = f"words facts: has no {kind} {fact!r}, which the evaluator reads."
        draft["words"]["facts"][fact]["type"] = "count"
        assert missing in refusal(draft)
        del draft["words"]["facts"][fact]
        assert refusal(draft) == [missing]

    @pytest.mark.parametrize(
        ("fact", "clock", "wanted"),
        [
            ("knowledge.suspicion_at", "suspicion", "single time"),
            ("knowledge.belief_at", "belief", "single time"),
            ("knowledge.actual_at", "actual_knowledge", "single time"),
            ("knowledge.new_event_after", "new_event", "list of times"),
        ],
    )
    def test_misses_a_clock_that_the_evaluator_reads(
        self, draft: Draft, refusal: Refusal, fact: str, clock: str, wanted: str
    ) -> None:
        missing = [f"words facts: has no {wanted} with the clock {clock!r}."]
        draft["words"]["facts"][fact]["many"] = wanted == "single time"
        assert refusal(draft) == missing
        del draft["words"]["facts"][fact]
        assert refusal(draft) == missing

    @pytest.mark.parametrize(
        ("key", "name"),
        [
            ("withhold_codes", "standing"),
            ("withhold_codes", "not_required"),
            ("human_reasons", "blocking_conflict"),
            ("human_reasons", "conflict"),
            ("human_reasons", "no_duty"),
            ("human_reasons", "preview_rule"),
            ("human_reasons", "suspended_rule"),
            ("human_reasons", "unknown_validity"),
        ],
    )
    def test_misses_a_word_that_the_evaluator_writes(
        self, draft: Draft, refusal: Refusal, key: str, name: str
    ) -> None:
        del draft["words"][key][name]
        assert refusal(draft) == [f"words {key}: has no {name!r}, which the evaluator writes."]

    def test_finds_every_class_and_country_that_a_list_names(
        self, draft: Draft, refusal: Refusal
    ) -> None:
        draft["words"]["standing_withheld"] = ["THRD"]
        draft["words"]["member_states"] = ["DE", "FRA"]
        assert refusal(draft) == [
            "words standing_withheld: the class 'THRD' is not known; did you mean 'THIRD'.",
            "words member_states: the country 'FRA' is not known; did you mean 'FR'.",
        ]
