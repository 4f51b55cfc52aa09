"""Evidence: sealed items of a finding, frozen at confirmation. Reading one is itself an event."""

import re
import uuid
from collections.abc import Iterator
from datetime import datetime

from django.core.files.storage import default_storage
from django.db import models, transaction
from django.utils import timezone

from compliance import audit, findings, roles
from compliance.errors import Malformed, Tampered
from compliance.findings import Finding
from compliance.roles import Permission, User
from compliance.vault import keys, stream
from compliance.vault.uploads import SealedUpload

NAME_LIMIT = 255
ADDRESS_LIMIT = 2000
MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]{1,49}/[\w!#$&^.+-]{1,50}", re.ASCII)  # RFC 6838


class FieldClass(models.TextChoices):
    """Who could read the item where it was found; the law strips or lets through by this."""

    PUBLIC = "C_pub", "public content"
    PRIVATE = "C_priv", "private content"


class Item(models.Model):
    """One exhibit: a sealed object without a header, its digests and where it came from."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    finding = models.ForeignKey(Finding, models.PROTECT, related_name="items")
    exhibit = models.PositiveIntegerField()
    name = models.CharField(max_length=NAME_LIMIT)
    media_type = models.CharField(max_length=100)
    field_class = models.CharField(max_length=6, choices=FieldClass)
    source_url = models.CharField(max_length=ADDRESS_LIMIT, blank=True)
    acquired_at = models.DateTimeField()
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    sealed_name = models.CharField(max_length=100, unique=True)
    sealed_size = models.PositiveBigIntegerField()
    sealed_sha256 = models.CharField(max_length=64)
    sealed_crc32 = models.PositiveBigIntegerField()
    attached_at = models.DateTimeField(default=timezone.now)
    attached_by = models.ForeignKey(User, models.PROTECT, related_name="+")

    class Meta:
        default_permissions = ["view"]
        ordering = ["finding", "exhibit"]
        constraints = [
            models.UniqueConstraint(fields=["finding", "exhibit"], name="exhibit_numbered_once"),
            models.CheckConstraint(name="item_is_not_empty", condition=models.Q(size__gt=0)),
        ]

    def __str__(self) -> str:
        return f"exhibit {self.exhibit}"


class View(models.Model):
    """One person read one item, wholly or in part. "Viewed by a human" comes from here alone."""

    item = models.ForeignKey(Item, models.PROTECT, related_name="views")
    is_whole = models.BooleanField()
    viewed_at = models.DateTimeField(default=timezone.now)
    viewed_by = models.ForeignKey(User, models.PROTECT, related_name="+")

    class Meta:
        default_permissions = ["view"]

    def __str__(self) -> str:
        return f"view {self.pk}"


@audit.attributed
def attach(
    finding: Finding,
    upload: SealedUpload,
    *,
    field_class: str,
    acquired_at: datetime,
    source_url: str = "",
    by: User,
) -> Item:
    """Attach an item that was sealed as it arrived. Refused once the finding is decided.

    On a refusal nothing stays behind: the sealed object is deleted with the upload.
    """
    roles.require(by, Permission.RECORD_FINDING)
    _check(upload, field_class, acquired_at, source_url)
    # Outermost, so that the object is kept only once nothing can take the record back.
    with transaction.atomic(durable=True):
        locked = findings.open_to_more(finding, by)
        item = Item.objects.create(
            finding=locked,
            exhibit=locked.items.count() + 1,
            name=upload.original_name,
            media_type=_media_type(upload),
            field_class=field_class,
            source_url=source_url,
            acquired_at=acquired_at,
            size=upload.sealed.plain_size,
            sha256=upload.sealed.plain_sha256,
            sealed_name=upload.sealed_name,
            sealed_size=upload.sealed.sealed_size,
            sealed_sha256=upload.sealed.sealed_sha256,
            sealed_crc32=upload.sealed.crc32,
            attached_by=by,
        )
        keys.keep(item.pk, upload.file_key)
        audit.record("evidence.attached", item, by=by, sha256=item.sha256, size=item.size)
    upload.keep()
    return item


@audit.attributed
def read(
    item: Item, *, purpose: str, start: int = 0, stop: int | None = None, by: User
) -> Iterator[bytes]:
    """Return the bytes of an item in clear, after the event of reading them is committed."""
    roles.require(by, Permission.VIEW_EVIDENCE)
    if not purpose.strip():
        raise Malformed("Say why you open this item.")
    end = item.size if stop is None else stop
    if not 0 <= start < end <= item.size:
        raise Malformed(f"The range {start} to {end} is not within {item.size} bytes.")
    with transaction.atomic(durable=True):
        audit.record("evidence.viewed", item, by=by, purpose=purpose, start=start, stop=end)
    return _seen(item, _bytes(item, start, end), by)


def _seen(item: Item, pieces: Iterator[bytes], by: User) -> Iterator[bytes]:
    """Hand the pieces on; what was taken, no more, is on record as viewed once that ends."""
    taken = 0
    try:
        for piece in pieces:
            yield piece
            taken += len(piece)
    finally:
        if taken:
            View.objects.create(item=item, is_whole=taken == item.size, viewed_by=by)


def _bytes(item: Item, start: int, stop: int) -> Iterator[bytes]:
    key = keys.file_key(item.pk)
    try:
        with default_storage.open(item.sealed_name, "rb") as source:
            yield from stream.open_range(key, source, start, stop, item.sealed_size)
    except FileNotFoundError as error:
        raise Tampered("The stored object of this item is gone.") from error
    except ValueError as error:  # a PayloadError, or a size on record that is not the object's
        raise Tampered("The stored object of this item was changed.") from error


def classes(finding: Finding) -> set[str]:
    """Return the classes of content that a finding's evidence holds."""
    return set(finding.items.values_list("field_class", flat=True))


def was_viewed(item: Item) -> str:
    """Return "whole", "part" or "none": what of the item people really opened."""
    scopes = set(item.views.values_list("is_whole", flat=True))
    return "whole" if True in scopes else "part" if scopes else "none"


def _media_type(upload: SealedUpload) -> str:
    """Return what the sender called the file's type if it is one: it travels to the agency."""
    told = upload.content_type or ""
    return told if MEDIA_TYPE.fullmatch(told) else "application/octet-stream"


def _check(upload: SealedUpload, field_class: str, acquired_at: datetime, source_url: str) -> None:
    if upload.is_deleted:
        raise Malformed("The file did not arrive whole. Send it again.")
    if not upload.sealed.plain_size:
        raise Malformed("The file is empty. Attach the file that holds the evidence.")
    if not 0 < len(upload.original_name) <= NAME_LIMIT:
        raise Malformed(f"The file's name wants 1 to {NAME_LIMIT} characters.")
    if field_class not in FieldClass.values:
        raise Malformed("Say whether the item was public (C_pub) or private (C_priv).")
    if timezone.is_naive(acquired_at) or acquired_at > timezone.now():
        raise Malformed("Say when the item was acquired, with its time zone, not in the future.")
    if len(source_url) > ADDRESS_LIMIT:
        raise Malformed(f"The address is longer than {ADDRESS_LIMIT} characters.")
