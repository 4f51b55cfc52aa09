"""The age format: third-party vectors, stock age, and whoever tampers with a header."""

import base64
import hashlib
import hmac
import io
import os
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from compliance.vault import age, bech32, grammar, stream

ROOT = Path(__file__).resolve().parents[3]
VECTORS = Path(os.environ.get("DUTYLINE_VECTORS", ROOT.parent / "shared" / "vectors")) / "age"
NAMES = sorted(path.name for path in VECTORS.glob("*") if path.name != "LICENSE")
ERRORS = {
    "armor failure": age.ArmorError,
    "header failure": age.HeaderError,
    "no match": age.NoMatch,
    "HMAC failure": age.HmacError,
    "payload failure": age.PayloadError,
}
KINDS = ["X25519", "mlkem768x25519"]
KEY = bytes(range(16))
# The identity of the upstream vectors: published, so nobody's.
WELL_KNOWN = "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0"
LOW_ORDER = bytes(32)


@pytest.fixture(scope="module", params=KINDS)
def ana(request) -> age.Identity:
    return age.generate_identity(request.param)


def b64(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")


def with_mac(covered: bytes, key: bytes = KEY) -> bytes:
    """Close a header with the MAC that the specification asks for."""
    mac = hmac.digest(HKDF(SHA256(), 32, b"", b"header").derive(key), covered, "sha256")
    return covered + b" " + b64(mac) + b"\n"


def stanza(*arguments: bytes, body: bytes = bytes(32)) -> bytes:
    return b"-> " + b" ".join(arguments) + b"\n" + b64(body) + b"\n"


def headed(*stanzas: bytes) -> bytes:
    return with_mac(b"age-encryption.org/v1\n" + b"".join(stanzas) + b"---")


def stanzas_of(header: bytes) -> bytes:
    """What lies between the first line and the MAC."""
    return header[header.index(b"\n") + 1 : header.index(b"---")]


class Vector:
    """One file of the upstream collection."""

    def __init__(self, text: bytes) -> None:
        head, self.body = text.split(b"\n\n", 1)
        self.fields = [line.split(": ", 1) for line in head.decode().splitlines()]
        if self.all("compressed"):
            self.body = zlib.decompress(self.body)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]

    def identities(self) -> list[age.Identity | age.Passphrase]:
        keys = [age.parse_identity(text) for text in self.all("identity")]
        return [*keys, *map(age.Passphrase, self.all("passphrase"))]

    def open(self) -> Iterator[bytes]:
        body = age.dearmor(self.body) if self.all("armored") else self.body
        yield from age.open_file(io.BytesIO(body), self.identities())


class TestVectors:
    @pytest.mark.slow
    @pytest.mark.skipif(not NAMES, reason="the age vectors are not at hand")
    @pytest.mark.parametrize("name", NAMES)
    def test_end_as_upstream_says(self, name):
        vector = Vector((VECTORS / name).read_bytes())
        released, failure = hashlib.sha256(), None
        try:
            for piece in vector.open():
                released.update(piece)
        except age.AgeError as error:
            failure = type(error)
        assert failure is ERRORS.get(vector.all("expect")[0])
        nothing = [hashlib.sha256().hexdigest()]
        assert [released.hexdigest()] == (vector.all("payload") or nothing)


