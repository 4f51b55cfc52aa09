"""The age v1 format: keys, and the headers that hold a file key for them.

The specification is c2sp.org/age. We seal for mlkem768x25519, which withstands a quantum computer
and is our default, for X25519, and for p256tag, whose secret key stays in a smart card. Passphrases
and armor are only read.
"""

import hashlib
import hmac
import io
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from typing import BinaryIO, ClassVar, Protocol, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from compliance.vault import bech32, grammar, stream
from compliance.vault.grammar import (
    MLKEM768_X25519,
    P256_TAG,
    SCRYPT,
    SHARES,
    VERSION,
    X25519,
    ArmorError,
    HeaderError,
    Stanza,
    dearmor,
    decode_base64,
    encode_base64,
)
from compliance.vault.stream import AgeError, PayloadError

__all__ = [
    "AgeError",
    "ArmorError",
    "HeaderError",
    "HmacError",
    "Identity",
    "KeyTextError",
    "NoMatch",
    "Passphrase",
    "PayloadError",
    "Recipient",
    "dearmor",
    "fingerprint",
    "generate_identity",
    "header",
    "open_file",
    "parse_identity",
    "parse_recipient",
    "unwrap",
]

MLKEM768_PUBLIC, MLKEM768_SEED, MLKEM768_CIPHERTEXT = 1184, 64, 1088
SEED = 32
HYBRID = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
HYBRID_INFO = b"age-encryption.org/mlkem768x25519"
TAGGED = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
TAGGED_INFO = b"age-encryption.org/p256tag"
P256_POINT, P256_SHARE, TAG_SIZE = 33, 65, 4
# Any private key finds out a public point of low order.
PROBE = X25519PrivateKey.generate()

Key = TypeVar("Key")


class KeyTextError(AgeError):
    """This text is not an age key that we can use."""


class NoMatch(AgeError):
    """None of these keys opens this file."""


class HmacError(AgeError):
    """The header of this file was altered after it was written."""


class Opener(Protocol):
    """Whatever opens stanzas of its kind. A stanza meant for another raises InvalidTag."""

    @property
    def kind(self) -> str: ...

    def open(self, stanza: Stanza, /) -> bytes: ...


class Recipient(ABC):
    """A public key to seal for. Its text is lower case, whichever way it was typed."""

    kind: ClassVar[str]
    prefix: ClassVar[str]

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipient) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        return bech32.encode(self.prefix, self.raw)

    @abstractmethod
    def wrap(self, file_key: bytes | bytearray) -> Stanza:
        """Wrap a file key so that only this recipient's identity opens it."""


class X25519Recipient(Recipient):
    """A classic public key, for agencies whose age is older than 1.3."""

    kind, prefix = X25519, "age"

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        self._key = X25519PublicKey.from_public_bytes(raw)
        PROBE.exchange(self._key)

    def wrap(self, file_key: bytes | bytearray) -> Stanza:
        """Wrap a file key under an ephemeral share (age, "The X25519 recipient type")."""
        ephemeral = X25519PrivateKey.generate()
        share = ephemeral.public_key().public_bytes_raw()
        wrapping = _x25519_aead(ephemeral.exchange(self._key), share, self.raw)
        return Stanza(
            self.kind, (encode_base64(share),), wrapping.encrypt(bytes(12), file_key, None)
        )


class HybridRecipient(Recipient):
    """A public key of ML-KEM-768 and X25519 together: safe while either of them is."""

    kind, prefix = MLKEM768_X25519, "age1pq"

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        x25519 = X25519PublicKey.from_public_bytes(raw[MLKEM768_PUBLIC:])
        PROBE.exchange(x25519)
        mlkem = MLKEM768PublicKey.from_public_bytes(raw[:MLKEM768_PUBLIC])
        self._key = MLKEM768X25519PublicKey(mlkem, x25519)

    def wrap(self, file_key: bytes | bytearray) -> Stanza:
        """Wrap a file key by HPKE (age, "The mlkem768x25519 recipient type")."""
        sealed = HYBRID.encrypt(file_key, self._key, HYBRID_INFO)
        share, body = sealed[: SHARES[self.kind]], sealed[SHARES[self.kind] :]
        return Stanza(self.kind, (encode_base64(share),), body)


