"""Forms: what a vocabulary, a list of authorities and a rulebook look like."""

from typing import Any

from compliance.jurisdictions.shape import (
    NAME,
    RULE_ID,
    WORD,
    Path,
    Report,
    anything,
    day,
    either,
    exactly_one,
    flag,
    many,
    record,
    table,
    text,
    whole,
    word,
)

OPERATORS = (
    "is",
    "is_not",
    "in",
    "not_in",
    "includes",
    "includes_any",
    "includes_none",
    "at_least",
    "at_most",
)
STATUSES = ("in_force", "preview", "suspended", "sunset", "superseded", "proposed")
AUTHORITY = text(60, r"[a-z0-9-]+(@[A-Z]{2})?", "a name such as bka or ms-authority@AT")
PERIOD = text(8, r"P[1-9]\d{0,2}[YMWD]", "a period such as P6M")
ADDRESS = text(600, r"https://[!-~]+", "an address that begins with https://")
HOURS = whole(24 * 366)
SAYS = {"says": text(300), "cite": text(200)}


def condition(value: Any, path: Path, report: Report) -> None:
    """Check a condition: all, any, not, use, or a test of one fact."""
    _CONDITION(value, path, report)


def _leaf(value: Any, path: Path, report: Report) -> None:
    tests = [name for name in OPERATORS if name in value]
    if len(tests) != 1:
        report.add(path, f"must have exactly one test of the fact: {', '.join(OPERATORS)}.")
    known = dict.fromkeys(OPERATORS, anything)
    record({"fact": NAME}, {**SAYS, "presume": flag, **known})(value, path, report)


_CONDITION = exactly_one(
    {
        "all": record({"all": many(condition)}, SAYS),
        "any": record({"any": many(condition)}, SAYS),
        "not": record({"not": condition}, SAYS),
        "use": record({"use": NAME}),
        "fact": _leaf,
    }
)

VOCABULARY = record({
    "schema": word("vocabulary/1"),
    "facts": table(NAME, record(
        {"number": whole(999), "type": word("bool", "choice", "set", "count", "time"),
         "kind": word("provider", "observed", "judgement"), "label": text(), "ask": text()},
        {"values": either(many(WORD), NAME), "also": many(WORD), "clock": NAME, "many": flag,
         "on_unknown": text()},
    )),
    "field_classes": table(WORD, text()),
    "standing_withheld": many(WORD),
    "silence_parties": many(WORD),
    "withhold_codes": table(WORD, text()),
    "human_reasons": table(WORD, text()),
    "member_states": many(WORD),
    "countries": many(WORD),
})  # fmt: skip

AUTHORITIES = record({
    "schema": word("authorities/1"),
    "authorities": table(AUTHORITY, record(
        {"title": text(), "country": WORD, "class": WORD, "contact": anything,
         "verified_at": anything},
        {"same_as": AUTHORITY},
    )),
})  # fmt: skip

RECIPIENT = record({"authority": AUTHORITY}, {"each_of": many(NAME)})
STEP = exactly_one(
    {
        mode: record({mode: many(RECIPIENT)}, {"when": condition})
        for mode in ("to", "all_of", "any_of")
    }
)
HUSH = {"towards": many(WORD), "about": WORD}
LONGER = {"renew": record({"from": NAME, "by": PERIOD})}
EXTENDED = {"extend": record({"when": condition, "by": PERIOD})}
REPORT = exactly_one({
    way: record(
        {way: shape, "fields": either(many(WORD), word("available"))},
        {"deadline": record(
            {"words": text(), "hours": record({"imminent": HOURS, "otherwise": HOURS})},
        )},
    )
    for way, shape in
    {"first_of": many(STEP), "to": many(RECIPIENT), "any_of": many(RECIPIENT)}.items()
})  # fmt: skip
BAR = {"fields": many(WORD), "code": WORD}
THEN = record({}, {
    "report": REPORT,
    "act": record({"what": text(), "within": text()}),
    "notice": record({"to": WORD, "about": WORD}),
    "preserve": exactly_one({
        "until": record({"until": word("lifted")}),
        "for": record({"for": PERIOD, "from": NAME}, LONGER),
    }),
    "silence": exactly_one({
        "until": record({"until": word("lifted"), **HUSH}),
        "for": record({"for": PERIOD, "from": NAME, **HUSH}, EXTENDED),
    }),
    "strip": exactly_one({
        "to": record({"to": many(WORD), **BAR}, {"reason": WORD}),
        "outside": record({"outside": many(text(80)), **BAR}, {"reason": WORD}),
    }),
    "lift": record(
        {"fields": many(WORD), "to": many(WORD)},
        {"for": many(RULE_ID), "rest": record({"code": WORD, "reason": WORD})},
    ),
    "unkept": many(WORD),
    "human": many(WORD),
})  # fmt: skip
VERSIONS = many(
    record(
        {"from": day, "status": word(*STATUSES)},
        {"renewal": condition, "successor": RULE_ID, "for": PERIOD},
    )
)

RULEBOOK = record(
    {
        "schema": word("rulebook/1"), "regime": WORD, "title": text(), "jurisdiction": WORD,
        "rank": word("statute", "policy"), "confidence": word("H", "M", "L"),
        "counsel_verified": flag, "review_by": day,
        "rules": many(record(
            {"id": RULE_ID, "title": text(), "cite": text(), "when": condition, "then": THEN,
             "mode": word("duty", "permission", "prohibition", "condition"),
             "trigger": record(
                 {"nature": word("event", "state", "request")}, {"clock": NAME, "words": text()})},
            {"versions": VERSIONS, "binds": condition, "exempt": condition,
             "overrides": many(RULE_ID),
             "open": many(record({"fact": NAME, "reason": WORD}, {"given": condition}))},
        )),
    },
    {
        "sources": many(record({"id": WORD, "title": text(), "url": ADDRESS})),
        "unseen": many(text(300)),
        "versions": VERSIONS, "binds": condition, "conditions": table(NAME, condition),
        "claims": many(record({"name": text(), "covers": text(80), "given": condition})),
        "context": many(record({"id": RULE_ID, "title": text(), "cite": text(), "says": text()})),
        "not_modelled": many(record({"what": text(), "accepted": flag})),
    },
)  # fmt: skip

BY_SCHEMA = {
    "vocabulary/1": VOCABULARY,
    "authorities/1": AUTHORITIES,
    "rulebook/1": RULEBOOK,
}
