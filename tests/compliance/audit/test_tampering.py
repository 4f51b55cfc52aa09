"""Tampering: whoever owns the database can change all of it; every change is found and named.

One test per row of the matrix in the design. The triggers are dropped first, as an owner could.
"""

from pathlib import Path

import pytest

from compliance import audit
from compliance.audit import checkpoints, entries, notes, signing, tree, verification
from compliance.audit.checkpoints import AuditCheckpoint, AuditTile
from compliance.audit.context import acting
from compliance.audit.entries import AuditEntry
from compliance.errors import Tampered
from tests.forger import cut_to, entry_at, rebuild_tree, sql

pytestmark = pytest.mark.usefixtures("unguarded")


@pytest.fixture
def sealed(small_log, write):
    """Twenty-one entries under the signed sizes 8, 16 and 21."""
    write(20)
    small_log.seal_due()
    assert verification.verify().good
    return small_log


class TestEntries:
    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ("event = 'finding.dismissed'", "another public part"),
            ("timestamp = '2001-01-01 00:00:00+00:00'", "another public part"),
            ("cid = 'other'", "another public part"),
            ("object_pk = '99'", "another public part"),
            ("actor_ref = 'system:worker'", "another public part"),
            ("purpose = 'another'", "another private part"),
            ("object_repr = 'another'", "another private part"),
            ("additional_data = '{\"a\": 1}'", "another private part"),
            ("additional_data = '{\"a\": 1.5}'", "another private part"),
            ("salt = NULL", "has lost its private part"),
            ("remote_addr = '192.0.2.9'", "another private part"),
            ("actor_id = NULL", "does not follow"),
            ("liaison_client = 'lee'", "does not follow"),
            ("object_id = 99", "does not follow"),
            ("action = 2", "does not follow"),
        ],
    )
    def test_a_changed_column_is_found(self, sealed, change, problem):
        sql(f"UPDATE compliance_auditentry SET {change} WHERE id = %s", entry_at(5))  # noqa: S608
        report = verification.verify()
        assert report.first_bad == 5
        assert problem in report.problem
        assert not report.good

    def test_every_column_is_covered(self):
        followed = {"id", "content_type", "timestamp", "event", "cid", "object_pk", "actor_ref"}
        followed |= {"actor", "liaison_client", "object_id", "action"}
        followed |= {"salt", "commitment", *entries.PRIVATE}
        assert {field.name for field in AuditEntry._meta.fields} == followed

    def test_another_salt_is_found(self, sealed):
        sql("UPDATE compliance_auditentry SET salt = %s WHERE id = %s", bytes(32), entry_at(5))
        assert verification.verify().first_bad == 5

    def test_an_erased_entry_still_verifies(self, sealed):
        gone = ", ".join(f"{name} = NULL" for name in ("salt", *entries.PRIVATE))
        sql(f"UPDATE compliance_auditentry SET {gone} WHERE id = %s", entry_at(5))  # noqa: S608
        assert "nobody erased it" in verification.verify().problem
        with acting("system:eraser"):
            audit.record(entries.ERASED, AuditEntry.objects.get(pk=entry_at(5)), by=None)
        assert verification.verify().good

    def test_a_deleted_entry_is_found(self, sealed):
        sql("DELETE FROM compliance_auditentry WHERE id = %s", entry_at(5))
        report = verification.verify()
        assert report.first_bad == 5
        assert "was deleted" in report.problem

    @pytest.mark.parametrize("forged_leaf", [False, True])
    def test_an_entry_inserted_past_the_writer_is_found(self, sealed, forged_leaf):
        names = [field.column for field in AuditEntry._meta.fields if field.name != "id"]
        columns = ", ".join(names)
        sql(
            f"INSERT INTO compliance_auditentry (id, {columns})"  # noqa: S608
            f" SELECT 999, {columns} FROM compliance_auditentry WHERE id = %s",
            entry_at(5),
        )
        if forged_leaf:
            sql("INSERT INTO compliance_auditleaf VALUES (%s, %s, %s)", 21, bytes(32), 999)
        report = verification.verify()
        assert report.first_bad is None
        assert report.problem.startswith("Entry 999 came in past the writer")

    def test_a_change_before_the_sealing_is_found(self, sealed, ana):
        entry = audit.record("finding.recorded", ana, by=ana)
        assert verification.verify().unsealed == 1
        sql("UPDATE compliance_auditentry SET event = 'a.b' WHERE id = %s", entry.pk)
        report = verification.verify()
        assert f"Entry {entry.pk}, not yet sealed, has another public part" in report.problem


