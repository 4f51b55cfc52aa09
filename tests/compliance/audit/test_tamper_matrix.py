"""The tamper matrix: each row done in raw SQL by the owner of the database, and what is then said.

What is shown is the command as it is typed: its exit code, the index that it names, its words. The
last classes are of accidents and of races; nothing in them is tampering, and nothing is lost.
"""

import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from compliance import audit
from compliance.audit import checkpoints, entries, notes, signing, tree
from compliance.audit.checkpoints import AuditCheckpoint, AuditLeaf, AuditTile
from compliance.audit.entries import AuditEntry
from compliance.errors import Tampered
from tests.forger import cut_to, entry_at, rebuild_tree, sql

ROOT = Path(__file__).resolve().parents[3]
TABLES = ("auditentry", "auditoutbox", "auditleaf", "audittile", "auditcheckpoint")


@pytest.fixture
def log_of_21(small_log, write, unguarded, typed):
    """Twenty-one entries under the signed sizes 8, 16 and 21, in a database without a guard."""
    write(20)
    small_log.seal_due()
    assert typed("verify_audit", "--full")[0] == 0


@pytest.fixture
def verify(typed):
    """Verify as it is typed; return the exit code, the named index, and all that is said."""

    def verify(*words):
        code, told, said = typed("verify_audit", *(words or ["--full"]))
        assert bool(told) is (code == 0)
        named = re.search(r"First bad index: (\d+)\.", said)
        return code, int(named[1]) if named else None, said

    return verify


def edit(change):
    return lambda: sql(
        f"UPDATE compliance_auditentry SET {change} WHERE id = %s",  # noqa: S608
        entry_at(5),
    )


def delete():
    sql("DELETE FROM compliance_auditentry WHERE id = %s", entry_at(5))


def insert():
    columns = ", ".join(f.column for f in AuditEntry._meta.fields if f.name != "id")
    sql(
        f"INSERT INTO compliance_auditentry (id, {columns})"  # noqa: S608
        f" SELECT 999, {columns} FROM compliance_auditentry WHERE id = %s",
        entry_at(5),
    )


def reorder():
    for was, becomes in ((5, 99), (6, 5), (99, 6)):
        sql("UPDATE compliance_auditleaf SET idx = %s WHERE idx = %s", becomes, was)


def edit_leaf():
    sql("UPDATE compliance_auditleaf SET hash = %s WHERE idx = 5", bytes(32))


def edit_tile():
    data = bytes(AuditTile.objects.get(level=0, n=1).data)
    sql("UPDATE compliance_audittile SET data = %s WHERE level = 0 AND n = 1", data[:32] * 4)


def edit_and_rebuild():
    """Change an entry, and all leaves and tiles with it, as a careful forger would."""
    edit("event = 'finding.dismissed'")()
    rebuild_tree()


def truncate():
    """Cut the last five entries off, with all that speaks of them in the database."""
    cut_to(16)


ROWS = {
    "edit a public column: the event": (
        edit("event = 'finding.dismissed'"), 5, "has another public part than its leaf",
    ),
    "edit a public column: the actor": (edit("actor_ref = 'system:x'"), 5, "another public part"),
    "edit a public column: the time": (
        edit("timestamp = '2001-01-01 00:00:00+00:00'"), 5, "another public part",
    ),
    "edit a private column": (
        edit("purpose = 'another'"), 5, "has another private part than its commitment",
    ),
    "empty a private column and the salt": (
        edit("purpose = NULL, salt = NULL"), 5, "lost its private part, and nobody erased it",
    ),
    "delete an entry": (delete, 5, "was deleted"),
    "insert an entry past the writer": (insert, None, "Entry 999 came in past the writer"),
    "reorder the leaves": (reorder, 5, "Tile 0/1 does not hold the leaves from 5 on"),
    "edit a leaf": (edit_leaf, 5, "has another public part than its leaf"),
    "edit a tile": (edit_tile, 5, "Tile 0/1 does not hold the leaves from 5 on"),
    "edit an entry and rebuild the tree": (
        edit_and_rebuild, 0, "not the one that was signed; it still is up to size 0",
    ),
    "truncate the log": (truncate, None, "The log has 16 entries, but 21 were signed."),
}  # fmt: skip


@pytest.mark.usefixtures("log_of_21")
class TestRow:
    @pytest.mark.parametrize("row", ROWS)
    def test_is_caught_with_exit_code_and_index(self, verify, row):
        tamper, index, words = ROWS[row]
        tamper()
        code, named, said = verify()
        assert (code, named) == (1, index), said
        assert words in said
        assert said.count("\n") == 1

    @pytest.mark.slow
    @pytest.mark.parametrize("row", ROWS)
    def test_is_caught_again_by_a_machine(self, typed, row):
        tamper, index, words = ROWS[row]
        tamper()
        code, told, _ = typed("verify_audit", "--json")
        report = json.loads(told)
        assert (code, report["first_bad"]) == (1, index)
        assert words in report["problem"]

    def test_of_a_fork_signed_anew_is_caught_by_any_outside_checkpoint(
        self, verify, tmp_path, settings
    ):
        kept = {size: AuditCheckpoint.objects.get(size=size).note for size in (8, 16, 21)}
        edit_and_rebuild()
        forged = signing.sign(21, tree.root(21, checkpoints.reader()))
        sql("DELETE FROM compliance_auditcheckpoint WHERE size < 21")
        sql("UPDATE compliance_auditcheckpoint SET note = %s WHERE size = 21", forged)
        Path(settings.LOG_HEAD_FILE).write_text(forged)  # and the key was stolen: all inside fits
        assert verify()[0] == 0
        for size, note in kept.items():
            outside = tmp_path / f"checkpoint-{size}"
            outside.write_text(note, encoding="utf-8")
            code, named, said = verify("--full", "--checkpoint", str(outside))
            assert (code, named) == (1, None)
            assert f"The first {size} entries are not the ones that were signed." in said

    def test_of_a_fork_has_no_proof_that_it_continues_what_was_signed(self):
        old = notes.open_checkpoint(AuditCheckpoint.objects.get(size=16).note, signing.verifier())
        edit_and_rebuild()
        proof, root = checkpoints.consistency(16, 21), tree.root(21, checkpoints.reader())
        with pytest.raises(tree.Unproven, match="leads to other roots"):
            tree.verify_consistency(16, 21, old.root, root, proof)


