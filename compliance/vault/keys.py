"""Keys: one file key per item, wrapped by the key-encryption key of a retention period."""

import os
import uuid
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from compliance import audit, lifecycle
from compliance.errors import KeyUnusable, Stale
from compliance.lifecycle import stamped
from compliance.vault import providers
from compliance.vault.providers import Context, KeyProvider
from compliance.vault.providers.local import make_secret as make_secret

FILE_KEY = 16  # bytes (age v1)
BATCH = 500  # wraps of one transaction
# How long a key outlives its last wrap here: a backup of the database may still need it.
GRACE = timedelta(days=30)


class State(models.TextChoices):
    """The last thing that happened to a key-encryption key."""

    MADE = "made"
    RETIRED = "retired"
    DESTROYED = "destroyed"


class Kek(models.Model):
    """A key-encryption key: whose evidence it wraps, who keeps it, and whether it is there still.

    A period is the year in which items arrive. When it ends the key is destroyed, and with it
    every wrap in every backup. A retired key wraps nothing new.
    """

    State = State
    MOVES = {State.MADE: (State.RETIRED, State.DESTROYED), State.RETIRED: (State.DESTROYED,)}

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    provider = models.CharField(max_length=20)
    key_id = models.CharField(max_length=40)
    period = models.CharField(max_length=10)
    state = models.CharField(max_length=12, choices=State, default=State.MADE)
    version = models.PositiveIntegerField(default=1)
    made_at = models.DateTimeField(default=timezone.now)
    retired_at = models.DateTimeField(null=True)
    destroyed_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ["view"]
        verbose_name = "key-encryption key"
        ordering = ["-made_at"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "key_id"], name="kek_made_once"),
            models.UniqueConstraint(
                fields=["provider", "period"],
                condition=models.Q(state=State.MADE),
                name="kek_one_in_use_of_a_period",
            ),
            stamped("kek", State.RETIRED, by=False),
            stamped("kek", State.DESTROYED, by=False),
        ]

    def __str__(self) -> str:
        return f"key {self.key_id} of {self.provider}"


class FileKeyWrap(models.Model):
    """The file key of one sealed object, wrapped. Without its key-encryption key it is noise."""

    subject = models.UUIDField(unique=True)
    provider = models.CharField(max_length=20)
    key_id = models.CharField(max_length=40)
    blob = models.BinaryField()

    class Meta:
        default_permissions = ["view"]
        indexes = [models.Index(fields=["provider", "key_id", "id"], name="wrap_by_kek")]

    def __str__(self) -> str:
        return f"wrap {self.pk}"


def new_file_key() -> bytes:
    """Return a fresh file key."""
    return os.urandom(FILE_KEY)


def new_seed() -> bytes:
    """Return a fresh seed of an Ed25519 key."""
    return os.urandom(32)


def current(period: str = "") -> Kek:
    """Return the key in use of a period, or of this year; it is made where there is none.

    The provider that the settings name first keeps it.
    """
    period = period or f"{timezone.now().year}"
    kind = providers.first()
    known = Kek.objects.filter(provider=kind, period=period)
    return known.filter(state=State.MADE).first() or _make(kind, period, known.count() + 1)


def keep(subject: uuid.UUID, file_key: bytes) -> FileKeyWrap:
    """Wrap the file key of `subject` under the key of this year and put it on record."""
    kek = current()
    open_one(kek)  # another key under the name of a lost one would hide the loss
    blob = providers.named(kek.provider).wrap(file_key, _context(subject, kek.key_id))
    with transaction.atomic():
        _require_in_use(kek)
        return FileKeyWrap.objects.create(
            subject=subject, provider=kek.provider, key_id=kek.key_id, blob=blob
        )


def file_key(subject: uuid.UUID) -> bytes:
    """Return the file key of `subject`, or raise KeyUnusable or KeeperAway."""
    wrap = FileKeyWrap.objects.filter(subject=subject).first()
    if wrap is None:
        raise KeyUnusable("There is no key for this item.")
    return _unwrapped(wrap)


def forget(subject: uuid.UUID) -> None:
    """Delete the wrap of a subject that never became an item, if there is one."""
    for wrap in FileKeyWrap.objects.filter(subject=subject):
        wrap.delete()


def open_one(kek: Kek) -> None:
    """Open the oldest wrap under a key, or refuse: it must open what it closed."""
    if earliest := wraps(kek).first():
        _unwrapped(earliest)


def wraps(kek: Kek) -> models.QuerySet[FileKeyWrap]:
    """Return what is wrapped under a key, oldest first."""
    return FileKeyWrap.objects.filter(provider=kek.provider, key_id=kek.key_id).order_by("pk")


