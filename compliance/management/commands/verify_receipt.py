"""Check one receipt of the audit log, without a database and without a network."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from compliance.audit import notes


class Command(BaseCommand):
    """Exit 0 if the log that owns the key holds the entry, 1 if the receipt does not show it."""

    help = "Check that a receipt proves an entry to be in the log. Needs no database."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the receipt, the entry it is for, and the log's public key."""
        parser.add_argument("receipt", type=Path, metavar="FILE", help="the .tlog-proof file")
        parser.add_argument("--entry", type=Path, metavar="FILE", required=True)
        parser.add_argument("--vkey", type=Path, metavar="FILE", required=True)

    def handle(self, *args: Any, receipt: Path, entry: Path, vkey: Path, **options: Any) -> None:
        """Verify, and say which state of the log holds the entry."""
        try:
            data, key = entry.read_bytes(), vkey.read_text(encoding="utf-8")
            text = receipt.read_bytes().decode()
            checkpoint = notes.verify_proof(text, data, key)
        except (OSError, ValueError) as error:
            raise CommandError(
                f"The receipt proves nothing: {error} Ask the sender for all three files again."
            ) from error
        self.stdout.write(
            f"The entry is in the log {checkpoint.origin}, number"
            f" {notes.read_proof(text).index} of {checkpoint.size}."
        )
