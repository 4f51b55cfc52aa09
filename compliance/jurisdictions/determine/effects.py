"""Effects: what is kept, who is told nothing, what a person must do, what is asked and assumed."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from compliance.jurisdictions import logic
from compliance.jurisdictions.book import Compiled, Fact, Rule, canonical
from compliance.jurisdictions.determine import periods
from compliance.jurisdictions.determine.moments import Situation, written
from compliance.jurisdictions.determine.outcomes import Outcome, having
from compliance.jurisdictions.determine.release import Release
from compliance.jurisdictions.determine.reports import Claim
from compliance.jurisdictions.logic import FAILS, HOLDS, UNDETERMINED

EXCUSE = "excuse.reasonable"  # the defence that some duties know

Found = Mapping[str, Outcome]
Needs = Mapping[str, frozenset[str]]
Used = tuple[str, Any, str]  # a fact, the value that is assumed, and what for
Ends = dict[tuple[str, str], list[tuple[str | None, str]]]  # by subject and party


def preserve(situation: Situation, found: Found) -> dict[str, Any] | None:
    """Return until when everything is kept: the latest end, and an open hold wins."""
    ends = [
        (periods.end(each, "preserve", situation), each.rule.record)
        for each in _with(situation, found, "preserve")
    ]
    if not ends:
        return None
    latest = "open" if any(end is None for end, _ in ends) else max(str(end) for end, _ in ends)
    return {"until": latest, "because": sorted({record for _, record in ends})}


def silence(situation: Situation, found: Found) -> list[dict[str, Any]]:
    """Return who is told nothing, until when (None = until lifted); what has ended is left out."""
    kept: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (about, party), ends in _silences(situation, found).items():
        until = "" if any(end is None for end, _ in ends) else max(str(end) for end, _ in ends)
        because = tuple(sorted({record for _, record in ends}))
        kept.setdefault((about, until, because), []).append(party)
    return [
        {"towards": sorted(towards), "until": until or None, "because": list(because)}
        for (_, until, because), towards in sorted(kept.items())
    ]


def human(
    situation: Situation,
    found: Found,
    needs: Needs,
    conflicts: list[dict[str, Any]],
    withheld: Iterable[tuple[str, str]],
) -> list[dict[str, Any]]:
    """Return what a person must look at, and because of which rules."""
    raised: dict[str, set[str]] = {}
    pairs = [
        *_from_rules(situation, found, needs),
        *_from_conflicts(situation, conflicts),
        *withheld,
    ]
    owed = [*_notices(situation, found), *_without_basis(situation, found)]
    for reason, record in [*pairs, *owed, *_from_status(situation, found)]:
        raised.setdefault(reason, set()).add(record)
    duties = [each for each in having(situation, found, "report") if each.rule.mode == "duty"]
    if not any(each.applies for each in duties):
        raised["no_duty"] = {each.rule.record for each in duties if each.live}
    return [{"reason": each, "because": sorted(raised[each])} for each in sorted(raised)]


def questions(situation: Situation, found: Found, needs: Needs) -> list[dict[str, Any]]:
    """Return the facts that are asked for, most decisive first.

    Most decisive is what settles most rules alone, then what is needed for most.
    """
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    alone: dict[str, list[str]] = {}
    for name, facts in needs.items():
        outcome = found[name]
        asked = facts if outcome.start else facts | _missing_clock(outcome, situation)
        record, is_alone = outcome.rule.record, len(facts) == 1
        for fact in asked:
            wanted[fact].add(record)
            if is_alone:
                alone.setdefault(fact, []).append(name)
    order = sorted(wanted, key=lambda fact: (-len(alone.get(fact, ())), -len(wanted[fact]), fact))
    return [{"fact": fact, "settles": sorted(wanted[fact])} for fact in order]


def assumed(
    situation: Situation, found: Found, made: Iterable[Claim], release: Release
) -> list[dict[str, Any]]:
    """Return every presumption and fail-safe that was used."""
    used: set[Used] = {
        (name, value, each.rule.record)
        for each in having(situation, found, "presumption")
        if each.live
        for name, value in each.condition.presumed
        if name not in situation.facts
    }
    if "threat.imminent" not in situation.facts and any(claim.due for claim in made):
        used.add(("threat.imminent", True, "timer"))
    if release.content_is_private and "C_pub" in release.available:
        used.add(("item.visibility", "C_priv", "release"))
    used.update(release.open_places({situation.rules.desks[claim.to] for claim in made}))
    for each in having(situation, found, "silence"):
        if when := periods.open_extension(each, situation):
            used.update(_safe_values(each, when, situation))
    for each in having(situation, found, "guard"):
        if each.value == UNDETERMINED and each.live:
            used.update(_safe_values(each, each.condition, situation))
    return [_assumption(*each) for each in sorted(used, key=_rank)]


@lru_cache(4096)
def _rank(used: Used) -> bytes:
    """Return where an assumption stands among others: by its canonical form."""
    return canonical(_assumption(*used))


def _assumption(fact: str, known: Any, record: str) -> dict[str, Any]:
    value = list(known) if isinstance(known, tuple) else known
    return {"fact": fact, "as": value, "for": record}


def _with(situation: Situation, found: Found, effect: str) -> list[Outcome]:
    """Return the rules whose effect is on: those that hold, and every bar that does not fail."""
    return [each for each in having(situation, found, effect) if _is_on(each)]


def _is_on(outcome: Outcome) -> bool:
    if outcome.rule.mode == "prohibition":
        return outcome.applies
    return outcome.status in ("in_force", "sunset") and outcome.value == HOLDS


def _silences(situation: Situation, found: Found) -> Ends:
    """Return the ends of the silences that last, by subject and party."""
    lasting: Ends = {}
    for each in _with(situation, found, "silence"):
        hush, until = each.rule.then["silence"], periods.end(each, "silence", situation)
        for party in hush["towards"] if periods.lasts(each, "silence", situation) else ():
            lasting.setdefault((hush["about"], party), []).append((until, each.rule.record))
    return lasting


def _notices(situation: Situation, found: Found) -> Iterable[tuple[str, str]]:
    """Yield the notices that are owed; silence beats notice while it lasts."""
    owed = _with(situation, found, "notice")
    silences = _silences(situation, found) if owed else {}
    for each in owed:
        notice = each.rule.then["notice"]
        if (notice["about"], notice["to"]) not in silences:
            yield "notice_due", each.rule.record


def _without_basis(situation: Situation, found: Found) -> Iterable[tuple[str, str]]:
    """Yield what is kept, or was removed, without a law that asks to keep it any longer."""
    kept = preserve(situation, found) or {"until": ""}
    over = kept["until"] <= written(situation.rule_time)  # "open" is later than any time
    for each in having(situation, found, "unkept"):
        if over and each.live and each.value == HOLDS:
            yield from ((reason, each.rule.record) for reason in each.rule.then["unkept"])
    for each in _with(situation, found, "preserve"):
        last = periods.end(each, "preserve", situation) == kept["until"]
        if over or (last and periods.renewals(each, "preserve", situation)[1]):
            yield "preservation_basis", each.rule.record


def _from_rules(situation: Situation, found: Found, needs: Needs) -> Iterable[tuple[str, str]]:
    for each in having(situation, found, "human"):
        if each.live and each.value == HOLDS:
            yield from ((reason, each.rule.record) for reason in each.rule.then["human"])
    for each in having(situation, found, "doubt"):
        for entry in each.rule.open if each.applies else ():
            asked = entry["fact"] in needs[each.rule.id]
            if asked and logic.weigh(entry["given"], situation.facts) == HOLDS:
                yield entry["reason"], each.rule.record


def _from_conflicts(
    situation: Situation, conflicts: list[dict[str, Any]]
) -> Iterable[tuple[str, str]]:
    for each in conflicts:
        for duty in each["duties"]:
            yield "conflict", duty
            if each["blocking"]:
                yield "blocking_conflict", duty
            if any(map(_knows_an_excuse, situation.rules.records[duty])):
                yield "reasonable_excuse", duty


def _knows_an_excuse(rule: Rule) -> bool:
    return any(leaf["fact"] == EXCUSE for leaf in logic.leaves(rule.own))


def _from_status(situation: Situation, found: Found) -> Iterable[tuple[str, str]]:
    for each in found.values():
        if each.value == FAILS or each.status == "in_force":
            continue
        if each.status == "preview" and each.value == HOLDS:
            yield "preview_rule", each.rule.record
        if each.status == "suspended":
            yield "suspended_rule", each.rule.record
        if each.status == "sunset" and _unconfirmed(each, situation):
            yield "unknown_validity", each.rule.record


def _unconfirmed(outcome: Outcome, situation: Situation) -> bool:
    renewal = outcome.condition.condition["all"][-1]
    return logic.weigh(renewal, situation.facts) == UNDETERMINED


def _missing_clock(outcome: Outcome, situation: Situation) -> frozenset[str]:
    """Return the time from which a deadline would run, if there is one and nobody knows it."""
    if not outcome.rule.then.get("report", {}).get("deadline"):
        return frozenset()
    return frozenset([situation.rules.vocabulary.clocks[outcome.rule.clock].name])


def _safe_values(outcome: Outcome, condition: Compiled, situation: Situation) -> Iterable[Used]:
    """Yield the open facts of a bar that applies for safety, as it reads them."""
    for name in condition.needs(situation.facts):
        values = _values(situation.rules.vocabulary.facts[name])
        keeping = condition.keeping(name, values, situation.facts)
        some = tuple(sorted(keeping)) if len(keeping) < len(values) else None
        yield name, keeping[0] if len(keeping) == 1 else some, outcome.rule.record


def _values(fact: Fact) -> tuple[Any, ...]:
    if fact.type == "choice":
        return fact.values
    return (False, True) if fact.type == "bool" else ()
