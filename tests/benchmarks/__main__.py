"""Benchmarks: what we claim to cost little, beside the least it could cost.

    .venv/bin/python -m tests.benchmarks                 all, a few minutes
    .venv/bin/python -m tests.benchmarks sealing         one of them, under three minutes
    .venv/bin/python -m tests.benchmarks month           a million entries, a quarter of an hour

sealing: a file against copy and cipher alone, and against the stock age program.
law:     rules against other people's engines, a determination against writing it down.
audit:   the log's writer against a plain insert, its sealer, its verification, its proofs.
keys:    wraps moved to a new key, headers for one, a thousand bundles against the age program.
journey: a finding from record to closed against its bare database transactions.
month:   a month of work in the log, written, sealed and verified in full; only if it is named.

The last four run on SQLite, and on PostgreSQL too if DUTYLINE_DATABASE_URL names one: in a
database beside the named one, dropped in the end. Nothing else is touched, nothing stays behind.
Each line is one figure. They are for reading: no test asserts them, for they are the machine's too.
"""

import argparse
import os
import sys
from importlib import import_module

from tests.benchmarks import measure

URL = "DUTYLINE_DATABASE_URL"
NAMES = ("sealing", "law", "audit", "keys", "journey")
LONG = ("month",)
BARE = ("sealing", "law")  # these need neither Django nor a database
ROOM = 2**30  # bytes, more than a database of ours grows to


def main() -> None:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(NAMES + LONG))
    parser.add_argument("--tiny", action="store_true", help="only show that they run")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if unknown := set(asked.names) - {*NAMES, *LONG}:
        known = ", ".join(NAMES + LONG)
        parser.error(f"there is no benchmark {min(unknown)}; choose from {known}")
    measure.end_tidily()
    for name in asked.names or NAMES:
        if name in BARE or asked.here:
            here(name, tiny=asked.tiny)
        else:
            on_each_database(name, *(["--tiny"] if asked.tiny else []))


def here(name: str, *, tiny: bool) -> None:
    """Run a benchmark in this process and print its figures."""
    if name in BARE:
        module = import_module(f"tests.benchmarks.{name}")
        lines = module.figures(module.TINY if tiny else module.FULL)
        for line in lines:
            print(line, flush=True)
        return
    # The modules of the others import models, which needs Django to be ready.
    scratch = import_module("tests.benchmarks.scratch")
    with scratch.database() as database:
        module = import_module(f"tests.benchmarks.{name}")
        for line in module.figures(database, module.TINY if tiny else module.FULL):
            print(line, flush=True)


def on_each_database(name: str, *words: str) -> None:
    """Run a benchmark in a fresh process for each database, and pass its lines on."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("DUTYLINE_")}
    clean["DJANGO_SETTINGS_MODULE"] = "config.settings"
    url = os.environ.get(URL, "")
    for named in ({}, {URL: url}) if url.startswith("postgres") else ({},):
        with measure.folder(room=None if name in LONG else ROOM) as where:
            env = clean | {"DUTYLINE_STATE_DIR": str(where)} | named
            words_here = ["-m", "tests.benchmarks", name, *words, "--here"]
            print(measure.output(*words_here, env=env), end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
