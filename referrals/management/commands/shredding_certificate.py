"""shredding_certificate: the signed certificate of a shredding, as files that verify offline."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from referrals import bundles, shredding
from referrals.management.commands import work
from referrals.models import Shredding


class Command(BaseCommand):
    """`manage.py shredding_certificate NUMBER --out DIR`."""

    help = "Writes the certificate of a shredding, its signature and the key that verifies it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the number, and where the files go."""
        parser.add_argument("number", help="of the shredding, such as X-7KQ4-M2XA")
        parser.add_argument("--out", type=Path, required=True, metavar="DIR")

    def handle(self, *args: Any, number: str, out: Path, **options: Any) -> None:
        """Write three files, and say how they are verified."""
        with work.said_in_one_line():
            done = Shredding.objects.filter(number=number).exclude(certificate="").first()
            if done is None:
                raise CommandError(f"There is no certificate of {number}.")
            out.mkdir(parents=True, exist_ok=True)
            for name, text in {
                "certificate.json": done.certificate,
                "certificate.json.sig": done.signature,
                "allowed_signers": shredding.allowed_signers(),
            }.items():
                (out / name).write_text(text, "utf-8")
        self.stdout.write(
            f"ssh-keygen -Y verify -f allowed_signers -I {bundles.PRINCIPAL} "
            f"-n {shredding.NAMESPACE} -s certificate.json.sig < certificate.json"
        )
