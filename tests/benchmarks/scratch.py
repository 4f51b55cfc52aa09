"""A Django of one benchmark's own: a database made for it and dropped after it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
from django.conf import settings
from django.db import connection


@contextmanager
def database() -> Iterator[str]:
    """Set Django up on a fresh, migrated database, say which kind it is, and drop it in the end.

    PostgreSQL is asked for a database beside the one that the settings name, as a test run asks.
    """
    django.setup()
    named = connection.settings_dict["NAME"]
    own = f"dutyline_benchmark_{os.getpid()}"
    if connection.vendor == "sqlite":
        own = str(Path(settings.STATE_DIR) / f"{own}.sqlite3")
    connection.settings_dict["TEST"]["NAME"] = own
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        yield connection.display_name
    finally:
        connection.creation.destroy_test_db(named, verbosity=0)


@contextmanager
def copy_of_database() -> Iterator[None]:
    """Work on a copy of the database as it is now, and drop the copy in the end."""
    original, creation = connection.settings_dict["NAME"], connection.creation
    leave()
    creation.clone_test_db("copy", verbosity=0)
    copy = creation.get_test_db_clone_settings("copy")["NAME"]
    leave()
    connection.settings_dict["NAME"] = copy
    try:
        yield
    finally:
        creation.destroy_test_db(original, verbosity=0)


def leave() -> None:
    """Close every connection to the database; the next query opens one again."""
    connection.close()
    if connection.vendor == "postgresql":
        connection.close_pool()
