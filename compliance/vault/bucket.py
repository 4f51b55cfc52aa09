"""Bucket: sealed objects in S3, written in parts as they are sealed, read range by range.

Address and credentials are those of every AWS client: AWS_ENDPOINT_URL_S3, AWS_REGION, a profile
or the machine's role. Whatever the service answers that is no success is an OSError here.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from storages.backends.s3 import S3Storage

AHEAD = 2 * 2**20  # bytes fetched at once by whoever reads on
GONE = ("404", "NoSuchKey", "NotFound")


class Bucket(S3Storage):  # type: ignore[misc]
    """A prefix in a bucket. An object appears once it is finished, whole or not at all."""

    piece = 8 * 2**20  # bytes of a part: S3 takes 5 MiB or more, and 10,000 of them

    @property
    def client(self) -> Any:
        """Return the client of this thread."""
        return self.connection.meta.client

    def _at(self, name: str) -> dict[str, str]:
        return {"Bucket": self.bucket_name, "Key": self._normalize_name(name)}

    def begin(self, name: str) -> str:
        """Begin an upload in parts, and return its id."""
        with failing_as_oserror():
            begun = self.client.create_multipart_upload(
                **self._at(name), ContentType=self.default_content_type
            )
        return str(begun["UploadId"])

    def put(self, name: str, token: str, number: int, offset: int, data: bytes | bytearray) -> None:
        """Send one part, counted from 0. The same part may come again."""
        with failing_as_oserror():
            self.client.upload_part(
                **self._at(name), UploadId=token, PartNumber=number + 1, Body=bytes(data)
            )

    def finish(self, name: str, token: str) -> None:
        """Make one object of the parts. One that is made already stays as it is."""
        at = self._at(name)
        with failing_as_oserror():
            try:
                pages = self.client.get_paginator("list_parts").paginate(**at, UploadId=token)
                parts = [
                    {"PartNumber": part["PartNumber"], "ETag": part["ETag"]}
                    for page in pages
                    for part in page.get("Parts", ())
                ]
                self.client.complete_multipart_upload(
                    **at, UploadId=token, MultipartUpload={"Parts": parts}
                )
            except self.client.exceptions.NoSuchUpload:
                self.client.head_object(**at)

    def discard(self, name: str) -> None:
        """Remove the object and every part of one that was not finished; it may be gone already."""
        at = self._at(name)
        with failing_as_oserror():
            pages = self.client.get_paginator("list_multipart_uploads").paginate(
                Bucket=at["Bucket"], Prefix=at["Key"]
            )
            for page in pages:
                for begun in page.get("Uploads", ()):
                    self.client.abort_multipart_upload(**at, UploadId=begun["UploadId"])
            self.client.delete_object(**at)

    def size(self, name: str) -> int:
        """Return how many bytes the object has."""
        with failing_as_oserror():
            return int(self.client.head_object(**self._at(name))["ContentLength"])

    def _open(self, name: str, mode: str = "rb") -> "Ranged":
        return Ranged(self.client, self._at(name), self.size(name))


class Ranged(io.RawIOBase):
    """An object to read from any place. No more of it is in memory than was asked for and AHEAD."""

    def __init__(self, client: Any, at: dict[str, str], size: int) -> None:
        self._client, self._at, self._size = client, at, size
        self._place = self._start = 0
        self._held = memoryview(b"")

    def readable(self) -> bool:
        """Tell that this is read."""
        return True

    def seekable(self) -> bool:
        """Tell that it is read from any place."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, counted from the start, from here or from the end."""
        self._place = offset + (0, self._place, self._size)[whence]
        return self._place

    def readinto(self, room: Any) -> int:
        """Fill `room` as far as what is fetched at once goes; 0 at the end."""
        wanted = memoryview(room).cast("B")
        if not self._start <= self._place < self._start + len(self._held):
            self._fetch(len(wanted))
        found = self._held[self._place - self._start :][: len(wanted)]
        wanted[: len(found)] = found
        self._place += len(found)
        return len(found)

    def _fetch(self, wanted: int) -> None:
        reads_on = self._held and self._place == self._start + len(self._held)
        stop = min(self._size, self._place + (max(wanted, AHEAD) if reads_on else wanted))
        self._start, self._held = self._place, memoryview(b"")
        if self._place < stop:
            span = f"bytes={self._place}-{stop - 1}"
            with failing_as_oserror():
                answer = self._client.get_object(**self._at, Range=span)
                self._held = memoryview(answer["Body"].read())


@contextmanager
def failing_as_oserror() -> Iterator[None]:
    """Say in Python's own words that an object is gone, or that the service failed."""
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in GONE:
            raise FileNotFoundError("No such object.") from error
        raise OSError("The object storage refused.") from error
    except BotoCoreError as error:
        raise OSError("The object storage failed.") from error
