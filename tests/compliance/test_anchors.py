"""Anchors: what the log signed is put into other people's hands, again and again."""

from datetime import timedelta

import pytest
from django.utils import timezone

from compliance import anchors, audit, lifecycle
from compliance.audit import checkpoints, notes, signing, timestamps, tree, verification
from compliance.audit.checkpoints import AuditCheckpoint, AuditCosignature
from compliance.audit.entries import AuditEntry, AuditOutbox
from compliance.audit.timestamps import AuditTimestamp, Unstamped
from compliance.lifecycle import Work
from tests.witness import Witness, serving


@pytest.fixture
def grow(db, ana):
    """Seal another entry, and return the new state."""

    def grow():
        audit.record("finding.recorded", ana, by=ana)
        checkpoints.seal_due()
        return checkpoints.latest()

    return grow


@pytest.fixture
def witnesses(log_key, settings, loopback):
    """Two witnesses whom the settings name; both are wanted."""
    made = [Witness(name) for name in ("wanda.example.org", "wim.example.org")]
    with serving(made[0]) as first, serving(made[1]) as second:
        settings.WITNESSES = [(made[0].vkey, first), (made[1].vkey, second)]
        settings.WITNESS_QUORUM = 2
        for each in made:
            each.trust(signing.vkey())
        yield made


def again():
    """Let the pauses after failures pass."""
    Work.objects.update(available_at=timezone.now())


class TestCosignDue:
    def test_asks_nobody_where_nobody_is_named(self, grow):
        grow()
        assert anchors.cosign_due() == 0
        assert not Work.objects.exists()

    def test_has_nothing_to_show_of_an_empty_log(self, witnesses, db):
        assert anchors.cosign_due() == 0
        assert not witnesses[0].asked

    def test_each_witness_cosigns_each_newest_state_once(self, grow, witnesses):
        for _ in range(3):
            state = grow()
            assert (anchors.cosign_due(), anchors.cosign_due()) == (2, 0)
            assert checkpoints.published() == state
        assert [len(each.asked) for each in witnesses] == [3, 3]
        note = checkpoints.published_note()
        for each in witnesses:
            assert notes.open_note(note, notes.read_vkey(each.vkey, kind=notes.COSIGNATURE))
        assert Work.objects.count() == 2

    def test_leaves_no_event_for_that_would_be_a_new_state(self, grow, witnesses):
        grow()
        before = AuditEntry.objects.count()
        anchors.cosign_due()
        assert AuditEntry.objects.count() == before
        assert not AuditOutbox.objects.exists()

    def test_one_witness_that_is_away_does_not_stop_the_other(self, grow, witnesses, settings):
        settings.WITNESSES[0] = (witnesses[0].vkey, "http://127.0.0.1:9")
        first = grow()
        assert anchors.cosign_due() == 1
        assert checkpoints.published() is None
        assert [str(row.last_error) for row in lifecycle.failing()] == [
            "The server could not be reached, or broke off."
        ]
        assert anchors.cosign_due() == 0  # it is left alone for a while
        assert first.cosignatures.count() == 1

    def test_a_witness_that_comes_back_cosigns_the_newest_state(self, grow, witnesses):
        witnesses[0].answers = [(500, "")]
        grow()
        anchors.cosign_due()
        (row,) = lifecycle.failing()
        assert row.last_error == "wanda.example.org did not cosign: it answered 500."
        newest = grow()
        again()
        assert anchors.cosign_due() == 2
        assert checkpoints.published() == newest
        assert not lifecycle.failing().exists()

    def test_a_fork_shown_to_a_witness_is_not_cosigned_and_shows_at_the_desk(
        self, grow, witnesses, unguarded
    ):
        """The key is stolen, the database is rewritten: whoever watched does not sign."""
        for _ in range(3):
            grow()
        anchors.cosign_due()
        leaves = [bytes(leaf.hash) for leaf in checkpoints.AuditLeaf.objects.order_by("idx")]
        leaves[1] = tree.leaf_hash(b"forged")
        checkpoints.AuditTile.objects.all().delete()
        for (level, n), data in tree.append(0, [*leaves, leaves[0]], dict).items():
            checkpoints.AuditTile.objects.create(level=level, n=n, data=data)
        size = len(leaves) + 1
        note = signing.sign(size, tree.root(size, checkpoints.reader()))
        forged = AuditCheckpoint.objects.create(size=size, note=note)
        signing.keep_head(note, size)
        assert anchors.cosign_due() == 0
        assert {row.last_error for row in lifecycle.failing()} == {
            f"{each.name} saw another log of this name. Run verify_audit." for each in witnesses
        }
        assert not forged.cosignatures.exists()
        assert checkpoints.published().size == size - 1

    def test_a_witness_the_settings_name_no_longer_owes_nothing(self, grow, witnesses, settings):
        witnesses[0].answers = [(500, "")]
        grow()
        anchors.cosign_due()
        assert lifecycle.failing().exists()
        settings.WITNESSES, settings.WITNESS_QUORUM = settings.WITNESSES[1:], 1
        again()
        assert anchors.cosign_due() == 0
        assert not lifecycle.failing().exists()
        assert len(witnesses[0].asked) == 1


