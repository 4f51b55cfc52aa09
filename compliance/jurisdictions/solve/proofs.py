"""Proofs: what holds of rules in every situation, and the situation in which it does not.

A question that the search gives up is answered "not proved", never passed over.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from compliance.jurisdictions.book import Rule, RuleSet
from compliance.jurisdictions.logic import FAILS, HOLDS, Condition
from compliance.jurisdictions.solve.search import (
    NotProved,
    facts_of,
    without_presumptions,
    witness,
)

Finding = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """What is asked of a rule, and what is said if a situation is found, or if there is none."""

    rule: str
    kind: str
    says: str
    level: str
    condition: Condition
    wanted: int = HOLDS
    found: bool = True  # whether the finding is that there is such a situation, or none
    example: Condition | None = None  # holds in the situation shown beside a finding of none


def answers(rules: RuleSet) -> Iterator[Finding]:
    """Yield what is found of every rule, every claim, and every pair of rules."""
    idle: set[str] = set()
    for question in _of_rules(rules):
        for finding in _answer(question, rules):
            if finding["kind"] in ("never", "always") and finding["proved"]:
                idle.add(finding["rule"])
            yield finding
    for question in [*_of_claims(rules), *_of_pairs(rules, idle)]:
        yield from _answer(question, rules)


def _answer(question: Question, rules: RuleSet) -> Iterator[Finding]:
    """Yield a finding, or nothing if all is well."""
    said = {"rule": question.rule, "kind": question.kind, "level": question.level}
    words = rules.vocabulary.facts
    try:
        situation = witness(question.condition, words, question.wanted)
        if (situation is not None) == question.found:
            shown = question.example
            example = situation if shown is None else witness(shown, words, HOLDS)
            yield {**said, "finding": question.says, "proved": True, "witness": example}
    except NotProved:
        level = "open" if question.level == "note" else question.level
        says = f"may be a rule that {question.says}: not proved"
        yield {**said, "level": level, "finding": says, "proved": False, "witness": None}


def _of_rules(rules: RuleSet) -> Iterator[Question]:
    """Yield whether each rule can hold, can fail, and can hold with nobody to tell.

    A chain that a claim of its book is about is left to the claim.
    """
    claimed = {claim.rule for claim in rules.claims if claim.effect == "report"}
    for name, rule in sorted(rules.rules.items()):
        own = rule.own
        yield Question(name, "never", "can never hold", "fault", own, found=False)
        yield Question(
            name, "always", "always holds", "fault", own, FAILS, found=False, example=own
        )
        if "report" in rule.then and name not in claimed:
            says = "can hold and leave nobody to tell"
            yield Question(name, "gap", says, "fault", _silent(rule))


def _of_claims(rules: RuleSet) -> Iterator[Question]:
    """Yield whether a claim is broken, and whether it says anything at all."""
    for claim in rules.claims:
        rule = rules.rules[claim.rule]
        meant = {"all": [claim.given, rule.own]}
        says = f'never meets what the claim "{claim.name}" is given'
        yield Question(rule.id, "claim", says, "fault", meant, found=False)
        if claim.effect == "report":
            broken = {"all": [claim.given, _silent(rule)]}
            says = f'breaks the claim "{claim.name}": nobody is told'
            yield Question(rule.id, "claim", says, "fault", broken)


def _of_pairs(rules: RuleSet, idle: Collection[str]) -> Iterator[Question]:
    """Yield which rules of one mode imply each other, and which can hold together.

    Rules that share no fact have nothing to do with each other: they hold together if each can.
    """
    plain = {
        name: without_presumptions(rule.own)
        for name, rule in sorted(rules.rules.items())
        if name not in idle
    }
    tested = {name: facts_of(condition) for name, condition in plain.items()}
    for one, other in combinations(plain, 2):
        if rules.rules[one].mode == rules.rules[other].mode and tested[one] & tested[other]:
            yield from _of_pair(one, other, plain)


def _of_pair(one: str, other: str, plain: Mapping[str, Condition]) -> Iterator[Question]:
    both = {"all": [plain[one], plain[other]]}
    for name, wider in ((one, other), (other, one)):
        apart = {"all": [plain[name], {"not": [plain[wider]]}]}
        says = f"holds only where {wider} holds too"
        yield Question(name, "implied", says, "note", apart, found=False, example=both)
    yield Question(one, "overlap", f"can hold together with {other}", "note", both)


def _silent(rule: Rule) -> Condition:
    """Return when a rule holds and no step of its chain is taken."""
    steps = rule.then["report"]["steps"]
    return {"all": [rule.own, *({"not": [step["when"] or {"all": []}]} for step in steps)]}
