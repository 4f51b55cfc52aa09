"""The sealed payload: an age v1 STREAM of 64 KiB chunks, written, opened and cut into ranges.

A payload is a random nonce followed by chunks of ChaCha20-Poly1305 (c2sp.org/age, "Payload").
It is the object we keep at rest, and, behind a header, the file an agency opens. A payload is
never edited in place: other plaintext under the same nonce and counter would betray both.
"""

import hashlib
import os
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

CHUNK = 65536
TAG = 16
NONCE = 16
FILE_KEY = 16
SEALED_CHUNK = CHUNK + TAG
# Sixteen chunks, about a MiB, are sealed and hashed at a time; 4 to 64 are equally fast.
BATCH = 16

Bytes = bytes | bytearray | memoryview
Write = Callable[[bytes | memoryview], object]


class AgeError(ValueError):
    """This is not an age file that these keys open."""


class PayloadError(AgeError):
    """The payload is cut short, altered or out of order."""


class Readable(Protocol):
    """Anything that is read from front to back."""

    def read(self, size: int, /) -> bytes: ...


class Seekable(Readable, Protocol):
    """A source that can also be read from any place."""

    def seek(self, offset: int, /) -> object: ...


@dataclass(frozen=True)
class Sealed:
    """The figures of one sealed payload, as they are stored beside it."""

    plain_sha256: str
    plain_size: int
    sealed_sha256: str
    sealed_size: int
    crc32: int


