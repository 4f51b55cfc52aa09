"""Checkpoints: the sealed log. Its leaves, tiles and signed states, the sealer, and the proofs.

The sealer alone writes here, and signs nothing that does not continue what it signed before.
"""

from functools import lru_cache

from django.conf import settings
from django.db import connection, models, transaction

from compliance.audit import notes, signing, tree, witnesses
from compliance.audit.entries import AuditEntry
from compliance.audit.notes import BadNote, Checkpoint
from compliance.errors import Tampered, WrongState

BATCH = 4096
_TILES = 4096  # 32 MiB
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
    data = models.BinaryField(max_length=tree.WIDTH * tree.HASH)

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


class AuditCosignature(models.Model):
    """The line in which a witness cosigned a state: it saw nothing that contradicts it."""

    checkpoint = models.ForeignKey(AuditCheckpoint, models.PROTECT, related_name="cosignatures")
    witness = models.CharField(max_length=200)
    line = models.TextField()

    class Meta:
        default_permissions = ()
        ordering = ["witness"]
        constraints = [
            models.UniqueConstraint(
                fields=["witness", "checkpoint"], name="witness_cosigns_a_state_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.checkpoint} cosigned by {self.witness}"


# --- what is sealed


def latest() -> AuditCheckpoint | None:
    """Return the newest signed state, or None before the first sealing."""
    return AuditCheckpoint.objects.order_by("-size").first()


def published() -> AuditCheckpoint | None:
    """Return the newest state that as many witnesses cosigned as the settings want."""
    if not settings.WITNESS_QUORUM:
        return latest()
    seen = AuditCosignature.objects.filter(witness__in=witnesses.names())
    sizes = seen.order_by("-checkpoint_id").values_list("checkpoint_id")
    enough = sizes.annotate(how_many=models.Count("id")).filter(
        how_many__gte=settings.WITNESS_QUORUM
    )
    newest = enough.first()
    return AuditCheckpoint.objects.get(size=newest[0]) if newest else None


def last_cosigned(witness: str, *, size: int | None = None) -> AuditCosignature | None:
    """Return what this witness cosigned last, or last up to a `size` of the log."""
    rows = AuditCosignature.objects.filter(witness=witness).select_related("checkpoint")
    if size is not None:
        rows = rows.filter(checkpoint_id__lte=size)
    return rows.order_by("-checkpoint_id").first()


def published_note() -> str | None:
    """Return the published state as a note with all its cosignatures."""
    signed = published()
    return cosigned(signed) if signed else None


def cosigned(signed: AuditCheckpoint) -> str:
    """Return a state as a note with all its cosignatures."""
    lines = signed.cosignatures.all() if settings.WITNESSES else []
    return signed.note + "".join(each.line for each in lines)


def tile(level: int, n: int, width: int = tree.WIDTH) -> bytes:
    """Return the first `width` hashes of a tile, or raise AuditTile.DoesNotExist."""
    data = bytes(AuditTile.objects.get(level=level, n=n).data)[: width * tree.HASH]
    if not data or len(data) != width * tree.HASH:
        raise AuditTile.DoesNotExist(f"Tile {level}/{n} has no {width} hashes yet.")
    return data


def stored(level: int, n: int) -> bytes:
    """Return a tile as far as it is filled; nothing if it is not there."""
    row = AuditTile.objects.filter(level=level, n=n).first()
    return bytes(row.data) if row else b""


def reader() -> tree.At:
    """Read the tree from its tiles; those that are asked for again and again are read once."""
    return tree.reader(lru_cache(maxsize=_TILES)(stored))


def receipt(entry: AuditEntry) -> str:
    """Return the proof that `entry` is in the log, under the published state if it holds it."""
    leaf = AuditLeaf.objects.filter(entry=entry).first()
    if leaf is None:
        raise WrongState(f"{entry} is not sealed into the log yet; ask again in a moment.")
    signed = published()
    if signed is None or signed.size <= leaf.idx:
        signed = AuditCheckpoint.objects.latest()
    hashes = tree.inclusion_proof(leaf.idx, signed.size, reader())
    return notes.write_proof(leaf.idx, hashes, cosigned(signed))


def consistency(first: int, second: int) -> list[bytes]:
    """Return the proof that the state of `second` entries continues the one of `first`."""
    return tree.consistency_proof(first, second, reader())


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
        note = signing.sign(size, tree.root(size, reader()))
        AuditCheckpoint.objects.create(size=size, note=note)
    # Only after the commit: a head that is ahead of the database would stop every later sealer.
    signing.keep_head(note, size)
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
    if last is None and signing.head() is None:  # the first sealing of all
        signing.keep_head(signing.sign(0, tree.EMPTY), 0)
    continues(known(signing.head()), last.size if last else 0)
    if last:
        continues(notes.open_checkpoint(last.note, signing.verifier()), last.size)


def known(head: Checkpoint | None) -> Checkpoint:
    """Return the head, or raise: nothing is signed or believed without it."""
    if head is None:
        raise BadNote("The head kept outside the database is gone; put it back.")
    return head


def continues(state: Checkpoint, size: int) -> None:
    """Raise unless the tree of `size` continues the signed `state`."""
    if state.size > size:
        raise BadNote(f"The log has {size} entries, but {state.size} were signed.")
    if tree.root(state.size, reader()) != state.root:
        raise BadNote(f"The first {state.size} entries are not the ones that were signed.")


def _grow(size: int, hashes: list[bytes]) -> None:
    grown = tree.append(size, hashes, stored)
    AuditTile.objects.bulk_create(
        [AuditTile(level=level, n=n, data=data) for (level, n), data in grown.items()],
        update_conflicts=True,
        unique_fields=["level", "n"],
        update_fields=["data"],
    )
