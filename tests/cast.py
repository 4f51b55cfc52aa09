"""The cast: Ana and Ben review, Carla and Dora are counsel, Cleo keeps keys, Otto audits.

And what they make: a finding, its determination, an agency, a referral.
"""

from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BytesIO
from typing import Any

import pytest
from joserfc.jwk import OKPKey

from compliance import conflicts, determinations, evidence, facts, findings, overturnings
from compliance.audit.context import acting
from compliance.determinations import Decision, Determination
from compliance.evidence import Item
from compliance.findings import Finding
from compliance.overturnings import Overturning
from compliance.roles import Role, User
from compliance.vault import age, uploads
from referrals import agencies, bundles, clients, delivery, docket, retractions
from referrals.agencies import Agency
from referrals.clients import LiaisonClient, Scope
from referrals.docket import Referral
from referrals.retractions import Retraction
from tests.stage import BUILDERS, Stage

PASSWORD = "correct-horse-battery"  # noqa: S105
NOW = datetime.now(UTC).replace(microsecond=0)

ELSEWHERE = ("de", "fr", "ie", "uk", "au", "ca", "in", "za", "nz", "ch")  # their laws bind others
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
    "provider.au_code_applies": False,
    "counsel.tco_suspected_offence_reading": False,
    "counsel.foreign_lea_under_2702b7": False,
    **{f"provider.{country}_nexus": False for country in ELSEWHERE},
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


def staged(build: Callable[[Stage], Any]) -> Any:
    """Make a fixture of what begins many tests: see the stage."""

    def given(stage: Stage) -> Any:
        return stage[build.__name__]

    return _fixture(build, given)


def staged_by_worker(build: Callable[[Stage], Any]) -> Any:
    """Do the same with what the worker makes, which acts on for the length of the test."""

    def given(stage: Stage, worker: None) -> Any:
        return stage[build.__name__]

    return _fixture(build, given)


def _fixture(build: Callable[[Stage], Any], given: Any) -> Any:
    BUILDERS[build.__name__] = build
    given.__doc__, given.staged = build.__doc__, True
    return pytest.fixture(name=build.__name__)(given)


@pytest.fixture
def stage(db: Stage) -> Stage:
    """The stage, as the database was set with it."""
    return db


def new_person(name: str, role: str) -> User:
    """Make a person with a role."""
    with acting("command:tests"):
        return User.objects.create_superuser(name, f"{name}@example.org", PASSWORD, role=role)


@pytest.fixture
def person(stage: Stage) -> Callable[[str, str], User]:
    """Make a person with a role."""
    return new_person


@staged
def ana(stage: Stage) -> User:
    """Ana, who reviews."""
    return new_person("ana", Role.REVIEWER)


@staged
def ben(stage: Stage) -> User:
    """Ben, who reviews too."""
    return new_person("ben", Role.REVIEWER)


@staged
def carla(stage: Stage) -> User:
    """Carla, who is counsel."""
    return new_person("carla", Role.COUNSEL)


@staged
def dora(stage: Stage) -> User:
    """Dora, who is counsel too."""
    return new_person("dora", Role.COUNSEL)


@staged
def cleo(stage: Stage) -> User:
    """Cleo, who keeps keys."""
    return new_person("cleo", Role.CUSTODIAN)


@staged
def otto(stage: Stage) -> User:
    """Otto, who audits."""
    return new_person("otto", Role.AUDITOR)


@pytest.fixture
def worker() -> Iterator[None]:
    """Act as the worker for the length of a test."""
    with acting("system:worker"):
        yield


def new_finding(ana: User, known: dict[str, Any] | None = None, **changes: Any) -> Finding:
    """Record a finding as Ana: by default a public announcement of an attack in Germany."""
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


@pytest.fixture
def record(ana: User) -> Callable[..., Finding]:
    """Record a finding as Ana: by default a public announcement of an attack in Germany."""
    return partial(new_finding, ana)


@staged
def finding(stage: Stage) -> Finding:
    """A recorded finding, of which no fact is known yet."""
    return new_finding(stage["ana"])


@staged
def imminent(stage: Stage) -> Finding:
    """The same finding, with every fact of an imminent threat in Germany."""
    facts.assert_facts(stage["finding"], IMMINENT, **REVIEW, by=stage["ana"])
    stage["finding"].refresh_from_db()
    return stage["finding"]


def new_item(
    ana: User, finding: Finding, data: bytes = b"Tonight.", name: str = "post.txt", **changes: Any
) -> Item:
    """Attach a small text to a finding as Ana."""
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


@pytest.fixture
def attach(ana: User) -> Callable[..., Item]:
    """Attach a small text to a finding as Ana."""
    return partial(new_item, ana)


@staged
def item(stage: Stage) -> Item:
    """One public exhibit of the finding."""
    return new_item(stage["ana"], stage["finding"])


@staged
def profile(stage: Stage) -> facts.ProviderProfile:
    """The provider's own facts, recorded by Carla and signed by Dora."""
    return facts.sign_profile(facts.record_profile(PROVIDER, by=stage["carla"]), by=stage["dora"])


