"""Notes: what the log signs and hands out, and what witnesses add to it.

C2SP signed-note, checkpoint, tlog-proof and tlog-cosignature, v1.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from compliance.audit import tree

PROOF = "c2sp.org/tlog-proof@v1"
ED25519 = b"\x01"
COSIGNATURE = b"\x04"  # of a witness: with a time, and over it
_KEY_ID = 4
_TIME = 8
_MOST_SIGNATURES = 100
_MOST_HASHES = 63
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_NAME = re.compile(r"[^\s+]+")
_SIGNATURE = re.compile(r"— ([^\s+]+) (\S+)")


class BadNote(ValueError):
    """The text is no note, checkpoint, key or proof, or its signature is not the log's."""


@dataclass(frozen=True)
class Verifier:
    """A key that notes are checked with, and the name it goes by."""

    name: str
    public: bytes
    kind: bytes = ED25519

    @property
    def key_id(self) -> bytes:
        """Return the four bytes that name this key in a signature line."""
        named = self.name.encode() + b"\n" + self.kind + self.public
        return hashlib.sha256(named).digest()[:_KEY_ID]

    @property
    def vkey(self) -> str:
        """Return the key as one line of text."""
        return f"{self.name}+{self.key_id.hex()}+{_b64(self.kind + self.public)}"

    def check(self, text: str, signature: bytes) -> None:
        """Raise BadNote unless the signature, a cosignature with its time, fits the text."""
        message = text.encode()
        if self.kind == COSIGNATURE:
            time, signature = int.from_bytes(signature[:_TIME]), signature[_TIME:]
            message = f"cosignature/v1\ntime {time}\n".encode() + message
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature as error:
            raise BadNote(f"The signature of {self.name} does not fit the note.") from error


@dataclass(frozen=True)
class Checkpoint:
    """A state of the log: its origin, its size and its root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """Return what is signed."""
        return f"{self.origin}\n{self.size}\n{_b64(self.root)}\n"


@dataclass(frozen=True)
class Proof:
    """A receipt: which leaf, the way up, and the signed state it leads to."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str

    @property
    def text(self) -> str:
        """Return the receipt as a file (tlog-proof)."""
        lines = [PROOF, f"index {self.index}", *map(_b64, self.hashes)]
        return "\n".join(lines) + f"\n\n{self.checkpoint}"


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unb64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadNote(f"{text[:60]!r} is not base64.") from error
    if _b64(data) != text:
        raise BadNote(f"{text[:60]!r} is not the shortest base64 of what it says.")
    return data


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise BadNote(f"{text[:60]!r} is no size or index: digits only, no leading zero.")
    return int(text)


def _hash(text: str) -> bytes:
    data = _unb64(text)
    if len(data) != tree.HASH:
        raise BadNote(f"A hash is 32 bytes long, {text[:60]!r} is {len(data)}.")
    return data


def verifier(name: str, key: Ed25519PrivateKey) -> Verifier:
    """Return the public side of a signing key."""
    if not _NAME.fullmatch(name):
        raise BadNote(f"{name!r} cannot name a key: no spaces, no plus sign.")
    return Verifier(name, key.public_key().public_bytes_raw())


def read_vkey(text: str, *, kind: bytes = ED25519) -> Verifier:
    """Read a key of a log, or of a witness, from its line of text; its id must be its own."""
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    data = _unb64(encoded)
    found = Verifier(name, data[1:], kind)
    if not _NAME.fullmatch(name) or data[:1] != kind or len(found.public) != 32:
        whose = "log" if kind == ED25519 else "witness"
        raise BadNote(f"This is no Ed25519 key of a {whose}: name+id+base64 is wanted.")
    if key_id != found.key_id.hex():
        raise BadNote(f"The key's id is {found.key_id.hex()}, not {key_id[:60]!r}.")
    return found


def sign(text: str, name: str, key: Ed25519PrivateKey) -> str:
    """Sign `text` as the log `name`."""
    signature = verifier(name, key).key_id + key.sign(text.encode())
    return f"{text}\n— {name} {_b64(signature)}\n"


def open_note(note: str, by: Verifier) -> str:
    """Return the text that `by` signed. Other keys are ignored; a bad signature is not."""
    text, _ = _opened(note, by)
    return text


def cosignature(note: str, by: Verifier) -> str:
    """Return the line of the note in which the witness `by` cosigned it."""
    _, data = _opened(note, by)
    return f"— {by.name} {_b64(data)}\n"


def _opened(note: str, by: Verifier) -> tuple[str, bytes]:
    text, gap, tail = note.rpartition("\n\n")
    lines = tail.split("\n")
    if not gap or lines.pop() != "" or not 1 <= len(lines) <= _MOST_SIGNATURES:
        raise BadNote("A note is text, an empty line, and its signatures, each on a line.")
    if any(ord(char) < 0x20 and char != "\n" for char in note):
        raise BadNote("A note has no control characters.")
    signatures = [_signature(line) for line in lines]
    known = [data for name, data in signatures if (name, data[:_KEY_ID]) == (by.name, by.key_id)]
    if not known:
        raise BadNote(f"The note is not signed by {by.name} with key {by.key_id.hex()}.")
    for data in known:
        by.check(f"{text}\n", data[_KEY_ID:])
    return f"{text}\n", known[0]


def _signature(line: str) -> tuple[str, bytes]:
    found = _SIGNATURE.fullmatch(line)
    if not found:
        raise BadNote(f"{line[:60]!r} is no signature line.")
    data = _unb64(found[2])
    if len(data) <= _KEY_ID:
        raise BadNote(f"{line[:60]!r} holds no signature.")
    return found[1], data


def open_checkpoint(note: str, by: Verifier) -> Checkpoint:
    """Return the checkpoint that `by`, the log itself, signed."""
    lines = open_note(note, by).split("\n")
    if len(lines) != 4 or lines[0] != by.name:
        raise BadNote(f"A checkpoint of {by.name} has three lines: origin, size, root.")
    return Checkpoint(lines[0], _number(lines[1]), _hash(lines[2]))


def read_proof(text: str) -> Proof:
    """Read a receipt. What it proves is checked by `verify_proof`."""
    head, gap, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not gap or lines.pop(0) != PROOF:
        raise BadNote(f"A receipt begins with {PROOF} and holds a checkpoint.")
    if lines and lines[0].startswith("extra "):  # signed by nobody, so read by nobody
        _unb64(lines.pop(0).removeprefix("extra "))
    if not lines or not lines[0].startswith("index "):
        raise BadNote("A receipt says the index of its entry.")
    index = _number(lines.pop(0).removeprefix("index "))
    if len(lines) > _MOST_HASHES:
        raise BadNote("A receipt has 63 hashes at most.")
    return Proof(index, tuple(_hash(line) for line in lines), checkpoint)


def verify_proof(text: str, data: bytes, vkey: str) -> Checkpoint:
    """Return the signed state of the log that holds `data`, or raise: all a receipt can say."""
    # 1. The receipt and the key are well formed. 2. The log signed the checkpoint.
    proof = read_proof(text)
    checkpoint = open_checkpoint(proof.checkpoint, read_vkey(vkey))
    # 3. The entry's own leaf leads to the signed root.
    leaf = tree.leaf_hash(data)
    tree.verify_inclusion(proof.index, checkpoint.size, leaf, proof.hashes, checkpoint.root)
    return checkpoint


def write_proof(index: int, hashes: Sequence[bytes], checkpoint: str) -> str:
    """Write a receipt."""
    return Proof(index, tuple(hashes), checkpoint).text
