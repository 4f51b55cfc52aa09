"""Effects: what is kept, who is told nothing, what a person must do, what is asked and assumed."""

from collections.abc import Callable
from typing import Any

import pytest

from compliance import jurisdictions
from compliance.jurisdictions import RuleSet

Enact = Callable[..., RuleSet]
NOON = "2026-03-01T12:00:00Z"
MET = {"fact": "threat.imminent", "is": True}
OPEN = {"fact": "order.extended", "is": True}
UNMET = {"not": MET}
LIFTED = {"until": "lifted"}
SIX = [f"xx-{number}" for number in range(6)]


def span(period: str, clock: str = "order") -> dict[str, str]:
    return {"for": period, "from": clock}


def keeps(period: dict[str, str], **changes: Any) -> dict[str, Any]:
    return {"then": {"preserve": period}} | changes


def hushes(
    period: dict[str, str], *towards: str, about: str = "report", **changes: Any
) -> dict[str, Any]:
    silence = period | {"towards": list(towards), "about": about}
    return {"mode": "prohibition", "then": {"silence": silence}} | changes


def said(rules: RuleSet, facts: dict[str, Any] | None = None, **clocks: Any) -> dict[str, Any]:
    known = {"threat.imminent": True, "item.visibility": "public"} | (facts or {})
    return jurisdictions.rule_on(rules, facts=known, clocks=clocks, rule_time=NOON)


def reasons(found: dict[str, Any]) -> list[str]:
    return [each["reason"] for each in found["human"]]


class TestPreserve:
    @pytest.mark.parametrize(
        ("rules", "kept"),
        [
            ([], None),
            ([keeps(span("P6M"))], ("2026-08-20T00:00:00Z", ["xx-0"])),
            (
                [keeps(span("P6M")), keeps(span("P90D", "removal"))],
                ("2026-08-20T00:00:00Z", ["xx-0", "xx-1"]),
            ),
            (
                [keeps(span("P6M")), keeps(span("P1Y", "removal"))],
                ("2027-02-25T00:00:00Z", ["xx-0", "xx-1"]),
            ),
            ([keeps(LIFTED)] * 6, ("open", SIX)),
            # An open hold wins over every date.
            ([keeps(span("P9Y")), keeps(LIFTED)], ("open", ["xx-0", "xx-1"])),
            # So does a period whose start nobody recorded: it may not have begun.
            ([keeps(span("P6M", "submission"))], ("open", ["xx-0"])),
            ([keeps(span("P6M"), when=UNMET)], None),
            # A duty that is open keeps nothing; a bar that is open does, for safety.
            ([keeps(span("P6M"), when=OPEN)], None),
            ([keeps(LIFTED, mode="prohibition", when=OPEN)], ("open", ["xx-0"])),
            ([keeps(LIFTED, mode="prohibition", when=UNMET)], None),
        ],
    )
    def test_keeps_until_the_latest_end(
        self, enact: Enact, rules: list[dict[str, Any]], kept: tuple[str, list[str]] | None
    ) -> None:
        named = {f"xx-{number}": rule for number, rule in enumerate(rules)}
        found = said(
            enact({"xx-duty": {}} | named),
            order="2026-02-20T00:00:00Z",
            removal="2026-02-25T00:00:00Z",
        )
        expected = {"until": kept[0], "because": kept[1]} if kept else None
        assert found["preserve"] == expected

    @pytest.mark.parametrize(
        ("status", "until"), [("in_force", "open"), ("preview", None), ("suspended", None)]
    )
    def test_takes_a_law_that_is_in_force(
        self, enact: Enact, status: str, until: str | None
    ) -> None:
        versions = [{"from": "2020-01-01", "status": status}]
        found = said(enact({"xx-a": keeps(LIFTED, versions=versions)}))
        assert (found["preserve"] or {}).get("until") == until

    def test_takes_a_law_that_was_renewed(self, enact: Enact) -> None:
        renewal = {"fact": "law.ie_oasa_9_renewal", "is": "confirmed"}
        versions = [{"from": "2020-01-01", "status": "sunset", "renewal": renewal}]
        rules = enact({"xx-a": keeps(LIFTED, versions=versions)})
        found = said(rules, {"law.ie_oasa_9_renewal": "confirmed"})
        assert found["preserve"] == {"until": "open", "because": ["xx-a"]}


