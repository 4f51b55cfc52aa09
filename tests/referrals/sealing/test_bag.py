"""Bags: what we lay out, stock tools read; what is asked of a range, only that is read."""

import io
import re
import shutil
import struct
import subprocess
import zipfile
import zlib
from datetime import UTC, date, datetime, timedelta, timezone
from hashlib import sha256

import bagit
import pytest
from hypothesis import given
from hypothesis import strategies as st

from referrals.sealing import bag
from referrals.sealing.bag import BadBag, Inline, Layout, Member, Stored, lay_out, read_range

WHEN = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
LONG = b"".join(sha256(bytes([number % 256])).digest() + b"%d" % number for number in range(1990))
OBJECTS = {"object/1": LONG[:70_000], "object/2": b"", "object/3": b"three"}
INFO = {"Source-Organization": "Example Hosting, München"}


def read(name, offset, length):
    """Give a range of an object in uneven pieces, as a store does."""
    data = OBJECTS[name][offset : offset + length]
    for at in range(0, len(data), 999):
        yield data[at : at + 999]


def sealed(path, header, name):
    body = OBJECTS[name]
    return Member.stored(
        path,
        header,
        Stored(name, 0, len(body)),
        crc32=zlib.crc32(body),
        sha256=sha256(header + body).hexdigest(),
    )


def payload():
    return [
        sealed("data/a1.age", b"header of a1", "object/1"),
        sealed("data/b2.age", b"header of b2", "object/2"),
        sealed("data/c3.age", b"", "object/3"),
        Member.inline("data/manifest.json.age", b"sealed manifest"),
    ]


def laid_out(members=None, *, reference="REF-2026-0001", info=INFO, tags=None, when=WHEN):
    members = payload() if members is None else members
    tags = bag.open_scripts() if tags is None else tags
    return lay_out(reference, members, info=info, tags=tags, when=when)


def whole(layout):
    return b"".join(read_range(layout, 0, layout.size, read))


@pytest.fixture(scope="module")
def layout():
    return laid_out()


@pytest.fixture(scope="module")
def content(layout):
    return whole(layout)


@pytest.fixture
def unpacked(content, tmp_path):
    zipfile.ZipFile(io.BytesIO(content)).extractall(tmp_path)
    return tmp_path / "REF-2026-0001"


