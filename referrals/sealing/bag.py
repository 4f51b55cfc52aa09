"""Bags: a BagIt 1.0 folder (RFC 8493) laid out in a stored ZIP64 before its first byte is read."""

import base64
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from hashlib import sha256
from operator import index
from pathlib import Path
from typing import Any

Read = Callable[[str, int, int], Iterable[bytes]]

BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
MANIFEST, TAG_MANIFEST = "manifest-sha256.txt", "tagmanifest-sha256.txt"

_SAFE_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?"
_SAFE_PATH = re.compile(rf"(?=.{{1,200}}\Z){_SAFE_PART}(?:/{_SAFE_PART})*")
_DEVICE = re.compile(r"(?:.*/)?(?:con|prn|aux|nul|com\d|lpt\d)(?:[./].*)?", re.IGNORECASE)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")


class BadBag(ValueError):
    """This cannot become a bag, or is not one."""


@dataclass(frozen=True, slots=True)
class Inline:
    """Bytes that the layout itself holds."""

    data: bytes

    @property
    def length(self) -> int:
        """The number of bytes."""
        return len(self.data)


@dataclass(frozen=True, slots=True)
class Stored:
    """A range of an object that lies elsewhere under `name`."""

    name: str
    offset: int
    length: int

    def __post_init__(self) -> None:
        if self.offset < 0 or self.length < 0:
            raise BadBag(f"{self.name!a} cannot begin or end before its first byte.")


Segment = Inline | Stored


@dataclass(frozen=True)
class Member:
    """One file of a bag: its path inside the bag's folder, its bytes, and what is known of them."""

    path: str
    segments: tuple[Segment, ...]
    size: int
    crc32: int
    sha256: str

    def __post_init__(self) -> None:
        require_safe(self.path)
        if self.size != sum(segment.length for segment in self.segments):
            raise BadBag(f"The segments of {self.path} do not add up to {self.size} bytes.")
        if not _SHA256.fullmatch(self.sha256) or not 0 <= self.crc32 < 1 << 32:
            raise BadBag(f"The checksums of {self.path} are malformed.")

    @classmethod
    def inline(cls, path: str, data: bytes) -> "Member":
        """Make a member of bytes at hand."""
        return cls(path, (Inline(data),), len(data), zlib.crc32(data), sha256(data).hexdigest())

    @classmethod
    def stored(cls, path: str, header: bytes, body: Stored, *, crc32: int, sha256: str) -> "Member":
        """Make a member of header || body: `crc32` is the body's, `sha256` that of both."""
        whole = crc32_combine(zlib.crc32(header), crc32, body.length)
        size = len(header) + body.length
        return cls(path, (Inline(header), body), size, whole, sha256)


@dataclass(frozen=True)
class Layout:
    """The finished ZIP as a row of segments; equal layouts are equal bytes."""

    segments: tuple[Segment, ...]

    def __iter__(self) -> Iterator[Segment]:
        return iter(self.segments)

    @property
    def size(self) -> int:
        """The size of the whole file."""
        return sum(segment.length for segment in self.segments)

    def to_json(self) -> dict[str, Any]:
        """Write the layout as plain data."""
        return {"segments": [_segment_to_json(segment) for segment in self.segments]}

    @classmethod
    def from_json(cls, data: Any) -> "Layout":
        """Read what `to_json` wrote, and nothing else."""
        try:
            layout = cls(tuple(_segment_from_json(entry) for entry in data["segments"]))
        except (KeyError, TypeError, ValueError) as error:
            raise BadBag(f"This is not a layout: {error}") from None
        if layout.to_json() != data:
            raise BadBag("This is not a layout: it is not in canonical form.")
        return layout


def lay_out(
    reference: str,
    payload: Sequence[Member],
    *,
    info: Mapping[str, str],
    tags: Sequence[Member],
    when: date,
) -> Layout:
    """Lay out the bag `reference`; `when` is a date, or a moment with its time zone."""
    if "/" in reference or not payload:
        raise BadBag("A bag is one folder with something in it.")
    moment = _in_utc(when)
    described = Member.inline("bag-info.txt", _bag_info(reference, payload, info, moment))
    manifest = Member.inline(MANIFEST, _manifest(payload))
    tagged = [Member.inline("bagit.txt", BAGIT), described, manifest, *tags]
    tag_manifest = Member.inline(TAG_MANIFEST, _manifest(tagged))
    members = [*tagged, tag_manifest, *payload]
    _require_places(tagged, payload)
    require_distinct([member.path for member in members])
    segments = _joined(_zip_segments(reference, members, moment))
    return Layout(tuple(segment for segment in segments if segment.length))


