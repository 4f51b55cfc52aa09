"""The audit log: what an entry costs the transaction it is part of, and how fast it is sealed.

The writer's transaction changes one row and writes one entry through the real door: commitment,
leaf in the outbox, triggers. The plain one changes the same row and inserts the same columns
through the same ORM into a table with the same key, indexes and references but no trigger and no
outbox: what an ordinary audit log does. What is compared is all of it, Python too. One client
writes to SQLite, which lets one write at a time and lies in memory where the system has such a
place; eight clients, each a process, write to PostgreSQL, each to a row of its own.

The sealer is compared with the plainest transaction there is, the change of one row: audit.md
wants 100,000 entries a second on PostgreSQL, where stack.md saw 1,200 such transactions of one
client. The tree alone needs no database: it is compared in seconds of the processor.
"""

import hashlib
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import connection, models, transaction
from django.db.models import F

from compliance import audit
from compliance.audit import checkpoints, signing, tree
from compliance.audit.context import acting
from compliance.audit.entries import AuditEntry, AuditOutbox
from compliance.lifecycle import Work
from compliance.roles import Role, User
from tests.benchmarks import measure, scratch

PAUSE = 0.2  # seconds between two passes of the sealer
SEALER_TARGET = 100_000 / 1_200
RECORD = 400  # bytes
FORK = get_context("fork")


@dataclass(frozen=True)
class Sizes:
    """How much is written and sealed in a turn, and how many turns there are."""

    count: int  # transactions
    batches: int  # that the sealer drains
    trees: int  # batches of leaves of the tree
    rounds: int


FULL, TINY = Sizes(400, 8, 48, 5), Sizes(16, 1, 1, 1)


def figures(name: str, sizes: Sizes) -> Iterator[object]:
    """Measure in the database at hand."""
    signing.ensure_key()
    writers = Writers(sizes.count)
    taken = measure.in_turn(
        {
            "bare": lambda: writers.take_turn(writers.nothing, clients=1),
            "plain": lambda: writers.take_turn(writers.plain),
            "ours": lambda: writers.take_turn(writers.entry),
            "beside": lambda: writers.take_turn_beside_the_sealer(),
            "seal": lambda: drain(sizes.batches),
        },
        rounds=sizes.rounds,
        seconds=40,
    )
    plain, ours, beside = taken["plain"], taken["ours"], taken["beside"]
    against = "of its speed with a plain insert"
    yield measure.speed(
        f"{name}, a transaction with its entry", ours, plain, against=against, at_least=0.95
    )
    yield measure.speed(
        f"{name}, the same while the sealer runs", beside, plain, against=against, at_least=0.95
    )
    yield measure.speed(
        f"{name}, entries sealed",
        taken["seal"],
        taken["bare"],
        against="for each transaction of one client that changes one row",
        at_least=round(SEALER_TARGET) if name == "PostgreSQL" else None,
    )
    yield measure.speed(
        f"{name}, entries sealed",
        taken["seal"],
        ours,
        against="for each that is written",
    )
    if name == "SQLite":  # a figure that needs no database
        yield of_the_tree(sizes.trees, sizes.rounds)


