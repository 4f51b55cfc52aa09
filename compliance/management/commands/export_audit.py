"""Export a part of the audit log with its proofs, for an auditor or a court."""

from argparse import ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from compliance import exports
from compliance.errors import Refused
from compliance.roles import User


class Command(BaseCommand):
    """`manage.py export_audit FOLDER --by NAME --because TEXT (--from … --to … | --about …)`."""

    help = "Export a period of the log, or the history of a record, with proofs."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take which part, for whom and why."""
        parser.add_argument("folder", type=Path, metavar="FOLDER", help="made by this command")
        parser.add_argument("--by", required=True, metavar="NAME", help="who hands it out")
        parser.add_argument("--because", required=True, metavar="TEXT", help="who asked, and why")
        parser.add_argument("--from", dest="start", type=_moment, metavar="DATE")
        parser.add_argument("--to", dest="end", type=_moment, metavar="DATE", help="exclusive")
        parser.add_argument("--about", metavar="APP.MODEL:ID", help="the history of one record")
        parser.add_argument(
            "--private", action="store_true", help="with reasons, changes and addresses"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Export, and say how to check it."""
        try:
            by, part = _person(options["by"]), _part(**options)
            folder, because = options["folder"], options["because"]
            done = exports.export(
                part, folder, with_private=options["private"], because=because, by=by
            )
        except Refused as refusal:
            raise CommandError(refusal.message) from refusal
        except OSError as error:
            raise CommandError(f"The folder cannot be written: {error.strerror}.") from error
        self.stdout.write(
            f"{done.entries} entries, proven under the state of {done.size}. To check them:\n"
            f"python3 docs/verify/verify_log.py export {folder} --vkey {folder}/log.vkey"
        )


def _part(
    *, start: datetime | None, end: datetime | None, about: str | None, **options: Any
) -> exports.Part:
    if about and not (start or end):
        return exports.history(_record(about))
    if start and end and not about:
        return exports.period(start, end)
    raise CommandError("Name either --from and --to, or --about.", returncode=2)


def _person(name: str) -> User:
    found = User.objects.filter(username=name, is_active=True).first()
    if found is None:
        raise CommandError("Nobody of that name works here.")
    return found


def _record(about: str) -> Any:
    label, _, pk = about.partition(":")
    app, _, model = label.partition(".")
    try:
        return ContentType.objects.get_by_natural_key(app, model).get_object_for_this_type(pk=pk)
    except (ObjectDoesNotExist, ValidationError, ValueError) as error:
        raise CommandError("There is no such record: write APP.MODEL:ID.") from error


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no date: write 2026-11-23.") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
