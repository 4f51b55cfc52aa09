"""Release: which classes may go to whom. What nobody asks for stays; what is barred stays."""

from collections.abc import Callable
from typing import Any

import pytest

from compliance import jurisdictions
from compliance.jurisdictions import RuleSet

Enact = Callable[..., RuleSet]
NOON = "2026-03-01T12:00:00Z"
OPEN = {"fact": "order.extended", "is": True}
CELLS = {"fields": ["C_priv", "ID"], "to": ["us_gov"]}
CLASSES = ("us_gov", "foreign_gov", "eu_agency", "clearinghouse")


def asked(rules: RuleSet, **facts: Any) -> dict[str, Any]:
    known = {
        "threat.imminent": True,
        "item.visibility": "public",
        "data.available_classes": ["C_pub", "C_priv", "META", "ID", "THIRD"],
    } | {name.replace("__", "."): value for name, value in facts.items()}
    given = {name: value for name, value in known.items() if value is not None}
    return jurisdictions.rule_on(rules, facts=given, clocks={}, rule_time=NOON)


def bar(**changes: Any) -> dict[str, Any]:
    strip = CELLS | {"code": "us_sca_2702a"} | changes.pop("strip", {})
    return {"mode": "prohibition", "then": {"strip": strip}} | changes


def lift(*overrides: str, **changes: Any) -> dict[str, Any]:
    cells = CELLS | changes.pop("cells", {})
    return {"mode": "permission", "overrides": list(overrides), "then": {"lift": cells}} | changes


class TestOffer:
    def test_is_what_is_asked_for_of_what_exists(self, enact: Enact) -> None:
        then = {"report": {"fields": ["META", "SUB", "ID"], "to": [{"authority": "fbi"}]}}
        (found,) = asked(enact({"xx-a": {"then": then}}))["reports"]
        assert found["release"] == ["ID", "META"]
        assert found["withhold"] == {
            "C_priv": "not_required", "C_pub": "not_required", "THIRD": "standing",
        }  # fmt: skip

    @pytest.mark.parametrize("available", [None, [], {"known": [], "closed": False}])
    def test_of_nothing_is_nothing(self, enact: Enact, available: Any) -> None:
        (found,) = asked(enact({"xx-a": {}}), data__available_classes=available)["reports"]
        assert (found["release"], found["withhold"]) == ([], {})

    def test_counts_what_is_known_of_an_open_set(self, enact: Enact) -> None:
        some = {"known": ["META", "STAFF"], "closed": False}
        (found,) = asked(enact({"xx-a": {}}), data__available_classes=some)["reports"]
        assert (found["release"], found["withhold"]) == (["META"], {"STAFF": "standing"})

    @pytest.mark.parametrize("standing", ["REPORTER", "STAFF", "SPEC", "THIRD"])
    def test_never_holds_a_standing_class_even_if_a_rule_asks_for_it(
        self, enact: Enact, standing: str
    ) -> None:
        then = {"report": {"fields": [standing, "META"], "to": [{"authority": "fbi"}]}}
        found = asked(enact({"xx-a": {"then": then}}), data__available_classes=[standing, "META"])[
            "reports"
        ][0]
        assert (found["release"], found["withhold"]) == (["META"], {standing: "standing"})

    def test_goes_by_the_class_of_the_recipient(self, enact: Enact) -> None:
        desks = ("fbi", "bka", "europol", "ncmec")
        then = {"report": {"fields": "available", "to": [{"authority": name} for name in desks]}}
        for barred in CLASSES:
            found = asked(enact({"xx-a": {"then": then}, "xx-b": bar(strip={"to": [barred]})}))
            kept = {each["to"] for each in found["reports"] if "ID" in each["withhold"]}
            assert kept == {dict(zip(CLASSES, desks, strict=True))[barred]}
            expected = {name: ["C_priv", "ID"] if name == barred else [] for name in CLASSES}
            assert found["barred"] == expected


