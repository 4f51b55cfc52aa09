"""What every test has: its own state, its own keys, and a seat at the desk for whoever asks."""

import itertools
import os
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django import conf
from django.contrib.messages import get_messages
from django.db import DatabaseError, connection, transaction
from django.test import Client, TransactionTestCase, override_settings
from hypothesis import HealthCheck
from hypothesis import settings as effort

from compliance import documents
from compliance.audit import signing
from compliance.audit.context import acting
from compliance.roles import User
from tests.servers import certificate
from tests.stage import Stage

# Properties: a few examples while one works, many where everything is to be shown. The same ones
# each time, so that a change is judged by itself.
effort.register_profile(
    "few",
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
effort.register_profile("many", effort.get_profile("few"), max_examples=150)
effort.load_profile("many" if os.environ.get("DUTYLINE_EVERYTHING") else "few")

pytest_plugins = ["tests.cast", "tests.s3"]
SERIAL = itertools.count()


SHIPPED = documents.RULEBOOKS
FEW = (
    "facts.yaml", "authorities.yaml", "house.yaml", "house.cases.yaml", "eu-tco.yaml",
    "eu-tco.cases.yaml", "eu-dsa.yaml", "us-rrota-s2372.yaml", "us-sca.yaml",
)  # fmt: skip


@pytest.fixture(scope="session")
def few_texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a few of the shipped texts."""
    folder = tmp_path_factory.mktemp("few")
    for name in FEW:
        (folder / name).write_bytes((SHIPPED / name).read_bytes())
    return folder


@pytest.fixture(autouse=True)
def _few_laws(
    request: pytest.FixtureRequest, few_texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ship a few laws: most tests are about what is done with any. The others are marked."""
    if not request.node.get_closest_marker("every_law"):
        monkeypatch.setattr(documents, "RULEBOOKS", few_texts)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Where everything must be present, an absent tool or service fails instead of skipping."""
    report: Any = yield
    if os.environ.get("DUTYLINE_EVERYTHING") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        if "only on SQLite" not in reason:
            report.outcome, report.longrepr = "failed", f"{item.nodeid} must not skip: {reason}"
    return report


FIRST = import_module("compliance.migrations.0002_append_only")
LATER = (  # guarded in the same way
    "0005_append_only_ladder", "0008_facts", "0012_anchors", "0014_transparency_report",
)  # fmt: skip
GUARDED = [
    import_module("compliance.migrations.0010_decided_law"),
    import_module("referrals.migrations.0008_versions_and_processes"),
    import_module("compliance.migrations.0020_erasable"),
]
TRIGGER = re.compile(r"CREATE TRIGGER (\w+) .*? ON (\w+)")


def triggers() -> list[str]:
    """Return the SQL that lays the triggers of every migration."""
    guarded = dict(FIRST.TABLES)
    for name in LATER:
        guarded |= import_module(f"compliance.migrations.{name}").TABLES
    vendor = connection.vendor
    own = [each for module in GUARDED for each in module.statements(vendor)]
    return [*FIRST.statements(vendor, guarded), *own]


def lift_triggers() -> None:
    """Drop the append-only triggers, as the owner of the database can."""
    on = " ON {}" if connection.vendor == "postgresql" else ""
    found = map(TRIGGER.match, triggers())
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for each in filter(None, found):
            cursor.execute(f"DROP TRIGGER IF EXISTS {each[1]}{on.format(each[2])}")
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def lay_triggers() -> None:
    """Lay the triggers again."""
    with connection.cursor() as cursor:
        for statement in triggers():
            cursor.execute(statement)


@pytest.fixture(scope="session", autouse=True)
def _flushing_lifts_the_triggers() -> Iterator[None]:
    """Let a transactional test empty every table at its end, which the triggers would refuse."""
    flush = TransactionTestCase._fixture_teardown

    def teardown(self: TransactionTestCase) -> None:
        lift_triggers()
        flush(self)
        lay_triggers()

    patch = pytest.MonkeyPatch()
    patch.setattr(TransactionTestCase, "_fixture_teardown", teardown)
    yield
    patch.undo()


@pytest.fixture
def unguarded(db: None) -> None:
    """A database whose owner dropped the triggers."""
    lift_triggers()


@pytest.fixture
def stopped(db: None) -> Callable[[str], None]:
    """Try raw SQL that the triggers stop; nothing of it stays."""

    def attempt(statement: str) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            if connection.vendor == "postgresql":  # or TRUNCATE stops at pending foreign keys
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            with pytest.raises(DatabaseError, match="only ever added to"):
                cursor.execute(statement)
            transaction.set_rollback(True)

    return attempt


@pytest.fixture(scope="session", autouse=True)
def _quick() -> Iterator[None]:
    """Spare the tests what only a person's password and a disk in danger need."""
    patch = pytest.MonkeyPatch()
    patch.setattr(os, "fsync", lambda handle: None)  # no test pulls the plug
    with override_settings(
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        WHITENOISE_AUTOREFRESH=True,  # look for a static file when asked, not at each start
    ):
        yield
    patch.undo()


@pytest.fixture(autouse=True)
def home(
    settings: Any, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Give every test a place of its own for keys, log head and storage, as yet unmade."""
    home = tmp_path_factory.getbasetemp() / f"state-{next(SERIAL)}"
    settings.MEDIA_ROOT = str(home / "evidence")
    for name, value in {
        "STORAGE": settings.MEDIA_ROOT,
        "KEYS_DIR": home / "keys",
        "LOG_KEY_FILE": home / "keys" / "log-signing-key",
        "LOG_HEAD_FILE": home / "keys" / "log-head",
    }.items():
        monkeypatch.setattr(conf.settings, name, value)  # nobody listens to these
    return home


@pytest.fixture
def log_key(home: Path) -> Path:
    """The log's own signing key."""
    return signing.ensure_key()


@pytest.fixture
def db(
    request: pytest.FixtureRequest,
    db: None,
    log_key: Path,
    home: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Stage:
    """A database of the test's own, whose log can be signed, with the stage set in it.

    It is set with all that the test asks for by name, before anything else is done there.
    """
    asked = request.node._fixtureinfo.name2fixturedefs
    stage = Stage(home, tmp_path_factory.getbasetemp())
    stage.set([name for name, found in asked.items() if hasattr(found[-1].func, "staged")])
    return stage


@pytest.fixture
def transactional_db(transactional_db: None, log_key: Path) -> None:
    """The same, in which a test sees what a commit does."""


@pytest.fixture
def loopback(settings: Any) -> None:
    """The house means to call its own machine, where servers of others are played."""
    settings.OUTBOUND_NETWORKS = [ip_network("127.0.0.0/8")]


@pytest.fixture(scope="session")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key and certificate of an agency's server."""
    return certificate(tmp_path_factory.mktemp("tls"), "intake.agency.example.org")


@pytest.fixture
def trusted(pem: Path, loopback: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The house trusts who signed that certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))


class Seat:
    """A person at the desk, signed in, with a browser that runs no script."""

    def __init__(self, user: User) -> None:
        self.user, self.browser = user, Client()
        with acting("command:tests"):
            self.browser.force_login(user)

    def reads(self, record: Any) -> str:
        """Return what the page of a record says to this person."""
        page = self.browser.get(f"{desk_of(record)}{record.pk}/")
        assert page.status_code == 200
        return page.content.decode()

    def begins(self, model: Any, step: str, **answers: Any) -> Any:
        """Send the form of a new record, and return the page that follows."""
        return self._send(f"{desk_of(model)}{step}/", answers)

    def takes(self, record: Any, step: str, **answers: Any) -> Any:
        """Take a step on a record as it was read, and return the page that follows."""
        read = {"version": record.version} if hasattr(record, "version") else {}
        return self._send(f"{desk_of(record)}{record.pk}/{step}/", read | answers)

    def _send(self, address: str, answers: dict[str, Any]) -> Any:
        page = self.browser.post(address, answers, follow=True)
        page.said = [str(each) for each in get_messages(page.wsgi_request)]
        return page


def desk_of(record: Any) -> str:
    """Return where the list of a kind of record is."""
    return f"/admin/{record._meta.app_label}/{record._meta.model_name}/"


@pytest.fixture
def sits() -> Callable[[User], Seat]:
    """Seat a person at the desk."""
    return Seat
