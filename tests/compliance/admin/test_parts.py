"""Parts at the desk: a program in Ana's session sends a film, loses the line, and goes on."""

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from compliance import findings, parts
from compliance.audit.entries import AuditEntry
from compliance.evidence import Item
from compliance.findings import Finding
from compliance.parts import Part, PartedUpload
from compliance.roles import User
from compliance.vault import stream
from compliance.vault.uploads import Unclaimed

Sits = Callable[[User], Any]
FILM = b"\0\0\0\x18ftypisom" + bytes(range(256)) * 1000
TOLD = {
    "sha256": hashlib.sha256(FILM).hexdigest(),
    "field_class": "C_priv",
    "acquired_at": "2026-03-01T09:30:00+01:00",
    "publicly_available": None,
    "automated_detection": True,
    "source_account": "@sample-1",
}


class Program:
    """A program that holds a person's session."""

    def __init__(self, seat: Any, finding: Finding) -> None:
        self.browser, self.at = seat.browser, f"/admin/compliance/finding/{finding.pk}/uploads/"

    def ask(self, method: str, where: str = "", body: object = None, **headers: str) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self.browser.generic(
            method, f"{self.at}{where}", data, content_type="application/json", headers=headers
        )
        return answer

    def begin(self, **changes: Any) -> Any:
        told = {"name": "film.mp4", "size": len(FILM), "media_type": "video/mp4"}
        return self.ask("POST", body=told | changes)

    def put(self, upload: str, number: int, data: bytes | None = None) -> Any:
        sent = FILM[number * parts.PART :][: parts.PART] if data is None else data
        digest = base64.b64encode(hashlib.sha256(sent).digest()).decode()
        told = {"Content-Digest": f"sha-256=:{digest}:"}
        return self.ask("PUT", f"{upload}/parts/{number}/", sent, **told)


