"""Law: what a determination says, in the words of the vocabulary."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime

from compliance import facts, releases
from compliance.jurisdictions.book.words import Fact
from compliance.jurisdictions.render.phrases import BRANCHES, TESTS
from compliance.jurisdictions.render.rules import HEADINGS
from compliance.models import Determination

ORDER = {"holds": 0, "undetermined": 1, "simulated": 2}


def authority(name: str) -> str:
    """Return the title of a recipient, also of one that the law now loaded does not know."""
    known = releases.rules().authorities.get(name)
    if name.endswith("@?"):
        return "A Member State that is not identified yet"
    return str(known["title"]) if known else name


def fact(name: str) -> str:
    """Return what a fact says."""
    known = releases.rules().vocabulary.facts.get(name)
    return known.label if known else name


def askable(*, provider: bool) -> list[tuple[str, str, str]]:
    """Return the facts that a person may tell of the provider or of a finding.

    Each with its name, its question, and what may be answered.
    """
    words = releases.rules().vocabulary
    long = {words.lists["countries"]: "codes of countries", words.lists["authorities"]: "agencies"}
    return [
        (word.name, word.ask, _answers(word, long.get(word.values) or ", ".join(word.values)))
        for word in words.facts.values()
        if word.type != "time"
        and word.name not in facts.DERIVED
        and provider is (word.kind == "provider" or word.name == "data.regions")
    ]


def _answers(word: Fact, values: str) -> str:
    """Return what may be answered, as one would type it."""
    plain = {"bool": "true or false", "count": "a whole number", "choice": f"one of: {values}"}
    return plain.get(word.type) or f"some of, in brackets: [{values}]"


def value(said: Any) -> str:
    """Return the value of a fact in words."""
    if isinstance(said, bool):
        return "yes" if said else "no"
    if isinstance(said, Mapping):
        return f"{value(said['known'])}{'' if said['closed'] else ', perhaps more'}"
    if isinstance(said, list):
        return ", ".join(map(str, said)) or "none"
    return str(said)


def classes(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return classes of data with what they hold."""
    words = releases.rules().vocabulary.field_classes
    return [(name, words.get(name, "")) for name in names]


def withheld(codes: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return the classes that stay here: name, what it holds, and why it stays."""
    why = releases.rules().vocabulary.codes
    return [(name, words, why.get(codes[name], codes[name])) for name, words in classes(codes)]


def answer(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the law's answer as a page tells it."""
    words = releases.rules().vocabulary
    return {
        "reports": [_report(report, result["rules"]) for report in result["reports"]],
        "conflicts": [conflict(each) for each in result["conflicts"]],
        "human": [
            {**said, "words": words.reasons.get(said["reason"], said["reason"])}
            for said in result["human"]
        ],
        "questions": [{**asked, "words": _ask(asked["fact"])} for asked in result["questions"]],
        "preserve": result["preserve"],
        "silence": [
            {**silence, "towards": [party.replace("_", " ") for party in silence["towards"]]}
            for silence in result["silence"]
        ],
    }


def conflict(terms: Mapping[str, Any]) -> dict[str, Any]:
    """Return the terms of a conflict with the recipient's title and what the classes hold."""
    return {**terms, "title": authority(terms["to"]), "classes": classes(terms["fields"])}


def is_unverified(determination: Determination) -> bool:
    """Tell whether a rule that decided anything here was never verified by counsel."""
    rules = releases.rules().rules
    deciding = ("holds", "undetermined")
    return any(
        not rules[name].counsel_verified
        for name, said in determination.result["rules"].items()
        if name in rules and said["outcome"] in deciding
    )


def _ask(name: str) -> str:
    known = releases.rules().vocabulary.facts.get(name)
    return known.ask if known else name


def proofs(determination: Determination) -> list[dict[str, Any]]:
    """Return why each rule came out as it did: what decides first, what is out of play last."""
    rules = releases.rules().rules
    told = [
        {
            "id": name,
            "title": rules[name].title if name in rules else name,
            "cite": rules[name].cite if name in rules else "",
            "is_verified": name not in rules or rules[name].counsel_verified,
            "outcome": proof["outcome"].replace("_", " "),
            "status": proof["status"],
            "parts": [
                (words, _node(proof[key])) for key, words in HEADINGS.items() if key in proof
            ],
        }
        for name, proof in sorted(determination.explanation.items())
    ]
    return sorted(told, key=lambda rule: ORDER.get(rule["outcome"], len(ORDER)))


def _node(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return one node of a certificate in words, with its parts below it."""
    around = {"result": node["result"], "says": node.get("says", ""), "cite": node.get("cite", "")}
    if "fact" in node:
        return {**around, "words": _leaf(node), "fact": node["fact"], "parts": []}
    branch = next(name for name in BRANCHES if name in node)
    return {**around, "words": BRANCHES[branch], "parts": [_node(part) for part in node[branch]]}


def _leaf(node: Mapping[str, Any]) -> str:
    """Return the test of one fact as a sentence: what is asked, and what is known."""
    asked = f"{fact(node['fact'])}: {TESTS[node['op']]} {value(node['value'])}"
    if "seen" in node:
        return f"{asked}; recorded: {value(node['seen'])}"
    if "presumed" in node:
        return f"{asked}; not recorded, presumed: {value(node['presumed'])}"
    return f"{asked}; not recorded"


def _report(report: Mapping[str, Any], rules: Mapping[str, Any]) -> dict[str, Any]:
    """Return one report: to whom, until when and counted from when, what goes and what stays."""
    return {
        **report,
        "title": authority(report["to"]),
        "due": _time(report["due"]),
        "moments": [(rule, _time(rules[rule].get("moment"))) for rule in report["because"]],
        "release": classes(report["release"]),
        "withhold": withheld(report["withhold"]),
    }


def _time(text: str | None) -> datetime | None:
    return parse_datetime(text) if text else None
