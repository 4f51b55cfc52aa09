"""The cast: Ana and Ben review, Carla and Dora are counsel, Cleo keeps keys, Otto audits."""

import itertools
import os
import re
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django import conf
from django.contrib.messages import get_messages
from django.db import DatabaseError, connection, transaction
from django.test import Client, TransactionTestCase, override_settings
from hypothesis import HealthCheck
from hypothesis import settings as effort
from joserfc.jwk import OKPKey

from compliance import conflicts, determinations, evidence, facts, findings
from compliance.audit import checkpoints
from compliance.audit.context import acting
from compliance.determinations import Decision, Determination
from compliance.evidence import Item
from compliance.findings import Finding
from compliance.roles import Role, User
from compliance.vault import age, uploads
from referrals import agencies, bundles, clients, delivery, docket
from referrals.agencies import Agency
from referrals.clients import LiaisonClient, Scope
from referrals.docket import Referral

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

PASSWORD = "correct-horse-battery"  # noqa: S105
NOW = datetime.now(UTC).replace(microsecond=0)
SERIAL = itertools.count()

PROVIDER: dict[str, Any] = {
    "provider.service_roles": ["hosting_public", "hosting_private", "ecs_public", "rcs_public"],
    "provider.main_establishment": "US",
    "provider.eu_establishments": [],
    "provider.eu_legal_rep": "IE",
    "provider.offers_in": ["DE", "FR", "IE", "US"],
    "provider.us_sca_covered": True,
    "provider.controller_entity": "US",
    "provider.gdpr_applies": True,
    "provider.size": "large",
    "counsel.tco_suspected_offence_reading": False,
    "counsel.foreign_lea_under_2702b7": False,
}
IMMINENT: dict[str, Any] = {
    "item.visibility": "public",
    "item.contains_csam": False,
    "activity.class": ["attack_threat", "planning"],
    "activity.definition_source": ["dir2017_541_3_1"],
    "activity.offence_stage": "likely",
    "activity.pertains_to_crime": True,
    "threat.to": ["life"],
    "threat.imminent": True,
    "purpose.exempt": "none",
    "suspect.age_band": "adult",
    "suspect.protected_role": [],
    "consent.addressee_or_originator": False,
    "emergency.good_faith_statement": True,
    "emergency.without_delay": True,
    "offence.location": ["DE"],
    "target.location": ["DE"],
    "suspect.location": ["DE"],
    "location.ms_link": True,
    "location.tco_ms_identification": "identified",
    "location.dsa_ms_identification": "identified",
}

REVIEW = {"source": "review of the post", "reason": "The post names a place and an hour."}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Where everything must be present, an absent tool or service fails instead of skipping."""
    report: Any = yield
    if os.environ.get("DUTYLINE_EVERYTHING") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        if "only on SQLite" not in reason:
            report.outcome, report.longrepr = "failed", f"{item.nodeid} must not skip: {reason}"
    return report


append_only = import_module("compliance.migrations.0002_append_only")
LATER = ["0005_append_only_ladder", "0008_facts"]
GUARDED = dict(append_only.TABLES)
for name in LATER:
    GUARDED |= import_module(f"compliance.migrations.{name}").TABLES
TRIGGER = re.compile(r"CREATE TRIGGER (\w+) .*? ON (\w+)")


def lift_triggers() -> None:
    """Drop the append-only triggers, as the owner of the database can."""
    on = " ON {}" if connection.vendor == "postgresql" else ""
    found = map(TRIGGER.match, append_only.statements(connection.vendor, GUARDED))
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for each in filter(None, found):
            cursor.execute(f"DROP TRIGGER {each[1]}{on.format(each[2])}")


def lay_triggers() -> None:
    """Lay the triggers again."""
    with connection.cursor() as cursor:
        for statement in append_only.statements(connection.vendor, GUARDED):
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
def _own_state(
    settings: Any, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
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


@pytest.fixture
def log_key(_own_state: None) -> Path:
    """The log's own signing key."""
    return checkpoints.ensure_key()


@pytest.fixture
def db(db: None, log_key: Path) -> None:
    """A database of the test's own, whose log can be signed."""


@pytest.fixture
def transactional_db(transactional_db: None, log_key: Path) -> None:
    """The same, in which a test sees what a commit does."""


