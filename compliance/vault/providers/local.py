"""Local: key-encryption keys in files beside the others of ours. The default."""

import base64
import os
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from compliance.errors import KeyUnusable
from compliance.vault.providers import UNOPENED, Context, KeyProvider

KEK = 32  # bytes (AES-256)
NONCE = 12


@dataclass(frozen=True)
class Provider(KeyProvider):
    """Keys in files of mode 0600, in `folder` or, if none is named, among all keys of ours."""

    kind: ClassVar[str] = "local"
    folder: str = ""

    def make(self, key_id: str) -> None:
        """Draw a key of 32 bytes, unless one is there."""
        make_secret(self._path(key_id), os.urandom(KEK))

    def wrap(self, file_key: bytes, context: Context) -> bytes:
        """Return nonce (12 bytes) and AES-256-GCM ciphertext."""
        nonce = os.urandom(NONCE)
        return nonce + self._cipher(context).encrypt(nonce, file_key, context.canonical())

    def unwrap(self, blob: bytes, context: Context) -> bytes:
        """Return the key inside `blob`; another item's context or a changed byte is refused."""
        cipher = self._cipher(context)
        try:
            return cipher.decrypt(blob[:NONCE], blob[NONCE:], context.canonical())
        except (InvalidTag, ValueError) as error:  # a ValueError: too short to hold a nonce
            raise KeyUnusable(UNOPENED) from error

    def destroy(self, key_id: str) -> None:
        """Overwrite and unlink the file. A disk that copies on write may still hold it."""
        path = self._path(key_id)
        with suppress(FileNotFoundError), path.open("r+b") as file:
            file.write(bytes(path.stat().st_size))
            os.fsync(file.fileno())
            path.unlink()
            _sync_folder(path.parent)

    def _path(self, key_id: str) -> Path:
        return Path(self.folder or settings.KEYS_DIR) / f"kek-{key_id}"

    def _cipher(self, context: Context) -> AESGCM:
        try:
            key = base64.b64decode(self._path(context.kek).read_bytes(), validate=True)
        except OSError as error:
            raise KeyUnusable(f"The key-encryption key {context.kek} cannot be read.") from error
        except ValueError:
            key = b""
        if len(key) != KEK:
            raise KeyUnusable(f"The key-encryption key {context.kek} is not base64 of {KEK} bytes.")
        return AESGCM(key)


def make_secret(path: Path, secret: bytes) -> None:
    """Write a secret in base64, mode 0600, to stay; if somebody else was faster, theirs stays."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(base64.b64encode(secret))
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    """Let a name outlive a power failure too: what is wrapped under a lost key is lost."""
    folder = os.open(path, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
