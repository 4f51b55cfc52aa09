"""Parts: a large file that arrives in pieces, over days and broken lines, sealed as it comes.

A part is whole chunks of the payload, so its number fixes the counters under which it is sealed.
The same bytes may come again; other bytes under the same counters would betray both, and are
refused: a part's digest is on record before the part is sealed. The file's record is made at the
end, after all of the object was read and opened once: its digests are those of what is stored.
"""

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Unpack

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import models, transaction
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from compliance import audit, evidence, findings, media, roles
from compliance.errors import Malformed, NotPermitted, WrongState
from compliance.evidence import Item, Told
from compliance.findings import Finding
from compliance.roles import Permission, User
from compliance.vault import keys, stream, uploads
from compliance.vault.stream import Sealed
from compliance.vault.uploads import Unclaimed

CHUNKS = 128
PART = CHUNKS * stream.CHUNK  # 8 MiB; every part but the last has as many bytes
PATIENCE = timedelta(days=3)  # an upload may rest this long


class PartedUpload(models.Model):
    """A file that is on its way in parts. Its number becomes that of the item."""

    unclaimed = models.OneToOneField(Unclaimed, models.CASCADE, primary_key=True, related_name="+")
    finding = models.ForeignKey(Finding, models.PROTECT, related_name="+")
    name = models.CharField(max_length=evidence.NAME_LIMIT)
    media_type = models.CharField(max_length=100)
    size = models.PositiveBigIntegerField()
    nonce = models.CharField(max_length=2 * stream.NONCE)
    token = models.TextField(help_text="What the storage knows it by.")
    begun_at = models.DateTimeField(default=timezone.now)
    begun_by = models.ForeignKey(User, models.PROTECT, related_name="+")

    class Meta:
        default_permissions = ["view"]

    def __str__(self) -> str:
        return f"upload {self.pk}"

    @property
    def count(self) -> int:
        """Return how many parts there are."""
        return -(-self.size // PART)


class Part(models.Model):
    """One part: its digest before it is sealed, and that it is stored once it is."""

    upload = models.ForeignKey(PartedUpload, models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    stored_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ["view"]
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["upload", "number"], name="part_numbered_once")
        ]

    def __str__(self) -> str:
        return f"part {self.number}"


@audit.attributed
def begin(
    finding: Finding, *, name: str, size: int, media_type: str = "", by: User
) -> PartedUpload:
    """Begin a file of `size` bytes. Nothing of it is evidence until it is complete."""
    roles.require(by, Permission.RECORD_FINDING)
    written = media.written(name)
    evidence.check(written, size)
    if size > settings.UPLOAD_LIMIT:
        raise Malformed(f"A file has at most {filesizeformat(settings.UPLOAD_LIMIT)}.")
    if Finding.objects.get(pk=finding.pk).state != findings.State.RECORDED:
        raise WrongState(f"{finding} is decided; what is new belongs to a new finding.")
    # On record before the object is: whatever fails from here on is swept.
    unclaimed = Unclaimed.objects.create(until=timezone.now() + uploads.PATIENCE)
    token = uploads.store().begin(unclaimed.name)
    with transaction.atomic(durable=True):
        unclaimed.touch(PATIENCE)
        keys.keep(unclaimed.pk, keys.new_file_key())
        upload = PartedUpload.objects.create(
            unclaimed=unclaimed,
            finding=finding,
            name=written,
            media_type=evidence.media_type(media_type),
            size=size,
            nonce=stream.new_nonce().hex(),
            token=token,
            begun_by=by,
        )
        audit.record("upload.begun", upload, by=by, size=size)
    return upload


@audit.attributed
def put(upload: PartedUpload, number: int, data: bytes, *, sha256: str, by: User) -> Part:
    """Seal and store one part, counted from 0. The same part again changes nothing."""
    _require_own(upload, by)
    _check_part(upload, number, data, sha256)
    _stay(upload)
    part, _ = Part.objects.get_or_create(upload=upload, number=number, defaults={"sha256": sha256})
    if part.sha256 != sha256:
        raise Malformed(f"Part {number} came with other bytes before. Begin a new upload.")
    if part.stored_at:
        return part
    sealed = stream.seal_part(
        keys.file_key(upload.pk),
        bytes.fromhex(upload.nonce),
        number * CHUNKS,
        data,
        last=number == upload.count - 1,
    )
    offset = number * CHUNKS * stream.SEALED_CHUNK + (stream.NONCE if number else 0)
    uploads.store().put(upload.unclaimed.name, upload.token, number, offset, sealed)
    with transaction.atomic(durable=True):
        part.stored_at = timezone.now()
        part.save(update_fields=["stored_at"])
        audit.record("upload.continued", upload, by=by, part=number, sha256=sha256)
    return part


