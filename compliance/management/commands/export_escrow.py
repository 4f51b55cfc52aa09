"""export_escrow: the headers for the safe, so that stock age opens the stored objects."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from compliance.evidence import Item
from compliance.vault.escrow import EscrowedKey


class Command(BaseCommand):
    """`manage.py export_escrow --out DIR`."""

    help = "Writes what opens each stored object to the key in the safe, and which object that is."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take where the headers go."""
        parser.add_argument("--out", type=Path, required=True, metavar="DIR")

    def handle(self, *args: Any, out: Path, **options: Any) -> None:
        """Write a header for each item, and say how it is used."""
        objects = dict(Item.objects.values_list("pk", "sealed_name"))
        lines = []
        try:
            out.mkdir(parents=True, exist_ok=True, mode=0o700)
            for each in EscrowedKey.objects.select_related("wrap").order_by("pk"):
                subject = each.wrap.subject
                if subject in objects:
                    (out / f"{subject}.header").write_bytes(bytes(each.header))
                    lines.append(f"{subject} {objects[subject]}\n")
            (out / "objects").write_text("".join(lines), "utf-8")
        except OSError as error:
            raise CommandError(f"The headers cannot be written: {error.strerror}.") from error
        self.stdout.write(f"{len(lines)} headers. Each line of `objects` names an item and its")
        self.stdout.write("object: cat ITEM.header OBJECT | age -d -i IDENTITY -o FILE")
