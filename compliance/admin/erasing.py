"""Erasing at the desk: a custodian asks, counsel decides, and a command carries it out."""

from typing import Any

from django import forms

from compliance import erasures
from compliance.admin.desk import Desk, Step, at, standing
from compliance.admin.forms import Decision, Read, Reasoned
from compliance.erasures import State
from compliance.roles import Permission, User


class Numbers(forms.CharField):
    """Numbers of entries, with blanks or commas between them."""

    default_error_messages = {"invalid": "Write numbers, with blanks between them."}

    def to_python(self, value: Any) -> Any:
        """Return the numbers as a list."""
        words = (super().to_python(value) or "").replace(",", " ").split()
        if not all(word.isdecimal() for word in words):
            raise forms.ValidationError(self.error_messages["invalid"])
        return [int(word) for word in words]


class NewErasure(Reasoned):
    """Which entries, under which ticket, and why."""

    entries = Numbers(label="Entries", help_text="As the log numbers them: 17 18 19.")
    ticket = forms.CharField(label="Ticket", max_length=60)
    field_order = ["entries", "ticket", "because"]


def _by_another(erasure: Any, user: User) -> bool:
    return bool(erasure.state == State.ASKED and erasure.asked_by_id != user.pk)


class ErasureDesk(Desk):
    """What of the log's private part is to go, or is gone, and who decided it."""

    seen_with = Permission.VIEW_REGISTER
    list_display = ("__str__", "ticket", standing, at("asked_at"), "asked_by")
    list_filter = ("state",)
    list_select_related = ("asked_by",)
    shown = (
        "ticket", "because", "entries", "state", "asked_at", "asked_by", "approved_at",
        "approved_by", "refused_at", "refused_by", "refused_because", "erased_at",
    )  # fmt: skip
    begin = Step(
        "ask", "Ask for an erasure", Permission.ASK_ERASURE, erasures.ask,
        "It is asked for. Counsel decides.", NewErasure,
        hint="Only the private part goes: names, reasons, changes, addresses. It cannot come back.",
    )  # fmt: skip
    steps = (
        Step(
            "approve", "Approve", Permission.APPROVE_ERASURE, erasures.approve,
            "It is approved. The eraser carries it out.", Read, _by_another,
            hint="Until it is carried out you may still refuse it.",
        ),
        Step(
            "refuse", "Refuse", Permission.APPROVE_ERASURE, erasures.refuse,
            "It is refused.", Decision,
            lambda erasure, user: erasure.state in (State.ASKED, State.APPROVED),
        ),
    )  # fmt: skip
