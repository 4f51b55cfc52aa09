"""Reading: texts into a rule set, or a refusal that names every problem at once."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from compliance.jurisdictions.book import forms, recipients
from compliance.jurisdictions.book.consequences import ConsequenceReader
from compliance.jurisdictions.book.rules import Assertion, Rule, RuleSet
from compliance.jurisdictions.book.strict import digest, parse
from compliance.jurisdictions.book.words import Fact, Vocabulary
from compliance.jurisdictions.logic import Condition
from compliance.jurisdictions.shape import Path, Problem, Problems, Report, shown

MOST_PARTS, MOST_LEVELS = 200, 8  # all conditions of a rule together, each of them
ALLOWED = {
    "bool": {"is"},
    "choice": {"is", "is_not", "in", "not_in"},
    "set": {"includes", "includes_any", "includes_none"},
    "count": {"is", "at_least", "at_most"},
    "time": set(),
}
EFFECTS = {
    "duty": {"report", "act", "notice", "preserve", "lift", "human"},
    "permission": {"report", "lift", "human"},
    "prohibition": {"strip", "silence", "preserve", "human"},
    "condition": {"strip", "unkept", "human"},
}


def read(texts: Mapping[str, str]) -> RuleSet:
    """Read a vocabulary, the authorities and the rulebooks, or raise Problems with every one."""
    parsed = {name: parse(name, text) for name, text in sorted(texts.items())}
    kinds: dict[str, list[str]] = {schema: [] for schema in forms.BY_SCHEMA}
    for name, (data, report) in parsed.items():
        schema = data.get("schema") if isinstance(data, dict) else None
        if isinstance(schema, str) and schema in kinds:
            kinds[schema].append(name)
            forms.BY_SCHEMA[schema](data, (), report)
        elif not report.problems:
            report.add((), f"must name its schema: {', '.join(forms.BY_SCHEMA)}.")
    _settle(parsed)
    _settle(parsed, *_miscounted(kinds))
    (words_in,), (desks_in,), books = kinds.values()
    authorities = parsed[desks_in][0]["authorities"]
    words = Vocabulary(parsed[words_in][0], authorities)
    words.cross_check(*parsed[words_in])
    _settle(parsed)
    recipients.check(authorities, words, parsed[desks_in][1])
    _settle(parsed)
    law = {name: parsed[name] for name in books}
    rules = _rules(law, words, authorities)
    claims = _claims(law, words, authorities, rules)
    _settle(parsed)
    left_out = tuple(
        {**each, "regime": parsed[name][0]["regime"]}
        for name in books
        for each in parsed[name][0].get("not_modelled", ())
    )
    sha256 = digest({name: data for name, (data, _) in parsed.items()})
    return RuleSet(sha256, words, authorities, rules, claims, left_out)


def _miscounted(kinds: Mapping[str, list[str]]) -> list[Problem]:
    vocabulary, authorities, rulebook = kinds
    found = [
        Problem("", 0, "", f"exactly one file of the schema {schema} is needed, not {count}.")
        for schema in (vocabulary, authorities)
        if (count := len(kinds[schema])) != 1
    ]
    # A law without rules would find no duty, whatever happened.
    none = Problem("", 0, "", f"at least one file of the schema {rulebook} is needed.")
    return found if kinds[rulebook] else [*found, none]


def _settle(parsed: Mapping[str, tuple[Any, Report]], *more: Problem) -> None:
    found = [problem for _, report in parsed.values() for problem in report.problems]
    if found := [*found, *more]:
        raise Problems(found)


def _rules(
    books: Mapping[str, tuple[Any, Report]], words: Vocabulary, desks: Mapping[str, Any]
) -> dict[str, Rule]:
    seats = [
        (book, report, number, entry)
        for book, report in books.values()
        for number, entry in enumerate(book["rules"])
    ]
    rules: dict[str, Rule] = {}
    for book, report in books.values():
        _check_head(book, report, words, desks)
    for book, report, number, entry in seats:
        if entry["id"] in rules:
            report.add(("rules", number, "id"), f"the rule {entry['id']} exists already.")
        reader = _RuleReader(words, desks, book, report, ("rules", number))
        rules[entry["id"]] = reader.rule(entry)
    for _, report, number, entry in seats:
        rule = rules[entry["id"]]
        if rule.record != rule.id and rule.record in rules:
            report.add(("rules", number, "id"), f"{rule.record} is a rule; it has no parts.")
        _check_overrides(rule, rules, report, ("rules", number, "overrides"))
        _check_lift(rule, rules, report, ("rules", number, "then", "lift", "for"))
    return rules


def _claims(
    books: Mapping[str, tuple[Any, Report]],
    words: Vocabulary,
    desks: Mapping[str, Any],
    rules: Mapping[str, Rule],
) -> tuple[Assertion, ...]:
    """Return what the books claim of their rules; nobody has proved it yet."""
    found = []
    for book, report in books.values():
        for number, entry in enumerate(book.get("claims", ())):
            path: Path = ("claims", number)
            rule, _, effect = entry["covers"].rpartition(".")
            if effect not in getattr(rules.get(rule), "then", ()):
                known = [f"{name}.{each}" for name in rules for each in rules[name].then]
                report.unknown((*path, "covers"), "the effect", entry["covers"], known)
            given = _RuleReader(words, desks, book, report, path).condition(
                entry["given"], (*path, "given")
            )
            found.append(Assertion(book["regime"], entry["name"], rule, effect, given))
    return tuple(found)


def _check_head(
    book: Mapping[str, Any], report: Report, words: Vocabulary, desks: Mapping[str, Any]
) -> None:
    """Report what is wrong at the head of a book, whether a rule uses it or not."""
    for name, raw in book.get("conditions", {}).items():
        path: Path = ("conditions", name)
        _RuleReader(words, desks, book, report, path).condition(raw, path, (name,))
    quoted: frozenset[str] = frozenset().union(*[quoted_in(book, entry) for entry in book["rules"]])
    for number, phrase in enumerate(book.get("unseen", ())):
        if phrase not in quoted:
            report.add(("unseen", number), "no rule quotes this.")
    if "binds" in book:
        _RuleReader(words, desks, book, report, ("binds",)).condition(book["binds"], ("binds",))


def _check_overrides(rule: Rule, rules: Mapping[str, Rule], report: Report, path: Path) -> None:
    if bool(rule.overrides) != ("lift" in rule.then):
        report.add(path[:-1], "overrides and lift belong together: one says which, one says what.")
    for number, name in enumerate(rule.overrides):
        if name not in rules:
            report.unknown((*path, number), "the rule", name, rules)
        elif rules[name].mode != "prohibition":
            report.add((*path, number), f"only a prohibition can be lifted, not {name}.")
        elif rule.rank == "policy":
            report.add((*path, number), f"a policy cannot lift the statute {name}.")


def _check_lift(rule: Rule, rules: Mapping[str, Rule], report: Report, path: Path) -> None:
    """Report an exception for reports that nobody makes; a duty frees its own report alone."""
    freed = rule.then.get("lift", {}).get("for", ())
    reporting = {each.record for each in rules.values() if "report" in each.then}
    for number, name in enumerate(freed):
        if name not in reporting:
            report.unknown((*path, number), "the record with a report", name, reporting)
    if rule.mode == "duty" and "lift" in rule.then and [*freed] != [rule.record]:
        report.add(path, f"a duty lifts a bar for its own reports alone: [{rule.record}].")


def quoted_in(book: Mapping[str, Any], entry: Mapping[str, Any]) -> frozenset[str]:
    """Return every phrase that a rule quotes, as its book has it."""
    named = {**book.get("conditions", {})}
    found: set[str] = set()
    parts: list[Any] = [book.get("binds"), *book.get("versions", ()), entry]
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            found |= {part[key] for key in ("says", "words") if key in part}
            parts += [*part.values(), named.pop(part.get("use"), None)]  # each condition once
        elif isinstance(part, list):
            parts += part
    return frozenset(found)


class _RuleReader:
    """Reads one entry of a rulebook; what it cannot understand it reports."""

    def __init__(
        self, words: Vocabulary, desks: Mapping[str, Any], book: Any, report: Report, path: Path
    ) -> None:
        self.words, self.desks, self.book = words, desks, book
        self.report, self.path, self.parts = report, path, 0
        self.named: Mapping[str, Any] = book.get("conditions", {})
        self.effects = ConsequenceReader(words, desks, report, self.condition)

    def rule(self, entry: Mapping[str, Any]) -> Rule:
        trigger = entry["trigger"]
        rule = Rule(
            **{key: entry[key] for key in ("id", "title", "mode", "cite")},
            **{key: self.book[key] for key in ("regime", "rank", "confidence", "counsel_verified")},
            law=self.book["title"],
            unseen=quoted_in(self.book, entry).intersection(self.book.get("unseen", ())),
            nature=trigger["nature"],
            clock=trigger.get("clock", ""),
            words=trigger.get("words", ""),
            versions=self._versions(entry),
            binds=self._inherited(entry, "binds"),
            when=self.condition(entry["when"], (*self.path, "when")),
            exempt=self._inherited(entry, "exempt"),
            then=self.effects.then(entry["then"], (*self.path, "then")),
            overrides=tuple(entry.get("overrides", ())),
            open=tuple(
                self._open(number, each) for number, each in enumerate(entry.get("open", ()))
            ),
        )
        self._check_trigger(rule)
        self._check_effects(rule)
        return rule

    def _inherited(self, entry: Mapping[str, Any], key: str) -> Condition | None:
        """Return the rule's own condition of this name, or the one at the head of the book."""
        if key in entry:
            return self.condition(entry[key], (*self.path, key))
        return self.condition(self.book[key], (key,)) if key in self.book else None

    # ---- conditions

    def condition(
        self, raw: Any, path: Path, used: tuple[str, ...] = (), deep: int = 1
    ) -> Condition:
        """Return a condition as the evaluator reads it: names resolved, words checked."""
        self.parts += 1
        if self.parts > MOST_PARTS or deep > MOST_LEVELS:
            # Counted while it unfolds: named conditions that use each other grow without end.
            most = f"{MOST_PARTS} parts or deeper than {MOST_LEVELS} levels"
            self.report.add(self.path, f"its conditions are larger than {most}.")
            return {"all": []}
        words = {key: raw[key] for key in ("says", "cite") if key in raw}
        if "use" in raw:
            return self._named(raw["use"], (*path, "use"), used, deep)
        if "fact" in raw:
            return self._test(raw, path) | words
        if "not" in raw:
            return {"not": [self.condition(raw["not"], (*path, "not"), used, deep + 1)], **words}
        branch = "all" if "all" in raw else "any"
        parts = [
            self.condition(part, (*path, branch, number), used, deep + 1)
            for number, part in enumerate(raw[branch][:MOST_PARTS])
        ]
        return {branch: parts, **words}

    def _named(self, name: str, path: Path, used: tuple[str, ...], deep: int) -> Condition:
        if name in used:
            self.report.add(path, f"the condition {name!r} uses itself.")
        elif name in self.named:
            return self.condition(self.named[name], ("conditions", name), (*used, name), deep + 1)
        else:
            self.report.unknown(path, "the condition", name, self.named)
        return {"all": []}

    def _test(self, raw: Mapping[str, Any], path: Path) -> Condition:
        op = next(name for name in forms.OPERATORS if name in raw)
        leaf: Condition = {"fact": raw["fact"], "op": op, "value": raw[op]}
        if raw["fact"] not in self.words.facts:
            self.report.unknown((*path, "fact"), "the fact", raw["fact"], self.words.facts)
            return leaf
        fact = self.words.facts[raw["fact"]]
        if op not in ALLOWED[fact.type]:
            allowed = ", ".join(sorted(ALLOWED[fact.type])) or "nothing: a time is a clock"
            self.report.add(
                (*path, op), f"{fact.name} is a {fact.type}; it is tested by {allowed}."
            )
            return leaf
        leaf["value"] = self._tested(fact, op, raw[op], (*path, op))
        if "presume" in raw:
            leaf["presume"] = self._presumption(leaf, raw["presume"], (*path, "presume"))
        return leaf

    def _tested(self, fact: Fact, op: str, value: Any, path: Path) -> Any:
        """Return what a leaf compares with: one value of the fact, or a sorted list of them."""
        plural = op in ("in", "not_in", "includes_any", "includes_none")
        if plural and isinstance(value, str) and value in self.words.lists:
            value = list(self.words.lists[value])
        if plural and not (isinstance(value, list) and value):
            self.report.add(path, f"must be a list or a named list, not {shown(value)}.")
            return []
        checked: list[Any] = []
        for number, each in enumerate(value if plural else [value]):
            at = (*path, number) if plural else path
            if self.report.is_full:
                break
            if each in checked:
                self.report.add(at, f"{shown(each)} stands here twice.")
                continue
            try:
                checked.append(self.words.check_one(fact, each))
            except ValueError as error:
                self.report.add(at, str(error))
        return sorted(checked) if plural else next(iter(checked), None)

    def _presumption(self, leaf: Condition, presume: bool, path: Path) -> bool:
        if presume or leaf["op"] not in ("is", "includes", "includes_any"):
            self.report.add(
                path, "only 'presume: false' on is, includes or includes_any is allowed."
            )
        return presume

    # ---- effects

    def _versions(self, entry: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
        base = self.path if "versions" in entry else ()
        versions = entry.get("versions", self.book.get("versions", []))
        if not versions:
            self.report.add(self.path, "has no versions, and the book has none either.")
        for earlier, later in pairwise(versions):
            if earlier["from"] >= later["from"]:
                self.report.add((*base, "versions"), "must be in order of their days, each once.")
        return tuple(
            self._version(each, (*base, "versions", number)) for number, each in enumerate(versions)
        )

    def _version(self, version: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
        for key, status in (("renewal", "sunset"), ("successor", "superseded")):
            if (key in version) != (version["status"] == status):
                self.report.add(path, f"a {status} version has a {key}, and no other has.")
        if version["status"] in ("in_force", "sunset") and self.book["confidence"] != "H":
            self.report.add(
                path, f"a book of confidence M or L has no version that is {version['status']}."
            )
        if "renewal" not in version:
            return version
        return {**version, "renewal": self.condition(version["renewal"], (*path, "renewal"))}

    def _open(self, number: int, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        path: Path = (*self.path, "open", number)
        self.effects.known((*path, "fact"), "the fact", [raw["fact"]], self.words.facts)
        self.effects.known((*path, "reason"), "the reason", [raw["reason"]], self.words.reasons)
        given = self.condition(raw["given"], (*path, "given")) if "given" in raw else {"all": []}
        return {**raw, "given": given}

    # ---- the rule as a whole

    def _check_trigger(self, rule: Rule) -> None:
        path: Path = (*self.path, "trigger")
        if rule.clock and rule.clock not in self.words.starts:
            self.report.unknown((*path, "clock"), "the clock", rule.clock, self.words.starts)
        if not rule.clock and rule.nature != "state":
            self.report.add(path, f"a rule of nature {rule.nature} needs a clock.")
        if not rule.clock and rule.then.get("report", {}).get("deadline"):
            self.report.add(path, "a report with a deadline needs a clock.")

    def _check_effects(self, rule: Rule) -> None:
        path: Path = (*self.path, "then")
        spans = any("for" in rule.then.get(effect, ()) for effect in ("preserve", "silence"))
        if not spans and any("for" in version for version in rule.versions):
            self.report.add(path, "a version changes a period, and there is none.")
        for effect in sorted(rule.then.keys() - EFFECTS[rule.mode]):
            self.report.add((*path, effect), f"a {rule.mode} cannot have the effect {effect!r}.")
        if not rule.then:
            self.report.add(path, "must say what follows.")
        if (rule.mode == "condition") != (rule.rank == "policy"):
            self.report.add(
                (*self.path, "mode"),
                "the mode condition is for books of rank policy, and they have no other.",
            )
