"""Rules: one rule of the law as a person reads it, whole or part by part."""

from collections.abc import Iterator, Mapping
from typing import Any

from compliance.jurisdictions.book import Rule, RuleSet, Vocabulary
from compliance.jurisdictions.render.phrases import consequences, inline, period, plain, steps, tree

HEADINGS = {
    "binds": "Who is bound",
    "when": "What triggers it",
    "exempt": "What exempts",
    "renewal": "Whether it was renewed",
}


def rule(rules: RuleSet, name: str) -> str:
    """Return a rule as a person reads it: heading, conditions, consequences."""
    shown = rules.rules[name]
    lines = [*heading(shown), *_versions(shown, rules.vocabulary)]
    for key in ("binds", "when", "exempt"):
        if condition := getattr(shown, key):
            lines += ["", HEADINGS[key], *tree(condition, rules.vocabulary)]
    return "\n".join([*lines, "", "What follows", *_follows(shown, rules.vocabulary)]) + "\n"


def parts(rules: RuleSet, name: str) -> dict[str, str]:
    """Return the parts of a rule in words, each by its name; an absent part is an empty text."""
    shown, words = rules.rules[name], rules.vocabulary
    conditions = {
        key: "\n".join(tree(getattr(shown, key), words, 0)) if getattr(shown, key) else ""
        for key in ("binds", "when", "exempt")
    }
    return {
        "title": shown.title,
        "citation": f"{shown.cite} ({shown.regime})",
        "standing": _standing(shown),
        "trigger": _trigger(shown),
        "versions": "\n".join(_versions(shown, words)),
        **conditions,
        "then": "\n".join(line.removeprefix("  ") for line in _follows(shown, words)),
        "overrides": ", ".join(shown.overrides),
        "open": "\n".join(_open(entry, words) for entry in shown.open),
    }


def heading(shown: Rule) -> list[str]:
    """Return what stands above a rule: its name and title, its citation, its standing."""
    phrases = ", ".join(f'"{each}"' for each in sorted(shown.unseen))
    unseen = [f"Not seen in a published text of the law: {phrases}"] if phrases else []
    return [f"{shown.id}: {shown.title}", shown.cite, _standing(shown), *unseen]


def _follows(shown: Rule, words: Vocabulary) -> list[str]:
    return [*consequences(shown.then, words), *steps(shown.then, words)]


def _standing(shown: Rule) -> str:
    verified = "verified by counsel" if shown.counsel_verified else "not verified by counsel"
    return f"{shown.mode} · {shown.rank} · confidence {shown.confidence} · {verified}"


def _trigger(shown: Rule) -> str:
    clock = f", clock {plain(shown.clock)}" if shown.clock else ""
    return f"{shown.nature}{clock}" + (f', "{shown.words}"' if shown.words else "")


def _versions(shown: Rule, words: Vocabulary) -> Iterator[str]:
    for each in shown.versions:
        rest = [key for key in each if key not in ("from", "status", "renewal")]
        told = "".join(f", {plain(key)} {period(each[key])}" for key in rest)
        renewed = f", if {inline(each['renewal'], words)}" if "renewal" in each else ""
        yield f"From {each['from']}: {plain(each['status'])}{told}{renewed}"


def _open(entry: Mapping[str, Any], words: Vocabulary) -> str:
    given = f", given {inline(entry['given'], words)}" if entry["given"] != {"all": []} else ""
    return f"while {entry['fact']} is open, {words.reasons[entry['reason']]}{given}"