class TestTheCodeOfAWithheldClass:
    HOUSE = {
        "house-a": {
            "then": {"strip": {"fields": ["ID", "META"], "to": ["us_gov"], "code": "minor"}}
        }
    }

    def test_is_that_of_the_prohibition_then_policy_then_standing_then_not_required(
        self, enact: Enact
    ) -> None:
        then = {"report": {"fields": ["META"], "to": [{"authority": "fbi"}]}}
        rules = enact({"xx-a": {"then": then}, "xx-bar": bar()}, policies=self.HOUSE)
        found = asked(rules)
        assert found["reports"][0]["release"] == []
        assert found["reports"][0]["withhold"] == {
            "C_priv": "us_sca_2702a", "ID": "us_sca_2702a", "META": "minor",
            "THIRD": "standing", "C_pub": "not_required",
        }  # fmt: skip
        assert found["conflicts"] == []

    def test_names_the_law_on_communications_before_the_law_on_transfers(
        self, enact: Enact
    ) -> None:
        rules = enact({
            "xx-a": {}, "xx-late": bar(),
            "xx-early": bar(strip={"code": "gdpr_transfer", "fields": ["ID", "META"]}),
        })  # fmt: skip
        withheld = asked(rules)["reports"][0]["withhold"]
        assert withheld["ID"] == "us_sca_2702a"
        assert withheld["META"] == "gdpr_transfer"

    def test_of_a_policy_that_is_open_is_used_for_safety(self, enact: Enact) -> None:
        policies = {name: rule | {"when": OPEN} for name, rule in self.HOUSE.items()}
        found = asked(enact({"xx-a": {}}, policies=policies))
        assert found["reports"][0]["withhold"]["ID"] == "minor"
        assert {"fact": "order.extended", "as": True, "for": "house-a"} in found["assumed"]
        closed = asked(enact({"xx-a": {}}, policies=policies), order__extended=False)
        assert "ID" in closed["reports"][0]["release"]


class TestAnException:
    @pytest.mark.parametrize(
        ("barred", "lifted", "kept"),
        [
            (True, True, False),
            (True, None, True),
            (True, False, True),
            (None, True, False),
            (None, None, True),
            (None, False, True),
            (False, True, False),
            (False, False, False),
        ],
    )
    def test_lifts_only_when_it_holds(
        self, enact: Enact, barred: bool, lifted: bool, kept: bool
    ) -> None:
        rules = enact({
            "xx-a": {},
            "xx-bar": bar(when=OPEN),
            "xx-lift": lift("xx-bar", when={"fact": "excuse.reasonable", "is": True}),
        })  # fmt: skip
        found = asked(rules, order__extended=barred, excuse__reasonable=lifted)
        names = {True: "holds", None: "undetermined", False: "fails"}
        assert found["rules"]["xx-bar"]["outcome"] == names[barred]
        assert found["barred"]["us_gov"] == (["C_priv", "ID"] if kept else [])
        assert ("ID" in found["reports"][0]["release"]) is not kept

    @pytest.mark.parametrize(
        ("cells", "kept"),
        [
            ({"fields": ["C_priv"]}, ["ID"]),
            ({"fields": ["META"]}, ["C_priv", "ID"]),
            ({"to": ["foreign_gov"]}, ["C_priv", "ID"]),
            ({"to": ["us_gov", "foreign_gov"]}, []),
        ],
    )
    def test_lifts_no_more_than_its_cells(
        self, enact: Enact, cells: dict[str, Any], kept: list[str]
    ) -> None:
        rules = enact({"xx-a": {}, "xx-bar": bar(), "xx-lift": lift("xx-bar", cells=cells)})
        assert asked(rules)["barred"]["us_gov"] == kept

    def test_lifts_only_the_bar_it_names(self, enact: Enact) -> None:
        rules = enact({
            "xx-a": {}, "xx-bar": bar(),
            "xx-other": bar(strip={"fields": ["ID"], "code": "gdpr_transfer"}),
            "xx-lift": lift("xx-bar"),
        })  # fmt: skip
        found = asked(rules)
        assert found["barred"]["us_gov"] == ["ID"]
        assert found["reports"][0]["withhold"]["ID"] == "gdpr_transfer"

    @pytest.mark.parametrize(
        ("status", "kept"),
        [
            ("in_force", []),
            ("preview", ["C_priv", "ID"]),
            ("suspended", ["C_priv", "ID"]),
            ("proposed", ["C_priv", "ID"]),
        ],
    )
    def test_lifts_nothing_unless_it_is_in_force(
        self, enact: Enact, status: str, kept: list[str]
    ) -> None:
        versions = [{"from": "2020-01-01", "status": status}]
        rules = enact({"xx-a": {}, "xx-bar": bar(), "xx-lift": lift("xx-bar", versions=versions)})
        assert asked(rules)["barred"]["us_gov"] == kept

    @pytest.mark.parametrize(
        ("renewal", "kept"),
        [("confirmed", []), ("lapsed", ["C_priv", "ID"]), (None, ["C_priv", "ID"])],
    )
    def test_with_a_sunset_lifts_only_while_renewed(
        self, enact: Enact, renewal: str, kept: list[str]
    ) -> None:
        confirmed = {"fact": "law.ie_oasa_9_renewal", "is": "confirmed"}
        versions = [{"from": "2020-01-01", "status": "sunset", "renewal": confirmed}]
        rules = enact({"xx-a": {}, "xx-bar": bar(), "xx-lift": lift("xx-bar", versions=versions)})
        assert asked(rules, law__ie_oasa_9_renewal=renewal)["barred"]["us_gov"] == kept

    def test_of_two_one_is_enough(self, enact: Enact) -> None:
        rules = enact({
            "xx-a": {}, "xx-bar": bar(),
            "xx-no": lift("xx-bar", when={"not": {"fact": "threat.imminent", "is": True}}),
            "xx-yes": lift("xx-bar"),
        })  # fmt: skip
        assert asked(rules)["barred"]["us_gov"] == []