class TestSilence:
    @pytest.mark.parametrize(
        ("rules", "silences"),
        [
            ([], []),
            (
                [hushes(span("P6W"), "affected_user")],
                [(["affected_user"], "2026-04-03T00:00:00Z", ["xx-0"])],
            ),
            ([hushes(LIFTED, "public")] * 6, [(["public"], None, SIX)]),
            # What has ended is over; what ends now has ended.
            ([hushes(span("P1D"), "affected_user")], []),
            ([hushes(span("P12D", "notice"), "affected_user")], []),
            # The latest end wins for each party and subject, and `until lifted` over all.
            (
                [hushes(span("P6W"), "affected_user"), hushes(span("P8W"), "affected_user")],
                [(["affected_user"], "2026-04-17T00:00:00Z", ["xx-0", "xx-1"])],
            ),
            (
                [hushes(span("P6W"), "affected_user"), hushes(LIFTED, "affected_user", "public")],
                [
                    (["affected_user"], None, ["xx-0", "xx-1"]),
                    (["public"], None, ["xx-1"]),
                ],
            ),
            (
                [hushes(LIFTED, "public", "affected_user")],
                [(["affected_user", "public"], None, ["xx-0"])],
            ),
            (
                [hushes(LIFTED, "public"), hushes(span("P6W"), "public", about="removal")],
                [(["public"], "2026-04-03T00:00:00Z", ["xx-1"]), (["public"], None, ["xx-0"])],
            ),
            # A start that nobody recorded ends nothing.
            ([hushes(span("P6W", "submission"), "public")], [(["public"], None, ["xx-0"])]),
            ([hushes(LIFTED, "public", when=UNMET)], []),
            # Nobody is tipped off because a fact is missing.
            ([hushes(LIFTED, "public", when=OPEN)], [(["public"], None, ["xx-0"])]),
        ],
    )  # fmt: skip
    def test_lasts_for_each_party_until_its_latest_end(
        self,
        enact: Enact,
        rules: list[dict[str, Any]],
        silences: list[tuple[list[str], str | None, list[str]]],
    ) -> None:
        named = {f"xx-{number}": rule for number, rule in enumerate(rules)}
        found = said(
            enact({"xx-duty": {}} | named),
            order="2026-02-20T00:00:00Z",
            notice="2026-02-17T12:00:00Z",
        )
        parts = [(each["towards"], each["until"], each["because"]) for each in found["silence"]]
        assert parts == silences

    def test_of_a_renewal_that_is_presumed_to_be_missing_is_listed(self, enact: Enact) -> None:
        renewal = {"fact": "order.extended", "is": True, "presume": False}
        versions = [{"from": "2020-01-01", "status": "sunset", "renewal": renewal}]
        found = said(enact({"xx-a": {"versions": versions}}))
        assert found["assumed"] == [{"fact": "order.extended", "as": False, "for": "xx-a"}]

    @pytest.mark.parametrize(
        ("when", "status"), [({"any": [MET, OPEN]}, "in_force"), (OPEN, "proposed")]
    )
    def test_that_holds_or_is_no_law_assumes_nothing(
        self, enact: Enact, when: dict[str, Any], status: str
    ) -> None:
        versions = [{"from": "2020-01-01", "status": status}]
        rules = enact({"xx-a": hushes(LIFTED, "public", when=when, versions=versions)})
        assert said(rules)["assumed"] == []

    @pytest.mark.parametrize(("other", "value"), [(False, True), (None, None)])
    def test_kept_for_safety_assumes_what_the_other_facts_leave(
        self, enact: Enact, other: bool | None, value: bool | None
    ) -> None:
        either = {"any": [OPEN, {"fact": "item.contains_csam", "is": True}]}
        rules = enact({"xx-a": hushes(LIFTED, "public", when=either)})
        known = {} if other is None else {"item.contains_csam": other}
        assumed = {"fact": "order.extended", "as": value, "for": "xx-a"}
        assert assumed in said(rules, known)["assumed"]

    def test_kept_for_safety_is_listed_with_what_it_assumes(self, enact: Enact) -> None:
        rules = enact({"xx-a": hushes(LIFTED, "public", when=OPEN)})
        assumed = {"fact": "order.extended", "as": True, "for": "xx-a"}
        assert said(rules)["assumed"] == [assumed]
        assert said(rules, {"order.extended": True})["assumed"] == []


