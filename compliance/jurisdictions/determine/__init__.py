"""Determinations: what the law says about a situation. Facts in, one answer out, always the same.

The answer is the form `determination/1`; the proofs are made apart, by `explain`.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from compliance.jurisdictions import logic
from compliance.jurisdictions.book import Rule, RuleSet
from compliance.jurisdictions.determine import effects, outcomes, reports, writing
from compliance.jurisdictions.determine.moments import Situation, instant, written
from compliance.jurisdictions.determine.outcomes import Outcome
from compliance.jurisdictions.determine.release import Release
from compliance.jurisdictions.logic import NAMES
from compliance.jurisdictions.shape import (
    Report,
    any_table,
    anything,
    either,
    many,
    record,
    table,
    text,
    word,
)
from compliance.jurisdictions.shape import (
    instant as an_instant,
)

INPUT = record(
    {"rule_time": an_instant, "facts": any_table},
    {
        "schema": word("determine/1"),
        "clocks": table(anything, either(many(an_instant, 0), an_instant)),
        "simulate": many(text(60), 0),
    },
)


def determine(rules: RuleSet, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the determination of rule_time, clocks, facts and simulate, or raise Problems."""
    situation = situated(rules, given)
    found = outcomes.outcomes(situation)
    needs = reports.open_facts(situation, found)
    release = Release(situation, found)
    claims = reports.claims(situation, found)
    made, conflicts, reasons = reports.merged(situation, claims, release)
    said = {
        "schema": "determination/1",
        "rule_set": rules.sha256,
        "rule_time": written(situation.rule_time),
        "clocks": dict(situation.clocks),
        "rules": outcomes.of_records(situation, found, needs),
        "reports": made,
        "barred": release.barred(),
        "conflicts": conflicts,
        "preserve": effects.preserve(situation, found),
        "silence": effects.silence(situation, found),
        "human": effects.human(situation, found, needs, conflicts, reasons),
        "questions": effects.questions(situation, found, needs),
        "assumed": effects.assumed(situation, found, claims, release),
    }
    return {**said, "sha256": hashlib.sha256(writing.canonical(said)).hexdigest()}


def explain(rules: RuleSet, given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the certificate of every rule: who is bound, what triggers, what exempts."""
    situation = situated(rules, given)
    found = outcomes.outcomes(situation)
    lifting = {name: each for name, each in found.items() if each.live and each.rule.overrides}
    return {name: _certificate(each, lifting, situation) for name, each in found.items()}


def situated(rules: RuleSet, given: Mapping[str, Any]) -> Situation:
    """Return the checked situation, or raise Problems with everything that is wrong with it."""
    report = Report()
    INPUT(given, (), report)
    report.settle()
    facts = _facts(rules, given["facts"], report)
    clocks = _clocks(rules, given.get("clocks", {}), report)
    simulate = _simulated(rules, given.get("simulate", ()), report)
    report.settle()
    return Situation(rules, facts, clocks, instant(given["rule_time"]), simulate)


def _facts(rules: RuleSet, facts: Mapping[str, Any], report: Report) -> dict[str, Any]:
    checked, check = {}, rules.vocabulary.check
    for name, value in facts.items():
        try:
            checked[name] = check(name, value)
        except ValueError as error:
            report.add(("facts", name), str(error))
            if report.is_full:  # a word that is not known costs a search for the nearest one
                break
    return checked


def _clocks(rules: RuleSet, clocks: Mapping[str, Any], report: Report) -> dict[str, Any]:
    known = rules.vocabulary.handed
    for name, value in clocks.items():
        if name not in known:
            report.unknown(("clocks", name), "the clock", name, known)
        elif known[name].many != isinstance(value, list):
            wanted = "a list of times" if known[name].many else "one time"
            report.add(("clocks", name), f"must be {wanted}.")
    return {
        name: sorted(value) if isinstance(value, list) else value for name, value in clocks.items()
    }


def _simulated(rules: RuleSet, names: list[str], report: Report) -> frozenset[str]:
    for number, name in enumerate(names):
        if name not in rules.rules and name not in rules.records:
            known = {*rules.rules, *rules.records}
            report.unknown(("simulate", number), "the rule", name, known)
        elif not any(map(_is_proposed, _named(rules, name))):
            report.add(("simulate", number), f"{name} is not a proposed rule; it is law already.")
    return frozenset(names)


def _named(rules: RuleSet, name: str) -> list[Rule]:
    return rules.records.get(name) or [rules.rules[name]]


def _is_proposed(rule: Rule) -> bool:
    return any(version["status"] == "proposed" for version in rule.versions)


def _certificate(
    outcome: Outcome, lifting: Mapping[str, Outcome], situation: Situation
) -> dict[str, Any]:
    rule, version = outcome.rule, outcome.edition.version or {}
    conditions = {
        "binds": rule.binds,
        "when": rule.when,
        "exempt": rule.exempt,
        "renewal": version.get("renewal"),
    }
    proofs = {
        name: logic.prove(condition, situation.facts)
        for name, condition in conditions.items()
        if condition is not None
    }
    steps = rule.then.get("report", {"steps": ()})["steps"]
    chain = [logic.prove(step["when"], situation.facts) for step in steps if step["when"]]
    lifted = {
        name: {"result": NAMES[each.value], **each.rule.then["lift"]}
        for name, each in lifting.items()
        if rule.id in each.rule.overrides
    }
    return {
        "outcome": outcome.name,
        "status": outcome.status,
        "from": version.get("from"),
        "successor": version.get("successor"),
        "moment": written(outcome.at),
        **proofs,
        "chain": chain,
        "lifted_by": lifted,
    }
