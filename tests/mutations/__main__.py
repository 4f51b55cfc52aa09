"""Mutations: faults seeded into the evaluator one by one; a test must notice each.

    .venv/bin/python -m tests.mutations                    all, on every core
    .venv/bin/python -m tests.mutations logic.py           those of one file, or of several
    .venv/bin/python -m tests.mutations --minutes 10       as many as can be tried in that time

The tests run once as they are. Then each fault gets a copy of that process, in which the code of
the functions that it touches is replaced, and the tests run again: first those of its own file,
then all in tests/compliance/jurisdictions that evaluate, until one fails. It prints what no test
noticed. What stands in EQUAL changes nothing that anybody can see, and says why; more makes the
exit status 1.
"""

import argparse
import ast
import functools
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.mutations.equal import EQUAL
from tests.mutations.faults import Fault, faults

ROOT = Path(__file__).resolve().parents[2]
LAW = ROOT / "compliance" / "jurisdictions"
TESTS = "tests/compliance/jurisdictions"
FILES = {
    "logic.py": LAW / "logic.py",
    "rules.py": LAW / "book" / "rules.py",
    **{path.name: path for path in sorted((LAW / "determine").glob("*.py"))},
}
APART = (
    "book",
    "test_quotations.py",
    "test_quotations_seen.py",
    "test_shape.py",
)  # these read, and evaluate nothing
FIRST = {  # or the test that is called like the file
    "__init__.py": "test_determine.py",
    "periods.py": "test_effects.py",
    "rules.py": "test_effects.py",
}
SECONDS = 120  # after which a fault that goes round in circles is noticed
OPTIONS = [
    "-x", "-q", "-n0", "-m", "", "-p", "no:cacheprovider",
    "-W", "ignore::pytest.PytestAssertRewriteWarning",
]  # fmt: skip


def main() -> int:
    """Seed the faults of the named files, or of all, and say what went unnoticed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutations",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="*", metavar="file", help=", ".join(FILES))
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so many")
    asked = parser.parse_args()
    if unknown := set(asked.files) - FILES.keys():
        parser.error(f"there are no faults for {min(unknown)}; choose from {', '.join(FILES)}")
    if run_tests(TESTS):
        raise SystemExit("The tests fail as they are.")
    if os.waitpid(copied(partial(run_tests, TESTS)), 0)[1]:
        raise SystemExit("The tests fail in a copy of this process.")
    until = time.monotonic() + asked.minutes * 60
    return report(tried(asked.files or list(FILES), until))


def report(results: Iterator[tuple[Fault, bool]]) -> int:
    """Print what went unnoticed and why it may; return 1 if some of it may not."""
    total, unnoticed = 0, []
    for fault, noticed in results:
        total += 1
        if not noticed:
            unnoticed.append(fault)
            print(f"{fault}  # {EQUAL.get(fault.key, 'NOT EXPLAINED')}", flush=True)
    missed = [fault for fault in unnoticed if fault.key not in EQUAL]
    print(
        f"{total} faults: {total - len(unnoticed)} noticed, "
        f"{len(unnoticed) - len(missed)} change nothing, {len(missed)} missed"
    )
    return 1 if missed else 0


def tried(names: list[str], until: float) -> Iterator[tuple[Fault, bool]]:
    """Try each fault in a process of its own, on every core, until time is up."""
    running: dict[int, Fault] = {}
    for fault in (fault for name in names for fault in faults(FILES[name])):
        if time.monotonic() > until:
            break
        if len(running) >= len(os.sched_getaffinity(0)):
            yield ended(running)
        running[copied(partial(suffer, fault))] = fault
    while running:
        yield ended(running)


def copied(work: Callable[[], int]) -> int:
    """Do the work in a copy of this process, whose id is returned; its result is the status."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            status = work()
        finally:
            os._exit(status)
    return pid


def ended(running: dict[int, Fault]) -> tuple[Fault, bool]:
    """Wait for one of the processes, and say what came of its fault."""
    pid, status = os.wait()
    return running.pop(pid), bool(status)


def suffer(fault: Fault) -> int:
    """Commit the fault in this process, and return 0 if no test fails."""
    signal.alarm(SECONDS)
    commit(fault)
    own = FIRST.get(fault.file.name, f"test_{fault.file.name}")
    return run_tests(f"{TESTS}/{own}") or run_tests(TESTS)


class Effort:
    """Shrink nothing, and let a test be run a second time by another of its kind."""

    def pytest_sessionstart(self) -> None:
        settings.register_profile(
            "mutations",
            settings.get_profile("few"),
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        settings.load_profile("mutations")


def run_tests(*where: str) -> int:
    """Run tests in this process in silence, until the first fails; return 0 if none does."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    kept = os.dup(1), os.dup(2)
    os.dup2(quiet, 1), os.dup2(quiet, 2)
    try:
        apart = [f"--ignore={TESTS}/{each}" for each in APART]
        return int(pytest.main([*where, *apart, *OPTIONS], plugins=[Effort()]))
    finally:
        os.dup2(kept[0], 1), os.dup2(kept[1], 2)
        for handle in (quiet, *kept):
            os.close(handle)


def commit(fault: Fault) -> None:
    """Let every function that lives, and every name that is bound, be as the fault has it."""
    whole = compile(fault.tree, str(fault.file), "exec")
    codes = {(code.co_qualname, code.co_firstlineno): code for code in _codes(whole)}
    for each in gc.get_objects():
        if isinstance(each, FunctionType) and each.__code__.co_filename == str(fault.file):
            with suppress(ValueError):  # a closure over more than before; it is made anew
                place = each.__code__.co_qualname, each.__code__.co_firstlineno
                each.__code__ = codes.get(place, each.__code__)
        elif isinstance(each, functools._lru_cache_wrapper):
            each.cache_clear()
    if not fault.within:
        _bind(fault)


def _bind(fault: Fault) -> None:
    """Bind the names of a faulty statement at the top of a module anew, wherever they are known."""
    module = next(
        each for each in list(sys.modules.values())
        if getattr(each, "__file__", None) == str(fault.file)
    )  # fmt: skip
    (statement,) = [
        each for each in fault.tree.body
        if each.lineno <= fault.line <= (each.end_lineno or each.lineno)
    ]  # fmt: skip
    names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    known = {name: getattr(module, name) for name in names if hasattr(module, name)}
    faulty = compile(ast.Module([statement], []), str(fault.file), "exec")
    exec(faulty, module.__dict__)  # noqa: S102
    for name, was in known.items():
        for each in list(sys.modules.values()):
            if vars(each).get(name) is was:
                setattr(each, name, getattr(module, name))


def _codes(code: CodeType) -> Iterator[CodeType]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield each
            yield from _codes(each)


if __name__ == "__main__":
    sys.exit(main())
