"""Cases: golden answers, and how far the shipped law gives them.

A case may name rules that are not shipped. What such a rule could change is then not compared, and
the verdict says so: a case is never passed over in silence.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from compliance.jurisdictions.book import RuleSet, parse
from compliance.jurisdictions.determine import determine
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
IDLE = ("fails", "not_in_force")  # a missing rule that a case expects so changes nothing else


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


@dataclass
class Verdict:
    """How one case went: passed, in part, differs, or a journey that is not run here."""

    id: str
    title: str
    status: str = "journey"
    compared: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    differences: list[dict[str, Any]] = field(default_factory=list)


def read(rules: RuleSet, texts: Mapping[str, str]) -> list[Case]:
    """Return the cases of these texts, or raise Problems with every one that cannot be meant."""
    found: list[Case] = []
    problems: list[Problem] = []
    for name, source in sorted(texts.items()):
        data, report = parse(name, source)
        if not report.problems:
            CASES(data, (), report)
        if not report.problems:
            found += _cases(rules, data, report)
        problems += report.problems
    if problems:
        raise Problems(problems)
    return found


def judge(rules: RuleSet, case: Case) -> Verdict:
    """Compare a case with the determination, as far as the shipped rules can speak of it."""
    verdict = Verdict(case.id, case.title)
    if case.kind == "journey":
        return verdict
    said = determine(rules, case.given)
    verdict.missing = sorted(_named(case.expect) - {*rules.rules, *rules.records})
    outcomes = case.expect.get("rules", {})
    partial = any(outcomes.get(name) not in IDLE for name in verdict.missing)
    for key, wanted in case.expect.items():
        if key == "notes":
            continue
        comparable = _comparable(key, wanted, verdict.missing, partial)
        if comparable is _NOTHING:
            verdict.left_out.append(key)
            continue
        verdict.compared.append(key)
        verdict.differences += _DIFFER[key](comparable, said, case.expect)
    passed = "in part" if verdict.missing else "passed"
    verdict.status = "differs" if verdict.differences else passed
    return verdict


_NOTHING = object()


def _comparable(key: str, wanted: Any, missing: list[str], partial: bool) -> Any:
    """Return what of an expectation no missing rule could change, or _NOTHING."""
    if key == "rules":
        shipped = {name: outcome for name, outcome in wanted.items() if name not in missing}
        return shipped or _NOTHING
    if not partial:
        return wanted
    if key != "reports":
        return _NOTHING
    ours = [each for each in wanted if each.get("because") and not {*each["because"]} & {*missing}]
    return ours or _NOTHING


def _named(expect: Mapping[str, Any]) -> set[str]:
    """Return every rule and record that an expectation names."""
    listed = [expect.get("rules", {}), (expect.get("silence") or {}).get("because", ())]
    listed += [each.get("because", ()) for each in expect.get("reports", ())]
    for each in expect.get("conflicts", ()):
        listed += [each["duties"], each["prohibitions"]]
    return {name for names in listed for name in names}


# ---- reading


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
        _check_facts(rules, entry.get("facts", {}), (*path, "facts"), report)
        _check_expectations(rules, entry.get("expect", {}), (*path, "expect"), report)
        facts = defaults | profiles.get(entry.get("profile"), {}) | entry.get("facts", {})
        found[entry["id"]] = _case(rules, entry, facts, path, report)
    return list(found.values())


def _case(
    rules: RuleSet, entry: Mapping[str, Any], facts: Mapping[str, Any], path: Path, report: Report
) -> Case:
    shipped = {*rules.rules, *rules.records}
    if entry["kind"] == "determine":
        for key in [key for key in ("rule_time", "expect") if key not in entry]:
            report.add(path, f"a determine case needs {key!r}.")
    for name in entry.get("clocks", {}).keys() - rules.vocabulary.clocks.keys():
        report.unknown((*path, "clocks", name), "the clock", name, rules.vocabulary.clocks)
    given = {
        "rule_time": entry.get("rule_time"),
        "clocks": entry.get("clocks", {}),
        "simulate": [name for name in entry.get("simulate", ()) if name in shipped],
        "facts": {name: value for name, value in facts.items() if value is not None},
    }
    return Case(entry["id"], entry["title"], entry["kind"], given, entry.get("expect", {}))


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
    _known(path, "the authority", [each["to"] for each in reports], known, report)
    _known(path, "the authority", expect.get("absent_reports_to", ()), known, report)
    barred = expect.get("barred", {})
    _known(path, "the recipient class", barred, words.recipient_classes, report)
    for keys in ("withhold", "release", "fields", "codes"):
        fields = [name for each in reports for name in each.get(keys, ())]
        _known(path, "the class", fields, words.field_classes, report)
    _known(
        path,
        "the class",
        [field for fields in barred.values() for field in fields],
        words.field_classes,
        report,
    )
    codes = [code for each in reports for code in each.get("codes", {}).values()]
    _known(path, "the code", codes, words.codes, report)
    _known(path, "the reason", expect.get("human", ()), words.reasons, report)
    towards = (expect.get("silence") or {}).get("towards", ())
    _known(path, "the party", towards, words.silence_parties, report)


def _known(path: Path, what: str, names: Iterable[str], known: Any, report: Report) -> None:
    for name in names:
        if name not in known:
            report.unknown(path, what, name, known)


# ---- comparing: each gives what differs, with both values

Differences = list[dict[str, Any]]


def _unless(equal: bool, key: str, expected: Any, found: Any) -> Differences:
    return [] if equal else [{"key": key, "expected": expected, "found": found}]


def _rules(wanted: Any, said: Mapping[str, Any], _: Any) -> Differences:
    found = {name: said["rules"][name]["outcome"] for name in wanted}
    return [
        each
        for name in wanted
        for each in _unless(found[name] == wanted[name], f"rules.{name}", wanted[name], found[name])
    ]


def _reports(wanted: Any, said: Mapping[str, Any], _: Any) -> Differences:
    return [each for entry in wanted for each in _report(entry, said["reports"])] + [
        {"key": f"reports.{report['to']}", "expected": "no standing class", "found": field}
        for report in said["reports"]
        for field in ("REPORTER", "STAFF", "SPEC", "THIRD")
        if field in report["release"]
    ]


def _report(wanted: Mapping[str, Any], reports: list[dict[str, Any]]) -> Differences:
    address = {"certainty": "firm", **wanted}
    same = [key for key in ("to", "kind", "certainty") if key in address]
    matching = [each for each in reports if all(each[key] == address[key] for key in same)]
    name = f"reports.{wanted['to']}"
    if not matching:
        listed = [f"{each['to']} ({each['kind']}, {each['certainty']})" for each in reports]
        return _unless(False, name, f"a {address['certainty']} report", listed)
    found = matching[0]
    leaving = sorted({*wanted.get("withhold", ())} & {*found["release"]})
    staying = sorted({*wanted.get("release", ())} - {*found["release"]})
    codes = {field: found["withhold"].get(field) for field in wanted.get("codes", {})}
    because, due = sorted(wanted.get("because", found["because"])), wanted.get("due", found["due"])
    return [
        *_unless(because == found["because"], f"{name}.because", because, found["because"]),
        *_unless(due == found["due"], f"{name}.due", due, found["due"]),
        *_unless(not leaving, f"{name}.withhold", wanted.get("withhold"), leaving),
        *_unless(not staying, f"{name}.release", wanted.get("release"), found["release"]),
        *_unless(codes == wanted.get("codes", {}), f"{name}.codes", wanted.get("codes"), codes),
    ]


def _reports_exact(wanted: bool, said: Mapping[str, Any], expect: Mapping[str, Any]) -> Differences:
    listed = sorted({each["to"] for each in expect.get("reports", ()) if _is_firm_duty(each)})
    found = sorted({each["to"] for each in said["reports"] if _is_firm_duty(each)})
    return _unless(not wanted or listed == found, "reports_exact", listed, found)


def _is_firm_duty(report: Mapping[str, Any]) -> bool:
    return (report.get("kind", "duty"), report.get("certainty", "firm")) == ("duty", "firm")


def _absent(wanted: list[str], said: Mapping[str, Any], _: Any) -> Differences:
    live = {each["to"] for each in said["reports"] if each["certainty"] != "simulated"}
    present = sorted(live & {*wanted})
    return _unless(not present, "absent_reports_to", wanted, present)


def _barred(wanted: Mapping[str, Any], said: Mapping[str, Any], _: Any) -> Differences:
    return [
        each
        for to, fields in wanted.items()
        for each in _unless(
            sorted(fields) == said["barred"][to], f"barred.{to}", sorted(fields), said["barred"][to]
        )
    ]


def _conflicts(wanted: Any, said: Mapping[str, Any], _: Any) -> Differences:
    def plain(conflicts: Iterable[Mapping[str, Any]]) -> list[Any]:
        sides = ("fields", "duties", "prohibitions")
        return sorted([each["to"], *(sorted(each[side]) for side in sides)] for each in conflicts)

    expected, found = plain(wanted), plain(said["conflicts"])
    return _unless(expected == found, "conflicts", expected, found)


def _preserve(wanted: str | None, said: Mapping[str, Any], _: Any) -> Differences:
    found = (said["preserve"] or {}).get("until")
    return _unless(wanted == found, "preserve_until", wanted, found)


def _silences(wanted: Any, said: Mapping[str, Any], _: Any) -> Differences:
    found = said["silence"]
    if wanted is None:
        return _unless(not found, "silence", None, found)
    matching = any(
        each["until"] == wanted["until"]
        and {*wanted["towards"]} <= {*each["towards"]}
        and {*wanted["because"]} <= {*each["because"]}
        for each in found
    )
    return _unless(matching, "silence", wanted, found)


def _human(wanted: list[str], said: Mapping[str, Any], _: Any) -> Differences:
    found = [each["reason"] for each in said["human"]]
    return _unless({*wanted} <= {*found}, "human", wanted, found)


_DIFFER: Mapping[str, Any] = {
    "rules": _rules,
    "reports": _reports,
    "reports_exact": _reports_exact,
    "absent_reports_to": _absent,
    "barred": _barred,
    "conflicts": _conflicts,
    "preserve_until": _preserve,
    "silence": _silences,
    "human": _human,
}
