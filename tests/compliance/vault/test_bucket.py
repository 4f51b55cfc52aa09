"""The bucket: Ana's evidence in S3, whole or not at all, whichever call fails."""

import io
import os
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from compliance import evidence
from compliance.errors import Tampered
from compliance.evidence import Item
from compliance.findings import Finding
from compliance.roles import User
from compliance.vault import stream, uploads
from compliance.vault.keys import FileKeyWrap
from compliance.vault.uploads import Unclaimed

bucket = pytest.importorskip("compliance.vault.bucket", reason="not installed: the extra s3")
pytestmark = pytest.mark.slow
LARGE = os.urandom(20 * 2**20)  # three parts

Attach = Callable[..., Item]
Kept = Callable[[], tuple[list[str], int]]


@pytest.fixture
def fails(s3: Any) -> Callable[..., list[str]]:
    """Let the service answer 500 to calls, the first `after` of each let through."""

    def arrange(*calls: str, after: int = 0, answer: Any = None) -> list[str]:
        from botocore.awsrequest import AWSResponse  # noqa: PLC0415

        class Raw(io.BytesIO):
            def stream(self, **kwargs: Any) -> Any:
                yield self.read()

        failed: list[str] = []
        seen = dict.fromkeys(calls, 0)

        def refuse(call: str) -> Any:
            def handler(request: Any, **kwargs: Any) -> Any:
                seen[call] += 1
                if seen[call] <= after:
                    return None
                failed.append(call)
                if answer:
                    raise answer
                return AWSResponse(
                    request.url, 500, {}, Raw(b"<Error><Code>InternalError</Code></Error>")
                )

            return handler

        for call in calls:
            default_storage.client.meta.events.register(f"before-send.s3.{call}", refuse(call))
        return failed

    return arrange


class TestBucket:
    def test_keeps_an_object_of_several_parts_that_its_key_opens(
        self, s3: Any, kept: Kept, finding: Finding, attach: Attach, ben: User
    ) -> None:
        item = attach(finding, LARGE)
        assert kept() == ([f"sealed/{item.sealed_name}"], 0)
        found = s3.head_object(Bucket="evidence", Key=f"sealed/{item.sealed_name}")
        assert found["ContentLength"] == item.sealed_size == default_storage.size(item.sealed_name)
        assert found["ETag"].endswith('-3"')
        assert b"".join(evidence.read(item, purpose="Review.", by=ben)) == LARGE

    @pytest.mark.parametrize(
        ("start", "stop"),
        [(0, 1), (65_530, 65_540), (9 * 2**20, 9 * 2**20 + 5), (20_971_519, None)],
    )
    def test_reads_a_range_and_fetches_little_more(
        self, s3: Any, finding: Finding, attach: Attach, ben: User, start: int, stop: int | None
    ) -> None:
        item, fetched = attach(finding, LARGE), []
        default_storage.client.meta.events.register(
            "before-send.s3.GetObject",
            lambda request, **_: fetched.append(request.headers["Range"]),
        )
        got = b"".join(evidence.read(item, purpose="Review.", start=start, stop=stop, by=ben))
        assert got == LARGE[start:stop]
        spans = [each.decode().removeprefix("bytes=").split("-") for each in fetched]
        assert (
            sum(int(last) - int(first) + 1 for first, last in spans)
            < bucket.AHEAD + 4 * stream.SEALED_CHUNK
        )

    def test_takes_up_an_empty_payload_too(self, kept: Kept, db: None) -> None:
        with uploads.seal(BytesIO(b""), "post.txt") as upload:
            assert kept() == ([f"sealed/{upload.sealed_name}"], 0)
        assert kept() == ([], 0)

    def test_has_nothing_of_an_upload_that_broke_off(self, kept: Kept, db: None) -> None:
        pouring = uploads.Pouring()
        pouring.update(LARGE)
        assert kept() == ([], 1)  # its parts are there, the object is not
        pouring.abort()
        assert kept() == ([], 0)

    def test_tells_that_an_object_is_gone(
        self, s3: Any, finding: Finding, attach: Attach, ben: User
    ) -> None:
        item = attach(finding)
        pieces = evidence.read(item, purpose="Review.", by=ben)
        default_storage.discard(item.sealed_name)
        with pytest.raises(Tampered, match="is gone"):
            b"".join(pieces)
        with pytest.raises(FileNotFoundError):
            default_storage.size(item.sealed_name)

    def test_is_read_from_any_place(self, s3: Any) -> None:
        store = uploads.store()
        token = store.begin("ab/abc")
        store.put("ab/abc", token, 0, 0, b"0123456789")
        store.finish("ab/abc", token)
        with default_storage.open("ab/abc", "rb") as source:
            assert source.seek(-3, io.SEEK_END) == 7
            assert source.read(10) == b"789"
            assert source.read(10) == b""
            assert source.seek(2) == 2
            assert source.seek(1, io.SEEK_CUR) == 3
            assert (source.read(2), source.read(5)) == (b"34", b"56789")
            assert source.seekable()
            assert source.readable()


# what an upload calls, in order, and how many of these go well first
CALLS = [
    ("CreateMultipartUpload", 0),
    ("UploadPart", 0),
    ("UploadPart", 2),
    ("ListParts", 0),
    ("CompleteMultipartUpload", 0),
]


class TestFailingService:
    @pytest.mark.parametrize(("call", "after"), CALLS)
    def test_leaves_neither_object_nor_parts_nor_record(
        self, fails: Any, kept: Kept, finding: Finding, attach: Attach, call: str, after: int
    ) -> None:
        failed = fails(call, after=after)
        with pytest.raises(OSError, match="The object storage refused"):
            attach(finding, LARGE)
        assert failed == [call]
        assert kept() == ([], 0)
        assert not Item.objects.exists()
        assert not Unclaimed.objects.exists()
        assert not FileKeyWrap.objects.exists()

    @pytest.mark.parametrize(
        "tidying", ["ListMultipartUploads", "AbortMultipartUpload", "DeleteObject"]
    )
    def test_that_cannot_tidy_either_leaves_it_to_the_sweep(
        self,
        fails: Any,
        kept: Kept,
        finding: Finding,
        attach: Attach,
        tidying: str,
        s3: Any,
    ) -> None:
        fails("UploadPart", tidying, after=0)
        with pytest.raises(OSError, match="The object storage refused"):
            attach(finding, LARGE)
        assert Unclaimed.objects.count() == 1
        default_storage._wrapped._connections.connection = None  # the service is well again
        Unclaimed.objects.update(until=timezone.now())
        assert evidence.sweep_due() == 1
        assert kept() == ([], 0)
        assert not Unclaimed.objects.exists()

    def test_that_is_not_there_is_no_bug_of_ours(
        self, fails: Any, finding: Finding, attach: Attach
    ) -> None:
        from botocore.exceptions import EndpointConnectionError  # noqa: PLC0415

        fails("CreateMultipartUpload", answer=EndpointConnectionError(endpoint_url="x"))
        with pytest.raises(OSError, match="The object storage failed"):
            attach(finding)

    def test_on_reading_releases_nothing_that_is_false(
        self, fails: Any, finding: Finding, attach: Attach, ben: User
    ) -> None:
        item = attach(finding, LARGE)
        fails("GetObject", after=4)
        pieces, taken = evidence.read(item, purpose="Review.", by=ben), []
        with pytest.raises(OSError, match="The object storage refused"):
            list(map(taken.append, pieces))
        whole = b"".join(taken)
        assert 0 < len(whole) < len(LARGE)
        assert LARGE.startswith(whole)
        assert evidence.was_viewed(item) == "part"
