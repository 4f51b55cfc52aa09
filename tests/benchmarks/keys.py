"""What keys cost: moving wraps to a new key, heading evidence anew, and a thousand bundles.

A rotation is the worker's own: each wrap is opened and closed again by the provider in files, and
batches go into the database with their events. Its bound is the same rows written with nothing
opened and no event. New headers are what an agency's new key costs: no payload is touched.
A thousand bundles are sealed here, each with its file of 100 KB, and by one age process a file.
"""

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction

from compliance.audit.context import acting
from compliance.vault import age, keys
from compliance.vault.keys import FileKeyWrap
from tests.benchmarks import measure, sealing


@dataclass(frozen=True)
class Sizes:
    """How many wraps are moved, and how many bundles are sealed, in each of the rounds."""

    wraps: int
    bundles: int
    rounds: int


FULL, TINY = Sizes(2_000, 1_000, 3), Sizes(3, 2, 1)


def figures(name: str, sizes: Sizes) -> Iterator[object]:
    """Yield the figures of keys, in the database at hand."""
    with acting("command:benchmark"):
        yield from of_rotation(name, sizes)
    if name == "SQLite":  # the rest asks no database
        yield from of_headers(sizes)
        yield from of_bundles(sizes)


def of_rotation(name: str, sizes: Sizes) -> list[object]:
    """Rotate a period's key, and write the same rows bare."""
    with transaction.atomic():
        for _ in range(sizes.wraps):
            keys.keep(uuid.uuid4(), keys.new_file_key())
    taken = measure.in_turn(
        {"rotated": _rotate, "bare": lambda: _write(sizes.wraps)}, rounds=sizes.rounds, seconds=40
    )
    return [
        measure.rate(
            f"{name}, wraps moved to a new key", [each / sizes.wraps for each in taken["rotated"]]
        ),
        measure.speed(
            f"{name}, moving {sizes.wraps} wraps to a new key",
            taken["rotated"], taken["bare"], against="of writing the same rows bare",
        ),
    ]  # fmt: skip


def of_headers(sizes: Sizes) -> list[object]:
    """Write headers for an agency's new key."""
    file_keys = [keys.new_file_key() for _ in range(sizes.bundles)]

    def head(kind: str) -> float:
        recipient = age.generate_identity(kind).recipient
        return measure.timed(lambda: [age.header(key, [recipient]) for key in file_keys])

    kinds = (age.HybridIdentity.kind, age.X25519Identity.kind)
    taken = measure.in_turn({kind: lambda k=kind: head(k) for kind in kinds}, rounds=sizes.rounds)
    return [
        measure.rate(f"headers for a new {kind} key", [each / sizes.bundles for each in seconds])
        for kind, seconds in taken.items()
    ]


def of_bundles(sizes: Sizes) -> list[object]:
    """Seal whole bundles of a small file each, and the files alone by the stock program."""
    name, stock = f"{sizes.bundles} bundles of 100 KB to one key", sealing._version()
    if not stock:
        return [measure.absent(f"{name} against the age program", sealing.AGE)]
    plain, hybrid = os.urandom(sealing.SMALL), age.generate_identity().recipient
    with measure.folder(room=2**24) as where:
        (where / "small").write_bytes(plain)
        classic = age.generate_identity(age.X25519Identity.kind).recipient
        (where / "recipient").write_text(f"{classic}\n", encoding="ascii")
        run = sealing._age(where, "-R", "recipient", "-o", "small.age", "small")
        taken = measure.in_turn(
            {
                "age": lambda: sum(run() for _ in range(sizes.bundles)),
                "files": lambda: measure.timed(
                    lambda: sealing._seal_all(plain, sizes.bundles, hybrid)
                ),
                "bundles": lambda: measure.timed(
                    lambda: sealing._bundle_all(plain, sizes.bundles, hybrid)
                ),
            },
            rounds=sizes.rounds,
            seconds=40,
        )
    against = f"times as fast as {stock} started for each file, to an X25519 key"
    return [
        measure.speed(f"{name}, their files alone", taken["files"], taken["age"], against=against,
                      at_least=10),
        measure.speed(f"{name}, whole", taken["bundles"], taken["age"], against=against),
    ]  # fmt: skip


def _rotate() -> float:
    keys.retire(keys.current())
    return measure.timed(_move_all)


def _move_all() -> None:
    while keys.rewrap_due():
        pass


def _write(count: int) -> float:
    """Write every wrap once more, a batch at a time, as it stands."""
    rows = list(FileKeyWrap.objects.order_by("pk").values("id", "provider", "key_id", "blob"))

    def write() -> None:
        for start in range(0, count, keys.BATCH):
            with transaction.atomic():
                for row in rows[start : start + keys.BATCH]:
                    FileKeyWrap.objects.filter(pk=row["id"]).update(**row)

    return measure.timed(write)
