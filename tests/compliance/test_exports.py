"""Exports: what an auditor or a court is given, which checks without us, and is on record."""

import csv
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from compliance import audit, exports, findings
from compliance.audit import checkpoints, entries, notes, signing, verification
from compliance.audit.checkpoints import AuditLeaf
from compliance.audit.entries import AuditEntry
from compliance.audit.timestamps import AuditTimestamp
from compliance.errors import Malformed, NotPermitted, Tampered, WrongState
from compliance.exports import Part
from tests.witness import Witness

VERIFIER = Path(__file__).resolve().parents[2] / "docs" / "verify" / "verify_log.py"
DAY = timedelta(days=1)
WHY = "The court asked for it."


@pytest.fixture
def told(finding, ana, ben):
    """Three things that happened to a finding, sealed, and others around them."""
    findings.climb(finding, "refuted", reached_at=timezone.now(), basis="A play.", by=ana)
    audit.record("finding.discussed", ana, by=ana, purpose="=SUM(A1:A9)")
    findings.confirm(finding, because="Seen.", by=ben)
    checkpoints.seal_due()
    return finding


@pytest.fixture
def lately(told):
    now = timezone.now()
    return exports.period(now - DAY, now + DAY)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "export"


def rows(folder):
    return [json.loads(line) for line in (folder / "entries.jsonl").read_text().splitlines()]


