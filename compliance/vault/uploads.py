"""Uploads: a file is sealed while it arrives; nothing in clear ever reaches a disk."""

import logging
import time
import uuid
from contextlib import ExitStack
from datetime import timedelta
from typing import Any, BinaryIO, Protocol, cast

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.db import DatabaseError, models
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.utils import timezone

from compliance import media
from compliance.vault import keys, stream

log = logging.getLogger(__name__)
PATIENCE = timedelta(hours=1)  # this long may nothing come of an upload before it is swept
BESIDE = 2 * 2**20  # bytes that a form may have beside its file
BREATH = 60.0  # seconds after which an upload says again that it lives


class Store(Protocol):
    """Where sealed objects lie: a directory or a bucket. Whatever fails there is an OSError."""

    piece: int  # bytes that are written at once

    def begin(self, name: str) -> str:
        """Begin an object and return the token that its pieces want."""
        ...

    def put(self, name: str, token: str, number: int, offset: int, data: bytes | bytearray) -> None:
        """Write piece `number`, which begins at `offset`, to stay."""
        ...

    def finish(self, name: str, token: str) -> None:
        """Make the object of its pieces: whole, and safe from a power failure."""
        ...

    def discard(self, name: str) -> None:
        """Remove the object, finished or not, or what there is of it."""
        ...


def store() -> Store:
    """Return the storage that the settings name."""
    return cast(Store, default_storage)


def drawn_name() -> str:
    """Return a name for an object, which says nothing."""
    drawn = uuid.uuid4().hex
    return f"{drawn[:2]}/{drawn}"


class Unclaimed(models.Model):
    """A stored object that no record points at yet: still arriving, or left behind.

    It is on record before its first byte is written, so nothing in the storage is ever unknown,
    and goes in the transaction in which a record begins to point at the object. Whoever writes
    keeps moving `until`; what is past it was left behind by a process that died, and is swept.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100, unique=True, default=drawn_name)
    until = models.DateTimeField()
    swept_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ["view"]
        verbose_name_plural = "unclaimed objects"
        indexes = [models.Index(fields=["until"], name="unclaimed_by_end")]

    def __str__(self) -> str:
        return f"object {self.pk}"

    def touch(self, longer: timedelta) -> None:
        """Say that the object is still being written; TimeoutError if it was swept meanwhile."""
        mine = Unclaimed.objects.filter(pk=self.pk, swept_at__isnull=True)
        if not mine.update(until=timezone.now() + longer):
            raise TimeoutError("Too long nothing came of this upload.")

    def claim(self) -> bool:
        """Let a record point at the object, in its transaction; False if the object was swept."""
        return bool(Unclaimed.objects.filter(pk=self.pk, swept_at__isnull=True).delete()[0])


def abandoned() -> models.QuerySet[Unclaimed]:
    """Return what nobody writes any more."""
    return Unclaimed.objects.filter(until__lt=timezone.now()).order_by("until")


def sweep(left: Unclaimed) -> bool:
    """Remove an abandoned object, for good; False if somebody writes it again after all.

    From the mark on nobody can claim it, so no record ever points at what is removed here.
    """
    marked = Unclaimed.objects.filter(pk=left.pk, until__lt=timezone.now())
    if not marked.update(swept_at=timezone.now()):
        return False
    store().discard(left.name)
    return True


class Pouring:
    """A sealed object that is being written. It is deleted again unless somebody keeps it."""

    def __init__(self) -> None:
        self.file_key = keys.new_file_key()
        self.unclaimed = Unclaimed.objects.create(until=timezone.now() + PATIENCE)
        self.head = b""
        self.is_deleted = False
        self._store, self._buffer = store(), bytearray()
        self._number = self._offset = 0
        self._touched = time.monotonic()
        with ExitStack() as undo:
            undo.callback(self._delete)
            self._token = self._store.begin(self.unclaimed.name)
            self._sealer = stream.Recorder(self.file_key, self._write)
            self._undo = undo.pop_all()

    def update(self, data: bytes) -> None:
        """Seal what arrived."""
        if len(self.head) < media.HEAD:
            self.head += data[: media.HEAD - len(self.head)]
        self._sealer.update(data)

    def finish(self) -> stream.Sealed:
        """Seal the last chunk and finish the object, safe before a record points at it."""
        sealed = self._sealer.finish()
        self._put()
        self._store.finish(self.unclaimed.name, self._token)
        return sealed

    def keep(self) -> None:
        """Leave the object where it is, whatever follows."""
        self._undo.pop_all()

    def abort(self) -> None:
        """Delete the object unless it was kept."""
        self._undo.close()

    def _write(self, sealed: bytes | memoryview) -> None:
        if time.monotonic() - self._touched > BREATH:
            self.unclaimed.touch(PATIENCE)
            self._touched = time.monotonic()
        self._buffer += sealed
        if len(self._buffer) >= self._store.piece:
            self._put()

    def _put(self) -> None:
        if self._buffer:
            place = (self._number, self._offset)
            self._store.put(self.unclaimed.name, self._token, *place, self._buffer)
            self._number, self._offset = self._number + 1, self._offset + len(self._buffer)
            self._buffer.clear()

    def _delete(self) -> None:
        """Delete object and row; what cannot be deleted now stays on record, and is swept later."""
        self.is_deleted = True
        try:
            self._store.discard(self.unclaimed.name)
            self.unclaimed.delete()
        except (OSError, DatabaseError) as error:
            log.warning("object %s is left to the sweep: %s", self.unclaimed.pk, _said(error))


def _said(error: Exception) -> str:
    return type(error).__name__


class SealedUpload(UploadedFile):  # type: ignore[type-arg]
    """A file that arrived and lies sealed in the storage, with its key and its digests.

    Closing it without `keep` deletes the sealed object: a refused form leaves nothing behind.
    """

    def __init__(self, name: str, content_type: str | None, pouring: Pouring) -> None:
        self._pouring = pouring
        self.original_name = media.written(name)
        self.sealed = pouring.finish()
        self.sealed_name, self.file_key = pouring.unclaimed.name, pouring.file_key
        self.id, self.head = pouring.unclaimed.pk, pouring.head
        super().__init__(None, self.original_name, content_type, self.sealed.plain_size)

    @property
    def is_deleted(self) -> bool:
        """Tell whether the object is gone: its upload broke off, or was closed and not kept."""
        return self._pouring.is_deleted

    def claim(self) -> bool:
        """Let a record point at the object, in its transaction; False if the object is gone."""
        return self._pouring.unclaimed.claim()

    def keep(self) -> None:
        """Leave the sealed object where it is: a record points at it now."""
        self._pouring.keep()

    def close(self) -> None:
        """Delete the sealed object unless it was kept."""
        self._pouring.abort()


class _Parser(MultiPartParser):
    """Hands a file's name on as it was sent: we write hostile letters out, Django drops them."""

    def sanitize_file_name(self, file_name: str) -> str | None:
        """Return the name, or None for what Django takes for no file at all."""
        return None if file_name.strip() in ("", ".", "..") else file_name


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
        if content_length > settings.UPLOAD_LIMIT + BESIDE:
            raise RequestDataTooBig(f"A file has more than {settings.UPLOAD_LIMIT} bytes.")
        try:
            return _Parser(META, input_data, [self], encoding).parse()
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
        self.pouring.update(raw_data)

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
            pouring.update(piece)
        return SealedUpload(name, content_type, pouring)
    except BaseException:
        pouring.abort()
        raise