class TestTree:
    def test_an_edited_leaf_is_found(self, sealed):
        sql("UPDATE compliance_auditleaf SET hash = %s WHERE idx = 5", bytes(32))
        assert verification.verify().first_bad == 5

    def test_a_missing_leaf_is_found(self, sealed):
        sql("DELETE FROM compliance_auditleaf WHERE idx = 5")
        report = verification.verify()
        assert (report.first_bad, report.problem) == (5, "Leaf 5 is missing.")

    def test_reordered_leaves_are_found(self, sealed):
        for was, becomes in ((5, 99), (6, 5), (99, 6)):
            sql("UPDATE compliance_auditleaf SET idx = %s WHERE idx = %s", becomes, was)
        report = verification.verify()
        assert report.first_bad == 5
        assert "Tile 0/1" in report.problem

    @pytest.mark.parametrize(
        ("level", "n", "bad"), [(0, 1, 6), (0, 5, 20), (1, 0, 8), (1, 1, 16), (2, 0, 0)]
    )
    def test_an_edited_tile_is_found_at_its_first_leaf(self, sealed, level, n, bad):
        row = AuditTile.objects.get(level=level, n=n)
        hashes = tree.split_tile(bytes(row.data))
        hashes[min(2, len(hashes) - 1)] = bytes(32)
        AuditTile.objects.filter(pk=row.pk).update(data=b"".join(hashes))
        assert verification.verify().first_bad == bad

    @pytest.mark.parametrize(("level", "n", "bad"), [(0, 1, 4), (1, 1, 16)])
    def test_a_missing_tile_is_found(self, sealed, level, n, bad):
        AuditTile.objects.filter(level=level, n=n).delete()
        assert verification.verify().first_bad == bad

    def test_a_tree_rewritten_as_a_whole_is_not_the_one_that_was_signed(self, sealed):
        sql("UPDATE compliance_auditentry SET event = 'a.b' WHERE id = %s", entry_at(10))
        rebuild_tree()
        report = verification.verify()
        assert report.first_bad == 8  # the last signed size that still holds
        assert "not the one that was signed" in report.problem

    def test_the_sealer_does_not_sign_over_it(self, sealed, write):
        sql("UPDATE compliance_auditentry SET event = 'a.b' WHERE id = %s", entry_at(10))
        rebuild_tree()
        write(1)
        with pytest.raises(Tampered, match=r"Nothing was signed.*first 21 entries"):
            sealed.seal_due()
        assert sealed.latest().size == 21

    def test_a_shortened_tile_stops_the_sealer_too(self, sealed, write):
        AuditTile.objects.filter(level=0, n=5).update(data=b"")
        write(1)
        with pytest.raises(Tampered, match="too short"):
            sealed.seal_due()

    def test_a_state_the_log_did_not_sign_is_found(self, sealed):
        sql("UPDATE compliance_auditcheckpoint SET note = 'nothing' WHERE size = 21")
        assert verification.verify().first_bad == 16


class TestOutside:
    def test_a_shortened_log_is_found_by_the_head(self, sealed):
        cut_to(16)
        report = verification.verify()
        assert report.problem == "The log has 16 entries, but 21 were signed."

    def test_an_emptied_log_is_found_by_the_head(self, sealed):
        cut_to(0)
        assert verification.verify().problem == "The log has 0 entries, but 21 were signed."

    @pytest.mark.parametrize("size", [0, 16])
    def test_the_sealer_does_not_continue_it(self, sealed, write, size):
        cut_to(size)
        write(1)
        with pytest.raises(Tampered, match=f"The log has {size} entries, but 21 were signed"):
            sealed.seal_due()

    def test_a_fork_signed_with_the_stolen_key_fails_against_any_outside_checkpoint(
        self, sealed, settings
    ):
        outside = AuditCheckpoint.objects.get(size=16).note
        assert verification.verify(checkpoint=outside).good
        sql("UPDATE compliance_auditentry SET event = 'a.b' WHERE id = %s", entry_at(10))
        rebuild_tree()
        root = tree.root(21, checkpoints.reader())
        text = notes.Checkpoint(settings.LOG_ORIGIN, 21, root).text
        forged = notes.sign(text, settings.LOG_ORIGIN, signing._key())
        sql("UPDATE compliance_auditcheckpoint SET note = %s WHERE size = 21", forged)
        Path(settings.LOG_HEAD_FILE).write_text(forged)
        assert verification.verify().good  # nothing inside or beside the database can tell any more
        report = verification.verify(checkpoint=outside)
        assert report.problem == "The first 16 entries are not the ones that were signed."

    def test_a_checkpoint_of_nobody_proves_nothing(self, sealed):
        assert "A note is text" in verification.verify(checkpoint="nothing").problem


class TestSince:
    def test_only_what_comes_after_is_read_again(self, sealed):
        sql("UPDATE compliance_auditentry SET event = 'a.b' WHERE id = %s", entry_at(5))
        assert verification.verify(since=5).first_bad == 5
        assert verification.verify(since=10).good
        assert verification.verify(since=1000).good

    def test_the_tree_before_it_is_still_the_signed_one(self, sealed):
        AuditTile.objects.filter(level=2, n=0).delete()
        report = verification.verify(since=1000)
        assert "not the one that was signed" in report.problem

    def test_an_empty_log_is_good(self, small_log):
        report = verification.verify()
        assert (report.size, report.good, report.root) == (0, True, tree.EMPTY.hex())