def table(folder):
    with (folder / "entries.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def manifest(folder):
    note = (folder / "manifest").read_text(encoding="utf-8")
    head, line, _ = notes.open_note(note, signing.verifier()).split("\n")
    assert head == exports.FORM
    return json.loads(line)


def check(folder, *more):
    """Check an export with the file that is handed out, which sees no package of ours."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", VERIFIER, "export", folder, "--vkey", folder / "log.vkey"]
        + [str(each) for each in more],
        capture_output=True, check=False, text=True,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


class TestPeriod:
    def test_is_whole_from_its_first_entry_to_its_last(self, lately):
        assert lately.is_whole
        assert lately.leaves.count() == AuditEntry.objects.count()

    def test_holds_what_was_sealed_in_between_whenever_it_happened(self, db, ana):
        start = timezone.now()
        for at in (start, start - 9 * DAY, start + timedelta(minutes=1), start + 9 * DAY):
            entry = AuditEntry(
                event="finding.recorded", timestamp=at, object_pk=ana.pk, actor=ana,
                content_type=audit.record("finding.recorded", ana, by=ana).content_type,
            )  # fmt: skip
            checkpoints.seal_due()
            entry.save()
            checkpoints.seal_due()
        leaves = list(AuditLeaf.objects.order_by("idx").values_list("entry__timestamp", flat=True))
        part = exports.period(start, start + timedelta(minutes=2))
        found = list(part.leaves.order_by("idx").values_list("entry__timestamp", flat=True))
        assert start - 9 * DAY in found
        assert found == leaves[leaves.index(found[0]) : leaves.index(found[0]) + len(found)]

    def test_that_holds_nothing_is_refused(self, told, folder, carla):
        long_ago = datetime(2001, 1, 1, tzinfo=UTC)
        with pytest.raises(Malformed, match="holds nothing of the kind"):
            exports.export(exports.period(long_ago, long_ago + DAY), folder, because=WHY, by=carla)
        assert list(folder.parent.glob("*export*")) == []

    def test_waits_for_the_sealer(self, told, ana):
        audit.record("finding.recorded", ana, by=ana)
        with pytest.raises(WrongState, match="not sealed into the log yet"):
            exports.period(timezone.now() - DAY, timezone.now() + DAY)


class TestHistory:
    def test_is_of_one_record_alone(self, told, folder, carla):
        exports.export(exports.history(told), folder, because=WHY, by=carla)
        about = f"compliance.finding:{told.pk}"
        said = [json.loads(row["entry"]) for row in rows(folder)]
        assert {each["obj"] for each in said} == {about}
        assert said[0]["event"] == "finding.created"
        assert "finding.confirmed" in {each["event"] for each in said}
        assert manifest(folder)["asked"] == {"about": about}
        assert not manifest(folder)["whole"]


class TestExport:
    def test_is_for_those_who_may_read_the_log(self, lately, folder, ana):
        with pytest.raises(NotPermitted, match="may not read log"):
            exports.export(lately, folder, because=WHY, by=ana)
        assert not folder.exists()

    def test_the_private_part_is_for_those_who_may_see_the_matter(self, lately, folder, otto):
        exports.export(lately, folder, because=WHY, by=otto)
        with pytest.raises(NotPermitted, match="may not view matter"):
            exports.export(
                lately, folder.with_name("more"), with_private=True, because=WHY, by=otto
            )

    def test_shows_nothing_private_unless_it_is_asked_for(self, lately, folder, carla, ana):
        exports.export(lately, folder, because=WHY, by=carla)
        for path in folder.iterdir():
            assert b"SUM" not in path.read_bytes(), path
            assert ana.email.encode() not in path.read_bytes(), path
            assert path.stat().st_mode & 0o777 == 0o600
        assert folder.stat().st_mode & 0o777 == 0o700
        assert all(set(row) == {"index", "entry", "proof"} for row in rows(folder))

    def test_is_on_record_before_it_is_handed_out(self, lately, folder, carla, monkeypatch):
        done = exports.export(lately, folder, because=WHY, by=carla)
        entry = AuditEntry.objects.get(event="log.exported")
        assert (entry.actor, entry.purpose) == (carla, WHY)
        assert entry.additional_data == {
            "entries": done.entries, "manifest": done.manifest_sha256, "private": False,
        }  # fmt: skip
        assert entry.object_pk == str(done.size)

        def fails(*args, **kwargs):
            raise RuntimeError

        monkeypatch.setattr(audit, "record", fails)
        with pytest.raises(RuntimeError):
            exports.export(lately, folder.with_name("other"), because=WHY, by=carla)
        assert [path.name for path in folder.parent.iterdir() if "other" in path.name] == []

    def test_wants_a_reason(self, lately, folder, carla):
        with pytest.raises(Malformed, match="reason is missing"):
            exports.export(lately, folder, because=" ", by=carla)

    def test_overwrites_nothing(self, lately, folder, carla):
        folder.mkdir()
        with pytest.raises(Malformed, match="is there already"):
            exports.export(lately, folder, because=WHY, by=carla)

    def test_exports_nothing_that_was_tampered_with(self, lately, folder, carla, unguarded):
        leaf = AuditLeaf.objects.get(idx=2)
        AuditLeaf.objects.filter(idx=2).update(hash=bytes(32))
        with pytest.raises(Tampered, match=r"Number 2 of the log has another public part"):
            exports.export(lately, folder, because=WHY, by=carla)
        AuditLeaf.objects.filter(idx=2).update(hash=leaf.hash, entry=999_999)
        with pytest.raises(Tampered, match=r"Number 2 of the log was deleted"):
            exports.export(lately, folder, because=WHY, by=carla)

    def test_waits_for_no_witness(self, lately, folder, carla, settings):
        witness = Witness("wanda.example.org")
        settings.WITNESSES = [(witness.vkey, "https://w.example.org")]
        settings.WITNESS_QUORUM = 1
        done = exports.export(lately, folder, because=WHY, by=carla)
        assert done.size == checkpoints.latest().size

    def test_is_read_in_batches(self, lately, folder, carla, monkeypatch):
        monkeypatch.setattr(checkpoints, "BATCH", 2)
        done = exports.export(lately, folder, because=WHY, by=carla)
        assert [row["index"] for row in rows(folder)] == list(range(done.entries))


class TestCsv:
    def test_never_begins_a_cell_as_a_formula(self, lately, folder, carla):
        exports.export(lately, folder, with_private=True, because=WHY, by=carla)
        head, *cells = table(folder)
        purposes = [row[head.index("purpose")] for row in cells]
        assert "'=SUM(A1:A9)" in purposes
        assert not any(cell.startswith(exports.FORMULA) for row in cells for cell in row)

    @pytest.mark.parametrize(
        ("value", "cell"),
        [
            ("=1", "'=1"), ("+1", "'+1"), ("-1", "'-1"), ("@A1", "'@A1"), ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"), ("\n=1", "'\n=1"), ("\uff1d1", "'\uff1d1"), ("a=1", "a=1"),
            (None, ""), (7, "7"), (-7, "'-7"), ({"a": "=1"}, '{"a": "=1"}'),
        ],
    )  # fmt: skip
    def test_quotes_what_a_spreadsheet_would_run(self, value, cell):
        assert exports._cell(value) == cell

    def test_says_what_the_lines_say(self, lately, folder, carla):
        exports.export(lately, folder, because=WHY, by=carla)
        head, *cells = table(folder)
        assert head == ["number", "id", "ts", "event", "obj", "actor", "cid"]
        for row, (number, pk, *_) in zip(rows(folder), cells, strict=True):
            assert (str(row["index"]), str(json.loads(row["entry"])["id"])) == (number, pk)


@pytest.mark.slow
@pytest.mark.stock
class TestOffline:
    def test_an_export_checks_without_us(self, lately, folder, carla):
        done = exports.export(lately, folder, because=WHY, by=carla)
        code, said = check(folder)
        assert code == 0, said
        assert said == (
            f"PROVEN: {done.entries} entries, without a gap, are in the log"
            f" {signing.verifier().name} of {done.size}; 0 in private\n"
        )

    def test_so_do_a_history_and_the_private_part_but_what_was_erased(
        self, told, folder, carla, unguarded
    ):
        first = AuditLeaf.objects.get(entry=exports.history(told).leaves.first().entry)
        gone = dict.fromkeys(("salt", *entries.PRIVATE))
        super(type(AuditEntry.objects.all()), AuditEntry.objects.filter(pk=first.entry_id)).update(
            **gone
        )
        audit.record(entries.ERASED, first.entry, by=carla)
        done = exports.export(
            exports.history(told), folder, with_private=True, because=WHY, by=carla
        )
        code, said = check(folder)
        assert code == 0, said
        assert "as chosen by the log's owner" in said
        assert f"; {done.entries - 1} in private" in said

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            (lambda row: row | {"entry": row["entry"].replace("1", "2")}, "another root"),
            (lambda row: row | {"index": row["index"] + 1}, "another root|comes after"),
            (lambda row: row | {"proof": row["proof"][:-1]}, "too short"),
            (lambda row: row | {"proof": [*row["proof"], row["proof"][0]]}, "too long"),
            (lambda row: row | {"proof": ["AAAA"]}, "no hash"),
            (lambda row: row | {"private": row["private"].replace("p", "q")}, "private part"),
            (lambda row: row | {"salt": "00" * 32}, "private part"),
            (lambda row: {"index": row["index"]}, "another form"),
            (lambda row: None, "entries are missing|another form|not the one"),
        ],
    )
    def test_a_changed_line_is_found_even_under_a_manifest_signed_anew(
        self, lately, folder, carla, change, problem
    ):
        exports.export(lately, folder, with_private=True, because=WHY, by=carla)
        found = rows(folder)
        found[2] = change(found[2])
        lines = [json.dumps(row) + "\n" for row in found if row]
        (folder / "entries.jsonl").write_text("".join(lines), encoding="utf-8")
        code, said = check(folder)
        assert (code, "entries.jsonl is not the one" in said) == (1, True)
        sign_again(folder)
        code, said = check(folder)
        assert code == 1
        assert any(each in said for each in problem.split("|")), said

    @pytest.mark.parametrize("name", ["manifest", "checkpoint", "log.vkey"])
    def test_a_changed_file_is_found(self, lately, folder, carla, name):
        exports.export(lately, folder, because=WHY, by=carla)
        (folder / name).write_bytes((folder / name).read_bytes()[1:])
        assert check(folder)[0] == 1

    def test_a_manifest_of_another_key_is_refused(self, lately, folder, carla, log_key, settings):
        exports.export(lately, folder, because=WHY, by=carla)
        Path(settings.LOG_KEY_FILE).unlink()
        signing.ensure_key()
        sign_again(folder)
        code, said = check(folder)
        assert (code, "it is not signed by" in said) == (1, True)

    def test_a_stamped_state_is_preferred_and_its_token_comes_along(self, told, folder, carla, ana):
        stamped = checkpoints.latest()
        AuditTimestamp.objects.create(checkpoint=stamped, token=b"token", stamped_at=timezone.now())
        audit.record("finding.recorded", ana, by=ana)
        checkpoints.seal_due()
        done = exports.export(exports.history(told), folder, because=WHY, by=carla)
        assert done.size == stamped.size
        assert (folder / "stamped.checkpoint").read_text() == stamped.note
        assert (folder / "stamped.tsr").read_bytes() == b"token"
        assert check(folder)[0] == 0
        newest = exports.export(exports.history(ana), folder.with_name("b"), because=WHY, by=carla)
        assert newest.size > stamped.size
        assert not (folder.with_name("b") / "stamped.tsr").exists()


def sign_again(folder):
    """Sign a manifest over the files as they are now, as the log's owner could."""
    text = (folder / "manifest").read_text(encoding="utf-8")
    told = json.loads(text.split("\n")[1])
    told["files"] = {name: exports._sha256(folder / name) for name in told["files"]}
    line = entries.canonical(told).decode()
    (folder / "manifest").write_text(signing.sign_text(f"{exports.FORM}\n{line}\n"))


class TestCommand:
    def run(self, *args):
        out = StringIO()
        call_command("export_audit", *map(str, args), stdout=out)
        return out.getvalue()

    def test_exports_a_period(self, told, folder, carla):
        start, end = (timezone.now() - DAY).date(), (timezone.now() + 2 * DAY).isoformat()
        by = ["--by", carla.username, "--because", WHY]
        said = self.run(folder, *by, "--from", start, "--to", end)
        count = len(rows(folder))
        assert said.startswith(f"{count} entries, proven under the state of {count}. To check")
        assert said.endswith(f"verify_log.py export {folder} --vkey {folder}/log.vkey\n")

    def test_exports_the_history_of_a_record(self, told, folder, carla):
        about = f"compliance.finding:{told.pk}"
        self.run(folder, "--by", "carla", "--because", WHY, "--about", about, "--private")
        assert all("private" in row for row in rows(folder))
        assert verification.verify().good

    @pytest.mark.parametrize(
        ("words", "problem"),
        [
            (["--by", "nobody", "--about", "compliance.user:{ana}"], "Nobody of that name"),
            (["--by", "ana", "--about", "compliance.user:{ana}"], "may not read log"),
            (["--by", "carla"], "Name either"),
            (["--by", "carla", "--from", "2026-01-01"], "Name either"),
            (["--by", "carla", "--from", "2026-01-01", "--about", "x"], "Name either"),
            (["--by", "carla", "--from", "soon"], "is no date"),
            (["--by", "carla", "--about", "nothing"], "no such record"),
            (["--by", "carla", "--about", "compliance.finding:1"], "no such record"),
            (["--by", "carla", "--about", "compliance.user:x"], "no such record"),
            (["--by", "carla", "--about", "compliance.user:999999"], "no such record"),
        ],
    )
    def test_refuses_in_one_line(self, told, folder, ana, carla, words, problem):
        words = [word.format(ana=ana.pk) for word in words]
        with pytest.raises(CommandError, match=problem):
            self.run(folder, "--because", WHY, *words)
        assert not folder.exists()

    def test_says_where_it_cannot_write(self, told, carla, tmp_path):
        (tmp_path / "file").touch()
        about = f"compliance.finding:{told.pk}"
        with pytest.raises(CommandError, match="cannot be written: Not a directory"):
            self.run(
                tmp_path / "file" / "export", "--by", "carla", "--because", WHY, "--about", about
            )

    def test_part_can_be_made_by_others(self, told, folder, carla):
        part = Part(AuditLeaf.objects.filter(idx__lt=2), {"asked": "by hand"}, is_whole=True)
        assert exports.export(part, folder, because=WHY, by=carla).entries == 2