@staged_by_worker
def proposed(stage: Stage) -> Determination:
    """The determination of the confirmed finding, proposed by the worker."""
    for name in ("profile", "imminent", "item"):
        stage[name]
    confirmed = findings.confirm(stage["finding"], because="Credible.", by=stage["ben"])
    with acting("system:worker"):
        return determinations.propose(confirmed)


def new_signature(
    carla: User, determination: Determination, take_up: Collection[str] = (), **changes: Any
) -> Determination:
    """Sign a determination, as Carla, with every firm duty and the permissions that are named.

    What a law bars stays here.
    """
    asked = [("duty", each["to"]) for each in determinations.firm(determination, "duty")]
    asked += [("permission", to) for to in take_up]
    decisions = [Decision(*each, accept=True, because="It holds.") for each in asked]
    for conflict in determination.result["conflicts"]:
        conflicts.resolve(
            determination.finding, conflict, resolution="withhold", because="It bars.", by=carla
        )
    told = {"decisions": decisions, "because": "The duty holds.", "by": carla} | changes
    return determinations.sign(determination, **told)


@pytest.fixture
def sign(carla: User) -> Callable[..., Determination]:
    """Sign a determination, as Carla, with every firm duty and the permissions that are named."""
    return partial(new_signature, carla)


@staged_by_worker
def signed(stage: Stage) -> Determination:
    """The determination, signed by Carla."""
    return new_signature(stage["carla"], stage["proposed"])


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


def new_overturning(
    ben: User, carla: User, finding: Finding, reason: str = "compromised_account"
) -> Overturning:
    """Overturn a finding: Ben says that it was wrong, Carla signs."""
    doubt = overturnings.propose(finding, reason=reason, because="A thief posted it.", by=ben)
    return overturnings.sign(doubt, because="The owner proved it.", by=carla)


@pytest.fixture
def overturn(ben: User, carla: User) -> Callable[..., Overturning]:
    """Overturn a finding: Ben says that it was wrong, Carla signs."""
    return partial(new_overturning, ben, carla)


@staged
def identity(stage: Stage) -> age.Identity:
    """The agency's own age identity."""
    return age.generate_identity()


@staged
def liaison_key(stage: Stage) -> OKPKey:
    """The liaison's own signing key."""
    return OKPKey.generate_key("Ed25519")


def new_agency(cleo: User, carla: User, authority: str, identity: age.Identity) -> Agency:
    """Enrol an agency with a key, approved by a second person."""
    agency = agencies.enrol(authority=authority, name=f"Sample desk {authority}", by=cleo)
    agency = agencies.approve(agency, by=carla)
    key = agencies.add_key(
        agency, str(identity.recipient), expires_at=NOW + timedelta(days=90), by=cleo
    )
    agencies.approve_key(key, fingerprint=key.fingerprint, by=carla)
    return agency


@pytest.fixture
def enrol(cleo: User, carla: User) -> Callable[..., Agency]:
    """Enrol an agency with a key, approved by a second person."""
    return partial(new_agency, cleo, carla)


def new_client(
    cleo: User,
    carla: User,
    agency: Agency,
    key: OKPKey,
    client_id: str = "lee",
    **changes: Any,
) -> LiaisonClient:
    """Admit a client of an agency, approved by a second person."""
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


@pytest.fixture
def admit(cleo: User, carla: User) -> Callable[..., LiaisonClient]:
    """Admit a client of an agency, approved by a second person."""
    return partial(new_client, cleo, carla)


@staged
def agency(stage: Stage) -> Agency:
    """The agency that answers for Germany."""
    return new_agency(stage["cleo"], stage["carla"], "bka", stage["identity"])


@staged
def lee(stage: Stage) -> LiaisonClient:
    """Lee's client at that agency."""
    return new_client(stage["cleo"], stage["carla"], stage["agency"], stage["liaison_key"])


@staged_by_worker
def entered(stage: Stage) -> Referral:
    """The referral, entered in the docket."""
    stage["agency"]
    with acting("system:worker"):
        return docket.enter(stage["signed"].obligations.get())


@staged_by_worker
def sealed(stage: Stage) -> Referral:
    """The referral, sealed to the agency's key."""
    entered = stage["entered"]
    with acting("system:worker"):
        return bundles.seal(entered, bundles.prepare(entered)).referral


@staged_by_worker
def delivered(stage: Stage) -> Referral:
    """The referral, within the agency's reach."""
    sealed = stage["sealed"]
    with acting("system:worker"):
        return delivery.deliver(sealed, delivery.transmit(sealed))


@staged_by_worker
def retraction(stage: Stage) -> Retraction:
    """The retraction of the delivered referral, proposed by the worker."""
    finding = stage["delivered"].obligation.determination.finding
    new_overturning(stage["ben"], stage["carla"], finding)
    with acting("system:worker"):
        return retractions.propose(stage["delivered"])
