"""keygen: makes the keys that are missing, and shows their public halves."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from compliance.audit import signing
from compliance.vault import keys
from referrals import bundles
from referrals.management.commands import work


class Command(BaseCommand):
    """`manage.py keygen`."""

    help = "Makes the keys of the log, the service and the vault unless they are there."

    def handle(self, *args: Any, **options: Any) -> None:
        """Make what is missing; print what may be handed to anybody."""
        with work.said_in_one_line():
            make_missing()
            vkey, signers = signing.vkey(), bundles.allowed_signers().rstrip("\n")
        self.stdout.write(f"Key of the log, for whoever checks receipts (log.vkey):\n{vkey}")
        self.stdout.write(
            f"Key of the service, for whoever opens bundles (allowed_signers):\n{signers}"
        )
        self.stdout.write(f"The vault has its key for {timezone.now().year}.")


def make_missing() -> None:
    """Make the log's, the service's and this year's vault key; what is there stays."""
    signing.ensure_key()
    bundles.service_key()
    # A vault key comes into being when something is wrapped under it; this wrap is thrown away.
    keys.provider().wrap(f"{timezone.now().year}", keys.new_file_key(), {})
