"""Writers: clients that write at once, through our door, into a plain table, or as bare SQL.

The plain table has the same columns, keys, indexes and references, but no trigger and no outbox:
what an ordinary audit log does. Through the ORM what is compared is all of it, Python too. The
database alone is compared by pgbench, with eight clients whose Python costs nothing.
"""

import os
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import connection, models, transaction
from django.db.models import F

from compliance import audit
from compliance.audit import checkpoints
from compliance.audit.context import acting
from compliance.audit.entries import AuditEntry
from compliance.lifecycle import Work
from compliance.roles import Role, User
from tests.benchmarks import measure, scratch

PAUSE = 0.2  # seconds between two passes of the sealer
FORK = get_context("fork")


class Writers:
    """Clients that write at once, each with a row of its own."""

    def __init__(self, count: int) -> None:
        self.clients = 1 if connection.vendor == "sqlite" else 8
        self.count = count
        self.plain_entry = _plain_twin(AuditEntry)
        with connection.schema_editor() as editor:
            editor.create_model(self.plain_entry)
        with me():
            self.ana = User.objects.create_user("ana", "ana@example.org", role=Role.REVIEWER)
        self.rows = [
            Work.objects.create(key=f"row {n}", topic="none", subject=uuid.uuid4(), cid="none")
            for n in range(self.clients)
        ]

    def take_turn(
        self, write: Callable[[Any], object], *, clients: int | None = None, work: float = 0
    ) -> float:
        """Let all clients, or so many, do all transactions; return the seconds of one of them.

        Each transaction goes on for `work` seconds after its entry, as a verb does.
        """
        scratch.leave()  # a connection must not be shared with the clients
        rows = self.rows[:clients]
        each = max(1, self.count // len(rows))
        start, ends = FORK.Barrier(len(rows)), FORK.SimpleQueue()

        def client(row: Any) -> None:
            with me():
                type(row).objects.get(pk=row.pk)  # connects
                start.wait(timeout=60)
                started = time.monotonic()
                for _ in range(each):
                    with transaction.atomic():
                        type(row).objects.filter(pk=row.pk).update(attempts=F("attempts") + 1)
                        write(row)
                        time.sleep(work)
                ends.put((started, time.monotonic()))
            scratch.leave()

        processes = [FORK.Process(target=client, args=[row], daemon=True) for row in rows]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        if any(process.exitcode for process in processes):
            raise SystemExit(1)
        times = [ends.get() for _ in rows]
        taken = max(ended for _, ended in times) - min(started for started, _ in times)
        return taken / (each * len(rows))

    def take_turn_beside_the_sealer(self, *, work: float = 0) -> float:
        """Let all clients write entries while another process seals them."""
        checkpoints.seal_due()
        with sealer():
            return self.take_turn(self.entry, work=work)

    def nothing(self, row: Any) -> None:
        """Leave it at the change of the row."""

    def entry(self, row: Any) -> None:
        """Write an entry through the real door."""
        audit.record("finding.confirmed", row, by=self.ana, was="recorded")

    def plain(self, row: Any) -> None:
        """Insert the same columns into the plain table."""
        self.plain_entry(
            event="finding.confirmed",
            content_type=ContentType.objects.get_for_model(row),
            object_pk=str(row.pk),
            object_id=row.pk,
            object_repr=str(row),
            action=3,
            actor=self.ana,
            actor_ref=f"user:{self.ana.pk}",
            actor_email=self.ana.email,
            additional_data={"was": "recorded"},
            cid="benchmark",
            salt=bytes(32),
            commitment=bytes(32),
        ).save(force_insert=True)


@contextmanager
def sealer() -> Iterator[None]:
    """Have a sealer run beside us."""
    ready, asked_to_end = FORK.Event(), FORK.Event()

    def seal() -> None:
        checkpoints.seal_due()
        ready.set()
        while not asked_to_end.wait(PAUSE):
            checkpoints.seal_due()
        scratch.leave()

    scratch.leave()
    process = FORK.Process(target=seal, daemon=True)
    process.start()
    try:
        if not ready.wait(timeout=60):
            raise SystemExit("The sealer did not start.")
        yield
    finally:
        asked_to_end.set()
        process.join()


def me() -> Any:
    """Act as the benchmark."""
    return acting("command:benchmark", cid="benchmark")


def _plain_twin(model: Any) -> Any:
    """Return a model with the same columns, references and indexes, and nothing else."""
    indexes = [
        models.Index(fields=each.fields, name=f"plain_{each.name}") for each in model._meta.indexes
    ]
    meta = type("Meta", (), {"app_label": "benchmarks", "indexes": indexes})
    columns = {field.name: field.clone() for field in model._meta.fields}
    return type("PlainEntry", (models.Model,), {**columns, "Meta": meta, "__module__": __name__})


class Bench:
    """Eight clients of pgbench: the change of a row and an entry, as SQL and nothing else."""

    def __init__(self, writers: Writers, seconds: int) -> None:
        self.writers, self.seconds = writers, seconds

    @property
    def is_there(self) -> bool:
        """Tell whether there is a pgbench, and a PostgreSQL for it."""
        return connection.vendor == "postgresql" and shutil.which("pgbench") is not None

    def take_turn(self, table: str, *, work: float = 0, is_sealed: bool = False) -> float:
        """Return the seconds of one transaction; what goes into our table owes a leaf too."""
        if is_sealed:
            checkpoints.seal_due()
        where = connection.settings_dict
        environment = os.environ | {"PGPASSWORD": where["PASSWORD"]}
        named = {"-h": where["HOST"], "-p": where["PORT"], "-U": where["USER"]}
        words = [word for pair in named.items() if pair[1] for word in map(str, pair)]
        scratch.leave()
        with measure.folder() as folder, sealer() if is_sealed else nullcontext():
            script = Path(folder) / "script"
            script.write_text(self._script(table, work), encoding="utf-8")
            done = subprocess.run(
                ["pgbench", *words, "-n", "-c", "8", "-j", "2", "-T", str(self.seconds), "-f",
                 str(script), where["NAME"]],
                env=environment, check=True, capture_output=True, text=True,
            )  # fmt: skip
        found = re.search(r"tps = ([0-9.]+)", done.stdout)
        assert found
        return 1 / float(found[1])

    def _script(self, table: str, work: float) -> str:
        rows, ana = [row.pk for row in self.writers.rows], self.writers.ana
        kind = ContentType.objects.get_for_model(Work).pk
        said = {
            "event": "'finding.confirmed'", "content_type_id": kind, "object_pk": "'1'",
            "object_id": 1, "object_repr": "'row 1'", "action": 3, "actor_id": ana.pk,
            "actor_ref": f"'user:{ana.pk}'", "actor_email": f"'{ana.email}'", "cid": "'benchmark'",
            "additional_data": "'{\"was\": \"recorded\"}'", "timestamp": "now()",
            "liaison_client": "''", "salt": "sha256('salt')", "commitment": "sha256('c')",
        }  # fmt: skip
        insert = (
            f"INSERT INTO {table} ({', '.join(said)})"  # noqa: S608
            f" VALUES ({', '.join(map(str, said.values()))})"
        )
        ours = AuditEntry._meta.db_table
        owe = "INSERT INTO compliance_auditoutbox (entry_id, hash) VALUES (:id, sha256('leaf'));"
        return "\n".join(
            [
                f"\\set row {min(rows)} + :client_id",
                "BEGIN;",
                "UPDATE compliance_work SET attempts = attempts + 1 WHERE id = :row;",
                f"{insert} RETURNING id \\gset",
                owe if table == ours else "",
                f"\\sleep {int(work * 1e6)} us" if work else "",
                "COMMIT;",
            ]
        )
