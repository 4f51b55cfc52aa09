"""The sealed payload: what is written opens again, and nothing else does."""

import array
import gc
import hashlib
import io
import itertools
import threading
import zlib
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from compliance.vault import stream
from compliance.vault.stream import CHUNK, NONCE, SEALED_CHUNK, TAG, PayloadError

KEY = bytes(range(16))
OTHER_KEY = bytes(16)
FIRST_NONCE = bytes(range(100, 116))
TEXT = hashlib.shake_256(b"an invented text").digest(3 * CHUNK + 1000)
EDGES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 1, len(TEXT)]


def chunk(counter: int, plain: bytes, *, last: bool) -> bytes:
    """One sealed chunk, written straight from the specification."""
    key = HKDF(SHA256(), 32, FIRST_NONCE, b"payload").derive(KEY)
    nonce = counter.to_bytes(11, "big") + bytes([last])
    return ChaCha20Poly1305(key).encrypt(nonce, plain, None)


def sealed(plain: bytes, nonce: bytes = FIRST_NONCE, key: bytes = KEY) -> bytes:
    out = bytearray()
    sealer = stream.Sealer(key, out.extend, nonce)
    sealer.update(plain)
    sealer.finish()
    return bytes(out)


def opened(payload: bytes, key: bytes = KEY) -> bytes:
    return b"".join(stream.open_chunks(key, io.BytesIO(payload)))


def released(payload: bytes) -> bytes:
    """What comes out of a payload that must be refused in the end."""
    out = bytearray()

    def pour() -> None:
        for piece in stream.open_chunks(KEY, io.BytesIO(payload)):
            out.extend(piece)

    with pytest.raises(PayloadError):
        pour()
    return bytes(out)


def flipped(payload: bytes, bit: int) -> bytes:
    changed = bytearray(payload)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


