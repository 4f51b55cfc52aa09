"""Render: a rule to read, and a certificate in words. Plain text; the desk escapes it."""

from collections.abc import Iterator, Mapping
from typing import Any

from compliance.jurisdictions import logic
from compliance.jurisdictions.book import Rule, RuleSet, Vocabulary

TESTS = {
    "is": "is", "is_not": "is not", "in": "is one of", "not_in": "is none of",
    "includes": "includes", "includes_any": "includes any of", "includes_none": "includes none of",
    "at_least": "is at least", "at_most": "is at most",
}  # fmt: skip
BRANCHES = {"all": "all of", "any": "any of", "not": "not"}
HEADINGS = {
    "binds": "Who is bound",
    "when": "What triggers it",
    "exempt": "What exempts",
    "renewal": "Whether it was renewed",
}


def rule(rules: RuleSet, name: str) -> str:
    """Return a rule as a person reads it: heading, conditions, consequences."""
    shown = rules.rules[name]
    lines = [*_heading(shown), *_versions(shown)]
    for key in ("binds", "when", "exempt"):
        if condition := getattr(shown, key):
            lines += ["", HEADINGS[key], *_tree(condition, rules.vocabulary, 1)]
    return "\n".join([*lines, "", "What follows", *_consequences(shown, rules.vocabulary)]) + "\n"


def certificate(rules: RuleSet, name: str, proof: Mapping[str, Any]) -> str:
    """Return why a rule holds, fails or is open: each test with the fact that was seen."""
    shown = rules.rules[name]
    since = f", version from {proof['from']}, {_plain(proof['status'])}" if proof["from"] else ""
    lines = [*_heading(shown), f"Outcome: {_plain(proof['outcome'])} at {proof['moment']}{since}"]
    if proof["successor"]:
        lines.append(f"Superseded by {proof['successor']}")
    for key, heading in HEADINGS.items():
        if key in proof:
            lines += ["", heading, *_tree(proof[key], rules.vocabulary, 1)]
    for number, step in enumerate(proof["chain"], start=1):
        lines += ["", f"Recipients, step {number}", *_tree(step, rules.vocabulary, 1)]
    for other, lift in proof["lifted_by"].items():
        lines += ["", f"Exception {other} {lift['result']}: {_cells(lift)}"]
    return "\n".join(lines) + "\n"


def _heading(shown: Rule) -> list[str]:
    verified = "verified by counsel" if shown.counsel_verified else "not verified by counsel"
    facts = f"{shown.mode} · {shown.rank} · confidence {shown.confidence} · {verified}"
    return [f"{shown.id}: {shown.title}", shown.cite, facts]


def _versions(shown: Rule) -> list[str]:
    return [f"From {each['from']}: {_plain(each['status'])}" for each in shown.versions]


def _plain(code: str) -> str:
    return code.replace("_", " ")


def _tree(tree: Mapping[str, Any], words: Vocabulary, depth: int) -> Iterator[str]:
    result = f"[{tree['result']}] " if "result" in tree else ""
    quoted = f'"{tree["says"]}" ' if "says" in tree else ""
    cited = f"({tree['cite']}) " if "cite" in tree else ""
    head = "  " * depth + result + quoted + cited
    if "fact" in tree:
        yield head + _test(tree, words)
        return
    branch = logic.branch_of(dict(tree))
    yield head + BRANCHES[branch]
    for part in tree[branch]:
        yield from _tree(part, words, depth + 1)


def _test(leaf: Mapping[str, Any], words: Vocabulary) -> str:
    said = f"{leaf['fact']} {TESTS[leaf['op']]} {_value(leaf['value'], words)}"
    if "presumed" in leaf:
        return f"{said}; not known, presumed {_value(leaf['presumed'], words)}"
    if "seen" in leaf:
        return f"{said}; seen: {_value(leaf['seen'], words)}"
    if "result" in leaf:
        return f"{said}; not known: {words.ask(leaf['fact'])}"
    return said


def _value(value: Any, words: Vocabulary) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return f"{_value(value['known'], words)}, perhaps others"
    if not isinstance(value, list):
        return str(value)
    named = [name for name, listed in words.lists.items() if sorted(listed) == sorted(value)]
    return named[0] if named else ", ".join(value) or "nothing"


def _consequences(shown: Rule, words: Vocabulary) -> Iterator[str]:
    then = shown.then
    if "report" in then:
        yield from _report(then["report"], words)
    if "act" in then:
        yield f"  act: {then['act']['what']}, within {then['act']['within']}"
    if "notice" in then:
        yield f"  notice to {then['notice']['to']} about {then['notice']['about']}"
    for effect in ("strip", "lift"):
        if effect in then:
            yield f"  {effect} {_cells(then[effect])}"
    for effect in ("preserve", "silence"):
        if effect in then:
            yield f"  {effect}{_span(then[effect])}"
            yield from _longer(then[effect], words)
    yield from _periods(shown)
    for reason in then.get("unkept", ()):
        yield f"  a person, if nothing asks to keep it: {words.reasons[reason]}"
    for reason in then.get("human", ()):
        yield f"  a person: {words.reasons[reason]}"


def _cells(cells: Mapping[str, Any]) -> str:
    """Return which classes are barred or freed, towards whom, and for whose reports alone."""
    outside = f"countries outside {', '.join(cells.get('outside', ()))}"
    towards = ", ".join(cells["to"]) if "to" in cells else outside
    alone = f", for reports of {', '.join(cells['for'])} alone" if "for" in cells else ""
    rest = f"; what stays barred beside it: {cells['rest']['code']}" if "rest" in cells else ""
    return f"{', '.join(cells['fields'])} towards {towards}{alone}{rest}"


def _span(effect: Mapping[str, Any]) -> str:
    towards = f" towards {', '.join(effect['towards'])}" if "towards" in effect else ""
    about = f" about {effect['about']}" if "about" in effect else ""
    span = f"{effect['for']} from {effect['from']}" if "for" in effect else "until lifted"
    return f"{towards}{about}, {span}"


def _longer(effect: Mapping[str, Any], words: Vocabulary) -> Iterator[str]:
    if "renew" in effect:
        renew = effect["renew"]
        yield f"    {renew['by']} more for the first {renew['from']} that comes in time"
    if "extend" in effect:
        yield f"    {effect['extend']['by']} more if"
        yield from _tree(effect["extend"]["when"], words, 3)


def _periods(shown: Rule) -> Iterator[str]:
    """Yield the versions that have a period of their own."""
    for each in shown.versions:
        if "for" in each:
            yield f"    {each['for']} under the version from {each['from']}"


def _report(report: Mapping[str, Any], words: Vocabulary) -> Iterator[str]:
    fields = report["fields"]
    classes = "every available class" if fields == "available" else ", ".join(fields)
    yield f"  report {classes}{_deadline(report['deadline'])}"
    for step in report["steps"]:
        if step["when"]:
            yield from _tree(step["when"], words, 2)
        joined = {"any_of": " or ", "all_of": " and ", "to": ", "}[step["way"]]
        yield f"    to {joined.join(map(_recipient, step['recipients']))}"


def _deadline(limit: Mapping[str, Any] | None) -> str:
    if limit is None:
        return ""
    hours = limit["hours"]
    policy = f"{hours['imminent']} h if imminent, otherwise {hours['otherwise']} h, by policy"
    return f', "{limit["words"]}" ({policy})'


def _recipient(recipient: Mapping[str, Any]) -> str:
    name, each = str(recipient["authority"]), recipient.get("each_of")
    return f"{name} of each of {', '.join(each)}" if each else name
