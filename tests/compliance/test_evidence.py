"""Evidence: Ana attaches what she found; whoever opens it is on record before the first byte."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from compliance import evidence, findings, lifecycle
from compliance.audit.entries import AuditEntry
from compliance.errors import KeyUnusable, Malformed, NotPermitted, Tampered, WrongState
from compliance.evidence import FieldClass, Item, View
from compliance.findings import Finding
from compliance.lifecycle import Work
from compliance.roles import User
from compliance.vault import keys, uploads
from compliance.vault.keys import FileKeyWrap
from compliance.vault.uploads import Unclaimed

TEXT = b"Tonight at the station. " * 10_000  # four chunks

Attach = Callable[..., Item]


def objects() -> list[Path]:
    """All that lies in the storage."""
    return [path for path in Path(default_storage.location).rglob("*") if path.is_file()]


def noted(event: str) -> AuditEntry:
    return AuditEntry.objects.get(event=event)


def read(item: Item, by: User, **changes: Any) -> bytes:
    return b"".join(evidence.read(item, **{"purpose": "First review."} | changes, by=by))


class TestAttach:
    def test_keeps_the_item_sealed_with_its_figures(
        self, finding: Finding, attach: Attach, ana: User
    ) -> None:
        item = attach(finding, TEXT, field_class=FieldClass.PRIVATE)
        item.refresh_from_db()
        assert (item.finding, item.exhibit, item.attached_by) == (finding, 1, ana)
        assert (item.name, item.media_type, item.size) == ("post.txt", "text/plain", len(TEXT))
        assert item.source_url == "https://social.example.org/p/1"
        assert str(item) == "exhibit 1"
        (path,) = objects()
        assert path == Path(default_storage.path(item.sealed_name))
        assert path.stat().st_size == item.sealed_size
        assert evidence.classes(finding) == {"C_priv"}

    def test_leaves_one_event_with_the_digest_and_no_name(
        self, finding: Finding, attach: Attach, ana: User
    ) -> None:
        item = attach(finding, TEXT, name="marker.txt", source_url="https://marker.example.org/")
        entry = noted("evidence.attached")
        assert (entry.actor, entry.object_pk) == (ana, str(item.pk))
        assert entry.additional_data == {"sha256": item.sha256, "size": len(TEXT)}
        assert "marker" not in str(list(AuditEntry.objects.values()))

    def test_numbers_the_exhibits_of_each_finding_from_one(
        self, record: Callable[..., Finding], attach: Attach
    ) -> None:
        one, other = record(), record()
        told = [attach(each).exhibit for each in (one, one, other, one)]
        assert told == [1, 2, 1, 3]

    def test_keeps_where_it_comes_from_and_what_is_attested(
        self, finding: Finding, attach: Attach
    ) -> None:
        told = {
            "source_account": "@sample-1",
            "acquired_by": "night shift",
            "exif_viewed": False,
            "automated_detection": True,
        }
        item = attach(finding, field_class="C_priv", publicly_available=False, **told)
        item.refresh_from_db()
        assert {name: getattr(item, name) for name in told} == told
        assert evidence.attestations(item) == {
            "viewed_by_human": False,
            "view_scope": "none",
            "publicly_available": False,
            "exif_viewed": False,
            "automated_detection": True,
        }

    @pytest.mark.parametrize(
        ("field_class", "told", "kept"),
        [
            ("C_pub", None, True),
            ("C_pub", True, True),
            ("C_priv", None, None),
            ("C_priv", False, False),
        ],
    )
    def test_takes_what_is_not_known_to_be_public_for_private(
        self,
        finding: Finding,
        attach: Attach,
        field_class: str,
        told: bool | None,
        kept: bool | None,
    ) -> None:
        item = attach(finding, field_class=field_class, publicly_available=told)
        item.refresh_from_db()
        assert item.publicly_available is kept

    @pytest.mark.usefixtures("item")
    def test_is_held_to_that_by_the_database(self) -> None:
        for field_class, available in (("C_pub", None), ("C_pub", False), ("C_priv", True)):
            with pytest.raises(IntegrityError), transaction.atomic():
                Item.objects.update(field_class=field_class, publicly_available=available)

    @pytest.mark.parametrize(
        ("data", "told", "sniffed", "is_mismatched"),
        [
            (b"Tonight.", "text/plain", "text/plain", False),
            (b"<script>alert(1)</script>", "image/png", "text/html", True),
            (b"<svg onload='alert(1)'/>", "image/svg+xml", "image/svg+xml", False),
            (b"GIF89a/*<script>*/=1", "text/html", "image/gif", True),
            (b"PK\3\4" + bytes(90), "application/zip", "application/zip", False),
            (b"\x80\x81", "image/png", "application/octet-stream", False),
        ],
    )
    def test_shows_what_it_is_called_beside_what_it_is_and_mends_neither(
        self, finding: Finding, ana: User, data: bytes, told: str, sniffed: str, is_mismatched: bool
    ) -> None:
        with uploads.seal(BytesIO(data), "post", told) as upload:
            item = evidence.attach(
                finding, upload, field_class="C_pub", acquired_at=timezone.now(), by=ana
            )
        assert (item.media_type, item.sniffed_type) == (told, sniffed)
        assert item.is_mismatched is is_mismatched

    def test_writes_out_a_name_that_hides_something(self, finding: Finding, attach: Attach) -> None:
        assert attach(finding, name="../photo\u202egpj.exe").name == r"..\x2fphoto\u202egpj.exe"

    @pytest.mark.parametrize(
        ("told", "kept"),
        [
            ("image/png", "image/png"),
            ("application/vnd.example+json", "application/vnd.example+json"),
            ("", "application/octet-stream"),
            ("text/html; charset=utf-8", "application/octet-stream"),
            ("text/html\0", "application/octet-stream"),
            ("text/<script>", "application/octet-stream"),
            ("a/" + "b" * 51, "application/octet-stream"),
        ],
    )
    def test_believes_only_a_type_that_is_one(
        self, finding: Finding, ana: User, told: str, kept: str
    ) -> None:
        with uploads.seal(BytesIO(b"Tonight."), "post", told) as upload:
            item = evidence.attach(
                finding, upload, field_class="C_pub", acquired_at=timezone.now(), by=ana
            )
        assert item.media_type == kept

    def test_is_refused_to_counsel(self, finding: Finding, attach: Attach, carla: User) -> None:
        with pytest.raises(NotPermitted, match=r"The role counsel may not record finding\."):
            attach(finding, by=carla)
        assert objects() == []

    @pytest.mark.parametrize("decide", [findings.confirm, findings.dismiss])
    def test_is_refused_once_the_finding_is_decided_whatever_the_copy_in_hand_says(
        self, finding: Finding, attach: Attach, ben: User, decide: Callable[..., Finding]
    ) -> None:
        decide(finding, because="Read.", by=ben)
        assert finding.state == "recorded"  # Ana's copy is older
        with pytest.raises(WrongState, match=r"F-.* is (confirmed|dismissed); what is new be"):
            attach(finding)
        assert objects() == []

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"data": b""}, r"The file is empty\. Attach the file that holds the evidence\."),
            ({"name": "x" * 256}, r"The file's name wants 1 to 255 characters\."),
            ({"name": "\u202e" * 43}, r"The file's name wants 1 to 255 characters\."),
            ({"field_class": "C_none"}, r"Say whether the item was public \(C_pub\) or private"),
            ({"field_class": ""}, "Say whether the item was public"),
            ({"acquired_at": timezone.now() + timedelta(hours=1)}, "not in the future"),
            ({"acquired_at": datetime(2026, 3, 1)}, "with its time zone"),  # noqa: DTZ001
            ({"source_url": "x" * 2001}, r"The address is longer than 2000 characters\."),
            ({"source_account": "x" * 201}, r"An account or a name is longer than 200 characters"),
            ({"acquired_by": "x" * 201}, r"An account or a name is longer than 200 characters\."),
            ({"publicly_available": False}, "Public content is what was available to the public"),
            (
                {"field_class": "C_priv", "publicly_available": True},
                "Public content is what was available to the public, and nothing else",
            ),
        ],
    )
    def test_refuses_what_it_cannot_use_and_leaves_nothing(
        self, finding: Finding, attach: Attach, changes: dict[str, Any], sentence: str
    ) -> None:
        with pytest.raises(Malformed, match=sentence):
            attach(finding, **changes)
        assert objects() == []
        assert not Item.objects.exists()

    def test_takes_a_name_and_an_address_of_the_greatest_length(
        self, finding: Finding, attach: Attach
    ) -> None:
        item = attach(finding, name="x" * 255, source_url="x" * 2000)
        assert (len(item.name), len(item.source_url)) == (255, 2000)

    def test_refuses_a_file_whose_object_is_gone(self, finding: Finding, ana: User) -> None:
        upload = uploads.seal(BytesIO(TEXT), "post.txt")
        upload.close()
        with pytest.raises(Malformed, match=r"The file did not arrive whole\. Send it again\."):
            evidence.attach(
                finding, upload, field_class="C_pub", acquired_at=timezone.now(), by=ana
            )

    def test_refuses_a_file_that_was_swept_because_nothing_came_of_it_for_too_long(
        self, finding: Finding, attach: Attach, ana: User
    ) -> None:
        with uploads.seal(BytesIO(TEXT), "post.txt") as upload:
            Unclaimed.objects.update(until=timezone.now())
            assert evidence.sweep_due() == 1
            with pytest.raises(Malformed, match=r"The file did not arrive whole\. Send it again\."):
                evidence.attach(
                    finding, upload, field_class="C_pub", acquired_at=timezone.now(), by=ana
                )
        assert not Item.objects.exists()
        assert not FileKeyWrap.objects.exists()

    @pytest.mark.parametrize("last", ["keep", "record"])
    def test_leaves_nothing_half_done_when_the_database_fails_at_the_end(
        self, finding: Finding, attach: Attach, monkeypatch: pytest.MonkeyPatch, last: str
    ) -> None:
        def fail(*args: object, **kwargs: object) -> None:
            assert len(objects()) == Item.objects.count() == 1
            raise DatabaseError

        monkeypatch.setattr(keys if last == "keep" else evidence.audit, last, fail)
        with pytest.raises(DatabaseError):
            attach(finding)
        assert objects() == []
        assert not Item.objects.exists()
        assert not FileKeyWrap.objects.exists()
        assert not AuditEntry.objects.filter(event="evidence.attached").exists()

    def test_leaves_nothing_half_done_when_no_key_can_wrap(
        self, finding: Finding, attach: Attach, settings: Any
    ) -> None:
        attach(finding)
        next(settings.KEYS_DIR.glob("kek-*")).unlink()
        with pytest.raises(KeyUnusable):
            attach(finding)
        assert len(objects()) == Item.objects.count() == FileKeyWrap.objects.count() == 1

    def test_leaves_nothing_half_done_when_another_was_faster(
        self, finding: Finding, attach: Attach, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        attach(finding, b"First.")
        # As if the count had been taken before the other's row was there: the constraint decides.
        monkeypatch.setattr("django.db.models.QuerySet.count", lambda self: 0)
        with pytest.raises(IntegrityError):
            attach(finding, b"Second.")
        monkeypatch.undo()
        assert Item.objects.get().exhibit == 1
        assert len(objects()) == FileKeyWrap.objects.count() == 1

    def test_is_the_outermost_transaction(self, finding: Finding, attach: Attach) -> None:
        """What is kept could otherwise lose its record to a rollback further out."""
        with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
            attach(finding)
        assert objects() == []


class TestRead:
    @pytest.fixture
    def item(self, finding: Finding, attach: Attach) -> Item:
        return attach(finding, TEXT)

    @pytest.mark.parametrize(
        ("start", "stop"),
        [(0, None), (0, 1), (65_535, 65_537), (131_072, 196_608), (239_999, 240_000), (100, None)],
    )
    def test_returns_the_bytes_of_any_range(
        self, item: Item, carla: User, start: int, stop: int | None
    ) -> None:
        assert read(item, carla, start=start, stop=stop) == TEXT[start:stop]

    def test_is_on_record_before_the_first_byte(self, item: Item, ben: User) -> None:
        pieces = evidence.read(item, purpose="Second look.", start=5, stop=9, by=ben)
        entry = noted("evidence.viewed")
        assert (entry.actor, entry.purpose) == (ben, "Second look.")
        assert entry.additional_data == {"start": 5, "stop": 9}
        assert not View.objects.exists()
        assert b"".join(pieces) == TEXT[5:9]
        view = View.objects.get()
        assert (view.item, view.viewed_by, view.is_whole) == (item, ben, False)
        assert str(view) == f"view {view.pk}"

    def test_counts_as_whole_only_when_all_was_taken(
        self, finding: Finding, attach: Attach, ben: User
    ) -> None:
        item = attach(finding, b"x" * (3 * 2**16))
        pieces = evidence.read(item, purpose="Second look.", by=ben)
        next(pieces)
        pieces.close()  # type: ignore[attr-defined]
        assert evidence.was_viewed(item) == "none"
        pieces = evidence.read(item, purpose="Second look.", by=ben)
        next(pieces), next(pieces)
        pieces.close()  # type: ignore[attr-defined]
        assert evidence.was_viewed(item) == "part"
        assert len(b"".join(evidence.read(item, purpose="Second look.", by=ben))) == item.size
        assert evidence.was_viewed(item) == "whole"

    def test_of_what_is_gone_is_no_view(self, item: Item, ben: User) -> None:
        default_storage.delete(item.sealed_name)
        with pytest.raises(Tampered, match="is gone"):
            b"".join(evidence.read(item, purpose="Second look.", by=ben))
        assert evidence.was_viewed(item) == "none"

    def test_serves_nothing_when_it_cannot_be_put_on_record(
        self, item: Item, ben: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*args: object, **kwargs: object) -> None:
            raise DatabaseError

        monkeypatch.setattr(evidence.audit, "record", fail)
        with pytest.raises(DatabaseError):
            evidence.read(item, purpose="Second look.", by=ben)
        assert not View.objects.exists()

    def test_is_the_outermost_transaction(self, item: Item, ben: User) -> None:
        """A rollback further out would otherwise forget that somebody read."""
        with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
            evidence.read(item, purpose="Second look.", by=ben)

    @pytest.mark.parametrize("who", ["otto", "cleo"])
    def test_is_refused_to_auditor_and_custodian(
        self, item: Item, who: str, request: pytest.FixtureRequest
    ) -> None:
        with pytest.raises(NotPermitted, match="may not view evidence"):
            evidence.read(item, purpose="Curiosity.", by=request.getfixturevalue(who))
        assert not View.objects.exists()

    def test_wants_a_purpose(self, item: Item, ben: User) -> None:
        with pytest.raises(Malformed, match=r"Say why you open this item\."):
            evidence.read(item, purpose=" \n", by=ben)

    @pytest.mark.parametrize(
        ("start", "stop"), [(-1, None), (0, 0), (5, 5), (9, 5), (0, 240_001), (240_000, None)]
    )
    def test_refuses_a_range_that_is_not_within_the_item(
        self, item: Item, ben: User, start: int, stop: int | None
    ) -> None:
        with pytest.raises(Malformed, match=r"The range .* is not within 240000 bytes\."):
            evidence.read(item, purpose="Second look.", start=start, stop=stop, by=ben)
        assert not View.objects.exists()

    @pytest.mark.parametrize("at", [0, 16, 70_000, -1])
    def test_releases_no_byte_of_a_chunk_that_was_changed(
        self, item: Item, ben: User, at: int
    ) -> None:
        path = Path(default_storage.path(item.sealed_name))
        data = bytearray(path.read_bytes())
        data[at] ^= 1
        path.write_bytes(data)
        with pytest.raises(Tampered, match=r"The stored object of this item was changed\."):
            read(item, ben)

    @pytest.mark.parametrize("cut", [1, 16, 65_552, 240_000])
    def test_notices_an_object_that_was_cut_together_with_its_record(
        self, item: Item, ben: User, cut: int
    ) -> None:
        path = Path(default_storage.path(item.sealed_name))
        path.write_bytes(path.read_bytes()[:-cut])
        item.sealed_size -= cut
        for start in (0, 10):
            with pytest.raises(Tampered, match="was changed"):
                read(item, ben, start=start, stop=20)

    def test_notices_a_size_on_record_that_is_not_the_objects(self, item: Item, ben: User) -> None:
        item.size += 1
        with pytest.raises(Tampered, match="was changed"):
            read(item, ben)

    def test_notices_that_two_objects_were_exchanged(
        self, finding: Finding, item: Item, attach: Attach, ben: User
    ) -> None:
        other = attach(finding, TEXT)
        item.sealed_name = other.sealed_name
        with pytest.raises(Tampered, match="was changed"):
            read(item, ben)

    def test_notices_that_the_object_is_gone(self, item: Item, ben: User) -> None:
        default_storage.delete(item.sealed_name)
        with pytest.raises(Tampered, match=r"The stored object of this item is gone\."):
            read(item, ben)

    def test_says_that_a_key_is_gone(self, item: Item, ben: User, settings: Any) -> None:
        next(settings.KEYS_DIR.glob("kek-*")).unlink()
        with pytest.raises(KeyUnusable, match="key-encryption key"):
            read(item, ben)


class TestWasViewed:
    @pytest.mark.parametrize(
        ("ranges", "answer"),
        [
            ([], "none"),
            ([(0, 4)], "part"),
            ([(0, 4), (4, 8)], "part"),
            ([(0, 8)], "whole"),
            ([(0, 4), (0, 8)], "whole"),
        ],
    )
    def test_says_what_people_really_opened(
        self, item: Item, ben: User, ranges: list[tuple[int, int]], answer: str
    ) -> None:
        for start, stop in ranges:
            read(item, ben, start=start, stop=stop)
        assert evidence.was_viewed(item) == answer


class TestSweepDue:
    def test_removes_what_nobody_writes_any_more_and_says_so(
        self, finding: Finding, attach: Attach
    ) -> None:
        kept = attach(finding)
        uploads.seal(BytesIO(TEXT), "left.txt")
        left = Unclaimed.objects.get()
        assert len(objects()) == 2
        assert evidence.sweep_due() == 0  # its time is not over
        Unclaimed.objects.update(until=timezone.now())
        assert evidence.sweep_due() == 1
        assert [path.name for path in objects()] == [Path(kept.sealed_name).name]
        entry = noted("upload.swept")
        assert (entry.object_pk, entry.actor_ref) == (str(left.pk), "system:worker")
        assert not Unclaimed.objects.exists()
        assert evidence.sweep_due() == 0

    def test_leaves_what_is_still_being_written(
        self, db: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The pass has it in hand already when its writer moves on."""
        monkeypatch.setattr(uploads, "BREATH", -1.0)  # it says with each piece that it lives
        writer = uploads.Pouring()
        Unclaimed.objects.update(until=timezone.now())
        really = uploads.sweep

        def after_a_piece(left: Unclaimed) -> bool:
            writer.update(TEXT * 20)
            return really(left)

        monkeypatch.setattr(uploads, "sweep", after_a_piece)
        assert evidence.sweep_due() == 1  # there was nothing to do, and that is done
        assert len(objects()) == Unclaimed.objects.count() == 1
        assert not AuditEntry.objects.filter(event="upload.swept").exists()
        writer.finish()

    def test_stops_a_writer_whose_object_is_gone(
        self, db: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(uploads, "BREATH", -1.0)
        writer = uploads.Pouring()
        Unclaimed.objects.update(until=timezone.now())
        assert evidence.sweep_due() == 1
        with pytest.raises(TimeoutError, match="Too long nothing came of this upload"):
            writer.update(TEXT * 20)

    def test_tries_again_where_the_storage_failed(
        self, db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        uploads.seal(BytesIO(TEXT), "left.txt")
        Unclaimed.objects.update(until=timezone.now())

        def fail(name: str) -> None:
            raise OSError

        with monkeypatch.context() as patch:
            patch.setattr(default_storage, "discard", fail)
            assert evidence.sweep_due() == 0
        assert lifecycle.failing().get().last_error == "OSError"
        assert Unclaimed.objects.get().claim() is False  # it is marked: no record can point at it
        Work.objects.update(available_at=timezone.now())
        assert evidence.sweep_due() == 1
        assert objects() == []


class TestClasses:
    def test_are_those_of_all_exhibits(self, finding: Finding, attach: Attach) -> None:
        assert evidence.classes(finding) == set()
        attach(finding, field_class="C_pub")
        attach(finding, field_class="C_priv")
        attach(finding, field_class="C_priv")
        assert evidence.classes(finding) == {"C_pub", "C_priv"}


class TestConstraints:
    def test_let_no_empty_item_and_no_second_number_stand(self, item: Item) -> None:
        with pytest.raises(IntegrityError, match="item_is_not_empty"), transaction.atomic():
            Item.objects.update(size=0)
        item.pk, item.sealed_name = None, "another"
        item._state.adding = True
        with pytest.raises(IntegrityError), transaction.atomic():
            item.save()


class TestDiscretion:
    def test_no_word_key_or_name_of_an_item_reaches_a_log_or_a_refusal(
        self,
        finding: Finding,
        attach: Attach,
        ben: User,
        settings: Any,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Ana attaches, Ben reads, and everything that can fail does."""
        caplog.set_level(logging.DEBUG)
        told: list[object] = []
        item = attach(finding, b"marker one", name="marker-two.txt", source_url="marker-three")
        assert read(item, ben) == b"marker one"
        for changes in ({"field_class": "C_no"}, {"source_url": "marker" * 999}):
            with pytest.raises(Malformed) as refused:
                attach(finding, b"marker one", name="marker-two.txt", **changes)
            told.append(refused)
        path = Path(default_storage.path(item.sealed_name))
        key = keys.file_key(item.pk)
        for breaks in (lambda: path.write_bytes(b"marker four" * 9), path.unlink):
            breaks()
            with pytest.raises(Tampered) as spoilt:
                read(item, ben)
            told.append(spoilt)
        kek = next(settings.KEYS_DIR.glob("kek-*"))
        secret = kek.read_text()
        kek.write_text(secret[:-4])
        with pytest.raises(KeyUnusable) as unusable:
            read(item, ben)
        told += [unusable, caplog.text]
        said = "\n".join(str(getattr(each, "value", each)) for each in told)
        for hidden in ("marker", secret, secret[:-4], key.hex(), repr(key), str(path)):
            assert hidden not in said
