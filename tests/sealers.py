"""Sealers that are killed at every step, and sealers that work at once, on a database of their own.

    python -m tests.sealers

Prints one JSON object: how many steps a sealer was killed at, what was found after each, and how
many entries each of several sealers took. What is sealed is sealed once, or not at all.
"""

import json
import os
import signal
from collections.abc import Callable
from multiprocessing import get_context
from typing import Any

from tests.benchmarks import scratch

FORK = get_context("fork")
SEALERS, ENTRIES = 3, 200


class Deadly:
    """Kills this process, as nothing can catch it, when it takes the step that is named."""

    def __init__(self, step: int) -> None:
        self.left = step

    def step(self) -> None:
        """Take a step."""
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1

    def around(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """Make an act two steps: one before it and one after."""

        def stepped(*args: Any, **kwargs: Any) -> Any:
            self.step()
            done = act(*args, **kwargs)
            self.step()
            return done

        return stepped


def main() -> None:
    """Kill sealers, then let several race."""
    with scratch.database():
        from compliance.audit import signing  # noqa: PLC0415 (Django is set up by now)

        signing.ensure_key()
        told = {"killed": killed(), "raced": raced()}
    print(json.dumps(told))


def killed() -> list[dict[str, Any]]:
    """Kill a sealer at its first step, the next at its second, until one lives to the end."""
    found: list[dict[str, Any]] = []
    while True:
        write(2)
        code = child(lambda: seal_and_die(len(found)))
        if code == 0:
            return found
        assert code == -signal.SIGKILL, code
        found.append(what_is())


def seal_and_die(step: int) -> None:
    """Seal, and be killed at a step: a statement, the commit, or the writing of the head."""
    from django.db import connection  # noqa: PLC0415

    from compliance.audit import checkpoints, signing  # noqa: PLC0415

    deadly = Deadly(step)

    def statement(execute: Any, *args: Any) -> Any:
        deadly.step()
        return execute(*args)

    connection._commit = deadly.around(connection._commit)
    signing._draft = deadly.around(signing._draft)
    with connection.execute_wrapper(statement):
        checkpoints.seal_due()


def what_is() -> dict[str, Any]:
    """Say whether the log is whole, and what lies where."""
    from compliance.audit import checkpoints, verification  # noqa: PLC0415
    from compliance.audit.entries import AuditEntry, AuditOutbox  # noqa: PLC0415

    report = verification.verify()
    return {
        "good": report.good,
        "problem": report.problem,
        "sealed": report.size,
        "leaves": checkpoints.AuditLeaf.objects.count(),
        "owed": AuditOutbox.objects.count(),
        "entries": AuditEntry.objects.count(),
    }


def raced() -> dict[str, Any]:
    """Let several sealers loose on many entries at once."""
    from compliance.audit import checkpoints  # noqa: PLC0415

    checkpoints.seal_due()
    write(ENTRIES)
    checkpoints.BATCH = 8
    start, took = FORK.Barrier(SEALERS), FORK.SimpleQueue()

    def seal() -> None:
        start.wait(timeout=60)
        took.put(checkpoints.seal_due())

    scratch.leave()
    sealers = [FORK.Process(target=ended(seal)) for _ in range(SEALERS)]
    for each in sealers:
        each.start()
    for each in sealers:
        each.join()
    codes = [each.exitcode for each in sealers]
    return what_is() | {"codes": codes, "took": [took.get() for _ in codes if not _]}


def write(count: int) -> None:
    """Write entries."""
    from compliance import audit  # noqa: PLC0415
    from compliance.audit.context import acting  # noqa: PLC0415
    from compliance.roles import Role, User  # noqa: PLC0415

    with acting("command:sealers"):
        ana = User.objects.filter(username="ana").first() or User.objects.create_user(
            "ana", "ana@example.org", role=Role.REVIEWER
        )
        for _ in range(count):
            audit.record("finding.recorded", ana, by=None)


def child(act: Callable[[], None]) -> int | None:
    """Do something in a process of its own, and return how it ended."""
    scratch.leave()  # a connection is not shared
    process = FORK.Process(target=ended(act))
    process.start()
    process.join()
    return process.exitcode


def ended(act: Callable[[], None]) -> Callable[[], None]:
    """Close the connection in the end."""

    def whole() -> None:
        act()
        scratch.leave()

    return whole


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    main()