@audit.attributed
def complete(upload: PartedUpload, *, sha256: str, by: User, **told: Unpack[Told]) -> Item:
    """Attach the file to its finding, once every part is there and the whole has this digest."""
    _require_own(upload, by)
    origin = evidence.origin_of(told)
    if lacking := missing(upload):
        shown = ", ".join(map(str, lacking[:10]))
        raise WrongState(f"{len(lacking)} of {upload.count} parts are missing: {shown}.")
    _stay(upload)
    name = upload.unclaimed.name
    uploads.store().finish(name, upload.token)
    sealed, head = _read_again(upload, name)
    if sealed.plain_sha256 != sha256:
        raise Malformed("The whole file has another SHA-256 than you say. Begin a new upload.")
    with transaction.atomic(durable=True):
        item = evidence.put_on_record(
            upload.finding,
            origin,
            id=upload.pk,
            name=upload.name,
            media_type=upload.media_type,
            sniffed_type=media.sniff(head),
            sealed_name=name,
            sealed=sealed,
            attached_by=by,
        )
        if not upload.unclaimed.claim():
            raise Malformed(evidence.NOT_WHOLE)
    return item


def missing(upload: PartedUpload) -> list[int]:
    """Return the numbers of the parts that are not stored yet."""
    there = set(upload.parts.filter(stored_at__isnull=False).values_list("number", flat=True))
    return [number for number in range(upload.count) if number not in there]


def _require_own(upload: PartedUpload, by: User) -> None:
    roles.require(by, Permission.RECORD_FINDING)
    if upload.begun_by_id != by.pk:
        raise NotPermitted("Whoever began an upload goes on with it, and nobody else.")


def _check_part(upload: PartedUpload, number: int, data: bytes, sha256: str) -> None:
    if not 0 <= number < upload.count:
        raise Malformed(f"This upload has the parts 0 to {upload.count - 1}.")
    wanted = min(PART, upload.size - number * PART)
    if len(data) != wanted:
        raise Malformed(f"Part {number} has {wanted} bytes, not {len(data)}.")
    if hashlib.sha256(data).hexdigest() != sha256:
        raise Malformed(f"Part {number} has another SHA-256 than its Content-Digest says.")


def _stay(upload: PartedUpload) -> None:
    try:
        upload.unclaimed.touch(PATIENCE)
    except TimeoutError as error:
        raise WrongState("This upload rested too long and is gone. Begin a new one.") from error


def _read_again(upload: PartedUpload, name: str) -> tuple[Sealed, bytes]:
    """Open all of the object that was put together, and return its figures and first bytes."""
    plain, size, head = hashlib.sha256(), 0, b""
    with default_storage.open(name, "rb") as source:
        figures = _Figures(source)
        for piece in _opened(keys.file_key(upload.pk), figures):
            head = head or piece[: media.HEAD]
            plain.update(piece)
            size += len(piece)
    return Sealed(
        plain.hexdigest(), size, figures.sha256.hexdigest(), figures.size, figures.crc32
    ), head


def _opened(key: bytes, figures: "_Figures") -> Iterator[bytes]:
    try:
        yield from stream.open_chunks(key, figures)
    except stream.PayloadError as error:
        raise Malformed("What was stored is not what was sent. Begin a new upload.") from error


@dataclass
class _Figures:
    """An object that is read from front to back, and its figures on the way."""

    source: Any
    sha256: Any = field(default_factory=hashlib.sha256)
    crc32: int = 0
    size: int = 0

    def read(self, size: int, /) -> bytes:
        data: bytes = self.source.read(size)
        self.sha256.update(data)
        self.crc32 = zlib.crc32(data, self.crc32)
        self.size += len(data)
        return data