class TestKeys:
    def test_are_post_quantum_unless_asked_otherwise(self):
        identity = age.generate_identity()
        assert str(identity).startswith("AGE-SECRET-KEY-PQ-1")
        assert str(identity.recipient).startswith("age1pq1")
        assert len(str(identity.recipient)) == 1959

    def test_are_never_the_same(self):
        assert age.generate_identity().recipient != age.generate_identity().recipient

    def test_refuse_an_unknown_kind(self):
        with pytest.raises(ValueError, match="no kind of key called rot13"):
            age.generate_identity("rot13")

    def test_are_read_back_from_their_text(self, ana):
        assert str(age.parse_identity(str(ana))) == str(ana)
        assert age.parse_recipient(str(ana.recipient)) == ana.recipient
        assert len({ana.recipient, age.parse_recipient(str(ana.recipient))}) == 1

    def test_have_one_fingerprint_however_they_are_typed(self, ana):
        text = str(ana.recipient)
        shouted = age.parse_recipient(f"  {text.upper()}\n")
        assert age.fingerprint(shouted) == hashlib.sha256(text.encode()).hexdigest()

    def test_show_no_secret_unless_asked(self, ana):
        assert str(ana) not in repr(ana)
        assert "age-secret" not in repr(ana).lower()

    def test_differ_from_other_things(self, ana):
        assert ana.recipient != str(ana.recipient)

    @pytest.mark.parametrize("size", [31, 33])
    @pytest.mark.parametrize("prefix", ["age-secret-key-", "age-secret-key-pq-", "age", "age1pq"])
    def test_refuse_a_wrong_length(self, prefix, size):
        read = age.parse_identity if "secret" in prefix else age.parse_recipient
        with pytest.raises(age.KeyTextError, match="not valid"):
            read(bech32.encode(prefix, bytes(range(1, size + 1))))

    def test_refuse_a_public_point_of_low_order(self):
        hybrid = age.generate_identity().recipient.raw
        for prefix, raw in [("age", LOW_ORDER), ("age1pq", hybrid[:-32] + LOW_ORDER)]:
            with pytest.raises(age.KeyTextError, match="not valid"):
                age.parse_recipient(bech32.encode(prefix, raw))

    def test_refuse_a_lattice_key_out_of_range(self):
        hybrid = age.generate_identity().recipient.raw
        with pytest.raises(age.KeyTextError, match="not valid"):
            age.parse_recipient(bech32.encode("age1pq", b"\xff" * 1184 + hybrid[-32:]))

    def test_are_not_mistaken_for_each_other(self, ana):
        with pytest.raises(age.KeyTextError, match="kind"):
            age.parse_recipient(str(ana))
        with pytest.raises(age.KeyTextError, match="kind"):
            age.parse_identity(str(ana.recipient))

    def test_refuse_text_that_is_no_key_without_repeating_it(self):
        with pytest.raises(age.KeyTextError) as caught:
            age.parse_identity(WELL_KNOWN[:-1] + "Q")
        assert WELL_KNOWN[16:40] not in str(caught.value)