@pytest.fixture
def person(db: None) -> Callable[[str, str], User]:
    """Make a person with a role."""

    def make(name: str, role: str) -> User:
        with acting("command:tests"):
            return User.objects.create_superuser(name, f"{name}@example.org", PASSWORD, role=role)

    return make


@pytest.fixture
def ana(person: Callable[[str, str], User]) -> User:
    return person("ana", Role.REVIEWER)


@pytest.fixture
def ben(person: Callable[[str, str], User]) -> User:
    return person("ben", Role.REVIEWER)


@pytest.fixture
def carla(person: Callable[[str, str], User]) -> User:
    return person("carla", Role.COUNSEL)


@pytest.fixture
def dora(person: Callable[[str, str], User]) -> User:
    return person("dora", Role.COUNSEL)


@pytest.fixture
def cleo(person: Callable[[str, str], User]) -> User:
    return person("cleo", Role.CUSTODIAN)


@pytest.fixture
def otto(person: Callable[[str, str], User]) -> User:
    return person("otto", Role.AUDITOR)


@pytest.fixture
def worker() -> Iterator[None]:
    """Act as the worker for the length of a test."""
    with acting("system:worker"):
        yield


@pytest.fixture
def record(ana: User) -> Callable[..., Finding]:
    """Record a finding as Ana: by default a public announcement of an attack in Germany."""

    def make(known: dict[str, Any] | None = None, **changes: Any) -> Finding:
        finding = findings.record(
            **{
                "statement": "An account announces an attack on a market hall for this evening.",
                "particulars": {
                    "META": {"url": "https://social.example.org/p/1"},
                    "ID": {"account": "@sample-1"},
                    "TRAF": {"ip": "192.0.2.7", "port": "51234"},
                },
                "rungs": {
                    "suspicion": NOW - timedelta(minutes=20),
                    "reasonable_belief": NOW - timedelta(minutes=10),
                    "actual_knowledge": NOW,
                },
                "by": ana,
            }
            | changes
        )
        if known:
            facts.assert_facts(finding, known, **REVIEW, by=ana)
            finding.refresh_from_db()
        return finding

    return make


@pytest.fixture
def finding(record: Callable[..., Finding]) -> Finding:
    """A recorded finding, of which no fact is known yet."""
    return record()


@pytest.fixture
def imminent(finding: Finding, ana: User) -> Finding:
    """The same finding, with every fact of an imminent threat in Germany."""
    facts.assert_facts(finding, IMMINENT, **REVIEW, by=ana)
    finding.refresh_from_db()
    return finding


@pytest.fixture
def attach(ana: User) -> Callable[..., Item]:
    """Attach a small text to a finding as Ana."""

    def make(
        finding: Finding, data: bytes = b"Tonight.", name: str = "post.txt", **changes: Any
    ) -> Item:
        with uploads.seal(BytesIO(data), name, "text/plain") as upload:
            item = evidence.attach(
                finding,
                upload,
                **{
                    "field_class": "C_pub",
                    "acquired_at": NOW,
                    "source_url": "https://social.example.org/p/1",
                    "by": ana,
                }
                | changes,
            )
        finding.refresh_from_db()
        return item

    return make


@pytest.fixture
def item(finding: Finding, attach: Callable[..., Item]) -> Item:
    """One public exhibit of the finding."""
    return attach(finding)


@pytest.fixture
def profile(carla: User, dora: User) -> facts.ProviderProfile:
    """The provider's own facts, recorded by Carla and signed by Dora."""
    return facts.sign_profile(facts.record_profile(PROVIDER, by=carla), by=dora)


@pytest.fixture
def proposed(
    profile: facts.ProviderProfile, imminent: Finding, item: Item, ben: User, worker: None
) -> Determination:
    """The determination of the confirmed finding, proposed by the worker."""
    return determinations.propose(findings.confirm(imminent, because="Credible.", by=ben))


@pytest.fixture
def sign(carla: User) -> Callable[..., Determination]:
    """Sign a determination, as Carla, with every firm duty and the permissions that are named.

    What a law bars stays here.
    """

    def make(
        determination: Determination, take_up: Collection[str] = (), **changes: Any
    ) -> Determination:
        asked = [("duty", each["to"]) for each in determinations.firm(determination, "duty")]
        asked += [("permission", to) for to in take_up]
        decisions = [Decision(*each, accept=True, because="It holds.") for each in asked]
        for conflict in determination.result["conflicts"]:
            conflicts.resolve(
                determination.finding, conflict, resolution="withhold", because="It bars.",
                by=carla,
            )  # fmt: skip
        told = {"decisions": decisions, "because": "The duty holds.", "by": carla} | changes
        return determinations.sign(determination, **told)

    return make


