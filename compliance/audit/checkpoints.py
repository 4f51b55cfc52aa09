"""Checkpoints: the sealed log. The sealer, its signed states, receipts, and the verification.

The sealer alone writes here. What it signed last is also kept outside the database, so a restored
backup or a shortened log is noticed before anything is signed over it.
"""

import base64
import binascii
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import takewhile, zip_longest
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Exists, OuterRef, Subquery

from compliance.audit import notes, tree
from compliance.audit.entries import AuditEntry, AuditOutbox, fault
from compliance.audit.notes import BadNote, Checkpoint
from compliance.errors import KeyUnusable, Tampered, WrongState

BATCH = 4096
_FULL = tree.WIDTH * tree.HASH
_LOCK = int.from_bytes(b"dutyseal")
# On SQLite the transaction itself began IMMEDIATE: nobody else writes.
_WAITS = {"postgresql": f"SELECT pg_advisory_xact_lock({_LOCK})", "sqlite": "SELECT 1"}


class AuditLeaf(models.Model):
    """One leaf of the tree. Its index is the order of sealing."""

    idx = models.BigIntegerField(primary_key=True)
    entry = models.OneToOneField(AuditEntry, models.PROTECT, related_name="+", db_constraint=False)
    hash = models.BinaryField(max_length=tree.HASH)

    class Meta:
        default_permissions = ()
        verbose_name_plural = "audit leaves"

    def __str__(self) -> str:
        return f"leaf {self.idx}"


class AuditTile(models.Model):
    """Up to 256 neighbouring hashes of one level; the row grows until it is full."""

    level = models.PositiveSmallIntegerField()
    n = models.BigIntegerField()
    data = models.BinaryField(max_length=_FULL)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["level", "n"], name="tile_is_one_row")]

    def __str__(self) -> str:
        return f"tile {self.level}/{self.n}"


class AuditCheckpoint(models.Model):
    """A signed state of the log."""

    size = models.BigIntegerField(primary_key=True)
    note = models.TextField()

    class Meta:
        default_permissions = ["view"]
        get_latest_by = "size"

    def __str__(self) -> str:
        return f"checkpoint {self.size}"


# --- the key of the log


def ensure_key() -> Path:
    """Make the log's signing key unless it is there, and return where it is."""
    path = Path(settings.LOG_KEY_FILE)
    if not path.exists():
        draft = _draft(path, base64.b64encode(secrets.token_bytes(32)) + b"\n")
        with suppress(FileExistsError):  # another process was faster
            os.link(draft, path)
        draft.unlink()
    return path


