"""p256tag: we seal for smart cards; a card that is played here opens it, and so it does theirs."""

import base64
import hashlib
import hmac
import io
from dataclasses import dataclass

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from compliance.vault import age, bech32, grammar, stream

INFO = b"age-encryption.org/p256tag"
SUITE = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
KEY = bytes(range(16))
# Nobody's key, and a file that the npm package age-encryption 0.3.1 sealed for it.
RECIPIENT = "age1tag1qwd4m2kdeln7azn3t0pt90ztddrrw7r2s6la2j64qn7sm0hdy36zy88wgud"
SECRET = int.from_bytes(b"a sample key that is nobody's ow", "big")
THEIRS = base64.b64decode(
    "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHAyNTZ0YWcgeVpsL2VnIEJLT1R5Y1h6VmdMTEZmR1RRakJMY3hJUDhVZEdQ"
    "QnJZb2FzR2RaUzU3bUJSV3pXWDIzMUJYaXloNm1rRW9LN2x2UFNMODZkbXk1OWJhWlpDc0NoQ0JSRQpLdDEwSDJDQVV5"
    "a3NNcVBSVTZqdGpCd2d6aXhoQXhwbzdBdWo3TUhac0drCi0tLSBOSDRsVFVoK0lSZTJ6QTFsb3AwWWJPbmtWWW1zWk9V"
    "TGw0Ykd1bVBidjdFCm553QMrAcoKETRDebMbbDahJ79+he+x7+aePkJsA5HbTKx6UmePv13VAxj+4Klci2s="
)


@dataclass
class Card:
    """What a smart card and its plugin do: look at the tag, then open."""

    secret: ec.EllipticCurvePrivateKey
    kind = "p256tag"

    @property
    def point(self) -> bytes:
        return self.secret.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)

    def open(self, stanza: grammar.Stanza) -> bytes:
        tag, share = map(grammar.decode_base64, stanza.arguments)
        known = share + hashlib.sha256(self.point).digest()[:4]
        if not hmac.compare_digest(tag, hmac.digest(INFO, known, "sha256")[:4]):
            raise InvalidTag
        return SUITE.decrypt(share + stanza.body, self.secret, INFO)


@pytest.fixture
def card() -> Card:
    """The card of the sample key."""
    return Card(ec.derive_private_key(SECRET, ec.SECP256R1()))


class TestTaggedRecipient:
    def test_is_read_from_its_text_and_written_again(self, card: Card) -> None:
        recipient = age.parse_recipient(RECIPIENT.upper())
        assert (str(recipient), recipient.raw, recipient.kind) == (RECIPIENT, card.point, "p256tag")

    def test_seals_what_its_card_opens(self, card: Card) -> None:
        file = io.BytesIO(age.header(KEY, [age.parse_recipient(RECIPIENT)]))
        file.seek(0, io.SEEK_END)
        stream.seal(KEY, io.BytesIO(b"text"), file)
        file.seek(0)
        assert b"".join(age.open_file(file, [card])) == b"text"

    def test_seals_for_no_other_card(self) -> None:
        header = age.header(KEY, [age.parse_recipient(RECIPIENT)])
        with pytest.raises(age.NoMatch):
            age.unwrap(header, [Card(ec.generate_private_key(ec.SECP256R1()))])

    def test_has_the_form_that_another_implementation_writes(self, card: Card) -> None:
        assert b"".join(age.open_file(io.BytesIO(THEIRS), [card])) == b"Sealed elsewhere."
        ours = grammar.read(io.BytesIO(age.header(KEY, [age.parse_recipient(RECIPIENT)])))
        theirs = grammar.read(io.BytesIO(THEIRS))
        shapes = [
            [(each.kind, [*map(len, each.arguments)], len(each.body)) for each in head.stanzas]
            for head in (ours, theirs)
        ]
        assert shapes[0] == shapes[1]

    def test_is_never_mixed_with_a_key_that_outlasts_quantum_computers(self) -> None:
        both = [age.generate_identity().recipient, age.parse_recipient(RECIPIENT)]
        with pytest.raises(ValueError, match="never seal for both"):
            age.header(KEY, both)

    @pytest.mark.parametrize(
        "point",
        [
            b"\x02" + bytes(31) + b"\x01\x01",  # too long
            b"\x02" + bytes(31),  # too short
            b"\x02" + b"\xff" * 32,  # no coordinate of the field
            b"\x05" + bytes(32),  # no form of a point
            b"\x04" + bytes(64),  # not compressed
            b"\x00",  # the point at infinity
            b"",
        ],
    )
    def test_refuses_what_is_no_compressed_point_of_the_curve(self, point: bytes) -> None:
        with pytest.raises(age.KeyTextError):
            age.parse_recipient(bech32.encode("age1tag", point))

    def test_has_no_identity_here(self) -> None:
        with pytest.raises(ValueError, match="no kind of key called p256tag"):
            age.generate_identity("p256tag")