class TestAnExceptionForSomeReportsAlone:
    OFAC = {"report": {"fields": ["ID", "META"], "to": [{"authority": "fbi"}]}}

    def rules(self, enact: Enact, **more: Any) -> RuleSet:
        alone = {"lift": CELLS | {"for": ["xx-a"]}}
        return enact(
            {"xx-a": {"then": self.OFAC | alone, "overrides": ["xx-bar"]}, "xx-bar": bar()} | more
        )

    def test_frees_what_those_reports_ask_for(self, enact: Enact) -> None:
        found = asked(self.rules(enact))
        (report,) = found["reports"]
        assert report["release"] == ["ID", "META"]
        assert report["withhold"]["C_priv"] == "us_sca_2702a"
        assert (found["conflicts"], found["barred"]["us_gov"]) == ([], ["C_priv", "ID"])

    def test_frees_nothing_that_another_rule_asks_for(self, enact: Enact) -> None:
        both = {"report": {"fields": ["C_priv", "ID"], "to": [{"authority": "fbi"}]}}
        found = asked(self.rules(enact, **{"xx-b": {"then": both}}))
        (report,) = found["reports"]
        assert report["release"] == ["ID", "META"]
        (clash,) = found["conflicts"]
        assert (clash["fields"], clash["duties"]) == (["C_priv"], ["xx-b"])

    def test_leaves_reports_to_others_as_they_are(self, enact: Enact) -> None:
        permission = {"report": {"fields": ["ID"], "to": [{"authority": "fbi"}]}}
        more = {"xx-may": {"mode": "permission", "then": permission}}
        found = asked(self.rules(enact, **more))
        kinds = {each["kind"]: each["release"] for each in found["reports"]}
        assert kinds == {"duty": ["ID", "META"], "permission": []}

    def test_frees_nothing_while_it_is_open(self, enact: Enact) -> None:
        rules = self.rules(enact, **{"xx-b": {}})
        unmet = asked(rules, threat__imminent=None)["reports"][0]
        assert unmet["withhold"]["ID"] == "us_sca_2702a"


