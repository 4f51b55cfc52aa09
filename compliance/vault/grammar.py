"""The grammar of an age file: the header with its stanzas, and armor (c2sp.org/age).

It knows nothing of keys. Whatever departs from the grammar by one byte is refused.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from typing import BinaryIO, NamedTuple

from compliance.vault import stream
from compliance.vault.stream import AgeError

VERSION = b"age-encryption.org/v1"
X25519 = "X25519"
MLKEM768_X25519 = "mlkem768x25519"
P256_TAG = "p256tag"
SCRYPT = "scrypt"
# How long the first argument of a stanza is: an X25519 share, an HPKE encapsulation, a salt.
SHARES = {X25519: 32, MLKEM768_X25519: 1120, SCRYPT: 16}
WRAPPED = stream.FILE_KEY + stream.TAG
COLUMNS = 64
HEADER_LIMIT = 1 << 20
ARMOR_BEGIN = b"-----BEGIN AGE ENCRYPTED FILE-----"
ARMOR_END = b"-----END AGE ENCRYPTED FILE-----"


class ArmorError(AgeError):
    """The armor around this file is malformed."""


class HeaderError(AgeError):
    """The header of this file is malformed."""


class Stanza(NamedTuple):
    """A file key wrapped for one recipient."""

    kind: str
    arguments: tuple[bytes, ...]
    body: bytes


class Header(NamedTuple):
    """A header as it was read: its stanzas, and the MAC over the bytes it covers."""

    stanzas: list[Stanza]
    mac: bytes
    covered: bytes


def dearmor(text: bytes) -> bytes:
    """Read strict armor (RFC 7468). Whitespace is allowed around it, nowhere within."""
    lines = re.split(rb"\r?\n", text.strip())
    body = lines[1:-1]
    if lines[0] != ARMOR_BEGIN or lines[-1] != ARMOR_END:
        raise ArmorError("The armor does not begin and end with its two marker lines.")
    widths = [len(line) for line in body]
    if any(width != COLUMNS for width in widths[:-1]) or not all(0 < w <= COLUMNS for w in widths):
        raise ArmorError(f"The armor is not in lines of {COLUMNS} columns.")
    return _strict_base64(b"".join(body), ArmorError)


def read(source: BinaryIO) -> Header:
    """Read a header and leave the source behind it."""
    lines = _Lines(source)
    if lines.take() != VERSION:
        raise HeaderError("This is not an age file of version 1.")
    stanzas = []
    while (line := lines.take()).startswith(b"->"):
        stanzas.append(_read_stanza(line, lines))
    if not stanzas or not re.fullmatch(rb"--- [A-Za-z0-9+/]{43}", line):
        raise HeaderError("The header holds no file key, or does not end with its MAC.")
    if len(stanzas) > 1 and any(stanza.kind == SCRYPT for stanza in stanzas):
        raise HeaderError("A passphrase must be the only way to open a file.")
    covered = bytes(lines.seen.removesuffix(line[3:] + b"\n"))
    return Header(stanzas, decode_base64(line[4:]), covered)


def write(stanzas: Iterable[Stanza]) -> bytes:
    """Write the part of a header that its MAC covers."""
    return VERSION + b"\n" + b"".join(_lines_of(stanza) for stanza in stanzas) + b"---"


def encode_base64(data: bytes) -> bytes:
    """Write base64 as headers have it: without padding."""
    return base64.b64encode(data).rstrip(b"=")


def decode_base64(text: bytes) -> bytes:
    """Read base64 as headers have it: without padding, and with no second spelling."""
    if text.endswith(b"="):
        raise HeaderError("Base64 in a header is not padded.")
    return _strict_base64(text + b"=" * (-len(text) % 4), HeaderError)


class _Lines:
    """The lines of a header, and all that was seen of them: the MAC covers it to the byte."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.seen = bytearray()

    def take(self) -> bytes:
        line = self._source.readline(HEADER_LIMIT)
        self.seen += line
        if not line.endswith(b"\n") or len(self.seen) > HEADER_LIMIT:
            raise HeaderError("The header breaks off or has no end.")
        return line[:-1]


def _read_stanza(opening: bytes, lines: _Lines) -> Stanza:
    if not re.fullmatch(rb"->( [!-~]+)+", opening):
        raise HeaderError("A stanza of the header has malformed arguments.")
    kind, *arguments = opening.split(b" ")[1:]
    body = bytearray()
    while len(line := lines.take()) == COLUMNS:
        body += line
    if len(line) > COLUMNS:
        raise HeaderError(f"A stanza of the header is wider than {COLUMNS} columns.")
    stanza = Stanza(kind.decode("ascii"), tuple(arguments), decode_base64(bytes(body + line)))
    _check_shape(stanza)
    return stanza


def _check_shape(stanza: Stanza) -> None:
    # Before any decryption, so that whether it succeeds tells nobody which key was tried.
    if stanza.kind not in SHARES:
        return
    if len(stanza.arguments) != (2 if stanza.kind == SCRYPT else 1):
        raise HeaderError(f"A stanza of type {stanza.kind} has a wrong number of arguments.")
    share = decode_base64(stanza.arguments[0])
    if len(share) != SHARES[stanza.kind] or len(stanza.body) != WRAPPED:
        raise HeaderError(f"A stanza of type {stanza.kind} has a wrong length.")


def _lines_of(stanza: Stanza) -> bytes:
    body = encode_base64(stanza.body)
    # The last line is always short, so a body that fills its lines is followed by an empty one.
    rows = [body[start : start + COLUMNS] for start in range(0, len(body) + 1, COLUMNS)]
    opening = b" ".join((b"->", stanza.kind.encode(), *stanza.arguments))
    return b"".join(line + b"\n" for line in (opening, *rows))


def _strict_base64(text: bytes, error: type[AgeError]) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise error("This is not base64.") from None
    if base64.b64encode(data) != text:
        raise error("This base64 is not canonical.")
    return data
