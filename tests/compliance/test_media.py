"""Media: what first bytes say, what names hide, and no file is ever opened to find out."""

import io
import zipfile

import pytest

from compliance import media

ISO = b"\0\0\0\x18ftyp"
POLYGLOT = b"GIF89a/*\x01\0\x01\0*/=1;alert(document.domain)//<script>alert(1)</script>"


class TestSniff:
    @pytest.mark.parametrize(
        ("head", "kind"),
        [
            (b"\xff\xd8\xff\xe1\0\x10Exif", "image/jpeg"),
            (b"\x89PNG\r\n\x1a\n\0\0", "image/png"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
            (b"RIFF\0\0\0\0AVI LIST", "video/x-msvideo"),
            (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
            (ISO + b"isom", "video/mp4"),
            (ISO + b"qt  ", "video/quicktime"),
            (ISO + b"heic", "image/heic"),
            (ISO + b"avif", "image/avif"),
            (b"\x1aE\xdf\xa3\x01", "video/webm"),
            (b"%PDF-1.7\n", "application/pdf"),
            (b"PK\x03\x04\x14", "application/zip"),
            (bytes(257) + b"ustar\x0000", "application/x-tar"),
            (b"Tonight, at the station.\r\n", "text/plain"),
            ("\ufeffHeute, am Bahnhof: Größe".encode(), "text/plain"),
            ("Heute".encode("utf-16"), "text/plain"),
            (b"\n<!DOCTYPE HTML><title>x</title>", "text/html"),
            (b"<p>Hello <SCRIPT>alert(1)</SCRIPT>", "text/html"),
            (b'<?xml version="1.0"?>\n<svg onload="alert(1)">', "image/svg+xml"),
            (b'<?xml version="1.0"?><a/>', "text/xml"),
        ],
    )
    def test_knows_what_evidence_has(self, head: bytes, kind: str) -> None:
        assert media.sniff(head) == kind

    @pytest.mark.parametrize(
        "head",
        [
            b"", b"\0", b"\x80\x81\x82", b"text\x00with a nul", b"caf\xe9 au lait", b"\xff\xfea",
            b"\0\0\0\0\0\0\0\0WEBP", b"\0\0\0\0\0\0\0\0WAVE",
        ],
    )  # fmt: skip
    def test_says_so_when_it_does_not_know(self, head: bytes) -> None:
        assert media.sniff(head) == media.UNKNOWN

    def test_reads_a_text_whose_letter_is_cut_by_the_end_of_the_head(self) -> None:
        text = ("x" * (media.HEAD - 1) + "é").encode()
        assert media.sniff(text[: media.HEAD]) == "text/plain"

    def test_takes_a_polyglot_for_what_it_begins_as(self) -> None:
        assert media.sniff(POLYGLOT) == "image/gif"

    def test_never_unpacks_an_archive(self) -> None:
        """A bomb is its first bytes to us, as every other archive."""
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as bomb:
            bomb.writestr("zeros", bytes(2**20))
        assert media.sniff(held.getvalue()[: media.HEAD]) == "application/zip"


class TestDiffer:
    @pytest.mark.parametrize(
        ("told", "sniffed"),
        [
            ("image/png", "image/png"),
            ("image/jpg", "image/jpeg"),
            ("application/octet-stream", "image/png"),
            ("video/mp4", "application/octet-stream"),
            ("text/csv", "text/plain"),
            ("application/json", "text/plain"),
            ("video/x-matroska", "video/webm"),
            ("application/vnd.openxmlformats-officedocument.wordprocessingml.document",
             "application/zip"),
        ],
    )  # fmt: skip
    def test_is_silent_where_both_may_be_true(self, told: str, sniffed: str) -> None:
        assert not media.differ(told, sniffed)

    @pytest.mark.parametrize(
        ("told", "sniffed"),
        [
            ("image/png", "text/html"),
            ("image/jpeg", "image/png"),
            ("text/plain", "application/zip"),
            ("image/svg+xml", "text/plain"),
            ("application/pdf", "application/vnd.microsoft.portable-executable"),
        ],
    )
    def test_speaks_where_one_is_false(self, told: str, sniffed: str) -> None:
        assert media.differ(told, sniffed)


class TestWritten:
    @pytest.mark.parametrize(
        ("name", "written"),
        [
            ("post.txt", "post.txt"),
            ("Grüße aus 日本 (2).png", "Grüße aus 日本 (2).png"),
            ("../../etc/passwd", r"..\x2f..\x2fetc\x2fpasswd"),
            ("..\\..\\boot.ini", r"..\x5c..\x5cboot.ini"),
            ("photo\u202egpj.exe", r"photo\u202egpj.exe"),
            ("a\u2066b\u2069", r"a\u2066b\u2069"),
            ("a\r\nSet-Cookie: x\0", r"a\x0d\x0aSet-Cookie: x\x00"),
            ("zero\u200bwidth\u2028line", r"zero\u200bwidth\u2028line"),
            ("no\u00a0break", r"no\xa0break"),
            ("\U000e0041tag", r"\U000e0041tag"),
            ("", ""),
        ],
    )
    def test_shows_every_letter_that_hides(self, name: str, written: str) -> None:
        assert media.written(name) == written

    def test_is_never_the_same_for_two_names(self) -> None:
        assert media.written("a\u202e") != media.written(r"a\u202e")