class TestHeader:
    def test_gives_the_file_key_to_its_recipient(self, ana):
        assert age.unwrap(age.header(KEY, [ana.recipient]), [ana]) == KEY

    def test_gives_the_file_key_to_each_of_several(self, ana):
        ben = age.generate_identity(ana.kind)
        header = age.header(bytearray(KEY), [ana.recipient, ben.recipient])
        assert age.unwrap(header, [ana]) == age.unwrap(header, [ben]) == KEY

    def test_is_tried_with_every_key_of_a_ring(self, ana):
        ring = [age.generate_identity(kind) for kind in KINDS]
        assert age.unwrap(age.header(KEY, [ana.recipient]), [*ring, ana]) == KEY

    def test_gives_nothing_to_anybody_else(self, ana):
        header = age.header(KEY, [ana.recipient])
        for others in ([], [age.generate_identity(kind) for kind in KINDS]):
            with pytest.raises(age.NoMatch):
                age.unwrap(header, others)

    def test_has_the_size_that_was_promised(self, ana):
        assert len(age.header(KEY, [ana.recipient])) == {"X25519": 168}.get(ana.kind, 1627)

    def test_is_never_the_same_twice(self, ana):
        assert age.header(KEY, [ana.recipient]) != age.header(KEY, [ana.recipient])

    def test_is_never_sealed_for_classic_and_post_quantum_together(self):
        both = [age.generate_identity(kind).recipient for kind in KINDS]
        with pytest.raises(ValueError, match="never seal for both"):
            age.header(KEY, both)

    def test_still_opens_when_somebody_else_mixed_them(self):
        both = [age.generate_identity(kind) for kind in KINDS]
        mixed = headed(*(stanzas_of(age.header(KEY, [each.recipient])) for each in both))
        assert [age.unwrap(mixed, [each]) for each in both] == [KEY, KEY]

    def test_needs_a_recipient(self):
        with pytest.raises(ValueError, match="without recipients"):
            age.header(KEY, [])

    def test_needs_a_file_key_of_the_right_length(self, ana):
        with pytest.raises(ValueError, match="16 bytes"):
            age.header(bytes(32), [ana.recipient])

    def test_leaves_the_stream_at_the_payload(self, ana):
        source = io.BytesIO(age.header(KEY, [ana.recipient]) + b"payload")
        age.unwrap(source, [ana])
        assert source.read() == b"payload"

    @pytest.mark.slow
    @given(st.data())
    def test_notices_a_flipped_bit_anywhere(self, data):
        ana = age.parse_identity(WELL_KNOWN)
        header = bytearray(age.header(KEY, [ana.recipient]))
        bit = data.draw(st.integers(0, 8 * len(header) - 1))
        header[bit // 8] ^= 1 << bit % 8
        with pytest.raises((age.HeaderError, age.NoMatch, age.HmacError)):
            age.unwrap(bytes(header), [ana])

    def test_notices_a_stanza_that_was_added(self, ana):
        header = age.header(KEY, [ana.recipient])
        forged = header.replace(b"---", stanza(b"grease", body=b"added") + b"---")
        with pytest.raises(age.HmacError):
            age.unwrap(forged, [ana])

    def test_notices_a_mac_of_another_header(self, ana):
        ours, theirs = (age.header(key, [ana.recipient]) for key in (KEY, bytes(16)))
        with pytest.raises(age.HmacError):
            age.unwrap(ours[: ours.index(b"--- ")] + theirs[theirs.index(b"--- ") :], [ana])

    def test_passes_over_stanzas_of_kinds_it_does_not_know(self, ana):
        ours = stanzas_of(age.header(KEY, [ana.recipient]))
        bodies = [bytes(size) for size in (0, 47, 48, 49, 96)]
        strange = grammar.write(grammar.Stanza("x", (b"!~",), body) for body in bodies)
        assert age.unwrap(headed(stanzas_of(strange), ours), [ana]) == KEY

    @pytest.mark.parametrize(
        "forged",
        [
            headed(stanza(b"X25519")),
            headed(stanza(b"X25519", b64(bytes(32)), b"more")),
            headed(stanza(b"X25519", b64(bytes(31)))),
            headed(stanza(b"X25519", b64(bytes(32)), body=bytes(31))),
            headed(stanza(b"X25519", b64(LOW_ORDER))),
            headed(stanza(b"X25519", b64(bytes(32)) + b"=")),
            headed(stanza(b"X25519", b"!!!!")),
            headed(stanza(b"mlkem768x25519", b64(bytes(1119)))),
            headed(stanza(b"mlkem768x25519", b64(bytes(1120)), body=bytes(33))),
            headed(stanza(b"mlkem768x25519", b64(bytes(1088) + LOW_ORDER))),
            headed(stanza(b"scrypt", b64(bytes(16)))),
            headed(stanza(b"scrypt", b64(bytes(16)), b"1"), stanza(b"grease")),
            headed(b"-> x\n" + b"A" * 65 + b"\n"),
            headed(b"->\n\n"),
            headed(b"->  x\n\n"),
            headed(b"-> x \n\n"),
            headed(),
            b"age-encryption.org/v2\n",
            b"",
            b"age-encryption.org/v1\n-> x\n" + (b"A" * 64 + b"\n") * 17_000,
            b"age-encryption.org/v1" + b" " * (1 << 20) + b"\n",
        ],
        ids=lambda forged: forged[22:50].decode(),
    )  # fmt: skip
    def test_is_refused_when_it_breaks_the_grammar(self, forged):
        ring = [age.generate_identity(kind) for kind in KINDS]
        with pytest.raises(age.HeaderError):
            age.unwrap(forged, [*ring, age.Passphrase("invented")])

    def test_is_refused_when_it_has_no_end(self, ana):
        ours = stanzas_of(age.header(KEY, [ana.recipient]))
        endless = stanzas_of(grammar.write([grammar.Stanza("x", (), bytes(1 << 20))]))
        with pytest.raises(age.HeaderError, match="no end"):
            age.unwrap(headed(ours, endless), [ana])

    def test_reports_a_hidden_share_of_low_order_and_not_a_mismatch(self):
        identity = age.generate_identity()
        first = grammar.read(io.BytesIO(age.header(KEY, [identity.recipient]))).stanzas[0]
        enc = grammar.decode_base64(first.arguments[0])
        forged = headed(stanza(b"mlkem768x25519", b64(enc[:1088] + LOW_ORDER)))
        with pytest.raises(age.HeaderError, match="low order"):
            age.unwrap(forged, [identity])

    @pytest.mark.parametrize(
        "factor", [b"0", b"01", b"23", b"-1", b"+1", b"0x1", b"1 1", b"10\xb2"]
    )
    def test_refuses_an_outlandish_work_factor(self, factor):
        with pytest.raises(age.HeaderError):
            age.unwrap(headed(stanza(b"scrypt", b64(bytes(16)), factor)), [age.Passphrase("x")])


class TestOpenFile:
    def test_returns_what_was_sealed(self, ana):
        assert b"".join(age.open_file(sealed_for(ana, b"text"), [ana])) == b"text"

    def test_reads_the_header_at_once(self, ana):
        with pytest.raises(age.NoMatch):
            age.open_file(sealed_for(ana, b"text"), [age.generate_identity()])

    @pytest.mark.parametrize("length", [0, 15])
    def test_blames_the_header_for_a_missing_nonce(self, ana, length):
        source = io.BytesIO(age.header(KEY, [ana.recipient]) + bytes(length))
        with pytest.raises(age.HeaderError, match="before its payload"):
            age.open_file(source, [ana])

    def test_opens_a_payload_under_a_second_header(self, ana):
        payload = io.BytesIO()
        stream.seal(KEY, io.BytesIO(b"sealed once"), payload)
        for reader in (ana, age.generate_identity()):
            file = io.BytesIO(age.header(KEY, [reader.recipient]) + payload.getvalue())
            assert b"".join(age.open_file(file, [reader])) == b"sealed once"

    def test_refuses_a_payload_of_another_file_key(self, ana):
        payload = io.BytesIO()
        stream.seal(bytes(16), io.BytesIO(b"another"), payload)
        file = io.BytesIO(age.header(KEY, [ana.recipient]) + payload.getvalue())
        with pytest.raises(age.PayloadError):
            b"".join(age.open_file(file, [ana]))


def sealed_for(identity: age.Identity, plain: bytes) -> io.BytesIO:
    target = io.BytesIO(age.header(KEY, [identity.recipient]))
    target.seek(0, io.SEEK_END)
    stream.seal(KEY, io.BytesIO(plain), target)
    target.seek(0)
    return target


@pytest.mark.stock
@pytest.mark.skipif(not shutil.which("age"), reason="age is not installed")
class TestStockAge:
    @pytest.fixture
    def carla(self) -> age.Identity:
        return age.generate_identity("X25519")

    def run(self, *arguments: str, given: bytes = b"") -> bytes:
        return subprocess.run(arguments, input=given, check=True, capture_output=True).stdout

    @pytest.mark.parametrize("size", [0, 5, 65536, 65537, 200_000])
    def test_opens_what_we_seal(self, carla, tmp_path, size):
        ring = tmp_path / "ring"
        ring.write_text(f"{carla}\n")
        plain = os.urandom(size)
        assert (
            self.run("age", "-d", "-i", str(ring), given=sealed_for(carla, plain).read()) == plain
        )

    @pytest.mark.parametrize("size", [0, 5, 65536, 65537, 200_000])
    def test_seals_what_we_open(self, carla, size):
        plain = os.urandom(size)
        file = self.run("age", "-r", str(carla.recipient), given=plain)
        assert b"".join(age.open_file(io.BytesIO(file), [carla])) == plain

    def test_armors_what_we_open(self, carla):
        file = self.run("age", "-a", "-r", str(carla.recipient), given=b"text")
        assert b"".join(age.open_file(io.BytesIO(age.dearmor(file)), [carla])) == b"text"

    @pytest.mark.skipif(not shutil.which("age-keygen"), reason="age-keygen is not installed")
    def test_makes_keys_that_we_read(self, carla):
        text = self.run("age-keygen").decode()
        identity = age.parse_identity(text.splitlines()[-1])
        assert f"# public key: {identity.recipient}\n" in text
        assert self.run("age-keygen", "-y", given=str(carla).encode()).decode().strip() == str(
            carla.recipient
        )
