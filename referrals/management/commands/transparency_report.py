"""Print the public figures, in tables to read or as JSON."""

import json
from argparse import ArgumentTypeError
from collections.abc import Iterator
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from compliance import transparency
from compliance.audit.context import acting
from compliance.transparency import SMALL, TransparencyReport
from referrals import figures
from referrals.management.commands.work import said_in_one_line

HIDDEN = "-"


class Command(BaseCommand):
    """`manage.py transparency_report --from DATE --to DATE [--json]`."""

    help = "Print the public figures of whole half-years; those of a half are made once, and stay."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the first and the last day."""
        for name, which in (("--from", "first"), ("--to", "last")):
            parser.add_argument(
                name, dest=which, type=_day, required=True, metavar="DATE", help=f"the {which} day"
            )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, first: date, last: date, **options: Any) -> None:
        """Make what is not made yet, and print all of it."""
        with said_in_one_line(), acting("command:transparency_report"):
            halves = transparency.halves(first, last)
            reports = [figures.publish(half) for half in halves]
        if options["json"]:
            self.stdout.write(json.dumps(_object(reports)))
        else:
            self.stdout.write("\n".join(line for each in reports for line in _lines(each)))


def _object(reports: list[TransparencyReport]) -> dict[str, Any]:
    return {
        "schema": "transparency/1",
        "suppressed_below": SMALL,
        "tables": {
            each.name: {"title": each.title, "law": each.law, "cells": dict(each.cells)}
            for each in figures.tables()
        },
        "reports": [
            {"half": each.half, "made_at": each.made_at.isoformat(), "figures": each.figures}
            for each in reports
        ],
    }


def _lines(report: TransparencyReport) -> Iterator[str]:
    yield f"{report.half}, made on {report.made_at:%Y-%m-%d}. {HIDDEN} is suppressed: fewer than"
    yield f"{SMALL}, or what would give such a cell away."
    for table in figures.tables():
        found = report.figures.get(table.name)
        if found is None:  # it was made before there was such a table
            continue
        yield f"\n{table.title}{f' ({table.law})' if table.law else ''}"
        for cell, words in table.cells.items():
            yield f"  {words:<45}{_shown(found['cells'].get(cell)):>9}"
        if len(table.cells) > 1:
            yield f"  {'together':<45}{_shown(found['total']):>9}"
    yield ""


def _shown(figure: int | None) -> str:
    return HIDDEN if figure is None else f"{figure:,}"


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no day: write 2026-01-01.") from error