def _draft(path: Path, data: bytes) -> Path:
    """Write a private file beside `path`, so that `path` can appear whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _key() -> Ed25519PrivateKey:
    try:
        seed = base64.b64decode(Path(settings.LOG_KEY_FILE).read_bytes().strip(), validate=True)
        return Ed25519PrivateKey.from_private_bytes(seed)
    except FileNotFoundError as error:
        raise KeyUnusable("The log has no signing key yet. Make one: manage.py keygen.") from error
    except (binascii.Error, ValueError) as error:
        raise KeyUnusable("The log's signing key file is not base64 of 32 bytes.") from error


def _verifier() -> notes.Verifier:
    return notes.verifier(settings.LOG_ORIGIN, _key())


def vkey() -> str:
    """Return the public key of the log as one line of text."""
    return _verifier().vkey


# --- what is sealed


def latest() -> AuditCheckpoint | None:
    """Return the newest signed state, or None before the first sealing."""
    return AuditCheckpoint.objects.order_by("-size").first()


def tile(level: int, n: int, width: int = tree.WIDTH) -> bytes:
    """Return the first `width` hashes of a tile, or raise AuditTile.DoesNotExist."""
    data = bytes(AuditTile.objects.get(level=level, n=n).data)[: width * tree.HASH]
    if not data or len(data) != width * tree.HASH:
        raise AuditTile.DoesNotExist(f"Tile {level}/{n} has no {width} hashes yet.")
    return data


def _stored(level: int, n: int) -> bytes:
    row = AuditTile.objects.filter(level=level, n=n).first()
    return bytes(row.data) if row else b""


def _tree() -> tree.At:
    return tree.reader(cache(_stored))


def receipt(entry: AuditEntry) -> str:
    """Return the proof that `entry` is in the log, under the newest signed state."""
    leaf, signed = AuditLeaf.objects.filter(entry=entry).first(), latest()
    if leaf is None or signed is None:
        raise WrongState(f"{entry} is not sealed into the log yet; ask again in a moment.")
    hashes = tree.inclusion_proof(leaf.idx, signed.size, _tree())
    return notes.write_proof(leaf.idx, hashes, signed.note)


# --- the head: the last signed state, outside the database


def _head() -> Checkpoint | None:
    try:
        note = Path(settings.LOG_HEAD_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return notes.open_checkpoint(note, _verifier())


def _keep_head(note: str, size: int) -> None:
    """Keep `note` as the head, whole or not at all; a slower sealer does not turn it back."""
    head = _head()
    if head and head.size >= size:
        return
    path = Path(settings.LOG_HEAD_FILE)
    _draft(path, note.encode()).replace(path)


def _sign(size: int, root: bytes) -> str:
    text = Checkpoint(settings.LOG_ORIGIN, size, root).text
    return notes.sign(text, settings.LOG_ORIGIN, _key())


# --- the sealer


def seal_due() -> int:
    """Seal the entries that are owed to the log, sign its new state, return how many there were."""
    sealed = 0
    while count := _seal_batch():
        sealed += count
    return sealed


def _seal_batch() -> int:
    with transaction.atomic(durable=True):
        _be_the_only_sealer()
        last = latest()
        size = last.size if last else 0
        hashes = _take(size)
        if not hashes:
            return 0
        try:
            _refuse_to_fork(last)
            _grow(size, hashes)
        except ValueError as error:
            raise Tampered(f"Nothing was signed. {error} Run verify_audit.") from error
        size += len(hashes)
        note = _sign(size, tree.root(size, _tree()))
        AuditCheckpoint.objects.create(size=size, note=note)
    # Only after the commit: a head that is ahead of the database would stop every later sealer.
    _keep_head(note, size)
    return len(hashes)


def _be_the_only_sealer() -> None:
    """Wait until every other sealer has committed."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITS[connection.vendor])


