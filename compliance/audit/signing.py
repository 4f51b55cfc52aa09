"""Signing: the key of the log, and the head: what it signed last, kept outside the database.

With the head a restored backup or a shortened log is noticed before anything is signed over it.
"""

import base64
import binascii
import os
import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from compliance.audit import notes
from compliance.audit.notes import Checkpoint
from compliance.errors import KeyUnusable


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


def verifier() -> notes.Verifier:
    """Return the public side of the log's key, under the log's name."""
    return notes.verifier(settings.LOG_ORIGIN, _key())


def vkey() -> str:
    """Return the public key of the log as one line of text."""
    return verifier().vkey


def head() -> Checkpoint | None:
    """Return the last signed state as it is kept outside the database; None before the first."""
    try:
        note = Path(settings.LOG_HEAD_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return notes.open_checkpoint(note, verifier())


def keep_head(note: str, size: int) -> None:
    """Keep `note` as the head, whole or not at all; a slower sealer does not turn it back."""
    kept = head()
    if kept and kept.size >= size:
        return
    path = Path(settings.LOG_HEAD_FILE)
    _draft(path, note.encode()).replace(path)


def sign(size: int, root: bytes) -> str:
    """Return the signed note of a state of the log."""
    return sign_text(Checkpoint(settings.LOG_ORIGIN, size, root).text)


def sign_text(text: str) -> str:
    """Return a note over another text, whose first line must not be the log's own name."""
    return notes.sign(text, settings.LOG_ORIGIN, _key())
