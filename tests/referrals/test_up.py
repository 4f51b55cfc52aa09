"""up and keygen: what a first start makes, serves and says, and how it ends."""

import os
import signal
import socket
import stat
import threading
from http.client import HTTPConnection
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from compliance.audit import checkpoints
from compliance.roles import User
from referrals import bundles
from referrals.management.commands import up, work


@pytest.fixture
def state(settings: Any, tmp_path: Path) -> Path:
    """A state of its own, nothing made yet."""
    settings.STATE_DIR, settings.STATIC_ROOT = tmp_path, tmp_path / "static"
    settings.BASE_URL = "http://localhost:8000"
    return tmp_path


def printed(command: str, **options: Any) -> str:
    """Run a command and return what it printed."""
    call_command(command, stdout=(out := StringIO()), **options)
    return out.getvalue()


def status(address: str) -> int:
    """Ask for a file of the desk and return the status of the answer."""
    connection = HTTPConnection(address.removeprefix("http://"), timeout=10)
    connection.request("GET", "/static/admin/css/base.css")
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


class TestKeygen:
    def test_makes_three_private_keys_and_shows_public_halves(self, settings: Any) -> None:
        told = printed("keygen")
        kek = settings.KEYS_DIR / f"kek-{timezone.now().year}"
        made = [settings.LOG_KEY_FILE, settings.KEYS_DIR / "service-signing-key", kek]
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in made)
        assert checkpoints.vkey() in told
        assert bundles.allowed_signers().strip() in told
        assert not any(path.read_text().strip() in told for path in made)

    def test_leaves_what_is_there(self, settings: Any) -> None:
        first = printed("keygen")
        secrets = {path.name: path.read_bytes() for path in settings.KEYS_DIR.iterdir()}
        assert printed("keygen") == first
        assert {path.name: path.read_bytes() for path in settings.KEYS_DIR.iterdir()} == secrets


class TestServing:
    def test_answers_under_its_address(self, db: None, state: Path, settings: Any) -> None:
        (state / "static").mkdir()
        with up.serving(0) as address:
            assert address == settings.BASE_URL
            assert status(address) == 200

    def test_writes_no_line_for_a_request(
        self, db: None, state: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        (state / "static").mkdir()
        with up.serving(0) as address:
            status(address)
        assert capfd.readouterr().err == ""

    def test_leaves_the_address_that_agencies_call(self, state: Path, settings: Any) -> None:
        (state / "static").mkdir()
        settings.BASE_URL = "https://duty.example.org"
        with up.serving(0) as address:
            assert address.startswith("http://localhost:")
            assert settings.BASE_URL == "https://duty.example.org"

    @pytest.mark.parametrize("port", [-1, 65536])
    def test_refuses_a_port_that_is_none(self, state: Path, port: int) -> None:
        with pytest.raises(CommandError, match=f"Port {port} cannot be had"), up.serving(port):
            pass

    def test_refuses_a_port_that_is_taken(self, state: Path) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            with pytest.raises(CommandError, match=f"Port {port} cannot be had"), up.serving(port):
                pass


class TestOwnPort:
    @pytest.mark.parametrize(
        ("address", "port"),
        [
            ("http://localhost:9001", 9001),
            ("http://127.0.0.1:9002", 9002),
            ("http://localhost", 8000),
            ("https://duty.example.org:8443", 8000),
        ],
    )
    def test_is_the_one_of_this_machine(self, settings: Any, address: str, port: int) -> None:
        settings.BASE_URL = address
        assert up.own_port() == port


@pytest.mark.slow
class TestUp:
    """Transactional, since web and worker have threads and connections of their own."""

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_serves_works_and_ends_when_asked(
        self, state: Path, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        before = signal.getsignal(number)
        monkeypatch.setattr(work, "ROOMS", (lambda: os.kill(os.getpid(), number) or 0,))
        told = printed("up", port=0)
        assert "/admin/" in told
        assert "createsuperuser --username ana" in told
        assert signal.getsignal(number) is before
        assert not {"web", "worker"} & {thread.name for thread in threading.enumerate()}
        assert (state / "static").is_dir()

    @pytest.mark.django_db(transaction=True)
    def test_does_not_explain_accounts_to_those_who_have_one(
        self, state: Path, ana: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(up, "own_port", lambda: 0)
        monkeypatch.setattr(work, "ROOMS", (lambda: os.kill(os.getpid(), signal.SIGINT) or 0,))
        assert "createsuperuser" not in printed("up")

    @pytest.mark.django_db(transaction=True)
    def test_ends_with_a_reason_when_the_worker_breaks(
        self, state: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(work, "ROOMS", (lambda: 1 // 0,))
        with pytest.raises(CommandError, match="The worker broke"):
            printed("up", port=0)
