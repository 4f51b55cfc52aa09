"""Benchmarks: contenders run in turn, side by side, and a figure is one line about their ratio.

A machine has good and bad minutes; two contenders that take turns share them. So a figure is the
best of one contender's rounds over the best of another's, and its spread is that ratio round by
round. Only where a document wants so much a second is a figure a `rate`, of this machine as it is.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108
Seconds = list[float]


@dataclass(frozen=True)
class Figure:
    """One figure: what, how much of what, how far it spread, and where a document wants it."""

    name: str
    value: float
    against: str
    low: float
    high: float
    rounds: int
    at_least: float | None = None
    at_most: float | None = None

    def __str__(self) -> str:
        spread = f"spread {self.low:.2f}..{self.high:.2f} in {_times(self.rounds, 'round')}"
        return f"{self.name}: {self.value:.2f} {self.against} ({spread}{self._target()})"

    def _target(self) -> str:
        value = round(self.value, 2)  # as it is printed
        if self.at_least is not None:
            return f"; target at least {self.at_least:g}, {_met(value >= self.at_least)}"
        if self.at_most is not None:
            return f"; target at most {self.at_most:g}, {_met(value <= self.at_most)}"
        return ""


def speed(
    name: str, ours: Seconds, *bound: Seconds, against: str, at_least: float | None = None
) -> Figure:
    """Say how fast `ours` is: 1 is as fast as doing all that `bound` does one after the other."""
    rounds = [sum(theirs) / own for own, *theirs in zip(ours, *bound, strict=True)]
    best = sum(min(each) for each in bound) / min(ours)
    # The best rounds need not be the same ones, so the ratio of the bests may lie beyond them all.
    low, high = min(best, *rounds), max(best, *rounds)
    return Figure(name, best, against, low, high, len(rounds), at_least=at_least)


def mebibytes(name: str, sizes: list[float], *, at_most: float | None = None) -> Figure:
    """Say how much memory was needed: not a ratio, for memory does not depend on the machine."""
    return Figure(name, min(sizes), "MiB", min(sizes), max(sizes), len(sizes), at_most=at_most)


def rate(name: str, each: Seconds, *, at_least: float | None = None) -> Figure:
    """Say how many there are a second, from the seconds that one takes."""
    rates = [1 / seconds for seconds in each]
    return Figure(
        name, max(rates), "a second, here and now", min(rates), max(rates), len(rates),
        at_least=at_least,
    )  # fmt: skip


def plain(name: str, value: float, unit: str) -> Figure:
    """Say a figure that was taken once, in its unit."""
    return Figure(name, value, unit, value, value, 1)


def absent(name: str, what: str) -> str:
    """Say that a figure could not be taken."""
    return f"{name}: not measured: {what} is absent"


def in_turn(
    contenders: Mapping[str, Callable[[], float]], *, rounds: int, seconds: float = 60
) -> dict[str, Seconds]:
    """Let the contenders take turns, each round in the other direction, until time is up.

    A contender returns the seconds it took: only it knows which part of its work counts.
    """
    taken: dict[str, Seconds] = {name: [] for name in contenders}
    names, until = list(contenders), time.monotonic() + seconds
    for _ in range(rounds):
        for name in names:
            taken[name].append(contenders[name]())
        names.reverse()
        if time.monotonic() > until:
            break
    return taken


def timed(work: Callable[[], object], *, clock: Callable[[], float] = time.perf_counter) -> float:
    """Do the work and return the seconds it took, by this clock."""
    started = clock()
    work()
    return clock() - started


@contextmanager
def folder(*, room: int | None = None) -> Iterator[Path]:
    """Lend a folder that is gone afterwards; with `room`, in memory if so many bytes fit there."""
    parent = SHARED_MEMORY if room is not None and _has_room(room) else None
    with tempfile.TemporaryDirectory(prefix="dutyline-benchmark-", dir=parent) as name:
        yield Path(name)


def output(*words: object, env: Mapping[str, str] | None = None) -> str:
    """Run Python with these words in a fresh process, and return what it printed."""
    command, end = [sys.executable, *map(str, words)], {signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, end)  # a process that just starts would be forgotten
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, end)
            printed, _ = process.communicate()
        except BaseException:
            process.terminate()  # it tidies up before it goes
            process.wait()
            raise
    if process.returncode:
        raise SystemExit(process.returncode)
    return printed


def end_tidily() -> None:
    """Let a process that is asked to end leave its folders and databases in order first."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # as `output` started it


def _has_room(room: int) -> bool:
    if not os.access(SHARED_MEMORY, os.W_OK):
        return False
    free = os.statvfs(SHARED_MEMORY)
    return free.f_bavail * free.f_frsize > room


def _times(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _met(yes: bool) -> str:
    return "met" if yes else "missed"