@transaction.atomic
def lift(subjects: Collection[uuid.UUID]) -> Kek:
    """Move the wraps of these subjects to this year's key, which is returned."""
    heir = current()
    for wrap in FileKeyWrap.objects.select_for_update().filter(subject__in=subjects):
        blob = _moved(wrap, heir)
        wrap.provider, wrap.key_id, wrap.blob = heir.provider, heir.key_id, blob
        wrap.save()
    _require_in_use(heir)
    return heir


@transaction.atomic
def retire(kek: Kek) -> Kek:
    """Retire a key. What it wraps moves to its successor next, payloads are not touched."""
    return lifecycle.advance(kek, State.RETIRED, by=None)


def rewrap_due() -> int:
    """Move what retired keys wrap to the key in use of their period, a batch at a time."""
    return lifecycle.pull("rewrap", moving(), _move, prepare=_rewrapped, named=_batch)


def moving() -> models.QuerySet[Kek]:
    """Return the retired keys that still wrap something, each with the `next` wrap to move."""
    of_it = FileKeyWrap.objects.filter(
        provider=models.OuterRef("provider"), key_id=models.OuterRef("key_id")
    )
    first = models.Subquery(of_it.order_by("pk").values("pk")[:1])
    return Kek.objects.filter(state=State.RETIRED).annotate(next=first).exclude(next=None)


def destroy_due(*, grace: timedelta = GRACE) -> int:
    """Destroy the retired keys that have wrapped nothing for as long as `grace`."""
    over = Kek.objects.filter(state=State.RETIRED, retired_at__lte=timezone.now() - grace)
    empty = over.exclude(pk__in=moving().values("pk"))
    return lifecycle.pull("destroy", empty, _mark_destroyed, prepare=destroy)


def destroy(kek: Kek) -> None:
    """Have the provider destroy a key, for good. What it wraps is noise from here on."""
    providers.named(kek.provider).destroy(kek.key_id)


@transaction.atomic
def _make(kind: str, period: str, generation: int) -> Kek:
    key_id = period if generation == 1 else f"{period}-{generation}"
    providers.named(kind).make(key_id)
    known = {"provider": kind, "key_id": key_id}
    kek, is_new = Kek.objects.get_or_create(**known, defaults={"period": period})
    if is_new:
        audit.record("kek.made", kek, by=None)
    return kek


def _require_in_use(kek: Kek) -> None:
    """Lock a key until the transaction ends, or refuse: it was retired while it was used."""
    if not Kek.objects.select_for_update().filter(pk=kek.pk, state=State.MADE).exists():
        raise Stale(f"The {kek} was retired meanwhile. Try again.")


def _batch(kek: Any) -> str:
    """Name a batch by where it begins, so that each is done once."""
    return f"{kek.pk}:{kek.next}"


def _rewrapped(kek: Kek) -> tuple[Kek, dict[int, bytes]]:
    """Return the successor of a key, and the next wraps under it, by their ids."""
    heir = current(kek.period)
    return heir, {wrap.pk: _moved(wrap, heir) for wrap in wraps(kek)[:BATCH]}


def _moved(wrap: FileKeyWrap, heir: Kek) -> bytes:
    was, now = (_context(wrap.subject, key_id) for key_id in (wrap.key_id, heir.key_id))
    keeper = providers.named(heir.provider)
    if wrap.provider == heir.provider:
        return keeper.rewrap(bytes(wrap.blob), was, now)
    return keeper.wrap(_unwrapped(wrap), now)


def _move(kek: Kek, ready: tuple[Kek, dict[int, bytes]]) -> None:
    """Put a batch under the successor, unless it is gone by now, and say so in one event."""
    heir, blobs = ready
    _require_in_use(heir)
    # Only what is still under the old key: it may have been shredded meanwhile.
    moved = sum(
        wraps(kek).filter(pk=pk).update(provider=heir.provider, key_id=heir.key_id, blob=blob)
        for pk, blob in blobs.items()
    )
    audit.record("kek.rewrapped", kek, by=None, heir=heir.pk, wraps=moved)


def _mark_destroyed(kek: Kek, _: None) -> None:
    lifecycle.advance(kek, State.DESTROYED, by=None)


def _unwrapped(wrap: FileKeyWrap) -> bytes:
    keeper: KeyProvider = providers.named(wrap.provider)
    return keeper.unwrap(bytes(wrap.blob), _context(wrap.subject, wrap.key_id))


def _context(subject: uuid.UUID, key_id: str) -> Context:
    return Context(str(subject), key_id)