class TaggedRecipient(Recipient):
    """A P-256 public key whose secret half never leaves its hardware (PIV, YubiKey).

    Not safe from a quantum computer. Its tag lets whoever knows the key recognise its files.
    """

    kind, prefix = P256_TAG, "age1tag"

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        if len(raw) != P256_POINT:
            raise ValueError("The point is not compressed.")
        self._key = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), raw)

    def wrap(self, file_key: bytes | bytearray) -> Stanza:
        """Wrap a file key by HPKE, under a tag (age, "The p256tag recipient type")."""
        sealed = TAGGED.encrypt(file_key, self._key, TAGGED_INFO)
        share, body = sealed[:P256_SHARE], sealed[P256_SHARE:]
        known = share + hashlib.sha256(self.raw).digest()[:TAG_SIZE]
        tag = hmac.digest(TAGGED_INFO, known, "sha256")[:TAG_SIZE]
        return Stanza(self.kind, (encode_base64(tag), encode_base64(share)), body)


class Identity(ABC):
    """A secret key. Only `str` shows it, in upper case; its repr does not."""

    kind: ClassVar[str]
    prefix: ClassVar[str]

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED:
            raise ValueError(f"An identity has {SEED} bytes.")
        self._seed = seed

    def __str__(self) -> str:
        return bech32.encode(self.prefix, self._seed).upper()

    @property
    @abstractmethod
    def recipient(self) -> Recipient:
        """The public key that belongs to this identity."""

    @abstractmethod
    def open(self, stanza: Stanza) -> bytes:
        """Unwrap the file key, or raise InvalidTag when it is not wrapped for this identity."""


class X25519Identity(Identity):
    """A classic secret key."""

    kind, prefix = X25519, "age-secret-key-"

    def __init__(self, seed: bytes) -> None:
        super().__init__(seed)
        self._key = X25519PrivateKey.from_private_bytes(seed)

    @cached_property
    def recipient(self) -> X25519Recipient:
        """The public key that belongs to this identity."""
        return X25519Recipient(self._key.public_key().public_bytes_raw())

    def open(self, stanza: Stanza) -> bytes:
        """Unwrap the file key, or raise InvalidTag when it is not wrapped for this identity."""
        share = decode_base64(stanza.arguments[0])
        shared = _exchange(self._key, share)
        return _x25519_aead(shared, share, self.recipient.raw).decrypt(bytes(12), stanza.body, None)


class HybridIdentity(Identity):
    """A secret seed from which the ML-KEM-768 and the X25519 key are grown."""

    kind, prefix = MLKEM768_X25519, "age-secret-key-pq-"

    def __init__(self, seed: bytes) -> None:
        super().__init__(seed)
        grown = hashlib.shake_256(seed).digest(MLKEM768_SEED + 32)
        self._mlkem = MLKEM768PrivateKey.from_seed_bytes(grown[:MLKEM768_SEED])
        self._x25519 = X25519PrivateKey.from_private_bytes(grown[MLKEM768_SEED:])
        self._key = MLKEM768X25519PrivateKey(self._mlkem, self._x25519)

    @cached_property
    def recipient(self) -> HybridRecipient:
        """The public key that belongs to this identity."""
        x25519 = self._x25519.public_key().public_bytes_raw()
        return HybridRecipient(self._mlkem.public_key().public_bytes_raw() + x25519)

    def open(self, stanza: Stanza) -> bytes:
        """Unwrap the file key, or raise InvalidTag when it is not wrapped for this identity."""
        share = decode_base64(stanza.arguments[0])
        # HPKE would report a share of low order as a mere mismatch; it is a malformed header.
        _exchange(self._x25519, share[MLKEM768_CIPHERTEXT:])
        return HYBRID.decrypt(share + stanza.body, self._key, HYBRID_INFO)


class Passphrase:
    """A passphrase, for reading only."""

    kind = SCRYPT

    def __init__(self, passphrase: str) -> None:
        self._passphrase = passphrase.encode()

    def open(self, stanza: Stanza) -> bytes:
        """Unwrap the file key, or raise InvalidTag when the passphrase is another."""
        salt, factor = decode_base64(stanza.arguments[0]), stanza.arguments[1]
        # 22 costs 4 GiB. A stranger's file must not be able to ask for more.
        if not re.fullmatch(rb"[1-9]|1[0-9]|2[0-2]", factor):
            raise HeaderError("The work factor of the passphrase is not a number from 1 to 22.")
        kdf = Scrypt(b"age-encryption.org/v1/scrypt" + salt, 32, 1 << int(factor), 8, 1)
        key = ChaCha20Poly1305(kdf.derive(self._passphrase))
        return key.decrypt(bytes(12), stanza.body, None)


