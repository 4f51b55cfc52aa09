"""Vault: key-encryption keys in the transit engine of HashiCorp Vault or OpenBao."""

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import hvac
from hvac.exceptions import (
    BadGateway,
    InternalServerError,
    InvalidPath,
    RateLimitExceeded,
    VaultDown,
    VaultError,
)
from requests import RequestException

from compliance.errors import KeeperAway, KeyUnusable
from compliance.vault.providers import Context, KeyProvider

SECONDS = 10
PASSING = (BadGateway, InternalServerError, RateLimitExceeded, VaultDown, RequestException)


@dataclass(frozen=True)
class Provider(KeyProvider):
    """Keys of type aes256-gcm96 that cannot be exported. The context is the associated data.

    The token is read from its file each time, as an agent renews it there. Its policy lets it
    `update` encrypt and decrypt: with `create`, Vault would make a missing key anew.
    """

    kind: ClassVar[str] = "vault"
    files: ClassVar[tuple[str, ...]] = ("token_file",)
    url: str
    token_file: str
    mount: str = "transit"
    prefix: str = "dutyline"

    def make(self, key_id: str) -> None:
        """Create a key; Vault leaves one that is there as it is."""
        with self._transit() as transit:
            transit.create_key(self._name(key_id), key_type="aes256-gcm96", mount_point=self.mount)

    def wrap(self, file_key: bytes, context: Context) -> bytes:
        """Return the text that Vault calls ciphertext: `vault:v1:…`."""
        with self._transit() as transit:
            answer = transit.encrypt_data(
                self._name(context.kek),
                plaintext=_text(file_key),
                associated_data=_text(context.canonical()),
                mount_point=self.mount,
            )
        return cast(str, answer["data"]["ciphertext"]).encode()

    def unwrap(self, blob: bytes, context: Context) -> bytes:
        """Return what Vault decrypts."""
        with self._transit() as transit:
            answer = transit.decrypt_data(
                self._name(context.kek),
                ciphertext=blob.decode(errors="replace"),
                associated_data=_text(context.canonical()),
                mount_point=self.mount,
            )
            return base64.b64decode(answer["data"]["plaintext"], validate=True)

    def destroy(self, key_id: str) -> None:
        """Allow the deletion, then delete all versions of the key."""
        name = self._name(key_id)
        with self._transit() as transit:
            try:
                transit.read_key(name, mount_point=self.mount)
            except InvalidPath:
                return
            transit.update_key_configuration(name, deletion_allowed=True, mount_point=self.mount)
            transit.delete_key(name, mount_point=self.mount)

    def _name(self, key_id: str) -> str:
        return f"{self.prefix}-{key_id}"

    @contextmanager
    def _transit(self) -> Iterator[Any]:
        """Tell apart whether Vault refuses, or does not answer."""
        try:
            token = Path(self.token_file).read_text("ascii").strip()
        except (OSError, ValueError) as error:
            raise KeeperAway("The token of Vault cannot be read.") from error
        try:
            yield hvac.Client(self.url, token, timeout=SECONDS).secrets.transit
        except PASSING as error:
            raise KeeperAway(f"Vault does not answer: {type(error).__name__}.") from error
        except (VaultError, binascii.Error) as error:
            raise KeyUnusable(f"Vault refuses: {type(error).__name__}.") from error


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
