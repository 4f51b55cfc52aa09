"""Media: what the first bytes of a file say it is, and how a hostile name is written harmlessly.

A file is never opened to find out: no archive is unpacked, no picture decoded. What its sender
called it and what its bytes say stand side by side; where they differ a person judges.
"""

import unicodedata

HEAD = 512  # bytes that are looked at
UNKNOWN = "application/octet-stream"

# Where, what, and which type says so: signatures as the formats' own specifications give them.
# The first that fits counts, so the longer stand before the shorter.
SIGNATURES = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (8, b"WEBP", "image/webp"),
    (8, b"AVI ", "video/x-msvideo"),
    (8, b"WAVE", "audio/wav"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftyphei", "image/heic"),
    (4, b"ftypmif1", "image/heic"),
    (4, b"ftypqt  ", "video/quicktime"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftyp3g", "video/3gpp"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (0, b"\0\0\1\xba", "video/mpeg"),
    (0, b"FLV\1", "video/x-flv"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "video/x-ms-asf"),
    (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"#!AMR", "audio/amr"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"{\\rtf", "application/rtf"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (0, b"PK\3\4", "application/zip"),
    (0, b"PK\5\6", "application/zip"),
    (0, b"Rar!\x1a\7", "application/vnd.rar"),
    (0, b"7z\xbc\xaf'\x1c", "application/x-7z-compressed"),
    (0, b"\x1f\x8b\x08", "application/gzip"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\0", "application/x-xz"),
    (0, b"(\xb5/\xfd", "application/zstd"),
    (257, b"ustar", "application/x-tar"),
    (0, b"SQLite format 3\0", "application/vnd.sqlite3"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"MZ", "application/vnd.microsoft.portable-executable"),
    (0, b"BM", "image/bmp"),
)
RIFF = ("image/webp", "video/x-msvideo", "audio/wav")
# What a browser would run, whatever it is called: looked for anywhere in the head of a text.
MARKUP = (
    (b"<svg", "image/svg+xml"),
    (b"<!doctype html", "text/html"),
    (b"<html", "text/html"),
    (b"<head", "text/html"),
    (b"<body", "text/html"),
    (b"<script", "text/html"),
    (b"<iframe", "text/html"),
    (b"<?xml", "text/xml"),
)
# Names of one and the same thing: a type, and how a type may begin that goes by it as well.
AKIN = {
    "text/plain": ("text/", "application/json", "application/x", "message/"),
    "text/html": ("application/xhtml+xml", "text/plain"),
    "text/xml": ("application/xml", "application/xhtml+xml", "text/plain"),
    "image/jpeg": ("image/jpg", "image/pjpeg"),
    "image/heic": ("image/heif",),
    "image/bmp": ("image/x-ms-bmp",),
    "video/mp4": ("audio/mp4", "audio/x-m4a", "video/x-m4v", "video/quicktime"),
    "video/webm": ("audio/webm", "video/x-matroska", "audio/x-matroska"),
    "audio/ogg": ("video/ogg", "application/ogg"),
    "audio/wav": ("audio/x-wav", "audio/wave", "audio/vnd.wave"),
    "audio/mpeg": ("audio/mp3",),
    "audio/flac": ("audio/x-flac",),
    "application/zip": (
        "application/x-zip-compressed", "application/vnd.openxmlformats", "application/epub+zip",
        "application/vnd.oasis", "application/java-archive", "application/vnd.android",
    ),
    "application/gzip": ("application/x-gzip",),
    "application/vnd.rar": ("application/x-rar",),
    "application/x-ole-storage": ("application/msword", "application/vnd.ms-"),
    "application/vnd.microsoft.portable-executable": ("application/x-msdownload",),
    "application/rtf": ("text/rtf",),
}  # fmt: skip


def sniff(head: bytes) -> str:
    """Return the media type that the first bytes of a file speak for, or UNKNOWN."""
    for at, mark, kind in SIGNATURES:
        if head.startswith(mark, at) and (kind not in RIFF or head.startswith(b"RIFF")):
            return kind
    return _text(head[:HEAD])


def differ(told: str, sniffed: str) -> bool:
    """Tell whether a file is called something else than its bytes say. Silence is no claim."""
    if UNKNOWN in (told, sniffed) or told == sniffed:
        return False
    return not told.startswith(AKIN.get(sniffed, ()))


def written(name: str) -> str:
    r"""Return a name as plain letters on one line, without loss: `/` and U+202E as \x2f and \u202e.

    What separates folders, turns the writing round, ends a line or is not seen at all is written
    out, and so is the backslash: no other name is written in the same way.
    """
    return "".join(map(_letter, name))


def _letter(letter: str) -> str:
    if letter in "/\\" or (unicodedata.category(letter)[0] in "CZ" and letter != " "):
        code = ord(letter)
        wide = rf"\u{code:04x}" if code < 0x10000 else rf"\U{code:08x}"
        return rf"\x{code:02x}" if code < 0x100 else wide
    return letter


def _text(head: bytes) -> str:
    try:
        text = head.decode("utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        if error.end < len(head) or error.reason != "unexpected end of data":
            return UNKNOWN
        text = head[: error.start].decode()  # the last letter goes on behind the head
    if not text or any(letter < " " and letter not in "\t\n\r\f" for letter in text):
        return UNKNOWN
    told = text.lower().encode()
    return next((kind for mark, kind in MARKUP if mark in told), "text/plain")
