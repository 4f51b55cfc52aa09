"""Check the audit log: entries, leaves, tree, signed state, and what is kept outside."""

import json
from argparse import ArgumentTypeError
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from compliance.audit import verification
from compliance.audit.verification import Report
from compliance.errors import KeyUnusable


class Command(BaseCommand):
    """Exit 0 if the log is whole, 1 if it is not, naming the first bad index."""

    help = "Check the audit log and name the first bad index."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take where to start, and an outside checkpoint."""
        start = parser.add_mutually_exclusive_group()
        start.add_argument("--full", action="store_true", help="check every entry (the default)")
        start.add_argument("--since", type=_index, metavar="N", help="check from index N on")
        parser.add_argument(
            "--checkpoint",
            type=Path,
            metavar="FILE",
            help="a checkpoint kept elsewhere, which the log must continue",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(
        self, *args: Any, since: int | None, checkpoint: Path | None, **options: Any
    ) -> None:
        """Verify, and say what was found."""
        outside = None if checkpoint is None else _text(checkpoint)
        try:
            report = verification.verify(
                since=since or 0, checkpoint=outside, on_the_way=self._on_the_way
            )
        except KeyUnusable as refusal:
            raise CommandError(refusal.message) from refusal
        except DatabaseError as error:
            raise CommandError(
                "There is no log in this database yet. manage.py up makes one; the demo's own is in"
                " DUTYLINE_STATE_DIR=var/demo."
            ) from error
        except OSError as error:
            raise CommandError(
                f"The log's key or head cannot be read: {error.strerror}."
            ) from error
        if options["json"]:
            self.stdout.write(json.dumps(asdict(report)))
        if report.problem is not None:
            where = "" if report.first_bad is None else f"First bad index: {report.first_bad}. "
            raise CommandError(
                f"The log does not verify. {where}{report.problem}"
                " Stop the worker, keep the database as it is, and compare it with a backup."
            )
        if not options["json"]:
            self.stdout.write(
                f"The log verifies: {report.size} entries, root {report.root},"
                f" {report.unsealed} not yet sealed."
            )
            for line in _anchored(report):
                self.stdout.write(line)

    def _on_the_way(self, done: int, size: int) -> None:
        """Show on a terminal how far it is; say nothing in a pipe."""
        if self.stderr.isatty():
            ending = "\n" if done == size else ""
            self.stderr.write(f"\r{done:,} of {size:,} entries checked", lambda text: text, ending)


def _anchored(report: Report) -> Iterator[str]:
    """Say who outside signed it, and up to where."""
    if report.cosigned:
        seen = ", ".join(f"{name} up to {size}" for name, size in report.cosigned.items())
        yield f"Cosigned by {seen}; {report.wanted} of {len(report.cosigned)} are wanted."
    if report.erased:
        yield f"Erased: the private part of {report.erased}. Their public part verifies."
    if report.stamped:
        yield f"Time-stamped at {report.stamped}."


def _index(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is no index: write 0 or a larger whole number.")
    return int(text)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read as a checkpoint: {error}") from error
