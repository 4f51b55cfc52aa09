"""Recipients: the desks that rules name, and what must be true of them together."""

from collections.abc import Mapping
from typing import Any

from compliance.jurisdictions.book.words import Vocabulary
from compliance.jurisdictions.shape import Path, Report


def check(desks: Mapping[str, Any], words: Vocabulary, report: Report) -> None:
    """Report a desk of an unknown class or country, and a Member State that has no desk."""
    places = [*words.lists["countries"], "EU"]
    for name, desk in desks.items():
        path: Path = ("authorities", name)
        if desk["class"] not in words.recipient_classes:
            report.unknown((*path, "class"), "the class", desk["class"], words.recipient_classes)
        if desk["country"] not in places:
            report.unknown((*path, "country"), "the country", desk["country"], places)
        _check_twin(name, desks, report)
    for family, states in families(desks).items():
        _check_family(family, states, desks, words, report)


def _check_twin(name: str, desks: Mapping[str, Any], report: Report) -> None:
    """Report a desk that another one cannot stand for: different bars would apply to it."""
    twin, path = desks[name].get("same_as", name), ("authorities", name, "same_as")
    if twin not in desks:
        report.unknown(path, "the authority", twin, desks)
    elif twin != name and "same_as" in desks[twin]:
        report.add(path, f"must name a desk that stands for itself, not {twin}.")
    elif any(desks[twin][key] != desks[name][key] for key in ("class", "country")):
        report.add(path, f"must name a desk of the same class and country, not {twin}.")


def families(desks: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the names that have a desk in each Member State, and the States that have one."""
    found: dict[str, list[str]] = {}
    for name in [name for name in desks if "@" in name]:
        family, _, state = name.partition("@")
        found.setdefault(family, []).append(state)
    return found


def _check_family(
    family: str, states: list[str], desks: Mapping[str, Any], words: Vocabulary, report: Report
) -> None:
    for state in states:
        path: Path = ("authorities", f"{family}@{state}")
        if state not in words.member_states:
            report.unknown(path, "the Member State", state, words.member_states)
        elif desks[f"{family}@{state}"]["country"] != state:
            report.add((*path, "country"), f"must be {state}.")
    # A duty names the desk of whatever Member State is concerned: none may be missing.
    for state in sorted(words.member_states - {*states}):
        report.add(("authorities",), f"has no '{family}@{state}'.")
