"""Entries: one row for each thing that happened, written once, with its leaf owed to the log.

What may be shown to anybody is the public part; the private part is behind a salted commitment.
Every column is in one of the two, or follows from the public part (`derived`).
"""

import hashlib
import hmac
import ipaddress
import json
import re
import secrets
from datetime import UTC
from functools import cache
from typing import Any, ClassVar, Never, TypeVar, cast
from uuid import UUID

from auditlog.models import AbstractLogEntry, LogEntryManager
from auditlog.registry import auditlog
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models, transaction
from django.utils import timezone

from compliance.audit import context, tree
from compliance.errors import Malformed, Refused

M = TypeVar("M", bound=models.Model)

ERASED = "auditentry.erased"
SALT = 32
_EVENT = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
_DIFFS = ("created", "updated", "deleted", "accessed")  # by the code of AbstractLogEntry.Action
PRIVATE = (
    "changes",
    "changes_text",
    "object_repr",
    "serialized_data",
    "additional_data",
    "actor_email",
    "remote_addr",
    "remote_port",
    "purpose",
)


class AppendOnly(Refused):
    """The audit log is only ever added to: an entry is never changed, replaced or deleted."""


class AppendOnlyQuerySet(models.QuerySet[Any]):
    """Refuses in words what the triggers would refuse."""

    def _refuse(self, *args: Any, **kwargs: Any) -> Never:
        raise AppendOnly

    update = delete = bulk_create = bulk_update = _refuse


class AuditEntry(AbstractLogEntry, models.Model):  # type: ignore[misc]
    """One thing that happened: to what, by whom, in which piece of work, and why."""

    id = models.BigAutoField(primary_key=True)
    content_type = models.ForeignKey(ContentType, models.PROTECT, related_name="+")
    object_pk = models.CharField(max_length=255)
    object_id = models.BigIntegerField(null=True)
    action = models.PositiveSmallIntegerField(choices=AbstractLogEntry.Action.choices)
    timestamp = models.DateTimeField(default=timezone.now)
    event = models.CharField(max_length=100)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    actor_ref = models.CharField(max_length=120)
    liaison_client = models.CharField(max_length=120, blank=True)
    # Private: null once erased, as is the salt. The commitment then says nothing any more.
    object_repr = models.TextField(null=True)  # noqa: DJ001
    changes_text = models.TextField(null=True)  # noqa: DJ001
    purpose = models.TextField(null=True)  # noqa: DJ001
    salt = models.BinaryField(max_length=SALT, null=True)
    commitment = models.BinaryField(max_length=tree.HASH)

    objects: ClassVar[models.Manager["AuditEntry"]] = LogEntryManager.from_queryset(
        AppendOnlyQuerySet
    )()

    class Meta:
        default_permissions = ["view"]
        get_latest_by = "id"
        ordering = ["-timestamp", "-id"]
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["timestamp", "id"], name="entry_by_time"),
            models.Index(
                fields=["content_type", "object_pk", "timestamp", "id"], name="entry_by_record"
            ),
            models.Index(fields=["event", "timestamp", "id"], name="entry_by_event"),
            models.Index(fields=["actor_ref", "timestamp", "id"], name="entry_by_actor"),
        ]

    def __str__(self) -> str:
        return f"entry {self.pk} {self.event}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write the entry and the leaf it owes, or neither. It is written once."""
        if not self._state.adding:
            raise AppendOnly
        self._complete(context.current(self.actor))
        # No savepoint: a caller who survives a failed entry would go on unlogged.
        with transaction.atomic(savepoint=False):
            self._insert()
        self._state.adding, self._state.db = False, connection.alias

    def _insert(self) -> None:
        """Insert the entry and its leaf in SQL: through the ORM each write would cost a half more.

        The number of the entry is part of the leaf. PostgreSQL hashes what it has just numbered.
        """
        fields = _columns()
        values = [each.get_db_prep_save(getattr(self, each.attname), connection) for each in fields]
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                head, _, tail = public_data(self, 0).partition(_UNNUMBERED)
                cursor.execute(_insertion(_OWED_AT_ONCE), [*values, b"\0" + head, tail])
                self.pk = cursor.fetchone()[0]
            else:
                cursor.execute(_insertion("{} RETURNING id"), values)
                self.pk = cursor.fetchone()[0]
                cursor.execute(_OWED, [self.pk, tree.leaf_hash(public_data(self))])

    def delete(self, *args: Any, **kwargs: Any) -> Never:
        """Refuse."""
        raise AppendOnly

    def _complete(self, acting: context.Acting) -> None:
        """Fill in who acted and make the commitment, over values as the table returns them."""
        if self.action is not None:  # made by django-auditlog, which knows codes only
            self.event = f"{self.content_type.model}.{_DIFFS[self.action]}"
        if not _EVENT.fullmatch(self.event):
            raise Malformed(f"{self.event!r} is no event; an event is noun.verb in small letters.")
        self.actor_ref, self.cid, self.remote_addr = (
            acting.actor_ref,
            acting.cid,
            acting.remote_addr,
        )
        self.actor_email = getattr(acting.user, "email", None) or None
        self.purpose = self.purpose or acting.purpose or None
        self.object_pk = str(self.object_pk)
        for name in ("changes", "serialized_data", "additional_data"):
            if (value := getattr(self, name)) is not None:
                setattr(self, name, json.loads(json.dumps(value, default=_plain)))
        for name, value in derived(self).items():
            setattr(self, name, value)
        self.salt = secrets.token_bytes(SALT)
        self.commitment = commitment(self, self.salt)