def read_range(layout: Layout, start: int, stop: int, read: Read) -> Iterator[bytes]:
    """Yield the bytes from `start` up to `stop`, asking `read` only for what lies between."""
    if not 0 <= start <= stop <= layout.size:
        raise BadBag(f"The bag has {layout.size} bytes; {start} to {stop} is not a range of it.")
    return _pieces(layout, start, stop, read)


def sha256_of(segments: Iterable[Segment], read: Read) -> str:
    """Return the SHA-256 of segments, or of a whole layout, in one pass."""
    digest = sha256()
    for segment in segments:
        for piece in _slice(segment, 0, segment.length, read):
            digest.update(piece)
    return digest.hexdigest()


@cache
def open_scripts() -> tuple[Member, ...]:
    """Return the two scripts with which an agency opens a bag without our code."""
    here = Path(__file__).parent
    return tuple(
        Member.inline(name, (here / name).read_bytes()) for name in ("open.sh", "open.ps1")
    )


# Names and tag files.


def require_safe(path: str) -> None:
    """Refuse a path that could leave its folder, or that some disk or shell would not take."""
    if not _SAFE_PATH.fullmatch(path) or _DEVICE.fullmatch(path):
        raise BadBag(f"{path[:300]!a} is not a safe path for a bag.")


def require_distinct(paths: Iterable[str]) -> None:
    """Refuse paths of which one would overwrite another."""
    # Compared without case, and against folders: what one disk keeps apart, another overwrites.
    files: set[str] = set()
    folders: set[str] = set()
    for path in paths:
        folded = path.lower()
        parents = {folded[: slash.start()] for slash in re.finditer("/", folded)}
        if folded in files | folders or parents & files:
            raise BadBag(f"{path} would overwrite another member of the bag.")
        files.add(folded)
        folders |= parents


def _require_places(tags: Iterable[Member], payload: Iterable[Member]) -> None:
    for member in payload:
        if not member.path.startswith("data/"):
            raise BadBag(f"{member.path} is payload and belongs under data/.")
    for member in tags:
        if member.path.startswith("data/"):
            raise BadBag(f"{member.path} is a tag file and does not belong under data/.")


def _manifest(members: Iterable[Member]) -> bytes:
    return "".join(f"{member.sha256}  {member.path}\n" for member in members).encode()


def _bag_info(
    reference: str, payload: Sequence[Member], info: Mapping[str, str], moment: datetime
) -> bytes:
    ours = {
        "Bagging-Date": moment.date().isoformat(),
        "External-Identifier": reference,
        "Payload-Oxum": f"{sum(member.size for member in payload)}.{len(payload)}",
    }
    labels = [label.lower() for label in (*ours, *info)]
    if len(labels) != len(set(labels)):
        raise BadBag("bag-info names a label twice, or one that is set here.")
    for label, value in info.items():
        if not _LABEL.fullmatch(label) or not value.isprintable() or value != value.strip():
            raise BadBag(f"bag-info: {label!a} is not a label with a value of one plain line.")
    lines = sorted((ours | dict(info)).items())
    return "".join(f"{label}: {value}\n" for label, value in lines).encode()


def _in_utc(when: date) -> datetime:
    if not isinstance(when, datetime):
        when = datetime.combine(when, time(), tzinfo=UTC)
    if when.tzinfo is None:
        raise BadBag("A moment without a time zone is not a moment.")
    moment = when.astimezone(UTC)
    if not 1980 <= moment.year <= 2107:
        raise BadBag("A ZIP tells the years from 1980 to 2107 only.")
    return moment


# The ZIP: method 0, flag 0x0800 (UTF-8), version 45, every size and offset in a ZIP64 extra.

_UNIX_FILE = 0o100644 << 16
_VERSION, _UNIX_VERSION = 45, 3 << 8 | 45
_FLAGS = 0x0800
_SEE_EXTRA, _SEE_EXTRA_SHORT = 0xFFFFFFFF, 0xFFFF


def _zip_segments(reference: str, members: Iterable[Member], moment: datetime) -> Iterator[Segment]:
    at, directory = 0, []
    for member in members:
        name = f"{reference}/{member.path}"
        require_safe(name)
        common = _common(member, name, moment)
        local = _local_header(member, name, common)
        directory.append(_central_header(member, name, common, at))
        yield Inline(local)
        yield from member.segments
        at += len(local) + member.size
    yield Inline(b"".join(directory) + _end(directory, at))


