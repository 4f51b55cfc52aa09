"""The audit log: what an entry costs the transaction it is part of, and what proving it costs.

The writer's transaction changes one row and writes one entry through the real door: commitment,
leaf in the outbox, triggers. It is compared with a plain insert, with and without five more
milliseconds of work in the transaction, with and without the sealer beside it. One client writes to
SQLite, which lets one write at a time and lies in memory where the system has such a place; eight
clients write to PostgreSQL, each to a row of its own: processes with all their Python, and then
pgbench, which shows the database alone.

The sealer is compared with the plainest transaction there is, the change of one row: audit.md
wants 100,000 entries a second on PostgreSQL, where stack.md saw 1,200 such transactions of one
client. The whole verification is compared with a SHA-256 loop over the same public parts, in
seconds of our own processor, as are the tree and its proofs, which need no database.
"""

import hashlib
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from compliance import audit
from compliance.audit import checkpoints, entries, signing, tree, verification
from compliance.audit.entries import AuditEntry, AuditOutbox
from tests.benchmarks import measure
from tests.benchmarks.writers import Bench, Writers, me

SEALER_TARGET = 100_000 / 1_200
RECORD = 400  # bytes
WORK = 0.005  # seconds
PROOFS = 2_000
AGAINST = "of its speed with a plain insert"


@dataclass(frozen=True)
class Sizes:
    """How much is written and sealed in a turn, and how many turns there are."""

    count: int  # transactions
    batches: int  # that the sealer drains
    entries: int  # that are verified in full
    trees: int  # batches of leaves of the tree
    leaves: int  # of the tree that proofs come from
    seconds: int  # of pgbench
    rounds: int


FULL = Sizes(400, 8, 4000, 48, 1_000_000, 2, 5)
TINY = Sizes(16, 1, 40, 1, 3000, 1, 1)


def figures(name: str, sizes: Sizes) -> Iterator[object]:
    """Measure in the database at hand."""
    signing.ensure_key()
    writers = Writers(sizes.count)
    yield from of_the_verification(name, sizes)
    taken = measure.in_turn(
        {
            "bare": lambda: writers.take_turn(writers.nothing, clients=1),
            "plain": lambda: writers.take_turn(writers.plain),
            "ours": lambda: writers.take_turn(writers.entry),
            "beside": lambda: writers.take_turn_beside_the_sealer(),
            "plain with work": lambda: writers.take_turn(writers.plain, work=WORK),
            "ours with work": lambda: writers.take_turn(writers.entry, work=WORK),
            "beside with work": lambda: writers.take_turn_beside_the_sealer(work=WORK),
            "seal": lambda: drain(sizes.batches),
        },
        rounds=sizes.rounds,
        seconds=60,
    )
    yield from of_the_writers(name, taken)
    yield from of_the_sealer(name, taken)
    if name == "SQLite":  # figures that need no database
        yield of_the_tree(sizes.trees, sizes.rounds)
        yield from of_the_proofs(sizes.leaves, sizes.rounds)
    else:
        yield from of_the_database_alone(name, writers, sizes)


def of_the_writers(name: str, taken: dict[str, measure.Seconds]) -> Iterator[object]:
    """Compare a transaction that writes an entry with one that inserts a plain row."""
    for suffix, words in (("", ""), (" with work", f" and {WORK * 1000:g} ms of work")):
        for ours, said in (("ours", ""), ("beside", ", while the sealer runs")):
            yield measure.speed(
                f"{name}, a transaction with its entry{words}{said}",
                taken[ours + suffix],
                taken["plain" + suffix],
                against=AGAINST,
                at_least=0.95,
            )


def of_the_sealer(name: str, taken: dict[str, measure.Seconds]) -> Iterator[object]:
    """Compare sealing with writing, and say how much it is by itself."""
    yield measure.speed(
        f"{name}, entries sealed",
        taken["seal"],
        taken["bare"],
        against="for each transaction of one client that changes one row",
        at_least=round(SEALER_TARGET) if name == "PostgreSQL" else None,
    )
    yield measure.speed(
        f"{name}, entries sealed", taken["seal"], taken["ours"], against="for each that is written"
    )
    yield measure.rate(
        f"{name}, entries sealed",
        taken["seal"],
        at_least=100_000 if name == "PostgreSQL" else None,
    )