class TestWhatAPersonMustDo:
    def test_is_raised_by_a_rule_that_holds_and_names_its_record(self, enact: Enact) -> None:
        rules = enact({
            "xx-a.one": {"then": {"human": ["retain_funds", "staff_advice"]}},
            "xx-b": {"then": {"human": ["staff_advice"]}},
            "xx-open": {"when": OPEN, "then": {"human": ["minor"]}},
            "xx-not": {"when": UNMET, "then": {"human": ["minor"]}},
            "xx-duty": {},
        })  # fmt: skip
        assert said(rules)["human"] == [
            {"reason": "retain_funds", "because": ["xx-a"]},
            {"reason": "staff_advice", "because": ["xx-a", "xx-b"]},
        ]

    @pytest.mark.parametrize(
        ("duty", "because"),
        [
            ({}, None),
            ({"when": OPEN}, None),
            ({"when": UNMET}, ["xx-duty"]),
            ({"then": {"preserve": LIFTED}}, []),
            ({"mode": "permission"}, []),
            ({"versions": [{"from": "2020-01-01", "status": "proposed"}]}, []),
            ({"versions": [{"from": "2020-01-01", "status": "preview"}]}, None),
        ],
    )
    def test_includes_to_record_that_nothing_is_owed(
        self, enact: Enact, duty: dict[str, Any], because: list[str] | None
    ) -> None:
        raised = said(enact({"xx-duty": duty}))["human"]
        noted = [each["because"] for each in raised if each["reason"] == "no_duty"]
        assert noted == ([] if because is None else [because])

    @pytest.mark.parametrize(
        ("facts", "raised"),
        [
            ({"order.nondisclosure": True}, True),
            ({"order.nondisclosure": False}, False),
            ({}, False),
            ({"order.nondisclosure": True, "order.extended": True}, False),
            ({"order.nondisclosure": True, "order.extended": False}, False),
        ],
    )
    def test_is_asked_while_a_fact_is_open_and_the_rule_says_so(
        self, enact: Enact, facts: dict[str, Any], raised: bool
    ) -> None:
        asking = {
            "fact": "order.extended", "reason": "advise_legal_process",
            "given": {"fact": "order.nondisclosure", "is": True},
        }  # fmt: skip
        rules = enact({"xx-a": {"when": OPEN, "open": [asking]}})
        reasons = [each["reason"] for each in said(rules, facts)["human"]]
        assert ("advise_legal_process" in reasons) is raised

    def test_is_not_asked_by_a_law_that_is_not_in_force(self, enact: Enact) -> None:
        asking = {"fact": "order.extended", "reason": "advise_legal_process"}
        versions = [{"from": "2020-01-01", "status": "proposed"}]
        rules = enact({"xx-a": {"when": OPEN, "open": [asking], "versions": versions}})
        found = jurisdictions.rule_on(rules, facts={}, clocks={}, rule_time=NOON, simulate=["xx-a"])
        assert found["rules"]["xx-a"]["outcome"] == "undetermined"
        assert [each["reason"] for each in found["human"]] == ["no_duty"]


