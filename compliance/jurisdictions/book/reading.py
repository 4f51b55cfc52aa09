"""Reading: texts into a rule set, or a refusal that names every problem at once."""

from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Any

from compliance.jurisdictions.book import forms, recipients
from compliance.jurisdictions.book.rules import HOME_STATE, Rule, RuleSet
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
    "duty": {"report", "preserve", "human"},
    "permission": {"report", "lift", "human"},
    "prohibition": {"strip", "silence", "preserve", "human"},
    "condition": {"strip", "human"},
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
    rules = _rules({name: parsed[name] for name in books}, words, authorities)
    _settle(parsed)
    left_out = tuple(
        {**each, "regime": parsed[name][0]["regime"]}
        for name in books
        for each in parsed[name][0].get("not_modelled", ())
    )
    sha256 = digest({name: data for name, (data, _) in parsed.items()})
    return RuleSet(sha256, words, authorities, rules, not_modelled=left_out)


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
    return rules


def _check_head(
    book: Mapping[str, Any], report: Report, words: Vocabulary, desks: Mapping[str, Any]
) -> None:
    """Report what is wrong at the head of a book, whether a rule uses it or not."""
    for name, raw in book.get("conditions", {}).items():
        path: Path = ("conditions", name)
        _RuleReader(words, desks, book, report, path).condition(raw, path, (name,))
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


class _RuleReader:
    """Reads one entry of a rulebook; what it cannot understand it reports."""

    def __init__(
        self, words: Vocabulary, desks: Mapping[str, Any], book: Any, report: Report, path: Path
    ) -> None:
        self.words, self.desks, self.book = words, desks, book
        self.report, self.path, self.parts = report, path, 0
        self.named: Mapping[str, Any] = book.get("conditions", {})

    def rule(self, entry: Mapping[str, Any]) -> Rule:
        trigger = entry["trigger"]
        rule = Rule(
            **{key: entry[key] for key in ("id", "title", "mode", "cite")},
            **{key: self.book[key] for key in ("regime", "rank", "confidence", "counsel_verified")},
            nature=trigger["nature"],
            clock=trigger.get("clock", ""),
            words=trigger.get("words", ""),
            versions=self._versions(entry),
            binds=self._inherited(entry, "binds"),
            when=self.condition(entry["when"], (*self.path, "when")),
            exempt=self._inherited(entry, "exempt"),
            then=self._then(entry["then"]),
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

    def _then(self, then: Mapping[str, Any]) -> Mapping[str, Any]:
        path: Path = (*self.path, "then")
        self._words((*path, "human"), "the reason", then.get("human", ()), self.words.reasons)
        for effect in ("strip", "lift"):
            entry, at = then.get(effect, {}), (*path, effect)
            self._words(
                (*at, "fields"),
                "the class",
                entry.get("fields", ()),
                self.words.lists["field_classes"],
            )
            self._words(
                (*at, "to"),
                "the recipient class",
                entry.get("to", ()),
                self.words.recipient_classes,
            )
            self._words(
                (*at, "code"),
                "the code",
                [entry["code"]] if "code" in entry else (),
                self.words.codes,
            )
        silence = then.get("silence", {})
        self._words(
            (*path, "silence", "towards"),
            "the party",
            silence.get("towards", ()),
            self.words.silence_parties,
        )
        for effect in ("preserve", "silence"):
            clock = then.get(effect, {}).get("from")
            self._words(
                (*path, effect, "from"), "the clock", [clock] if clock else (), self.words.starts
            )
        if "report" not in then:
            return then
        return {**then, "report": self._report(then["report"], (*path, "report"))}

    def _words(self, path: Path, what: str, given: Collection[str], known: Collection[str]) -> None:
        for each in given:
            if each not in known:
                self.report.unknown(path, what, each, known)

    def _report(self, raw: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
        if raw["fields"] != "available":
            self._words((*path, "fields"), "the class", raw["fields"], self.words.field_classes)
        chain = [
            (step, (*path, "first_of", number))
            for number, step in enumerate(raw.get("first_of", ()))
        ]
        steps = [self._step(step, at) for step, at in chain or [(raw, path)]]
        for (_, at), step in list(zip(chain, steps, strict=False))[:-1]:
            if step["when"] is None:
                self.report.add(
                    at, "a step without a condition ends the chain; it must be the last."
                )
        limit = raw.get("deadline")
        if limit and limit["hours"]["imminent"] > limit["hours"]["otherwise"]:
            self.report.add((*path, "deadline"), "must not leave more time when a threat is near.")
        return {"deadline": limit, "fields": raw["fields"], "steps": steps}

    def _step(self, raw: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
        way = next(name for name in ("to", "all_of", "any_of") if name in raw)
        when = self.condition(raw["when"], (*path, "when")) if "when" in raw else None
        for number, each in enumerate(raw[way]):
            self._check_recipient(each, (*path, way, number))
        return {"when": when, "way": way, "recipients": raw[way]}

    def _check_recipient(self, entry: Mapping[str, Any], path: Path) -> None:
        name, asked = entry["authority"], entry.get("each_of", ())
        known = recipients.families(self.desks) if asked else self.desks
        if name not in known:
            self.report.unknown((*path, "authority"), "the authority", name, known)
        countries = self.words.lists["countries"]
        usable = {
            fact.name
            for fact in self.words.facts.values()
            if fact.type == "set" and fact.values == countries
        }
        self._words((*path, "each_of"), "the set of countries", asked, {*usable, HOME_STATE})

    def _open(self, number: int, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        path: Path = (*self.path, "open", number)
        self._words((*path, "fact"), "the fact", [raw["fact"]], self.words.facts)
        self._words((*path, "reason"), "the reason", [raw["reason"]], self.words.reasons)
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
        for effect in sorted(rule.then.keys() - EFFECTS[rule.mode]):
            self.report.add((*path, effect), f"a {rule.mode} cannot have the effect {effect!r}.")
        if not rule.then:
            self.report.add(path, "must say what follows.")
        if (rule.mode == "condition") != (rule.rank == "policy"):
            self.report.add(
                (*self.path, "mode"),
                "the mode condition is for books of rank policy, and they have no other.",
            )
