"""Checkpoints: sealing, receipts, tiles, the key, and the head outside the database."""

import threading
from pathlib import Path

import pytest
from django.db import connection, transaction

from compliance.audit import checkpoints, entries, notes, signing, tree, verification
from compliance.audit.checkpoints import AuditCheckpoint, AuditLeaf, AuditTile
from compliance.audit.entries import AuditEntry, AuditOutbox
from compliance.errors import KeyUnusable, WrongState


def head(settings):
    return Path(settings.LOG_HEAD_FILE)


class TestSealDue:
    def test_nothing_owed_is_nothing_signed(self, log, settings):
        assert log.seal_due() == 0
        assert log.latest() is None
        assert not head(settings).exists()

    def test_what_is_owed_becomes_a_signed_tree(self, small_log, write, settings):
        write(20)
        assert small_log.seal_due() == 21
        assert AuditOutbox.objects.count() == 0
        leaves = [bytes(leaf.hash) for leaf in AuditLeaf.objects.order_by("idx")]
        assert [leaf.idx for leaf in AuditLeaf.objects.order_by("idx")] == list(range(21))
        state = notes.open_checkpoint(small_log.latest().note, notes.read_vkey(signing.vkey()))
        root = tree.root(21, lambda height, n: tree.fold(leaves[n << height : (n + 1) << height]))
        assert (state.size, state.root) == (21, root)
        assert head(settings).read_text() == small_log.latest().note
        assert [each.size for each in AuditCheckpoint.objects.order_by("size")] == [8, 16, 21]

    def test_the_order_of_sealing_not_of_writing_makes_the_index(self, small_log, write):
        late = write(1)[0]
        held = AuditOutbox.objects.get(entry=late)
        AuditOutbox.objects.filter(entry=late).delete()  # as if it had not been committed yet
        write(2)
        small_log.seal_due()
        AuditOutbox.objects.create(entry=late, hash=held.hash)
        assert small_log.seal_due() == 1
        assert AuditLeaf.objects.get(entry=late).idx == 3
        assert verification.verify().good

    def test_a_second_pass_adds_nothing(self, small_log, write):
        write(5)
        assert (small_log.seal_due(), small_log.seal_due()) == (6, 0)

    def test_every_receipt_stays_good_while_the_log_grows(self, small_log, write):
        first = write(3)
        small_log.seal_due()
        write(9)
        small_log.seal_due()
        for entry in first:
            data = entries.public_data(AuditEntry.objects.get(pk=entry.pk))
            state = notes.verify_proof(small_log.receipt(entry), data, signing.vkey())
            assert state.size == 13

    def test_it_is_a_transaction_of_its_own(self, log):
        with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
            log.seal_due()

    def test_without_a_key_everything_stays_owed(self, log, write, settings):
        write(2)
        Path(settings.LOG_KEY_FILE).unlink()
        with pytest.raises(KeyUnusable):
            log.seal_due()
        assert (AuditOutbox.objects.count(), AuditLeaf.objects.count()) == (3, 0)

    @pytest.mark.services
    @pytest.mark.slow
    @pytest.mark.skipif(
        connection.vendor != "postgresql", reason="SQLite has one writer at a time by construction"
    )
    def test_two_sealers_take_each_entry_once(self, transactional_db, small_log, write):
        write(60)
        sealed, failed = [], []

        def seal():
            try:
                sealed.append(checkpoints.seal_due())
            except Exception as error:
                failed.append(error)
            finally:
                connection.close()

        sealers = [threading.Thread(target=seal) for _ in range(2)]
        for each in sealers:
            each.start()
        for each in sealers:
            each.join()
        assert failed == []
        assert sum(sealed) == 61
        assert verification.verify().good


class TestReceipt:
    def test_there_is_none_before_sealing(self, log, write):
        entry = write(1)[0]
        with pytest.raises(WrongState, match="is not sealed into the log yet"):
            log.receipt(entry)

    def test_there_is_none_for_an_entry_that_came_after_the_sealing(self, log, write):
        write(1)
        log.seal_due()
        with pytest.raises(WrongState, match="not sealed"):
            log.receipt(write(1)[0])


class TestTile:
    def test_it_is_served_as_far_as_it_is_filled(self, small_log, write):
        write(5)
        small_log.seal_due()
        leaves = [bytes(leaf.hash) for leaf in AuditLeaf.objects.order_by("idx")]
        assert small_log.tile(0, 0, 4) == b"".join(leaves[:4])
        assert small_log.tile(0, 1, 1) == leaves[4]
        assert small_log.tile(1, 0, 1) == tree.fold(leaves[:4])

    @pytest.mark.parametrize(("level", "n", "width"), [(0, 1, 3), (0, 2, 1), (2, 0, 1), (0, 0, 0)])
    def test_what_is_not_there_is_not_served(self, small_log, write, level, n, width):
        write(5)
        small_log.seal_due()
        with pytest.raises(AuditTile.DoesNotExist):
            small_log.tile(level, n, width)

    def test_a_full_tile_has_256_hashes(self, log, write):
        write(1)
        log.seal_due()
        with pytest.raises(AuditTile.DoesNotExist, match="no 256 hashes"):
            log.tile(0, 0)


class TestNames:
    def test_rows_say_what_they_are(self):
        assert str(AuditLeaf(idx=3)) == "leaf 3"
        assert str(AuditTile(level=1, n=2)) == "tile 1/2"
        assert str(AuditCheckpoint(size=7)) == "checkpoint 7"