class TestAPeriod:
    @pytest.mark.parametrize(
        ("renewals", "until", "asked"),
        [
            ([], "2026-02-22T00:00:00Z", True),
            (["2026-02-10T00:00:00Z"], "2026-03-24T00:00:00Z", False),
            (["2026-02-22T00:00:00Z"], "2026-03-24T00:00:00Z", False),
            # A renewal that comes late, or second, adds nothing; counsel names another ground.
            (["2026-02-22T00:00:01Z"], "2026-02-22T00:00:00Z", True),
            (["2026-02-10T00:00:00Z", "2026-02-20T00:00:00Z"], "2026-03-24T00:00:00Z", True),
            # What came before the request, or is yet to come, counts for nothing.
            (["2026-01-22T00:00:00Z"], "2026-02-22T00:00:00Z", True),
            (["2026-02-10T00:00:00Z", "2026-03-02T00:00:00Z"], "2026-03-24T00:00:00Z", False),
        ],
    )
    def test_is_renewed_once_and_in_time(
        self, enact: Enact, renewals: list[str], until: str, asked: bool
    ) -> None:
        renew = {"renew": {"from": "preservation_renewal", "by": "P30D"}}
        found = said(
            enact({"xx-a": keeps(span("P30D") | renew)}),
            order="2026-01-23T00:00:00Z",
            preservation_renewal=renewals,
        )
        assert found["preserve"]["until"] == until
        assert ("preservation_basis" in reasons(found)) is asked

    def test_that_nobody_began_is_not_renewed(self, enact: Enact) -> None:
        renew = {"renew": {"from": "preservation_renewal", "by": "P30D"}}
        rules = enact({"xx-a": keeps(span("P30D") | renew)})
        found = said(rules, preservation_renewal=["2026-02-10T00:00:00Z"])
        assert found["preserve"]["until"] == "open"
        assert "preservation_basis" not in reasons(found)

    def test_that_another_law_outlasts_needs_no_other_ground(self, enact: Enact) -> None:
        renew = {"renew": {"from": "preservation_renewal", "by": "P30D"}}
        twice = ["2026-02-10T00:00:00Z", "2026-02-20T00:00:00Z"]
        rules = enact({"xx-a": keeps(span("P30D") | renew), "xx-b": keeps(span("P1Y"))})
        found = said(rules, order="2026-01-23T00:00:00Z", preservation_renewal=twice)
        assert "preservation_basis" not in reasons(found)

    @pytest.mark.parametrize(
        ("began", "until"),
        [
            ("2025-12-31T23:59:59Z", "2026-01-30T23:59:59Z"),
            ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ],
    )
    def test_is_that_of_the_version_under_which_it_began(
        self, enact: Enact, began: str, until: str
    ) -> None:
        versions = [
            {"from": "2020-01-01", "status": "in_force", "for": "P30D"},
            {"from": "2026-01-01", "status": "in_force"},
        ]
        trigger = {"nature": "request", "clock": "order"}
        rule = keeps(span("P1Y"), versions=versions, trigger=trigger)
        assert said(enact({"xx-a": rule}), order=began)["preserve"]["until"] == until

    @pytest.mark.parametrize(
        ("extended", "until", "assumed"),
        [
            (True, "2026-05-15T00:00:00Z", False),
            (False, "2026-04-03T00:00:00Z", False),
            # Words cannot be taken back: a silence that may last, lasts.
            (None, "2026-05-15T00:00:00Z", True),
        ],
    )
    def test_of_silence_may_be_extended(
        self, enact: Enact, extended: bool | None, until: str, assumed: bool
    ) -> None:
        extend = {"extend": {"when": OPEN, "by": "P6W"}}
        rules = enact({"xx-a": hushes(span("P6W") | extend, "affected_user")})
        known = {} if extended is None else {"order.extended": extended}
        found = said(rules, known, order="2026-02-20T00:00:00Z")
        assert [each["until"] for each in found["silence"]] == [until]
        used = {"fact": "order.extended", "as": True, "for": "xx-a"}
        assert (used in found["assumed"]) is assumed
        assert ("order.extended" in found["rules"]["xx-a"]["needs"]) is assumed

    def test_of_a_silence_that_is_over_in_any_case_is_not_asked_about(self, enact: Enact) -> None:
        extend = {"extend": {"when": OPEN, "by": "P1D"}}
        rules = enact({"xx-a": hushes(span("P1D") | extend, "affected_user")})
        found = said(rules, order="2026-02-20T00:00:00Z")
        assert (found["silence"], found["assumed"], found["questions"]) == ([], [], [])

    def test_of_a_silence_that_is_not_imposed_is_not_asked_about(self, enact: Enact) -> None:
        extend = {"extend": {"when": OPEN, "by": "P6W"}}
        found = said(enact({"xx-a": hushes(span("P6W") | extend, "public", when=UNMET)}))
        assert (found["assumed"], found["questions"]) == ([], [])