@pytest.fixture
def signed(proposed: Determination, sign: Callable[..., Determination]) -> Determination:
    """The determination, signed by Carla."""
    return sign(proposed)


@pytest.fixture
def refute(ana: User) -> Callable[..., None]:
    """Put on record that a finding is refuted, so that the law asks for nothing any more."""

    def make(finding: Finding) -> None:
        findings.climb(finding, "refuted", reached_at=NOW, basis="A play's poster.", by=ana)

    return make


@pytest.fixture
def move(carla: User, dora: User, profile: facts.ProviderProfile) -> Callable[..., Any]:
    """Let another profile of the provider count, and the law be asked again under it."""

    def make(**changed: Any) -> None:
        told = PROVIDER | {f"provider.{name}": value for name, value in changed.items()}
        facts.sign_profile(facts.record_profile(told, by=carla), by=dora)
        determinations.propose_due()

    return make


@pytest.fixture
def overtake(
    sign: Callable[..., Determination], move: Callable[..., Any]
) -> Callable[..., Determination]:
    """Sign a newer determination of a finding, which asks for the same duties anew."""

    def make(finding: Finding) -> Determination:
        move(us_sca_covered=False)
        return sign(finding.determinations.get(is_newest=True))

    return make


@pytest.fixture
def drop(
    sign: Callable[..., Determination], refute: Callable[..., None]
) -> Callable[..., Determination]:
    """Sign a newer determination of a finding, which asks for nothing any more."""

    def make(finding: Finding) -> Determination:
        refute(finding)
        determinations.propose_due()
        return sign(finding.determinations.get(is_newest=True))

    return make


@pytest.fixture
def identity() -> age.Identity:
    """The agency's own age identity."""
    return age.generate_identity()


@pytest.fixture
def liaison_key() -> OKPKey:
    """The liaison's own signing key."""
    return OKPKey.generate_key("Ed25519")


@pytest.fixture
def enrol(cleo: User, carla: User) -> Callable[..., Agency]:
    """Enrol an agency with a key, approved by a second person."""

    def make(authority: str, identity: age.Identity) -> Agency:
        agency = agencies.enrol(authority=authority, name=f"Sample desk {authority}", by=cleo)
        agency = agencies.approve(agency, by=carla)
        key = agencies.add_key(
            agency, str(identity.recipient), expires_at=NOW + timedelta(days=90), by=cleo
        )
        agencies.approve_key(key, fingerprint=key.fingerprint, by=carla)
        return agency

    return make


@pytest.fixture
def admit(cleo: User, carla: User) -> Callable[..., LiaisonClient]:
    """Admit a client of an agency, approved by a second person."""

    def make(agency: Agency, key: OKPKey, client_id: str = "lee", **changes: Any) -> LiaisonClient:
        client = clients.admit(
            agency,
            **{
                "client_id": client_id,
                "public_key": key.as_dict(private=False),
                "scopes": list(Scope.values),
                "expires_at": NOW + timedelta(days=90),
                "by": cleo,
            }
            | changes,
        )
        return clients.approve(client, thumbprint_heard=clients.thumbprint(client), by=carla)

    return make


@pytest.fixture
def agency(enrol: Callable[..., Agency], identity: age.Identity) -> Agency:
    """The agency that answers for Germany."""
    return enrol("bka", identity)


@pytest.fixture
def lee(agency: Agency, admit: Callable[..., LiaisonClient], liaison_key: OKPKey) -> LiaisonClient:
    """Lee's client at that agency."""
    return admit(agency, liaison_key)


@pytest.fixture
def entered(signed: Determination, agency: Agency) -> Referral:
    """The referral, entered in the docket."""
    return docket.enter(signed.obligations.get())


@pytest.fixture
def sealed(entered: Referral) -> Referral:
    """The referral, sealed to the agency's key."""
    return bundles.seal(entered, bundles.prepare(entered)).referral


@pytest.fixture
def delivered(sealed: Referral) -> Referral:
    """The referral, within the agency's reach."""
    return delivery.deliver(sealed, delivery.transmit(sealed))


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
