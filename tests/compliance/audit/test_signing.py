"""Signing: the key of the log, and the head outside the database."""

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from compliance.audit import notes, signing, tree, verification
from compliance.audit.entries import AuditOutbox
from compliance.errors import KeyUnusable, Tampered


def head(settings):
    return Path(settings.LOG_HEAD_FILE)


class TestKey:
    def test_it_is_made_once_and_only_its_owner_reads_it(self, log_key):
        before = log_key.read_bytes()
        assert signing.ensure_key() == log_key
        assert log_key.read_bytes() == before
        assert log_key.stat().st_mode & 0o777 == 0o600

    def test_its_public_side_is_named_after_the_log(self, settings, log_key):
        settings.LOG_ORIGIN = "log.example.org"
        assert notes.read_vkey(signing.vkey()).name == "log.example.org"

    def test_a_missing_key_is_refused_with_what_to_do(self, log_key):
        log_key.unlink()
        with pytest.raises(KeyUnusable, match=r"manage\.py keygen"):
            signing.vkey()

    @pytest.mark.parametrize("content", [b"%%%", b"AAAA", b""])
    def test_a_malformed_key_is_refused(self, log_key, content):
        log_key.write_bytes(content)
        with pytest.raises(KeyUnusable, match="not base64 of 32 bytes"):
            signing.vkey()


class TestHead:
    def test_only_its_owner_reads_it_whole_or_in_the_making(
        self, log, write, settings, monkeypatch
    ):
        made = []
        monkeypatch.setattr(
            signing.os, "fsync", lambda number: made.append(os.fstat(number).st_mode & 0o777)
        )
        write(1)
        log.seal_due()
        assert made == [0o600, 0o600]  # the empty log's, and the first sealed one's
        assert head(settings).stat().st_mode & 0o777 == 0o600
        assert [each.name for each in head(settings).parent.glob("log-head*")] == ["log-head"]

    def test_a_slower_sealer_does_not_turn_it_back(self, log, write, settings):
        log.seal_due()
        write(1)
        log.seal_due()
        old = log.latest()
        write(1)
        log.seal_due()
        signing.keep_head(old.note, old.size)
        assert head(settings).read_text() == log.latest().note

    def test_it_lags_behind_after_a_crash_and_catches_up(self, log, write, settings):
        write(1)
        log.seal_due()
        before = head(settings).read_text()
        write(1)
        log.seal_due()
        head(settings).write_text(before)  # the crash came between commit and head
        assert verification.verify().good
        write(1)
        assert log.seal_due() == 1
        assert head(settings).read_text() == log.latest().note

    def test_a_lost_head_stops_the_sealer_and_the_verification(self, log, write, settings):
        write(1)
        log.seal_due()
        head(settings).unlink()
        write(1)
        with pytest.raises(Tampered, match=r"Nothing was signed.*put it back"):
            log.seal_due()
        assert AuditOutbox.objects.count() == 1
        assert "put it back" in verification.verify().problem

    def test_a_head_signed_by_another_key_stops_them_too(self, log, write, settings):
        write(1)
        log.seal_due()
        text = notes.Checkpoint(settings.LOG_ORIGIN, 0, tree.EMPTY).text
        head(settings).write_text(
            notes.sign(text, settings.LOG_ORIGIN, Ed25519PrivateKey.generate())
        )
        write(1)
        with pytest.raises(Tampered, match="not signed by"):
            log.seal_due()
        assert "not signed by" in verification.verify().problem
