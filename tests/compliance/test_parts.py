"""Parts: Ana's long film arrives in pieces, in any order and twice, and is sealed only once."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from compliance import evidence, findings, lifecycle, parts
from compliance.audit.entries import AuditEntry
from compliance.errors import Malformed, NotPermitted, WrongState
from compliance.evidence import Item
from compliance.findings import Finding
from compliance.parts import Part, PartedUpload
from compliance.roles import User
from compliance.vault import directory, keys, stream
from compliance.vault.keys import FileKeyWrap
from compliance.vault.uploads import Unclaimed

FILM = b"\0\0\0\x18ftypisom" + bytes(range(256)) * 1000  # two and a half of the parts below
NOW = timezone.now()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def objects() -> list[Path]:
    """All that lies in the storage."""
    return [path for path in Path(default_storage.location).rglob("*") if path.is_file()]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a part have two chunks: what is shown is the same, and quicker."""
    monkeypatch.setattr(parts, "CHUNKS", 2)
    monkeypatch.setattr(parts, "PART", 2 * stream.CHUNK)


@pytest.fixture
def upload(small: None, finding: Finding, ana: User) -> PartedUpload:
    """A film that Ana began to send."""
    return parts.begin(finding, name="film.mp4", size=len(FILM), media_type="video/mp4", by=ana)


def piece(number: int, data: bytes = FILM) -> bytes:
    return data[number * parts.PART : (number + 1) * parts.PART]


def send(upload: PartedUpload, number: int, by: User, data: bytes = FILM) -> Part:
    told = piece(number, data)
    return parts.put(upload, number, told, sha256=sha(told), by=by)


def complete(upload: PartedUpload, by: User, **changes: Any) -> Item:
    told = {"sha256": sha(FILM), "field_class": "C_priv", "acquired_at": NOW}
    return parts.complete(upload, **told | changes, by=by)


class TestBegin:
    def test_is_on_record_and_is_no_evidence_yet(
        self, upload: PartedUpload, finding: Finding, ana: User
    ) -> None:
        assert (upload.count, parts.missing(upload)) == (2, [0, 1])
        assert str(upload) == f"upload {upload.pk}"
        entry = AuditEntry.objects.get(event="upload.begun")
        assert (entry.object_pk, entry.actor) == (str(upload.pk), ana)
        assert "film" not in str(list(AuditEntry.objects.values()))
        assert not Item.objects.exists()
        finding.refresh_from_db()
        assert finding.version == 1

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"size": 0}, r"The file is empty\."),
            ({"size": 5 * 2**30}, r"A file has at most 4\.0.GB\."),
            ({"name": ""}, "The file's name wants 1 to 255 characters"),
            ({"name": "x" * 256}, "The file's name wants 1 to 255 characters"),
        ],
    )
    def test_refuses_what_is_no_file_of_ours(
        self, finding: Finding, ana: User, changes: dict[str, Any], sentence: str
    ) -> None:
        with pytest.raises(Malformed, match=sentence):
            parts.begin(finding, **{"name": "film.mp4", "size": 9} | changes, by=ana)
        assert objects() == []
        assert not Unclaimed.objects.exists()

    def test_is_refused_to_counsel_and_after_the_decision(
        self, finding: Finding, ana: User, ben: User, carla: User
    ) -> None:
        with pytest.raises(NotPermitted):
            parts.begin(finding, name="film.mp4", size=9, by=carla)
        findings.dismiss(finding, because="A parody.", by=ben)
        with pytest.raises(WrongState, match="is decided; what is new belongs to a new finding"):
            parts.begin(finding, name="film.mp4", size=9, by=ana)

    def test_that_fails_leaves_a_row_for_the_sweep(
        self, finding: Finding, ana: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*args: object) -> None:
            raise OSError

        with monkeypatch.context() as patch:
            patch.setattr(keys, "keep", fail)
            with pytest.raises(OSError):  # noqa: PT011
                parts.begin(finding, name="film.mp4", size=9, by=ana)
        assert len(objects()) == Unclaimed.objects.count() == 1
        Unclaimed.objects.update(until=timezone.now())
        assert evidence.sweep_due() == 1
        assert objects() == []