@pytest.fixture
def program(sits: Sits, ana: User, finding: Finding, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A program in Ana's session, and parts of two chunks."""
    monkeypatch.setattr(parts, "CHUNKS", 2)
    monkeypatch.setattr(parts, "PART", 2 * stream.CHUNK)
    return Program(sits(ana), finding)


@pytest.fixture
def upload(program: Program) -> str:
    """An upload that was begun."""
    return str(program.begin().json()["upload"])


class TestParts:
    def test_arrive_in_any_order_and_become_an_exhibit(
        self, program: Program, finding: Finding
    ) -> None:
        begun = program.begin()
        assert begun.status_code == 201
        told = begun.json()
        upload = told.pop("upload")
        assert told == {"size": len(FILM), "part_size": parts.PART, "parts": 2, "missing": [0, 1]}
        assert program.put(upload, 1).status_code == 200
        # The line breaks; the program asks what is missing, and goes on.
        assert program.ask("GET", f"{upload}/").json()["missing"] == [0]
        assert program.put(upload, 0).json()["number"] == 0
        done = program.ask("POST", f"{upload}/complete/", TOLD)
        item = finding.items.get()
        assert (done.status_code, done.json()) == (
            201,
            {
                "item": str(item.pk),
                "exhibit": 1,
                "sha256": TOLD["sha256"],
                "is_mismatched": False,
            },
        )
        assert (item.source_account, item.automated_detection) == ("@sample-1", True)
        assert program.ask("GET", f"{upload}/").status_code == 404

    def test_are_each_on_record(self, program: Program, upload: str) -> None:
        program.put(upload, 0)
        events = AuditEntry.objects.filter(object_pk=upload).values_list("event", flat=True)
        assert sorted(events) == ["upload.begun", "upload.continued"]

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("changes", "code", "detail"),
        [
            ({"size": 5 * 2**30}, "malformed", "A file has at most 4.0\xa0GB."),
            ({"size": 0}, "malformed", "The file is empty. Attach the file that holds the evid"),
            ({"size": True}, "malformed", "'size' is not known here, or not of the kind that is"),
            ({"size": "9"}, "malformed", "'size' is not known here, or not of the kind that is"),
            ({"name": ""}, "malformed", "The file's name wants 1 to 255 characters."),
            ({"name": "x" * 256}, "malformed", "The file's name wants 1 to 255 characters."),
            ({"x" * 99: 1}, "malformed", f"'{'x' * 40}' is not known here"),
        ],
    )
    def test_are_refused_where_the_file_is_none(
        self, program: Program, changes: dict[str, Any], code: str, detail: str
    ) -> None:
        answer = program.begin(**changes)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert answer.json()["detail"].startswith(detail)
        assert not Unclaimed.objects.exists()

    @pytest.mark.slow
    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 100_000, b"\xff", b"{}"])
    def test_want_a_json_object(self, program: Program, body: bytes) -> None:
        answer = program.ask("POST", body=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed")

    @pytest.mark.parametrize(
        ("sent", "kept"),
        [
            ("../../etc/passwd", r"..\x2f..\x2fetc\x2fpasswd"),
            ("photo\u202egpj.exe", r"photo\u202egpj.exe"),
            ("a\r\nX: y\0", r"a\x0d\x0aX: y\x00"),
        ],
    )
    def test_keep_a_hostile_name_written_out(self, program: Program, sent: str, kept: str) -> None:
        assert program.begin(name=sent).status_code == 201
        assert PartedUpload.objects.get().name == kept

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("digest", "length"),
        [
            ("", None),
            ("sha-256=:AAAA:", None),
            ("sha-512=:AAAA:", None),
            (f"sha-256=:{'A' * 43}=:", None),
            (f"sha-256=:{'A' * 43}=:", "many"),
            (f"sha-256=:{'A' * 43}=:", str(2**33)),
        ],
    )
    def test_that_are_not_what_they_say_are_not_stored(
        self, program: Program, upload: str, digest: str, length: str | None
    ) -> None:
        more = {} if length is None else {"Content-Length": length}
        told = {"Content-Digest": digest, **more}
        answer = program.ask("PUT", f"{upload}/parts/0/", FILM[: parts.PART], **told)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
        assert not Part.objects.exists()

    def test_may_carry_other_digests_as_well(self, program: Program, upload: str) -> None:
        digest = base64.b64encode(hashlib.sha256(FILM[: parts.PART]).digest()).decode()
        told = {"Content-Digest": f"md5=:AAAA:, sha-256=:{digest}:"}
        answer = program.ask("PUT", f"{upload}/parts/0/", FILM[: parts.PART], **told)
        assert answer.status_code == 200

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("changes", "status"),
        [
            ({}, 409),  # the parts are not there
            ({"acquired_at": "yesterday"}, 400),
            ({"acquired_at": "2026-13-01T09:30:00Z"}, 400),
            ({"acquired_at": "2026-03-01T09:30:00"}, 400),
            ({"field_class": "C_none"}, 400),
            ({"exif_viewed": "yes"}, 400),
        ],
    )
    def test_are_not_complete_as_long_as_something_is_wrong(
        self, program: Program, upload: str, changes: dict[str, Any], status: int
    ) -> None:
        answer = program.ask("POST", f"{upload}/complete/", TOLD | changes)
        assert answer.status_code == status
        assert not Item.objects.exists()

    @pytest.mark.parametrize(
        ("data", "told", "sniffed"),
        [
            (b"<svg onload='alert(1)'/>", "image/png", "image/svg+xml"),
            (b"<!doctype html><script>alert(1)</script>", "image/jpeg", "text/html"),
            (b"GIF89a/*<script>*/=1", "text/html", "image/gif"),
            (b"PK\3\4" + bytes(99), "image/png", "application/zip"),
        ],
    )
    def test_that_lie_about_their_type_are_kept_as_they_are_and_it_is_said(
        self, program: Program, finding: Finding, data: bytes, told: str, sniffed: str
    ) -> None:
        upload = program.begin(size=len(data), media_type=told).json()["upload"]
        assert program.put(upload, 0, data).status_code == 200
        sha256 = hashlib.sha256(data).hexdigest()
        done = program.ask("POST", f"{upload}/complete/", TOLD | {"sha256": sha256})
        assert done.json()["is_mismatched"] is True
        item = finding.items.get()
        assert (item.media_type, item.sniffed_type, item.size) == (told, sniffed, len(data))

    def test_want_to_know_what_they_are(self, program: Program, upload: str) -> None:
        answer = program.ask("POST", f"{upload}/complete/", {"sha256": TOLD["sha256"]})
        assert answer.json()["detail"] == "Say sha256, acquired_at and field_class."

    def test_come_too_late_after_the_decision(
        self, program: Program, upload: str, finding: Finding, ben: User
    ) -> None:
        findings.dismiss(finding, because="A parody.", by=ben)
        assert program.begin().json()["code"] == "wrong_state"
        for number in (0, 1):
            program.put(upload, number)
        answer = program.ask("POST", f"{upload}/complete/", TOLD)
        assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")

    def test_of_another_person_are_not_there(
        self, sits: Sits, ben: User, finding: Finding, program: Program, upload: str
    ) -> None:
        other = Program(sits(ben), finding)
        assert other.put(upload, 0).status_code == 404
        assert other.ask("GET", f"{upload}/").status_code == 404
        assert other.ask("POST", f"{upload}/complete/", TOLD).status_code == 404
        assert program.ask("GET", f"{uuid4()}/").status_code == 404

    def test_are_refused_to_counsel_and_of_no_finding(
        self, sits: Sits, carla: User, ana: User, finding: Finding
    ) -> None:
        answer = Program(sits(carla), finding).begin()
        assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")
        finding.pk = uuid4()
        assert Program(sits(ana), finding).begin().status_code == 404
