"""The worker: does everything that is owed, room by room, from first to last."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, close_old_connections

from compliance import (
    anchors,
    determinations,
    evidence,
    lifecycle,
    preservation,
    releases,
    requests,
)
from compliance.audit import checkpoints, signing
from compliance.errors import Refused
from compliance.vault import keys
from referrals import bundles, clients, delivery, docket, retractions

PAUSE = 1.0  # seconds between two passes that found nothing

ROOMS = (
    releases.take_in_due,
    determinations.propose_due,
    preservation.place_due,
    requests.weigh_due,
    docket.enter_due,
    retractions.retract_due,
    bundles.seal_due,
    delivery.deliver_due,
    keys.rewrap_due,
    keys.destroy_due,
    clients.sweep_due,
    evidence.sweep_due,
    checkpoints.seal_due,
    anchors.cosign_due,
    anchors.stamp_due,
)


def pass_through() -> int:
    """Let every room do what it owes once, and return how much was done."""
    return sum(room() for room in ROOMS)


def work_until(stopped: threading.Event) -> None:
    """Work until told to stop, resting while nothing is owed."""
    while not stopped.is_set():
        if not pass_through():
            close_old_connections()
            stopped.wait(PAUSE)


@contextmanager
def until_asked(stopped: threading.Event) -> Iterator[None]:
    """Set `stopped` on SIGINT or SIGTERM while the block runs."""
    both = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stopped.set()) for number in both]
    try:
        yield
    finally:
        for number, handler in zip(both, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def said_in_one_line() -> Iterator[None]:
    """End the command with one line that says why, where it was refused or has no footing."""
    try:
        yield
    except (Refused, DatabaseError, OSError) as error:
        raise CommandError(reason(error)) from error


def reason(error: Exception) -> str:
    """Say in one line what went wrong, and what to do where we know it."""
    told = " ".join(str(error).split())
    if isinstance(error, Refused):
        return told
    if isinstance(error, DatabaseError):
        return f"The database refused: {told}. Is it there, and is manage.py migrate done?"
    return f"{type(error).__name__}: {told}"


class Command(BaseCommand):
    """`manage.py work [--once]`."""

    help = "Does what is owed: proposes, holds, enters, seals, delivers, and seals the log."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take --once."""
        parser.add_argument("--once", action="store_true", help="stop when nothing is owed")

    def handle(self, *args: Any, **options: Any) -> None:
        """Work until nothing is owed, or until asked to stop."""
        with said_in_one_line():
            signing.ensure_key()
            if options["once"]:
                work_once()
                return
            stopped = threading.Event()
            with until_asked(stopped):
                work_until(stopped)


def work_once() -> None:
    """Work until no room finds anything to do; say what could not be done."""
    while pass_through():
        pass
    failed = list(lifecycle.failing().order_by("pk"))
    if failed:
        raise CommandError(
            f"{len(failed)} owed {'effect' if len(failed) == 1 else 'effects'} failed and will be "
            f"tried again. The first: {failed[0].topic}: {failed[0].last_error}"
        )
