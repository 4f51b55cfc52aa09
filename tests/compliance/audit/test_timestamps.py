"""Time-stamps: a token of a stock authority, which stock openssl verifies, and nothing else."""

import shutil
from datetime import timedelta

import pytest
from django.utils import timezone

from compliance.audit import timestamps, verification
from compliance.audit.checkpoints import AuditCheckpoint
from compliance.audit.timestamps import AuditTimestamp, Unstamped
from tests.authority import Authority, serving

pytest.importorskip("rfc3161_client", reason="the extra `timestamps` is not installed")
pytestmark = [
    pytest.mark.stock,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is absent"),
]


@pytest.fixture(scope="module")
def certified(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def authority(certified, settings, monkeypatch, loopback):
    """An authority that the settings name and trust."""
    monkeypatch.setattr(certified, "status", 200)
    settings.TIMESTAMP_ROOTS = str(certified.roots)
    with serving(certified) as settings.TIMESTAMP_URL:
        yield certified


@pytest.fixture
def signed(log, write):
    write(3)
    log.seal_due()
    return log.latest()


class TestAsk:
    def test_returns_a_token_that_stock_openssl_verifies(self, authority, signed):
        stamp = timestamps.ask(signed)
        assert abs(stamp.stamped_at - timezone.now()) < timedelta(minutes=1)
        assert authority.verifies(signed.note.encode(), bytes(stamp.token))
        assert not authority.verifies(signed.note.encode() + b"x", bytes(stamp.token))
        stamp.save()
        assert str(stamp) == f"{signed} stamped"
        assert timestamps.last() == stamp

    @pytest.mark.parametrize("status", [404, 500])
    def test_an_answer_with_another_status_is_refused(self, authority, signed, monkeypatch, status):
        monkeypatch.setattr(authority, "status", status)
        with pytest.raises(Unstamped, match=f"answered {status}"):
            timestamps.ask(signed)

    @pytest.mark.parametrize("told", [b"", b"nothing", b"\x30\x03\x02\x01\x00"])
    def test_what_is_no_answer_is_refused(self, authority, signed, monkeypatch, told):
        monkeypatch.setattr(authority, "stamp", lambda query: told)
        with pytest.raises(Unstamped, match="no token that holds"):
            timestamps.ask(signed)

    def test_a_token_of_another_question_is_refused(self, authority, signed, monkeypatch):
        first = timestamps.ask(signed)
        monkeypatch.setattr(authority, "stamp", lambda query: bytes(first.token))
        with pytest.raises(Unstamped):  # the nonce is another
            timestamps.ask(signed)

    def test_an_authority_nobody_trusts_is_refused(
        self, authority, signed, settings, tmp_path_factory
    ):
        other = Authority(tmp_path_factory.mktemp("other"))
        settings.TIMESTAMP_ROOTS = str(other.roots)
        with pytest.raises(Unstamped):
            timestamps.ask(signed)


class TestVerify:
    @pytest.fixture
    def stamp(self, authority, signed):
        stamp = timestamps.ask(signed)
        stamp.save()
        return stamp

    def test_says_until_when_the_log_is_stamped(self, stamp):
        report = verification.verify()
        assert report.good
        assert report.stamped == stamp.stamped_at.isoformat()

    def test_finds_a_token_of_another_state(self, stamp, unguarded, log, write):
        write(1)
        log.seal_due()
        later = AuditCheckpoint.objects.latest()
        AuditTimestamp.objects.update(checkpoint=later)
        report = verification.verify()
        assert report.problem == (
            f"The state of {later.size} entries has a time-stamp that does not fit it."
        )

    def test_finds_a_changed_time(self, stamp, unguarded):
        AuditTimestamp.objects.update(stamped_at=stamp.stamped_at - timedelta(days=1))
        assert "at another time than is said" in verification.verify().problem

    def test_finds_a_token_that_is_none(self, stamp, unguarded):
        AuditTimestamp.objects.update(token=b"nothing")
        assert "does not fit" in verification.verify().problem

    def test_believes_nobody_whom_the_settings_do_not_trust(self, stamp, settings):
        settings.TIMESTAMP_ROOTS = ""
        AuditTimestamp.objects.get()  # the token stays, for whoever trusts the authority
        assert verification.verify().good
