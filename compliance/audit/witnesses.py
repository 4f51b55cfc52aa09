"""Witnesses: others who watch the log grow and sign what they saw (C2SP tlog-witness, v1.0.0).

A witness cosigns a state only if it continues the one it cosigned before. So whoever rewrites the
log, with its key even, does not get the same witness to sign again.
"""

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.conf import settings

from compliance import outbound
from compliance.audit import notes
from compliance.errors import Refused, Tampered

PATIENCE = 5.0  # seconds: a witness that is slow is asked again, and others wait
_SIZE = re.compile(r"(0|[1-9][0-9]{0,18})\n")
Prove = Callable[[int, int], Sequence[bytes]]


class Unwilling(Refused):
    """The witness did not cosign."""


@dataclass(frozen=True)
class Witness:
    """Somebody who cosigns: under which key, and where to ask."""

    key: notes.Verifier
    url: str

    @property
    def name(self) -> str:
        """Return the name that the witness signs under."""
        return self.key.name


def policy() -> list[Witness]:
    """Return the witnesses that the settings name. BadNote if a key is none."""
    return [
        Witness(notes.read_vkey(vkey, kind=notes.COSIGNATURE), url)
        for vkey, url in settings.WITNESSES
    ]


def names() -> list[str]:
    """Return the names of the witnesses whose cosignatures count."""
    return [witness.name for witness in policy()]


def ask(witness: Witness, note: str, size: int, *, seen: int, prove: Prove) -> str:
    """Return the line in which the witness cosigns the `note` of a state of `size` entries.

    `seen` is the size it cosigned last as far as we know, 0 if none. Raises Tampered if it saw
    another log of this name, Unwilling if it refuses for any other reason, NoAnswer if it is away.
    """
    status, told = _submit(witness, note, size, seen, prove)
    if (known := _size(status, told)) not in (None, seen):  # it says what it saw: ask from there
        if known > size:
            raise Tampered(f"{witness.name} saw {known} entries of this log. It has {size}.")
        status, told = _submit(witness, note, size, known, prove)
        if _size(status, told) not in (None, known):
            raise Unwilling(f"{witness.name} was asked by another at the same time.")
    if status in (409, 422):
        raise Tampered(f"{witness.name} saw another log of this name. Run verify_audit.")
    if status != 200:
        raise Unwilling(f"{witness.name} did not cosign: it answered {status}.")
    try:
        return notes.cosignature(note + told, witness.key)
    except notes.BadNote as error:
        raise Unwilling(f"What {witness.name} answered is no cosignature of it.") from error


def _size(status: int, told: str) -> int | None:
    """Return the size that a witness says it saw last, where it says so."""
    found = _SIZE.fullmatch(told) if status == 409 else None
    return int(found[1]) if found else None


def _submit(witness: Witness, note: str, size: int, seen: int, prove: Prove) -> tuple[int, str]:
    """Send one state (add-checkpoint), and return how it was answered."""
    proof = prove(seen, size) if 0 < seen < size else []
    steps = [base64.b64encode(step).decode() for step in proof]
    body = "\n".join([f"old {seen}", *steps, "", note])
    where = f"{witness.url.rstrip('/')}/add-checkpoint"
    kind = {"Content-Type": "text/plain; charset=utf-8"}
    answer = outbound.post(where, body.encode(), kind, seconds=PATIENCE, in_clear=True)
    return answer.status, answer.body.decode(errors="replace")
