"""The worker: rooms in order, until nothing is owed or somebody asks it to stop."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError
from django.utils import timezone

from compliance import audit
from compliance.audit import verification
from compliance.audit.context import acting
from compliance.determinations import Determination
from compliance.errors import KeyUnusable
from compliance.findings import Finding
from compliance.lifecycle import Work
from compliance.vault import age
from referrals.agencies import Agency
from referrals.docket import Referral
from referrals.management.commands import work

LATER = timezone.now() + timedelta(hours=1)


class TestWorkOnce:
    @pytest.mark.slow
    def test_takes_a_signed_determination_to_its_agency(
        self, signed: Determination, agency: Agency
    ) -> None:
        call_command("work", once=True)
        referral = Referral.objects.get()
        assert referral.state == "delivered"
        assert signed.hold.placed_at == signed.signed_at
        assert verification.verify().good
        assert verification.verify().unsealed == 0

    def test_stops_when_nothing_is_owed(self, db: None) -> None:
        call_command("work", once=True)
        assert work.pass_through() == 0

    @pytest.mark.slow
    def test_leaves_what_fails_for_later_and_says_so(
        self, signed: Determination, enrol: Callable[..., Agency], identity: age.Identity
    ) -> None:
        with pytest.raises(
            CommandError,
            match=r"^1 owed effect failed and will be tried again\. The first: enter: No approved "
            r"agency is enrolled for bka\. Enrol it, then wait\.$",
        ):
            call_command("work", once=True)
        assert not Referral.objects.exists()
        assert signed.hold.placed_at == signed.signed_at  # the other rooms went on
        enrol("bka", identity)
        Work.objects.update(available_at=timezone.now())
        call_command("work", once=True)
        assert Referral.objects.get().state == "delivered"

    def test_counts_what_failed(self, db: None) -> None:
        for number in (1, 2):
            Work.objects.create(
                key=f"seal:{number}", topic="seal", subject=uuid4(), cid="a", attempts=1,
                last_error=f"Reason {number}.", available_at=LATER,
            )  # fmt: skip
        with pytest.raises(CommandError, match=r"^2 owed effects failed .* seal: Reason 1\.$"):
            call_command("work", once=True)

    def test_ends_in_one_line_when_the_log_is_not_the_one_that_was_signed(
        self, finding: Finding, settings: Any
    ) -> None:
        call_command("work", once=True)
        settings.LOG_HEAD_FILE.unlink()
        with acting("command:tests"):
            audit.record("finding.mentioned", finding, by=None)
        with pytest.raises(CommandError, match=r"^Nothing was signed\. .* put it back"):
            call_command("work", once=True)


class TestWorkUntil:
    def test_rests_while_nothing_is_owed_and_goes_on_when_something_is(
        self, db: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stopped, passes = threading.Event(), []

        def room() -> int:
            passes.append(len(passes))
            if len(passes) == 4:
                stopped.set()
            return 1 if len(passes) == 2 else 0

        monkeypatch.setattr(work, "ROOMS", (room,))
        monkeypatch.setattr(work, "PAUSE", 0.001)
        monkeypatch.setattr(work, "close_old_connections", lambda: None)
        work.work_until(stopped)
        assert passes == [0, 1, 2, 3]


class TestUntilAsked:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_hears_a_signal_and_leaves_the_handlers_as_they_were(self, number: int) -> None:
        before, stopped = signal.getsignal(number), threading.Event()
        with work.until_asked(stopped):
            os.kill(os.getpid(), number)
            assert stopped.wait(5)
        assert signal.getsignal(number) is before


class TestWork:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_ends_cleanly_when_asked(
        self, db: None, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        monkeypatch.setattr(work, "ROOMS", (lambda: os.kill(os.getpid(), number) or 0,))
        monkeypatch.setattr(work, "PAUSE", 0.001)
        call_command("work")


class TestReason:
    @pytest.mark.parametrize(
        ("error", "sentence"),
        [
            (KeyUnusable("No key.\nMake one."), "No key. Make one."),
            (
                OperationalError("no such table:\n  x"),
                "The database refused: no such table: x. Is it there, and is manage.py migrate "
                "done?",
            ),
            (FileNotFoundError(2, "No such file", "keys"), "FileNotFoundError: [Errno 2] No such"),
        ],
    )
    def test_is_one_line(self, error: Exception, sentence: str) -> None:
        told = work.reason(error)
        assert told.startswith(sentence)
        assert "\n" not in told


@pytest.mark.slow
class TestExitCodes:
    """What a shell sees: 0, 1 or 2, and one line on standard error for a refusal."""

    @pytest.fixture
    def run(self, tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
        kept = {name: each for name, each in os.environ.items() if "DUTYLINE" not in name}

        def run(*words: str) -> "subprocess.CompletedProcess[str]":
            return subprocess.run(
                [sys.executable, "manage.py", *words],
                cwd=Path(__file__).resolve().parents[2],
                env=kept | {"DUTYLINE_STATE_DIR": str(tmp_path)},
                capture_output=True,
                text=True,
            )

        return run

    def test_are_one_with_a_line_for_a_refusal(
        self, run: Callable[..., "subprocess.CompletedProcess[str]"]
    ) -> None:
        done = run("work", "--once")  # no database yet
        assert (done.returncode, done.stdout) == (1, "")
        assert len(done.stderr.splitlines()) == 1
        assert "is manage.py migrate done?" in done.stderr

    @pytest.mark.parametrize(
        "words",
        [("work", "--twice"), ("up", "--port", "high"), ("keygen", "now"), ("demo", "--out")],
    )
    def test_are_two_for_wrong_usage(
        self, run: Callable[..., "subprocess.CompletedProcess[str]"], words: tuple[str, ...]
    ) -> None:
        done = run(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert "usage: manage.py" in done.stderr

    def test_are_none_and_nothing_is_said_when_all_is_done(
        self, run: Callable[..., "subprocess.CompletedProcess[str]"]
    ) -> None:
        run("migrate", "--verbosity", "0")
        done = run("work", "--once")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
