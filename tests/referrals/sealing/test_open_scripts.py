"""The open scripts: an agency needs nothing of ours, only `age` and a shell."""

import io
import re
import shutil
import subprocess
import zipfile
from datetime import date
from pathlib import Path

import pytest

from referrals.sealing import bag
from referrals.sealing.bag import Member


@pytest.mark.stock
class TestOpenScript:
    @pytest.fixture
    def opened(self, tmp_path):
        """Make a bag whose members `age` sealed, unpack it, and say how to open it."""
        age = shutil.which("age") or pytest.skip("age is not installed")
        identity = tmp_path / "identity.txt"
        subprocess.run(["age-keygen", "-o", identity], check=True, capture_output=True)
        recipient = re.search(r"age1\w+", identity.read_text())[0]

        def seal(data):
            return subprocess.run(
                [age, "-r", recipient], input=data, check=True, capture_output=True
            ).stdout

        members = [
            Member.inline("data/a.age", seal(b"item a")),
            Member.inline("data/empty.age", seal(b"")),
            Member.inline("data/manifest.json.age", seal(b"{}")),
        ]
        layout = bag.lay_out(
            "REF-2026-0001", members, info={}, tags=bag.open_scripts(), when=date(2026, 3, 14)
        )
        content = b"".join(bag.read_range(layout, 0, layout.size, read=None))
        zipfile.ZipFile(io.BytesIO(content)).extractall(tmp_path)
        script = tmp_path / "REF-2026-0001" / "open.sh"

        def run(out, key=identity):
            return subprocess.run(
                ["sh", script, key, out], capture_output=True, text=True, cwd=tmp_path
            )

        return run

    def test_opens_every_file(self, opened, tmp_path):
        done = opened("out dir")
        assert done.returncode == 0, done.stderr
        files = {path.name: path.read_bytes() for path in (tmp_path / "out dir").iterdir()}
        assert files == {"a": b"item a", "empty": b"", "manifest.json": b"{}"}

    def test_overwrites_nothing(self, opened, tmp_path):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "empty").write_bytes(b"mine")
        done = opened("out")
        assert done.returncode == 1
        assert "already there" in done.stderr
        assert (tmp_path / "out" / "empty").read_bytes() == b"mine"

    def test_leaves_nothing_of_a_file_that_does_not_open(self, opened, tmp_path):
        broken = tmp_path / "REF-2026-0001" / "data" / "a.age"
        broken.write_bytes(broken.read_bytes()[:-1] + b"?")
        done = opened("out")
        assert done.returncode == 1
        assert "did not open" in done.stderr
        assert list((tmp_path / "out").iterdir()) == []

    def test_says_how_it_is_used(self, tmp_path):
        (script,) = (m for m in bag.open_scripts() if m.path == "open.sh")
        done = subprocess.run(
            ["sh", "-s"], input=script.segments[0].data, capture_output=True, cwd=tmp_path
        )
        assert done.returncode == 1
        assert b"usage: sh open.sh IDENTITY OUTDIR" in done.stderr


def test_both_scripts_say_which_age_is_needed():
    for script in bag.open_scripts():
        assert b"1.3 or later" in script.segments[0].data
        assert b"mlkem768x25519" in script.segments[0].data
        assert Path(script.path).suffix in {".sh", ".ps1"}
