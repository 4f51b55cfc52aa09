"""Lint: what a rule set should not hold, or leaves out, as one sees without solving anything."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from compliance.jurisdictions import logic
from compliance.jurisdictions.book import Fact, Rule, RuleSet
from compliance.jurisdictions.book.words import CLOCKS, FACTS
from compliance.jurisdictions.logic import Condition
from compliance.jurisdictions.solve.search import facts_of

Finding = dict[str, Any]

# GDPR Art 9(1): beginnings of words, in the names and the labels of facts. What is a crime
# against a child, or a threat to a life, is no datum about anybody's sex life or health.
SPECIAL = (
    "biometric", "ethnic", "genetic", "health", "philosoph", "politic", "race", "racial",
    "religio", "sex life", "sexual orientation", "sexuality", "trade union",
)  # fmt: skip
_SPECIAL = re.compile(rf"\b(?:{'|'.join(SPECIAL)})", re.ASCII | re.IGNORECASE)


def remarks(rules: RuleSet) -> Iterator[Finding]:
    """Yield special categories that are read, words not quoted, gaps left open, facts unused."""
    for name, rule in sorted(rules.rules.items()):
        for fact in sorted(_read(rule) & rules.vocabulary.facts.keys()):
            if word := special(rules.vocabulary.facts[fact]):
                says = f"reads {fact}, a special category of data ({word}; GDPR Art 9)"
                yield _remark(name, "special", "fault", says)
        for fact in _unquoted(rule):
            says = f"tests {fact} and quotes no words of the law for it"
            yield _remark(name, "uncited", "note", says)
    for each in rules.not_modelled:
        says = f'is not modelled, and nobody accepted that: "{each["what"]}"'
        if not each["accepted"]:
            yield _remark(each["regime"], "not_modelled", "open", says)
    for fact in sorted(rules.vocabulary.facts.keys() - _used(rules)):
        yield _remark("", "unused", "note", f"no rule reads {fact}")


def special(fact: Fact) -> str:
    """Return the word that makes a fact a special category of data, or nothing."""
    named = re.sub(r"[._]", " ", fact.name)
    values = " ".join(fact.values).replace("_", " ")
    found = _SPECIAL.search(f"{named} {fact.label} {fact.ask} {values}")
    return found.group().lower() if found else ""


def _remark(rule: str, kind: str, level: str, says: str) -> Finding:
    said = {"rule": rule, "kind": kind, "level": level, "finding": says}
    return {**said, "proved": True, "witness": None}


def _conditions(rule: Rule) -> list[Condition]:
    """Return every condition of a rule: its own, its recipients', its versions', its questions'."""
    steps = rule.then.get("report", {"steps": ()})["steps"]
    listed = [
        rule.binds, rule.when, rule.exempt,
        *(step["when"] for step in steps),
        *(table.get("when") for table in _tables(rule)),
        *(version.get("renewal") for version in rule.versions),
        *(entry["given"] for entry in rule.open),
    ]  # fmt: skip
    return [each for each in listed if each]


def _tables(rule: Rule) -> list[Mapping[str, Any]]:
    """Return the particulars of every effect but the report, and theirs."""
    outer = [said for effect, said in rule.then.items() if effect not in ("report", "human")]
    inner = [part for said in outer if isinstance(said, dict) for part in said.values()]
    return [each for each in [*outer, *inner] if isinstance(each, dict)]


def _read(rule: Rule) -> set[str]:
    """Return the words for facts in a rule: what it tests, and what names countries in it."""
    steps = rule.then.get("report", {"steps": ()})["steps"]
    desks = [desk for step in steps for desk in step["recipients"]]
    named = {fact for desk in desks for fact in desk.get("each_of", ())}
    spared = {fact for table in _tables(rule) for fact in table.get("outside", ())}
    return facts_of(*_conditions(rule)) | named | spared


def _unquoted(rule: Rule) -> list[str]:
    """Return the facts that a statute's rule tests without its words or a citation, once each.

    The rule's own citation says where the rule stands, not which of its words a test reads. What
    counsel answers once for all is counsel's reading, and the house quotes nobody.
    """
    if rule.rank == "policy":
        return []
    conditions = (rule.binds, rule.when, rule.exempt)
    bare = {fact for each in conditions if each for fact in _bare(each)}
    return sorted(fact for fact in bare if not fact.startswith("counsel."))


def _bare(condition: Condition) -> Iterator[str]:
    if "says" in condition or "cite" in condition:
        return
    if "fact" in condition:
        yield condition["fact"]
        return
    for part in condition[logic.branch_of(condition)]:
        yield from _bare(part)


def _used(rules: RuleSet) -> set[str]:
    """Return the facts that a rule or the evaluator reads, clocks included."""
    words = rules.vocabulary
    spans = {table.get("from") for rule in rules.rules.values() for table in _tables(rule)}
    clocks = {*CLOCKS, *spans, "rule_time", *(rule.clock for rule in rules.rules.values())}
    started = {fact.name for clock, fact in words.clocks.items() if clock in clocks}
    tested = {fact for rule in rules.rules.values() for fact in _read(rule)}
    asked = {entry["fact"] for rule in rules.rules.values() for entry in rule.open}
    return {*FACTS, *started, *tested, *asked}
