"""Verification: is the log whole, and still the one that was signed?"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import takewhile, zip_longest

from django.conf import settings
from django.db.models import Exists, OuterRef, Subquery

from compliance.audit import checkpoints, notes, signing, timestamps, tree, witnesses
from compliance.audit.checkpoints import AuditCheckpoint, AuditLeaf
from compliance.audit.entries import ERASED, AuditEntry, AuditOutbox, fault
from compliance.audit.notes import Checkpoint
from compliance.audit.witnesses import Witness

OnTheWay = Callable[[int, int], object]


def _quietly(done: int, size: int) -> None:
    pass


@dataclass(frozen=True)
class Report:
    """What a verification found. The log is good if there is no problem."""

    size: int
    root: str
    unsealed: int
    first_bad: int | None = None
    problem: str | None = None
    cosigned: dict[str, int] = field(default_factory=dict)  # per witness, up to which size
    wanted: int = 0  # cosignatures that make a state a published one
    stamped: str | None = None  # until when an authority says that the log existed
    erased: int = 0  # entries whose private part was given up; their public part was checked

    @property
    def good(self) -> bool:
        """Tell whether every check passed."""
        return self.problem is None


class _Bad(Exception):
    """A check failed, at this index if it has one."""

    def __init__(self, problem: str, index: int | None = None) -> None:
        self.index = index
        super().__init__(problem)


def verify(
    *, since: int = 0, checkpoint: str | None = None, on_the_way: OnTheWay = _quietly
) -> Report:
    """Check the log from index `since` on, and against an outside `checkpoint` if there is one.

    `on_the_way` is told now and then how many entries are checked, and of how many.
    """
    size, unsealed = 0, AuditOutbox.objects.count()
    try:
        # The head first: it follows its state, so what is read after it is not behind it.
        head, signed = signing.head(), checkpoints.latest()
        size = signed.size if signed else 0
        root = _verify(signed, head, since, checkpoint, on_the_way)
    except _Bad as bad:
        return Report(size, "", unsealed, bad.index, str(bad))
    except ValueError as error:
        return Report(size, "", unsealed, None, str(error))
    return Report(size, root.hex(), unsealed, None, None, *_anchored(), _erased())


def _verify(
    signed: AuditCheckpoint | None,
    head: Checkpoint | None,
    since: int,
    checkpoint: str | None,
    on_the_way: OnTheWay,
) -> bytes:
    size = signed.size if signed else 0
    # 1. Each entry still says what its leaf was made of, and the tiles hold exactly these leaves.
    _check_leaves(min(since, size) // tree.WIDTH * tree.WIDTH, size, on_the_way)
    # 2. The tree is the one that was signed last.
    root = _check_signed(signed) if signed else tree.EMPTY
    # 3. It continues the head kept outside the database, and the checkpoint handed in.
    if signed or head:
        checkpoints.continues(checkpoints.known(head), size)
    if checkpoint is not None:
        checkpoints.continues(notes.open_checkpoint(checkpoint, signing.verifier()), size)
    # 4. What waits for the sealer is whole, and no entry came in past the writer.
    _check_unsealed()
    # 5. What witnesses and the time-stamping authority signed last is this log.
    for witness in witnesses.policy():
        _check_cosigned(witness, size)
    _check_stamped()
    return root


def _check_leaves(start: int, size: int, on_the_way: OnTheWay) -> None:
    made: dict[tuple[int, int], bytes] = {}  # the tiles that are not yet full

    def read(level: int, n: int) -> bytes:
        return made.get((level, n)) or checkpoints.stored(level, n)

    for first in range(start, size, checkpoints.BATCH):
        hashes = _checked_leaves(first, min(first + checkpoints.BATCH, size))
        made.update(tree.append(first, hashes, read))
        for at in [at for at, data in made.items() if len(data) == tree.WIDTH * tree.HASH]:
            _check_tile(*at, made.pop(at))
        on_the_way(min(first + checkpoints.BATCH, size), size)
    for at, data in made.items():
        _check_tile(*at, data)


def _checked_leaves(first: int, end: int) -> list[bytes]:
    """Return the leaf hashes of a batch once each fits its entry."""
    leaves = AuditLeaf.objects.filter(idx__gte=first, idx__lt=end).in_bulk()
    entries = AuditEntry.objects.in_bulk([leaf.entry_id for leaf in leaves.values()])
    for idx in range(first, end):
        leaf = leaves.get(idx)
        if leaf is None:
            raise _Bad(f"Leaf {idx} is missing.", idx)
        if problem := fault(entries.get(leaf.entry_id), bytes(leaf.hash)):
            raise _Bad(f"Entry {leaf.entry_id}, number {idx} of the log, {problem}.", idx)
    return [bytes(leaves[idx].hash) for idx in range(first, end)]


def _check_tile(level: int, n: int, data: bytes) -> None:
    """Compare a tile made from the leaves with the one in the table, as far as it is made."""
    stored = tree.split_tile(checkpoints.stored(level, n)[: len(data)])
    for offset, (ours, theirs) in enumerate(zip_longest(tree.split_tile(data), stored)):
        if ours != theirs:
            idx = (n * tree.WIDTH + offset) << (tree.HEIGHT * level)
            raise _Bad(f"Tile {level}/{n} does not hold the leaves from {idx} on.", idx)


def _check_signed(signed: AuditCheckpoint) -> bytes:
    """Return the root if the newest state holds; if not, name the last one that does."""
    at = checkpoints.reader()
    if _holds(signed, at):
        return tree.root(signed.size, at)
    older = AuditCheckpoint.objects.order_by("size")
    good = max((row.size for row in takewhile(lambda row: _holds(row, at), older)), default=0)
    raise _Bad(f"The log is not the one that was signed; it still is up to size {good}.", good)


def _holds(row: AuditCheckpoint, at: tree.At) -> bool:
    try:
        state = notes.open_checkpoint(row.note, signing.verifier())
        return (state.size, state.root) == (row.size, tree.root(row.size, at))
    except ValueError:
        return False


def _check_unsealed() -> None:
    owed = dict(AuditOutbox.objects.values_list("entry_id", "hash"))
    entries = AuditEntry.objects.in_bulk(list(owed))
    for pk, leaf in owed.items():
        if problem := fault(entries.get(pk), bytes(leaf)):
            raise _Bad(f"Entry {pk}, not yet sealed, {problem}.")
    # One statement, so a sealing in between is seen whole or not at all.
    newest = AuditCheckpoint.objects.order_by("-size").values("size")[:1]
    leaves = AuditLeaf.objects.filter(entry=OuterRef("pk"), idx__lt=Subquery(newest))
    outbox = AuditOutbox.objects.filter(entry=OuterRef("pk"))
    stray = AuditEntry.objects.filter(~Exists(leaves), ~Exists(outbox)).order_by("pk").first()
    if stray:
        raise _Bad(f"Entry {stray.pk} came in past the writer: it has no leaf and owes none.")


def _check_cosigned(witness: Witness, size: int) -> None:
    # Not beyond what is verified here: it may be sealed and cosigned further meanwhile.
    row = checkpoints.last_cosigned(witness.name, size=size)
    if row is None:
        return
    note = row.checkpoint.note + row.line
    try:
        notes.open_note(note, witness.key)
        checkpoints.continues(notes.open_checkpoint(note, signing.verifier()), size)
    except ValueError as error:
        raise _Bad(f"What {witness.name} cosigned at size {row.checkpoint_id}: {error}") from error


def _check_stamped() -> None:
    stamp = timestamps.last()
    if stamp and settings.TIMESTAMP_ROOTS and (problem := timestamps.fault(stamp)):
        raise _Bad(f"The state of {stamp.checkpoint_id} entries {problem}.")


def _erased() -> int:
    return AuditEntry.objects.filter(event=ERASED).count()


def _anchored() -> tuple[dict[str, int], int, str | None]:
    """Say up to where each witness cosigned, how many are wanted, and the last time-stamp."""
    rows = {name: checkpoints.last_cosigned(name) for name in witnesses.names()}
    cosigned = {name: row.checkpoint_id if row else 0 for name, row in rows.items()}
    stamp = timestamps.last()
    return cosigned, settings.WITNESS_QUORUM, stamp.stamped_at.isoformat() if stamp else None
