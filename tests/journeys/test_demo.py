"""The demo: what it promises a newcomer, a lawyer and an outsider who trusts nothing of ours."""

import json
import runpy
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import bagit
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from compliance.determinations import Determination
from compliance.findings import Finding
from compliance.roles import User
from compliance.vault import age
from referrals.docket import Referral
from referrals.management import (
    demo_cast,
    demo_desk,
    demo_journey,
    demo_keygen,
    demo_samples,
)
from referrals.management.commands import demo, up
from referrals.sealing import sshsig

LEFT = {
    "bundle.zip", "agency-identity.txt", "allowed_signers", "receipt.tlog-proof", "entry.json",
    "checkpoint", "log.vkey", "openapi.json", "summary.json",
}  # fmt: skip


def needs(*tools: str) -> pytest.MarkDecorator:
    absent = [tool for tool in tools if shutil.which(tool) is None]
    return pytest.mark.skipif(bool(absent), reason=f"not installed: {', '.join(absent)}")


class TestDeskKeys:
    def test_are_private_and_never_overwritten(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "identity"
        monkeypatch.setattr(sys, "argv", ["demo_keygen", age.X25519Identity.kind, str(path)])
        runpy.run_path(demo_keygen.__file__, run_name="__main__")
        told = json.loads(capsys.readouterr().out)
        identity = age.parse_identity(path.read_text().splitlines()[1])
        assert told["recipient"] == str(identity.recipient)
        assert told["fingerprint"] == age.fingerprint(identity.recipient)
        assert path.stat().st_mode & 0o077 == 0
        with pytest.raises(FileExistsError):
            demo_keygen.main([age.X25519Identity.kind, str(path)])


class TestStartOver:
    """The command starts itself again; here a program that tells what it was given."""

    @pytest.fixture(autouse=True)
    def told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        program, told = tmp_path / "manage.py", tmp_path / "told.json"
        program.write_text(
            "import json, os, sys\n"
            "given = {name: each for name, each in os.environ.items() if 'DUTYLINE' in name}\n"
            f"open({str(told)!r}, 'w').write(json.dumps([sys.argv[1:], given]))\n"
        )
        monkeypatch.setattr(demo, "MANAGE", program)
        monkeypatch.setattr(demo, "OWN_STATE", tmp_path / "demo")
        monkeypatch.setenv("DUTYLINE_DATABASE_URL", "postgresql://elsewhere.example.org/x")
        (tmp_path / "demo").mkdir()
        (tmp_path / "demo" / "old").touch()
        return told

    def test_wipes_its_own_state_and_takes_no_setting_along(self, told: Path) -> None:
        call_command("demo")
        assert not (told.parent / "demo").exists()
        assert json.loads(told.read_text()) == [
            ["demo", "--here"],
            {"DUTYLINE_STATE_DIR": str(told.parent / "demo")},
        ]

    def test_passes_on_what_was_asked_for(self, told: Path) -> None:
        call_command("demo", json=True, out=told.parent / "left")
        words, _ = json.loads(told.read_text())
        assert words == ["demo", "--here", "--json", "--out", str(told.parent / "left")]

    def test_runs_the_worker_the_same_way(self, told: Path) -> None:
        demo.worker()
        assert json.loads(told.read_text())[0] == ["work", "--once"]


class TestGoOn:
    def test_names_the_program_as_one_would_type_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "executable", str(demo_desk.ROOT / ".venv" / "bin" / "python"))
        told = demo._go_on(None, "x", {})
        assert told[1] == "    DUTYLINE_STATE_DIR=var/demo .venv/bin/python manage.py up"
        assert told[-1] == "The password of all five, made for this run: x"
        monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
        assert "/usr/bin/python3 manage.py up" in demo._go_on(None, "x", {})[1]

    def test_says_what_was_left_where(self) -> None:
        referrals = [{"to": "bka", "number": "R-1"}, {"to": "fbi", "number": "R-2"}]
        account = {"findings": [{"referrals": []}, {"referrals": referrals}]}
        told = "\n".join(demo._go_on(Path("my left"), "x", account))
        assert told.startswith("What an outsider can check without us is left in one folder.")
        assert "    cd 'my left' && unzip -q bundle.zip\n    sh R-2/open.sh" in told


