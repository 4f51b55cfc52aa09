"""The bundle: the sealed ZIP, whole or in parts, each byte of it behind an event."""

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from compliance.audit.entries import AuditEntry
from compliance.roles import User
from referrals import bundles, processes
from referrals.bundles import Bundle
from referrals.docket import Referral

LIST = "/api/v1/referrals"


def collected() -> list[dict[str, int]]:
    """Tell which ranges are on record as collected, by Lee alone."""
    entries = AuditEntry.objects.filter(event="bundle.collected").order_by("id")
    assert set(entries.values_list("actor_ref", flat=True)) <= {"liaison:lee"}
    told = [entry.additional_data for entry in entries]
    assert {each.pop("version") for each in told} <= {1}
    return told


def digest(data: bytes) -> str:
    """Return the SHA-256 of what was received, as RFC 9530 writes it."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


@pytest.fixture
def path(delivered: Referral) -> str:
    return f"{LIST}/{delivered.pk}/bundle"


@pytest.fixture
def whole(delivered: Referral) -> bytes:
    """The bytes that the agency should get."""
    return b"".join(bundles.read(delivered.bundle, 0, delivered.bundle.size))


class TestCollect:
    def test_gives_the_whole_with_its_digest(
        self, program: Any, path: str, whole: bytes, delivered: Referral
    ) -> None:
        reply = program.get(path)
        assert (reply.status_code, reply.getvalue()) == (200, whole)
        told = reply.headers
        assert told["Content-Type"] == "application/zip"
        assert told["Content-Disposition"] == f'attachment; filename="{delivered.number}.zip"'
        assert told["Content-Length"] == str(len(whole))
        assert told["Content-Digest"] == told["Repr-Digest"] == digest(whole)
        assert told["ETag"] == f'"{hashlib.sha256(whole).hexdigest()}"'
        assert (told["Accept-Ranges"], told["Cache-Control"]) == ("bytes", "private, no-cache")
        assert "Content-Range" not in told
        assert collected() == [{"start": 0, "stop": len(whole)}]

    def test_gives_a_new_version_under_a_new_tag_and_never_under_the_old_one(
        self, program: Any, half_viewed: Referral, serve: Any, carla: User
    ) -> None:
        path = f"{LIST}/{half_viewed.pk}"
        before, read = program.get(f"{path}/bundle"), program.get(path)
        known = {"If-None-Match": before.headers["ETag"]}
        assert program.get(f"{path}/bundle", headers=known).status_code == 304
        processes.approve(serve(half_viewed), because="It names it.", by=carla)
        bundles.seal_due()
        after = program.get(f"{path}/bundle", headers=known)
        assert after.status_code == 200
        assert after.headers["ETag"] == f'"{half_viewed.bundle.sha256}"' != before.headers["ETag"]
        again = program.get(path, headers={"If-None-Match": read.headers["ETag"]})
        assert (again.status_code, again.json()["bundle"]["version"]) == (200, 2)
        versions = AuditEntry.objects.filter(event="bundle.collected").order_by("id")
        assert [each.additional_data["version"] for each in versions] == [1, 2]

    def test_gives_a_part_with_the_digest_of_the_whole(
        self, program: Any, path: str, whole: bytes
    ) -> None:
        size = len(whole)
        parts = {
            "bytes=0-3": (0, 4),
            "bytes=100-": (100, size),
            "bytes=-22": (size - 22, size),
            "bytes=0-": (0, size),
            "bytes=1-999999999": (1, size),
        }
        for asked, (start, stop) in parts.items():
            reply = program.get(path, headers={"Range": asked})
            assert (reply.status_code, reply.getvalue()) == (206, whole[start:stop]), asked
            told = reply.headers
            assert told["Content-Range"] == f"bytes {start}-{stop - 1}/{size}"
            assert told["Content-Length"] == str(stop - start)
            assert told["Repr-Digest"] == digest(whole)
            # Content-Digest is of what is sent, the part: the one of the whole would be false.
            assert "Content-Digest" not in told
            assert told["ETag"] == f'"{hashlib.sha256(whole).hexdigest()}"'
        assert collected() == [{"start": start, "stop": stop} for start, stop in parts.values()]

    def test_goes_on_where_a_transfer_broke(self, program: Any, path: str, whole: bytes) -> None:
        first = program.get(path)
        have = first.getvalue()[:1000]
        rest = program.get(
            path, headers={"Range": "bytes=1000-", "If-Range": first.headers["ETag"]}
        )
        assert (rest.status_code, have + rest.getvalue()) == (206, whole)

    def test_gives_the_whole_when_no_part_will_do(
        self, program: Any, path: str, whole: bytes
    ) -> None:
        for headers in (
            {"Range": "bytes=5-", "If-Range": '"0000"'},
            {"Range": "bytes=0-1,5-6"},
            {"Range": "bytes=5-4"},
            {"If-Range": '"0000"'},
        ):
            reply = program.get(path, headers=headers)
            assert (reply.status_code, reply.getvalue()) == (200, whole), headers

    def test_refuses_a_part_behind_the_end(self, program: Any, path: str, whole: bytes) -> None:
        reply = program.get(path, headers={"Range": f"bytes={len(whole)}-"})
        assert (reply.status_code, reply.json()["code"]) == (416, "range_not_satisfiable")
        assert reply.headers["Content-Range"] == f"bytes */{len(whole)}"
        assert collected() == []

    def test_sends_nothing_to_whoever_has_it(self, program: Any, path: str) -> None:
        tag = program.head(path).headers["ETag"]
        reply = program.get(path, headers={"If-None-Match": tag, "Range": "bytes=0-3"})
        assert (reply.status_code, reply.getvalue()) == (304, b"")
        assert reply.headers["ETag"] == tag
        assert not {"Content-Length", "Content-Type", "Content-Digest"} & set(reply.headers)
        assert collected() == []

    def test_is_not_what_asking_for_the_head_is(
        self, program: Any, path: str, whole: bytes
    ) -> None:
        reply = program.head(path, headers={"Range": "bytes=0-3"})
        assert (reply.status_code, reply.getvalue()) == (200, b"")
        assert reply.headers["Content-Length"] == str(len(whole))
        assert reply.headers["Repr-Digest"] == digest(whole)
        # Of no content there is no digest but the one of nothing (RFC 9530, appendix B.2).
        assert not {"Content-Digest", "Content-Range"} & set(reply.headers)
        assert collected() == []

    @pytest.mark.django_db(transaction=True)
    def test_gives_no_byte_before_its_event_is_committed(
        self, program: Any, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reading, seen = bundles.read, []

        def spy(bundle: Bundle, start: int, stop: int) -> Iterator[bytes]:
            seen.append((connection.in_atomic_block, collected()))
            yield from reading(bundle, start, stop)

        monkeypatch.setattr(bundles, "read", spy)
        assert program.get(path, headers={"Range": "bytes=0-3"}).getvalue() == b"PK\x03\x04"
        assert seen == [(False, [{"start": 0, "stop": 4}])]

    def test_reads_no_evidence_for_the_program_of_another_agency(
        self, other_program: Any, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read: list[Any] = []
        monkeypatch.setattr(bundles, "read", lambda *asked: read.append(asked))
        assert other_program.get(path).status_code == 404
        assert (read, collected()) == ([], [])