class Dribble(io.BytesIO):
    """A source that returns less than it was asked for, as a network does."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 40_000))


class TestSizes:
    @pytest.mark.parametrize("plain", [*EDGES, 10**12])
    def test_are_each_others_inverse(self, plain):
        assert stream.plain_size(stream.sealed_size(plain)) == plain

    @pytest.mark.parametrize("plain", EDGES)
    def test_say_how_long_a_payload_is(self, plain):
        assert stream.sealed_size(plain) == len(sealed(TEXT[:plain]))

    @pytest.mark.parametrize(
        "impossible",
        [-1, 0, NONCE, NONCE + TAG - 1, NONCE + SEALED_CHUNK + 1, NONCE + SEALED_CHUNK + TAG],
    )
    def test_refuse_what_no_payload_can_have(self, impossible):
        with pytest.raises(PayloadError, match=f"{impossible} bytes long"):
            stream.plain_size(impossible)

    def test_refuse_a_negative_size(self):
        with pytest.raises(ValueError, match="negative"):
            stream.sealed_size(-1)


class TestSealer:
    @pytest.mark.parametrize("size", EDGES)
    def test_writes_what_the_specification_says(self, size):
        plain = TEXT[:size]
        pieces = [plain[start : start + CHUNK] for start in range(0, size, CHUNK)] or [b""]
        final = len(pieces) - 1
        expected = b"".join(chunk(n, piece, last=n == final) for n, piece in enumerate(pieces))
        assert sealed(plain) == FIRST_NONCE + expected

    @given(st.integers(0, len(TEXT)), st.lists(st.integers(0, len(TEXT)), max_size=6))
    def test_does_not_care_in_which_pieces_the_bytes_arrive(self, size, cuts):
        out = bytearray()
        sealer = stream.Sealer(KEY, out.extend, FIRST_NONCE)
        marks = sorted({0, size, *(min(cut, size) for cut in cuts)})
        for start, stop in itertools.pairwise(marks):
            sealer.update(TEXT[start:stop])
        sealer.finish()
        assert bytes(out) == sealed(TEXT[:size])
        assert (sealer.plain_size, sealer.sealed_size) == (size, len(out))

    def test_draws_a_new_nonce_for_every_payload(self):
        first, second = bytearray(), bytearray()
        stream.Sealer(KEY, first.extend)
        stream.Sealer(KEY, second.extend)
        assert len(first) == len(second) == NONCE
        assert first != second

    def test_writes_the_nonce_and_then_sixteen_chunks_at_a_time(self):
        writes: list[int] = []
        sealer = stream.Sealer(KEY, lambda data: writes.append(len(data)))
        for _ in range(40):
            sealer.update(bytes(CHUNK))
        assert writes == [NONCE, 16 * SEALED_CHUNK, 16 * SEALED_CHUNK]
        sealer.finish()
        assert writes[3:] == [8 * SEALED_CHUNK]

    def test_opens_again_beyond_one_batch(self):
        plain = TEXT * 11
        assert opened(sealed(plain)) == plain

    def test_counts_bytes_and_not_elements(self):
        numbers = array.array("I", range(CHUNK))
        assert sealed(numbers) == sealed(numbers.tobytes())

    def test_accepts_a_file_key_that_can_be_wiped(self):
        assert sealed(b"text", key=bytearray(KEY)) == sealed(b"text")

    @pytest.mark.parametrize("verb", [lambda sealer: sealer.update(b"more"), stream.Sealer.finish])
    def test_refuses_to_go_on_after_the_end(self, verb):
        sealer = stream.Sealer(KEY, bytearray().extend)
        sealer.finish()
        with pytest.raises(ValueError, match="finished"):
            verb(sealer)

    def test_refuses_a_file_key_of_another_length(self):
        with pytest.raises(ValueError, match="16 bytes"):
            stream.Sealer(bytes(32), bytearray().extend)


class TestSealPart:
    @pytest.mark.parametrize("size", EDGES[1:])
    @pytest.mark.parametrize("chunks", [1, 2, 4])
    def test_makes_the_same_payload_whatever_the_order(self, size: int, chunks: int) -> None:
        plain, part = TEXT[:size], chunks * CHUNK
        starts = range(0, size, part)
        made = {
            start: stream.seal_part(
                KEY, FIRST_NONCE, start // CHUNK, plain[start : start + part],
                last=start == starts[-1],
            )
            for start in reversed(starts)
        }  # fmt: skip
        assert b"".join(made[start] for start in starts) == sealed(plain)

    def test_refuses_to_end_within_a_chunk_unless_it_is_the_last(self) -> None:
        with pytest.raises(ValueError, match="Only the last part may end within a chunk"):
            stream.seal_part(KEY, FIRST_NONCE, 0, TEXT[: CHUNK + 1], last=False)

    def test_draws_a_nonce_of_its_own(self) -> None:
        assert stream.new_nonce() != stream.new_nonce()
        assert len(stream.new_nonce()) == NONCE


class TestSeal:
    @pytest.mark.parametrize("plain", [b"", b"short", TEXT, TEXT * 12], ids=len)
    def test_takes_the_five_figures(self, plain):
        target = io.BytesIO()
        figures = stream.seal(KEY, io.BytesIO(plain), target)
        payload = target.getvalue()
        assert opened(payload) == plain
        assert figures == stream.Sealed(
            plain_sha256=hashlib.sha256(plain).hexdigest(),
            plain_size=len(plain),
            sealed_sha256=hashlib.sha256(payload).hexdigest(),
            sealed_size=len(payload),
            crc32=zlib.crc32(payload),
        )


class TestRecorder:
    def test_lets_the_caller_use_his_buffer_again(self):
        out, buffer, plain = bytearray(), bytearray(300_000), hashlib.sha256()
        recorder = stream.Recorder(KEY, out.extend, FIRST_NONCE)
        for turn in range(9):
            buffer[:] = bytes([turn]) * len(buffer)
            plain.update(buffer)
            recorder.update(buffer)
        figures = recorder.finish()
        assert figures.plain_sha256 == plain.hexdigest() == hashlib.sha256(opened(out)).hexdigest()
        assert figures.sealed_sha256 == hashlib.sha256(out).hexdigest()

    def test_leaves_no_thread_behind(self):
        before = threading.active_count()
        recorder = stream.Recorder(KEY, bytearray().extend)
        recorder.update(bytes(3 << 20))
        assert threading.active_count() > before
        recorder.finish()
        assert threading.active_count() == before

    @pytest.mark.slow
    def test_leaves_no_thread_behind_when_an_upload_is_abandoned(self):
        others = set(threading.enumerate())
        recorder = stream.Recorder(KEY, bytearray().extend)
        recorder.update(bytes(3 << 20))
        workers = set(threading.enumerate()) - others
        assert workers
        del recorder
        gc.collect()
        for worker in workers:
            worker.join(timeout=10)
        assert not any(worker.is_alive() for worker in workers)


class TestOpenChunks:
    @pytest.mark.parametrize("size", EDGES)
    def test_returns_what_was_sealed(self, size):
        assert opened(sealed(TEXT[:size])) == TEXT[:size]

    def test_waits_for_a_source_that_dribbles(self):
        assert b"".join(stream.open_chunks(KEY, Dribble(sealed(TEXT)))) == TEXT

    def test_reads_one_chunk_ahead_and_no_further(self):
        source = io.BytesIO(sealed(TEXT))
        assert next(stream.open_chunks(KEY, source)) == TEXT[:CHUNK]
        assert source.tell() == NONCE + 2 * SEALED_CHUNK

    def test_takes_a_nonce_that_was_already_read(self):
        source = io.BytesIO(sealed(TEXT))
        nonce = source.read(NONCE)
        assert b"".join(stream.open_chunks(KEY, source, nonce)) == TEXT

    def test_never_yields_nothing(self):
        assert list(stream.open_chunks(KEY, io.BytesIO(sealed(b"")))) == []

    @given(st.integers(0, 8 * len(sealed(TEXT)) - 1))
    def test_refuses_a_flipped_bit_anywhere(self, bit):
        out = released(flipped(sealed(TEXT), bit))
        whole_chunks = max(0, bit // 8 - NONCE) // SEALED_CHUNK
        assert out == (TEXT[: whole_chunks * CHUNK] if bit // 8 >= NONCE else b"")

    @given(st.integers(0, len(sealed(TEXT)) - 1))
    def test_refuses_a_payload_cut_anywhere(self, length):
        whole_chunks = max(0, length - NONCE) // SEALED_CHUNK
        assert released(sealed(TEXT)[:length]) == TEXT[: whole_chunks * CHUNK]

    @pytest.mark.parametrize("length", [0, NONCE - 1, NONCE, NONCE + 1, NONCE + TAG - 1])
    def test_refuses_a_payload_without_a_chunk(self, length):
        assert released(sealed(b"")[:length]) == b""

    @pytest.mark.parametrize("count", [1, 2, 16, 17])
    def test_releases_a_genuine_chunk_before_a_cut_and_then_refuses(self, count):
        plain = TEXT * 6
        cut = sealed(plain)[: NONCE + count * SEALED_CHUNK]
        assert released(cut) == plain[: count * CHUNK]

    @pytest.mark.parametrize("extra", [b"x", bytes(TAG), bytes(SEALED_CHUNK)], ids=len)
    @pytest.mark.parametrize("count", [1, 16])
    def test_releases_a_genuine_last_chunk_and_then_refuses_what_follows(self, count, extra):
        plain = (TEXT * 6)[: count * CHUNK]
        assert released(sealed(plain) + extra) == plain

    def test_refuses_data_behind_a_short_last_chunk(self):
        assert released(sealed(b"short") + b"x") == b""

    def test_refuses_a_short_chunk_that_is_not_marked_as_last(self):
        assert released(FIRST_NONCE + chunk(0, b"short", last=False)) == b""

    def test_refuses_an_empty_last_chunk_after_others(self):
        full = chunk(0, TEXT[:CHUNK], last=False)
        assert released(FIRST_NONCE + full + chunk(1, b"", last=True)) == TEXT[:CHUNK]

    def test_refuses_two_last_chunks(self):
        first, second = chunk(0, TEXT[:CHUNK], last=True), chunk(1, b"more", last=True)
        assert released(FIRST_NONCE + first + second) == TEXT[:CHUNK]

    @pytest.mark.parametrize("order", [(1, 0, 2), (0, 2, 1), (0, 0, 1), (0, 2)])
    def test_refuses_chunks_in_another_order(self, order):
        parts = _parts(sealed(TEXT[: 3 * CHUNK]))
        genuine = 1 if order[0] == 0 else 0
        forged = FIRST_NONCE + b"".join(parts[place] for place in order)
        assert released(forged) == TEXT[: genuine * CHUNK]

    def test_refuses_a_chunk_of_another_payload_under_the_same_key(self):
        ours, theirs = sealed(TEXT[: 3 * CHUNK]), sealed(TEXT[CHUNK:][: 2 * CHUNK], bytes(NONCE))
        first, _, third = _parts(ours)
        assert released(FIRST_NONCE + first + _parts(theirs)[0] + third) == TEXT[:CHUNK]

    def test_refuses_another_key(self):
        with pytest.raises(PayloadError, match="Chunk 0"):
            opened(sealed(TEXT), key=OTHER_KEY)


def _parts(payload: bytes) -> list[bytes]:
    return [
        payload[start : start + SEALED_CHUNK] for start in range(NONCE, len(payload), SEALED_CHUNK)
    ]


def ranged(payload: bytes, start: int, stop: int) -> Iterator[bytes]:
    return stream.open_range(KEY, io.BytesIO(payload), start, stop, len(payload))


class TestOpenRange:
    @given(st.sampled_from(EDGES), st.data())
    def test_equals_a_slice(self, size, data):
        start = data.draw(st.integers(0, size))
        stop = data.draw(st.integers(start, size))
        pieces = list(ranged(sealed(TEXT[:size]), start, stop))
        assert b"".join(pieces) == TEXT[start:stop]
        assert all(pieces)

    @pytest.mark.parametrize("start", [0, CHUNK, 3 * CHUNK])
    @pytest.mark.parametrize("stop", [CHUNK, 3 * CHUNK, len(TEXT)])
    def test_equals_a_slice_at_the_limits_of_chunks(self, start, stop):
        start = min(start, stop)
        assert b"".join(ranged(sealed(TEXT), start, stop)) == TEXT[start:stop]

    def test_waits_for_a_source_that_dribbles(self):
        payload = sealed(TEXT)
        pieces = stream.open_range(KEY, Dribble(payload), 5, len(TEXT), len(payload))
        assert b"".join(pieces) == TEXT[5:]

    @pytest.mark.parametrize(("start", "stop"), [(-1, 3), (3, 2), (0, 1001), (1001, 1001)])
    def test_refuses_a_range_that_is_not_within(self, start, stop):
        with pytest.raises(ValueError, match="not within a payload of 1000 bytes"):
            ranged(sealed(TEXT[:1000]), start, stop)

    def test_checks_the_last_chunk_before_it_promises_anything(self):
        with pytest.raises(PayloadError, match="Chunk 3"):
            ranged(flipped(sealed(TEXT), -8), 0, 1)

    def test_refuses_an_object_that_is_shorter_than_recorded(self):
        payload = sealed(TEXT)
        with pytest.raises(PayloadError):
            stream.open_range(KEY, io.BytesIO(payload[:-1]), 0, 1, len(payload))

    @pytest.mark.parametrize("claimed", [CHUNK, CHUNK + 5, 2 * CHUNK, 3 * CHUNK + 999])
    def test_refuses_a_size_that_the_last_chunk_does_not_prove(self, claimed):
        with pytest.raises(PayloadError):
            stream.open_range(KEY, io.BytesIO(sealed(TEXT)), 0, 1, stream.sealed_size(claimed))

    def test_refuses_a_size_that_no_payload_has(self):
        with pytest.raises(PayloadError, match="No sealed payload"):
            stream.open_range(KEY, io.BytesIO(sealed(TEXT)), 0, 1, 17)

    def test_refuses_an_object_that_ends_within_the_nonce(self):
        with pytest.raises(PayloadError, match="nonce"):
            stream.open_range(KEY, io.BytesIO(b"short"), 0, 0, stream.sealed_size(0))

    def test_never_releases_a_chunk_that_was_altered(self):
        pieces = ranged(flipped(sealed(TEXT), 8 * (NONCE + SEALED_CHUNK)), 10, 2 * CHUNK)
        assert next(pieces) == TEXT[10:CHUNK]
        with pytest.raises(PayloadError, match="Chunk 1"):
            next(pieces)

    def test_reads_only_the_chunks_it_needs(self):
        damaged = flipped(sealed(TEXT), 8 * (NONCE + SEALED_CHUNK))
        assert b"".join(ranged(damaged, 5, CHUNK)) == TEXT[5:CHUNK]
        assert b"".join(ranged(damaged, 2 * CHUNK, len(TEXT))) == TEXT[2 * CHUNK :]