def _take(size: int) -> list[bytes]:
    """Move owed leaves from the outbox behind the first `size` leaves."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_auditleaf (idx, entry_id, hash)"
            " SELECT %s + row_number() OVER (ORDER BY entry_id) - 1, entry_id, hash FROM"
            " (SELECT entry_id, hash FROM compliance_auditoutbox ORDER BY entry_id LIMIT %s) owed"
            " RETURNING idx, hash",
            [size, BATCH],
        )
        rows = sorted((idx, bytes(data)) for idx, data in cursor.fetchall())
        cursor.execute(
            "DELETE FROM compliance_auditoutbox WHERE entry_id IN"
            " (SELECT entry_id FROM compliance_auditleaf WHERE idx >= %s)",
            [size],
        )
    return [data for _, data in rows]


def _refuse_to_fork(last: AuditCheckpoint | None) -> None:
    """Compare the tree with the last state in the database and with the head outside it."""
    if last is None and _head() is None:  # the first sealing of all
        _keep_head(_sign(0, tree.EMPTY), 0)
    _continues(_known(_head()), last.size if last else 0)
    if last:
        _continues(notes.open_checkpoint(last.note, _verifier()), last.size)


def _known(head: Checkpoint | None) -> Checkpoint:
    if head is None:
        raise BadNote("The head kept outside the database is gone; put it back.")
    return head


def _continues(state: Checkpoint, size: int) -> None:
    """Raise unless the tree of `size` continues the signed `state`."""
    if state.size > size:
        raise BadNote(f"The log has {size} entries, but {state.size} were signed.")
    if tree.root(state.size, _tree()) != state.root:
        raise BadNote(f"The first {state.size} entries are not the ones that were signed.")


def _grow(size: int, hashes: list[bytes]) -> None:
    grown = tree.append(size, hashes, _stored)
    AuditTile.objects.bulk_create(
        [AuditTile(level=level, n=n, data=data) for (level, n), data in grown.items()],
        update_conflicts=True,
        unique_fields=["level", "n"],
        update_fields=["data"],
    )


# --- verification


@dataclass(frozen=True)
class Report:
    """What a verification found. The log is good if there is no problem."""

    size: int
    root: str
    unsealed: int
    first_bad: int | None = None
    problem: str | None = None

    @property
    def good(self) -> bool:
        """Tell whether every check passed."""
        return self.problem is None


class _Bad(Exception):
    """A check failed, at this index if it has one."""

    def __init__(self, problem: str, index: int | None = None) -> None:
        self.index = index
        super().__init__(problem)


def verify(*, since: int = 0, checkpoint: str | None = None) -> Report:
    """Check the log from index `since` on, and against an outside `checkpoint` if there is one."""
    size, unsealed = 0, AuditOutbox.objects.count()
    try:
        # The head first: it follows its state, so what is read after it is not behind it.
        head, signed = _head(), latest()
        size = signed.size if signed else 0
        root = _verify(signed, head, since, checkpoint)
    except _Bad as bad:
        return Report(size, "", unsealed, bad.index, str(bad))
    except ValueError as error:
        return Report(size, "", unsealed, None, str(error))
    return Report(size, root.hex(), unsealed)


def _verify(
    signed: AuditCheckpoint | None, head: Checkpoint | None, since: int, checkpoint: str | None
) -> bytes:
    size = signed.size if signed else 0
    # 1. Each entry still says what its leaf was made of, and the tiles hold exactly these leaves.
    _check_leaves(min(since, size) // tree.WIDTH * tree.WIDTH, size)
    # 2. The tree is the one that was signed last.
    root = _check_signed(signed) if signed else tree.EMPTY
    # 3. It continues the head kept outside the database, and the checkpoint handed in.
    if signed or head:
        _continues(_known(head), size)
    if checkpoint is not None:
        _continues(notes.open_checkpoint(checkpoint, _verifier()), size)
    # 4. What waits for the sealer is whole, and no entry came in past the writer.
    _check_unsealed()
    return root


def _check_leaves(start: int, size: int) -> None:
    made: dict[tuple[int, int], bytes] = {}  # the tiles that are not yet full

    def read(level: int, n: int) -> bytes:
        return made.get((level, n)) or _stored(level, n)

    for first in range(start, size, BATCH):
        hashes = _checked_leaves(first, min(first + BATCH, size))
        made.update(tree.append(first, hashes, read))
        for at in [at for at, data in made.items() if len(data) == _FULL]:
            _check_tile(*at, made.pop(at))
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
    stored = tree.split_tile(_stored(level, n)[: len(data)])
    for offset, (ours, theirs) in enumerate(zip_longest(tree.split_tile(data), stored)):
        if ours != theirs:
            idx = (n * tree.WIDTH + offset) << (tree.HEIGHT * level)
            raise _Bad(f"Tile {level}/{n} does not hold the leaves from {idx} on.", idx)


def _check_signed(signed: AuditCheckpoint) -> bytes:
    """Return the root if the newest state holds; if not, name the last one that does."""
    at = _tree()
    if _holds(signed, at):
        return tree.root(signed.size, at)
    older = AuditCheckpoint.objects.order_by("size")
    good = max((row.size for row in takewhile(lambda row: _holds(row, at), older)), default=0)
    raise _Bad(f"The log is not the one that was signed; it still is up to size {good}.", good)


def _holds(row: AuditCheckpoint, at: tree.At) -> bool:
    try:
        state = notes.open_checkpoint(row.note, _verifier())
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
