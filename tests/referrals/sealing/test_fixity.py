"""Fixity: a bag is accepted whole, or refused with the place where it fails."""

import io
import zipfile
from datetime import date
from hashlib import sha256

import pytest

from referrals.sealing import bag, fixity
from referrals.sealing.bag import BadBag, Member


@pytest.fixture(scope="module")
def content():
    payload = [
        Member.inline("data/a1.age", b"header of a1" * 1000),
        Member.inline("data/b2.age", b"header of b2"),
        Member.inline("data/manifest.json.age", b"sealed manifest"),
    ]
    layout = bag.lay_out(
        "REF-2026-0001", payload, info={}, tags=bag.open_scripts(), when=date(2026, 3, 14)
    )
    return b"".join(bag.read_range(layout, 0, layout.size, read=None))


def repacked(content, **changes):
    """Pack the bag again with some files changed, added or (None) left out; keys are paths."""
    source = zipfile.ZipFile(io.BytesIO(content))
    files = {entry.filename: source.read(entry) for entry in source.infolist()}
    files |= {f"REF-2026-0001/{path}": data for path, data in changes.items()}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        for path, data in files.items():
            if data is not None:
                target.writestr(path, data)
    return zipfile.ZipFile(packed)


class TestCheck:
    def test_accepts_what_we_lay_out(self, content):
        checked = fixity.check(zipfile.ZipFile(io.BytesIO(content)))
        assert checked.reference == "REF-2026-0001"
        assert (len(checked.payload), checked.payload_bytes) == (3, 12_027)
        assert set(checked.payload) < set(checked.members)

    def test_accepts_the_same_files_packed_by_somebody_else(self, content):
        archive = repacked(content, **{"data/": b""})
        assert fixity.check(archive).payload_bytes == 12_027

    @pytest.mark.parametrize(
        ("path", "data", "complaint"),
        [
            ("../x", b"", "safe path"),
            ("data/b2.age", b"header of b3", "data/b2.age is not what manifest-sha256.txt says"),
            ("data/b2.age", None, "'data/b2.age' is not both"),
            ("data/more.age", b"", "'data/more.age' is not both"),
            ("data/B2.age", b"", "overwrite"),
            ("note.txt", b"", "'note.txt' is not both"),
            ("open.sh", b"rm -r", "open.sh is not what tagmanifest"),
            ("bagit.txt", b"BagIt-Version: 0.97\n", "BagIt 1.0"),
            ("bagit.txt", b"\xff", "not UTF-8"),
            ("manifest-sha256.txt", None, "'manifest-sha256.txt' is not both"),
            ("tagmanifest-sha256.txt", None, "tagmanifest-sha256.txt is missing"),
            ("tagmanifest-sha256.txt", b"?", "malformed"),
            ("tagmanifest-sha256.txt", bytes((1 << 24) + 1), "too long"),
        ],
    )
    def test_says_where_a_changed_bag_fails(self, content, path, data, complaint):
        with pytest.raises(BadBag, match=complaint):
            fixity.check(repacked(content, **{path: data}))

    def test_refuses_a_second_folder_or_none(self, content):
        archive = repacked(content)
        with pytest.raises(BadBag, match="exactly one folder"):
            fixity.check(zipfile.ZipFile(io.BytesIO(b"PK\5\6" + bytes(18))))
        archive = zipfile.ZipFile(archive.fp, "a")
        archive.writestr("OTHER/x", b"")
        with pytest.raises(BadBag, match="exactly one folder"):
            fixity.check(archive)

    @pytest.mark.parametrize(("oxum", "repeat"), [("12028.3", 0), ("12027.4", 0), ("12027.3", 1)])
    def test_counts_the_payload_and_reads_no_line_twice(self, content, oxum, repeat):
        archive = zipfile.ZipFile(io.BytesIO(content))
        info = f"Payload-Oxum: {oxum}\n".encode()
        lines = archive.read("REF-2026-0001/tagmanifest-sha256.txt").decode().splitlines()
        lines = [line for line in lines if not line.endswith("bag-info.txt")]
        lines += [f"{sha256(info).hexdigest()}  bag-info.txt"] * (1 + repeat)
        changes = {
            "bag-info.txt": info,
            "tagmanifest-sha256.txt": "".join(f"{line}\n" for line in lines).encode(),
        }
        with pytest.raises(BadBag, match="repeated line" if repeat else "Payload-Oxum"):
            fixity.check(repacked(content, **changes))