class TestLayOut:
    def test_gives_a_zip_that_python_reads(self, content):
        archive = zipfile.ZipFile(io.BytesIO(content))
        assert archive.testzip() is None
        assert archive.namelist() == [
            f"REF-2026-0001/{path}"
            for path in (
                "bagit.txt",
                "bag-info.txt",
                "manifest-sha256.txt",
                "open.sh",
                "open.ps1",
                "tagmanifest-sha256.txt",
                "data/a1.age",
                "data/b2.age",
                "data/c3.age",
                "data/manifest.json.age",
            )
        ]
        assert archive.read("REF-2026-0001/data/a1.age") == b"header of a1" + OBJECTS["object/1"]

    def test_stores_every_member_as_zip64_with_the_time_of_bagging(self, content):
        for entry in zipfile.ZipFile(io.BytesIO(content)).infolist():
            assert entry.compress_type == zipfile.ZIP_STORED
            assert entry.flag_bits == 0x0800
            assert (entry.extract_version, entry.create_version) == (45, 45)
            assert entry.date_time == (2026, 3, 14, 15, 9, 26)
            assert entry.external_attr >> 16 == 0o100644
            assert entry.extra[:4] == struct.pack("<HH", 1, 24)
            local = content[entry.header_offset :][:30]
            assert local[18:26] == b"\xff" * 8
            assert local[28:30] == struct.pack("<H", 20)

    def test_describes_the_bag(self, unpacked):
        assert (unpacked / "bagit.txt").read_bytes() == bag.BAGIT
        assert (unpacked / "bag-info.txt").read_text(encoding="utf-8") == (
            "Bagging-Date: 2026-03-14\n"
            "External-Identifier: REF-2026-0001\n"
            "Payload-Oxum: 70044.4\n"
            "Source-Organization: Example Hosting, München\n"
        )

    def test_gives_the_same_bytes_for_the_same_input(self, layout):
        mixed = {"Zebra": "z", "Contact-Name": "c"}
        assert laid_out() == layout
        assert laid_out(info=mixed) == laid_out(info=dict(reversed(mixed.items())))
        assert whole(laid_out(when=WHEN + timedelta(days=1))) != whole(layout)

    def test_tells_the_time_in_utc(self, layout):
        assert laid_out(when=WHEN.astimezone(timezone(timedelta(hours=11)))) == layout
        midnight = datetime(2026, 3, 14, tzinfo=UTC)
        assert laid_out(when=date(2026, 3, 14)) == laid_out(when=midnight)

    def test_refuses_a_moment_without_a_time_zone(self):
        with pytest.raises(BadBag, match="time zone"):
            laid_out(when=WHEN.replace(tzinfo=None))

    @pytest.mark.parametrize("year", [1979, 2108])
    def test_refuses_a_year_that_a_zip_cannot_tell(self, year):
        with pytest.raises(BadBag, match="1980"):
            laid_out(when=date(year, 7, 1))

    @pytest.mark.parametrize("reference", ["", "..", "a/b", "-rf", "con", "réf", "r\n", "x" * 200])
    def test_refuses_a_folder_that_is_not_one_safe_name(self, reference):
        with pytest.raises(BadBag):
            laid_out(reference=reference)

    def test_refuses_a_bag_with_nothing_in_it(self):
        with pytest.raises(BadBag, match="something in it"):
            laid_out([])

    @pytest.mark.parametrize(
        ("tag", "item"),
        [
            ("bagit.txt", "data/a.age"),
            ("BAG-INFO.TXT", "data/a.age"),
            ("tagmanifest-sha256.txt", "data/a.age"),
            ("data", "data/a.age"),
            ("bagit.txt/x", "data/a.age"),
            ("note.txt", "data/A1.age"),
            ("note.txt", "data/a1.age/b"),
        ],
    )
    def test_refuses_a_path_that_would_overwrite_another(self, tag, item):
        members = [Member.inline(item, b""), Member.inline("data/a1.age", b"")]
        with pytest.raises(BadBag, match="overwrite"):
            laid_out(members, tags=[Member.inline(tag, b"")])

    def test_keeps_payload_and_tag_files_apart(self):
        with pytest.raises(BadBag, match="belongs under data/"):
            laid_out([Member.inline("a.age", b"")])
        with pytest.raises(BadBag, match="does not belong under data/"):
            laid_out(tags=[Member.inline("data/note.txt", b"")])

    @pytest.mark.parametrize(
        "info",
        [
            {"Payload-Oxum": "1.1"},
            {"bagging-date": "2026-01-01"},
            {"Note": "a", "note": "b"},
            {"Note": "a\nPayload-Oxum: 1.1"},
            {"Note": " a"},
            {"No: te": "a"},
            {"": "a"},
        ],
    )
    def test_refuses_information_that_would_say_something_else(self, info):
        with pytest.raises(BadBag, match="bag-info"):
            laid_out(info=info)

    def test_lays_out_an_object_of_more_than_4_gib_without_reading_it(self):
        size = (5 << 30) + 7
        stored = Stored("huge", 16, size)
        huge = Member.stored("data/huge.age", b"head", stored, crc32=0, sha256="0" * 64)
        layout = laid_out([huge, Member.inline("data/last.age", b"last")])

        def zeros(name, offset, length):
            assert (name, length < 1 << 16) == ("huge", True)
            yield bytes(length)

        tail = b"".join(read_range(layout, layout.size - 4000, layout.size, zeros))
        end = tail.rindex(b"PK\6\6")
        (start,) = struct.unpack_from("<Q", tail, end + 48)
        (count, length) = struct.unpack_from("<QQ", tail, end + 32)
        assert struct.unpack_from("<Q", tail, end + 4) == (44,)
        assert count == 8
        assert start + length == layout.size - len(tail) + end
        directory = tail[start - (layout.size - len(tail)) : end]
        found = {}
        for at in (match.start() for match in re.finditer(b"PK\1\2", directory)):
            fields = struct.unpack_from("<4s6H3I5H2I", directory, at)
            sizes = fields[8], fields[9], fields[16]
            name = directory[at + 46 :][: fields[10]].decode()
            extra = struct.unpack_from("<HHQQQ", directory, at + 46 + fields[10])
            assert sizes == (0xFFFFFFFF,) * 3
            assert extra[:2] == (1, 24)
            found[name] = extra[2:]
        assert found["REF-2026-0001/data/huge.age"][:2] == (size + 4, size + 4)
        plain, packed, offset = found["REF-2026-0001/data/last.age"]
        assert plain == packed == 4
        assert offset > size
        here = b"".join(read_range(layout, offset, offset + 4, zeros))
        assert here == b"PK\3\4"

    @pytest.mark.stock
    def test_passes_unzip(self, content, tmp_path):
        unzip = shutil.which("unzip") or pytest.skip("unzip is not installed")
        (tmp_path / "bag.zip").write_bytes(content)
        tested = subprocess.run([unzip, "-t", tmp_path / "bag.zip"], capture_output=True, text=True)
        assert tested.returncode == 0, tested.stdout
        assert "No errors detected" in tested.stdout

    @pytest.mark.stock
    def test_validates_as_a_bag(self, unpacked):
        assert bagit.Bag(str(unpacked)).validate()
        (unpacked / "data" / "a1.age").write_bytes(b"changed")
        with pytest.raises(bagit.BagValidationError):
            bagit.Bag(str(unpacked)).validate()