def _common(member: Member, name: str, moment: datetime) -> bytes:
    """Pack the fields that a local and a central header share, but for the length of the extra."""
    clock = moment.hour << 11 | moment.minute << 5 | moment.second // 2
    calendar = (moment.year - 1980) << 9 | moment.month << 5 | moment.day
    sizes = (_SEE_EXTRA, _SEE_EXTRA)
    return struct.pack(
        "<5H3IH", _VERSION, _FLAGS, 0, clock, calendar, member.crc32, *sizes, len(name)
    )


def _local_header(member: Member, name: str, common: bytes) -> bytes:
    extra = struct.pack("<2H2Q", 1, 16, member.size, member.size)
    return b"PK\3\4" + common + struct.pack("<H", len(extra)) + name.encode() + extra


def _central_header(member: Member, name: str, common: bytes, at: int) -> bytes:
    extra = struct.pack("<2H3Q", 1, 24, member.size, member.size, at)
    tail = struct.pack("<4H2I", len(extra), 0, 0, 0, _UNIX_FILE, _SEE_EXTRA)
    made_by = struct.pack("<H", _UNIX_VERSION)
    return b"PK\1\2" + made_by + common + tail + name.encode() + extra


def _end(directory: Sequence[bytes], at: int) -> bytes:
    count, size = len(directory), sum(map(len, directory))
    versions = (_UNIX_VERSION, _VERSION, 0, 0)
    record = struct.pack("<Q2H2I4Q", 44, *versions, count, count, size, at)
    locator = struct.pack("<IQI", 0, at + size, 1)
    short, long = (_SEE_EXTRA_SHORT,) * 2, (_SEE_EXTRA,) * 2
    end = struct.pack("<4H2IH", 0, 0, *short, *long, 0)
    return b"PK\6\6" + record + b"PK\6\7" + locator + b"PK\5\6" + end


def _joined(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Merge neighbours that are inline."""
    pending: list[bytes] = []
    for segment in segments:
        if isinstance(segment, Inline):
            pending.append(segment.data)
        else:
            yield Inline(b"".join(pending))
            yield segment
            pending.clear()
    yield Inline(b"".join(pending))


# Segments.


def _pieces(segments: Iterable[Segment], start: int, stop: int, read: Read) -> Iterator[bytes]:
    at = 0
    for segment in segments:
        first, last = max(start - at, 0), min(stop - at, segment.length)
        if first < last:
            yield from _slice(segment, first, last, read)
        at += segment.length


def _slice(segment: Segment, first: int, last: int, read: Read) -> Iterator[bytes]:
    if isinstance(segment, Inline):
        yield segment.data[first:last]
        return
    owed = last - first
    for piece in read(segment.name, segment.offset + first, owed):
        owed -= len(piece)
        if owed < 0:
            break
        yield piece
    if owed:
        raise BadBag(f"{segment.name!a} did not give the bytes that were laid out.")


def _segment_to_json(segment: Segment) -> dict[str, Any]:
    if isinstance(segment, Inline):
        return {"inline": base64.b64encode(segment.data).decode()}
    return {"name": segment.name, "offset": segment.offset, "length": segment.length}


def _segment_from_json(entry: dict[str, Any]) -> Segment:
    if "inline" in entry:
        return Inline(base64.b64decode(entry["inline"], validate=True))
    return Stored(str(entry["name"]), index(entry["offset"]), index(entry["length"]))


# CRC-32 as arithmetic: appending n bytes multiplies the checksum by x^(8n) modulo its polynomial.

_POLYNOMIAL = 0xEDB88320


def crc32_combine(crc_a: int, crc_b: int, length_b: int) -> int:
    """Return the CRC-32 of a || b from those of a and b, without reading either."""
    return _times(crc_a, _shift(length_b)) ^ crc_b


def _times(a: int, b: int) -> int:
    """Multiply in GF(2)[x] modulo the polynomial; the highest bit is the coefficient of 1."""
    product = 0
    while a:
        if a & 0x80000000:
            product ^= b
        a = a << 1 & 0xFFFFFFFF
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return product


def _shift(length: int) -> int:
    """Return x^(8 * length)."""
    power = 1 << 31
    for bit in range(length.bit_length()):
        if length >> bit & 1:
            power = _times(power, _square(bit))
    return power


@cache
def _square(times: int) -> int:
    """Return x^8, squared so many times."""
    return _times(_square(times - 1), _square(times - 1)) if times else 1 << 23
