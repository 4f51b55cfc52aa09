"""Nothing in clear on any disk: a large upload is watched from outside, on each server we name.

By default 64 MiB, and a whole GiB with
`DUTYLINE_WATCH_MIB=1024 python -m pytest -m slow -n 0 -s tests/journeys/test_plaintext.py`.
The marker is in every 4 KiB of the file. All the while, everything that server and proxy have open,
and all that lies in their folders, is read for it. Only memory may hold it.
"""

import http.client
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MIB = int(os.environ.get("DUTYLINE_WATCH_MIB", "64"))
MARK = b"A marker that nobody may find on a disk. "
PIECE = (MARK.ljust(4096, b".")) * 256  # a MiB
PASSWORD = "correct-horse-battery"  # noqa: S105
MOST = 160  # MiB that a process may ever have needed, the framework and all: not the file's size

SET_UP = f"""
import django; django.setup()
from datetime import timedelta
from django.utils import timezone
from compliance import findings
from compliance.audit.context import acting
from compliance.roles import User
from referrals.management.commands import up
up.make_ready()
with acting("command:tests"):
    ana = User.objects.create_user(
        "ana", "ana@example.org", "{PASSWORD}", role="reviewer", is_staff=True
    )
finding = findings.record(
    statement="An account announces an attack.", particulars={{}},
    rungs={{"suspicion": timezone.now() - timedelta(hours=1)}}, by=ana,
)
print(finding.pk)
"""
LOOK = """
import django; django.setup()
from compliance.evidence import Item
from compliance.vault.uploads import Unclaimed
item = Item.objects.get()
print(item.size, item.sha256, Unclaimed.objects.count())
"""

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class House:
    """A provider in a folder of its own, and whoever serves it."""

    def __init__(self, folder: Path, **more: str) -> None:
        self.folder, self.temporary = folder, folder / "temporary"
        self.temporary.mkdir()
        kept = {name: each for name, each in os.environ.items() if not name.startswith("DUTYLINE_")}
        self.around = kept | {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DUTYLINE_STATE_DIR": str(folder / "state"),
            "TMPDIR": str(self.temporary),
            "HOME": str(folder),
            **more,
        }
        self.processes: list[subprocess.Popen[bytes]] = []

    def run(self, code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=self.around, check=True, capture_output=True
        )
        return done.stdout.decode()

    @contextmanager
    def start(self, *words: str, port: int) -> Iterator[None]:
        process = subprocess.Popen(
            words, cwd=ROOT, env=self.around,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self.processes.append(process)
        try:
            for _ in range(600):
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                assert process.poll() is None, "the server did not start"
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait(30)

    def pids(self) -> list[int]:
        """Return the processes and all that they started."""
        found, parents = [each.pid for each in self.processes], {}
        for status in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                parents[int(status.parent.name)] = int(
                    status.read_text().rpartition(")")[2].split()[1]
                )
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def peak(self) -> float:
        """Return the most memory that any of them ever had, in MiB."""
        most = 0.0
        for pid in self.pids():
            with suppress(OSError):
                said = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
                most = max(most, int(said[1]) / 1024 if said else 0.0)
        return most


class Watch:
    """Reads every file that is open or lies in a folder for the marker, again and again."""

    def __init__(self, house: House) -> None:
        self.house, self.found = house, set[str]()
        self.read: dict[tuple[int, int], int] = {}
        self.looks = self.bytes = 0
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.go_on, daemon=True)

    def go_on(self) -> None:
        while not self.stopped.is_set():
            self.look()
            time.sleep(0.05)

    def look(self) -> None:
        self.looks += 1
        opened = [each for pid in self.house.pids() for each in Path(f"/proc/{pid}/fd").glob("*")]
        for path in [*opened, *self.house.folder.rglob("*")]:
            with suppress(OSError):
                if path.is_file():
                    self.search(path)

    def search(self, path: Path) -> None:
        """Read what came to a file since the last look, and a little before it."""
        with open(path, "rb", buffering=0) as file:
            about = os.fstat(file.fileno())
            key = (about.st_dev, about.st_ino)
            start = self.read.get(key, 0)
            file.seek(max(0, start - len(MARK)))
            while data := file.read(2**22):
                self.bytes += len(data)
                if MARK in data:
                    self.found.add(os.readlink(path) if path.is_symlink() else str(path))
            self.read[key] = file.tell()

    def __enter__(self) -> "Watch":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.thread.join()
        self.look()


