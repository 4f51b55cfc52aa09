"""Writing: the quick way to write a determination writes what the general one does."""

from compliance import jurisdictions
from compliance.jurisdictions import RuleSet, canonical, cases
from compliance.jurisdictions.determine import writing


class TestCanonical:
    def test_is_the_canonical_form_of_every_determination(
        self, law: RuleSet, golden: dict[str, cases.Case]
    ) -> None:
        asked = [case.given for case in golden.values() if case.kind == "determine"][::5]
        said = [jurisdictions.rule_on(law, **each) for each in asked]
        assert [writing.canonical(each) for each in said] == [canonical(each) for each in said]
        # None of the shapes is missing: reports with a deadline and without, rules with parts.
        reports = [report for each in said for report in each["reports"]]
        rules = [rule for each in said for rule in each["rules"].values()]
        assert {bool(report["due"]) for report in reports} == {True, False}
        assert {bool(report["instead"]) for report in reports} == {True, False}
        assert {(bool(rule["needs"]), bool(rule["parts"])) for rule in rules} == {
            (True, True), (True, False), (False, True), (False, False),
        }  # fmt: skip
        assert {rule["status"] for rule in rules} > {None, "in_force"}
