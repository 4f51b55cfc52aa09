"""The worker: rooms in order, until nothing is owed or somebody asks it to stop."""

import os
import signal
import threading

import pytest
from django.core.management import call_command

from compliance.audit import checkpoints
from compliance.determinations import Determination
from compliance.lifecycle import Work
from referrals.agencies import Agency
from referrals.docket import Referral
from referrals.management.commands import work


class TestWorkOnce:
    def test_takes_a_signed_determination_to_its_agency(
        self, signed: Determination, agency: Agency
    ) -> None:
        call_command("work", once=True)
        referral = Referral.objects.get()
        assert referral.state == "delivered"
        assert signed.hold.placed_at == signed.signed_at
        assert checkpoints.verify().good
        assert checkpoints.verify().unsealed == 0

    def test_stops_when_nothing_is_owed(self, db: None) -> None:
        call_command("work", once=True)
        assert work.pass_through() == 0

    def test_leaves_what_fails_for_later(self, signed: Determination) -> None:
        call_command("work", once=True)  # no agency is enrolled
        assert not Referral.objects.exists()
        assert "No approved agency" in Work.objects.get(topic="enter").last_error


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


class TestWork:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_ends_cleanly_when_asked(
        self, db: None, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
        monkeypatch.setattr(work, "ROOMS", (lambda: os.kill(os.getpid(), number) or 0,))
        monkeypatch.setattr(work, "PAUSE", 0.001)
        try:
            call_command("work")
        finally:
            signal.signal(signal.SIGTERM, before[0])
            signal.signal(signal.SIGINT, before[1])