class Ana:
    """Ana's browser, which knows no more than HTTP."""

    def __init__(self, port: int, trusted: Path | None = None) -> None:
        self.at = f"{'https' if trusted else 'http'}://localhost:{port}"
        if trusted:
            context = ssl.create_default_context(cafile=str(trusted))
            self.line: http.client.HTTPConnection = http.client.HTTPSConnection(
                "localhost", port, timeout=600, context=context
            )
        else:
            self.line = http.client.HTTPConnection("localhost", port, timeout=600)
        self.cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> int:
        told = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        self.line.request(
            method,
            path,
            body,
            {"Cookie": told, "Referer": self.at + path, **headers},  # type: ignore[arg-type]
        )
        answer = self.line.getresponse()
        answer.read()
        for each in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = each.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer.status

    def sign_in(self) -> None:
        assert self.ask("GET", "/admin/login/") == 200
        token = self.cookies["csrftoken"]
        form = f"username=ana&password={PASSWORD}&csrfmiddlewaretoken={token}"
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        assert self.ask("POST", "/admin/login/", form, **kind) == 302

    def attach(self, finding: str) -> int:
        """Send the file as a browser does; it is never whole anywhere here."""
        asked = {
            "csrfmiddlewaretoken": self.cookies["csrftoken"], "field_class": "C_pub",
            "acquired_at": "2026-03-01T09:30", "zone": "UTC",
        }  # fmt: skip
        head = b"".join(
            f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in asked.items()
        )
        head += (
            b'--edge\r\nContent-Disposition: form-data; name="upload"; filename="film.mp4"\r\n\r\n'
        )
        tail = b"\r\n--edge--\r\n"

        def body() -> Iterator[bytes]:
            yield head
            for _ in range(MIB):
                yield PIECE
            yield tail

        return self.ask(
            "POST",
            f"/admin/compliance/finding/{finding}/attach/",
            body(),
            **{
                "Content-Type": "multipart/form-data; boundary=edge",
                "Content-Length": str(len(head) + MIB * 2**20 + len(tail)),
            },
        )


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for localhost with the stock tool."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", key, "-out", cert, "-days", "1", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, cert


def proxy(house: House, folder: Path, port: int, behind: int) -> tuple[Path, Path]:
    """Write the shipped configuration with this test's names and ports, and nothing else new."""
    key, cert = certificate(folder)
    text = (ROOT / "config" / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    for shipped, here in {
        "/run/nginx.pid": str(folder / "nginx.pid"),
        "listen 80;": f"listen 127.0.0.1:{free_port()};",
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "server_name duty.example.org;": "server_name localhost;",
        "/etc/dutyline/tls/fullchain.pem": str(cert),
        "/etc/dutyline/tls/key.pem": str(key),
        "server 127.0.0.1:8000;": f"server 127.0.0.1:{behind};",
    }.items():
        assert shipped in text
        text = text.replace(shipped, here)
    # Where nginx would write, were it let to: folders that are watched.
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in kinds)
    (folder / "nginx.conf").write_text(text.replace("http {", f"http {{ {paths}", 1), "utf-8")
    return folder / "nginx.conf", cert


def gunicorn(port: int) -> list[str]:
    return [
        sys.executable, "-m", "gunicorn", "-k", "gthread", "--workers", "1", "--threads", "4",
        "--no-control-socket", "--timeout", "600", "-b", f"127.0.0.1:{port}", "config.wsgi",
    ]  # fmt: skip


SERVERS = ("up", "gunicorn", "nginx")


@pytest.mark.parametrize("server", SERVERS)
def test_a_large_upload_is_in_clear_nowhere_but_in_memory(server: str, tmp_path: Path) -> None:
    port, behind = free_port(), free_port()
    if server != "up":
        pytest.importorskip("gunicorn", reason="not installed: the extra production")
    if server == "nginx" and not (shutil.which("nginx") and shutil.which("openssl")):
        pytest.skip("not installed: nginx and openssl")
    more = {"DUTYLINE_TRUSTED_PROXIES": "1"} if server == "nginx" else {}
    folder = tmp_path / "house"
    folder.mkdir()
    house = House(folder, **more)
    finding = house.run(SET_UP).strip()
    with ExitStack() as running:
        trusted = None
        if server == "up":
            up = [sys.executable, "manage.py", "up", "--port", str(port)]
            running.enter_context(house.start(*up, port=port))
        else:
            own = behind if server == "nginx" else port
            running.enter_context(house.start(*gunicorn(own), port=own))
        if server == "nginx":
            conf, trusted = proxy(house, house.folder, port, behind)
            words = ["nginx", "-c", str(conf), "-p", str(house.folder), "-g", "daemon off;"]
            running.enter_context(house.start(*words, port=port))
        ana = Ana(port, trusted)
        running.callback(ana.line.close)
        ana.sign_in()
        with Watch(house) as watch:
            assert ana.attach(finding) == 302
        peak = house.peak()
    size, _, unclaimed = house.run(LOOK).split()
    assert (int(size), unclaimed) == (MIB * 2**20, "0")
    print(
        f"{server}: {MIB} MiB sent, {watch.looks} looks, "
        f"{watch.bytes >> 20} MiB read, peak {peak:.0f} MiB"
    )
    assert watch.bytes > MIB * 2**20  # the object itself was read through, as it grew
    assert watch.looks > 3
    assert watch.found == set()
    assert peak < MOST


def test_the_watch_sees_what_a_careless_server_leaves(tmp_path: Path) -> None:
    """An open file that has no name any more is seen as well."""
    folder = tmp_path / "house"
    folder.mkdir()
    house = House(folder)
    code = (
        "import sys, tempfile\n"
        "with tempfile.TemporaryFile(dir='/dev/shm') as it:\n"
        "    it.write(bytes.fromhex(sys.argv[1])); it.flush(); print('there', flush=True)\n"
        "    sys.stdin.read()"
    )
    careless = subprocess.Popen(
        [sys.executable, "-c", code, MARK.hex()], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    house.processes.append(careless)
    assert careless.stdout is not None
    assert careless.stdout.readline() == b"there\n"
    watch = Watch(house)
    watch.look()
    careless.communicate()
    assert len(watch.found) == 1
    (folder / "left").write_bytes(b"x" * 5 + MARK)
    watch.look()
    assert str(folder / "left") in watch.found