class TestWhatStaysBarredBesideAnException:
    def rules(self, enact: Enact, **more: Any) -> RuleSet:
        rest = {"code": "no_2702c_analogue", "reason": "advise_legal_process"}
        content = {"fields": ["C_priv"], "rest": rest}
        return enact(
            {
                "xx-a": {},
                "xx-bar.content": bar(strip={"fields": ["C_priv"]}),
                "xx-bar.records": bar(strip={"fields": ["ID"]}),
                "xx-other": bar(strip={"fields": ["META"], "code": "gdpr_transfer"}),
                "xx-lift": lift("xx-bar.content", cells=content, when=OPEN),
            }
            | more
        )

    @pytest.mark.parametrize(
        ("extended", "content", "records", "advised"),
        [
            (True, None, "no_2702c_analogue", True),
            (None, "us_sca_2702a", "us_sca_2702a", False),
            (False, "us_sca_2702a", "us_sca_2702a", False),
        ],
    )
    def test_has_a_code_and_a_reason_of_its_own_while_it_holds(
        self, enact: Enact, extended: Any, content: Any, records: str, advised: bool
    ) -> None:
        found = asked(self.rules(enact), order__extended=extended)
        withheld = found["reports"][0]["withhold"]
        assert (withheld.get("C_priv"), withheld["ID"]) == (content, records)
        assert withheld["META"] == "gdpr_transfer"
        advice = {"reason": "advise_legal_process", "because": ["xx-lift"]}
        assert (advice in found["human"]) is advised

    def test_is_nothing_where_another_exception_frees_it(self, enact: Enact) -> None:
        freed = {"xx-more": lift("xx-bar.records", cells={"fields": ["ID"]})}
        found = asked(self.rules(enact, **freed), order__extended=True)
        assert "ID" in found["reports"][0]["release"]
        assert "advise_legal_process" not in [each["reason"] for each in found["human"]]

    def test_is_as_it_was_towards_others(self, enact: Enact) -> None:
        then = {"report": {"fields": "available", "to": [{"authority": "bka"}]}}
        wide = {
            "xx-bar.content": bar(strip={"fields": ["C_priv"], "to": ["us_gov", "foreign_gov"]})
        }
        found = asked(self.rules(enact, **{"xx-a": {"then": then}} | wide), order__extended=True)
        assert found["reports"][0]["withhold"]["C_priv"] == "us_sca_2702a"