class TestMember:
    @pytest.mark.parametrize(
        "path",
        [
            "",
            "/data/a",
            "data/../a",
            "data/./a",
            "data//a",
            "data/",
            "data/.hidden",
            "data/a.",
            "data/a b",
            "data/a\n",
            "data/a%0a",
            "data\\a",
            "data/-rf",
            "data/é",
            "data/nul.txt",
            "LPT1/a",
            "data/" + "a" * 200,
        ],
    )
    def test_refuses_an_unsafe_path(self, path):
        with pytest.raises(BadBag, match="safe path"):
            Member.inline(path, b"")

    def test_refuses_a_size_that_is_not_that_of_its_segments(self):
        with pytest.raises(BadBag, match="add up"):
            Member("a", (Inline(b"abc"),), 4, 0, "0" * 64)

    @pytest.mark.parametrize(
        ("crc32", "digest"), [(-1, "0" * 64), (1 << 32, "0" * 64), (0, "0" * 63), (0, "A" * 64)]
    )
    def test_refuses_malformed_checksums(self, crc32, digest):
        with pytest.raises(BadBag, match="checksums"):
            Member("a", (), 0, crc32, digest)

    @pytest.mark.parametrize(("offset", "length"), [(-1, 0), (0, -1)])
    def test_refuses_a_range_before_the_beginning(self, offset, length):
        with pytest.raises(BadBag, match="first byte"):
            Stored("x", offset, length)

    def test_may_be_made_of_several_stored_ranges(self):
        parts = (Stored("object/3", 3, 2), Stored("object/3", 0, 3))
        member = Member("data/x", parts, 5, zlib.crc32(b"eethr"), sha256(b"eethr").hexdigest())
        packed = laid_out([member])
        assert zipfile.ZipFile(io.BytesIO(whole(packed))).testzip() is None
        assert all(segment.length for segment in packed)


class TestReadRange:
    @given(st.data())
    def test_gives_any_range_as_the_whole_would(self, layout, content, data):
        start = data.draw(st.integers(0, layout.size))
        stop = data.draw(st.integers(start, layout.size))
        assert b"".join(read_range(layout, start, stop, read)) == content[start:stop]

    def test_asks_only_for_what_is_needed(self, layout, content):
        asked = []

        def recorded(name, offset, length):
            asked.append((name, offset, length))
            return read(name, offset, length)

        at = content.index(OBJECTS["object/1"]) + 5000
        assert b"".join(read_range(layout, at, at + 10, recorded)) == content[at : at + 10]
        assert asked == [("object/1", 5000, 10)]

    @pytest.mark.parametrize(("start", "stop"), [(-1, 1), (2, 1), (0, 1 << 40)])
    def test_refuses_what_is_not_a_range_before_giving_a_byte(self, layout, start, stop):
        with pytest.raises(BadBag, match="not a range"):
            read_range(layout, start, stop, read)

    @pytest.mark.parametrize("given_length", [4, 6, 0])
    def test_refuses_an_object_of_another_length_than_laid_out(self, given_length):
        layout = Layout((Stored("x", 0, 5),))
        with pytest.raises(BadBag, match="laid out"):
            list(read_range(layout, 0, 5, lambda *asked: [bytes(given_length)]))


class TestSha256Of:
    def test_is_that_of_the_whole_file(self, layout, content):
        assert bag.sha256_of(layout, read) == sha256(content).hexdigest()

    def test_is_that_of_header_and_object(self):
        member = payload()[0]
        assert bag.sha256_of(member.segments, read) == member.sha256


class TestCrc32Combine:
    @given(st.binary(max_size=300), st.binary(max_size=300))
    def test_equals_the_checksum_of_both(self, a, b):
        combined = bag.crc32_combine(zlib.crc32(a), zlib.crc32(b), len(b))
        assert combined == zlib.crc32(a + b)

    def test_holds_over_a_long_second_part(self):
        b = bytes(1 << 20)
        assert bag.crc32_combine(zlib.crc32(b"a"), zlib.crc32(b), len(b)) == zlib.crc32(b"a" + b)


class TestJson:
    def test_comes_back_as_it_went(self, layout):
        assert Layout.from_json(layout.to_json()) == layout
        assert layout.to_json()["segments"][1] == {
            "name": "object/1",
            "offset": 0,
            "length": 70_000,
        }

    @pytest.mark.parametrize(
        "segment",
        [
            {"inline": "YQ"},
            {"inline": "YR=="},
            {"inline": "Y Q=="},
            {"inline": 1},
            {"inline": "YQ==", "more": 1},
            {"name": "a", "offset": 0},
            {"name": "a", "offset": "0", "length": 1},
            {"name": "a", "offset": 0.5, "length": 1},
            {"name": 1, "offset": 0, "length": 1},
            {"name": "a", "offset": -1, "length": 1},
            7,
        ],
    )
    def test_refuses_what_it_did_not_write(self, segment):
        with pytest.raises(BadBag, match="not a layout"):
            Layout.from_json({"segments": [segment]})

    @pytest.mark.parametrize("data", [None, [], {}, {"segments": [], "more": 1}, {"segments": 1}])
    def test_refuses_another_document(self, data):
        with pytest.raises(BadBag, match="not a layout"):
            Layout.from_json(data)