class TestNotice:
    TELLS = {"then": {"notice": {"to": "affected_user", "about": "removal"}}}

    @pytest.mark.parametrize(
        ("silences", "owed"),
        [
            ([], True),
            ([hushes(LIFTED, "affected_user", about="removal")], False),
            ([hushes(LIFTED, "affected_user", about="removal", when=OPEN)], False),
            ([hushes(LIFTED, "affected_user", about="removal", when=UNMET)], True),
            ([hushes(span("P1D"), "affected_user", about="removal")], True),
            # Silence about a report leaves the notice of the removal, which never mentions it.
            ([hushes(LIFTED, "affected_user", about="report")], True),
            ([hushes(LIFTED, "public", about="removal")], True),
        ],
    )
    def test_is_due_unless_a_silence_that_lasts_covers_it(
        self, enact: Enact, silences: list[dict[str, Any]], owed: bool
    ) -> None:
        named = {f"xx-{number}": rule for number, rule in enumerate(silences)}
        found = said(enact({"xx-tell": self.TELLS} | named), order="2026-02-20T00:00:00Z")
        due = {"reason": "notice_due", "because": ["xx-tell"]}
        assert (due in found["human"]) is owed

    @pytest.mark.parametrize("when", [OPEN, UNMET])
    def test_is_due_only_when_the_rule_holds(self, enact: Enact, when: dict[str, Any]) -> None:
        assert "notice_due" not in reasons(said(enact({"xx-tell": self.TELLS | {"when": when}})))


class TestWhatNothingAsksToKeep:
    HOUSE = {"house-removed": {"then": {"unkept": ["preservation_basis"]}}}

    @pytest.mark.parametrize(
        ("rules", "because"),
        [
            ({"xx-duty": {}}, ["house-removed"]),
            ({"xx-a": keeps(LIFTED)}, None),
            ({"xx-a": keeps(span("P6M"))}, None),
            ({"xx-a": keeps(span("P1D"))}, ["house-removed", "xx-a"]),
            # What ends now has ended.
            ({"xx-a": keeps(span("P12D", "notice"))}, ["house-removed", "xx-a"]),
            ({"xx-a": keeps(span("P1D")), "xx-b": keeps(span("P6M"))}, None),
            ({"xx-a": keeps(LIFTED, when=UNMET)}, ["house-removed"]),
        ],
    )
    def test_waits_for_counsel_to_name_a_ground(
        self, enact: Enact, rules: dict[str, Any], because: list[str] | None
    ) -> None:
        found = said(
            enact(rules, policies=self.HOUSE),
            order="2026-02-20T00:00:00Z",
            notice="2026-02-17T12:00:00Z",
        )
        raised = {each["reason"]: each["because"] for each in found["human"]}
        assert raised.get("preservation_basis") == because

    def test_is_asked_about_only_where_it_was_removed(self, enact: Enact) -> None:
        for when in (OPEN, UNMET):
            policies = {"house-removed": self.HOUSE["house-removed"] | {"when": when}}
            assert "preservation_basis" not in reasons(said(enact({"xx-a": {}}, policies=policies)))


class TestQuestions:
    def test_come_most_decisive_first(self, enact: Enact) -> None:
        a, b, c = (
            {"fact": name, "is": True}
            for name in ("order.extended", "item.contains_csam", "excuse.reasonable")
        )
        rules = enact({
            "xx-one": {"when": b},
            "xx-two.x": {"when": {"any": [a, c]}},
            "xx-two.y": {"when": {"any": [a, c]}},
            "xx-three": {"when": {"all": [a, c]}},
            "xx-four": {"when": {"any": [a, c, UNMET]}},
            "xx-settled": {"when": {"any": [MET, c]}},
        })  # fmt: skip
        # One answer about the first settles a rule alone; the others are needed for most.
        assert said(rules)["questions"] == [
            {"fact": "item.contains_csam", "settles": ["xx-one"]},
            {"fact": "excuse.reasonable", "settles": ["xx-four", "xx-three", "xx-two"]},
            {"fact": "order.extended", "settles": ["xx-four", "xx-three", "xx-two"]},
        ]

    def test_put_what_more_rules_wait_for_first(self, enact: Enact) -> None:
        a, b = OPEN, {"fact": "item.contains_csam", "is": True}
        c = {"fact": "excuse.reasonable", "is": True}
        rules = enact({"xx-a": {"when": {"all": [a, b]}}, "xx-b": {"when": {"all": [a, c]}}})
        asked = [each["fact"] for each in said(rules)["questions"]]
        assert asked == ["order.extended", "excuse.reasonable", "item.contains_csam"]

    def test_are_none_when_all_is_settled(self, enact: Enact) -> None:
        assert said(enact({"xx-a": {}}))["questions"] == []


