"""The two commands that check the log: exit 0 when it is true, 1 with one line when it is not."""

import json
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError

from compliance.audit import entries, signing, verification
from compliance.audit.entries import AuditEntry
from compliance.audit.timestamps import AuditTimestamp
from tests.witness import Witness


def run(*args):
    out = StringIO()
    call_command(*args, stdout=out)
    return out.getvalue()


@pytest.fixture
def sealed(log, write):
    write(4)
    log.seal_due()
    return log


class TestVerifyAudit:
    @pytest.mark.parametrize("args", [[], ["--full"], ["--since", "2"]])
    def test_a_whole_log_verifies(self, sealed, args):
        assert run("verify_audit", *args).startswith("The log verifies: 5 entries, root ")

    def test_json_is_one_object_and_nothing_else(self, sealed):
        report = json.loads(run("verify_audit", "--json"))
        assert (report["size"], report["first_bad"], report["problem"]) == (5, None, None)

    def test_a_broken_log_is_named_at_its_first_bad_index(self, sealed, unguarded):
        sealed.AuditLeaf.objects.filter(idx=3).update(hash=bytes(32))
        with pytest.raises(CommandError, match=r"does not verify. First bad index: 3\.") as refused:
            run("verify_audit")
        assert refused.value.returncode == 1
        assert "\n" not in str(refused.value)

    def test_json_says_it_too(self, sealed, unguarded):
        sealed.AuditLeaf.objects.filter(idx=3).update(hash=bytes(32))
        out = StringIO()
        with pytest.raises(CommandError):
            call_command("verify_audit", "--json", stdout=out)
        assert json.loads(out.getvalue())["first_bad"] == 3

    def test_an_outside_checkpoint_is_compared(self, sealed, write, tmp_path):
        kept = tmp_path / "checkpoint"
        kept.write_text(sealed.latest().note, encoding="utf-8")
        write(2)
        sealed.seal_due()
        assert run("verify_audit", "--checkpoint", str(kept)).startswith("The log verifies: 7")
        kept.write_text("nothing", encoding="utf-8")
        with pytest.raises(CommandError, match=r"does not verify\. A note is text"):
            run("verify_audit", "--checkpoint", str(kept))

    def test_shows_on_a_terminal_how_far_it_is(self, sealed, monkeypatch):
        monkeypatch.setattr(sealed, "BATCH", 2)
        err = StringIO()
        call_command("verify_audit", stdout=StringIO(), stderr=err)
        assert err.getvalue() == ""
        err.isatty = lambda: True
        call_command("verify_audit", stdout=StringIO(), stderr=err, no_color=True)
        told = [f"\r{done} of 5 entries checked" for done in (2, 4, 5)]
        assert err.getvalue() == "".join(told) + "\n"

    def test_says_who_outside_signed_it_and_up_to_where(self, sealed, settings):
        witness = Witness("wanda.example.org")
        settings.WITNESSES = [(witness.vkey, "https://w.example.org")]
        state = sealed.latest()
        AuditTimestamp.objects.create(
            checkpoint=state, token=b"", stamped_at=datetime(2026, 11, 23, tzinfo=UTC)
        )
        assert run("verify_audit").splitlines()[1:] == [
            "Cosigned by wanda.example.org up to 0; 0 of 1 are wanted.",
            "Time-stamped at 2026-11-23T00:00:00+00:00.",
        ]

    def test_a_checkpoint_that_cannot_be_read_is_refused(self, db, tmp_path):
        with pytest.raises(CommandError, match="cannot be read as a checkpoint"):
            run("verify_audit", "--checkpoint", str(tmp_path / "none"))

    @pytest.mark.parametrize("name", ["LOG_KEY_FILE", "LOG_HEAD_FILE"])
    def test_a_key_or_head_that_cannot_be_read_is_said(self, sealed, settings, typed, name):
        Path(getattr(settings, name)).unlink()
        Path(getattr(settings, name)).mkdir(mode=0o700)
        code, _, said = typed("verify_audit")
        assert code == 1
        assert said.endswith("The log's key or head cannot be read: Is a directory.\n")

    def test_a_true_log_exits_with_0(self, sealed, typed):
        code, told, said = typed("verify_audit", "--full")
        assert (code, said) == (0, "")
        assert told.startswith("The log verifies: 5 entries, root ")

    @pytest.mark.parametrize("args", [[], ["--json"]])
    def test_an_untrue_log_exits_with_1_and_one_line_that_says_what_to_do(
        self, sealed, unguarded, typed, args
    ):
        sealed.AuditLeaf.objects.filter(idx=3).update(hash=bytes(32))
        code, told, said = typed("verify_audit", *args)
        assert code == 1
        assert said.startswith("CommandError: The log does not verify. First bad index: 3. Entry")
        assert said.endswith(
            "Stop the worker, keep the database as it is, and compare it with a backup.\n"
        )
        assert said.count("\n") == 1
        assert bool(told) is bool(args)

    @pytest.mark.slow
    def test_since_and_an_outside_checkpoint_go_together(
        self, sealed, unguarded, typed, write, tmp_path
    ):
        kept = tmp_path / "checkpoint"
        kept.write_text(sealed.latest().note, encoding="utf-8")
        write(300)
        sealed.seal_due()
        sealed.AuditLeaf.objects.filter(idx=3).update(hash=bytes(32))
        since = ["--since", "300", "--checkpoint", str(kept)]
        assert typed("verify_audit", *since)[0] == 0  # the changed leaf lies before
        assert typed("verify_audit", "--checkpoint", str(kept))[0] == 1

    def test_a_log_that_is_shorter_than_an_outside_checkpoint_exits_with_1(
        self, sealed, settings, typed, tmp_path
    ):
        kept = tmp_path / "checkpoint"
        kept.write_text(signing.sign(9, bytes(32)), encoding="utf-8")
        code, _, said = typed("verify_audit", "--checkpoint", str(kept))
        assert code == 1
        assert "The log has 5 entries, but 9 were signed." in said

    @pytest.mark.parametrize(
        "args", [["--since", "-1"], ["--since", "x"], ["--full", "--since", "1"], ["--sinse", "1"]]
    )
    def test_wrong_usage_exits_with_2(self, typed, args):
        code, told, said = typed("verify_audit", *args)
        assert (code, told) == (2, "")
        assert said.startswith("usage: manage.py verify_audit")

    def test_a_missing_key_is_refused(self, sealed, settings):
        Path(settings.LOG_KEY_FILE).unlink()
        with pytest.raises(CommandError, match="no signing key"):
            run("verify_audit")

    @pytest.mark.parametrize(
        "args", [["--since", "-1"], ["--since", "x"], ["--full", "--since", "1"]]
    )
    def test_wrong_usage_is_said(self, args):
        with pytest.raises(CommandError, match=r"no index|not allowed|expected one"):
            run("verify_audit", *args)

    def test_says_where_the_log_is_when_this_database_has_none(self, sealed, monkeypatch):
        def fail(**kwargs):
            raise DatabaseError("no such table")

        monkeypatch.setattr(verification, "verify", fail)
        with pytest.raises(
            CommandError, match=r"There is no log in this database yet\. manage\.py up"
        ):
            run("verify_audit")


