"""keygen: makes the keys that are missing, and shows their public halves."""

from typing import Any

from django.core.management.base import BaseCommand

from compliance.audit import signing
from compliance.audit.context import acting
from compliance.vault import keys
from compliance.vault.keys import Kek
from referrals import bundles
from referrals.management.commands import work


class Command(BaseCommand):
    """`manage.py keygen`."""

    help = "Makes the keys of the log, the service and the vault unless they are there."

    def handle(self, *args: Any, **options: Any) -> None:
        """Make what is missing; print what may be handed to anybody."""
        with work.said_in_one_line():
            kek = make_missing()
            vkey, signers = signing.vkey(), bundles.allowed_signers().rstrip("\n")
        self.stdout.write(f"Key of the log, for whoever checks receipts (log.vkey):\n{vkey}")
        self.stdout.write(
            f"Key of the service, for whoever opens bundles (allowed_signers):\n{signers}"
        )
        self.stdout.write(f"The vault has its {kek}.")


def make_missing() -> Kek:
    """Make the log's, the service's and this year's vault key; what is there stays."""
    signing.ensure_key()
    bundles.service_key()
    with acting("command:keygen"):
        return keys.current()