class TestRefusals:
    @pytest.mark.slow
    def test_of_a_desk_name_it_and_say_what_its_program_said(self, tmp_path: Path) -> None:
        desk = demo_desk.Desk("bka", tmp_path, age.X25519Identity.kind)
        with pytest.raises(CommandError, match=r"^At the desk of bka: .*cannot be read"):
            desk._liaison("list", base="http://localhost:1")

    def test_of_the_worker_stop_the_demo(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(demo, "MANAGE", Path("/nonexistent/manage.py"))
        with pytest.raises(CommandError, match="The worker ended with 2"):
            demo.worker()

    def test_of_the_whole_demo_end_with_its_exit_code(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(demo, "MANAGE", Path("/nonexistent/manage.py"))
        monkeypatch.setattr(demo, "OWN_STATE", tmp_path / "demo")
        with pytest.raises(SystemExit) as end:
            call_command("demo", json=True, out=tmp_path)
        assert end.value.code == 2

    def test_of_a_folder_that_cannot_be_made_come_before_anything_is_done(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(up, "make_ready", lambda: pytest.fail("too late"))
        (tmp_path / "file").touch()
        with pytest.raises(CommandError, match=r"^FileExistsError: .*file'$"):
            call_command("demo", here=True, json=True, out=tmp_path / "file")

    def test_of_a_state_that_cannot_be_wiped_come_in_one_line(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(demo, "OWN_STATE", tmp_path / "demo")
        (tmp_path / "demo").touch()
        with pytest.raises(CommandError, match=r"^NotADirectoryError: .*demo"):
            call_command("demo")

    def test_protect_a_state_in_which_people_work(
        self, monkeypatch: pytest.MonkeyPatch, ana: User
    ) -> None:
        monkeypatch.setattr(up, "make_ready", lambda: None)
        with pytest.raises(CommandError, match=r"^Somebody works here\."):
            call_command("demo", here=True, json=True)
        assert User.objects.count() == 1

    def test_come_when_the_worker_proposed_nothing(self, finding: Finding, carla: User) -> None:
        cast = demo_cast.Cast(ana=carla, ben=carla, carla=carla, dora=carla, cleo=carla)
        with pytest.raises(CommandError, match="proposed nothing"):
            demo_journey._sign(demo_samples.read("berlin"), finding, cast)

    def test_come_when_the_worker_left_something_undone(self, signed: Determination) -> None:
        with pytest.raises(CommandError, match="left duty towards bka undone"):
            demo_journey._require_delivered()

    def test_come_when_a_referral_waits(self, entered: Referral) -> None:
        with pytest.raises(CommandError, match=f"left {entered.number} undone"):
            demo_journey._require_delivered()


@pytest.fixture
def at_home(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The demo inside this process: its worker runs here, and its desks come one by one."""
    if connection.vendor != "sqlite":
        pytest.skip("the demo runs only on SQLite")
    settings.STATE_DIR, settings.STATIC_ROOT = tmp_path, tmp_path / "static"
    settings.BASE_URL = "http://localhost:8000"
    one_by_one = partial(demo_journey.ThreadPoolExecutor, max_workers=1)
    monkeypatch.setattr(demo_journey, "ThreadPoolExecutor", one_by_one)
    monkeypatch.setattr(demo, "worker", lambda: call_command("work", once=True))
    return tmp_path


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
class TestJourney:
    def test_tells_the_journey_and_leaves_what_can_be_checked(
        self, at_home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out, told, steps = at_home / "out", StringIO(), StringIO()
        monkeypatch.setattr(demo.sys.stderr, "isatty", lambda: True, raising=False)
        call_command("demo", here=True, out=out, stdout=told, stderr=steps)
        lines = told.getvalue().splitlines()
        assert lines[-1].startswith("The log verifies: ")
        assert "The law's answer: no referral. This is why:" in told.getvalue()
        assert "  · Carla signs the determination on F-" in steps.getvalue()
        assert {path.name for path in out.iterdir()} == LEFT

    def test_says_when_the_log_does_not_verify(
        self, at_home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad = demo.verification.Report(7, "", 0, 3, "Leaf 3 is missing.")
        monkeypatch.setattr(demo.verification, "verify", lambda: bad)
        monkeypatch.setattr(demo_journey, "take", lambda *_, step, **options: step("x") or [])
        told = StringIO()
        with pytest.raises(CommandError, match="does not verify: Leaf 3 is missing"):
            call_command("demo", here=True, json=True, stdout=told)
        assert json.loads(told.getvalue())["log"]["verifies"] is False

    def test_refuses_an_answer_that_is_none(self, at_home: Path) -> None:
        (at_home / "static").mkdir()
        with (
            up.serving(0) as base,
            pytest.raises(CommandError, match="GET /nowhere answered 404"),
        ):
            demo.fetch(base, "/nowhere")


# --- from outside: a checkout with nothing beside it


@pytest.fixture(scope="module")
def ran(clone: Path, demonstrate: Callable[..., Any]) -> tuple[str, Path]:
    """What the demo printed, and the folder that it left; run with a bad setting around it."""
    out = clone / "left"
    return demonstrate("--out", str(out)).stdout, out


@pytest.mark.slow
class TestDemo:
    def test_prints_a_journey_whose_last_line_says_that_the_log_verifies(
        self, ran: tuple[str, Path]
    ) -> None:
        lines = ran[0].splitlines()
        assert lines[-1].startswith("The log verifies: ")

    def test_is_quiet_in_a_pipe(self, ran: tuple[str, Path]) -> None:
        assert "·" not in ran[0]

    def test_leaves_what_it_promises_and_nothing_else(self, ran: tuple[str, Path]) -> None:
        assert {path.name for path in ran[1].iterdir()} == LEFT
        assert (ran[1] / "agency-identity.txt").stat().st_mode & 0o077 == 0
        summary = json.loads((ran[1] / "summary.json").read_text())
        assert [len(each["referrals"]) for each in summary["findings"]] == [1, 2, 0]
        assert summary["log"]["verifies"]
        assert json.loads((ran[1] / "openapi.json").read_text())["openapi"].startswith("3.1")
        assert (ran[1] / "checkpoint").read_text() in (ran[1] / "receipt.tlog-proof").read_text()

    def test_refers_what_the_law_says(self, ran: tuple[str, Path]) -> None:
        summary = json.loads((ran[1] / "summary.json").read_text())
        (berlin,), (to_bka, to_fbi), () = (each["referrals"] for each in summary["findings"])
        assert (berlin["to"], berlin["because"]) == ("bka", ["eu-dsa-18", "eu-tco-14-5"])
        assert berlin["items"] == ["berlin-post.txt", "berlin-picture.png"]
        assert (to_bka["to"], to_bka["withhold"]["C_priv"]) == ("bka", "us_sca_2702a")
        assert to_bka["items"] == ["munich-profile.pdf"]
        assert (to_fbi["to"], to_fbi["kind"]) == ("fbi", "permission")
        assert "munich-recording.avi" in to_fbi["items"]
        assert "C_priv" in to_fbi["release"]
        assert all(each["seconds_to_spare"] > 0 for each in (berlin, to_bka, to_fbi))
        assert all(each["state"] == "closed" for each in (berlin, to_bka, to_fbi))

    def test_keeps_the_password_out_of_what_it_leaves(self, ran: tuple[str, Path]) -> None:
        password = ran[0].partition("made for this run: ")[2].split()[0]
        assert len(password) == 16
        for path in ran[1].iterdir():
            assert password.encode() not in path.read_bytes()

    def test_runs_again_and_prints_one_object_when_asked(
        self, ran: tuple[str, Path], demonstrate: Callable[..., Any]
    ) -> None:
        first = json.loads((ran[1] / "summary.json").read_text())
        done = demonstrate("--json")
        again = json.loads(done.stdout)
        assert done.stderr == ""
        assert again["log"]["verifies"]
        assert again["findings"][0]["reference"] != first["findings"][0]["reference"]


@pytest.fixture(scope="module")
def unpacked(ran: tuple[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(ran[1] / "bundle.zip") as archive:
        archive.extractall(folder)
    (bag,) = folder.iterdir()
    return bag


def decrypted(left: Path, path: Path) -> bytes:
    identity = str(left / "agency-identity.txt")
    return subprocess.run(
        ["age", "-d", "-i", identity, str(path)], capture_output=True, check=True
    ).stdout


@pytest.mark.slow
@pytest.mark.stock
class TestWhatItLeaves:
    @needs("sh", "unzip", "age", "ssh-keygen", "sed", "xxd", "openssl")
    def test_is_checked_by_the_commands_that_were_printed(
        self, ran: tuple[str, Path], tmp_path: Path
    ) -> None:
        copy = tmp_path / "left"
        shutil.copytree(ran[1], copy)
        printed = ran[0].partition("What an outsider can check")[2].partition("To go on")[0]
        lines = [line for line in printed.splitlines() if line.startswith("    ")]
        script = "\n".join(lines).replace(str(ran[1]), str(copy))
        done = subprocess.run(["sh", "-e"], input=script, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert f'Good "{sshsig.NAMESPACE}" signature for dutyline-service' in done.stdout
        assert "PROVEN: the entry is number" in done.stdout
        assert (copy / "opened" / "manifest.json").is_file()

    @needs("unzip")
    def test_is_a_zip(self, ran: tuple[str, Path]) -> None:
        done = subprocess.run(["unzip", "-t", ran[1] / "bundle.zip"], capture_output=True)
        assert done.returncode == 0
        assert b"No errors detected" in done.stdout

    def test_is_a_bag(self, unpacked: Path) -> None:
        assert bagit.Bag(str(unpacked)).is_valid()

    @needs("age", "ssh-keygen")
    def test_opens_with_age_to_the_original_bytes_under_a_signed_manifest(
        self, ran: tuple[str, Path], unpacked: Path
    ) -> None:
        manifest = decrypted(ran[1], unpacked / "data" / "manifest.json.age")
        (unpacked.parent / "sig").write_bytes(
            decrypted(ran[1], unpacked / "data" / "manifest.json.sig.age")
        )
        said = json.loads(manifest)
        principal, _, rest = (ran[1] / "allowed_signers").read_text().partition(" ")
        namespace = rest.partition('namespaces="')[2].partition('"')[0]
        subprocess.run(
            ["ssh-keygen", "-Y", "verify", "-f", ran[1] / "allowed_signers", "-I", principal,
             "-n", namespace, "-s", unpacked.parent / "sig"],
            input=manifest, check=True, capture_output=True,
        )  # fmt: skip
        exhibits = {each.name: each for each in demo_samples.read("munich").evidence}
        assert {each["name"] for each in said["items"]} == set(exhibits)
        for item in said["items"]:
            with exhibits[item["name"]].open() as original:
                assert decrypted(ran[1], unpacked / item["member"]) == original.read()

    def test_opens_with_open_bundle(self, ran: tuple[str, Path], tmp_path: Path) -> None:
        call_command(
            "open_bundle",
            str(ran[1] / "bundle.zip"),
            identity=ran[1] / "agency-identity.txt",
            signers=ran[1] / "allowed_signers",
            out=tmp_path / "opened",
            stdout=StringIO(),
        )
        sizes = {path.stat().st_size for path in (tmp_path / "opened").rglob("*") if path.is_file()}
        assert len(demo_samples.moving_bars()) in sizes

    @needs("sh", "sed", "xxd", "openssl")
    def test_proves_the_delivery_to_a_shell(self, ran: tuple[str, Path]) -> None:
        script = demo_samples.FOLDER.parent / "verify" / "verify_receipt.sh"
        files = [ran[1] / name for name in ("receipt.tlog-proof", "entry.json", "log.vkey")]
        subprocess.run(["sh", script, *files], check=True, capture_output=True)
        changed = ran[1].parent / "changed.json"
        changed.write_bytes(files[1].read_bytes().replace(b"delivered", b"withdrawn"))
        refused = subprocess.run(["sh", script, files[0], changed, files[2]], capture_output=True)
        assert refused.returncode == 1
