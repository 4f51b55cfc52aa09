"""Readings: who looked at what at the desk. It is on record before the page is sent, or no page is.

Opening an exhibit is no reading of a page: `evidence.read` has an event of its own.
"""

from django.contrib.contenttypes.models import ContentType
from django.db import models

from compliance import audit
from compliance.audit import checkpoints, entries
from compliance.audit.entries import AuditEntry
from compliance.roles import User

SHOWN, TRACED, LISTED = "shown", "traced", "listed"
HOW = (SHOWN, TRACED)  # a record is read


def show(record: models.Model, *, by: User) -> None:
    """Put on record that `by` reads the page of a record."""
    audit.record(f"{record._meta.model_name}.{SHOWN}", record, by=by)


def trace(record: models.Model, *, by: User) -> None:
    """Put on record that `by` reads all that the log holds about a record."""
    audit.record(f"{record._meta.model_name}.{TRACED}", record, by=by)


def prove(entry: AuditEntry, *, by: User) -> tuple[str, str]:
    """Return the `.tlog-proof` of an entry and its public part. WrongState until it is sealed."""
    show(entry, by=by)
    return checkpoints.receipt(entry), entries.public_data(entry).decode()


def list_(model: type[models.Model], asked: str, *, by: User) -> None:
    """Put on record that `by` reads a list of records; what was `asked` for is private."""
    kind = ContentType.objects.get_for_model(model)
    audit.record(f"{model._meta.model_name}.{LISTED}", kind, by=by, asked=asked)