class TestVerification:
    def test_says_up_to_where_each_cosigned(self, grow, witnesses):
        first = grow()
        anchors.cosign_due()
        witnesses[1].answers = [(500, "")]
        second = grow()
        anchors.cosign_due()
        report = verification.verify()
        assert report.good
        assert report.cosigned == {
            "wanda.example.org": second.size,
            "wim.example.org": first.size,
        }
        assert report.wanted == 2

    def test_raises_no_alarm_while_the_log_grows_and_is_cosigned(
        self, grow, witnesses, monkeypatch
    ):
        first, check = grow(), verification._check_leaves
        anchors.cosign_due()

        def meanwhile(*span):
            check(*span)
            grow()
            anchors.cosign_due()

        monkeypatch.setattr(verification, "_check_leaves", meanwhile)
        report = verification.verify()
        assert (report.problem, report.size) == (None, first.size)

    def test_nobody_cosigned_yet(self, grow, witnesses):
        grow()
        assert set(verification.verify().cosigned.values()) == {0}

    def test_finds_a_cosignature_that_does_not_fit(self, grow, witnesses, unguarded):
        grow()
        anchors.cosign_due()
        row = checkpoints.last_cosigned("wanda.example.org")
        other = checkpoints.last_cosigned("wim.example.org")
        line = other.line.replace("wim", "wanda")
        AuditCosignature.objects.filter(pk=row.pk).update(line=line)
        problem = verification.verify().problem
        assert problem.startswith(
            f"What wanda.example.org cosigned at size {row.checkpoint_id}: The note is not signed"
        )


class Stamps:
    """Stands for the authority; the real one is asked in the tests of the time-stamps."""

    def __init__(self):
        self.at, self.fails = timezone.now(), False

    def ask(self, signed):
        if self.fails:
            raise Unstamped("The time-stamping authority answered 503.")
        return AuditTimestamp(checkpoint=signed, token=b"token", stamped_at=self.at)


@pytest.fixture
def stamps(settings, monkeypatch):
    stamps = Stamps()
    settings.TIMESTAMP_URL = "http://stamps.example.org"
    monkeypatch.setattr(timestamps, "ask", stamps.ask)
    return stamps


class TestStampDue:
    def test_asks_nobody_where_nobody_is_named(self, grow):
        grow()
        assert anchors.stamp_due() == 0

    def test_stamps_the_newest_published_state(self, grow, stamps):
        state = grow()
        assert anchors.stamp_due() == 1
        assert timestamps.last().checkpoint == state

    def test_stamps_one_state_a_day(self, grow, stamps):
        stamps.at -= anchors.EVERY - timedelta(minutes=1)
        grow()
        assert anchors.stamp_due() == 1
        grow()
        assert anchors.stamp_due() == 0

    def test_stamps_again_after_a_day_if_there_is_something_new(self, grow, stamps):
        stamps.at -= anchors.EVERY + timedelta(minutes=1)
        grow()
        assert (anchors.stamp_due(), anchors.stamp_due()) == (1, 0)
        newest = grow()
        assert anchors.stamp_due() == 1
        assert timestamps.last().checkpoint == newest

    def test_waits_for_witnesses_that_are_wanted(self, grow, stamps, witnesses):
        grow()
        assert anchors.stamp_due() == 0
        anchors.cosign_due()
        assert anchors.stamp_due() == 1

    def test_an_authority_that_refuses_is_asked_again(self, grow, stamps):
        grow()
        stamps.fails = True
        assert anchors.stamp_due() == 0
        (row,) = lifecycle.failing()
        assert row.last_error == "The time-stamping authority answered 503."
        stamps.fails = False
        again()
        assert anchors.stamp_due() == 1
        assert not lifecycle.failing().exists()

    def test_owes_nothing_once_the_settings_name_nobody(self, grow, stamps, settings):
        grow()
        stamps.fails = True
        anchors.stamp_due()
        settings.TIMESTAMP_URL = ""
        again()
        assert anchors.stamp_due() == 0
        assert not lifecycle.failing().exists()
