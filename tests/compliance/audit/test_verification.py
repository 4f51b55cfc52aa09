"""Verification: what is checked while the log grows, and what is said of those outside."""

from compliance.audit import verification


class TestVerify:
    def test_raises_no_alarm_while_the_log_is_being_sealed(self, small_log, write, monkeypatch):
        write(9)
        small_log.seal_due()
        check = verification._check_leaves

        def meanwhile(*span):
            check(*span)
            write(3)
            small_log.seal_due()

        monkeypatch.setattr(verification, "_check_leaves", meanwhile)
        report = verification.verify()
        assert (report.problem, report.size) == (None, 10)
