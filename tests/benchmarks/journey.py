"""One finding from record to closed, through its rooms, against its bare database transactions.

The journey is the real one, in one process and one client: findings, facts, evidence (sealed to a
file of 100 KB, read by a second person), law, counsel, hold, docket, bundle, delivery, receipts,
closure and the sealing of the log. Its bare transactions are what is left of it when the rooms are
taken away: each INSERT, UPDATE and DELETE that the journey made, with the same values, in the same
transactions, played back as SQL on an equal copy of the database. They leave the same rows, log
entries and leaves included. So all that people, law and proof cost above the rows themselves is in
the figure: permissions, reads and locks, the ruling, field diffs, ciphers, digests, signatures.
"""

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from joserfc.jwk import OKPKey

from compliance import determinations, evidence, facts, findings, preservation
from compliance.audit import checkpoints, signing
from compliance.audit.context import acting
from compliance.determinations import Decision, Determination
from compliance.roles import Role, User
from compliance.vault import age, uploads
from referrals import agencies, bundles, clients, delivery, docket, receipts
from referrals.docket import Referral
from tests.benchmarks import measure, scratch
from tests.cast import IMMINENT, PROVIDER

EXHIBIT = 100_000  # bytes
WRITES = ("INSERT", "UPDATE", "DELETE", "WITH")  # an entry and what it owes are one statement


@dataclass(frozen=True)
class Sizes:
    """How many findings travel in a turn, and how many turns there are."""

    count: int
    rounds: int


FULL, TINY = Sizes(5, 5), Sizes(1, 1)


def figures(name: str, sizes: Sizes) -> Iterator[object]:
    """Measure in the database at hand."""
    cast, count = Cast.gather(), sizes.count
    script = Script()
    with _copy(), connection.execute_wrapper(script.note):
        cast.travel(count)
        left = _rows()

    def rooms() -> float:
        with _copy():
            taken = measure.timed(lambda: cast.travel(count))
            assert _rows() == left, "The journey left other rows than before."
            return taken

    def bare() -> float:
        with _copy():
            taken = measure.timed(script.play)
            assert _rows() == left, "The bare transactions left other rows than the journey."
            return taken

    taken = measure.in_turn({"rooms": rooms, "bare": bare}, rounds=sizes.rounds, seconds=40)
    yield measure.speed(
        f"{name}, a finding from record to closed",
        taken["rooms"],
        taken["bare"],
        against=f"of the speed of its {script.transactions // count} bare transactions"
        f" ({script.writes // count} writes)",
    )


@dataclass
class Script:
    """What a journey wrote: transaction by transaction, statement by statement."""

    acts: list[list[tuple[str, Any]]] = field(default_factory=list)
    is_open: bool = False

    @property
    def transactions(self) -> int:
        """The number of transactions."""
        return len(self.acts)

    @property
    def writes(self) -> int:
        """The number of statements in them."""
        return sum(map(len, self.acts))

    def note(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        """Note a statement if it writes, in the transaction it belongs to, and let it pass."""
        if sql.lstrip().startswith(WRITES):
            if not self.is_open:
                self.acts.append([])
                self.is_open = True
                transaction.on_commit(self._close)
            self.acts[-1].append((sql, params))
        return execute(sql, params, many, context)

    def _close(self) -> None:
        self.is_open = False

    def play(self) -> None:
        """Write it all again."""
        with connection.cursor() as cursor:
            for act in self.acts:
                with transaction.atomic():
                    for sql, params in act:
                        cursor.execute(sql, params)
                        if cursor.description:
                            cursor.fetchall()


@dataclass
class Cast:
    """Who takes part, and what they know."""

    ana: Any
    ben: Any
    carla: Any
    lee: Any
    facts: dict[str, Any]

    @classmethod
    def gather(cls) -> "Cast":
        """Enrol everybody and seal the log, so that a journey begins on a quiet day."""

        def person(name: str, role: Role) -> Any:
            return User.objects.create_user(name, f"{name}@example.org", role=role)

        signing.ensure_key()
        soon = timezone.now() + timedelta(days=1)
        with acting("command:benchmark"):
            ana, ben = person("ana", Role.REVIEWER), person("ben", Role.REVIEWER)
            carla, dora = person("carla", Role.COUNSEL), person("dora", Role.COUNSEL)
            cleo = person("cleo", Role.CUSTODIAN)
            facts.sign_profile(facts.record_profile(PROVIDER, by=carla), by=dora)
            agency = agencies.enrol(authority="bka", name="Sample desk", by=cleo)
            agency = agencies.approve(agency, by=carla)
            recipient = str(age.generate_identity().recipient)
            key = agencies.add_key(agency, recipient, expires_at=soon, by=cleo)
            agencies.approve_key(key, fingerprint=key.fingerprint, by=carla)
            lee = clients.admit(
                agency,
                client_id="lee",
                public_key=OKPKey.generate_key("Ed25519").as_dict(private=False),
                scopes=list(clients.Scope.values),
                expires_at=soon,
                by=cleo,
            )
            lee = clients.approve(lee, thumbprint_heard=clients.thumbprint(lee), by=carla)
            checkpoints.seal_due()
        return cls(ana, ben, carla, lee, IMMINENT)

    def travel(self, count: int) -> None:
        """Take so many findings from record to closed, one after the other."""
        for _ in range(count):
            self._travel()

    def _travel(self) -> None:
        now = timezone.now()
        finding = findings.record(
            statement="An account announces an attack on a market hall for this evening.",
            particulars={
                "META": {"url": "https://social.example.org/p/1"},
                "ID": {"account": "@sample-1"},
            },
            rungs={"suspicion": now - timedelta(minutes=20), "actual_knowledge": now},
            by=self.ana,
        )
        facts.assert_facts(
            finding, self.facts, source="review of the post", reason="It says so.", by=self.ana
        )
        exhibit = io.BytesIO(os.urandom(EXHIBIT))
        with uploads.seal(exhibit, "post.bin", "application/octet-stream") as upload:
            item = evidence.attach(
                finding, upload, field_class="C_pub", acquired_at=now, by=self.ana
            )
        _read(evidence.read(item, purpose="Second review.", by=self.ben))
        findings.confirm(finding, because="Credible and close.", by=self.ben)
        determinations.propose_due()
        proposed = Determination.objects.get(finding=finding)
        accepted = [
            Decision("duty", report["to"], accept=True, because="It holds.")
            for report in determinations.firm(proposed, "duty")
        ]
        determinations.sign(proposed, decisions=accepted, because="The duty holds.", by=self.carla)
        preservation.place_due()
        docket.enter_due()
        bundles.seal_due()
        delivery.deliver_due()
        referral = Referral.objects.get(obligation__determination=proposed)
        receipts.read(referral, by=self.lee)
        collected = _read(receipts.collect(referral, by=self.lee))
        receipts.acknowledge(
            referral, agency_reference="A-1", receipt_sha256=collected, by=self.lee
        )
        docket.close(referral, because="Acknowledged.", by=self.carla)
        checkpoints.seal_due()


@contextmanager
def _copy() -> Iterator[None]:
    """Lend a copy of the database, and of the head of the log that is kept outside it."""
    head = Path(settings.LOG_HEAD_FILE)
    kept = head.read_bytes()
    try:
        with scratch.copy_of_database():
            connection.ensure_connection()
            yield
    finally:
        head.write_bytes(kept)


def _rows() -> dict[str, int]:
    """Count the rows of every table."""
    return {model._meta.label: model._default_manager.count() for model in apps.get_models()}


def _read(pieces: Iterator[bytes]) -> str:
    """Read to the end and return the SHA-256 of it all."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