def backup():
    """Take all rows of the log."""
    taken = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT * FROM compliance_{table}")  # noqa: S608
            taken[table] = cursor.fetchall()
    return taken


def restore(taken):
    """Put rows in the place of those that are there."""
    with connection.cursor() as cursor:
        for table in reversed(TABLES):
            cursor.execute(f"DELETE FROM compliance_{table}")  # noqa: S608
        for table, rows in taken.items():
            for row in rows:
                places = ", ".join(["%s"] * len(row))
                cursor.execute(
                    f"INSERT INTO compliance_{table} VALUES ({places})",  # noqa: S608
                    [json.dumps(v) if isinstance(v, dict | list) else v for v in row],
                )


@pytest.mark.usefixtures("log_of_21")
class TestRestoredBackup:
    def test_is_noticed_and_nothing_is_signed_over_it(self, small_log, write, verify):
        taken = backup()
        write(3)
        small_log.seal_due()
        assert verify()[0] == 0
        restore(taken)
        code, named, said = verify()
        assert (code, named) == (1, None)
        assert "The log has 21 entries, but 24 were signed." in said
        write(5)  # even as many as there were, or more
        with pytest.raises(Tampered, match="but 24 were signed"):
            small_log.seal_due()
        assert small_log.latest().size == 21

    def test_that_is_the_newest_is_as_good(self, small_log, write, verify):
        taken = backup()
        restore(taken)
        assert verify()[0] == 0
        write(3)
        assert small_log.seal_due() == 3
        assert verify()[0] == 0


class Clock:
    """A clock that stands at a moment."""

    def __init__(self, moment):
        self.moment = moment

    def now(self, tz):
        return self.moment


class TestClock:
    def test_that_is_set_back_changes_no_order_and_no_proof(
        self, small_log, write, verify, monkeypatch
    ):
        write(5)
        small_log.seal_due()
        now = timezone.now()
        for years in (10, 1, 20):
            monkeypatch.setattr(
                "django.utils.timezone.datetime", Clock(now - timedelta(days=365 * years))
            )
            write(4)
            small_log.seal_due()
        times = list(AuditLeaf.objects.order_by("idx").values_list("entry__timestamp", flat=True))
        assert times != sorted(times)
        assert verify()[0] == 0
        for leaf in AuditLeaf.objects.select_related("entry"):
            receipt = small_log.receipt(leaf.entry)
            data = entries.public_data(leaf.entry)
            assert notes.verify_proof(receipt, data, signing.vkey()).size == len(times)


@pytest.mark.usefixtures("log_of_21")
class TestWhatIsNotFound:
    """The log's own limits, which docs/threat-model.md tells: nothing is claimed beyond them."""

    def test_a_careful_change_between_writing_and_sealing(self, small_log, ana, verify):
        entry = audit.record("finding.recorded", ana, by=ana)
        sql("UPDATE compliance_auditentry SET event = 'finding.dismissed' WHERE id = %s", entry.pk)
        data = tree.leaf_hash(entries.public_data(AuditEntry.objects.get(pk=entry.pk)))
        sql("UPDATE compliance_auditoutbox SET hash = %s WHERE entry_id = %s", data, entry.pk)
        small_log.seal_due()
        assert verify()[0] == 0


@pytest.fixture(scope="module")
def sealers(tmp_path_factory):
    """What sealers left behind that were killed, and some that raced, on a server of this kind."""
    kept = {name: each for name, each in os.environ.items() if not name.startswith("DUTYLINE_")}
    if connection.vendor == "postgresql":
        kept["DUTYLINE_DATABASE_URL"] = os.environ["DUTYLINE_DATABASE_URL"]
    state = str(tmp_path_factory.mktemp("sealers"))
    done = subprocess.run(
        [sys.executable, "-m", "tests.sealers"],
        cwd=ROOT, env=kept | {"DUTYLINE_STATE_DIR": state}, check=True, text=True,
        stdout=subprocess.PIPE, timeout=300,
    )  # fmt: skip
    return json.loads(done.stdout)


@pytest.mark.slow
class TestSealers:
    """In a database of their own, on the same server: processes, killed as nothing can catch."""

    def test_killed_at_every_step_leave_a_whole_log(self, sealers):
        steps = sealers["killed"]
        assert len(steps) >= 15
        for step in steps:
            assert step["good"], step
            assert step["sealed"] == step["leaves"]
            assert step["leaves"] + step["owed"] == step["entries"]

    def test_killed_seal_all_of_it_or_nothing(self, sealers):
        sizes = [step["sealed"] for step in sealers["killed"]]
        assert sizes == sorted(sizes)
        assert sizes[0] == 0  # before the commit nothing is sealed
        assert sizes[-1] > 0  # after it, all is, though the head was not written
        changes = [step for step in sealers["killed"] if step["owed"] == 0]
        assert changes

    def test_at_once_take_each_entry_once(self, sealers):
        raced = sealers["raced"]
        assert set(raced["codes"]) == {0}
        assert sum(raced["took"]) == 200
        assert raced["good"]
        assert (raced["owed"], raced["leaves"]) == (0, raced["entries"])
