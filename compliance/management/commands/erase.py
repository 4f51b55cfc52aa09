"""Carry out the erasures that two people agreed on. Run it as the eraser, where that is a role."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from compliance import erasures


class Command(BaseCommand):
    """`manage.py erase`."""

    help = "Erases the private part of log entries where that is approved."

    def handle(self, *args: Any, **options: Any) -> None:
        """Erase what is approved, and say what a hold keeps."""
        done, held = erasures.erase_due()
        self.stdout.write(f"{done} carried out.")
        if held:
            raise CommandError(f"{held} wait: a hold keeps what they name. Release it, or refuse.")
