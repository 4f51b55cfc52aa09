"""Notes: why one rule holds, fails or is open, as a lawyer would write it down."""

from collections.abc import Iterator, Mapping
from typing import Any

from compliance.jurisdictions import logic
from compliance.jurisdictions.book import Rule, RuleSet, Vocabulary
from compliance.jurisdictions.render.phrases import (
    consequences,
    known,
    label,
    plain,
    recipients,
    test,
    tree,
    value,
)
from compliance.jurisdictions.render.rules import HEADINGS, heading

Proof = Mapping[str, Any]
# Why a rule fails, by the part that fails it; an exemption fails it by holding.
FAILED = {
    "binds": ("fails", "it does not bind the provider"),
    "when": ("fails", "what triggers it is not there"),
    "exempt": ("holds", "it exempts this"),
    "renewal": ("fails", "it was not renewed"),
}
OPEN = ("holds", "undetermined", "simulated")  # outcomes from which something may follow
SETTLED = {"holds": "fails", "fails": "holds"}  # mirrored by a `not`


def certificate(rules: RuleSet, name: str, proof: Proof, said: Proof) -> str:
    """Return the note on one rule: the conclusion first, then why, then what follows.

    `proof` is the certificate of the rule, `said` the determination of the same situation.
    """
    shown, words = rules.rules[name], rules.vocabulary
    lines = [*heading(shown), _version(proof), "", *_conclusion(shown, proof, words)]
    for key, title in HEADINGS.items():
        if key in proof:
            lines += ["", f"{title} [{proof[key]['result']}]", *tree(proof[key], words)]
    lines += _chain(shown, proof, words)
    for other, lift in proof["lifted_by"].items():
        cells = f"{', '.join(lift['fields'])} to {plain(', '.join(lift['to']))}"
        lines += ["", f"Exception {other} [{lift['result']}]: {cells}"]
    if proof["outcome"] in OPEN:
        follows = consequences(shown.then, words)
        title = "What follows" if proof["outcome"] == "holds" else "What would follow"
        lines += ["", title, *follows, *_due(shown, said, _needs(proof), words)]
        presumed = list(_presumed(shown, proof, said, words))
        lines += ["", "What was presumed", *presumed] if presumed else []
    return "\n".join(lines) + "\n"


def _chain(shown: Rule, proof: Proof, words: Vocabulary) -> Iterator[str]:
    """Yield the steps of a chain that have a condition, with whom each tells."""
    steps = shown.then.get("report", {"steps": ()})["steps"]
    for number, (step, told) in enumerate(zip(steps, proof["chain"], strict=False), start=1):
        yield from ["", f"Recipients, step {number} [{told['result']}]: {recipients(step)}"]
        yield from tree(told, words)


def _version(proof: Proof) -> str:
    since = f", version from {proof['from']}, {plain(proof['status'])}" if proof["from"] else ""
    after = f"; superseded by {proof['successor']}" if proof["successor"] else ""
    return f"Judged at {proof['moment']}{since}{after}"


def _conclusion(shown: Rule, proof: Proof, words: Vocabulary) -> Iterator[str]:
    """Yield the conclusion in one sentence, and the facts that would settle an open one."""
    mode, outcome = shown.mode, proof["outcome"]
    if outcome == "holds":
        met = ["it binds the provider"] if "binds" in proof else []
        spared = ["nothing exempts"] if "exempt" in proof else []
        yield f"The {mode} holds: {_listed([*met, 'what triggers it is there', *spared])}."
        if proof["status"] == "preview":
            yield "Counsel must adopt it before anything that it asks for is firm."
    elif outcome == "fails":
        yield f"The {mode} does not hold, because {_reason(proof, words)}."
    elif outcome == "undetermined":
        yield f"It cannot be said yet whether the {mode} holds; these facts would settle it:"
        yield from (f"  {words.ask(fact)} ({label(fact, words)})" for fact in _needs(proof))
    elif outcome == "simulated":
        yield f"The {mode} would hold if the proposal were law; nothing follows from it today."
    elif outcome == "suspended":
        yield f"The {mode} is suspended by a court, whatever the facts."
    else:
        proposed = "it is only proposed" if proof["status"] == "proposed" else "whatever the facts"
        yield f"The {mode} is not in force at that time: {proposed}."


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _reason(proof: Proof, words: Vocabulary) -> str:
    """Return the part that fails a rule, and the tests that are enough to fail it."""
    key = next(key for key in FAILED if key in proof and proof[key]["result"] == FAILED[key][0])
    told = [_told(leaf, words) for leaf in _enough(proof[key])]
    return f"{FAILED[key][1]}: {'; '.join(told)}"


def _enough(node: Proof) -> list[Proof]:
    """Return the fewest tests that settle a settled node."""
    if "fact" in node:
        return [node]
    branch, result = logic.branch_of(dict(node)), node["result"]
    wanted = SETTLED[result] if branch == "not" else result
    parts = [_enough(part) for part in node[branch] if part["result"] == wanted]
    one_is_enough = (branch, result) in (("all", "fails"), ("any", "holds"))
    return min(parts, key=len) if one_is_enough else [leaf for part in parts for leaf in part]


def _told(leaf: Proof, words: Vocabulary) -> str:
    so = "is so" if leaf["result"] == "holds" else "is not so"
    name = f'"{leaf["says"]}"' if "says" in leaf else f"'{test(leaf, words)}'"
    return f"{name} {so} ({known(leaf, words)})"


def _needs(proof: Proof) -> list[str]:
    """Return the facts that would settle an open rule, once each."""
    open_parts = [proof[key] for key in HEADINGS if key in proof]
    return list(dict.fromkeys(fact for part in open_parts for fact in _open(part)))


def _open(node: Proof) -> Iterator[str]:
    if node["result"] != "undetermined":
        return
    if "fact" in node:
        yield node["fact"]
        return
    for part in node[logic.branch_of(dict(node))]:
        yield from _open(part)


def _reports(shown: Rule, said: Proof) -> list[Proof]:
    made = said["reports"] if "report" in shown.then else []
    return [report for report in made if shown.record in report["because"]]


def _due(shown: Rule, said: Proof, settling: list[str], words: Vocabulary) -> Iterator[str]:
    """Yield who is told and by when, and what still decides who else is."""
    for report in _reports(shown, said):
        instead = f" (or {', '.join(report['instead'])})" if report["instead"] else ""
        due = f"by {report['due']}" if report["due"] else "no time is set"
        yield f"  {report['to']}{instead}: {report['certainty']} {report['kind']}, {due}"
    for fact in said["rules"][shown.id]["needs"]:
        if fact not in settling:
            yield f"  still open: {words.ask(fact)}"


def _presumed(shown: Rule, proof: Proof, said: Proof, words: Vocabulary) -> Iterator[str]:
    """Yield what was taken as so while nobody knows it, in the tests and for the time."""
    trees = [proof[key] for key in HEADINGS if key in proof]
    tested = {leaf["fact"] for part in trees for leaf in logic.leaves(part)}
    timed = any(report["due"] for report in _reports(shown, said))
    for each in said["assumed"]:
        here = each["for"] == shown.record and each["fact"] in tested
        if here or (each["for"] == "timer" and timed):
            taken = "whatever it is" if each["as"] is None else value(each["as"], words)
            yield f"  {label(each['fact'], words)}: {taken}"
