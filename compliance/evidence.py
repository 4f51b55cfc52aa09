"""Evidence: sealed items of a finding, frozen at confirmation. Reading one is itself an event."""

import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, TypedDict, Unpack

from django.core.files.storage import default_storage
from django.db import models, transaction
from django.utils import timezone

from compliance import audit, findings, lifecycle, media, roles
from compliance.errors import Malformed, Tampered
from compliance.findings import Finding
from compliance.roles import Permission, User
from compliance.vault import keys, stream, uploads
from compliance.vault.stream import Sealed
from compliance.vault.uploads import SealedUpload, Unclaimed

NAME_LIMIT = 255
ADDRESS_LIMIT = 2000
PERSON_LIMIT = 200
NOT_WHOLE = "The file did not arrive whole. Send it again."
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
    name = models.CharField(max_length=NAME_LIMIT, help_text="Hostile letters are written out.")
    media_type = models.CharField(max_length=100, help_text="What its sender called it.")
    sniffed_type = models.CharField(
        max_length=100, default=media.UNKNOWN, help_text="What its first bytes say."
    )
    field_class = models.CharField(max_length=6, choices=FieldClass)
    source_url = models.CharField(max_length=ADDRESS_LIMIT, blank=True)
    source_account = models.CharField(max_length=PERSON_LIMIT, blank=True)
    acquired_at = models.DateTimeField()
    acquired_by = models.CharField(
        max_length=PERSON_LIMIT, blank=True, help_text="Empty: whoever attached it."
    )
    # Attested when it was attached: yes, no, or empty where nobody knows.
    publicly_available = models.BooleanField(null=True)
    exif_viewed = models.BooleanField(null=True)
    automated_detection = models.BooleanField(null=True)
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
            models.CheckConstraint(
                name="public_content_is_what_was_available_to_the_public",
                condition=models.Q(
                    field_class=FieldClass.PUBLIC,
                    publicly_available=True,
                    publicly_available__isnull=False,  # or SQL would take "unknown" for a yes
                )
                | models.Q(field_class=FieldClass.PRIVATE) & ~models.Q(publicly_available=True),
            ),
        ]

    def __str__(self) -> str:
        return f"exhibit {self.exhibit}"

    @property
    def is_mismatched(self) -> bool:
        """Tell whether the sender called it something else than its first bytes say."""
        return media.differ(self.media_type, self.sniffed_type)


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


class Told(TypedDict, total=False):
    """What whoever attaches an item says of it. `field_class` and `acquired_at` are wanted."""

    field_class: str
    acquired_at: datetime
    acquired_by: str  # a person or a system; empty: whoever attaches it
    source_url: str
    source_account: str
    publicly_available: bool | None  # of private content: no, or not known
    exif_viewed: bool | None
    automated_detection: bool | None


@audit.attributed
def attach(finding: Finding, upload: SealedUpload, *, by: User, **told: Unpack[Told]) -> Item:
    """Attach an item that was sealed as it arrived. Refused once the finding is decided.

    On a refusal nothing stays behind: the sealed object is deleted with the upload.
    """
    roles.require(by, Permission.RECORD_FINDING)
    if upload.is_deleted:
        raise Malformed(NOT_WHOLE)
    check(upload.original_name, upload.sealed.plain_size)
    origin = origin_of(told)
    # Outermost, so that the object is kept only once nothing can take the record back.
    with transaction.atomic(durable=True):
        item = put_on_record(
            finding,
            origin,
            id=upload.id,
            name=upload.original_name,
            media_type=media_type(upload.content_type),
            sniffed_type=media.sniff(upload.head),
            sealed_name=upload.sealed_name,
            sealed=upload.sealed,
            attached_by=by,
        )
        keys.keep(item.pk, upload.file_key)
        if not upload.claim():
            raise Malformed(NOT_WHOLE)
    upload.keep()
    return item


def put_on_record(
    finding: Finding, origin: Mapping[str, Any], *, sealed: Sealed, attached_by: User, **fields: Any
) -> Item:
    """Make the record of a sealed object as the finding's next exhibit, and its event.

    Within the transaction in which the object is claimed.
    """
    locked = findings.open_to_more(finding, attached_by)
    item = Item.objects.create(
        finding=locked,
        exhibit=locked.items.count() + 1,
        size=sealed.plain_size,
        sha256=sealed.plain_sha256,
        sealed_size=sealed.sealed_size,
        sealed_sha256=sealed.sealed_sha256,
        sealed_crc32=sealed.crc32,
        attached_by=attached_by,
        **origin,
        **fields,
    )
    audit.record("evidence.attached", item, by=attached_by, sha256=item.sha256, size=item.size)
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


def exposure(person: User, since: datetime) -> int:
    """Return how many exhibits a person has seen, in whole or in part, since an instant."""
    seen = View.objects.filter(viewed_by=person, viewed_at__gte=since)
    return seen.values("item").distinct().count()


def attestations(item: Item) -> dict[str, bool | str | None]:
    """Return what is attested of an item: yes, no, or None where nobody knows.

    "Viewed" is never told by anybody: it comes from what people opened here.
    """
    scope = was_viewed(item)
    return {
        "viewed_by_human": scope != "none",
        "view_scope": scope,
        "publicly_available": item.publicly_available,
        "exif_viewed": item.exif_viewed,
        "automated_detection": item.automated_detection,
    }


def sweep_due() -> int:
    """Remove what uploads that broke off left in the storage. What is still written stays."""
    return lifecycle.pull(
        "sweep",
        uploads.abandoned(),
        _swept,
        prepare=uploads.sweep,
        named=lambda left: f"{left.pk}:{left.until:%Y%m%dT%H%M%S}",
    )


def _swept(left: Unclaimed, is_gone: bool) -> None:
    """Put on record that an object without a record was removed."""
    if is_gone:
        audit.record("upload.swept", left, by=None)
        keys.forget(left.pk)
        left.delete()


def media_type(told: str | None) -> str:
    """Return what the sender called the file's type if it is one: it travels to the agency."""
    return told if told and MEDIA_TYPE.fullmatch(told) else media.UNKNOWN


def check(name: str, size: int) -> None:
    """Refuse a name or a size that no item has."""
    if not size:
        raise Malformed("The file is empty. Attach the file that holds the evidence.")
    if not 0 < len(name) <= NAME_LIMIT:
        raise Malformed(f"The file's name wants 1 to {NAME_LIMIT} characters.")


def origin_of(told: Told) -> dict[str, Any]:
    """Return where an item comes from as its record says it, or refuse what cannot be."""
    field_class, acquired_at = told.get("field_class"), told.get("acquired_at")
    if field_class not in FieldClass.values:
        raise Malformed("Say whether the item was public (C_pub) or private (C_priv).")
    if acquired_at is None or timezone.is_naive(acquired_at) or acquired_at > timezone.now():
        raise Malformed("Say when the item was acquired, with its time zone, not in the future.")
    if len(told.get("source_url", "")) > ADDRESS_LIMIT:
        raise Malformed(f"The address is longer than {ADDRESS_LIMIT} characters.")
    if max(len(told.get("source_account", "")), len(told.get("acquired_by", ""))) > PERSON_LIMIT:
        raise Malformed(f"An account or a name is longer than {PERSON_LIMIT} characters.")
    is_public, available = field_class == FieldClass.PUBLIC, told.get("publicly_available")
    if available is not None and available != is_public:
        raise Malformed("Public content is what was available to the public, and nothing else.")
    return {**told, "publicly_available": True if is_public else available}