class TestPut:
    def test_seals_a_part_where_it_belongs(self, upload: PartedUpload, ana: User) -> None:
        part = send(upload, 1, ana)
        assert (str(part), parts.missing(upload)) == ("part 1", [0])
        (path,) = objects()
        assert FILM[-1000:] not in path.read_bytes()
        assert path.stat().st_size == stream.sealed_size(len(FILM))
        entry = AuditEntry.objects.get(event="upload.continued")
        assert entry.additional_data == {"part": 1, "sha256": part.sha256}

    def test_of_the_same_bytes_changes_nothing(self, upload: PartedUpload, ana: User) -> None:
        send(upload, 0, ana)
        (path,) = objects()
        before = path.read_bytes()
        send(upload, 0, ana)
        assert path.read_bytes() == before
        assert AuditEntry.objects.filter(event="upload.continued").count() == 1

    def test_of_other_bytes_is_refused_or_both_would_be_betrayed(
        self, upload: PartedUpload, ana: User
    ) -> None:
        send(upload, 0, ana)
        before = objects()[0].read_bytes()
        with pytest.raises(Malformed, match=r"Part 0 came with other bytes before\. Begin a new"):
            send(upload, 0, ana, bytes(len(FILM)))
        assert objects()[0].read_bytes() == before

    def test_that_failed_may_come_again_as_it_was_and_not_otherwise(
        self, upload: PartedUpload, ana: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(path: str) -> int:
            raise OSError

        with monkeypatch.context() as patch:
            patch.setattr(directory, "_opened", fail)
            with pytest.raises(OSError):  # noqa: PT011
                send(upload, 0, ana)
        assert parts.missing(upload) == [0, 1]
        with pytest.raises(Malformed, match="came with other bytes before"):
            send(upload, 0, ana, bytes(len(FILM)))
        send(upload, 0, ana)
        assert parts.missing(upload) == [1]

    @pytest.mark.parametrize(
        ("number", "data", "digest", "sentence"),
        [
            (2, b"x", sha(b"x"), "This upload has the parts 0 to 1"),
            (-1, b"x", sha(b"x"), "This upload has the parts 0 to 1"),
            (0, b"x", sha(b"x"), "Part 0 has 131072 bytes, not 1"),
            (1, piece(0), sha(FILM), "Part 1 has [0-9]+ bytes, not"),
            (0, bytes(131_072), sha(b"x"), "Part 0 has another SHA-256 than its Content-Digest"),
        ],
    )
    def test_refuses_what_is_not_that_part(
        self, upload: PartedUpload, ana: User, number: int, data: bytes, digest: str, sentence: str
    ) -> None:
        with pytest.raises(Malformed, match=sentence):
            parts.put(upload, number, data, sha256=digest, by=ana)
        assert not Part.objects.exists()

    def test_is_for_whoever_began(self, upload: PartedUpload, ben: User, carla: User) -> None:
        with pytest.raises(NotPermitted, match="Whoever began an upload goes on with it"):
            send(upload, 0, ben)
        with pytest.raises(NotPermitted):
            send(upload, 0, carla)

    def test_keeps_the_sweep_away_and_comes_too_late_after_it(
        self, upload: PartedUpload, ana: User
    ) -> None:
        Unclaimed.objects.update(until=timezone.now() - timedelta(seconds=1))
        send(upload, 0, ana)
        assert evidence.sweep_due() == 0
        Unclaimed.objects.update(until=timezone.now(), swept_at=timezone.now())
        with pytest.raises(WrongState, match="This upload rested too long and is gone"):
            send(upload, 1, ana)

    def test_is_forgotten_with_its_key_once_it_rested_too_long(
        self, upload: PartedUpload, ana: User
    ) -> None:
        send(upload, 0, ana)
        Unclaimed.objects.update(until=timezone.now())
        assert evidence.sweep_due() == 1
        assert objects() == []
        assert not PartedUpload.objects.exists()
        assert not Part.objects.exists()
        assert not FileKeyWrap.objects.exists()


class TestComplete:
    @pytest.fixture
    def whole(self, upload: PartedUpload, ana: User) -> PartedUpload:
        for number in (1, 0):
            send(upload, number, ana)
        return upload

    def test_makes_an_exhibit_that_opens(self, whole: PartedUpload, ana: User, ben: User) -> None:
        item = complete(whole, ana, source_account="@sample-1")
        assert (item.pk, item.name, item.exhibit) == (whole.pk, "film.mp4", 1)
        assert (item.size, item.sha256) == (len(FILM), sha(FILM))
        assert (item.media_type, item.sniffed_type) == ("video/mp4", "video/mp4")
        sealed = objects()[0].read_bytes()
        assert (item.sealed_size, item.sealed_sha256) == (len(sealed), sha(sealed))
        assert b"".join(evidence.read(item, purpose="Review.", by=ben)) == FILM
        assert not Unclaimed.objects.exists()
        assert not PartedUpload.objects.exists()

    def test_waits_for_every_part(self, upload: PartedUpload, ana: User) -> None:
        send(upload, 1, ana)
        with pytest.raises(WrongState, match=r"1 of 2 parts are missing: 0\."):
            complete(upload, ana)

    def test_refuses_another_digest_than_was_stored(self, whole: PartedUpload, ana: User) -> None:
        with pytest.raises(Malformed, match="The whole file has another SHA-256 than you say"):
            complete(whole, ana, sha256=sha(b""))
        assert not Item.objects.exists()

    def test_refuses_what_the_storage_changed(self, whole: PartedUpload, ana: User) -> None:
        (path,) = objects()
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        with pytest.raises(Malformed, match="What was stored is not what was sent"):
            complete(whole, ana)

    def test_is_refused_once_the_finding_is_decided_and_to_others(
        self, whole: PartedUpload, finding: Finding, ana: User, ben: User, person: Any
    ) -> None:
        with pytest.raises(NotPermitted):
            complete(whole, ben)
        findings.dismiss(finding, because="A parody.", by=ben)
        with pytest.raises(WrongState):
            complete(whole, ana)
        assert not Item.objects.exists()

    def test_of_what_the_sweep_has_in_hand_makes_no_record(
        self, whole: PartedUpload, ana: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It was marked between the last look and the record."""
        touched = Unclaimed.touch

        def then_swept(left: Unclaimed, longer: timedelta) -> None:
            touched(left, longer)
            Unclaimed.objects.update(swept_at=timezone.now())

        monkeypatch.setattr(Unclaimed, "touch", then_swept)
        with pytest.raises(Malformed, match="did not arrive whole"):
            complete(whole, ana)
        assert not Item.objects.exists()
        assert not lifecycle.failing().exists()


class TestInBucket:
    @pytest.mark.slow
    def test_parts_of_ours_are_parts_of_the_bucket(
        self, s3: Any, kept: Callable[[], Any], finding: Finding, ana: User, ben: User
    ) -> None:
        film = FILM[:12] + bytes(parts.PART * 2)
        upload = parts.begin(finding, name="film.mp4", size=len(film), by=ana)
        for number in (2, 0, 1, 0):
            send(upload, number, ana, film)
        assert kept() == ([], 1)
        with pytest.raises(Malformed):
            complete(upload, ana)  # finished there, and not taken here
        item = complete(upload, ana, sha256=sha(film))
        assert kept() == ([f"sealed/{item.sealed_name}"], 0)
        got = evidence.read(item, purpose="Review.", start=parts.PART - 5, by=ben)
        assert b"".join(got) == film[parts.PART - 5 :]

    @pytest.mark.slow
    def test_an_upload_that_was_given_up_leaves_nothing_there(
        self, s3: Any, kept: Callable[[], Any], finding: Finding, ana: User
    ) -> None:
        film = bytes(parts.PART + 1)
        send(parts.begin(finding, name="film.mp4", size=len(film), by=ana), 0, ana, film)
        Unclaimed.objects.update(until=timezone.now())
        assert evidence.sweep_due() == 1
        assert kept() == ([], 0)
