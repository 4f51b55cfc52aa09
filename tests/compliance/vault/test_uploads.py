"""Uploads: sealed while they arrive; whatever goes wrong leaves neither object nor plaintext."""

import errno
import os
import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import default_storage
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse

from compliance.evidence import Item
from compliance.findings import Finding
from compliance.roles import User
from compliance.vault import directory, keys, stream, uploads
from compliance.vault.keys import FileKeyWrap
from compliance.vault.uploads import Unclaimed

MARK = b"A marker that nobody may find on a disk. "
BOUNDARY = b"sample-boundary"
ASKED = {"field_class": "C_pub", "acquired_at": "2026-03-01T09:30", "zone": "UTC"}


def objects() -> list[Path]:
    """All that lies in the storage."""
    return [path for path in Path(default_storage.location).rglob("*") if path.is_file()]


def opened(name: str, key: bytes) -> bytes:
    with default_storage.open(name, "rb") as source:
        return b"".join(stream.open_chunks(key, source))


@pytest.mark.django_db
class TestSeal:
    def test_gives_the_figures_of_an_object_that_its_key_opens(self) -> None:
        upload = uploads.seal(BytesIO(MARK * 5000), "post.txt", "text/plain")
        assert (upload.original_name, upload.content_type) == ("post.txt", "text/plain")
        assert upload.sealed.plain_size == upload.size == len(MARK) * 5000
        (path,) = objects()
        assert path.stat().st_size == upload.sealed.sealed_size
        assert MARK not in path.read_bytes()
        assert opened(upload.sealed_name, upload.file_key) == MARK * 5000

    def test_names_the_object_by_nothing_that_the_file_says(self) -> None:
        upload = uploads.seal(BytesIO(MARK), "post.txt")
        assert upload.sealed_name == f"{objects()[0].name[:2]}/{objects()[0].name}"
        assert int(objects()[0].name, 16)

    def test_takes_a_new_key_and_a_new_nonce_each_time(self) -> None:
        first, second = (uploads.seal(BytesIO(MARK), "post.txt") for _ in range(2))
        assert first.file_key != second.file_key
        assert first.sealed.plain_sha256 == second.sealed.plain_sha256
        assert first.sealed.sealed_sha256 != second.sealed.sealed_sha256

    def test_lets_nobody_else_on_the_machine_look(self) -> None:
        uploads.seal(BytesIO(MARK), "post.txt")
        (path,) = objects()
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700

    def test_has_every_byte_on_the_disk_before_a_record_can_point_at_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settled: list[int] = []
        monkeypatch.setattr(os, "fsync", lambda number: settled.append(os.fstat(number).st_ino))
        uploads.seal(BytesIO(MARK), "post.txt")
        (path,) = objects()
        assert settled == [path.stat().st_ino, path.parent.stat().st_ino]  # its name as well

    def test_deletes_what_is_closed_and_was_not_kept(self) -> None:
        with uploads.seal(BytesIO(MARK), "post.txt") as upload:
            assert not upload.is_deleted
        assert upload.is_deleted
        assert objects() == []
        upload.close()  # twice does no harm

    def test_leaves_what_was_kept(self) -> None:
        with uploads.seal(BytesIO(MARK), "post.txt") as upload:
            upload.keep()
        upload.close()
        assert not upload.is_deleted
        assert len(objects()) == 1

    def test_is_on_record_from_before_its_first_byte_until_a_record_points_at_it(self) -> None:
        with uploads.seal(BytesIO(MARK), "post.txt") as upload:
            left = Unclaimed.objects.get()
            assert (left.pk, left.name) == (upload.id, upload.sealed_name)
            assert str(left) == f"object {left.pk}"
            assert upload.claim()
            assert not upload.claim()
        assert not Unclaimed.objects.exists()


