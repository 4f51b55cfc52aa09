"""An upload is killed between object, key and record: no record without object, no orphan stays."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.journeys.test_kill import Provider

FILM = "b'Tonight, at the station. ' * 300_000"  # several pieces of a MiB
DIE = "os.kill(os.getpid(), signal.SIGKILL)"
SET_UP = """
import os, signal
import django; django.setup()
from datetime import timedelta
from io import BytesIO
from django.db import transaction
from django.utils import timezone
from compliance import audit, evidence, findings, parts
from compliance.audit.context import acting
from compliance.findings import Finding
from compliance.roles import User
from compliance.vault import directory, keys, stream, uploads
"""
RECORD = """
from referrals.management.commands import up
up.make_ready()
with acting("command:tests"):
    ana = User.objects.create_user("ana", "ana@example.org", "x", role="reviewer", is_staff=True)
findings.record(
    statement="An account announces an attack.", particulars={},
    rungs={"suspicion": timezone.now() - timedelta(hours=1)}, by=ana,
)
"""
ATTACH = f"""
def die(*args, **kwargs): {DIE}
def after(function, times=1):
    seen = []
    def run(*args, **kwargs):
        done = function(*args, **kwargs)
        seen.append(1)
        len(seen) >= times and die()
        return done
    return run
ana, finding = User.objects.get(), Finding.objects.get()
told = {{"field_class": "C_pub", "acquired_at": timezone.now()}}
{{place}}
with uploads.seal(BytesIO({FILM}), "film.mp4") as upload:
    evidence.attach(finding, upload, by=ana, **told)
"""
SWEEP = """
uploads.Unclaimed.objects.update(until=timezone.now())
print(evidence.sweep_due())
"""
# where it is killed, how, and whether there is a record then
PLACES = {
    "before the object": ("uploads.store().begin = die", False),
    "at the first piece": ("directory.Directory.put = after(directory.Directory.put)", False),
    "on the way": ("directory.Directory.put = after(directory.Directory.put, 4)", False),
    "before it is on the disk": ("directory.Directory.finish = die", False),
    "after the object": ("directory.Directory.finish = after(directory.Directory.finish)", False),
    "after the record, before the key": ("keys.keep = die", False),
    "after the key": ("keys.keep = after(keys.keep)", False),
    "before the commit": ("uploads.Unclaimed.claim = after(uploads.Unclaimed.claim)", False),
    "after the commit": ("uploads.SealedUpload.keep = die", True),
}
COUNTS = (
    "SELECT (SELECT count(*) FROM compliance_item), (SELECT count(*) FROM compliance_filekeywrap),"
    " (SELECT count(*) FROM compliance_unclaimed)"
)


class Ana(Provider):
    """A provider of its own, in which Ana attaches a film."""

    def act(self, code: str) -> tuple[int, str]:
        process = self.start("-c", SET_UP + code)
        told, _ = process.communicate()
        return process.returncode, told

    def lies(self) -> list[Path]:
        return [path for path in (self.folder / "evidence").rglob("*") if path.is_file()]

    def has(self) -> tuple[int, int, int]:
        with closing(sqlite3.connect(self.folder / "dutyline.sqlite3", timeout=20)) as database:
            items, wraps, unclaimed = database.execute(COUNTS).fetchone()
        return items, wraps, unclaimed


@pytest.mark.slow
def test_an_upload_killed_anywhere_is_whole_or_gone(tmp_path: Path) -> None:
    ana = Ana(tmp_path)
    assert ana.act(RECORD)[0] == 0
    kept = 0
    for place, (how, is_kept) in PLACES.items():
        code, _ = ana.act(ATTACH.replace("{place}", how))
        assert code == -9, place
        kept += is_kept
        # A record has its key and its object; whatever else lies there has its row.
        items, wraps, unclaimed = ana.has()
        assert (items, wraps) == (kept, kept), place
        assert unclaimed == (not is_kept), place
        assert len(ana.lies()) <= kept + unclaimed, place
        assert not any(
            b"Tonight" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
        ), place
        # The sweep leaves what has a record, and nothing else.
        assert ana.act(SWEEP) == (0, f"{0 if is_kept else 1}\n"), place
        assert (ana.has(), len(ana.lies())) == ((kept, kept, 0), kept), place
    (path,) = ana.lies()
    with closing(sqlite3.connect(tmp_path / "dutyline.sqlite3")) as database:
        recorded = database.execute("SELECT sealed_sha256 FROM compliance_item").fetchone()
    assert recorded == (hashlib.sha256(path.read_bytes()).hexdigest(),)
