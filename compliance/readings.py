"""Readings: who looked at what at the desk. It is on record before the page is sent, or no page is.

Opening an exhibit is no reading of a page: `evidence.read` has an event of its own.
"""

from django.contrib.contenttypes.models import ContentType
from django.db import models

from compliance import audit
from compliance.roles import User

SHOWN, LISTED = "shown", "listed"


def show(record: models.Model, *, by: User) -> None:
    """Put on record that `by` reads the page of a record."""
    audit.record(f"{record._meta.model_name}.{SHOWN}", record, by=by)


def list_(model: type[models.Model], asked: str, *, by: User) -> None:
    """Put on record that `by` reads a list of records; what was `asked` for is private."""
    kind = ContentType.objects.get_for_model(model)
    audit.record(f"{model._meta.model_name}.{LISTED}", kind, by=by, asked=asked)
