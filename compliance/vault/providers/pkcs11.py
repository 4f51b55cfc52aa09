"""PKCS#11: key-encryption keys in a hardware module, which never hands them out."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any, ClassVar, cast

import pkcs11
from pkcs11 import Attribute, GCMParams, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import (
    DataInvalid,
    EncryptedDataInvalid,
    EncryptedDataLenRange,
    FunctionFailed,
    GeneralError,
    NoSuchKey,
    PKCS11Error,
)

from compliance.errors import KeeperAway, KeyUnusable
from compliance.vault.providers import Context, KeyProvider

NONCE, TAG = 12, 128  # bytes, bits
LOCKED = {Attribute.EXTRACTABLE: False, Attribute.SENSITIVE: True}
# How modules say that a ciphertext is not genuine; SoftHSM says no more than "general error".
NOT_GENUINE = (
    DataInvalid, EncryptedDataInvalid, EncryptedDataLenRange, FunctionFailed, GeneralError,
)  # fmt: skip


@dataclass
class Provider(KeyProvider):
    """AES-256 keys in one token of a module, by label; CKM_AES_GCM with the context as its AAD.

    A session is opened at first use, in the process that uses it, and again after it was lost.
    """

    kind: ClassVar[str] = "pkcs11"
    files: ClassVar[tuple[str, ...]] = ("library", "pin_file")
    library: str
    token: str
    pin_file: str
    prefix: str = "dutyline"

    def __post_init__(self) -> None:
        # A session is used by one thread at a time (PKCS #11 3.1, section 2.6.6).
        self._lock = RLock()
        self._session: Any = None

    def make(self, key_id: str) -> None:
        """Generate a key in the module that cannot leave it."""
        with self._lock, self._asking() as session:
            try:
                self._found(session, key_id)
            except NoSuchKey:
                session.generate_key(
                    KeyType.AES, 256, label=self._label(key_id), store=True, template=LOCKED
                )

    def wrap(self, file_key: bytes, context: Context) -> bytes:
        """Return nonce (12 bytes) and AES-256-GCM ciphertext."""
        nonce = os.urandom(NONCE)
        with self._lock, self._asking() as session:
            key = self._found(session, context.kek)
            return nonce + cast(bytes, key.encrypt(file_key, **_gcm(nonce, context)))

    def unwrap(self, blob: bytes, context: Context) -> bytes:
        """Return the key inside `blob`; another item's context or a changed byte is refused."""
        with self._lock, self._asking() as session:
            key = self._found(session, context.kek)
            try:
                plain = key.decrypt(blob[NONCE:], **_gcm(blob[:NONCE], context))
            except NOT_GENUINE as error:
                raise KeyUnusable(
                    "A wrapped key does not open under its key and context."
                ) from error
            return cast(bytes, plain)

    def destroy(self, key_id: str) -> None:
        """Destroy the object in the module."""
        with self._lock, self._asking() as session:
            try:
                self._found(session, key_id).destroy()
            except NoSuchKey:
                return

    def _label(self, key_id: str) -> str:
        return f"{self.prefix}-{key_id}"

    def _found(self, session: Any, key_id: str) -> Any:
        return session.get_key(object_class=ObjectClass.SECRET_KEY, label=self._label(key_id))

    @contextmanager
    def _asking(self) -> Iterator[Any]:
        """Lend the session. Tell apart whether the key is at fault, or the module is away."""
        try:
            yield self._opened()
        except NoSuchKey as error:
            raise KeyUnusable("The hardware module holds no such key.") from error
        except (PKCS11Error, OSError) as error:
            self._session = None
            raise KeeperAway(f"The hardware module fails: {type(error).__name__}.") from error

    def _opened(self) -> Any:
        if self._session is None:
            pin = Path(self.pin_file).read_text("utf-8").strip()
            token = pkcs11.lib(self.library).get_token(token_label=self.token)
            self._session = token.open(rw=True, user_pin=pin)
        return self._session


def _gcm(nonce: bytes, context: Context) -> dict[str, Any]:
    return {
        "mechanism": Mechanism.AES_GCM,
        "mechanism_param": GCMParams(nonce, context.canonical(), TAG),
    }
