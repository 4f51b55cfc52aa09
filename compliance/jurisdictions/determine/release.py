"""Release: which classes of data may go to whom. What nobody asks for stays."""

from collections.abc import Collection, Mapping
from typing import Any

from compliance.jurisdictions.determine.moments import Situation
from compliance.jurisdictions.determine.outcomes import Outcome
from compliance.jurisdictions.logic import FAILS, members


class Release:
    """The cells of one situation: field class by recipient class."""

    def __init__(self, situation: Situation, found: Mapping[str, Outcome]) -> None:
        self.words = situation.rules.vocabulary
        held = situation.facts.get("data.available_classes", {"known": [], "closed": False})
        self.available = sorted(members(held)[0])
        self.content_is_private = "item.visibility" not in situation.facts
        strips = [each for each in found.values() if "strip" in each.rule.then and each.applies]
        self.prohibitions = [each for each in strips if each.rule.mode == "prohibition"]
        self.policies = [each for each in strips if each.rule.mode == "condition"]
        self.lifts = [each for each in found.values() if _may_lift(each)]
        self._cells: dict[tuple[str, str], list[Outcome]] = {}

    def barring(self, field: str, to: str) -> list[Outcome]:
        """Return the prohibitions that do not fail for this field class and recipient class.

        A cell is min(own, -exception): an undetermined exception leaves the bar in place.
        """
        if (field, to) not in self._cells:
            self._cells[field, to] = self._cell(field, to)
        return self._cells[field, to]

    def _cell(self, field: str, to: str) -> list[Outcome]:
        return [
            each
            for each in _covering(self.prohibitions, "strip", self._judged(field), to)
            if min(each.value, self._exception(each, field, to)) != FAILS
        ]

    def barred(self) -> dict[str, list[str]]:
        """Return the available classes that a prohibition bars, per recipient class."""
        return {
            to: [field for field in self.available if self.barring(field, to)]
            for to in self.words.recipient_classes
        }

    def offer(self, asked: Collection[str], to: str) -> tuple[list[str], dict[str, str]]:
        """Return what leaves of the available classes, and a code for each that does not."""
        codes = {field: self._code(field, asked, to) for field in self.available}
        withheld = {field: code for field, code in codes.items() if code}
        return [field for field in self.available if field not in withheld], withheld

    def _code(self, field: str, asked: Collection[str], to: str) -> str | None:
        strips = _covering(self.policies, "strip", field, to)
        for stripping in (self.barring(field, to), strips):
            if stripping:
                codes = {each.rule.then["strip"]["code"] for each in stripping}
                return next(code for code in self.words.codes if code in codes)
        if field in self.words.standing:
            return "standing"
        return None if field in asked else "not_required"

    def _exception(self, prohibition: Outcome, field: str, to: str) -> int:
        lifting = _covering(self.lifts, "lift", self._judged(field), to)
        values = [-each.value for each in lifting if prohibition.rule.id in each.rule.overrides]
        return min(values, default=1)

    def _judged(self, field: str) -> str:
        """Return the class by which a field is judged: unseen visibility makes content private."""
        return "C_priv" if field == "C_pub" and self.content_is_private else field


def _may_lift(outcome: Outcome) -> bool:
    return "lift" in outcome.rule.then and outcome.status in ("in_force", "sunset")


def _covering(found: list[Outcome], effect: str, field: str, to: str) -> list[Outcome]:
    def covers(cells: Any) -> bool:
        return field in cells["fields"] and to in cells["to"]

    return [each for each in found if covers(each.rule.then[effect])]
