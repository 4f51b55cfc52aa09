"""Exports: a part of the log for an auditor or a court, with the proof of every entry.

A folder of files: `entries.jsonl`, a line for each entry with its number, its public part as it was
hashed, and the hashes that lead from it to the root of `checkpoint`; `entries.csv`, the same to
look at; `manifest`, a note that the log signed over the digests of the others; `log.vkey`. Where an
authority stamped the state there are `stamped.checkpoint` and `stamped.tsr`, for `openssl ts`.
docs/verify/verify_log.py checks the whole without us.
"""

import base64
import csv
import hashlib
import json
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import models, transaction

from compliance import audit, roles
from compliance.audit import checkpoints, entries, signing, timestamps, tree
from compliance.audit.checkpoints import AuditCheckpoint, AuditLeaf
from compliance.audit.entries import AuditEntry, AuditOutbox
from compliance.errors import Malformed, Tampered, WrongState
from compliance.roles import Permission, User

FORM = "dutyline-export/v1"
PUBLIC = ("id", "ts", "event", "obj", "actor", "cid")
# What a spreadsheet takes for the beginning of a formula, in the wide forms too.
FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


@dataclass(frozen=True)
class Part:
    """A part of the log: which leaves, how it was asked for, and whether it has no gaps."""

    leaves: models.QuerySet[AuditLeaf]
    asked: dict[str, str]
    is_whole: bool


@dataclass(frozen=True)
class Export:
    """What was exported: so many entries, proven under this state; the manifest's SHA-256."""

    entries: int
    size: int
    manifest_sha256: str


def period(start: datetime, end: datetime) -> Part:
    """Return what happened from `start` until `end`, and all that was sealed in between."""
    inside = AuditEntry.objects.filter(timestamp__gte=start, timestamp__lt=end)
    _require_sealed(inside)
    span = AuditLeaf.objects.filter(entry__in=inside).aggregate(
        first=models.Min("idx", default=0), last=models.Max("idx", default=-1)
    )
    leaves = AuditLeaf.objects.filter(idx__gte=span["first"], idx__lte=span["last"])
    asked = {"from": start.isoformat(), "to": end.isoformat()}
    return Part(leaves, asked, is_whole=True)


def history(record: models.Model) -> Part:
    """Return all that happened to one record."""
    kind = ContentType.objects.get_for_model(record)
    about = AuditEntry.objects.filter(content_type=kind, object_pk=str(record.pk))
    _require_sealed(about)
    asked = {"about": f"{kind.app_label}.{kind.model}:{record.pk}"}
    return Part(AuditLeaf.objects.filter(entry__in=about), asked, is_whole=False)


def _require_sealed(of: models.QuerySet[AuditEntry]) -> None:
    if AuditOutbox.objects.filter(entry__in=of).exists():
        raise WrongState("Some of it is not sealed into the log yet; ask again in a moment.")


@audit.attributed
def export(
    part: Part, folder: Path, *, with_private: bool = False, because: str, by: User
) -> Export:
    """Write a part of the log with its proofs into a new `folder`, and return what it holds.

    The event comes before the folder: nothing is handed out that is not on record. The private
    part of the entries tells of matters, so it is only for those who may see them.
    """
    roles.require(by, Permission.READ_LOG)
    if with_private:
        roles.require(by, Permission.VIEW_MATTER)
    if not because.strip():
        raise Malformed("A reason is missing. Say in a sentence who asked for it, and why.")
    if folder.exists():
        raise Malformed("The folder is there already. Name one that is not.")
    draft = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}")
    draft.mkdir(mode=0o700, parents=True)
    try:
        signed, done = _write(part, draft, with_private=with_private)
        with transaction.atomic():
            audit.record(
                "log.exported",
                signed,
                by=by,
                purpose=because.strip(),
                entries=done.entries,
                manifest=done.manifest_sha256,
                private=with_private,
            )
        draft.replace(folder)
    except BaseException:
        shutil.rmtree(draft)
        raise
    return done


