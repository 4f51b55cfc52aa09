"""up: web and worker in one process, for one machine. A deployment runs them apart."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.servers.basehttp import (
    ThreadedWSGIServer,
    WSGIRequestHandler,
    get_internal_wsgi_application,
)
from django.db import connection

from compliance.roles import User
from referrals.management.commands import keygen, work

HERE = "127.0.0.1"  # never another: this server has no TLS
OURSELVES = ("localhost", HERE)

FIRST_ACCOUNTS = """
There is no account yet. Two reviewers and one counsel can take a finding through; a second counsel
signs the provider's profile, a custodian enrols agencies. Make each of them with:
  .venv/bin/python manage.py createsuperuser --username ana --email ana@example.org --role reviewer
Roles: reviewer, counsel, custodian, auditor."""


class Command(BaseCommand):
    """`manage.py up [--port N]`."""

    help = "Migrates, makes missing keys, then runs web and worker until it is stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take --port."""
        parser.add_argument("--port", type=int, help="port on this machine; 0 takes a free one")

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve and work until SIGINT or SIGTERM."""
        with work.said_in_one_line():
            make_ready()
        port = own_port() if options["port"] is None else options["port"]
        stopped = threading.Event()
        with work.until_asked(stopped), serving(port) as address:
            broken: list[Exception] = []
            worker = threading.Thread(target=_work, args=[stopped, broken], name="worker")
            worker.start()
            self.stdout.write(f"Dutyline is up: {address}/admin/   (Ctrl-C stops it)")
            if not User.objects.exists():
                self.stdout.write(FIRST_ACCOUNTS)
            self.stdout.flush()
            stopped.wait()
            worker.join()
        if broken:
            raise CommandError(f"The worker broke. {work.reason(broken[0])}") from broken[0]


def make_ready() -> None:
    """Bring the database to the newest form; make the keys and folders that are missing."""
    call_command("migrate", interactive=False, verbosity=0)
    keygen.make_missing()
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)  # WhiteNoise warns without it


def own_port() -> int:
    """Return the port of the address under which the settings know this machine."""
    where = urlsplit(settings.BASE_URL)
    return (where.hostname in OURSELVES and where.port) or 8000


@contextmanager
def serving(port: int) -> Iterator[str]:
    """Serve the whole site on this machine while the block runs; yield its address."""
    try:
        server = ThreadedWSGIServer((HERE, port), _Quiet)
    except (OSError, OverflowError) as error:
        raise CommandError(f"Port {port} cannot be had: {error}. Try another --port.") from error
    with server:
        address = f"http://localhost:{server.server_port}"
        # An address of this machine follows the port. Any other is what agencies call, and stays.
        if urlsplit(settings.BASE_URL).hostname in OURSELVES:
            settings.BASE_URL = address
        server.set_app(get_internal_wsgi_application())
        thread = threading.Thread(target=server.serve_forever, args=[0.1], name="web")
        thread.start()
        try:
            yield address
        finally:
            server.shutdown()
            thread.join()


class _Quiet(WSGIRequestHandler):
    """Write no line for each request: addresses of callers belong into the audit log alone."""

    def log_message(self, *args: Any) -> None:
        """Write nothing."""


def _work(stopped: threading.Event, broken: list[Exception]) -> None:
    """Work until stopped. A worker that breaks takes the web with it: half a system is none."""
    try:
        work.work_until(stopped)
    except Exception as error:
        broken.append(error)
        stopped.set()
    finally:
        connection.close()
