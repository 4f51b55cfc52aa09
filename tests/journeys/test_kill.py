"""The worker is killed at random moments; what it owed is done all the same, and done once."""

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
KILLS = 10
CLAIMS = "SELECT sum(attempts) FROM compliance_work"

SET_UP = """
import django; django.setup()
from pathlib import Path
from types import SimpleNamespace
from django.conf import settings
from compliance.findings import Finding
from compliance.roles import User
from referrals.management import demo_cast, demo_journey, demo_samples
from referrals.management.commands import up
from referrals.management.demo_desk import Desk
munich = demo_samples.read("munich")
"""
RECORD = """
up.make_ready()
cast = demo_cast.people("correct-horse-battery")
demo_cast.sign_profile(cast)
for authority, kind in (("bka", "mlkem768x25519"), ("fbi", "X25519")):
    demo_cast.enrol(cast, Desk(authority, Path(settings.STATE_DIR) / "agencies", kind).introduce())
demo_journey._record(munich, cast, lambda text: None)
"""
SIGN = """
cast = SimpleNamespace(carla=User.objects.get(username="carla"))
demo_journey._sign(munich, Finding.objects.get(), cast)
"""


class Provider:
    """A provider of its own, in a folder of its own, whose commands are processes."""

    def __init__(self, folder: Path) -> None:
        kept = {name: each for name, each in os.environ.items() if not name.startswith("DUTYLINE_")}
        self.folder = folder
        self.around = kept | {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DUTYLINE_STATE_DIR": str(folder),
        }

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, *words], cwd=ROOT, env=self.around, text=True, stdout=subprocess.PIPE
        )

    def run(self, code: str) -> str:
        process = self.start("-c", SET_UP + code)
        told, _ = process.communicate()
        assert process.returncode == 0
        return told

    def manage(self, *words: str) -> None:
        process = self.start("manage.py", *words)
        process.communicate()
        assert process.returncode == 0

    def work_and_be_killed(self, after: float) -> bool:
        """Kill a worker, by its own id, a while after it took up work; tell whether it lived."""
        before = self.ask(CLAIMS)
        process = self.start("manage.py", "work", "--once")
        while process.poll() is None and self.ask(CLAIMS) == before:
            time.sleep(0.002)
        time.sleep(after)
        process.kill()
        process.communicate()
        return process.returncode != 0

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.folder / "dutyline.sqlite3", timeout=20)) as database:
            yield database
            database.commit()

    def let_leases_expire(self) -> None:
        """Do what the passing of time would do."""
        past = "2001-01-01 00:00:00"
        with self.database() as database:
            database.execute(
                "UPDATE compliance_work SET available_at = ?,"
                " lease_until = CASE WHEN lease_until IS NULL THEN NULL ELSE ? END"
                " WHERE done_at IS NULL",
                [past, past],
            )

    def ask(self, question: str) -> list[Any]:
        with self.database() as database:
            return database.execute(question).fetchall()

    def be_killed(self, times: int, draw: random.Random) -> int:
        """Kill that many workers and return how many were still at it."""
        alive = 0
        for _ in range(times):
            alive += self.work_and_be_killed(draw.uniform(0.0, 0.3))
            self.let_leases_expire()
        return alive


@pytest.mark.slow
def test_a_worker_killed_ten_times_refers_once(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # shown with a failure
    draw, provider = random.Random(seed), Provider(tmp_path)  # noqa: S311
    # A confirmed finding with a real bundle's worth of evidence, and a worker that is killed.
    provider.run(RECORD)
    alive = provider.be_killed(2, draw)
    provider.manage("work", "--once")
    assert provider.ask("SELECT state FROM compliance_determination") == [("proposed",)]
    # Carla signs; the workers that hold, enter, seal and deliver are killed.
    provider.run(SIGN)
    alive += provider.be_killed(KILLS - 2, draw)
    assert alive > 0
    # The next worker lives.
    provider.manage("work", "--once")
    # One referral for each obligation, sealed once, delivered once; one determination, one hold.
    assert provider.ask("SELECT count(*) FROM compliance_determination") == [(1,)]
    assert provider.ask("SELECT count(*) FROM compliance_hold") == [(1,)]
    assert provider.ask("SELECT count(*) FROM compliance_obligation") == [(2,)]
    assert provider.ask("SELECT state FROM referrals_referral") == [("delivered",)] * 2
    assert provider.ask("SELECT count(DISTINCT obligation_id) FROM referrals_referral") == [(2,)]
    assert provider.ask("SELECT count(*) FROM referrals_bundle") == [(2,)]
    for event in ("entered", "sealed", "delivered"):
        assert provider.ask(
            "SELECT count(*), count(DISTINCT object_pk) FROM compliance_auditentry"  # noqa: S608
            f" WHERE event = 'referral.{event}'"
        ) == [(2, 2)], event
    assert provider.ask(
        "SELECT count(*), count(DISTINCT referral_id), sum(confirmed_at IS NOT NULL)"
        " FROM referrals_attempt"
    ) == [(2, 2, 2)]
    assert provider.ask("SELECT count(*) FROM compliance_work WHERE done_at IS NULL") == [(0,)]
    # And the log says so, has it all, and verifies.
    assert provider.ask("SELECT count(*) FROM compliance_auditoutbox") == [(0,)]
    provider.manage("verify_audit")


OVERTURN = """
from compliance import overturnings
people = {each.username: each for each in User.objects.all()}
doubt = overturnings.propose(
    Finding.objects.get(), reason="compromised_account", because="A thief.", by=people["ben"]
)
overturnings.sign(doubt, because="Seen.", by=people["carla"])
"""
RETRACT = """
from referrals import retractions
for each in retractions.waiting():
    retractions.sign(each, because="Seen.", by=User.objects.get(username="carla"))
"""


@pytest.mark.slow
def test_a_worker_killed_while_it_takes_back_tells_each_agency_once(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # shown with a failure
    draw, provider = random.Random(seed), Provider(tmp_path)  # noqa: S311
    provider.run(RECORD)
    provider.manage("work", "--once")
    provider.run(SIGN)
    provider.manage("work", "--once")
    # Carla overturns; the workers that propose to take back are killed, then those that deliver.
    provider.run(OVERTURN)
    alive = provider.be_killed(3, draw)
    provider.manage("work", "--once")
    assert provider.ask("SELECT state FROM referrals_retraction") == [("proposed",)] * 2
    provider.run(RETRACT)
    alive += provider.be_killed(5, draw)
    assert alive > 0
    provider.manage("work", "--once")
    # One retraction for each agency, entered, sealed and delivered once; each bundle revoked once.
    assert provider.ask(
        "SELECT filing_type, state, count(*) FROM referrals_referral GROUP BY 1, 2 ORDER BY 1"
    ) == [("initial", "delivered", 2), ("retraction", "delivered", 2)]
    for event, times in (
        ("retraction.proposed", 2), ("retraction.signed", 2), ("bundle.revoked", 2),
        ("referral.entered", 4), ("referral.sealed", 4), ("referral.delivered", 4),
    ):  # fmt: skip
        assert provider.ask(
            "SELECT count(*), count(DISTINCT object_pk) FROM compliance_auditentry"  # noqa: S608
            f" WHERE event = '{event}'"
        ) == [(times, times)], event
    assert provider.ask(
        "SELECT count(*) FROM referrals_attempt WHERE confirmed_at IS NULL AND failed_at IS NULL"
    ) == [(0,)]
    assert provider.ask("SELECT count(*) FROM compliance_work WHERE done_at IS NULL") == [(0,)]
    provider.manage("verify_audit")