class TestAssumed:
    def test_lists_a_presumption_only_while_it_is_used(self, enact: Enact) -> None:
        unless = {"presume": False}
        rules = enact({
            "xx-a": {"when": {"fact": "order.extended", "is": True} | unless},
            "xx-b": {"when": {"fact": "suspect.protected_role", "includes": "mp"} | unless},
            "xx-c": {
                "when": {"fact": "authority.already_knows", "is": True} | unless,
                "versions": [{"from": "2020-01-01", "status": "suspended"}],
            },
        })  # fmt: skip
        assert said(rules)["assumed"] == [
            {"fact": "suspect.protected_role", "as": [], "for": "xx-b"},
            {"fact": "order.extended", "as": False, "for": "xx-a"},
        ]
        assert said(rules)["rules"]["xx-a"]["outcome"] == "fails"
        known = {"order.extended": False, "suspect.protected_role": []}
        assert said(rules, known)["assumed"] == []

    @pytest.mark.parametrize(
        ("when", "facts", "read_as"),
        [
            (OPEN, {}, {"order.extended": True}),
            ({"not": OPEN}, {}, {"order.extended": False}),
            (
                {"fact": "item.visibility", "in": ["one_to_one", "storage_private"]},
                {"item.visibility": None},
                {"item.visibility": ["one_to_one", "storage_private"]},
            ),
            (
                {"fact": "item.visibility", "is": "one_to_one"},
                {"item.visibility": None},
                {"item.visibility": "one_to_one"},
            ),
            ({"fact": "threat.to", "includes": "life"}, {}, {"threat.to": None}),
            (
                {"any": [OPEN, {"fact": "excuse.reasonable", "is": True}]}, {},
                {"order.extended": None, "excuse.reasonable": None},
            ),
            ({"all": [MET]}, {}, {}),
            (UNMET, {}, {}),
        ],
    )  # fmt: skip
    def test_says_how_a_bar_that_is_open_reads_what_is_missing(
        self, enact: Enact, when: Any, facts: dict[str, Any], read_as: dict[str, Any]
    ) -> None:
        strip = {"fields": ["C_priv"], "to": ["us_gov"], "code": "us_sca_2702a"}
        rules = enact({"xx-bar": {"mode": "prohibition", "when": when, "then": {"strip": strip}}})
        known = {"threat.imminent": True, "item.visibility": "public"} | facts
        given = {name: value for name, value in known.items() if value is not None}
        found = jurisdictions.rule_on(rules, facts=given, clocks={}, rule_time=NOON)
        assert {each["fact"]: each["as"] for each in found["assumed"]} == read_as
        assert {each["for"] for each in found["assumed"]} <= {"xx-bar"}

    def test_names_each_assumption_once(self, enact: Enact) -> None:
        strip = {"fields": ["C_priv"], "to": ["us_gov"], "code": "us_sca_2702a"}
        bar = {"mode": "prohibition", "when": OPEN, "then": {"strip": strip}}
        assumed = said(enact({"xx-bar.a": bar, "xx-bar.b": bar}))["assumed"]
        assert assumed == [{"fact": "order.extended", "as": True, "for": "xx-bar"}]

    @pytest.mark.parametrize(
        "rule",
        [
            {"when": OPEN},
            {"when": OPEN, "mode": "permission"},
            {"when": OPEN, "mode": "prohibition", "then": {"human": ["minor"]}},
        ],
        ids=["duty", "permission", "mere reminder"],
    )
    def test_leaves_out_what_takes_no_effect_while_open(
        self, enact: Enact, rule: dict[str, Any]
    ) -> None:
        assert said(enact({"xx-a": rule}))["assumed"] == []
