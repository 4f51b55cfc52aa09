"""rotate_kek: a new key for a retention period; what the old one wraps moves to it."""

import time
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from compliance import lifecycle
from compliance.audit.context import acting
from compliance.errors import Refused
from compliance.vault import keys
from compliance.vault.keys import Kek, State

PAUSE = 1.0  # seconds, while another worker moves what is left


class Command(BaseCommand):
    """`manage.py rotate_kek [PERIOD] [--destroy]`."""

    help = (
        "Retires the keys of a retention period and moves what they wrap to a new one. It may be "
        "stopped at any instant: started again it goes on, and so does the worker."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the period, and whether the old keys end at once."""
        parser.add_argument(
            "period", nargs="?", default="", help="a year, such as 2026; this year if none is given"
        )
        parser.add_argument(
            "--destroy",
            action="store_true",
            help=f"destroy the old keys when they are empty, not {keys.GRACE.days} days later",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate, or say why not."""
        period = options["period"] or f"{timezone.now().year}"
        try:
            with acting("command:rotate_kek"):
                _retire(period)
            self._move(period)
            if options["destroy"]:
                keys.destroy_due(grace=timedelta(0))
        except Refused as refusal:
            raise CommandError(refusal.message) from refusal
        for kek in Kek.objects.filter(period=period).order_by("made_at", "pk"):
            self.stdout.write(f"{kek}: {kek.state}, wraps {keys.wraps(kek).count()}")

    def _move(self, period: str) -> None:
        """Move until nothing is left; wait for what another worker has in hand."""
        while left := sum(keys.wraps(kek).count() for kek in keys.moving().filter(period=period)):
            if self.stdout.isatty():
                self.stdout.write(f"{left} wraps to move")
            if not keys.rewrap_due():
                _complain()
                time.sleep(PAUSE)


def _retire(period: str) -> None:
    """Put a new key in the place of those in use, unless an earlier rotation is not finished."""
    known = Kek.objects.filter(period=period).exclude(state=State.DESTROYED)
    if not known:
        raise CommandError(f"There is no key of {period}.")
    if not keys.moving().filter(period=period).exists():
        for kek in known.filter(state=State.MADE):
            keys.retire(kek)
        keys.current(period)


def _complain() -> None:
    if failing := lifecycle.failing().filter(topic="rewrap").first():
        raise CommandError(f"Moving fails, and is tried again by the worker: {failing.last_error}")
