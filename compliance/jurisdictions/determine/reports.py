"""Reports: who is told, how surely, by when, with which classes of data, and where laws clash."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from compliance.jurisdictions import logic
from compliance.jurisdictions.book import HOME_STATE, Desk, Step, digest
from compliance.jurisdictions.determine import periods
from compliance.jurisdictions.determine.moments import Situation, written
from compliance.jurisdictions.determine.outcomes import Outcome, having
from compliance.jurisdictions.determine.release import Asked, Release
from compliance.jurisdictions.logic import FAILS, HOLDS, UNDETERMINED

HEADQUARTERS, REPRESENTATIVE = "provider.main_establishment", "provider.eu_legal_rep"


class Claim(NamedTuple):
    """What one rule wants one recipient to be told."""

    outcome: Outcome
    to: str
    strength: int  # of the rule and of the step that names the recipient
    due: datetime | None
    choices: tuple[str, ...] = ()  # of an any_of: every recipient that would do, in order

    @property
    def kind(self) -> str:
        return self.outcome.rule.mode

    @property
    def certainty(self) -> str:
        if self.outcome.simulated:
            return "simulated"
        settled = self.strength == HOLDS and not self.to.endswith("?")
        return "firm" if settled and self.outcome.status != "preview" else "possible"

    @property
    def is_firm_duty(self) -> bool:
        return (self.kind, self.certainty) == ("duty", "firm")

    @property
    def asked(self) -> Any:
        return self.outcome.rule.then["report"]["fields"]


def claims(situation: Situation, found: Mapping[str, Outcome]) -> list[Claim]:
    """Return every rule's wishes; an alternative goes where a firm duty goes already."""
    made = [
        claim
        for outcome in having(situation, found, "report")
        if outcome.is_open
        for claim in _claims_of(outcome, situation)
    ]
    firm = {claim.to for claim in made if not claim.choices and claim.is_firm_duty}
    return [_chosen(claim, firm) if claim.choices else claim for claim in made]


def open_facts(situation: Situation, found: Mapping[str, Outcome]) -> dict[str, frozenset[str]]:
    """Return, for each open rule, the facts that leave it or what follows from it open."""
    facts = situation.facts
    wanted = {name: each.needs(facts) for name, each in found.items() if each.is_open}
    for each in having(situation, found, "silence"):
        if when := periods.open_extension(each, situation):
            wanted[each.rule.id] |= when.needs(facts)
    for each in having(situation, found, "choice"):
        if each.is_open:
            wanted[each.rule.id] |= _open_choice(each, situation)
    return wanted


def deadline(outcome: Outcome, situation: Situation) -> datetime | None:
    """Return when a rule's report is due; unknown imminence runs the short timer."""
    limit = outcome.rule.then["report"]["deadline"]
    if limit is None or outcome.start is None:
        return None
    relaxed = situation.facts.get("threat.imminent") is False
    return outcome.start + timedelta(hours=limit["hours"][_PACE[relaxed]])


_PACE = {True: "otherwise", False: "imminent"}


def merged(
    situation: Situation, made: Iterable[Claim], release: Release
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[tuple[str, str]]]:
    """Return one report for each recipient, kind and certainty, and the conflicts within them.

    Beside them: what a person must do about what is withheld, and because of which record.
    """
    groups: dict[tuple[str, str, str], list[Claim]] = {}
    for claim in made:
        groups.setdefault((claim.to, claim.kind, claim.certainty), []).append(claim)
    reports, conflicts = [], []
    reasons: list[tuple[str, str]] = []
    for key, group in sorted(groups.items()):
        asked, to = _asked_by(group, release), situation.rules.desks[key[0]]
        report = _report(group, asked, release, to)
        reports.append(report)
        if release.reaching(to)[0]:
            conflicts += _conflicts(report, group, asked, release, to)
            reasons += release.reasons(asked, to) if group[0].certainty != "simulated" else ()
    return reports, sorted(conflicts, key=lambda each: (each["to"], each["fields"])), reasons


def home_state(situation: Situation) -> tuple[list[str], frozenset[str]]:
    """Return the provider's home State in the Union, if any, and what is missing to tell.

    It is the main establishment if that is a Member State, else the legal representative's.
    """
    states, facts = situation.rules.vocabulary.member_states, situation.facts
    missing = frozenset({HEADQUARTERS, REPRESENTATIVE} - facts.keys())
    if facts.get(HEADQUARTERS) in states:
        return [facts[HEADQUARTERS]], frozenset()
    if not missing and facts[REPRESENTATIVE] in states:
        return [facts[REPRESENTATIVE]], frozenset()
    return [], missing


def _claims_of(outcome: Outcome, situation: Situation) -> list[Claim]:
    made = []
    due = deadline(outcome, situation)
    for step, _, taken in _taken(outcome, situation):
        strength, desks = min(outcome.value, taken), _desks(step, situation)
        if step.way == "any_of":
            made.append(Claim(outcome, desks[0], strength, due, tuple(desks)))
        else:
            made += [Claim(outcome, to, strength, due) for to in desks]
    return made