class TestABarByCountry:
    def rules(self, enact: Enact, *desks: str, fields: Any = "available", **more: Any) -> RuleSet:
        strip = {
            "fields": ["ID", "THIRD"], "outside": ["EU", "member_states", "adequacy.countries"],
            "code": "gdpr_transfer", "reason": "gdpr_transfer",
        }  # fmt: skip
        then = {"report": {"fields": fields, "to": [{"authority": name} for name in desks]}}
        transfer = {"mode": "prohibition", "then": {"strip": strip}}
        return enact({"xx-a": {"then": then}, "xx-far": transfer} | more)

    @pytest.mark.parametrize(
        ("desk", "adequate", "kept", "assumed"),
        [
            ("bka", [], False, False),
            ("europol", [], False, False),
            ("fbi", [], True, False),
            ("fbi", ["US"], False, False),
            ("fbi", None, True, True),
            ("fbi", {"known": ["US"], "closed": False}, False, False),
            ("ncmec", {"known": ["FR"], "closed": False}, True, True),
            ("fbi", {"known": ["AT", "DE", "FR", "IE"], "closed": False}, True, True),
        ],
    )
    def test_keeps_from_a_country_outside_what_it_names(
        self, enact: Enact, desk: str, adequate: Any, kept: bool, assumed: bool
    ) -> None:
        found = asked(self.rules(enact, desk), adequacy__countries=adequate)
        (report,) = found["reports"]
        assert ("ID" not in report["release"]) is kept
        assert report["withhold"]["THIRD"] == ("gdpr_transfer" if kept else "standing")
        assert [each["fields"] for each in found["conflicts"]] == ([["ID"]] if kept else [])
        raised = {each["reason"]: each["because"] for each in found["human"]}
        assert raised.get("gdpr_transfer") == (["xx-far"] if kept else None)
        known = adequate["known"] if isinstance(adequate, dict) else []
        used = {"fact": "adequacy.countries", "as": known, "for": "xx-far"}
        by_the_bar = [each for each in found["assumed"] if each["for"] == "xx-far"]
        assert by_the_bar == ([used] if assumed else [])

    def test_assumes_a_list_that_may_be_longer_for_one_desk_among_others(
        self, enact: Enact
    ) -> None:
        found = asked(self.rules(enact, "bka", "fbi"), adequacy__countries=None)
        used = {"fact": "adequacy.countries", "as": [], "for": "xx-far"}
        assert [each for each in found["assumed"] if each["for"] == "xx-far"] == [used]

    def test_is_no_bar_on_a_class_of_recipients(self, enact: Enact) -> None:
        found = asked(self.rules(enact, "fbi"), adequacy__countries=[])
        assert found["barred"] == {kind: [] for kind in CLASSES}

    def test_calls_nobody_for_what_was_not_asked_for(self, enact: Enact) -> None:
        found = asked(self.rules(enact, "fbi", fields=["META", "THIRD"]), adequacy__countries=[])
        assert found["reports"][0]["withhold"]["ID"] == "gdpr_transfer"
        assert "gdpr_transfer" not in [each["reason"] for each in found["human"]]

    def test_calls_nobody_in_a_simulation(self, enact: Enact) -> None:
        rules = self.rules(enact, "bka", **{"xx-bill": {
            "versions": [{"from": "2020-01-01", "status": "proposed"}],
        }})  # fmt: skip
        facts = {"threat.imminent": True, "data.available_classes": ["ID"]}
        found = jurisdictions.rule_on(
            rules, facts=facts, clocks={}, rule_time=NOON, simulate=["xx-bill"]
        )
        shown = {each["to"]: each["withhold"] for each in found["reports"]}
        assert shown == {"bka": {}, "fbi": {"ID": "gdpr_transfer"}}
        assert "gdpr_transfer" not in [each["reason"] for each in found["human"]]

    def test_comes_after_the_law_on_communications(self, enact: Enact) -> None:
        rules = self.rules(enact, "fbi", **{"xx-bar": bar()})
        found = asked(rules, adequacy__countries=[])
        assert found["reports"][0]["withhold"]["ID"] == "us_sca_2702a"
        assert found["conflicts"][0]["prohibitions"] == ["xx-bar"]
        assert found["conflicts"][1]["prohibitions"] == ["xx-bar", "xx-far"]


class TestContentThatMayBePrivate:
    BOTH = {"strip": {"fields": ["C_priv"]}}

    @pytest.mark.parametrize(
        ("visibility", "kept"),
        [("public", ["C_priv"]), ("one_to_one", ["C_priv"]), (None, ["C_priv", "C_pub"])],
    )
    def test_is_barred_as_private_while_nobody_knows_who_could_read_it(
        self, enact: Enact, visibility: str, kept: list[str]
    ) -> None:
        rules = enact({"xx-a": {}, "xx-bar": bar(**self.BOTH)})
        found = asked(rules, item__visibility=visibility)
        assert found["barred"]["us_gov"] == kept
        assumed = {"fact": "item.visibility", "as": "C_priv", "for": "release"}
        assert (assumed in found["assumed"]) is (visibility is None)
        assert found["conflicts"][0]["fields"] == kept

    def test_is_freed_like_private_content_too(self, enact: Enact) -> None:
        rules = enact({"xx-a": {}, "xx-bar": bar(**self.BOTH), "xx-lift": lift("xx-bar")})
        found = asked(rules, item__visibility=None)
        assert found["barred"]["us_gov"] == []
        assert "C_pub" in found["reports"][0]["release"]

    def test_assumes_nothing_about_content_that_does_not_exist(self, enact: Enact) -> None:
        found = asked(enact({"xx-a": {}}), item__visibility=None, data__available_classes=["META"])
        assert found["assumed"] == []
