"""The production shape: PostgreSQL, RabbitMQ, a real Celery worker and a real beat."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from compliance import determinations, facts, findings
from compliance.evidence import Item
from compliance.findings import Finding
from compliance.roles import User
from referrals.agencies import Agency
from referrals.docket import Referral

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(
        not settings.BROKER_URL or "postgresql" not in settings.DATABASES["default"]["ENGINE"],
        reason="DUTYLINE_DATABASE_URL and DUTYLINE_BROKER_URL name no PostgreSQL and RabbitMQ",
    ),
]


def environment(tmp_path: Path) -> dict[str, str]:
    """Point a child process at this test's database, keys and storage."""
    at = connection.settings_dict
    return os.environ | {
        "DUTYLINE_DATABASE_URL": f"postgresql://{at['USER']}:{at['PASSWORD']}@"
        f"{at['HOST']}:{at['PORT']}/{at['NAME']}",
        "DUTYLINE_STATE_DIR": str(tmp_path),
        "DUTYLINE_KEYS_DIR": str(settings.KEYS_DIR),
        "DUTYLINE_STORAGE": settings.STORAGE,
    }


def start(tmp_path: Path, *command: str) -> subprocess.Popen[bytes]:
    with (tmp_path / f"{command[0]}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "config.celery", *command],
            cwd=ROOT,
            env=environment(tmp_path),
            stdout=log,
            stderr=subprocess.STDOUT,
        )


@pytest.fixture
def celery(transactional_db: None, tmp_path: Path) -> Iterator[None]:
    """A worker and a beat, ended by their process ids."""
    schedule = str(tmp_path / "beat")
    running = [
        start(tmp_path, "worker", "-Q", "urgent,default,bulk", "--concurrency", "2"),
        start(tmp_path, "beat", "--schedule", schedule),
    ]
    try:
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(found: Callable[[], Any], what: str) -> Any:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if value := found():
            return value
        time.sleep(0.2)
    pytest.fail(f"{what} did not come within {PATIENCE:.0f} s")


class TestCelery:
    def test_carries_a_confirmed_finding_to_the_agency(
        self,
        celery: None,
        profile: facts.ProviderProfile,
        imminent: Finding,
        item: Item,
        agency: Agency,
        ben: User,
        sign: Callable[..., determinations.Determination],
    ) -> None:
        findings.confirm(imminent, because="Credible and specific.", by=ben)
        proposed = wait_for(
            lambda: determinations.Determination.objects.filter(finding=imminent).first(),
            "the determination",
        )
        sign(proposed)
        referral = wait_for(
            lambda: Referral.objects.filter(state=Referral.State.DELIVERED).first(), "the delivery"
        )
        assert referral.agency == agency
        assert referral.attempts.count() == 1
