"""The stage: people and records that many tests begin with, made once and then set up again.

To make a delivered referral takes a tenth of a second, and hundreds of tests begin with one. The
first test that begins with a certain set of records makes them in earnest, through the verbs. What
it left in the database and in the files is put back, byte for byte, for those that follow.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from django.db import connection, models, transaction

from compliance import documents

Rows = dict[str, list[tuple[Any, ...]]]
BUILDERS: dict[str, Callable[["Stage"], Any]] = {}


@dataclass(frozen=True)
class Scene:
    """What a set of records left behind."""

    made: dict[str, Callable[[], Any]]  # a deleted record forgets its key, so none is kept here
    rows: Rows
    files: Path


class Stage:
    """The records of one test, by name; what is not there yet is made when it is asked for."""

    scenes: dict[tuple[Any, ...], Scene] = {}

    def __init__(self, home: Path, store: Path) -> None:
        self.home, self.store = home, store
        self.made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self.made:
            self.made[name] = BUILDERS[name](self)
        return self.made[name]

    def set(self, names: list[str]) -> None:
        """Set the stage with these records, and with all that they rest on."""
        key = (*sorted(names), _types(), documents.shipped().sha256)
        scene = self.scenes.get(key)
        if scene:
            _put(scene.rows)
            shutil.copytree(scene.files, self.home, dirs_exist_ok=True)
            self.made = {name: again() for name, again in scene.made.items()}
            return
        for name in names:
            self[name]
        if connection.vendor == "sqlite":  # rows are put back there as they were read
            self.scenes[key] = Scene(
                {name: _again(each) for name, each in self.made.items()}, _rows(), self._kept()
            )

    def _kept(self) -> Path:
        kept = self.store / f"scene-{len(self.scenes)}"
        shutil.copytree(self.home, kept)
        return kept


def _again(made: Any) -> Callable[[], Any]:
    """Return how a record is read once more; what is no record is the same again."""
    if isinstance(made, models.Model):
        return partial(type(made)._default_manager.get, pk=made.pk)
    return lambda: made


def _types() -> int:
    """Return what changes when a flushed database gets its content types anew."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(id) FROM django_content_type")
        return int(cursor.fetchone()[0])


def _tables() -> list[str]:
    kept = ("django_content_type", "django_migrations", "auth_permission")
    return sorted(set(connection.introspection.django_table_names()) - {*kept})


def _rows() -> Rows:
    with connection.cursor() as cursor:
        found = {}
        for table in _tables():
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608
            if rows := cursor.fetchall():
                found[table] = rows
    return found


def _put(rows: Rows) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for table, several in rows.items():
            marks = ", ".join(["%s"] * len(several[0]))
            cursor.executemany(f'INSERT INTO "{table}" VALUES ({marks})', several)  # noqa: S608
