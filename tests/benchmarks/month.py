"""A month of work in the log: a million entries, sealed and then verified in full.

The entries are those of some seventy-five findings an hour and of all that follows from each, by
ten people over thirty days. They are written in bulk, but each with its own commitment and leaf,
as the real door makes them; the sealer and the verification are the real ones. At the end a receipt
and the consistency of two states are checked.
"""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import models, transaction
from django.utils import timezone

from compliance.audit import checkpoints, context, entries, notes, signing, tree, verification
from compliance.audit.entries import AuditEntry, AuditOutbox
from compliance.findings import Finding
from compliance.roles import Role, User
from tests.benchmarks import measure

SPAN = timedelta(days=30)
AT_ONCE = 4096
STORY = (
    "finding.created", "finding.recorded", "evidence.attached", "evidence.viewed", "item.created",
    "finding.updated", "finding.confirmed", "determination.created", "determination.proposed",
    "determination.signed", "hold.placed", "referral.entered", "referral.sealed",
    "referral.delivered", "referral.read", "bundle.collected", "referral.acknowledged",
    "referral.closed",
)  # fmt: skip


@dataclass(frozen=True)
class Sizes:
    """How many entries there are."""

    entries: int


FULL, TINY = Sizes(1_000_000), Sizes(600)


def figures(name: str, sizes: Sizes) -> Iterator[object]:
    """Write, seal and verify, and say how many of each there are a second."""
    signing.ensure_key()
    people = _people()
    work = month(people, sizes.entries - AuditEntry.objects.count())
    yield _each(f"{name}, entries of a month written", sizes, measure.timed(lambda: write(work)))
    yield _each(f"{name}, entries of a month sealed", sizes, measure.timed(checkpoints.seal_due))
    started = time.perf_counter()
    report = verification.verify()
    seconds = time.perf_counter() - started
    if report.problem or report.size != sizes.entries or report.unsealed:
        raise SystemExit(f"The log does not verify: {report}")
    yield _each(f"{name}, entries of a month verified in full", sizes, seconds)
    yield measure.plain(f"{name}, a month verified in full", seconds / 60, "minutes")
    prove()


def month(people: list[User], count: int) -> Iterator[AuditEntry]:
    """Yield so many entries of one month, in the order of their time."""
    chance, kind = random.Random(7), ContentType.objects.get_for_model(Finding)  # noqa: S311
    start = timezone.now() - SPAN
    for n in range(count):
        number, step = divmod(n, len(STORY))
        moment = start + SPAN * (n / count)
        yield _entry(STORY[step], kind, number, chance.choice(people), moment)


def _entry(event: str, kind: ContentType, number: int, by: User, moment: datetime) -> AuditEntry:
    entry = AuditEntry(
        event=event,
        content_type=kind,
        object_pk=str(number),
        object_repr=f"F-{number}",
        timestamp=moment,
        actor=by,
        purpose="Review." if event == "evidence.viewed" else "",
        additional_data={"was": "before"},
    )
    entry._complete(context.Acting(context.user_ref(by), by, f"cid-{number}"))
    return entry


def write(work: Iterator[AuditEntry]) -> None:
    """Write entries in bulk, each with its leaf in the outbox; no guard stops an insert."""
    plain: Any = models.QuerySet(AuditEntry)
    while batch := list(islice(work, AT_ONCE)):
        with transaction.atomic():
            plain.bulk_create(batch)
            owed = [
                AuditOutbox(entry=entry, hash=tree.leaf_hash(entries.public_data(entry)))
                for entry in batch
            ]
            AuditOutbox.objects.bulk_create(owed)


def prove() -> None:
    """Check one receipt, and that the newest state continues the first."""
    entry = AuditEntry.objects.order_by("pk")[AuditEntry.objects.count() // 2]
    data, key = entries.public_data(entry), signing.vkey()
    newest = notes.verify_proof(checkpoints.receipt(entry), data, key)
    first = notes.open_checkpoint(
        checkpoints.AuditCheckpoint.objects.earliest("size").note, notes.read_vkey(key)
    )
    proof = checkpoints.consistency(first.size, newest.size)
    tree.verify_consistency(first.size, newest.size, first.root, newest.root, proof)


def _people() -> list[User]:
    with context.acting("command:benchmark"):
        return [
            User.objects.create_user(f"person{n}", f"person{n}@example.org", role=Role.REVIEWER)
            for n in range(10)
        ]


def _each(name: str, sizes: Sizes, seconds: float) -> measure.Figure:
    return measure.rate(name, [seconds / sizes.entries])
