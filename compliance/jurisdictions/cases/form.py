"""Form: what a file of golden cases looks like, and everything that cannot be meant."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from compliance.jurisdictions.book import RuleSet, parse
from compliance.jurisdictions.determine import situated
from compliance.jurisdictions.shape import (
    NAME,
    RULE_ID,
    WORD,
    Path,
    Problem,
    Problems,
    Report,
    anything,
    flag,
    instant,
    many,
    record,
    table,
    text,
    word,
)

OUTCOMES = ("holds", "fails", "undetermined", "not_in_force", "suspended", "simulated")
OF_A_KIND = {
    "determine": {"rule_time", "clocks", "simulate", "facts", "expect"},
    "journey": {"given", "when", "then"},
}
SIDES = ("duties", "prohibitions")
NEEDED = {"determine": ("rule_time", "expect"), "journey": ("given", "when", "then")}


def _instant_or(*words: str) -> Any:
    def check(value: Any, path: Path, report: Report) -> None:
        if value is not None and value not in words:
            instant(value, path, report)

    return check


def _silence(value: Any, path: Path, report: Report) -> None:
    if value is not None:
        record({"towards": many(WORD), "until": _instant_or(), "because": many(RULE_ID)})(
            value, path, report
        )


EXPECT = record({}, {
    "rules": table(RULE_ID, word(*OUTCOMES)),
    "reports": many(record(
        {"to": text(60)},
        {"because": many(RULE_ID), "due": _instant_or(), "kind": word("duty", "permission"),
         "certainty": word("firm", "possible", "simulated"), "withhold": many(WORD, 0),
         "release": many(WORD, 0), "codes": table(WORD, WORD)}), 0),
    "reports_exact": flag,
    "absent_reports_to": many(text(60)),
    "barred": table(WORD, many(WORD, 0)),
    "conflicts": many(record(
        {"to": text(60), "fields": many(WORD), "duties": many(RULE_ID),
         "prohibitions": many(RULE_ID)}), 0),
    "preserve_until": _instant_or("open"),
    "silence": _silence,
    "human": many(WORD),
    "notes": text(2000),
})  # fmt: skip
CASE = record(
    {"id": text(60), "title": text(), "kind": word("determine", "journey")},
    {
        "profile": WORD, "rule_time": instant, "clocks": table(NAME, anything),
        "simulate": many(RULE_ID), "facts": table(NAME, anything), "expect": EXPECT,
        "given": many(text()), "when": many(text()), "then": many(text()),
    },
)  # fmt: skip
CASES = record(
    {"schema": word("cases/1"), "cases": many(CASE)},
    {"defaults": table(NAME, anything), "profiles": table(WORD, table(NAME, anything))},
)


@dataclass(frozen=True)
class Case:
    """One golden case: what is given and what is expected."""

    id: str
    title: str
    kind: str
    given: Mapping[str, Any]
    expect: Mapping[str, Any]


def read(rules: RuleSet, texts: Mapping[str, str]) -> list[Case]:
    """Return the cases of these texts, or raise Problems with every one that cannot be meant."""
    found: list[Case] = []
    problems: list[Problem] = []
    for data, report in _parsed(texts):
        if not report.problems:
            found += _cases(rules, data, report)
        problems += report.problems
    if problems:
        raise Problems(problems)
    return found


def readable(rules: RuleSet, texts: Mapping[str, str]) -> list[Case]:
    """Return the cases that can be meant under a law; those that speak of another are left out."""
    found: list[Case] = []
    for data, report in _parsed(texts):
        report.settle()
        for entry in data["cases"]:
            alone = Report(report.file)
            cases = _cases(rules, {**data, "cases": [entry]}, alone)
            found += [] if alone.problems else cases
    return found


def _parsed(texts: Mapping[str, str]) -> Iterator[tuple[Any, Report]]:
    for name, source in sorted(texts.items()):
        data, report = parse(name, source)
        if not report.problems:
            CASES(data, (), report)
        yield data, report


def _speaks_of(entry: Mapping[str, Any]) -> list[tuple[Path, str]]:
    """Return every rule and record that a case names, and where."""
    expect: Mapping[str, Any] = entry.get("expect", {})
    found: list[tuple[Path, Iterable[str]]] = [
        (("simulate",), entry.get("simulate", ())),
        (("expect", "rules"), expect.get("rules", ())),
        (("expect", "silence", "because"), (expect.get("silence") or {}).get("because", ())),
    ]
    for number, each in enumerate(expect.get("reports", ())):
        found.append((("expect", "reports", number, "because"), each.get("because", ())))
    for number, each in enumerate(expect.get("conflicts", ())):
        found += [(("expect", "conflicts", number, side), each[side]) for side in SIDES]
    return [(path, name) for path, names in found for name in names]


def _cases(rules: RuleSet, data: Mapping[str, Any], report: Report) -> list[Case]:
    profiles, defaults = data.get("profiles", {}), data.get("defaults", {})
    _check_facts(rules, defaults, ("defaults",), report)
    for name, profile in profiles.items():
        _check_facts(rules, profile, ("profiles", name), report)
    found: dict[str, Case] = {}
    for number, entry in enumerate(data["cases"]):
        path: Path = ("cases", number)
        if entry["id"] in found:
            report.add((*path, "id"), f"the case {entry['id']} exists already.")
        if entry.get("profile", "") not in {"", *profiles}:
            report.unknown((*path, "profile"), "the profile", entry["profile"], profiles)
        _check_kind(entry, path, report)
        _check_facts(rules, entry.get("facts", {}), (*path, "facts"), report)
        _check_rules(rules, entry, path, report)
        _check_expectations(rules, entry.get("expect", {}), (*path, "expect"), report)
        facts = defaults | profiles.get(entry.get("profile"), {}) | entry.get("facts", {})
        found[entry["id"]] = _case(entry, facts)
        if not report.problems and entry["kind"] == "determine":
            _check_given(rules, found[entry["id"]].given, path, report)
    return list(found.values())


def _case(entry: Mapping[str, Any], facts: Mapping[str, Any]) -> Case:
    given = {
        "rule_time": entry.get("rule_time"),
        "clocks": entry.get("clocks", {}),
        "simulate": entry.get("simulate", []),
        "facts": {name: value for name, value in facts.items() if value is not None},
    }
    return Case(entry["id"], entry["title"], entry["kind"], given, entry.get("expect", {}))


def _check_kind(entry: Mapping[str, Any], path: Path, report: Report) -> None:
    """Refuse a case of which something would not be compared."""
    kind = entry["kind"]
    for key in [key for key in NEEDED[kind] if key not in entry]:
        report.add(path, f"a {kind} case needs {key!r}.")
    for other in OF_A_KIND.keys() - {kind}:
        for key in sorted(OF_A_KIND[other] & entry.keys()):
            report.add((*path, key), f"a {kind} case has no {key!r}; nothing would compare it.")
    if "expect" in entry and not entry["expect"].keys() - {"notes"}:
        report.add((*path, "expect"), "expects nothing.")


def _check_given(rules: RuleSet, given: Mapping[str, Any], path: Path, report: Report) -> None:
    try:
        situated(rules, given)
    except Problems as refused:
        for each in refused.problems:
            report.add(path, f"{each.path}: {each.message}")


def _check_rules(rules: RuleSet, entry: Mapping[str, Any], path: Path, report: Report) -> None:
    known = {*rules.rules, *rules.records}
    for place, name in _speaks_of(entry):
        if name not in known:
            report.unknown((*path, *place), "the rule", name, known)


def _check_facts(rules: RuleSet, facts: Mapping[str, Any], path: Path, report: Report) -> None:
    for name, value in facts.items():
        try:
            rules.vocabulary.fact(name)
            if value is not None:
                rules.vocabulary.check(name, value)
        except ValueError as error:
            report.add((*path, name), str(error))


def _check_expectations(
    rules: RuleSet, expect: Mapping[str, Any], path: Path, report: Report
) -> None:
    words, desks = rules.vocabulary, rules.authorities
    known = {*desks, *(f"{desk.partition('@')[0]}@?" for desk in desks if "@" in desk)}
    reports = [*expect.get("reports", ()), *expect.get("conflicts", ())]
    addressed = [*(each["to"] for each in reports), *expect.get("absent_reports_to", ())]
    _known(path, "the authority", addressed, known, report)
    for name in [name for name in addressed if "same_as" in desks.get(name, ())]:
        report.add(path, f"a report to {name} is addressed to {desks[name]['same_as']}; name that.")
    barred = expect.get("barred", {})
    _known(path, "the recipient class", barred, words.recipient_classes, report)
    for keys in ("withhold", "release", "fields", "codes"):
        fields = [name for each in reports for name in each.get(keys, ())]
        _known(path, "the class", fields, words.field_classes, report)
    bars = [field for fields in barred.values() for field in fields]
    _known(path, "the class", bars, words.field_classes, report)
    codes = [code for each in reports for code in each.get("codes", {}).values()]
    _known(path, "the code", codes, words.codes, report)
    _known(path, "the reason", expect.get("human", ()), words.reasons, report)
    towards = (expect.get("silence") or {}).get("towards", ())
    _known(path, "the party", towards, words.silence_parties, report)


def _known(path: Path, what: str, names: Iterable[str], known: Any, report: Report) -> None:
    for name in names:
        if name not in known:
            report.unknown(path, what, name, known)
