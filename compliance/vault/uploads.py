"""Uploads: a file is sealed while it arrives; nothing in clear ever reaches a disk."""

import uuid
from typing import Any, BinaryIO

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, StopUpload
from django.http import HttpRequest

from compliance.vault import keys, stream


class Pouring:
    """A sealed object that is being written."""

    def __init__(self) -> None:
        drawn = uuid.uuid4().hex
        self.name = f"{drawn[:2]}/{drawn}"
        self.file_key = keys.new_file_key()
        # Only `save` makes the folders that a directory storage lacks.
        self.name = default_storage.save(self.name, ContentFile(b""))
        self.file = default_storage.open(self.name, "wb")
        self.sealer = stream.Recorder(self.file_key, self.file.write)

    def finish(self) -> stream.Sealed:
        """Seal the last chunk and close the object."""
        sealed = self.sealer.finish()
        self.file.close()
        return sealed

    def abort(self) -> None:
        """Close, then delete: closing an object store's file completes it."""
        self.file.close()
        default_storage.delete(self.name)


class SealedUpload(UploadedFile):  # type: ignore[type-arg]
    """A file that arrived and lies sealed in the storage, with its key and its digests.

    Closing it without `keep` deletes the sealed object: a refused form leaves nothing behind.
    """

    def __init__(self, name: str, content_type: str | None, pouring: Pouring) -> None:
        self.original_name = name
        self.sealed = pouring.finish()
        self.sealed_name, self.file_key = pouring.name, pouring.file_key
        self._kept = False
        super().__init__(None, name, content_type, self.sealed.plain_size)

    def keep(self) -> None:
        """Leave the sealed object where it is: a record points at it now."""
        self._kept = True

    def close(self) -> None:
        """Delete the sealed object unless it was kept."""
        if not self._kept:
            default_storage.delete(self.sealed_name)


class SealingUploadHandler(FileUploadHandler):
    """The only upload handler: seals each chunk of each file of each request as it arrives."""

    def __init__(self, request: HttpRequest | None = None) -> None:
        super().__init__(request)
        self.pouring: Pouring | None = None
        self.uploads: list[SealedUpload] = []
        self.file = self  # the parser closes a handler's `file` when a request breaks off

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Open a new sealed object."""
        super().new_file(*args, **kwargs)
        self.pouring = Pouring()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Seal what arrived; beyond the limit the upload stops and leaves nothing."""
        if start + len(raw_data) > settings.UPLOAD_LIMIT:
            raise StopUpload(connection_reset=True)
        if self.pouring:
            self.pouring.sealer.update(raw_data)

    def file_complete(self, file_size: int) -> SealedUpload | None:
        """Return the file, sealed."""
        if self.pouring is None:
            return None
        upload = SealedUpload(self.file_name or "", self.content_type, self.pouring)
        self.pouring = None
        self.uploads.append(upload)
        return upload

    def upload_interrupted(self) -> None:
        """Leave nothing of a file whose sender went away."""
        self.close()

    def close(self) -> None:
        """Delete what this request sealed and nobody kept."""
        if self.pouring:
            self.pouring.abort()
            self.pouring = None
        for upload in self.uploads:
            upload.close()


def seal(source: BinaryIO, name: str, content_type: str | None = None) -> SealedUpload:
    """Seal a stream that does not come from a browser. Closing the result without keep deletes."""
    pouring = Pouring()
    try:
        while piece := source.read(2**20):
            pouring.sealer.update(piece)
        return SealedUpload(name, content_type, pouring)
    except BaseException:
        pouring.abort()
        raise