@pytest.mark.django_db
class TestFailingDisk:
    """The disk is full at some point, or the source breaks: nothing may stay behind."""

    def test_an_object_that_cannot_be_opened_leaves_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(path: str) -> None:
            assert len(objects()) == 1  # it was begun
            raise PermissionError

        monkeypatch.setattr(directory, "_opened", refuse)
        with pytest.raises(PermissionError):
            uploads.seal(BytesIO(MARK), "post.txt")
        assert objects() == []

    @pytest.mark.parametrize("times", [1, 100], ids=["at the end", "on the way"])
    def test_a_disk_that_is_full_leaves_nothing(
        self, monkeypatch: pytest.MonkeyPatch, times: int
    ) -> None:
        monkeypatch.setattr(directory, "_opened", lambda path: os.open("/dev/full", os.O_WRONLY))
        with pytest.raises(OSError, match="No space left") as refused:
            uploads.seal(BytesIO(MARK * 1000 * times), "post.txt")
        assert refused.value.errno == errno.ENOSPC
        assert objects() == []

    def test_a_disk_that_fails_again_when_it_is_tidied_leaves_a_row_for_the_sweep(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(name: str) -> None:
            raise OSError(errno.EIO, "marker")

        monkeypatch.setattr(directory, "_opened", lambda path: os.open("/dev/full", os.O_WRONLY))
        monkeypatch.setattr(default_storage, "discard", fail)
        with pytest.raises(OSError, match="No space left"):  # the first failure is what is told
            uploads.seal(BytesIO(MARK), "post.txt")
        assert len(objects()) == Unclaimed.objects.count() == 1
        assert caplog.messages == [
            f"object {Unclaimed.objects.get().pk} is left to the sweep: OSError"
        ]

    @pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
    def test_a_source_that_breaks_leaves_nothing(self, error: type[BaseException]) -> None:
        class Broken(BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                if not self.tell():
                    return super().read(2**20)
                raise error

        with pytest.raises(error):
            uploads.seal(Broken(bytes(2**21)), "post.txt")
        assert objects() == []

    def test_a_name_that_is_none_leaves_nothing(self) -> None:
        with pytest.raises(SuspiciousFileOperation):
            uploads.seal(BytesIO(MARK), "..")
        assert objects() == []


def part(name: str, content: bytes, filename: str | None = None, more: str = "") -> bytes:
    """One part of a form."""
    file = "" if filename is None else f'; filename="{filename}"'
    named = f'; name="{name}"' if name else ""
    head = f"Content-Disposition: form-data{named}{file}\r\n{more}\r\n"
    return b"--" + BOUNDARY + b"\r\n" + head.encode() + content + b"\r\n"


def form(*parts: bytes, end: bytes = b"--" + BOUNDARY + b"--\r\n") -> bytes:
    """A form as a browser sends it: the fields that the desk asks for, and these parts."""
    asked = [part(name, value.encode()) for name, value in ASKED.items()]
    return b"".join([*asked, *parts, end])


class Line(BytesIO):
    """A request as it comes in over the network; before each piece it looks at the disks."""

    def __init__(self, body: bytes, look: Callable[[], None], breaks: BaseException | None) -> None:
        super().__init__(body)
        self.look, self.breaks = look, breaks

    def read(self, size: int | None = -1) -> bytes:
        self.look()
        piece = super().read(min(size, 2**16) if size and size > 0 else size)
        if not piece and self.breaks:
            raise self.breaks
        return piece


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for temporary files of its own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


Send = Callable[..., Any]


@pytest.fixture
def seen() -> list[int]:
    """How many objects lay in the storage at each look."""
    return []


@pytest.fixture
def send(finding: Finding, ana: User, temporary: Path, tmp_path: Path, seen: list[int]) -> Send:
    """Send a form to the button "Attach evidence", and look at every disk all the while."""

    def look() -> None:
        seen.append(len(objects()))
        assert not list(temporary.iterdir())
        for path in tmp_path.rglob("*"):
            assert path.is_dir() or MARK not in path.read_bytes(), path

    def send(
        body: bytes,
        *,
        by: User | None = ana,
        breaks: BaseException | None = None,
        CONTENT_LENGTH: str = "",
        **more: Any,
    ) -> Any:
        client = Client(raise_request_exception=False, **more)
        client.cookies[settings.CSRF_COOKIE_NAME] = "s" * 32  # whoever sends it chose it
        if by:
            client.force_login(by)
        length = len(body) + (100 if breaks else 0)
        line = {
            "wsgi.input": Line(body, look, breaks),
            "CONTENT_LENGTH": CONTENT_LENGTH or str(length),
        }
        content_type = f"multipart/form-data; boundary={BOUNDARY.decode()}"
        try:
            return client.generic(
                "POST",
                reverse("admin:compliance_finding_attach", args=[finding.pk]),
                b"unused",
                content_type,
                **line,
            )
        finally:
            look()

    return send


class TestUpload:
    """Ana attaches a file at the desk."""

    def test_is_sealed_as_it_arrives(self, send: Send, seen: list[int], finding: Finding) -> None:
        told = MARK * (3 * 2**20 // len(MARK))  # more than Django would hold in memory
        answer = send(form(part("upload", told, "post.txt", "Content-Type: text/plain\r\n")))
        assert answer.status_code == 302
        item = finding.items.get()
        assert (item.name, item.media_type, item.size) == ("post.txt", "text/plain", len(told))
        assert [path.relative_to(default_storage.location).as_posix() for path in objects()] == [
            item.sealed_name
        ]
        assert opened(item.sealed_name, keys.file_key(item.pk)) == told
        assert seen[0] == 0
        assert seen.count(1) > 40  # it was written while the rest was on its way

    def test_of_two_files_keeps_the_one_that_the_desk_took(
        self, send: Send, finding: Finding
    ) -> None:
        send(form(part("upload", b"One.", "1.txt"), part("upload", b"Two.", "2.txt")))
        assert finding.items.get().name == "2.txt"
        assert len(objects()) == 1

    def test_of_a_field_that_the_desk_does_not_know_is_not_kept(
        self, send: Send, finding: Finding
    ) -> None:
        send(form(part("upload", b"One.", "1.txt"), part("other", b"Two.", "2.txt")))
        assert finding.items.get().name == "1.txt"
        assert len(objects()) == 1

    @pytest.mark.parametrize(
        ("sent", "kept"),
        [
            ("../../etc/passwd", r"..\x2f..\x2fetc\x2fpasswd"),
            ("photo\u202egpj.exe", r"photo\u202egpj.exe"),
            ("a\tb", r"a\x09b"),
            ("&lt;b&gt;", "&lt;b&gt;"),
        ],
    )
    def test_keeps_the_name_that_was_sent_with_hostile_letters_written_out(
        self, send: Send, finding: Finding, sent: str, kept: str
    ) -> None:
        send(form(part("upload", MARK, sent)))
        assert finding.items.get().name == kept

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "odd",
        [
            part("upload", MARK, ""),
            part("upload", MARK, ".."),
            part("", MARK, "post.txt"),
            part("upload", MARK),
        ],
        ids=["no file name", "no name of a file", "no field name", "no file"],
    )
    def test_without_a_name_is_no_file(self, send: Send, seen: list[int], odd: bytes) -> None:
        assert send(form(odd)).status_code == 400
        assert not Item.objects.exists()
        assert set(seen) == {0}

    @pytest.mark.slow
    def test_of_an_empty_file_is_refused_in_words(self, send: Send) -> None:
        assert send(form(part("upload", b"", "post.txt"))).status_code == 400
        assert not Item.objects.exists()
        assert objects() == []

    def test_at_the_limit_is_taken(self, send: Send, settings: Any, finding: Finding) -> None:
        settings.UPLOAD_LIMIT = len(MARK)
        send(form(part("upload", MARK, "post.txt")))
        assert finding.items.count() == len(objects()) == 1


class TestBrokenUpload:
    """Whatever breaks takes every file of its request along, also those that had arrived whole."""

    @pytest.fixture(autouse=True)
    def _leaves_nothing(self, send: Send) -> Any:
        yield
        assert objects() == []
        assert not Item.objects.exists()
        assert not FileKeyWrap.objects.exists()

    WHOLE = part("upload", MARK, "whole.txt")

    @pytest.mark.slow
    def test_when_the_form_is_refused(self, send: Send) -> None:
        assert send(form(part("field_class", b"C_none"), self.WHOLE)).status_code == 400

    def test_when_the_verb_refuses(self, send: Send, dora: User) -> None:
        assert send(form(self.WHOLE), by=dora).status_code == 403

    def test_when_the_view_fails(self, send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*args: object) -> None:
            assert len(objects()) == 1
            raise DatabaseError

        monkeypatch.setattr(keys, "keep", fail)
        assert send(form(self.WHOLE)).status_code == 500

    @pytest.mark.parametrize("arrived", [b"", WHOLE], ids=["alone", "after another"])
    @pytest.mark.parametrize("length", [0, 10, 200_000])
    def test_when_the_request_ends_within_a_file(
        self,
        send: Send,
        seen: list[int],
        arrived: bytes,
        length: int,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        cut = part("upload", MARK * 5000, "cut.txt")[: -len(MARK) * 5000 - 2 + length]
        assert send(form(arrived, cut, end=b"")).status_code == 400
        assert "The request ended within a file." in caplog.text  # no view was asked
        if length > 2**16:
            assert max(seen) == (2 if arrived else 1)

    @pytest.mark.slow
    def test_when_the_sender_goes_away_at_any_byte(self, send: Send) -> None:
        whole = form(part("upload", MARK, "post.txt", "Content-Type: text/plain\r\n"))
        for length in range(len(whole) - len(b"--\r\n")):
            answer = send(whole[:length], breaks=OSError("gone"))
            assert answer.status_code in (400, 500), length
            assert objects() == [], length
            assert not Unclaimed.objects.exists(), length

    @pytest.mark.parametrize("enforce_csrf_checks", [False, True])
    @pytest.mark.parametrize(
        "breaks", [OSError("gone"), TimeoutError()], ids=["connection lost", "time over"]
    )
    def test_when_the_line_breaks(
        self, send: Send, seen: list[int], breaks: OSError, enforce_csrf_checks: bool
    ) -> None:
        cut = form(self.WHOLE, part("upload", MARK * 5000, "cut.txt"), end=b"")
        answer = send(cut, breaks=breaks, enforce_csrf_checks=enforce_csrf_checks)
        assert answer.status_code == (403 if enforce_csrf_checks else 500)
        assert max(seen) == 2

    def test_when_the_server_is_told_to_stop(self, send: Send) -> None:
        with pytest.raises(SystemExit):
            send(form(part("upload", MARK, "cut.txt"), end=b""), breaks=SystemExit())

    @pytest.mark.parametrize("arrived", [b"", WHOLE], ids=["alone", "after another"])
    def test_when_a_file_is_larger_than_the_limit(
        self, send: Send, settings: Any, arrived: bytes
    ) -> None:
        settings.UPLOAD_LIMIT = 100_000
        sent = form(arrived, part("upload", MARK * 5000, "large.txt"))
        assert send(sent).status_code == 400

    def test_when_five_gibibytes_are_announced(self, send: Send, seen: list[int]) -> None:
        """Not a byte of them is read."""
        answer = send(form(self.WHOLE), CONTENT_LENGTH=str(5 * 2**30))
        assert answer.status_code == 400
        assert b"or is larger than is allowed here. Nothing was done." in answer.content
        assert len(seen) == 1

    @pytest.mark.slow
    def test_when_a_file_is_not_what_it_says(self, send: Send) -> None:
        more = "Content-Transfer-Encoding: base64\r\n"
        odd = part("upload", b"QUJDR", "odd.txt", more)
        assert send(form(self.WHOLE, odd)).status_code == 400

    def test_when_there_are_too_many_files(self, send: Send, settings: Any) -> None:
        settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
        assert send(form(self.WHOLE, self.WHOLE, self.WHOLE)).status_code == 400

    def test_when_a_field_is_too_large(self, send: Send, settings: Any) -> None:
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
        assert send(form(self.WHOLE, part("source_url", b"x" * 1001))).status_code == 400

    def test_when_the_request_was_forged(self, send: Send) -> None:
        assert send(form(self.WHOLE), enforce_csrf_checks=True).status_code == 403

    def test_when_nobody_is_signed_in(self, send: Send, seen: list[int]) -> None:
        sent = form(part("upload", MARK * 5000, "post.txt"))
        assert send(sent, by=None, enforce_csrf_checks=True).status_code == 403
        assert set(seen) == {0}  # not a byte was written for a stranger

    def test_when_the_disk_is_full(self, send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(directory, "_opened", lambda path: os.open("/dev/full", os.O_WRONLY))
        assert send(form(self.WHOLE)).status_code == 500
