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
