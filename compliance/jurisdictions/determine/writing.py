"""Writing: a determination in its canonical form, by its shape and so several times faster.

What is most of it, the rules, the reports and the questions, has known keys and is made of names
and times alone, none of which needs an escape.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from compliance.jurisdictions.book import joined

Plain = Mapping[str, Any]
_NONE = "[]"


def canonical(said: Plain) -> bytes:
    """Return what book.canonical returns of a determination."""
    rules, reports = said["rules"], said["reports"]
    rows = [f'"{name}":{_rule(rules[name])}' for name in sorted(rules)]
    return joined(
        said,
        {
            "questions": f"[{','.join(map(_question, said['questions']))}]",
            "reports": f"[{','.join(map(_report, reports))}]",
            "rules": f"{{{','.join(rows)}}}",
        },
    )


def _rule(rule: Plain) -> str:
    needs, parts = rule["needs"], rule["parts"]
    return (
        f'{{"kind":"{rule["kind"]}","moment":"{rule["moment"]}",'
        f'"needs":{_names(needs) if needs else _NONE},"outcome":"{rule["outcome"]}",'
        f'"parts":{_names(parts) if parts else _NONE},"status":{_name(rule["status"])}}}'
    )


def _report(report: Plain) -> str:
    withheld = report["withhold"]
    codes = ",".join([f'"{field}":"{withheld[field]}"' for field in sorted(withheld)])
    return (
        f'{{"because":{_names(report["because"])},"certainty":"{report["certainty"]}",'
        f'"due":{_name(report["due"])},"instead":{_names(report["instead"])},'
        f'"kind":"{report["kind"]}","release":{_names(report["release"])},'
        f'"to":"{report["to"]}","withhold":{{{codes}}}}}'
    )


def _question(question: Plain) -> str:
    return f'{{"fact":"{question["fact"]}","settles":{_names(question["settles"])}}}'


def _name(name: str | None) -> str:
    return f'"{name}"' if name else "null"


def _names(names: Iterable[str]) -> str:
    return '["' + '","'.join(names) + '"]' if names else _NONE
