"""up: what a first start makes, serves and says, and how it ends."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection
from http.cookiejar import CookieJar
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, build_opener

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from compliance.errors import Tampered
from compliance.roles import User
from referrals.management.commands import up, work

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct-horse-battery"  # noqa: S105


def sign_in(address: str, name: str) -> int:
    """Sign in at the desk and return the status of the answer: 302 leads on."""
    opener = build_opener(HTTPCookieProcessor(jar := CookieJar()), Stay())
    opener.open(address, timeout=10).read()
    (token,) = (each.value for each in jar if each.name == "csrftoken")
    form = {"csrfmiddlewaretoken": token, "username": name, "password": PASSWORD}
    try:
        return int(opener.open(address, urlencode(form).encode(), timeout=10).status)
    except HTTPError as answer:
        answer.close()
        return answer.code


class Stay(HTTPRedirectHandler):
    """Follow only the way to the form."""

    def http_error_302(self, req: Any, *rest: Any) -> Any:
        """Stop where a form that was sent leads on."""
        return None if req.data else super().http_error_302(req, *rest)


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


class TestServing:
    @pytest.mark.slow
    def test_answers_under_its_address(self, db: None, state: Path, settings: Any) -> None:
        (state / "static").mkdir()
        with up.serving(0) as address:
            assert address == settings.BASE_URL
            assert status(address) == 200

    @pytest.mark.slow
    def test_writes_no_line_for_a_request(
        self, db: None, state: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        (state / "static").mkdir()
        with up.serving(0) as address:
            status(address)
        assert capfd.readouterr().err == ""

    @pytest.mark.slow
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
        with pytest.raises(
            CommandError, match=r"^The worker broke\. ZeroDivisionError: integer division"
        ):
            printed("up", port=0)

    @pytest.mark.django_db(transaction=True)
    def test_ends_with_the_words_of_a_refusal(
        self, state: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def room() -> int:
            raise Tampered("Nothing was signed.")

        monkeypatch.setattr(work, "ROOMS", (room,))
        with pytest.raises(CommandError, match=r"^The worker broke\. Nothing was signed\.$"):
            printed("up", port=0)

    def test_says_in_one_line_that_a_key_is_none(
        self, db: None, state: Path, settings: Any
    ) -> None:
        (settings.KEYS_DIR / "service-signing-key").write_text("not a key")
        with pytest.raises(CommandError, match="The service's signing key file is not base64"):
            printed("up", port=0)


@pytest.mark.slow
class TestFirstStart:
    """A newcomer's first start: a process, an empty folder, and what the screen says."""

    def test_leads_to_an_account_that_can_sign_in(self, tmp_path: Path) -> None:
        around = {name: each for name, each in os.environ.items() if "DUTYLINE" not in name}
        around |= {"DUTYLINE_STATE_DIR": str(tmp_path), "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
        screen = tmp_path / "screen"
        with screen.open("w") as out:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "up", "--port", "0"],
                cwd=ROOT, env=around, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            until = time.monotonic() + 30
            while "Roles:" not in screen.read_text() and time.monotonic() < until:
                time.sleep(0.05)
            told = screen.read_text()
            (line,) = (each for each in told.splitlines() if "createsuperuser" in each)
            python, *words = line.split()
            assert python == ".venv/bin/python"
            done = subprocess.run(
                [sys.executable, *words, "--noinput"],
                cwd=ROOT, env=around, capture_output=True, text=True,
            )  # fmt: skip
            assert (done.returncode, done.stderr) == (0, "")
            address = told.partition("is up: ")[2].split()[0]
            assert address.startswith("http://localhost:")
            assert sign_in(address, "ana") == 302
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert screen.read_text() == told  # no line of a log, of a request, of a shutdown
        kept = {path.name for path in (tmp_path / "keys").iterdir()}
        assert {"log-signing-key", "service-signing-key"} < kept