class AuditOutbox(models.Model):
    """A leaf that is owed to the log: made with its entry, taken by the sealer."""

    # Without a constraint in the database: it would cost the writer and prove nothing.
    entry = models.OneToOneField(
        AuditEntry, models.PROTECT, primary_key=True, related_name="+", db_constraint=False
    )
    hash = models.BinaryField(max_length=tree.HASH)

    class Meta:
        default_permissions = ()
        verbose_name_plural = "audit outbox"

    def __str__(self) -> str:
        return f"leaf of entry {self.pk}"


_UNNUMBERED = b'"id":0'  # no other member of the public part can hold a quotation mark
_OWED = "INSERT INTO compliance_auditoutbox (entry_id, hash) VALUES (%s, %s)"
_OWED_AT_ONCE = """WITH entry AS ({} RETURNING id)
INSERT INTO compliance_auditoutbox (entry_id, hash)
SELECT id, sha256(%s || convert_to('"id":' || id, 'UTF8') || %s) FROM entry RETURNING entry_id"""


@cache
def _columns() -> list["models.Field[Any, Any]"]:
    return [field for field in AuditEntry._meta.concrete_fields if not field.primary_key]


@cache
def _insertion(around: str) -> str:
    names = ", ".join(str(field.column) for field in _columns())
    marks = ", ".join(["%s"] * len(_columns()))
    insert = f"INSERT INTO compliance_auditentry ({names}) VALUES ({marks})"  # noqa: S608
    return around.format(insert)


def record(
    event: str, obj: models.Model, *, by: AbstractBaseUser | None, purpose: str = "", **detail: Any
) -> AuditEntry:
    """Write that `event` happened to `obj`; `detail` is private and holds ids and digests only."""
    entry = AuditEntry(
        event=event,
        content_type=ContentType.objects.get_for_model(obj),
        object_pk=obj.pk,
        object_repr=str(obj),
        additional_data=detail or None,
        actor=cast(Any, by),  # of the class AUTH_USER_MODEL names, a room above this one
        purpose=purpose,
    )
    entry.save()
    return entry


def watch(
    model: type[M], *, exclude: tuple[str, ...] = (), linked: tuple[str, ...] = ()
) -> type[M]:
    """Let django-auditlog write the field diffs of `model`; words and bytes are left out.

    `linked` names the many-to-many fields whose links are watched as well.
    """
    # Free text may name anybody. A BinaryField makes django-auditlog 3.4.1 crash on save.
    silent = (models.TextField, models.BinaryField)
    left_out = [field.name for field in model._meta.fields if isinstance(field, silent)]
    auditlog.register(model, exclude_fields=[*exclude, *left_out], m2m_fields=set(linked))
    return model