class Writers:
    """Clients that write at once, each with a row of its own."""

    def __init__(self, count: int) -> None:
        self.clients = 1 if connection.vendor == "sqlite" else 8
        self.count = count
        self.plain_entry = _plain_twin(AuditEntry)
        with connection.schema_editor() as editor:
            editor.create_model(self.plain_entry)
        with _acting():
            self.ana = User.objects.create_user("ana", "ana@example.org", role=Role.REVIEWER)
        self.rows = [
            Work.objects.create(key=f"row {n}", topic="none", subject=uuid.uuid4(), cid="none")
            for n in range(self.clients)
        ]

    def take_turn(self, write: Callable[[Any], object], *, clients: int | None = None) -> float:
        """Let all clients, or so many, do all transactions; return the seconds of one of them."""
        scratch.leave()  # a connection must not be shared with the clients
        rows = self.rows[:clients]
        each = max(1, self.count // len(rows))
        start, ends = FORK.Barrier(len(rows)), FORK.SimpleQueue()

        def client(row: Any) -> None:
            with _acting():
                type(row).objects.get(pk=row.pk)  # connects
                start.wait(timeout=60)
                started = time.monotonic()
                for _ in range(each):
                    with transaction.atomic():
                        type(row).objects.filter(pk=row.pk).update(attempts=F("attempts") + 1)
                        write(row)
                ends.put((started, time.monotonic()))
            scratch.leave()

        processes = [FORK.Process(target=client, args=[row], daemon=True) for row in rows]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        if any(process.exitcode for process in processes):
            raise SystemExit(1)
        times = [ends.get() for _ in rows]
        taken = max(ended for _, ended in times) - min(started for started, _ in times)
        return taken / (each * len(rows))

    def take_turn_beside_the_sealer(self) -> float:
        """Let all clients write entries while another process seals them."""
        checkpoints.seal_due()
        with _sealer():
            return self.take_turn(self.entry)

    def nothing(self, row: Any) -> None:
        """Leave it at the change of the row."""

    def entry(self, row: Any) -> None:
        """Write an entry through the real door."""
        audit.record("finding.confirmed", row, by=self.ana, was="recorded")

    def plain(self, row: Any) -> None:
        """Insert the same columns into the plain table."""
        self.plain_entry(
            event="finding.confirmed",
            content_type=ContentType.objects.get_for_model(row),
            object_pk=str(row.pk),
            object_id=row.pk,
            object_repr=str(row),
            action=3,
            actor=self.ana,
            actor_ref=f"user:{self.ana.pk}",
            actor_email=self.ana.email,
            additional_data={"was": "recorded"},
            cid="benchmark",
            salt=bytes(32),
            commitment=bytes(32),
        ).save(force_insert=True)


def drain(batches: int) -> float:
    """Fill the outbox with leaves and return the seconds the sealer takes over one of them."""
    checkpoints.seal_due()
    first = 1_000_000_000 + checkpoints.AuditLeaf.objects.count()  # ids that no entry has
    count = batches * checkpoints.BATCH
    AuditOutbox.objects.bulk_create(
        [AuditOutbox(entry_id=first + n, hash=os.urandom(32)) for n in range(count)],
        batch_size=checkpoints.BATCH,
    )
    return measure.timed(checkpoints.seal_due) / count


def of_the_tree(batches: int, rounds: int) -> measure.Figure:
    """Compare growing the tree, in batches as the sealer does, with hashing the records alone."""
    data = [os.urandom(RECORD) for _ in range(checkpoints.BATCH)]

    def grow() -> None:
        tiles: dict[tuple[int, int], bytes] = {}

        def stored(level: int, n: int) -> bytes:
            return tiles.get((level, n), b"")

        for n in range(batches):
            hashes = [tree.leaf_hash(each) for each in data]
            tiles.update(tree.append(n * len(data), hashes, stored))

    def hash_alone() -> None:
        for _ in range(batches):
            for each in data:
                hashlib.sha256(each).digest()

    taken = measure.in_turn(
        {
            "grow": lambda: measure.timed(grow, clock=time.process_time),
            "hash": lambda: measure.timed(hash_alone, clock=time.process_time),
        },
        rounds=rounds,
    )
    return measure.speed(
        "growing the tree",
        taken["grow"],
        taken["hash"],
        against="of a SHA-256 loop over the same records",
        at_least=0.45,
    )


@contextmanager
def _sealer() -> Iterator[None]:
    """Have a sealer run beside us."""
    ready, asked_to_end = FORK.Event(), FORK.Event()

    def seal() -> None:
        checkpoints.seal_due()
        ready.set()
        while not asked_to_end.wait(PAUSE):
            checkpoints.seal_due()
        scratch.leave()

    scratch.leave()
    process = FORK.Process(target=seal, daemon=True)
    process.start()
    try:
        if not ready.wait(timeout=60):
            raise SystemExit("The sealer did not start.")
        yield
    finally:
        asked_to_end.set()
        process.join()


def _acting() -> Any:
    return acting("command:benchmark", cid="benchmark")


def _plain_twin(model: Any) -> Any:
    """Return a model with the same columns, references and indexes, and nothing else."""
    indexes = [
        models.Index(fields=each.fields, name=f"plain_{each.name}") for each in model._meta.indexes
    ]
    meta = type("Meta", (), {"app_label": "benchmarks", "indexes": indexes})
    columns = {field.name: field.clone() for field in model._meta.fields}
    return type("PlainEntry", (models.Model,), {**columns, "Meta": meta, "__module__": __name__})