RECIPIENTS = {each.prefix: each for each in (HybridRecipient, X25519Recipient, TaggedRecipient)}
IDENTITIES = {each.prefix: each for each in (HybridIdentity, X25519Identity)}
KINDS = {each.kind: each for each in (HybridIdentity, X25519Identity)}


def generate_identity(kind: str = MLKEM768_X25519) -> Identity:
    """Make a new secret key."""
    if kind not in KINDS:
        raise ValueError(f"There is no kind of key called {kind}.")
    return KINDS[kind](os.urandom(SEED))


def parse_identity(text: str) -> Identity:
    """Read a secret key from its text."""
    return _parse(text, IDENTITIES)


def parse_recipient(text: str) -> Recipient:
    """Read a public key from its text."""
    return _parse(text, RECIPIENTS)


def fingerprint(recipient: Recipient) -> str:
    """Digest a public key for reading out over the telephone: SHA-256 of its text, in hex."""
    return hashlib.sha256(str(recipient).encode()).hexdigest()


def header(file_key: bytes | bytearray, recipients: Collection[Recipient]) -> bytes:
    """Write a header that holds the file key for these recipients."""
    if len(file_key) != stream.FILE_KEY:
        raise ValueError(f"A file key has {stream.FILE_KEY} bytes.")
    if not recipients:
        raise ValueError("A header without recipients could never be opened.")
    if len({recipient.kind for recipient in recipients}) > 1:
        raise ValueError("Classic beside post-quantum would undo the latter: never seal for both.")
    covered = grammar.write(recipient.wrap(file_key) for recipient in recipients)
    return covered + b" " + encode_base64(_mac(file_key, covered)) + b"\n"


def unwrap(source: bytes | BinaryIO, identities: Iterable[Opener]) -> bytes:
    """Read a header, leave a stream behind it, and return the file key.

    In this order: grammar, stanza that matches, MAC. Each fails with an error of its own.
    """
    head = grammar.read(io.BytesIO(source) if isinstance(source, bytes) else source)
    file_key = _match(head.stanzas, identities)
    if not hmac.compare_digest(head.mac, _mac(file_key, head.covered)):
        raise HmacError("The header was altered after it was written.")
    return file_key


def open_file(source: BinaryIO, identities: Iterable[Opener]) -> Iterator[bytes]:
    """Open an age file: its header at once, its payload as the iterator is read."""
    file_key = unwrap(source, identities)
    nonce = stream.fill(source, stream.NONCE)
    if len(nonce) < stream.NONCE:
        raise HeaderError("The file ends before its payload begins.")
    return stream.open_chunks(file_key, source, nonce)


def _x25519_aead(shared: bytes, share: bytes, recipient: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(_hkdf(shared, share + recipient, VERSION + b"/X25519"))


def _exchange(key: X25519PrivateKey, share: bytes) -> bytes:
    try:
        return key.exchange(X25519PublicKey.from_public_bytes(share))
    except ValueError:
        raise HeaderError("The header holds a share of low order.") from None


def _hkdf(secret: bytes | bytearray, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, info).derive(secret)


def _mac(file_key: bytes | bytearray, covered: bytes) -> bytes:
    return hmac.digest(_hkdf(file_key, b"", b"header"), covered, "sha256")


def _match(stanzas: list[Stanza], identities: Iterable[Opener]) -> bytes:
    for identity in identities:
        for stanza in stanzas:
            if stanza.kind == identity.kind:
                with suppress(InvalidTag):
                    return identity.open(stanza)
    raise NoMatch("None of these keys opens this file.")


def _parse(text: str, kinds: Mapping[str, Callable[[bytes], Key]]) -> Key:
    try:
        prefix, raw = bech32.decode(text.strip())
    except ValueError as error:
        raise KeyTextError(str(error)) from None
    if prefix not in kinds:
        raise KeyTextError(f"Not a key of a kind that is known here: {', '.join(kinds)}.")
    try:
        return kinds[prefix](raw)
    except ValueError:
        raise KeyTextError("The text is complete, but the key in it is not valid.") from None
