"""Bech32: what was written is read back, and a mistyped letter is noticed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.vault import bech32

# The identity of the upstream age vectors: published, so nobody's.
TEXT = "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0"


class TestBech32:
    # The valid and invalid samples are those of BIP 173.
    @pytest.mark.parametrize(
        "text",
        ["A12UEL5L", "a12uel5l", "split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w"],
    )
    def test_reads_what_is_valid(self, text):
        prefix, _ = bech32.decode(text)
        assert prefix == text.lower().rpartition("1")[0]

    @given(st.binary(min_size=1, max_size=80))
    def test_reads_what_it_wrote(self, data):
        assert bech32.decode(bech32.encode("age", data)) == ("age", data)

    @given(st.integers(15, len(TEXT) - 1), st.sampled_from("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"))
    def test_notices_a_mistyped_letter(self, place, letter):
        typed = TEXT[:place] + letter + TEXT[place + 1 :]
        if typed != TEXT:
            with pytest.raises(ValueError, match=r"checksum|Bech32"):
                bech32.decode(typed)

    @pytest.mark.parametrize(
        "text", ["", "age", "age1qqqqq", "Age12uel5l", "age1bbbbbbbb", "\u212a12uel5l"]
    )
    def test_refuses_what_is_not_bech32(self, text):
        with pytest.raises(ValueError, match="Bech32"):
            bech32.decode(text)

    @pytest.mark.parametrize("values", [[0], [0, 1], [0, 0, 0]])
    def test_refuses_loose_bits(self, values):
        checksum = bech32._checksum("age", [*values, 0, 0, 0, 0, 0, 0]) ^ 1
        values = [*values, *(checksum >> shift & 31 for shift in range(25, -1, -5))]
        text = "age1" + "".join(bech32.ALPHABET[value] for value in values)
        with pytest.raises(ValueError, match="mean nothing"):
            bech32.decode(text)
