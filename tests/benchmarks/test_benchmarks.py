"""Benchmarks run, and what they print is one figure a line."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from compliance import jurisdictions
from tests.benchmarks import law, measure

NUMBER = r"\d+\.\d\d"
TARGET = r"; target at (?:least|most) [\d.]+, (?:met|missed)"
LINE = re.compile(
    rf"[^:]+: (?:{NUMBER} .+ \(spread {NUMBER}\.\.{NUMBER} in \d+ rounds?(?:{TARGET})?\)"
    r"|not measured: \w+ is absent)"
)
WRITERS = [
    f", a transaction with its entry{work}{sealer}"
    for work in ("", " and 5 ms of work")
    for sealer in ("", ", while the sealer runs")
]
SHIPPED = len(jurisdictions.read(law.shipped()[0]).rules)
FIGURES = {
    "sealing": [
        "sealing 1 MiB",
        "opening 1 MiB",
        "sealing 1 MiB and taking its digests",
        "taking in 1 MiB, sealed, with two SHA-256 and a CRC-32",
        "sealing 1 MiB",
        "opening 1 MiB",
        "sealing 2 files of 100 KB to a key that outlasts quantum computers",
        "sealing 2 files of 100 KB to a key of the classic kind",
        "2 whole bundles of one such file",
        "memory to seal 2 MiB",
        "memory to seal 2 MiB and take its digests",
        "memory to open 2 MiB",
    ],
    "law": [
        *(
            f"{number} rules, {what}"
            for number in (2, SHIPPED, 20)
            for what in (
                *(f"outcomes against {engine.package}" for engine in law.ENGINES),
                "a determination without certificates",
                "a determination with certificates",
            )
        ),
        f"{SHIPPED} rules as shipped",
    ],
    "audit": [
        "SQLite, entries verified in full by one processor",
        "SQLite, verifying in full takes",
        *(f"SQLite{each}" for each in WRITERS),
        "SQLite, entries sealed",
        "SQLite, entries sealed",
        "SQLite, entries sealed",
        "growing the tree",
        "proofs in a tree of 3000 leaves",
        "proofs of neighbours in a tree of 3000 leaves",
        "proofs checked of 3000 leaves",
        "proofs of consistency of 3000 leaves",
        "a proof in a tree of 3000 leaves",
    ],
    "journey": ["SQLite, a finding from record to closed"],
    "month": [
        "SQLite, entries of a month written",
        "SQLite, entries of a month sealed",
        "SQLite, entries of a month verified in full",
        "SQLite, a month verified in full",
    ],
}
AGE = [
    "sealing 1 MiB against the age program: not measured: age is absent",
    "opening 1 MiB against the age program: not measured: age is absent",
    "sealing 2 files of 100 KB to a key against the age program: not measured: age is absent",
]


POSTGRESQL = os.environ.get("DUTYLINE_DATABASE_URL", "").startswith("postgres")


def start(*words: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks", *words],
        cwd=measure.ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def lines(*words: str, **environment: str) -> list[str]:
    with start(*words, **environment) as process:
        printed, complaints = process.communicate(timeout=120)
    assert process.returncode == 0, complaints
    return printed.splitlines()


def expected(name: str) -> list[str]:
    known = FIGURES[name]
    beside = [line.replace("SQLite", "PostgreSQL") for line in known if line.startswith("SQLite")]
    if POSTGRESQL and name == "audit" and shutil.which("pgbench"):
        beside += [f"PostgreSQL alone{each}" for each in WRITERS]
    return known + beside * POSTGRESQL


def left_behind() -> set[Path]:
    folders = measure.SHARED_MEMORY, Path(tempfile.gettempdir())
    return {path for each in folders for path in each.glob("dutyline-benchmark-*")}


@pytest.mark.slow
class TestEachBenchmark:
    @pytest.mark.parametrize("name", FIGURES)
    def test_prints_its_figures_and_leaves_nothing_behind(self, name):
        before = left_behind()
        printed = lines(name, "--tiny")
        assert all(LINE.fullmatch(line) for line in printed), printed
        if name != "sealing" or shutil.which("age"):
            assert [line.partition(":")[0] for line in printed] == expected(name)
        assert left_behind() <= before

    def test_says_what_it_could_not_measure(self, tmp_path):
        printed = lines("sealing", "--tiny", PATH=str(tmp_path))
        assert [line for line in printed if "not measured" in line] == AGE
        assert all(LINE.fullmatch(line) for line in printed), printed

    def test_tidies_up_when_it_is_asked_to_end(self):
        before = left_behind()
        with start("journey") as process:
            while not any(found for path in left_behind() - before for found in path.glob("*")):
                time.sleep(0.02)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
        assert process.returncode == 143
        assert left_behind() <= before


class TestSpeed:
    def test_is_the_best_of_the_bound_over_our_best(self):
        figure = measure.speed("ours", [2.0, 4.0], [1.0, 3.0], [0.5, 0.7], against="of both")
        assert figure.value == (1.0 + 0.5) / 2.0
        assert (figure.low, figure.high) == (1.5 / 2.0, 3.7 / 4.0)

    def test_spreads_at_least_to_its_own_value(self):
        figure = measure.speed("ours", [2.0, 1.0], [1.0, 2.0], against="of it")
        assert (figure.low, figure.value, figure.high) == (0.5, 1.0, 2.0)

    @pytest.mark.parametrize(
        ("ours", "target", "end"),
        [
            (1.0, 1.0, "1.00 of it (spread 1.00..1.00 in 1 round; target at least 1, met)"),
            (1.25, 0.85, "0.80 of it (spread 0.80..0.80 in 1 round; target at least 0.85, missed)"),
            (2.0, None, "0.50 of it (spread 0.50..0.50 in 1 round)"),
        ],
    )
    def test_is_one_line(self, ours, target, end):
        figure = measure.speed("ours", [ours], [1.0], against="of it", at_least=target)
        assert str(figure) == f"ours: {end}"

    def test_refuses_contenders_that_did_not_meet_in_every_round(self):
        with pytest.raises(ValueError, match="shorter"):
            measure.speed("ours", [1.0, 1.0], [1.0], against="of it")


class TestMebibytes:
    @pytest.mark.parametrize(("size", "verdict"), [(40.0, "met"), (40.01, "missed")])
    def test_are_held_against_a_limit(self, size, verdict):
        line = str(measure.mebibytes("memory", [size], at_most=40))
        assert line.endswith(f"target at most 40, {verdict})")


class TestInTurn:
    def test_lets_every_contender_begin_every_other_round(self):
        order = []

        def contender(name):
            return lambda: order.append(name) or float(len(order))

        taken = measure.in_turn({name: contender(name) for name in "ab"}, rounds=3)
        assert order == ["a", "b", "b", "a", "a", "b"]
        assert taken == {"a": [1.0, 4.0, 5.0], "b": [2.0, 3.0, 6.0]}

    def test_ends_with_the_round_in_which_time_is_up(self):
        taken = measure.in_turn({"a": lambda: 1.0, "b": lambda: 2.0}, rounds=9, seconds=-1)
        assert taken == {"a": [1.0], "b": [2.0]}
