"""The single file that is handed out: it judges as others judge, and sees nothing of ours."""

import base64
import importlib.util
import shutil
import subprocess
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from compliance import anchors
from compliance.audit import checkpoints, entries, signing, tree
from compliance.audit.checkpoints import AuditTile
from compliance.audit.entries import AuditEntry
from tests.merkle import needs_vectors, unb64, vectors
from tests.witness import Witness, serving

FILE = Path(__file__).resolve().parents[3] / "docs" / "verify" / "verify_log.py"
spec = importlib.util.spec_from_file_location("verify_log", FILE)
verify_log = importlib.util.module_from_spec(spec)
spec.loader.exec_module(verify_log)
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is absent")


def run(*words):
    """Run it as somebody does who has Python, openssl and this file."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", FILE, *map(str, words)],
        capture_output=True, check=False, text=True,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def accepted(*case):
    try:
        verify_log.check_inclusion(*case)
    except verify_log.Unproven:
        return False
    return True


@needs_vectors
class TestVectors:
    def test_inclusion_proofs_are_judged_as_others_judge_them(self, monkeypatch):
        monkeypatch.setattr(verify_log, "leaf_hash", lambda data: data)  # vectors begin with it
        for case in vectors("inclusion"):
            leaf, root = unb64(case["leafHash"]), unb64(case["root"])
            proof = [unb64(each) for each in case["proof"] or []]
            assert (
                accepted(case["leafIdx"], case["treeSize"], leaf, proof, root)
                is not (case["wantErr"])
            ), case["desc"]


class TestTiles:
    @pytest.mark.parametrize("n", [0, 7, 999, 1000, 1234067, 10**9])
    def test_lie_where_the_log_serves_them(self, n):
        for width in (256, 3):
            assert verify_log.tile_path(2, n, width) == f"tile/{tree.tile_path(2, n, width)}"


@pytest.fixture
def files(log, write, tmp_path):
    """A log of 301 entries in a folder as it is served, its first state, a receipt and keys."""
    entry = write(3)[0]
    log.seal_due()
    (tmp_path / "old").write_text(log.latest().note, encoding="utf-8")
    write(297)
    log.seal_due()
    (tmp_path / "checkpoint").write_text(log.latest().note, encoding="utf-8")
    (tmp_path / "log.vkey").write_text(f"{signing.vkey()}\n", encoding="utf-8")
    (tmp_path / "entry").write_bytes(entries.public_data(AuditEntry.objects.get(pk=entry.pk)))
    (tmp_path / "receipt").write_text(log.receipt(entry), encoding="utf-8")
    for row in AuditTile.objects.all():
        path = tree.tile_path(row.level, row.n, len(row.data) // 32)
        place = tmp_path / "tile" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(bytes(row.data))
    return tmp_path


@pytest.mark.slow
@pytest.mark.stock
@needs_openssl
class TestReceipt:
    def check(self, files, *more):
        names = [files / "receipt", files / "entry", "--vkey", files / "log.vkey"]
        return run("receipt", *names, *more)

    def test_proves_the_entry(self, files, settings):
        code, said = self.check(files)
        assert (code, said) == (
            0, f"PROVEN: the entry is number 1 of 301 in the log {settings.LOG_ORIGIN}\n",
        )  # fmt: skip

    @pytest.mark.parametrize("name", ["receipt", "entry", "log.vkey"])
    def test_a_change_in_any_file_is_found(self, files, name):
        data = bytearray((files / name).read_bytes())
        data[len(data) // 2] ^= 1
        (files / name).write_bytes(data)
        code, said = self.check(files)
        assert code == 1
        assert said.startswith("NOT PROVEN: ")
        assert said.count("\n") == 1

    @pytest.mark.parametrize(
        ("old", "new"),
        [("@v1", "@v2"), ("index 1", "index 2"), ("index 1", "index 01"), ("index 1\n", "")],
    )
    def test_a_changed_receipt_is_refused(self, files, old, new):
        text = (files / "receipt").read_text()
        (files / "receipt").write_text(text.replace(old, new, 1))
        assert self.check(files)[0] == 1

    def test_what_nobody_signed_is_read_over(self, files):
        text = (files / "receipt").read_text()
        (files / "receipt").write_text(text.replace("index", "extra aGVsbG8=\nindex", 1))
        assert self.check(files)[0] == 0

    @pytest.mark.parametrize("name", ["receipt", "entry", "log.vkey"])
    def test_a_file_that_is_not_there_is_said(self, files, name):
        (files / name).unlink()
        code, said = self.check(files)
        assert (code, "cannot be read: No such file" in said) == (1, True)

    def test_wrong_usage_exits_with_2(self, files):
        assert self.check(files, "--quorum", "1")[0] == 2
        assert run("receipt")[0] == run()[0] == 2


@pytest.mark.slow
@pytest.mark.stock
@needs_openssl
class TestCheckpoint:
    @pytest.fixture
    def cosigned(self, files, settings, loopback):
        """The newest state, cosigned by Wanda but not by Wim."""
        names = ("wanda.example.org", "wim.example.org")
        wanda, wim = (Witness(name) for name in names)
        wanda.trust(signing.vkey())
        for each in (wanda, wim):
            (files / each.name).write_text(each.vkey, encoding="utf-8")
        with serving(wanda) as url:
            settings.WITNESSES = [(wanda.vkey, url)]
            assert anchors.cosign_due() == 1
        (files / "checkpoint").write_text(checkpoints.published_note(), encoding="utf-8")
        return files

    def check(self, files, *more):
        return run("checkpoint", files / "checkpoint", "--vkey", files / "log.vkey", *more)

    def test_proves_what_the_log_signed(self, files):
        code, said = self.check(files)
        assert (code, "signed a state of 301 entries" in said) == (0, True)

    def test_counts_the_witnesses_that_are_asked_for(self, cosigned):
        both = [
            *("--witness", cosigned / "wanda.example.org"),
            *("--witness", cosigned / "wim.example.org"),
        ]
        assert self.check(cosigned, *both, "--quorum", "1")[0] == 0
        code, said = self.check(cosigned, *both, "--quorum", "2")
        assert (code, said) == (1, "NOT PROVEN: 1 witnesses cosigned it, 2 must\n")
        same = ["--witness", cosigned / "wanda.example.org"] * 2
        assert self.check(cosigned, *same, "--quorum", "2")[0] == 1

    def test_a_cosignature_of_another_time_is_refused(self, cosigned):
        note = (cosigned / "checkpoint").read_text()
        head, _, encoded = note.rstrip("\n").rpartition(" ")
        data = bytearray(base64.b64decode(encoded))
        data[11] ^= 1  # the last byte of the time
        changed = f"{head} {base64.b64encode(data).decode()}\n"
        (cosigned / "checkpoint").write_text(changed, encoding="utf-8")
        assert self.check(cosigned)[0] == 0  # who does not ask does not hear of it
        code, said = self.check(cosigned, "--witness", cosigned / "wanda.example.org")
        assert (code, "the cosignature of wanda.example.org does not fit" in said) == (1, True)

    def test_a_key_of_the_log_is_none_of_a_witness(self, files):
        code, said = self.check(files, "--witness", files / "log.vkey")
        assert (code, "holds no key of this kind" in said) == (1, True)


@pytest.mark.slow
@pytest.mark.stock
@needs_openssl
class TestConsistency:
    def check(self, files, old="old", new="checkpoint", tiles=None):
        names = [files / old, files / new, "--vkey", files / "log.vkey"]
        return run("consistency", *names, "--tiles", tiles or files)

    def test_follows_from_the_tiles_in_a_folder(self, files):
        code, said = self.check(files)
        assert (code, said) == (0, "PROVEN: the state of 301 entries continues the one of 4\n")
        assert self.check(files, new="old", old="old")[0] == 0

    def test_follows_from_the_tiles_at_an_address(self, files):
        class Quiet(SimpleHTTPRequestHandler):
            def __init__(self, *args):
                super().__init__(*args, directory=files)

            def log_message(self, *args):
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
            Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
            base = f"http://127.0.0.1:{server.server_address[1]}"
            assert self.check(files, tiles=base)[0] == 0
            (files / "tile" / "1" / "000.p" / "1").unlink()
            code, said = self.check(files, tiles=base)
            assert (code, "tile 1/0 is not there" in said) == (1, True)
            server.shutdown()
        code, said = self.check(files, tiles=base)
        assert (code, "cannot be reached" in said) == (1, True)

    def test_a_partial_tile_may_have_become_a_full_one(self, files):
        part = files / "tile" / "0" / "001.p" / "45"
        data = part.read_bytes() + bytes(32) * (256 - 45)
        part.unlink()
        (files / "tile" / "0" / "001").write_bytes(data)
        assert self.check(files)[0] == 0

    def test_a_log_that_lost_entries_is_refused(self, files):
        code, said = self.check(files, old="checkpoint", new="old")
        assert (code, said) == (1, "NOT PROVEN: the log had 301 entries, and has 4\n")

    def test_a_fork_is_found(self, files):
        """Signed with the stolen key, but not what was signed before."""
        forged = signing.sign(4, tree.leaf_hash(b"another"))
        (files / "old").write_text(forged, encoding="utf-8")
        code, said = self.check(files)
        assert (code, said) == (
            1, "NOT PROVEN: the first 4 entries are not those signed before\n",
        )  # fmt: skip

    @pytest.mark.parametrize("path", ["0/000", "0/001.p/45", "1/000.p/1"])
    def test_a_changed_or_shortened_tile_is_found(self, files, path):
        place = files / "tile" / path
        data = place.read_bytes()
        place.write_bytes(bytes(32) + data[32:])
        assert self.check(files)[0] == 1
        place.write_bytes(data[:-32])
        code, said = self.check(files)
        assert (code, "has another size" in said or "is not there" in said) == (1, True)

    @pytest.mark.parametrize("first", [1, 255, 256, 257, 300, 301])
    def test_any_two_states_are_compared(self, files, first):
        state = signing.sign(first, tree.root(first, checkpoints.reader()))
        (files / "old").write_text(state, encoding="utf-8")
        assert self.check(files)[0] == 0
        proof = checkpoints.consistency(first, 301)
        roots = (tree.root(size, checkpoints.reader()) for size in (first, 301))
        tree.verify_consistency(first, 301, *roots, proof)
