"""Consequences: what follows from a rule, read and checked word by word."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from compliance.jurisdictions.book import recipients
from compliance.jurisdictions.book.rules import HOME_STATE
from compliance.jurisdictions.book.words import Vocabulary
from compliance.jurisdictions.logic import Condition
from compliance.jurisdictions.shape import Path, Report

UNION = "EU"  # the country of the bodies of the Union: outside none of its Member States
Then = Mapping[str, Any]


class ConsequenceReader:
    """Reads the `then` of one rule; what it cannot understand it reports."""

    def __init__(
        self,
        words: Vocabulary,
        desks: Mapping[str, Any],
        report: Report,
        condition: Callable[[Any, Path], Condition],
    ) -> None:
        self.words, self.desks, self.report, self.condition = words, desks, report, condition

    def then(self, then: Then, path: Path) -> Then:
        """Return the consequences as the evaluator reads them: conditions resolved."""
        for effect in ("human", "unkept"):
            self.known((*path, effect), "the reason", then.get(effect, ()), self.words.reasons)
        for effect in ("strip", "lift"):
            self._cells(then.get(effect, {}), (*path, effect))
        self._parties(then, path)
        for effect in ("preserve", "silence"):
            self._span(then.get(effect, {}), (*path, effect))
        read: dict[str, Any] = dict(then)
        if "extend" in then.get("silence", {}):
            read["silence"] = self._extended(then["silence"], (*path, "silence", "extend"))
        if "report" in then:
            read["report"] = self._report(then["report"], (*path, "report"))
        return read

    def known(self, path: Path, what: str, given: Collection[str], known: Collection[str]) -> None:
        """Report every word that is not among those that are known."""
        for each in given:
            if each not in known:
                self.report.unknown(path, what, each, known)

    def _one(self, path: Path, what: str, entry: Then, known: Collection[str]) -> None:
        """Report the word at the end of a path, if there is one and nobody knows it."""
        given = [entry[str(path[-1])]] if path[-1] in entry else []
        self.known(path, what, given, known)

    def _cells(self, entry: Then, path: Path) -> None:
        """Check which classes of data a bar or an exception covers, and towards whom."""
        words, rest = self.words, entry.get("rest", {})
        classes = words.lists["field_classes"]
        self.known((*path, "fields"), "the class", entry.get("fields", ()), classes)
        towards = entry.get("to", ())
        self.known((*path, "to"), "the recipient class", towards, words.recipient_classes)
        places = [UNION, "member_states", *_sets_of_countries(words)]
        self.known((*path, "outside"), "the countries", entry.get("outside", ()), places)
        for cells, at in ((entry, path), (rest, (*path, "rest"))):
            self._one((*at, "code"), "the code", cells, words.codes)
            self._one((*at, "reason"), "the reason", cells, words.reasons)

    def _parties(self, then: Then, path: Path) -> None:
        parties = self.words.silence_parties
        towards = then.get("silence", {}).get("towards", ())
        self.known((*path, "silence", "towards"), "the party", towards, parties)
        self._one((*path, "notice", "to"), "the party", then.get("notice", {}), parties)

    def _span(self, entry: Then, path: Path) -> None:
        self._one((*path, "from"), "the clock", entry, self.words.starts)
        lists = [name for name, fact in self.words.clocks.items() if fact.many]
        self._one((*path, "renew", "from"), "the list of times", entry.get("renew", {}), lists)

    def _extended(self, silence: Then, path: Path) -> Then:
        extend = silence["extend"]
        return {
            **silence,
            "extend": {**extend, "when": self.condition(extend["when"], (*path, "when"))},
        }

    # ---- reports

    def _report(self, raw: Then, path: Path) -> Then:
        if raw["fields"] != "available":
            self.known((*path, "fields"), "the class", raw["fields"], self.words.field_classes)
        chain = [
            (step, (*path, "first_of", number))
            for number, step in enumerate(raw.get("first_of", ()))
        ]
        steps = [self._step(step, at) for step, at in chain or [(raw, path)]]
        for (_, at), step in list(zip(chain, steps, strict=False))[:-1]:
            if step["when"] is None:
                self.report.add(
                    at, "a step without a condition ends the chain; it must be the last."
                )
        limit = raw.get("deadline")
        if limit and limit["hours"]["imminent"] > limit["hours"]["otherwise"]:
            self.report.add((*path, "deadline"), "must not leave more time when a threat is near.")
        return {"deadline": limit, "fields": raw["fields"], "steps": steps}

    def _step(self, raw: Then, path: Path) -> Then:
        way = next(name for name in ("to", "all_of", "any_of") if name in raw)
        when = self.condition(raw["when"], (*path, "when")) if "when" in raw else None
        for number, each in enumerate(raw[way]):
            self._check_recipient(each, (*path, way, number))
        return {"when": when, "way": way, "recipients": raw[way]}

    def _check_recipient(self, entry: Then, path: Path) -> None:
        name, asked = entry["authority"], entry.get("each_of", ())
        known = recipients.families(self.desks) if asked else self.desks
        if name not in known:
            self.report.unknown((*path, "authority"), "the authority", name, known)
        usable = {*_sets_of_countries(self.words), HOME_STATE}
        self.known((*path, "each_of"), "the set of countries", asked, usable)


def _sets_of_countries(words: Vocabulary) -> list[str]:
    countries = words.lists["countries"]
    facts = words.facts.values()
    return [fact.name for fact in facts if fact.type == "set" and fact.values == countries]
