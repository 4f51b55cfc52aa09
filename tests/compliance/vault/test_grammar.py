"""The grammar: armor is read strictly, and a header is written as it is read."""

import base64
import io
import re

import pytest

from compliance.vault import grammar


def armored(data: bytes, line_end: bytes = b"\n") -> bytes:
    text = base64.b64encode(data)
    rows = re.findall(rb".{1,64}", text)
    marks = [b"-----%s AGE ENCRYPTED FILE-----" % word for word in (b"BEGIN", b"END")]
    return line_end.join([marks[0], *rows, marks[1], b""])


class TestDearmor:
    @pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
    @pytest.mark.parametrize("size", [0, 1, 47, 48, 49, 500])
    def test_returns_what_was_armored(self, size, line_end):
        data = bytes(range(250)) * 2
        assert grammar.dearmor(b" \n" + armored(data[:size], line_end) + b"\t\n") == data[:size]

    @pytest.mark.parametrize(
        ("was", "becomes"),
        [
            (b"-----BEGIN", b"x-----BEGIN"),
            (b"-----BEGIN", b"----- BEGIN"),
            (b"-----END", b"-----End"),
            (b"AAAA\n", b"AAAA\n\n"),
            (b"AAAA\n", b"AAAA \n"),
            (b"AAAA\n", b"AAA\nA\n"),
            (b"AA\n", b"A\rA\n"),
            (b"A==\n", b"A=\n=\n"),
            (b"A==\n", b"A\n"),
            (b"A==\n", b"B==\n"),
            (b"FILE-----\nAA", b"FILE-----\n\nAA"),
            (b"A" * 64, b"A" * 65),
            (b"A" * 64 + b"\n", b"A" * 64),
            (b"-----END", b"\n-----END"),
            (b"-----END", b"A" * 65 + b"\n-----END"),
            (b"-----END AGE ENCRYPTED FILE-----", b""),
        ],
    )
    def test_refuses_armor_that_is_not_strict(self, was, becomes):
        good = armored(bytes(100))
        assert was in good
        with pytest.raises(grammar.ArmorError):
            grammar.dearmor(good.replace(was, becomes, 1))

    @pytest.mark.parametrize("text", [b"", b"-----BEGIN AGE ENCRYPTED FILE-----"])
    def test_refuses_text_without_armor(self, text):
        with pytest.raises(grammar.ArmorError):
            grammar.dearmor(text)


class TestWrite:
    @pytest.mark.parametrize("size", [0, 1, 47, 48, 49, 96])
    def test_is_read_back(self, size):
        stanzas = [
            grammar.Stanza("x", (b"!", b"~"), bytes(range(size))),
            grammar.Stanza("y", (), b""),
        ]
        covered = grammar.write(stanzas)
        mac = bytes(range(32))
        header = covered + b" " + grammar.encode_base64(mac) + b"\n"
        assert grammar.read(io.BytesIO(header)) == (stanzas, mac, covered)

    def test_ends_a_body_that_fills_its_line_with_an_empty_one(self):
        covered = grammar.write([grammar.Stanza("x", (), bytes(48))])
        assert covered == b"age-encryption.org/v1\n-> x\n" + b"A" * 64 + b"\n\n---"
