"""The law: how fast rules are weighed beside other people's engines, and what a finding costs.

The findings are the situations of the golden cases; the rules are those that are shipped. For 16
rules some are left out, for 200 they are repeated under other names. Seconds are the processor's.

Outcomes: every engine gets the same conditions, read and compiled before, and the same facts, in
plain data as they are stored. What is unknown in a golden case is made up here, for an error costs
an engine more than an answer, and Zen has no other way to say that a fact is missing. Ours weighs
the version of each rule that counts at the time, too; theirs only weigh the conditions.

A determination is compared with the least it could cost: writing what it says as canonical JSON.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from time import process_time
from typing import Any

from compliance import jurisdictions
from compliance.jurisdictions import RuleSet, cases
from compliance.jurisdictions.book import Rule
from compliance.jurisdictions.determine import outcomes, situated
from compliance.jurisdictions.determine.moments import Situation
from tests.benchmarks import measure
from tests.compliance.jurisdictions import engines

ENGINES = (engines.Cpp, engines.Rust, engines.Zen, engines.Python)
NOTHING = {"bool": False, "count": 0, "set": []}
BOOKS = Path(jurisdictions.__file__).parent / "rulebooks"
WANTED = 125_000 / 60  # findings a second


@dataclass(frozen=True)
class Sizes:
    """How many rules there are beside the shipped, how many findings, and how many turns."""

    few: int
    many: int
    findings: int
    rounds: int


FULL, TINY = Sizes(16, 200, 100, 7), Sizes(2, 20, 2, 1)


def figures(sizes: Sizes) -> Iterator[object]:
    """Measure under few rules, the shipped ones and many."""
    texts, told = shipped()
    law = jurisdictions.read(texts)
    known = [case.given for case in cases.read(law, told) if case.kind == "determine"]
    asked = [known[number % len(known)] for number in range(min(sizes.findings, len(known)))]
    for number in (sizes.few, len(law.rules), sizes.many):
        rules = of_size(law, number)
        put = [_put_to(rules, each) for each in asked]
        yield from of_outcomes(rules, put[::4], sizes.rounds)  # one of them is slow
        yield from of_determinations(rules, put, sizes.rounds)
    yield of_findings(law, asked, sizes.rounds)


def shipped() -> tuple[dict[str, str], dict[str, str]]:
    """Return the shipped texts of the law, and its golden cases."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(BOOKS.glob("*.yaml"))}
    told = {name: text for name, text in texts.items() if name.endswith("cases.yaml")}
    return {name: text for name, text in texts.items() if name not in told}, told


def of_outcomes(rules: RuleSet, asked: list[Any], rounds: int) -> Iterator[object]:
    """Compare weighing all rules here with weighing their conditions elsewhere."""
    situations = [_complete(situated(rules, each)) for each in asked]
    conditions = [rule.own for rule in rules.rules.values()]
    contenders = {"ours": _turn(outcomes.outcomes, situations)}
    for engine in ENGINES:
        if _release(engine.package):
            contenders[engine.package] = _turn(
                _weighing(engine(), conditions), [each.facts for each in situations]
            )
    taken = measure.in_turn(contenders, rounds=rounds, seconds=20)
    for engine in ENGINES:
        name = f"{len(rules.rules)} rules, outcomes against {engine.package}"
        release = _release(engine.package)
        if not release:
            yield measure.absent(name, "it")
            continue
        yield measure.speed(
            name, taken["ours"], taken[engine.package],
            against=f"times as fast as {release}", at_least=1,
        )  # fmt: skip


def of_determinations(rules: RuleSet, asked: list[Any], rounds: int) -> Iterator[object]:
    """Compare a determination, without its certificates and with them, with writing it down."""
    plain = [jurisdictions.rule_on(rules, **each) for each in asked]
    whole = [
        {"said": said, "why": jurisdictions.explain(rules, **each)}
        for said, each in zip(plain, asked, strict=True)
    ]

    def determine(given: Any) -> None:
        jurisdictions.rule_on(rules, **given)

    def determine_and_explain(given: Any) -> None:
        jurisdictions.rule_on(rules, **given)
        jurisdictions.explain(rules, **given)

    taken = measure.in_turn(
        {
            "plain": _turn(determine, asked),
            "plain written": _turn(jurisdictions.canonical, plain),
            "whole": _turn(determine_and_explain, asked),
            "whole written": _turn(jurisdictions.canonical, whole),
        },
        rounds=rounds,
        seconds=20,
    )
    for name, part, limit in (
        ("a determination without certificates", "plain", None),
        ("a determination with certificates", "whole", 4),
    ):
        cost = measure.speed(
            f"{len(rules.rules)} rules, {name}", taken[f"{part} written"], taken[part],
            against="times the cost of writing it as canonical JSON",
        )  # fmt: skip
        yield replace(cost, at_most=limit)


def of_findings(law: RuleSet, asked: list[Any], rounds: int) -> object:
    """Say how many findings are determined in a second under the shipped rules."""
    turn = _turn(lambda given: jurisdictions.rule_on(law, **given), asked)
    taken = measure.in_turn({"ours": turn}, rounds=3 * rounds, seconds=20)["ours"]
    speeds = [len(asked) / seconds for seconds in taken]
    return measure.Figure(
        f"{len(law.rules)} rules as shipped", max(speeds), "findings determined a second",
        min(speeds), max(speeds), len(speeds), at_least=round(WANTED),
    )  # fmt: skip


def of_size(law: RuleSet, number: int) -> RuleSet:
    """Return so many of the shipped rules; when there are no more, again under other names."""
    rules: dict[str, Rule] = {}
    for turn in count():
        for rule in law.rules.values():
            if len(rules) == number:
                return replace(law, rules=rules)
            name, others = _named(rule.id, turn), tuple(_named(o, turn) for o in rule.overrides)
            rules[name] = replace(rule, id=name, overrides=others)
    raise AssertionError("there is always another turn")


def _put_to(rules: RuleSet, given: Any) -> Any:
    """Return the situation without the simulation of rules that were left out."""
    known = {*rules.rules, *rules.records}
    return {**given, "simulate": [name for name in given["simulate"] if name in known]}


def _named(rule: str, turn: int) -> str:
    record, dot, part = rule.partition(".")
    return f"{record}-{turn}{dot}{part}" if turn else rule


def _complete(situation: Situation) -> Situation:
    facts = {
        name: NOTHING[fact.type] if fact.type in NOTHING else fact.values[0]
        for name, fact in situation.rules.vocabulary.facts.items()
        if fact.type != "time"
    }
    return replace(situation, facts=facts | {**situation.facts})


def _weighing(engine: Any, conditions: list[Any]) -> Callable[[Any], None]:
    programs = [engine.read(condition) for condition in conditions]

    def weigh(facts: Any) -> None:
        seen = engine.see(facts)
        for program in programs:
            engine.weigh(program, seen)

    return weigh


def _turn(work: Callable[[Any], object], asked: list[Any]) -> Callable[[], float]:
    for each in asked:
        work(each)  # whoever keeps what is read once has read it

    def turn() -> None:
        for each in asked:  # nothing is kept: whoever is asked next has the memory again
            work(each)

    return lambda: measure.timed(turn, clock=process_time)


def _release(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return ""
