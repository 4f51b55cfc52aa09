"""Uploads: a file is sealed while it arrives; nothing in clear ever reaches a disk."""

import os
import uuid
from contextlib import ExitStack
from typing import Any, BinaryIO

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from compliance.vault import keys, stream


class Pouring:
    """A sealed object that is being written. It is deleted again unless somebody keeps it."""

    def __init__(self) -> None:
        drawn = uuid.uuid4().hex
        self.file_key = keys.new_file_key()
        # Only `save` makes the folders that a directory storage lacks.
        self.name = default_storage.save(f"{drawn[:2]}/{drawn}", ContentFile(b""))
        self.is_deleted = False
        with ExitStack() as undo:
            undo.callback(self._delete)
            self.file = default_storage.open(self.name, "wb")
            # The last in is the first out: closing an object store's file completes it.
            undo.callback(self.file.close)
            self.sealer = stream.Recorder(self.file_key, self.file.write)
            self._undo = undo.pop_all()

    def finish(self) -> stream.Sealed:
        """Seal the last chunk and close the object, on the disk before a record points at it."""
        sealed = self.sealer.finish()
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        return sealed

    def keep(self) -> None:
        """Leave the object where it is, whatever follows."""
        self._undo.pop_all()

    def abort(self) -> None:
        """Close and delete the object unless it was kept."""
        self._undo.close()

    def _delete(self) -> None:
        default_storage.delete(self.name)
        self.is_deleted = True


class SealedUpload(UploadedFile):  # type: ignore[type-arg]
    """A file that arrived and lies sealed in the storage, with its key and its digests.

    Closing it without `keep` deletes the sealed object: a refused form leaves nothing behind.
    """

    def __init__(self, name: str, content_type: str | None, pouring: Pouring) -> None:
        self._pouring = pouring
        self.original_name = name
        self.sealed = pouring.finish()
        self.sealed_name, self.file_key = pouring.name, pouring.file_key
        super().__init__(None, name, content_type, self.sealed.plain_size)

    @property
    def is_deleted(self) -> bool:
        """Tell whether the object is gone: its upload broke off, or was closed and not kept."""
        return self._pouring.is_deleted

    def keep(self) -> None:
        """Leave the sealed object where it is: a record points at it now."""
        self._pouring.keep()

    def close(self) -> None:
        """Delete the sealed object unless it was kept."""
        self._pouring.abort()


class SealingUploadHandler(FileUploadHandler):
    """The only upload handler: seals each chunk of each file of each request as it arrives."""

    def __init__(self, request: HttpRequest | None = None) -> None:
        super().__init__(request)
        self._poured = ExitStack()
        self._is_parsing = False

    def handle_raw_input(
        self,
        input_data: Any,
        META: dict[str, Any],
        content_length: int,
        boundary: str,
        encoding: str | None = None,
    ) -> Any:
        """Parse the request, and delete all of it if that fails in any way."""
        # Django's parser tells its handlers of few failures, so ours stands around it.
        if self._is_parsing:
            return None
        self._is_parsing = True
        try:
            return MultiPartParser(META, input_data, [self], encoding).parse()
        except BaseException:
            self._poured.close()
            raise

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Open a new sealed object; a stranger's file is refused before its first byte."""
        super().new_file(*args, **kwargs)
        user = getattr(self.request, "user", None)
        if user is None or not user.is_authenticated:
            raise PermissionDenied("Sign in before you send a file.")
        self.pouring = Pouring()
        self._poured.callback(self.pouring.abort)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Seal what arrived; beyond the limit the whole request is refused."""
        if start + len(raw_data) > settings.UPLOAD_LIMIT:
            raise RequestDataTooBig(f"A file has more than {settings.UPLOAD_LIMIT} bytes.")
        self.pouring.sealer.update(raw_data)

    def file_complete(self, file_size: int) -> SealedUpload:
        """Return the file, sealed."""
        return SealedUpload(self.file_name or "", self.content_type, self.pouring)

    def upload_interrupted(self) -> None:
        """Refuse a request that ended within a file: its sender went away."""
        raise MultiPartParserError("The request ended within a file.")


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