def _write(part: Part, folder: Path, *, with_private: bool) -> tuple[AuditCheckpoint, Export]:
    last = part.leaves.aggregate(last=models.Max("idx"))["last"]
    if last is None:
        raise Malformed("The log holds nothing of the kind. Ask for another part of it.")
    signed = _state(last)
    count = _write_entries(part, folder, signed, with_private=with_private)
    _put(folder / "checkpoint", checkpoints.cosigned(signed).encode())
    _put(folder / "log.vkey", f"{signing.vkey()}\n".encode())
    stamp = timestamps.last()
    if stamp and stamp.checkpoint == signed:
        _put(folder / "stamped.checkpoint", signed.note.encode())
        _put(folder / "stamped.tsr", bytes(stamp.token))
    told = {
        "v": 1,
        "asked": part.asked,
        "whole": part.is_whole,
        "size": signed.size,
        "count": count,
        "files": {each.name: _sha256(each) for each in sorted(folder.iterdir())},
    }
    manifest = signing.sign_text(f"{FORM}\n{entries.canonical(told).decode()}\n").encode()
    _put(folder / "manifest", manifest)
    return signed, Export(count, signed.size, hashlib.sha256(manifest).hexdigest())


def _state(last: int) -> AuditCheckpoint:
    """Return the best state that holds the leaf `last`: stamped, else published, else newest."""
    stamp = timestamps.last()
    for state in (stamp.checkpoint if stamp else None, checkpoints.published()):
        if state and state.size > last:
            return state
    return AuditCheckpoint.objects.latest()


def _write_entries(part: Part, folder: Path, signed: AuditCheckpoint, *, with_private: bool) -> int:
    at, count = checkpoints.reader(), 0
    named = (*PUBLIC, *entries.PRIVATE) if with_private else PUBLIC
    with (
        _new(folder / "entries.jsonl") as lines,
        _new(folder / "entries.csv") as file,
    ):
        table = csv.writer(file, quoting=csv.QUOTE_ALL)
        table.writerow(["number", *named])
        for leaf, entry in _checked(part.leaves):
            row = _row(leaf.idx, entry, tree.inclusion_proof(leaf.idx, signed.size, at))
            if with_private and entry.salt is not None:  # if it is, the private part was erased
                row["private"] = entries.private_data(entry).decode()
                row["salt"] = bytes(entry.salt).hex()
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")
            told = json.loads(row["entry"]) | json.loads(row.get("private") or "{}")
            table.writerow([leaf.idx, *(_cell(told.get(name)) for name in named)])
            count += 1
    return count


def _checked(leaves: models.QuerySet[AuditLeaf]) -> Iterator[tuple[AuditLeaf, AuditEntry]]:
    """Yield leaves with their entries, in order, as long as each is what was hashed."""
    after = -1
    while batch := list(leaves.filter(idx__gt=after).order_by("idx")[: checkpoints.BATCH]):
        found = AuditEntry.objects.in_bulk([leaf.entry_id for leaf in batch])
        for leaf in batch:
            if problem := entries.fault(found.get(leaf.entry_id), bytes(leaf.hash)):
                raise Tampered(f"Number {leaf.idx} of the log {problem}. Run verify_audit.")
            yield leaf, found[leaf.entry_id]
        after = batch[-1].idx


def _row(index: int, entry: AuditEntry, proof: list[bytes]) -> dict[str, Any]:
    steps = [base64.b64encode(step).decode() for step in proof]
    return {"index": index, "entry": entries.public_data(entry).decode(), "proof": steps}


def _cell(value: Any) -> str:
    """Write a value as a spreadsheet shows it, and never runs it."""
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _new(path: Path) -> Any:
    path.touch(mode=0o600)
    return path.open("w", encoding="utf-8", newline="")


def _put(path: Path, data: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(data)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
