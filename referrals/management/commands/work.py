"""The worker: does everything that is owed, room by room, from first to last."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import close_old_connections

from compliance import determinations, preservation
from compliance.audit import checkpoints
from referrals import bundles, clients, delivery, docket

PAUSE = 1.0  # seconds between two passes that found nothing

ROOMS = (
    determinations.propose_due,
    preservation.place_due,
    docket.enter_due,
    bundles.seal_due,
    delivery.deliver_due,
    clients.sweep_due,
    checkpoints.seal_due,
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


class Command(BaseCommand):
    """`manage.py work [--once]`."""

    help = "Does what is owed: proposes, holds, enters, seals, delivers, and seals the log."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take --once."""
        parser.add_argument("--once", action="store_true", help="stop when nothing is owed")

    def handle(self, *args: Any, **options: Any) -> None:
        """Work until nothing is owed, or until asked to stop."""
        checkpoints.ensure_key()
        if options["once"]:
            while pass_through():
                pass
            return
        stopped = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stopped.set())
        signal.signal(signal.SIGINT, lambda *_: stopped.set())
        work_until(stopped)