def _taken(outcome: Outcome, situation: Situation) -> Iterator[tuple[Step, int, int]]:
    """Yield the steps that are or may be taken, what each condition weighs, and how surely.

    A step is taken when its condition holds and that of every earlier one fails.
    """
    untaken = HOLDS
    for step in outcome.rule.steps:
        value = step.when.weigh(situation.facts)
        taken = min(untaken, value)
        if taken != FAILS:
            yield step, value, taken
        untaken = min(untaken, -value)


def _open_choice(outcome: Outcome, situation: Situation) -> frozenset[str]:
    """Return the facts that leave the choice of a rule's recipients open."""
    wanted: frozenset[str] = frozenset()
    for step, value, _ in _taken(outcome, situation):
        if value == UNDETERMINED:
            wanted |= step.when.needs(situation.facts)
        for recipient in step.recipients:
            if "each_of" in recipient:
                wanted |= _countries(recipient, situation)[1]
    return wanted


def _desks(step: Step, situation: Situation) -> list[str]:
    """Return the recipients of a step: never none, for a duty to tell nobody would be silent."""
    addresses = situation.rules.addresses
    named = step.named or [
        name for recipient in step.recipients for name in _named(recipient, situation)
    ]
    desks = dict.fromkeys([addresses[name] for name in named])
    return list(desks) or [f"{step.recipients[0]['authority']}@?"]


def _named(recipient: Mapping[str, Any], situation: Situation) -> list[str]:
    if "each_of" not in recipient:
        return [recipient["authority"]]
    states, missing = _countries(recipient, situation)
    return [f"{recipient['authority']}@{state}" for state in [*states, *"?" * bool(missing)]]


def _countries(
    recipient: Mapping[str, Any], situation: Situation
) -> tuple[list[str], frozenset[str]]:
    """Return the known Member States of a recipient, and the facts that could name another."""
    known: set[str] = set()
    missing: frozenset[str] = frozenset()
    for name in recipient["each_of"]:
        if name == HOME_STATE:
            states, wanted = home_state(situation)
        else:
            held = situation.facts.get(name, {"known": [], "closed": False})
            found, closed = logic.members(held)
            states, wanted = [*found], frozenset([] if closed else [name])
        known |= {*states} & situation.rules.vocabulary.member_states
        missing |= wanted
    return sorted(known), missing


def _chosen(claim: Claim, firm: set[str]) -> Claim:
    choice = next((desk for desk in claim.choices if desk in firm), claim.choices[0])
    return claim._replace(to=choice)


def _report(group: list[Claim], asked: Asked, release: Release, to: Desk) -> dict[str, Any]:
    offered, withheld = release.offer(asked, to)
    first = group[0]
    dues = [claim.due for claim in group if claim.due]
    choices = {desk for claim in group for desk in claim.choices}
    return {
        "to": first.to,
        "instead": sorted(choices - {first.to}) if choices else [],
        "kind": first.kind,
        "certainty": first.certainty,
        "because": sorted({claim.outcome.rule.record for claim in group}),
        "due": written(min(dues)) if dues else None,
        "release": offered,
        "withhold": withheld,
    }


def _asked_by(group: list[Claim], release: Release) -> dict[str, frozenset[str]]:
    """Return the available classes that are asked for, each with the records that ask."""
    asked: dict[str, frozenset[str]] = {}
    for claim in group:
        asking, wanted = frozenset([claim.outcome.rule.record]), claim.asked
        for field in release.available:
            if wanted == "available" or field in wanted:
                asked[field] = asked[field] | asking if field in asked else asking
    return asked


def _conflicts(
    report: Mapping[str, Any], group: list[Claim], asked: Asked, release: Release, to: Desk
) -> list[dict[str, Any]]:
    """Return where a firm duty of statute asks for a class that a prohibition bars."""
    clashes: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    duties = [each for each in group if each.is_firm_duty and each.outcome.rule.rank == "statute"]
    owed = _asked_by(duties, release)
    for field in sorted(owed.keys() - release.words.standing):
        barring = {each.rule.record for each in release.barring(field, to, asked[field])}
        if barring:
            sides = (tuple(sorted(owed[field])), tuple(sorted(barring)))
            clashes.setdefault(sides, []).append(field)
    return [_conflict(report, fields, *map(list, sides)) for sides, fields in clashes.items()]


def _conflict(
    report: Mapping[str, Any], fields: list[str], duties: list[str], prohibitions: list[str]
) -> dict[str, Any]:
    clash = {"to": report["to"], "fields": fields, "duties": duties, "prohibitions": prohibitions}
    blocking = not report["release"]
    return {"id": digest(clash), **clash, "blocking": blocking, "interim": "withhold"}
