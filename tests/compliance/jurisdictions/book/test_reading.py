"""Reading: a book is taken whole, or every slip in it is named by its line."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from compliance.jurisdictions import Problems, RuleSet, read
from compliance.jurisdictions.book import Assertion, parse

Draft = dict[str, Any]
Reading = Callable[[Draft], RuleSet]
Refusal = Callable[[Draft], list[str]]
GONE = object()


def spoil(draft: Draft, place: str, value: Any) -> None:
    """Put a value at a place such as book/rules/0/cite, or take away what is there."""
    *way, last = [int(step) if step.isdigit() else step for step in place.split("/")]
    into: Any = draft
    for step in way:
        into = into[step]
    if value is GONE:
        del into[last]
    elif last == "+":
        into.append(value)
    else:
        into[last] = value


NEAR = {"fact": "threat.imminent", "is": True}
REPORT = "book/rules/0/then/report"
STEP = f"{REPORT}/first_of/0"
AT_STEP = "rules[0].then.report.first_of[0]"


class TestRead:
    def test_takes_a_law_whole(self, draft: Draft, reading: Reading) -> None:
        law = reading(draft)
        assert list(law.rules) == ["xx-law-tell", "xx-law-bar", "xx-law-let"]
        tell = law.rules["xx-law-tell"]
        assert (tell.regime, tell.rank, tell.confidence, tell.counsel_verified) == (
            "xx-law", "statute", "H", False,
        )  # fmt: skip
        assert (tell.nature, tell.clock, tell.words) == ("event", "belief", "believes")
        assert (tell.title, tell.mode, tell.cite) == ("Tell somebody", "duty", "s. 1")
        assert law.rules["xx-law-let"].overrides == ("xx-law-bar",)

    def test_resolves_names_and_lists_and_keeps_the_words_of_the_law(
        self, draft: Draft, reading: Reading
    ) -> None:
        tell = reading(draft).rules["xx-law-tell"]
        near = {"fact": "threat.imminent", "op": "is", "value": True, "says": "near"}
        several = {"fact": "threat.victims", "op": "at_least", "value": 2}
        who = {"fact": "provider.main_establishment", "op": "in", "value": ["DE", "FR", "US"]}
        abroad = {"fact": "suspect.residence", "op": "includes", "value": "US", "presume": False}
        assert tell.when == {"all": [near, several]}
        assert tell.binds == {**who, "says": "who"}
        assert tell.exempt == abroad
        assert tell.own == {"all": [tell.binds, tell.when, {"not": [abroad]}]}
        assert tell.open == ({"fact": "threat.imminent", "reason": "look", "given": near},)
        bar = reading(draft).rules["xx-law-bar"]
        public = {"fact": "item.visibility", "op": "is", "value": "public"}
        assert bar.when == {"not": [public], "says": "not public"}

    def test_writes_a_list_of_values_in_one_order(self, draft: Draft, reading: Reading) -> None:
        draft["book"]["rules"][1]["when"] = {"fact": "item.visibility", "in": ["public", "private"]}
        assert reading(draft).rules["xx-law-bar"].when["value"] == ["private", "public"]

    def test_lets_a_rule_have_a_head_of_its_own(self, draft: Draft, reading: Reading) -> None:
        tell, bar, let = reading(draft).rules.values()
        assert [each["from"] for each in tell.versions] == ["2020-01-01"]
        assert [each["from"] for each in let.versions] == ["2021-01-01", "2022-01-01", "2023-01-01"]
        assert let.versions[1]["renewal"] == {
            "fact": "law.renewal", "op": "is", "value": "confirmed",
        }  # fmt: skip
        draft["book"]["rules"][1]["binds"] = NEAR
        own = reading(draft).rules["xx-law-bar"].binds
        assert own == {"fact": "threat.imminent", "op": "is", "value": True}
        assert bar.binds == tell.binds
        del draft["book"]["binds"]
        assert reading(draft).rules["xx-law-tell"].binds is None
        assert bar.exempt is None

    def test_reads_a_report_as_a_chain_of_steps(self, draft: Draft, reading: Reading) -> None:
        report = reading(draft).rules["xx-law-tell"].then["report"]
        public = {"fact": "item.visibility", "op": "is", "value": "public"}
        assert [(step["way"], step["when"]) for step in report["steps"]] == [
            ("all_of", public), ("to", None),
        ]  # fmt: skip
        assert report["deadline"]["hours"] == {"imminent": 1, "otherwise": 24}
        draft["book"]["rules"][0]["then"]["report"] = {
            "fields": "available", "any_of": [{"authority": "bureau"}, {"authority": "police"}],
        }  # fmt: skip
        assert reading(draft).rules["xx-law-tell"].then["report"] == {
            "deadline": None,
            "fields": "available",
            "steps": [
                {"when": None, "way": "any_of",
                 "recipients": [{"authority": "bureau"}, {"authority": "police"}]},
            ],
        }  # fmt: skip

    def test_reads_what_a_book_claims_and_proves_nothing(
        self, draft: Draft, reading: Reading
    ) -> None:
        assert reading(draft).claims == ()
        draft["book"]["claims"] = [
            {"name": "Told", "covers": "xx-law-tell.report", "given": {"use": "near"}},
            {"name": "Hushed", "covers": "xx-law-bar.silence", "given": NEAR},
        ]
        near = {"fact": "threat.imminent", "op": "is", "value": True}
        assert reading(draft).claims == (
            Assertion("xx-law", "Told", "xx-law-tell", "report", near | {"says": "near"}),
            Assertion("xx-law", "Hushed", "xx-law-bar", "silence", near),
        )

    def test_reads_periods_that_grow_and_bars_that_go_by_country(
        self, draft: Draft, reading: Reading
    ) -> None:
        then = draft["book"]["rules"][1]["then"]
        then["silence"]["extend"] = {"when": {"use": "near"}, "by": "P6W"}
        renew = {"from": "new_event", "by": "P90D"}
        then["preserve"] = {"for": "P90D", "from": "belief", "renew": renew}
        places = ["EU", "member_states", "suspect.residence"]
        then["strip"] = {"fields": ["ID"], "outside": places, "code": "bar", "reason": "look"}
        draft["book"]["context"] = [
            {"id": "xx-frame", "title": "A frame", "cite": "s. 4", "says": "Nothing follows."}
        ]
        draft["book"]["rules"][1]["versions"] = [
            {"from": "2020-01-01", "status": "in_force", "for": "P9D"}
        ]
        bar = reading(draft).rules["xx-law-bar"]
        assert bar.then["silence"]["extend"] == {
            "when": {"fact": "threat.imminent", "op": "is", "value": True, "says": "near"},
            "by": "P6W",
        }
        assert (bar.then["strip"], bar.then["preserve"]) == (then["strip"], then["preserve"])
        assert bar.versions[0]["for"] == "P9D"

    def test_lets_a_duty_free_its_own_report(self, draft: Draft, reading: Reading) -> None:
        tell = draft["book"]["rules"][0]
        tell["overrides"] = ["xx-law-bar"]
        tell["then"]["lift"] = {"fields": ["ID"], "to": ["us_gov"], "for": ["xx-law-tell"]}
        assert reading(draft).rules["xx-law-tell"].overrides == ("xx-law-bar",)

    def test_gathers_the_parts_of_a_record(self, draft: Draft, reading: Reading) -> None:
        for rule, part in zip(draft["book"]["rules"][:2], ("b", "a"), strict=True):
            rule["id"] = f"xx-law-two.{part}"
        draft["book"]["rules"].pop()
        law = reading(draft)
        assert {name: [rule.id for rule in rules] for name, rules in law.records.items()} == {
            "xx-law-two": ["xx-law-two.a", "xx-law-two.b"]
        }

    @pytest.mark.parametrize(
        ("place", "value", "problem"),
        [
            # what every rule must have
            ("book/rules/0/cite", GONE, "book rules[0]: has no 'cite'."),
            ("book/rules/0/cite", " ", "book rules[0].cite: must be text, not ' '."),
            ("book/rules/0/when", GONE, "book rules[0]: has no 'when'."),
            ("book/rules/0/wen", NEAR,
             "book rules[0].wen: the key 'wen' is not known; did you mean 'when'."),
            ("book/rules/0/id", "XX",
             "book rules[0].id: must be an id such as eu-dsa-18, not 'XX'."),
            ("book/rules", [], "book rules: must not be empty."),
            ("book/counsel_verified", "yes",
             "book counsel_verified: must be true or false, not 'yes'."),
            ("book/review_by", "2027",
             "book review_by: must be a day such as '2026-03-01', not '2027'."),
            ("book/sources/0/url", "javascript:alert(1)",
             "book sources[0].url: must be an address that begins with https://, "
             "not 'javascript:alert(1)'."),
            ("book/unseen", ["near", "far"], "book unseen[1]: no rule quotes this."),
            ("book/rules/1/id", "xx-law-tell",
             "book rules[1].id: the rule xx-law-tell exists already."),
            ("book/rules/1/id", "xx-law-tell.a",
             "book rules[1].id: xx-law-tell is a rule; it has no parts."),
            # conditions
            ("book/rules/0/when", {},
             "book rules[0].when: must have exactly one of all, any, not, use, fact."),
            ("book/rules/0/when", {"al": [NEAR]}, "book rules[0].when: must have exactly one of "
             "all, any, not, use, fact; did you mean 'all'."),
            ("book/rules/0/when", {"all": [NEAR], "any": [NEAR]},
             "book rules[0].when: must have exactly one of all, any, not, use, fact."),
            ("book/rules/0/when", {"all": []}, "book rules[0].when.all: must not be empty."),
            ("book/rules/0/when", {"not": [NEAR]},
             "book rules[0].when.not: must be a table, not a list."),
            ("book/rules/0/when", {"fact": "threat.imminent"},
             "book rules[0].when: must have exactly one test of the fact: is, is_not, in, not_in, "
             "includes, includes_any, includes_none, at_least, at_most."),
            ("book/rules/0/when", NEAR | {"is_not": True},
             "book rules[0].when: must have exactly one test of the fact: is, is_not, in, not_in, "
             "includes, includes_any, includes_none, at_least, at_most."),
            ("book/rules/0/when", NEAR | {"is_unknown": True},
             "book rules[0].when.is_unknown: the key 'is_unknown' is not known; "
             "did you mean 'is_not'."),
            ("book/rules/0/when", {"fact": "threat.iminent", "is": True},
             "book rules[0].when.fact: the fact 'threat.iminent' is not known; "
             "did you mean 'threat.imminent'."),
            ("book/rules/0/when", {"fact": "threat.imminent", "in": [True]},
             "book rules[0].when.in: threat.imminent is a bool; it is tested by is."),
            ("book/rules/0/when", {"fact": "item.visibility", "includes": "public"},
             "book rules[0].when.includes: item.visibility is a choice; it is tested by in, is, "
             "is_not, not_in."),
            ("book/rules/0/when", {"fact": "suspect.residence", "is": "DE"},
             "book rules[0].when.is: suspect.residence is a set; it is tested by includes, "
             "includes_any, includes_none."),
            ("book/rules/0/when", {"fact": "threat.victims", "is_not": 1},
             "book rules[0].when.is_not: threat.victims is a count; it is tested by at_least, "
             "at_most, is."),
            ("book/rules/0/when", {"fact": "knowledge.belief_at", "at_least": 1},
             "book rules[0].when.at_least: knowledge.belief_at is a time; it is tested by nothing: "
             "a time is a clock."),
            ("book/rules/0/when", {"fact": "threat.imminent", "is": None},
             "book rules[0].when.is: threat.imminent must be true or false, not None."),
            ("book/rules/0/when", {"fact": "item.visibility", "is": "publc"},
             "book rules[0].when.is: item.visibility must be one of public, private, not 'publc'; "
             "did you mean 'public'."),
            ("book/rules/0/when", {"fact": "item.visibility", "in": "public"},
             "book rules[0].when.in: must be a list or a named list, not 'public'."),
            ("book/rules/0/when", {"fact": "item.visibility", "in": []},
             "book rules[0].when.in: must be a list or a named list, not a list."),
            ("book/rules/0/when", {"fact": "item.visibility", "not_in": ["public", "own"]},
             "book rules[0].when.not_in[1]: item.visibility must be one of public, private, "
             "not 'own'."),
            ("book/rules/0/when", {"fact": "item.visibility", "in": ["public", "public"]},
             "book rules[0].when.in[1]: 'public' stands here twice."),
            ("book/rules/0/when", {"fact": "item.visibility", "in": "countries"},
             "book rules[0].when.in[0]: item.visibility must be one of public, private, not 'DE'."),
            ("book/rules/0/when", NEAR | {"presume": True}, "book rules[0].when.presume: only "
             "'presume: false' on is, includes or includes_any is allowed."),
            ("book/rules/0/when", {"fact": "item.visibility", "is_not": "public", "presume": False},
             "book rules[0].when.presume: only 'presume: false' on is, includes or includes_any is "
             "allowed."),
            ("book/rules/0/when", NEAR | {"presume": "no"},
             "book rules[0].when.presume: must be true or false, not 'no'."),
            ("book/rules/0/when", {"use": "nea"},
             "book rules[0].when.use: the condition 'nea' is not known; did you mean 'near'."),
            ("book/conditions/near", {"not": {"use": "near"}},
             "book conditions.near.not.use: the condition 'near' uses itself."),
            ("book/conditions/unused", {"fact": "threat.imminent", "is": "near"},
             "book conditions.unused.is: threat.imminent must be true or false, not 'near'."),
            ("book/binds", {"fact": "threat.victims", "is": -1},
             "book binds.is: threat.victims must be a whole number, not -1."),
            # versions
            ("book/versions", GONE,
             "book rules[0]: has no versions, and the book has none either."),
            ("book/versions/0/status", "in_farce",
             "book versions[0].status: must be one of in_force, preview, suspended, sunset, "
             "superseded, proposed, not 'in_farce'; did you mean 'in_force'."),
            ("book/versions/0/from", "2021-02-30",
             "book versions[0].from: must be a day such as '2026-03-01', not '2021-02-30'."),
            ("book/rules/2/versions/1/from", "2021-01-01",
             "book rules[2].versions: must be in order of their days, each once."),
            ("book/rules/2/versions/2/from", "2020-01-01",
             "book rules[2].versions: must be in order of their days, each once."),
            ("book/rules/2/versions/1/renewal", GONE,
             "book rules[2].versions[1]: a sunset version has a renewal, and no other has."),
            ("book/versions/0/renewal", NEAR,
             "book versions[0]: a sunset version has a renewal, and no other has."),
            ("book/rules/2/versions/1/renewal/is", "confirm",
             "book rules[2].versions[1].renewal.is: law.renewal must be one of confirmed, lapsed, "
             "not 'confirm'; did you mean 'confirmed'."),
            ("book/rules/2/versions/2/successor", GONE,
             "book rules[2].versions[2]: a superseded version has a successor, and no other has."),
            ("book/versions/0/successor", "xx-law-bar",
             "book versions[0]: a superseded version has a successor, and no other has."),
            ("book/confidence", "M",
             "book versions[0]: a book of confidence M or L has no version that is in_force."),
            ("book/confidence", "L", "book rules[2].versions[1]: a book of confidence M or L has "
             "no version that is sunset."),
            # triggers and effects
            ("book/rules/0/trigger", {"nature": "event"},
             "book rules[0].trigger: a rule of nature event needs a clock."),
            ("book/rules/0/trigger", {"nature": "request"},
             "book rules[0].trigger: a rule of nature request needs a clock."),
            ("book/rules/0/trigger", {"nature": "state"},
             "book rules[0].trigger: a report with a deadline needs a clock."),
            ("book/rules/0/trigger/clock", "belif",
             "book rules[0].trigger.clock: the clock 'belif' is not known; did you mean 'belief'."),
            ("book/rules/0/trigger/clock", "new_event",
             "book rules[0].trigger.clock: the clock 'new_event' is not known."),
            ("book/rules/0/trigger/clock", "rule_time",
             "book rules[0].trigger.clock: the clock 'rule_time' is not known."),
            ("book/rules/1/then/silence/from", "new_event",
             "book rules[1].then.silence.from: the clock 'new_event' is not known."),
            ("book/rules/1/then/preserve", {"for": "P1Y", "from": "rule_time"},
             "book rules[1].then.preserve.from: the clock 'rule_time' is not known."),
            ("book/rules/1/then/preserve", {"for": "P0D", "from": "belief"},
             "book rules[1].then.preserve.for: must be a period such as P6M, not 'P0D'."),
            ("book/rules/0/then", {}, "book rules[0].then: must say what follows."),
            ("book/rules/0/then/lift", {"fields": ["ID"], "to": ["us_gov"]},
             "book rules[0].then.lift.for: a duty lifts a bar for its own reports alone: "
             "[xx-law-tell]."),
            ("book/rules/2/then/lift/for", ["xx-law-tel"],
             "book rules[2].then.lift.for[0]: the record with a report 'xx-law-tel' is not known; "
             "did you mean 'xx-law-tell'."),
            ("book/rules/2/then/lift/for", ["xx-law-bar"],
             "book rules[2].then.lift.for[0]: the record with a report 'xx-law-bar' is not known; "
             "did you mean 'xx-law-tell'."),
            ("book/rules/2/then/lift/rest", {"code": "barr", "reason": "look"},
             "book rules[2].then.lift.rest.code: the code 'barr' is not known; did you mean "
             "'bar'."),
            ("book/rules/2/then/lift/rest", {"code": "bar", "reason": "lok"},
             "book rules[2].then.lift.rest.reason: the reason 'lok' is not known; did you mean "
             "'look'."),
            ("book/rules/1/then/strip/reason", "lok", "book rules[1].then.strip.reason: the reason "
             "'lok' is not known; did you mean 'look'."),
            ("book/rules/1/then/strip", {"fields": ["ID"], "code": "bar", "outside": ["countris"]},
             "book rules[1].then.strip.outside: the countries 'countris' is not known."),
            ("book/rules/1/then/strip", {"fields": ["ID"], "code": "bar"},
             "book rules[1].then.strip: must have exactly one of to, outside."),
            ("book/rules/1/then/notice", {"to": "public", "about": "case"},
             "book rules[1].then.notice: a prohibition cannot have the effect 'notice'."),
            ("book/rules/0/then/notice", {"to": "publi", "about": "case"},
             "book rules[0].then.notice.to: the party 'publi' is not known; did you mean "
             "'public'."),
            ("book/rules/0/then/act", {"what": "remove it"},
             "book rules[0].then.act: has no 'within'."),
            ("book/rules/0/then/unkept", ["look"],
             "book rules[0].then.unkept: a duty cannot have the effect 'unkept'."),
            ("book/rules/0/then/unkept", ["lok"],
             "book rules[0].then.unkept: the reason 'lok' is not known; did you mean 'look'."),
            ("book/rules/1/then/silence/extend", {"when": {"use": "far"}, "by": "P6W"},
             "book rules[1].then.silence.extend.when.use: the condition 'far' is not known."),
            ("book/rules/1/then/silence/extend", {"when": NEAR, "by": "6W"},
             "book rules[1].then.silence.extend.by: must be a period such as P6M, not '6W'."),
            ("book/rules/1/then/preserve", {"for": "P1Y", "from": "belief", "renew": {
                "from": "belief", "by": "P1Y"}},
             "book rules[1].then.preserve.renew.from: the list of times 'belief' is not known."),
            ("book/rules/2/versions/0/for", "P9D",
             "book rules[2].then: a version changes a period, and there is none."),
            # claims and context
            ("book/claims", [{"name": "x", "covers": "xx-law-tell.reprt", "given": NEAR}],
             "book claims[0].covers: the effect 'xx-law-tell.reprt' is not known; did you mean "
             "'xx-law-tell.report'."),
            ("book/claims", [{"name": "x", "covers": "xx-law-tel.report", "given": NEAR}],
             "book claims[0].covers: the effect 'xx-law-tel.report' is not known; did you mean "
             "'xx-law-tell.report'."),
            ("book/claims", [{"name": "x", "covers": "xx-law-tell.report", "given": {"use": "a"}}],
             "book claims[0].given.use: the condition 'a' is not known."),
            ("book/claims", [{"name": "x", "covers": "xx-law-tell.report"}],
             "book claims[0]: has no 'given'."),
            ("book/context", [{"id": "xx-more", "title": "x", "cite": "s. 4"}],
             "book context[0]: has no 'says'."),
            ("book/rules/1/then/report", {"fields": "available", "to": [{"authority": "police"}]},
             "book rules[1].then.report: a prohibition cannot have the effect 'report'."),
            ("book/rules/2/then/preserve", {"until": "lifted"},
             "book rules[2].then.preserve: a permission cannot have the effect 'preserve'."),
            ("book/rules/0/then/human", ["lok"],
             "book rules[0].then.human: the reason 'lok' is not known; did you mean 'look'."),
            ("book/rules/1/then/strip/fields", ["IDD"],
             "book rules[1].then.strip.fields: the class 'IDD' is not known; did you mean 'ID'."),
            ("book/rules/2/then/lift/to", ["us_gv"],
             "book rules[2].then.lift.to: the recipient class 'us_gv' is not known; "
             "did you mean 'us_gov'."),
            ("book/rules/1/then/strip/code", "barr",
             "book rules[1].then.strip.code: the code 'barr' is not known; did you mean 'bar'."),
            ("book/rules/1/then/silence/towards", ["publi"],
             "book rules[1].then.silence.towards: the party 'publi' is not known; "
             "did you mean 'public'."),
            ("book/rules/0/open/0/fact", "nearness",
             "book rules[0].open[0].fact: the fact 'nearness' is not known."),
            ("book/rules/0/open/0/reason", "loook",
             "book rules[0].open[0].reason: the reason 'loook' is not known; did you mean 'look'."),
            ("book/rules/0/open/0/given", {"use": "far"},
             "book rules[0].open[0].given.use: the condition 'far' is not known."),
            ("book/rank", "policy", "book rules[0].mode: the mode condition is for books of rank "
             "policy, and they have no other."),
            ("book/rules/0/mode", "condition", "book rules[0].mode: the mode condition is for "
             "books of rank policy, and they have no other."),
            # reports
            (f"{REPORT}/fields", ["C_pub", "C_priv"], "book rules[0].then.report.fields: the class "
             "'C_priv' is not known."),
            (f"{REPORT}/fields", "all",
             "book rules[0].then.report.fields: must be one of available, not 'all'."),
            (f"{REPORT}/deadline/hours", {"imminent": 25, "otherwise": 24},
             "book rules[0].then.report.deadline: must not leave more time when a threat is near."),
            (f"{REPORT}/deadline/hours/otherwise", 10**9, "book rules[0].then.report.deadline."
             "hours.otherwise: must be a whole number of at most 8784, not 1000000000."),
            (f"{REPORT}/to", [{"authority": "police"}],
             "book rules[0].then.report: must have exactly one of first_of, to, any_of."),
            (f"{STEP}/when", GONE,
             f"book {AT_STEP}: a step without a condition ends the chain; it must be the last."),
            (f"{STEP}/any_of", [{"authority": "police"}],
             f"book {AT_STEP}: must have exactly one of to, all_of, any_of."),
            (f"{STEP}/when/is", "publik", f"book {AT_STEP}.when.is: item.visibility must be one of "
             "public, private, not 'publik'; did you mean 'public'."),
            (f"{STEP}/all_of/1/authority", "burau", f"book {AT_STEP}.all_of[1].authority: the "
             "authority 'burau' is not known; did you mean 'bureau'."),
            (f"{STEP}/all_of/1/authority", "state", f"book {AT_STEP}.all_of[1].authority: the "
             "authority 'state' is not known; did you mean 'state@FR'."),
            (f"{STEP}/all_of/0/authority", "police",
             f"book {AT_STEP}.all_of[0].authority: the authority 'police' is not known."),
            (f"{STEP}/all_of/0/each_of", ["threat.imminent"], f"book {AT_STEP}.all_of[0].each_of: "
             "the set of countries 'threat.imminent' is not known."),
            (f"{STEP}/all_of/0/each_of", ["suspect.residnce"], f"book {AT_STEP}.all_of[0].each_of: "
             "the set of countries 'suspect.residnce' is not known; did you mean "
             "'suspect.residence'."),
            # overrides
            ("book/rules/2/overrides", GONE, "book rules[2]: overrides and lift belong together: "
             "one says which, one says what."),
            ("book/rules/1/overrides", ["xx-law-tell"], "book rules[1]: overrides and lift belong "
             "together: one says which, one says what."),
            ("book/rules/2/overrides", ["xx-law-barr"], "book rules[2].overrides[0]: the rule "
             "'xx-law-barr' is not known; did you mean 'xx-law-bar'."),
            ("book/rules/2/overrides", ["xx-law-tell"], "book rules[2].overrides[0]: only a "
             "prohibition can be lifted, not xx-law-tell."),
            ("book/rules/2/overrides", ["xx-law-let"], "book rules[2].overrides[0]: only a "
             "prohibition can be lifted, not xx-law-let."),
            # authorities
            ("desks/authorities/police/class", "foreign", "desks authorities.police.class: the "
             "class 'foreign' is not known; did you mean 'foreign_gov'."),
            ("desks/authorities/police/country", "EUU", "desks authorities.police.country: the "
             "country 'EUU' is not known; did you mean 'EU'."),
            ("desks/authorities/state@DE/same_as", "polic", "desks authorities.state@DE.same_as: "
             "the authority 'polic' is not known; did you mean 'police'."),
            ("desks/authorities/police/same_as", "state@FR", "desks authorities.state@DE.same_as: "
             "must name a desk that stands for itself, not police."),
            ("desks/authorities/state@DE/same_as", "bureau", "desks authorities.state@DE.same_as: "
             "must name a desk of the same class and country, not bureau."),
            ("desks/authorities/state@DE/same_as", "state@FR", "desks authorities.state@DE.same_as:"
             " must name a desk of the same class and country, not state@FR."),
            ("desks/authorities/police/class", "us_gov", "desks authorities.state@DE.same_as: "
             "must name a desk of the same class and country, not police."),
            ("desks/authorities/state@FR", GONE, "desks authorities: has no 'state@FR'."),
            ("desks/authorities/state@FR/country", "US",
             "desks authorities.state@FR.country: must be FR."),
            ("desks/authorities/state@US",
             {"title": "x", "country": "US", "class": "us_gov", "contact": {}, "verified_at": None},
             "desks authorities.state@US: the Member State 'US' is not known."),
            ("desks/authorities/State",
             {"title": "x", "country": "US", "class": "us_gov", "contact": {}, "verified_at": None},
             "desks authorities.State: must be a name such as bka or ms-authority@AT, "
             "not 'State'."),
            # files
            ("book/schema", "rulebook/2",
             "book : must name its schema: vocabulary/1, authorities/1, rulebook/1."),
            ("book/schema", ["rulebook/1"],
             "book : must name its schema: vocabulary/1, authorities/1, rulebook/1."),
            ("book", ["rulebook/1"],
             "book : must name its schema: vocabulary/1, authorities/1, rulebook/1."),
            ("book", GONE, " : at least one file of the schema rulebook/1 is needed."),
            ("words", GONE, " : exactly one file of the schema vocabulary/1 is needed, not 0."),
            ("desks", GONE, " : exactly one file of the schema authorities/1 is needed, not 0."),
        ],
    )  # fmt: skip
    def test_names_a_slip_and_the_word_that_was_meant(
        self, draft: Draft, refusal: Refusal, place: str, value: Any, problem: str
    ) -> None:
        spoil(draft, place, value)
        assert problem in refusal(draft)

    def test_names_every_slip_at_once_each_once(self, draft: Draft, refusal: Refusal) -> None:
        draft["book"]["conditions"]["near"]["is"] = "near"  # used by four conditions of two rules
        draft["book"]["rules"][1]["then"]["human"] = ["lok"]
        assert refusal(draft) == [
            "book conditions.near.is: threat.imminent must be true or false, not 'near'.",
            "book rules[1].then.human: the reason 'lok' is not known; did you mean 'look'.",
        ]

    def test_names_the_line_of_a_slip(self, texts: dict[str, str]) -> None:
        spoilt = texts["eu-tco.yaml"].replace("item.visibility, in:", "item.visiblity, in:")
        wanted = 1 + spoilt[: spoilt.index("item.visiblity")].count("\n")
        with pytest.raises(Problems) as refused:
            read(texts | {"eu-tco.yaml": spoilt})
        assert str(refused.value) == (
            f"eu-tco.yaml, line {wanted}: rules[0].when.all[1].fact: the fact 'item.visiblity' "
            "is not known; did you mean 'item.visibility'."
        )

    def test_wants_one_vocabulary_and_one_list_of_authorities(
        self, draft: Draft, refusal: Refusal
    ) -> None:
        assert refusal(draft | {"more": draft["words"]}) == [
            " : exactly one file of the schema vocabulary/1 is needed, not 2."
        ]
        assert refusal(draft | {"more": draft["desks"]}) == [
            " : exactly one file of the schema authorities/1 is needed, not 2."
        ]
        assert refusal({}) == [
            " : exactly one file of the schema vocabulary/1 is needed, not 0.",
            " : exactly one file of the schema authorities/1 is needed, not 0.",
            " : at least one file of the schema rulebook/1 is needed.",
        ]

    def test_finds_a_circle_of_conditions_however_long(
        self, draft: Draft, refusal: Refusal
    ) -> None:
        draft["book"]["conditions"] |= {
            "a": {"all": [{"use": "b"}]}, "b": {"not": {"use": "c"}}, "c": {"use": "a"},
        }  # fmt: skip
        assert refusal(draft) == [
            "book conditions.c.use: the condition 'a' uses itself.",
            "book conditions.a.all[0].use: the condition 'b' uses itself.",
            "book conditions.b.not.use: the condition 'c' uses itself.",
        ]

    def test_cannot_be_told_a_circle_of_overrides(self, draft: Draft, refusal: Refusal) -> None:
        """Only what is permitted lifts and only what is prohibited is lifted: no way leads back."""
        draft["book"]["rules"][1]["overrides"] = ["xx-law-let"]
        draft["book"]["rules"][1]["then"]["lift"] = draft["book"]["rules"][2]["then"]["lift"]
        assert refusal(draft) == [
            "book rules[1].then.lift: a prohibition cannot have the effect 'lift'.",
            "book rules[1].overrides[0]: only a prohibition can be lifted, not xx-law-let.",
        ]

    def test_does_not_let_a_policy_lift_a_statute(self, draft: Draft, refusal: Refusal) -> None:
        house = copy.deepcopy(draft["book"]) | {"rank": "policy", "regime": "house"}
        house["rules"] = [house["rules"][2] | {"id": "house-let"}]
        assert refusal(draft | {"house": house}) == [
            "house rules[0].mode: the mode condition is for books of rank policy, and they have no "
            "other.",
            "house rules[0].overrides[0]: a policy cannot lift the statute xx-law-bar.",
        ]

    def test_lets_a_book_of_little_confidence_be_a_preview(
        self, draft: Draft, reading: Reading
    ) -> None:
        draft["book"]["confidence"] = "L"
        draft["book"]["versions"][0]["status"] = "preview"
        del draft["book"]["rules"][2]["versions"][1]
        assert reading(draft).rules["xx-law-tell"].confidence == "L"


class TestHash:
    @pytest.mark.slow
    def test_does_not_change_with_comments_layout_or_the_order_of_keys(
        self, texts: dict[str, str]
    ) -> None:
        flat = {
            name: "# a note\n" + json.dumps(_reversed(parse(name, text)[0]), indent=3)
            for name, text in reversed(texts.items())
        }
        assert read(flat).sha256 == read(texts).sha256

    @pytest.mark.parametrize(
        ("place", "value"),
        [
            ("book/title", "Another invented law"),
            ("book/rules/0/when/all/1/at_least", 3),
            ("book/rules/0/cite", "s. 2"),
            ("words/facts/threat.imminent/ask", "Is it near?"),
            ("desks/authorities/police/title", "Another desk"),
        ],
    )
    def test_changes_with_every_word(
        self, draft: Draft, reading: Reading, place: str, value: Any
    ) -> None:
        before = reading(draft).sha256
        spoil(draft, place, value)
        assert reading(draft).sha256 != before

    def test_changes_with_the_name_of_a_file(self, draft: Draft, reading: Reading) -> None:
        before = reading(draft).sha256
        draft["law"] = draft.pop("book")
        assert reading(draft).sha256 != before


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _reversed(part) for key, part in reversed(value.items())}
    return [_reversed(part) for part in value] if isinstance(value, list) else value
