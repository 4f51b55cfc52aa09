"""The demo's story: the account of a run, told in words for people who read law."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any

import yaml

from compliance import releases
from compliance.preservation import HOUSE_PERIOD

INDENT = "    "
KINDS = {"duty": "a duty", "permission": "a permission that counsel took up"}
HOUSE = (
    "by the provider's own rule, since no law sets a time: what was referred is kept for "
    f"{HOUSE_PERIOD.days} days, so that legal process does not come too late"
)
OUTCOMES = {
    "fails": "It does not hold here",
    "not_in_force": "It is not in force",
    "suspended": "A court suspended it",
    "undetermined": "Nobody knows yet whether it holds: a fact is missing",
}
OPENING = """\
Dutyline takes three findings from record to receipt. All three are invented: no event, no person,
no account stands behind them. The rooms, the keys and the log are the real ones. The rules cite
real law; no counsel has verified them yet. Two sample desks play the agencies: programs of their
own, with their own private keys."""


def tell(account: Mapping[str, Any], go_on: Iterable[str]) -> Iterator[str]:
    """Yield the lines of the story; the last one says whether the log verifies."""
    yield OPENING
    for number, finding in enumerate(account["findings"], 1):
        yield ""
        yield f"{number}. {finding['title']}   ({finding['reference']})"
        yield from _finding(finding)
    yield ""
    yield "In numbers"
    yield from _said(_numbers(account))
    yield ""
    yield from go_on
    yield ""
    yield log_line(account["log"])


def log_line(log: Mapping[str, Any]) -> str:
    """Say whether the log verifies."""
    if log["verifies"]:
        return f"The log verifies: {log['entries']} entries, root {log['root'][:16]}."
    return f"The log does not verify: {log['problem']}"


def _finding(finding: Mapping[str, Any]) -> Iterator[str]:
    yield from _said(
        f"Ana recorded it on {finding['recorded_at']:%d %B %Y} at "
        f"{_clock(finding['recorded_at'])}, with {_exhibits(finding)}. Ben opened every exhibit "
        f"and confirmed the finding: “{finding['confirmed_because']}”"
    )
    law = finding["law"]
    if finding["referrals"]:
        for conflict in law["conflicts"]:
            yield from _said(_conflict(conflict))
    else:
        yield from _said("The law's answer: no referral. This is why:")
        yield from (line for why in law["why_not"] for line in _said(_why_not(why), "- "))
    yield from _said(
        f"Carla, who had no part in the finding, signed: “{finding['signed_because'].strip()}”"
    )
    for referral in finding["referrals"]:
        yield from _referral(referral)
    yield from _said(_kept(finding))


def _referral(referral: Mapping[str, Any]) -> Iterator[str]:
    desk = releases.rules().authorities[referral["to"]]["title"]
    yield f"{INDENT}Referral {referral['number']} to: {desk}"
    yield from _said(f"{KINDS[referral['kind']]}, under {_laws(referral['because'])}", "  why    ")
    yield from _said(_classes(referral["release"]), "  goes   ")
    for code, kept in _by_code(referral["withhold"]).items():
        reason = releases.rules().vocabulary.codes[code]
        yield from _said(f"{_classes(kept)}. The reason: {reason}", "  stays  ")
    yield from _said(_timing(referral), "  time   ")
    yield from _said(_sealed(referral), "  sealed ")
    yield from _said(
        f"opened it and acknowledged it as {referral['agency_reference']} at "
        f"{_clock(referral['acknowledged_at'])}; then Carla closed the referral",
        "  agency ",
    )


def _timing(referral: Mapping[str, Any]) -> str:
    due, done = referral["due_at"], referral["delivered_at"]
    delivered = f"delivered at {_clock(done)}"
    if due is None:
        return f"{delivered}; the law names no hour"
    day = "" if due.date() == done.date() else f" on {due:%d %B}"
    spare = referral["seconds_to_spare"]
    margin = f"{abs(spare) // 60} min {abs(spare) % 60} s {'to spare' if spare >= 0 else 'LATE'}"
    return f"due at {_clock(due)}{day} (our policy), {delivered}: {margin}"


def _sealed(referral: Mapping[str, Any]) -> str:
    items = ", ".join(referral["items"]) or "no exhibit, the signed statement alone"
    size, key = referral["bundle"]["size"], referral["key"]
    return f"{items}; one ZIP of {size:,} bytes, to the {key['type']} key {key['fingerprint'][:16]}"


def _exhibits(finding: Mapping[str, Any]) -> str:
    count, size = len(finding["exhibits"]), sum(each["size"] for each in finding["exhibits"])
    return f"{count} exhibit{'s' if count > 1 else ''} ({size:,} bytes), sealed on arrival"


def _conflict(conflict: Mapping[str, Any]) -> str:
    return (
        f"Two laws disagree about {_classes(conflict['fields'])}. It is asked for, towards "
        f"{conflict['to'].upper()}, by {_laws(conflict['duties'])}. It is barred by "
        f"{_laws(conflict['prohibitions'])}. The rest goes, this stays, and counsel is told so "
        "before signing."
    )


def _why_not(why: Mapping[str, Any]) -> str:
    lacks = why["lacks"]
    if lacks is None:
        return f"{_law(why['rule'])}. {OUTCOMES[why['outcome']]}."
    label = releases.rules().vocabulary.label(lacks["fact"]).partition(";")[0]
    return (
        f"{_law(why['rule'])}. It needs “{lacks['says'] or label}”. On record is "
        f"“{label}”: {_value(lacks['seen'])} ({lacks['fact']})."
    )


def _kept(finding: Mapping[str, Any]) -> str:
    hold = finding["hold"]
    if hold is None:
        return "No law asks to keep the evidence, and nothing was referred: no hold is placed."
    until = f"until {hold['kept_until']:%d %B %Y}" if hold["kept_until"] else "until released"
    is_ours = hold["because"] == ["house.referred"]
    return f"The evidence is held {until}, {HOUSE if is_ours else _laws(hold['because'])}."


def _numbers(account: Mapping[str, Any]) -> str:
    findings = account["findings"]
    exhibits = [each for finding in findings for each in finding["exhibits"]]
    referrals = [each for finding in findings for each in finding["referrals"]]
    return (
        f"{len(findings)} findings, {len(exhibits)} exhibits of "
        f"{sum(each['size'] for each in exhibits):,} bytes, {len(referrals)} referrals, "
        f"{sum(each['bundle']['size'] for each in referrals):,} sealed bytes, "
        f"{account['log']['entries']} log entries, {account['seconds']} seconds."
    )


def _laws(names: Iterable[str]) -> str:
    """Name records of the law as a lawyer would: the provision, the law, what it asks."""
    return "; and ".join(_law(name) for name in names)


def _law(record: str) -> str:
    parts = releases.rules().records[record]
    rule = next((each for each in parts if "report" in each.then), parts[0])
    return (
        f"{rule.cite}, {_books()[rule.regime]} ({record}): {rule.title[0].lower()}{rule.title[1:]}"
    )


@cache
def _books() -> dict[str, str]:
    """Return the title of each rulebook by its regime."""
    read = (yaml.safe_load(text) for text in releases.shipped_texts().values())
    return {book["regime"]: book["title"] for book in read if "regime" in book}


def _classes(names: list[str]) -> str:
    words = releases.rules().vocabulary.field_classes
    return ", ".join(words[name].split(":")[0].split(",")[0] for name in names)


def _by_code(withhold: Mapping[str, str]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, code in sorted(withhold.items()):
        grouped.setdefault(code, []).append(name)
    return grouped


def _value(seen: Any) -> str:
    if isinstance(seen, list):
        return ", ".join(seen) or "nothing"
    return "not known" if seen is None else f"{seen}".lower()


def _clock(at: datetime) -> str:
    return f"{at:%H:%M:%S} UTC"


def _said(text: str, mark: str = "") -> Iterator[str]:
    yield from textwrap.wrap(
        text,
        100,
        initial_indent=INDENT + mark,
        subsequent_indent=INDENT + " " * len(mark),
        break_on_hyphens=False,
    )
