"""Phrases: tests, values and consequences in words. Plain text; the desk escapes it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from compliance.jurisdictions import logic
from compliance.jurisdictions.book import Vocabulary

TESTS = {
    "is": "is", "is_not": "is not", "in": "is one of", "not_in": "is none of",
    "includes": "includes", "includes_any": "includes any of", "includes_none": "includes none of",
    "at_least": "is at least", "at_most": "is at most",
}  # fmt: skip
BRANCHES = {"all": "all of these", "any": "any of these", "not": "this must not be so"}


def plain(code: str) -> str:
    """Return a code as words."""
    return code.replace("_", " ")


def label(fact: str, words: Vocabulary) -> str:
    """Return what a fact says, without the remarks behind the first semicolon."""
    return words.label(fact).partition(";")[0]


def value(said: Any, words: Vocabulary) -> str:
    """Return a value in words; a list that has a name, by its name."""
    if isinstance(said, bool):
        return "yes" if said else "no"
    if isinstance(said, dict):
        return f"{value(said['known'], words)}, perhaps others"
    if not isinstance(said, list):
        return plain(str(said))
    named = [name for name, listed in words.lists.items() if sorted(listed) == sorted(said)]
    return plain(named[0] if named else ", ".join(said) or "nothing")


def test(leaf: Mapping[str, Any], words: Vocabulary) -> str:
    """Return what a leaf asks of a fact."""
    return f"{label(leaf['fact'], words)}: {TESTS[leaf['op']]} {value(leaf['value'], words)}"


def known(leaf: Mapping[str, Any], words: Vocabulary) -> str:
    """Return what a certificate knows of a fact: seen, presumed or not known."""
    if "seen" in leaf:
        return f"seen: {value(leaf['seen'], words)}"
    if "presumed" in leaf:
        return f"not known, presumed: {value(leaf['presumed'], words)}"
    return "not known"


def quoted(node: Mapping[str, Any]) -> str:
    """Return the statute's words and where they stand."""
    says = f'"{node["says"]}" ' if "says" in node else ""
    return says + (f"({node['cite']}) " if "cite" in node else "")


def tree(node: Mapping[str, Any], words: Vocabulary, depth: int = 1) -> Iterator[str]:
    """Yield a condition or a certificate line by line, indented."""
    result = f"[{node['result']}] " if "result" in node else ""
    head = "  " * depth + result + quoted(node)
    if "fact" in node:
        told = known(node, words) if "result" in node else ""
        told = "presumed not to be so while unknown" if "presume" in node else told
        yield f"{head}{test(node, words)}{told and '; '}{told}"
        return
    branch = logic.branch_of(dict(node))
    yield head + BRANCHES[branch]
    for part in node[branch]:
        yield from tree(part, words, depth + 1)


def inline(condition: Mapping[str, Any], words: Vocabulary) -> str:
    """Return a condition on one line."""
    if "fact" in condition:
        return test(condition, words)
    branch = logic.branch_of(dict(condition))
    parts = [inline(part, words) for part in condition[branch]]
    return f"not ({parts[0]})" if branch == "not" else f"({JOINS[branch].join(parts)})"


JOINS = {"all": " and ", "any": " or "}


def consequences(then: Mapping[str, Any], words: Vocabulary) -> Iterator[str]:
    """Yield what follows when a rule holds, an effect a line, without who is told."""
    for effect, said in then.items():
        verb = VERBS.get(effect, plain(effect))
        if effect == "report":
            classes = "every available class" if said["fields"] == "available" else ""
            classes = classes or ", ".join(said["fields"])
            yield f"  report {classes}{_deadline(said['deadline'])}"
        elif isinstance(said, list):
            yield from (f"  {verb}: {words.reasons.get(reason, reason)}" for reason in said)
        else:
            yield f"  {verb}{_details(said, words)}"


VERBS = {
    "act": "act:", "human": "a person looks", "lift": "free", "notice": "give notice",
    "preserve": "keep everything", "silence": "say nothing", "strip": "give no",
    "unkept": "if nothing else keeps it, a person looks",
}  # fmt: skip
# How a sentence takes up the usual particulars of an effect, in this order; others are named.
LINKS = {
    "what": "", "within": "within", "fields": "", "to": "to", "outside": "outside",
    "towards": "to", "about": "about", "for": "for", "from": "from", "until": "until",
}  # fmt: skip
UNITS = {"D": "days", "W": "weeks", "M": "months", "Y": "years"}


def _details(effect: Mapping[str, Any], words: Vocabulary) -> str:
    usual = [(LINKS[key], _text(effect[key], words)) for key in LINKS if key in effect]
    other = [key for key in effect if key not in LINKS and key != "code"]
    why = f" ({words.codes[effect['code']]})" if "code" in effect else ""
    told = "".join(f" {link} {text}" if link else f" {text}" for link, text in usual)
    return told + why + "".join(f"; {plain(key)}: {_text(effect[key], words)}" for key in other)


def _text(said: Any, words: Vocabulary) -> str:
    if isinstance(said, list):
        return ", ".join(plain(each) if each not in words.field_classes else each for each in said)
    if isinstance(said, dict):
        when = [f"if {inline(said['when'], words)}"] if "when" in said else []
        rest = [f"{key} {_text(each, words)}" for key, each in said.items() if key != "when"]
        return ", ".join(map(plain, [*when, *rest]))
    return period(said)


def period(said: str) -> str:
    """Return a period such as P6M in words; another text as it stands, in words."""
    found = re.fullmatch(r"P(\d+)([DWMY])", said)
    if not found:
        return plain(said)
    unit = UNITS[found[2]]
    return f"{found[1]} {unit[:-1] if found[1] == '1' else unit}"


def steps(then: Mapping[str, Any], words: Vocabulary) -> Iterator[str]:
    """Yield who is told, step by step, and when each step is taken."""
    for step in then.get("report", {"steps": ()})["steps"]:
        if step["when"]:
            yield from tree(step["when"], words, 2)
        yield f"    to {recipients(step)}"


def recipients(step: Mapping[str, Any]) -> str:
    """Return whom one step tells."""
    joined = {"any_of": " or ", "all_of": " and ", "to": ", "}[step["way"]]
    return joined.join(map(_recipient, step["recipients"]))


def _deadline(limit: Mapping[str, Any] | None) -> str:
    if limit is None:
        return ""
    hours = limit["hours"]
    policy = f"{hours['imminent']} h if imminent, otherwise {hours['otherwise']} h, by policy"
    return f', "{limit["words"]}" ({policy})'


def _recipient(recipient: Mapping[str, Any]) -> str:
    name, each = str(recipient["authority"]), recipient.get("each_of")
    return f"{name} of each of {', '.join(each)}" if each else name
