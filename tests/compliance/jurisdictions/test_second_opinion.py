"""Second opinion: other people's engines, asked in the one exact way, say what ours says."""

import os
import random
from typing import Any

import pytest

from compliance.jurisdictions import logic
from compliance.jurisdictions.logic import UNDETERMINED
from tests.compliance.jurisdictions import engines
from tests.compliance.jurisdictions.chance import (
    LEARNT,
    PRESUMING,
    VALUES,
    Plain,
    any_condition,
    known,
)

SHEETS = 5  # of facts, for each condition
CONDITIONS = 4_000 if os.environ.get("DUTYLINE_EVERYTHING") else 60


def asked(seed: int, conditions: int) -> Any:
    """Conditions at random, and for each a few sheets of facts, most of them incomplete."""
    chance = random.Random(seed)  # noqa: S311
    for _ in range(conditions):
        condition = any_condition(chance, leaves=PRESUMING)
        yield condition, [any_sheet(chance) for _ in range(SHEETS)]


def any_sheet(chance: random.Random) -> Plain:
    return known({name: chance.choice(pairs)[0] for name, pairs in LEARNT.items()})


class TestCel:
    @pytest.mark.slow
    @pytest.mark.parametrize("engine", [engines.Rust, engines.Cpp])
    def test_says_what_we_say_of_every_case(self, engine: Any) -> None:
        theirs, open_cases = engine(), 0
        for condition, sheets in asked(1, CONDITIONS):
            program = theirs.read(condition)
            for facts in sheets:
                weight = logic.weigh(condition, facts)
                assert theirs.weigh(program, theirs.see(facts)) == weight, (condition, facts)
                assert logic.compiled(condition)(facts) == weight
                open_cases += weight == UNDETERMINED
        assert open_cases > CONDITIONS * SHEETS / 10

    @pytest.mark.slow
    def test_in_python_says_so_too(self) -> None:
        theirs = engines.Python()
        for condition, sheets in asked(2, CONDITIONS // 30):
            program = theirs.read(condition)
            for facts in sheets:
                weight = logic.weigh(condition, facts)
                assert theirs.weigh(program, theirs.see(facts)) == weight, (condition, facts)


class TestZen:
    def test_says_what_we_say_when_everything_is_known(self) -> None:
        theirs, chance = engines.Zen(), random.Random(3)  # noqa: S311
        for condition, _ in asked(3, CONDITIONS // 3):
            facts = {name: chance.choice(values) for name, values in VALUES.items()}
            weight = logic.weigh(condition, facts)
            assert theirs.weigh(theirs.read(condition), theirs.see(facts)) == weight, condition