def sealed_size(plain: int) -> int:
    """Say how long the payload of so many plaintext bytes is."""
    if plain < 0:
        raise ValueError("A size cannot be negative.")
    return NONCE + plain + TAG * max(1, -(-plain // CHUNK))


def plain_size(sealed: int) -> int:
    """Say how much plaintext a payload of this length holds, or refuse an impossible length."""
    body = sealed - NONCE
    plain = body - TAG * max(1, -(-body // SEALED_CHUNK))
    if plain < 0 or sealed_size(plain) != sealed:
        raise PayloadError(f"No sealed payload is {sealed} bytes long.")
    return plain


def fill(source: Readable, size: int) -> bytes:
    """Read `size` bytes, fewer only at the end, from a source that may return less than asked."""
    data = source.read(size)
    while 0 < len(data) < size and (more := source.read(size - len(data))):
        data += more
    return data


class Sealer:
    """Seal one payload as its bytes arrive, in pieces of any size.

    `write` takes all it is given before it returns, for the buffer behind it is used again. Give
    a `nonce` only to send identical plaintext once more.
    """

    def __init__(
        self, file_key: bytes | bytearray, write: Write, nonce: bytes | None = None
    ) -> None:
        nonce = os.urandom(NONCE) if nonce is None else nonce
        self._aead = _cipher(file_key, nonce)
        self._write = write
        self._held = memoryview(bytearray(CHUNK))
        self._batch = memoryview(bytearray(BATCH * SEALED_CHUNK))
        self._holding = self._filled = self._counter = 0
        self._finished = False
        self.plain_size, self.sealed_size = 0, NONCE
        write(nonce)

    def update(self, data: Bytes) -> None:
        """Seal all but the last chunk of what has arrived: it may yet prove to be the last."""
        self._refuse_if_finished()
        rest = memoryview(data).cast("B")
        while rest:
            if self._holding == CHUNK:
                self._seal(self._held)
                self._holding = 0
            if not self._holding and len(rest) > CHUNK:
                self._seal(rest[:CHUNK])
                rest = rest[CHUNK:]
            else:
                rest = self._hold(rest)

    def finish(self) -> None:
        """Seal the last chunk, which is empty only if the whole payload is."""
        self._refuse_if_finished()
        self._finished = True
        self._seal(self._held[: self._holding], last=True)

    def _refuse_if_finished(self) -> None:
        if self._finished:
            raise ValueError("This payload is finished; nothing can follow its last chunk.")

    def _hold(self, data: memoryview) -> memoryview:
        end = min(CHUNK, self._holding + len(data))
        taken = end - self._holding
        self._held[self._holding : end] = data[:taken]
        self._holding = end
        return data[taken:]

    def _seal(self, chunk: memoryview, *, last: bool = False) -> None:
        end = self._filled + len(chunk) + TAG
        room = self._batch[self._filled : end]
        self._aead.encrypt_into(_chunk_nonce(self._counter, last=last), chunk, None, room)
        self._counter += 1
        self._filled = end
        self.plain_size += len(chunk)
        self.sealed_size += len(room)
        if last or end == len(self._batch):
            self._write(self._batch[:end])
            self._filled = 0


class Recorder:
    """Seal one payload as its bytes arrive, and take its figures on the way."""

    def __init__(
        self, file_key: bytes | bytearray, write: Write, nonce: bytes | None = None
    ) -> None:
        self._write = write
        self._plain, self._object, self._crc32 = _Hasher(), _Hasher(), 0
        self._sealer = Sealer(file_key, self._record, nonce)

    def update(self, data: Bytes) -> None:
        """Seal and hash the next piece, of any size."""
        self._plain.update(data)
        self._sealer.update(data)

    def finish(self) -> Sealed:
        """Seal the last chunk and return the figures."""
        self._sealer.finish()
        return Sealed(
            self._plain.finish(),
            self._sealer.plain_size,
            self._object.finish(),
            self._sealer.sealed_size,
            self._crc32,
        )

    def _record(self, sealed: bytes | memoryview) -> None:
        self._object.update(sealed)
        self._crc32 = zlib.crc32(sealed, self._crc32)
        self._write(sealed)


def seal(file_key: bytes | bytearray, source: Readable, target: BinaryIO) -> Sealed:
    """Seal all of `source` into `target` under a new nonce."""
    recorder = Recorder(file_key, target.write)
    while data := source.read(BATCH * CHUNK):
        recorder.update(data)
    return recorder.finish()


def new_nonce() -> bytes:
    """Return the nonce of a payload that is sealed in parts."""
    return os.urandom(NONCE)


def seal_part(
    file_key: bytes | bytearray, nonce: bytes, counter: int, data: Bytes, *, last: bool
) -> bytearray:
    """Seal whole chunks from `counter` on, the nonce before the first; only the last may be short.

    What was sealed once under a counter must never be sealed again as other bytes.
    """
    aead, rest = _cipher(file_key, nonce), memoryview(data).cast("B")
    if not last and len(rest) % CHUNK:
        raise ValueError("Only the last part may end within a chunk.")
    sealed = bytearray(b"" if counter else nonce)
    while rest:
        chunk, rest = rest[:CHUNK], rest[CHUNK:]
        sealed += aead.encrypt(_chunk_nonce(counter, last=last and not rest), chunk, None)
        counter += 1
    return sealed


def open_chunks(
    file_key: bytes | bytearray, source: Readable, nonce: bytes | None = None
) -> Iterator[bytes]:
    """Open a payload from front to back, releasing each chunk once it has proved genuine.

    Whoever reads must not act on the plaintext before the iterator has ended in peace: a payload
    that was cut short is found out only at its end. Give the `nonce` if it was already read.
    """
    aead = _cipher(file_key, fill(source, NONCE) if nonce is None else nonce)
    for counter, (sealed, last) in enumerate(_sealed_chunks(source)):
        plain, marked_last = _open_marked(aead, counter, sealed, last=last)
        if plain:
            yield plain
        elif counter:
            raise PayloadError("An empty chunk follows the end of the payload.")
        if last and not marked_last:
            raise PayloadError("The payload is cut short.")
        if marked_last and not last:
            raise PayloadError("Something follows the end of the payload.")


def open_range(
    file_key: bytes | bytearray, source: Seekable, start: int, stop: int, sealed_size: int
) -> Iterator[bytes]:
    """Open plaintext bytes `start` to `stop` of the payload at the head of a seekable source.

    The last chunk is opened first and at once: it proves the size, so a caller who gets an
    iterator may already promise the length.
    """
    size = plain_size(sealed_size)
    if not 0 <= start <= stop <= size:
        raise ValueError(f"Bytes {start} to {stop} are not within a payload of {size} bytes.")
    source.seek(0)
    aead = _cipher(file_key, fill(source, NONCE))
    final = max(0, size - 1) // CHUNK

    def chunk(counter: int) -> bytes:
        offset = NONCE + counter * SEALED_CHUNK
        source.seek(offset)
        sealed = fill(source, min(SEALED_CHUNK, sealed_size - offset))
        return _open(aead, counter, sealed, last=counter == final)

    tail = chunk(final)
    wanted = range(start // CHUNK, -(-stop // CHUNK)) if start < stop else ()
    return (
        (tail if counter == final else chunk(counter))[
            max(0, start - counter * CHUNK) : stop - counter * CHUNK
        ]
        for counter in wanted
    )


class _Hasher:
    """A SHA-256 taken in a thread of its own, one batch behind.

    The thread starts with the first full batch and ends with `finish`, or when an abandoned
    hasher is collected. Bytes objects are kept, not copied; buffers, which may change, are copied.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._worker = ThreadPoolExecutor(max_workers=1)
        self._running: Future[None] | None = None
        self._waiting: list[bytes] = []
        self._size = 0

    def update(self, data: Bytes) -> None:
        self._waiting.append(bytes(data))
        self._size += len(self._waiting[-1])
        if self._size >= BATCH * CHUNK:
            self._wait()
            self._running = self._worker.submit(self._absorb, self._waiting)
            self._waiting, self._size = [], 0

    def finish(self) -> str:
        self._wait()
        self._worker.shutdown()
        self._absorb(self._waiting)
        return self._digest.hexdigest()

    def _absorb(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self._digest.update(piece)

    def _wait(self) -> None:
        if self._running:
            self._running.result()


def _cipher(file_key: bytes | bytearray, nonce: bytes) -> ChaCha20Poly1305:
    if len(file_key) != FILE_KEY:
        raise ValueError("A file key has 16 bytes.")
    if len(nonce) != NONCE:
        raise PayloadError("The payload ends within its nonce.")
    return ChaCha20Poly1305(HKDF(SHA256(), 32, nonce, b"payload").derive(file_key))


def _chunk_nonce(counter: int, *, last: bool) -> bytes:
    return counter.to_bytes(11, "big") + (b"\1" if last else b"\0")


def _sealed_chunks(source: Readable) -> Iterator[tuple[bytes, bool]]:
    """Cut the source into chunks, each with the answer to "does nothing follow?".

    One at a time: a chunk that was just read is opened while it is still in the processor's cache.
    An empty source still has a chunk, so that its absence is refused like any false one.
    """
    sealed = fill(source, SEALED_CHUNK)
    while following := fill(source, SEALED_CHUNK):
        yield sealed, False
        sealed = following
    yield sealed, True


def _open(aead: ChaCha20Poly1305, counter: int, sealed: Bytes, *, last: bool) -> bytes:
    try:
        return aead.decrypt(_chunk_nonce(counter, last=last), sealed, None)
    except InvalidTag:
        raise PayloadError(f"Chunk {counter} of the payload is not genuine.") from None


def _open_marked(
    aead: ChaCha20Poly1305, counter: int, sealed: bytes, *, last: bool
) -> tuple[bytes, bool]:
    """Open a chunk and say whether it is marked as the last one.

    A full chunk may be genuine and yet in the wrong place: the one before a cut, or a last one
    with data behind it. It is released before the payload is refused.
    """
    try:
        return _open(aead, counter, sealed, last=last), last
    except PayloadError:
        if len(sealed) < SEALED_CHUNK:
            raise
    return _open(aead, counter, sealed, last=not last), not last
