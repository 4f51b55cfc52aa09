"""Books: every rule that is shipped has been seen to hold, to fail, to be open and to be absent."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from compliance import releases
from compliance.jurisdictions import RuleSet, logic
from compliance.jurisdictions.book import Rule
from compliance.jurisdictions.cases import Case

# Records that are an element, a frame, a route or a capability: nothing follows from them alone.
CONTEXT = frozenset(["de-ddg-13", "eu-europol-gateway", "uk-osa-2023", "us-842p"])
BOOKS = {
    name: yaml.safe_load(text)
    for name, text in releases.shipped_texts().items()
    if "schema: rulebook/1" in text
}


def can_be_open(rule: Rule) -> bool:
    """Whether any of its tests waits for an answer; one that presumes waits for none."""

    def waits(leaf: dict[str, Any]) -> bool:
        return "presume" not in leaf or leaf["op"].startswith("includes")

    return any(map(waits, logic.leaves(rule.own)))


def wanted(rule: Rule) -> set[str]:
    """The outcomes that a rule must be seen with."""
    is_law = any(version["status"] != "proposed" for version in rule.versions)
    is_open = {"undetermined"} if can_be_open(rule) else set()
    return {"fails", "not_in_force", "holds" if is_law else "simulated"} | is_open


def seen(rule: Rule, golden: dict[str, Case]) -> Iterator[str]:
    """The outcomes that cases expect of a rule."""
    for case in golden.values():
        if rule.id in case.expect.get("rules", {}):
            yield case.expect["rules"][rule.id]


class TestEveryRule:
    @pytest.mark.parametrize("name", BOOKS)
    def test_has_a_case_for_each_outcome_it_can_have(
        self, law: RuleSet, golden: dict[str, Case], name: str
    ) -> None:
        rules = [rule for rule in law.rules.values() if rule.regime == BOOKS[name]["regime"]]
        assert rules
        unseen = {
            rule.id: wanted(rule) - {*seen(rule, golden)}
            for rule in rules
            if rule.record not in CONTEXT
        }
        assert {name: missing for name, missing in unseen.items() if missing} == {}

    def test_is_verified_by_nobody_yet(self, law: RuleSet) -> None:
        assert [rule.id for rule in law.rules.values() if rule.counsel_verified] == []

    def test_presumes_an_answer_or_waits_for_one(self, law: RuleSet) -> None:
        assert not can_be_open(law.rules["house-csam"])
        assert can_be_open(law.rules["house-protected-role"])


class TestEveryBook:
    def test_says_what_it_leaves_out(self) -> None:
        assert [name for name, book in BOOKS.items() if not book.get("not_modelled")] == []

    def test_names_what_is_mere_context(self, law: RuleSet) -> None:
        named = {each["id"] for book in BOOKS.values() for each in book.get("context", ())}
        assert named <= CONTEXT
        assert {"eu-europol-gateway", "us-842p"} <= named
        assert not named & {*law.records}
