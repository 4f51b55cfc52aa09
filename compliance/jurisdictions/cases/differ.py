"""Differ: what a determination says otherwise than a case expects, each with both values."""

from collections.abc import Iterable, Mapping
from typing import Any

STANDING = ("REPORTER", "STAFF", "SPEC", "THIRD")  # by contract; the vocabulary is judged too

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
    return [each for entry in wanted for each in _report(entry, said["reports"])]


def standing(said: Mapping[str, Any]) -> Differences:
    """Return where a report offers a class that stands withheld everywhere."""
    return [
        {"key": f"reports.{report['to']}", "expected": "no standing class", "found": field}
        for report in said["reports"]
        for field in STANDING
        if field in report["release"]
    ]


def _report(wanted: Mapping[str, Any], reports: list[dict[str, Any]]) -> Differences:
    address = {"certainty": "firm", **wanted}
    same = [key for key in ("to", "kind", "certainty") if key in address]
    matching = [each for each in reports if all(each[key] == address[key] for key in same)]
    name = f"reports.{wanted['to']}"
    if len(matching) != 1:
        listed = [f"{each['to']} ({each['kind']}, {each['certainty']})" for each in reports]
        return _unless(False, name, f"one {address['certainty']} report", listed)
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


BY_KEY: Mapping[str, Any] = {
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