def of_the_database_alone(name: str, writers: Writers, sizes: Sizes) -> Iterator[object]:
    """Let pgbench write the same rows, so that only the database is compared."""
    bench, ours = Bench(writers, sizes.seconds), AuditEntry._meta.db_table
    if not bench.is_there:
        yield measure.absent(f"{name} alone, a transaction with its entry", "pgbench")
        return
    plain = writers.plain_entry._meta.db_table
    taken = measure.in_turn(
        {
            f"{who}{suffix}": lambda table=table, work=work, sealed=sealed: bench.take_turn(
                table, work=work, is_sealed=sealed
            )
            for suffix, work in (("", 0), (" with work", WORK))
            for who, table, sealed in (
                ("plain", plain, False), ("ours", ours, False), ("beside", ours, True),
            )
        },
        rounds=sizes.rounds,
        seconds=60,
    )  # fmt: skip
    yield from of_the_writers(f"{name} alone", taken)


def of_the_verification(name: str, sizes: Sizes) -> Iterator[object]:
    """Compare verifying the whole log with hashing the public parts alone."""
    ana = AuditEntry.objects.order_by("pk").values_list("actor", flat=True)
    with me():
        about = checkpoints.AuditCheckpoint(size=0)
        for _ in range(sizes.entries - ana.count()):
            audit.record("finding.confirmed", about, by=None, was="recorded")
    checkpoints.seal_due()
    data = [entries.public_data(entry) for entry in AuditEntry.objects.order_by("pk")]

    def hash_alone() -> None:
        for each in data:
            hashlib.sha256(each).digest()

    taken = measure.in_turn(
        {
            "verify": lambda: measure.timed(verify, clock=time.process_time),
            "hash": lambda: measure.timed(hash_alone, clock=time.process_time),
        },
        rounds=sizes.rounds,
    )
    each = [seconds / len(data) for seconds in taken["verify"]]
    yield measure.rate(f"{name}, entries verified in full by one processor", each)
    yield measure.speed(
        f"{name}, verifying in full takes",
        taken["hash"],
        taken["verify"],
        against="times as long as a SHA-256 loop over the public parts",
    )


def verify() -> None:
    """Verify the log in full; it must be good, or nothing was measured."""
    report = verification.verify()
    if not report.good:
        raise SystemExit(report.problem)


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


def of_the_proofs(leaves: int, rounds: int) -> Iterator[object]:
    """Make and check proofs in a tree of so many leaves; say what one costs and how long it is."""
    tiles: dict[tuple[int, int], bytes] = {}
    hashes = [tree.leaf_hash(n.to_bytes(8)) for n in range(leaves)]
    tiles.update(tree.append(0, hashes, dict))
    chance = random.Random(7)  # noqa: S311
    scattered = [chance.randrange(leaves) for _ in range(PROOFS)]
    neighbours = range(leaves - PROOFS, leaves)
    sizes = sorted({chance.randrange(1, leaves) for _ in range(PROOFS)})

    def at() -> tree.At:
        return tree.reader(lambda level, n: tiles[level, n])

    def prove(indices: list[int] | range) -> list[list[bytes]]:
        read = at()
        return [tree.inclusion_proof(index, leaves, read) for index in indices]

    root = tree.root(leaves, at())
    proofs = dict(zip(scattered, prove(scattered), strict=True))

    def check() -> None:
        for index, proof in proofs.items():
            tree.verify_inclusion(index, leaves, hashes[index], proof, root)

    def connect() -> None:
        read = at()
        for first, second in pairwise(sizes):
            tree.consistency_proof(first, second, read)

    of, clock = f"of {leaves} leaves", time.process_time
    taken = measure.in_turn(
        {
            f"proofs in a tree {of}": lambda: measure.timed(lambda: prove(scattered), clock=clock),
            f"proofs of neighbours in a tree {of}": lambda: measure.timed(
                lambda: prove(neighbours), clock=clock
            ),
            f"proofs checked {of}": lambda: measure.timed(check, clock=clock),
            f"proofs of consistency {of}": lambda: measure.timed(connect, clock=clock),
        },
        rounds=rounds,
    )
    for name, seconds in taken.items():
        yield measure.rate(name, [each / PROOFS for each in seconds])
    longest = max(len(proof) for proof in proofs.values()) * tree.HASH
    yield measure.plain(f"a proof in a tree {of}", longest, "bytes")
