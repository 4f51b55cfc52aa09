"""Documents: every text of the law that was ever on record, and the files that are shipped."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from django.db import models
from django.db.models import Q
from django.utils import timezone

from compliance import jurisdictions
from compliance.errors import Refused
from compliance.jurisdictions import book
from compliance.lifecycle import by_a_second_person, stamped
from compliance.roles import User

RULEBOOKS = Path(jurisdictions.__file__).parent / "rulebooks"
NOTHING = hashlib.sha256(b"").hexdigest()  # the hash of the text of a document that is retired


class Decided(Refused):
    """This text of the law is decided and stays as it is. Draft a new version."""


class Kind(models.TextChoices):
    """What a document of the law holds; its schema says so."""

    VOCABULARY = "vocabulary"
    AUTHORITIES = "authorities"
    RULEBOOK = "rulebook"
    CASES = "cases", "golden cases"


class State(models.TextChoices):
    """The last thing that happened to a version of a document."""

    DRAFTED = "drafted"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    REJECTED = "rejected"
    SHIPPED = "shipped"


class RuleDocument(models.Model):
    """One document of the law, known by its file name."""

    key = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=12, choices=Kind)

    class Meta:
        default_permissions = ["view"]
        ordering = ["kind", "key"]

    def __str__(self) -> str:
        return self.key


class RuleDocumentVersion(models.Model):
    """One text of a document: shipped, or drafted by one counsel and decided on by another."""

    State = State
    MOVES = {
        State.DRAFTED: (State.SUBMITTED, State.REJECTED),
        State.SUBMITTED: (State.APPROVED, State.REJECTED),
    }
    OPEN = tuple(MOVES)

    document = models.ForeignKey(RuleDocument, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    text = models.TextField()
    sha256 = models.CharField(max_length=64)
    why = models.TextField(blank=True)
    state = models.CharField(max_length=12, choices=State, default=State.DRAFTED)
    version = models.PositiveIntegerField(default=1)
    reports = models.JSONField(default=dict)
    drafted_at = models.DateTimeField(default=timezone.now)
    drafted_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    submitted_at = models.DateTimeField(null=True)
    submitted_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    approved_at = models.DateTimeField(null=True)
    approved_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    rejected_at = models.DateTimeField(null=True)
    rejected_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    rejected_because = models.TextField(blank=True)

    class Meta:
        default_permissions = ["view"]
        ordering = ["-id"]
        indexes = [models.Index(fields=["sha256"], name="text_by_hash")]
        constraints = [
            models.UniqueConstraint(fields=["document", "number"], name="version_numbered_once"),
            models.UniqueConstraint(
                fields=["document"],
                condition=Q(state__in=["drafted", "submitted"]),
                name="one_open_change_a_document",
            ),
            models.CheckConstraint(
                name="only_what_is_shipped_was_drafted_by_nobody",
                condition=Q(state="shipped", drafted_by__isnull=True)
                | ~Q(state="shipped") & Q(drafted_by__isnull=False),
            ),
            *(stamped("ruledocumentversion", s) for s in ("submitted", "approved", "rejected")),
            by_a_second_person("ruledocumentversion", "approved", "drafted"),
            by_a_second_person("ruledocumentversion", "rejected", "drafted"),
        ]

    def __str__(self) -> str:
        return f"{self.document.key} version {self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write it, unless it is decided."""
        decided = type(self)._default_manager.filter(pk=self.pk).exclude(state__in=self.OPEN)
        if not self._state.adding and decided.exists():
            raise Decided
        super().save(*args, **kwargs)

    @property
    def retires(self) -> bool:
        """Return whether it takes its document out of the law: then it has no text."""
        return self.sha256 == NOTHING


class Shipped(NamedTuple):
    """The files that this version of the product ships, and the hash of them all."""

    texts: Mapping[str, str]
    sha256: str


def shipped() -> Shipped:
    """Return the shipped documents."""
    return _files(RULEBOOKS)


@cache
def _files(folder: Path) -> Shipped:
    """Read the shipped files, once per process."""
    paths = sorted(folder.glob("*.yaml"))
    texts = {path.name: path.read_text(encoding="utf-8") for path in paths}
    hashes = {key: sha256(text) for key, text in texts.items()}
    return Shipped(texts, jurisdictions.digest(hashes))


@cache
def kind(key: str, text: str) -> str:
    """Return what kind of document a text is, or raise Problems if nobody can tell."""
    data, report = book.parse(key, text)
    said = data.get("schema") if isinstance(data, dict) else None
    if not report.problems and said not in {f"{each}/1" for each in Kind.values}:
        known = ", ".join(f"{each}/1" for each in Kind.values)
        report.add(("schema",), f"must name its schema: {known}.")
    report.settle()
    return str(said).partition("/")[0]


def sha256(text: str) -> str:
    """Return the hash that a text is approved by."""
    return hashlib.sha256(text.encode()).hexdigest()


def law_in(documents: Mapping[str, str]) -> dict[str, str]:
    """Return the documents that are law: all but the golden cases."""
    return {key: text for key, text in documents.items() if not is_cases(key)}


def cases_in(documents: Mapping[str, str]) -> dict[str, str]:
    """Return the documents that are golden cases."""
    return {key: text for key, text in documents.items() if is_cases(key)}


def is_cases(key: str) -> bool:
    """Tell whether a file of this name holds golden cases."""
    return key.endswith("cases.yaml")
