"""Release: which classes of data may go to whom. What nobody asks for stays."""

from collections.abc import Iterable, Mapping

from compliance.jurisdictions.book import UNION, Desk
from compliance.jurisdictions.determine.moments import Situation
from compliance.jurisdictions.determine.outcomes import Outcome, having
from compliance.jurisdictions.logic import FAILS, HOLDS, members

Asked = Mapping[str, frozenset[str]]  # which records ask for a class of data


class Release:
    """The cells of one situation: field class by recipient."""

    def __init__(self, situation: Situation, found: Mapping[str, Outcome]) -> None:
        self.words, self.facts = situation.rules.vocabulary, situation.facts
        self.available = sorted(members(situation.facts.get("data.available_classes", []))[0])
        self.content_is_private = "item.visibility" not in situation.facts
        strips = [each for each in having(situation, found, "strip") if each.applies]
        self.prohibitions = [each for each in strips if each.rule.mode == "prohibition"]
        self.policies = [each for each in strips if each.rule.mode == "condition"]
        self.lifts = [each for each in having(situation, found, "lift") if _may_lift(each)]
        self._reaching: dict[Desk, tuple[list[Outcome], list[Outcome]]] = {}
        self._bars: dict[tuple[str, Desk, str], list[Outcome]] = {}

    def barring(self, field: str, desk: Desk, asking: Iterable[str] = ()) -> list[Outcome]:
        """Return the prohibitions that keep a field class from a desk, whoever asks for it.

        A cell is min(own, -exception): an undetermined exception leaves the bar in place. An
        exception may be for the reports of some rules alone: one that asks freely is enough.
        """
        found = [self._barring(field, desk, asker) for asker in {*asking} or {""}]
        if [] in found:
            return []
        return list({each.rule.id: each for bars in found for each in bars}.values())

    def reaching(self, desk: Desk) -> tuple[list[Outcome], list[Outcome]]:
        """Return the prohibitions and the policies that keep anything from a desk."""
        if desk not in self._reaching:
            self._reaching[desk] = (
                [each for each in self.prohibitions if self._reaches(each, desk)],
                [each for each in self.policies if self._reaches(each, desk)],
            )
        return self._reaching[desk]

    def barred(self) -> dict[str, list[str]]:
        """Return the available classes that a prohibition bars, per recipient class."""
        kinds = self.words.recipient_classes
        return {kind: self._barred(Desk(kind)) if self.prohibitions else [] for kind in kinds}

    def offer(self, asked: Asked, desk: Desk) -> tuple[list[str], dict[str, str]]:
        """Return what leaves of the available classes, and a code for each that does not."""
        standing = self.words.standing
        withheld = {
            field: "standing" if field in standing else "not_required"
            for field in self.available
            if field not in asked or field in standing
        }
        if any(self.reaching(desk)):
            withheld |= self._stripped(asked, desk)
        return [field for field in self.available if field not in withheld], withheld

    def reasons(self, asked: Asked, desk: Desk) -> Iterable[tuple[str, str]]:
        """Yield what a person must do about what is withheld, and the record that says so."""
        for field in self.available:
            for bar in self.barring(field, desk, asked.get(field, ())):
                rests = self._rests(bar, desk)
                yield from (
                    (each.rule.then["lift"]["rest"]["reason"], each.rule.record) for each in rests
                )
                if "reason" in bar.rule.then["strip"] and not rests and self._wanted(field, asked):
                    yield bar.rule.then["strip"]["reason"], bar.rule.record

    def open_places(self, desks: Iterable[Desk]) -> Iterable[tuple[str, tuple[str, ...], str]]:
        """Yield the sets of countries that may or may not hold a desk's, as a bar reads them."""
        for bar in self.prohibitions:
            for name in bar.rule.then["strip"].get("outside", ()):
                known, closed = self._countries(name)
                if not closed and any(self._is_outside(bar, desk) for desk in desks):
                    yield name, tuple(sorted(known)), bar.rule.record

    def _barred(self, desk: Desk) -> list[str]:
        reached = self.available if self.reaching(desk)[0] else []
        return [field for field in reached if self.barring(field, desk)]

    def _barring(self, field: str, desk: Desk, asker: str) -> list[Outcome]:
        cell = (field, desk, asker)
        if cell not in self._bars:
            judged = self._judged(field)
            self._bars[cell] = [
                each
                for each in self.reaching(desk)[0]
                if _strips(each, judged)
                and min(each.value, self._exception(each, judged, desk, asker)) != FAILS
            ]
        return self._bars[cell]

    def _reaches(self, bar: Outcome, desk: Desk) -> bool:
        cells = bar.rule.then["strip"]
        return desk.kind in cells["to"] if "to" in cells else self._is_outside(bar, desk)

    def _is_outside(self, bar: Outcome, desk: Desk) -> bool:
        """Return whether no place of a bar is known to hold the desk's country."""
        places = bar.rule.then["strip"]["outside"]
        return desk.country is not None and not any(
            desk.country in self._countries(name)[0] for name in places
        )

    def _countries(self, name: str) -> tuple[frozenset[str], bool]:
        """Return the known members of a list or a fact of countries, and whether it is whole."""
        if name == UNION:
            return frozenset([UNION]), True
        if name in self.words.lists:
            return frozenset(self.words.lists[name]), True
        return members(self.facts.get(name, {"known": [], "closed": False}))

    def _stripped(self, asked: Asked, desk: Desk) -> dict[str, str]:
        """Return a code for each available class that is barred, or kept back by a policy."""
        stripped, policies = {}, self.reaching(desk)[1]
        for field in self.available:
            bars = self.barring(field, desk, asked.get(field, ()))
            stripping = bars or [each for each in policies if _strips(each, field)]
            codes = {code for each in stripping for code in self._codes(each, desk)}
            if codes:
                stripped[field] = next(code for code in self.words.codes if code in codes)
        return stripped

    def _codes(self, bar: Outcome, desk: Desk) -> list[str]:
        rests = [each.rule.then["lift"]["rest"]["code"] for each in self._rests(bar, desk)]
        return rests or [bar.rule.then["strip"]["code"]]

    def _rests(self, bar: Outcome, desk: Desk) -> list[Outcome]:
        """Return the exceptions that hold, yet leave this bar of the same record in place."""
        return [
            each
            for each in self.lifts
            if "rest" in each.rule.then["lift"]
            and each.value == HOLDS
            and desk.kind in each.rule.then["lift"]["to"]
            and bar.rule.record in {name.partition(".")[0] for name in each.rule.overrides}
        ]

    def _exception(self, bar: Outcome, field: str, desk: Desk, asker: str) -> int:
        lifting = [each for each in self.lifts if _lifts(each, bar, field, desk, asker)]
        return min((-each.value for each in lifting), default=HOLDS)

    def _wanted(self, field: str, asked: Asked) -> bool:
        return field in asked and field not in self.words.standing

    def _judged(self, field: str) -> str:
        """Return the class by which a field is judged: unseen visibility makes content private."""
        return "C_priv" if field == "C_pub" and self.content_is_private else field


def _strips(bar: Outcome, field: str) -> bool:
    return field in bar.rule.then["strip"]["fields"]


def _may_lift(outcome: Outcome) -> bool:
    return outcome.status in ("in_force", "sunset")


def _lifts(lift: Outcome, bar: Outcome, field: str, desk: Desk, asker: str) -> bool:
    cells = lift.rule.then["lift"]
    named = bar.rule.id in lift.rule.overrides and asker in cells.get("for", [asker])
    return named and field in cells["fields"] and desk.kind in cells["to"]