class TestVerifyReceipt:
    @pytest.fixture
    def files(self, sealed, tmp_path):
        entry = AuditEntry.objects.order_by("pk")[2]
        (tmp_path / "receipt").write_text(sealed.receipt(entry), encoding="utf-8")
        (tmp_path / "entry").write_bytes(entries.public_data(entry))
        (tmp_path / "vkey").write_text(f"{signing.vkey()}\n", encoding="utf-8")
        return tmp_path

    def check(self, files):
        entry, vkey = str(files / "entry"), str(files / "vkey")
        return run("verify_receipt", str(files / "receipt"), "--entry", entry, "--vkey", vkey)

    def test_it_says_where_in_the_log_the_entry_is(
        self, files, settings, django_assert_num_queries
    ):
        with django_assert_num_queries(0):
            said = self.check(files)
        assert said == f"The entry is in the log {settings.LOG_ORIGIN}, number 2 of 5.\n"

    @pytest.mark.parametrize("name", ["receipt", "entry", "vkey"])
    def test_a_change_in_any_file_is_refused(self, files, name):
        data = (files / name).read_bytes()
        (files / name).write_bytes(b"x" + data)
        with pytest.raises(CommandError, match="The receipt proves nothing") as refused:
            self.check(files)
        assert refused.value.returncode == 1

    def test_exits_with_0_1_or_2(self, files, typed):
        paths = ["--entry", str(files / "entry"), "--vkey", str(files / "vkey")]
        receipt = str(files / "receipt")
        assert typed("verify_receipt", receipt, *paths)[0] == 0
        (files / "entry").write_bytes(b"another")
        code, told, said = typed("verify_receipt", receipt, *paths)
        assert (code, told, said.count("\n")) == (1, "", 1)
        assert said.endswith("Ask the sender for all three files again.\n")
        code, _, said = typed("verify_receipt", receipt)
        assert code == 2
        assert "the following arguments are required: --entry, --vkey" in said

    @pytest.mark.parametrize("content", [None, b"\xff"])
    def test_a_file_that_cannot_be_read_is_refused(self, files, content):
        (files / "receipt").unlink()
        if content:
            (files / "receipt").write_bytes(content)
        with pytest.raises(CommandError, match="The receipt proves nothing"):
            self.check(files)
