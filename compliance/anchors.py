"""Anchors: the signed log in other people's hands. Witnesses cosign it, an authority stamps it.

Neither leaves an event: an event is a new state of the log, which would want an anchor again. What
they answered is kept beside the state; what fails is owed work like any other, shown at the desk.
"""

import uuid
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone

from compliance import lifecycle
from compliance.audit import checkpoints, timestamps, witnesses
from compliance.audit.checkpoints import AuditCheckpoint, AuditCosignature
from compliance.audit.witnesses import Witness
from compliance.lifecycle import Work

COSIGN, STAMP = "cosign", "stamp"
EVERY = timedelta(days=1)  # a time-stamp


def cosign_due() -> int:
    """Ask each witness for the newest state that it did not cosign; return how many did."""
    newest = checkpoints.latest()
    if newest is None:
        return 0
    asked = {_subject(witness.key.vkey): witness for witness in witnesses.policy()}
    done = set(newest.cosignatures.values_list("witness", flat=True))
    for subject, witness in asked.items():
        if witness.name not in done:
            lifecycle.owe(COSIGN, subject)
    # A witness whom the settings name no longer is not asked, and owes nothing.
    return _work(COSIGN, lambda row: _cosignature(newest, asked.get(row.subject)))


def stamp_due() -> int:
    """Have the newest published state stamped once a day; return how many were."""
    signed = _unstamped() if settings.TIMESTAMP_URL else None
    if signed:
        lifecycle.owe(STAMP, _subject(settings.TIMESTAMP_URL))
    return _work(STAMP, lambda row: timestamps.ask(signed) if signed else None)


def _subject(name: str) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_URL, name)


def _cosignature(signed: AuditCheckpoint, witness: Witness | None) -> AuditCosignature | None:
    if witness is None:
        return None
    before = checkpoints.last_cosigned(witness.name)
    line = witnesses.ask(
        witness,
        signed.note,
        signed.size,
        seen=before.checkpoint_id if before else 0,
        prove=checkpoints.consistency,
    )
    return AuditCosignature(checkpoint=signed, witness=witness.name, line=line)


def _unstamped() -> AuditCheckpoint | None:
    """Return the newest published state if it is time to have it stamped."""
    signed, last = checkpoints.published(), timestamps.last()
    if signed and last and last.checkpoint_id == signed.size:
        return None
    return None if last and last.stamped_at > timezone.now() - EVERY else signed


def _work(topic: str, ask: Callable[[Work], models.Model | None]) -> int:
    """Ask for what is owed, outside any transaction; keep the answer and the mark in one."""
    kept = 0
    while row := lifecycle.claim(topic):
        try:
            answer = ask(row)
            with transaction.atomic():
                if answer:
                    answer.save(force_insert=True)
                lifecycle.finish(row)
            kept += answer is not None
        except Exception as error:  # one witness must not stop the others
            lifecycle.give_back(row, error)
    return kept