def canonical(value: dict[str, Any]) -> bytes:
    """Return the one JSON form of `value` (RFC 8785, for what audit.md section 6 allows)."""
    _check(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise Malformed("The audit log takes whole characters only.") from error


def _check(value: Any) -> None:
    """Refuse what has more than one JSON form: floats, and names that are not ASCII."""
    if isinstance(value, float):
        raise Malformed("The audit log takes no floats: write an integer or a string.")
    if isinstance(value, dict):
        if not all(name.isascii() for name in value):
            raise Malformed("Names in the audit log are ASCII.")
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            _check(each)


def _plain(value: object) -> str:
    """Write what JSON cannot: an id as its text, nothing else."""
    if isinstance(value, UUID):
        return str(value)
    raise Malformed(f"The audit log takes ids and digests as text, not {type(value).__name__}.")


def public_data(entry: AuditEntry, number: int | None = None) -> bytes:
    """Return the public part of the entry, of this number: what its leaf is the hash of."""
    # A model is never renamed: its name is in the leaves.
    content_type = ContentType.objects.get_for_id(entry.content_type_id)
    return canonical(
        {
            "v": 1,
            "id": entry.pk if number is None else number,
            "ts": entry.timestamp.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "event": entry.event,
            "obj": f"{content_type.app_label}.{content_type.model}:{entry.object_pk}",
            "actor": entry.actor_ref,
            "cid": entry.cid,
            "c": bytes(entry.commitment).hex(),
        }
    )


def commitment(entry: AuditEntry, salt: bytes) -> bytes:
    """Commit to the private part of the entry under its salt."""
    return hmac.digest(salt, private_data(entry), hashlib.sha256)


def private_data(entry: AuditEntry) -> bytes:
    """Return the private part of the entry: what its commitment is made of."""
    private = {name: getattr(entry, name) for name in PRIVATE}
    private["remote_addr"] = _address(entry.remote_addr)
    return canonical(private)


def _address(value: str | None) -> str | None:
    """Write an address as one text, however database and Python version write it."""
    if value is None:
        return None
    address = ipaddress.ip_address(value)
    return str(getattr(address, "ipv4_mapped", None) or address)


def fault(entry: AuditEntry | None, leaf: bytes) -> str | None:
    """Say what is wrong with an entry, if anything is."""
    if entry is None:
        return "was deleted"
    if not _is_in(leaf, entry):
        return "has another public part than its leaf"
    if any(getattr(entry, name) != value for name, value in derived(entry).items()):
        return "has a column that does not follow from its public part"
    if entry.salt is None:
        return None if _is_erased(entry) else "has lost its private part, and nobody erased it"
    return (
        None
        if _is_kept(entry, bytes(entry.salt))
        else "has another private part than its commitment"
    )


def _is_erased(entry: AuditEntry) -> bool:
    """Tell whether the private part is wholly gone, and an entry of its own says so."""
    gone = all(getattr(entry, name) is None for name in PRIVATE)
    said = AuditEntry.objects.filter(event=ERASED, object_pk=str(entry.pk))
    return gone and said.exists()


def _is_in(leaf: bytes, entry: AuditEntry) -> bool:
    """Tell whether the leaf was made of this public part."""
    try:
        return tree.leaf_hash(public_data(entry)) == leaf
    except ContentType.DoesNotExist:
        return False


def _is_kept(entry: AuditEntry, salt: bytes) -> bool:
    """Tell whether the private part is the one that was committed to."""
    try:
        return commitment(entry, salt) == bytes(entry.commitment)
    except (Malformed, ValueError):  # no entry of ours holds a float, or an address that is none
        return False


def derived(entry: AuditEntry) -> dict[str, Any]:
    """Return the columns that follow from the public part, for writing and for checking."""
    kind, _, name = entry.actor_ref.partition(":")
    verb = entry.event.partition(".")[2]
    return {
        "actor_id": int(name) if kind == "user" else None,
        "liaison_client": name if kind == "liaison" else "",
        "object_id": int(entry.object_pk) if entry.object_pk.isdecimal() else None,
        "action": _DIFFS.index(verb) if verb in _DIFFS else AbstractLogEntry.Action.ACCESS,
    }
