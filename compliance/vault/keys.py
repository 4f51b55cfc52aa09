"""Keys: one file key per item, wrapped by a key-encryption key that a provider keeps."""

import base64
import json
import os
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import models
from django.utils import timezone

from compliance.errors import KeyUnusable

FILE_KEY = 16  # bytes (age v1)
KEK = 32  # bytes (AES-256)


class KeyProvider(Protocol):
    """Whoever keeps the key-encryption keys: a file, a cloud service, a hardware module."""

    id: str

    def wrap(self, key_id: str, dek: bytes, context: dict[str, str]) -> bytes:
        """Return `dek` sealed under `key_id`, bound to `context`."""
        ...

    def unwrap(self, key_id: str, blob: bytes, context: dict[str, str]) -> bytes:
        """Return what `wrap` sealed, or raise KeyUnusable."""
        ...


class LocalProvider:
    """Key-encryption keys in files of mode 0600, one per retention period (a year)."""

    id = "local"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def wrap(self, key_id: str, dek: bytes, context: dict[str, str]) -> bytes:
        """Return nonce (12 bytes) and AES-256-GCM ciphertext."""
        nonce = os.urandom(12)
        return nonce + AESGCM(self._key(key_id, make=True)).encrypt(nonce, dek, _bound(context))

    def unwrap(self, key_id: str, blob: bytes, context: dict[str, str]) -> bytes:
        """Return the key inside `blob`; another item's context or a changed byte is refused."""
        try:
            return AESGCM(self._key(key_id)).decrypt(blob[:12], blob[12:], _bound(context))
        except (InvalidTag, ValueError) as error:  # a ValueError: too short to hold a nonce
            raise KeyUnusable("A wrapped key does not open under its key and context.") from error

    def _key(self, key_id: str, *, make: bool = False) -> bytes:
        path = self.folder / f"kek-{key_id}"
        if make and not path.exists():
            make_secret(path, os.urandom(KEK))
        try:
            key = base64.b64decode(path.read_bytes(), validate=True)
        except OSError as error:
            raise KeyUnusable(f"The key-encryption key {key_id} cannot be read.") from error
        except ValueError:
            key = b""
        if len(key) != KEK:
            raise KeyUnusable(f"The key-encryption key {key_id} is not base64 of {KEK} bytes.")
        return key


def make_secret(path: Path, secret: bytes) -> None:
    """Write a secret in base64, mode 0600, to stay; if somebody else was faster, theirs stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(base64.b64encode(secret))
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
    # The name too must outlive a power failure: what is wrapped under a lost key is lost.
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def _bound(context: dict[str, str]) -> bytes:
    return json.dumps(context, sort_keys=True, separators=(",", ":")).encode("ascii")


class FileKeyWrap(models.Model):
    """The file key of one sealed object, wrapped. Without its key-encryption key it is noise."""

    subject = models.UUIDField(unique=True)
    provider = models.CharField(max_length=20)
    key_id = models.CharField(max_length=40)
    blob = models.BinaryField()

    class Meta:
        default_permissions = ["view"]

    def __str__(self) -> str:
        return f"wrap {self.pk}"


def provider() -> KeyProvider:
    """Return the provider that the settings name."""
    return LocalProvider(settings.KEYS_DIR)


def new_file_key() -> bytes:
    """Return a fresh file key."""
    return os.urandom(FILE_KEY)


def new_seed() -> bytes:
    """Return a fresh seed of an Ed25519 key."""
    return os.urandom(32)


def keep(subject: uuid.UUID, file_key: bytes) -> FileKeyWrap:
    """Wrap the file key of `subject` under the key of this year and put it on record."""
    keeper, key_id = provider(), f"{timezone.now().year}"
    if earlier := FileKeyWrap.objects.filter(provider=keeper.id, key_id=key_id).first():
        # A new key under the name of a lost one would hide the loss: it must open what it closed.
        _unwrapped(keeper, earlier)
    blob = keeper.wrap(key_id, file_key, _context(subject, key_id))
    return FileKeyWrap.objects.create(subject=subject, provider=keeper.id, key_id=key_id, blob=blob)


def file_key(subject: uuid.UUID) -> bytes:
    """Return the file key of `subject`, or raise KeyUnusable."""
    wrap = FileKeyWrap.objects.filter(subject=subject).first()
    if wrap is None:
        raise KeyUnusable("There is no key for this item.")
    return _unwrapped(provider(), wrap)


def forget(subject: uuid.UUID) -> None:
    """Delete the wrap of a subject that never became an item, if there is one."""
    for wrap in FileKeyWrap.objects.filter(subject=subject):
        wrap.delete()


def _unwrapped(keeper: KeyProvider, wrap: FileKeyWrap) -> bytes:
    return keeper.unwrap(wrap.key_id, bytes(wrap.blob), _context(wrap.subject, wrap.key_id))


def _context(subject: uuid.UUID, key_id: str) -> dict[str, str]:
    return {"item": str(subject), "kek": key_id, "v": "1"}
