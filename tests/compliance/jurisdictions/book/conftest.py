"""The book on trial: a small invented law that a test may spoil."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from compliance import jurisdictions
from compliance.jurisdictions import Problems, RuleSet


def _fact(kind: str, **more: Any) -> dict[str, Any]:
    return {"number": 1, "type": kind, "kind": "observed", "label": "…", "ask": "…?", **more}


def _desk(country: str, *, of: str = "foreign_gov", **more: Any) -> dict[str, Any]:
    contact = {"contact": {}, "verified_at": None}
    return {"title": "An invented desk", "country": country, "class": of, **contact, **more}


WORDS: dict[str, Any] = {
    "schema": "vocabulary/1",
    "facts": {
        "data.available_classes": _fact("set", values="field_classes"),
        "item.visibility": _fact("choice", values=["public", "private"]),
        "knowledge.actual_at": _fact("time", clock="actual_knowledge"),
        "knowledge.belief_at": _fact("time", clock="belief"),
        "knowledge.new_event_after": _fact("time", clock="new_event", many=True),
        "knowledge.suspicion_at": _fact("time", clock="suspicion"),
        "law.renewal": _fact("choice", values=["confirmed", "lapsed"]),
        "provider.eu_legal_rep": _fact("choice", values="member_states", also=["none"]),
        "provider.main_establishment": _fact("choice", values="countries"),
        "recipient.class": _fact("choice", values=["us_gov", "foreign_gov"]),
        "rule.time": _fact("time", clock="rule_time"),
        "suspect.residence": _fact("set", values="countries"),
        "threat.imminent": _fact("bool"),
        "threat.victims": _fact("count"),
    },
    "field_classes": {"C_pub": "public content", "ID": "account id", "THIRD": "others"},
    "standing_withheld": ["THIRD"],
    "silence_parties": ["affected_user", "public"],
    "withhold_codes": {"bar": "barred", "standing": "by default", "not_required": "unasked"},
    "human_reasons": {
        "blocking_conflict": "…", "conflict": "…", "no_duty": "…", "notice_due": "…",
        "preservation_basis": "…", "preview_rule": "…", "reasonable_excuse": "…",
        "suspended_rule": "…", "unknown_validity": "…", "look": "a person looks",
    },
    "member_states": ["DE", "FR"],
    "countries": ["DE", "FR", "US"],
}  # fmt: skip
DESKS: dict[str, Any] = {
    "schema": "authorities/1",
    "authorities": {
        "police": _desk("DE"),
        "bureau": _desk("US", of="us_gov"),
        "state@DE": _desk("DE", same_as="police"),
        "state@FR": _desk("FR"),
    },
}
TELL: dict[str, Any] = {
    "id": "xx-law-tell",
    "title": "Tell somebody",
    "mode": "duty",
    "cite": "s. 1",
    "trigger": {"nature": "event", "clock": "belief", "words": "believes"},
    "when": {"all": [{"use": "near"}, {"fact": "threat.victims", "at_least": 2}]},
    "exempt": {"fact": "suspect.residence", "includes": "US", "presume": False},
    "then": {
        "report": {
            "deadline": {"words": "soon", "hours": {"imminent": 1, "otherwise": 24}},
            "fields": ["C_pub", "ID"],
            "first_of": [
                {
                    "when": {"fact": "item.visibility", "is": "public"},
                    "all_of": [
                        {"authority": "state", "each_of": ["suspect.residence", "home_state"]},
                        {"authority": "bureau"},
                    ],
                },
                {"to": [{"authority": "police"}]},
            ],
        },
        "human": ["look"],
    },
    "open": [{"fact": "threat.imminent", "reason": "look", "given": {"use": "near"}}],
}
BAR: dict[str, Any] = {
    "id": "xx-law-bar",
    "title": "Give nothing",
    "mode": "prohibition",
    "cite": "s. 2",
    "trigger": {"nature": "state"},
    "when": {"not": {"fact": "item.visibility", "is": "public"}, "says": "not public"},
    "then": {
        "strip": {"fields": ["ID"], "to": ["us_gov"], "code": "bar"},
        "silence": {"towards": ["public"], "about": "case", "for": "P6W", "from": "belief"},
        "preserve": {"until": "lifted"},
    },
}
LET: dict[str, Any] = {
    "id": "xx-law-let",
    "title": "Give after all",
    "mode": "permission",
    "cite": "s. 3",
    "trigger": {"nature": "state"},
    "versions": [
        {"from": "2021-01-01", "status": "proposed"},
        {
            "from": "2022-01-01",
            "status": "sunset",
            "renewal": {"fact": "law.renewal", "is": "confirmed"},
        },
        {"from": "2023-01-01", "status": "superseded", "successor": "xx-law-tell"},
    ],
    "when": {"any": [{"use": "near"}, {"fact": "law.renewal", "is": "lapsed"}]},
    "overrides": ["xx-law-bar"],
    "then": {"lift": {"fields": ["ID"], "to": ["us_gov"]}},
}
BOOK: dict[str, Any] = {
    "schema": "rulebook/1",
    "regime": "xx-law",
    "title": "An invented law",
    "jurisdiction": "XX",
    "rank": "statute",
    "confidence": "H",
    "counsel_verified": False,
    "review_by": "2027-01-01",
    "sources": [{"id": "law", "title": "The law", "url": "https://law.example.org/"}],
    "versions": [{"from": "2020-01-01", "status": "in_force"}],
    "binds": {"fact": "provider.main_establishment", "in": "countries", "says": "who"},
    "conditions": {"near": {"fact": "threat.imminent", "is": True, "says": "near"}},
    "rules": [TELL, BAR, LET],
}


@pytest.fixture
def draft() -> dict[str, Any]:
    """A small invented law as plain data: a test may change what it likes."""
    return copy.deepcopy({"words": WORDS, "desks": DESKS, "book": BOOK})


def _texts(draft: dict[str, Any]) -> dict[str, str]:
    return {name: json.dumps(data, ensure_ascii=False, indent=1) for name, data in draft.items()}


@pytest.fixture
def reading() -> Callable[[dict[str, Any]], RuleSet]:
    """Read a law that is given as plain data."""
    return lambda draft: jurisdictions.read(_texts(draft))


@pytest.fixture
def refusal() -> Callable[[dict[str, Any]], list[str]]:
    """Return why a law that is given as plain data is refused: file, path and message."""

    def refuse(draft: dict[str, Any]) -> list[str]:
        with pytest.raises(Problems) as refused:
            jurisdictions.read(_texts(draft))
        return [f"{each.file} {each.path}: {each.message}" for each in refused.value.problems]

    return refuse
