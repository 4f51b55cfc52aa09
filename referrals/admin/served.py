"""Served: legal processes at the desk, recorded by one person and decided on by counsel."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from compliance.admin.desk import Button, Desk, Step, at, standing
from compliance.admin.forms import LocalTime, Zoned
from compliance.evidence import Item
from compliance.roles import Permission, User
from referrals import docket, processes
from referrals.models import LegalProcess, Referral


class Served(Zoned):
    """A legal process as it was served, and the exhibits that it asks for."""

    items: Any = forms.ModelMultipleChoiceField(
        None, label="Exhibits that it asks for", widget=forms.CheckboxSelectMultiple, required=False
    )
    kind = forms.ChoiceField(label="Kind", choices=processes.Kind.choices)
    reference = forms.CharField(label="Its reference", required=False)
    issued_by = forms.CharField(label="Issued by", required=False)
    received_at = LocalTime(label="Received at")
    field_order = ["items", "kind", "reference", "issued_by", "received_at", "zone"]

    def __init__(self, record: Referral, *args: Any, **kwargs: Any) -> None:
        super().__init__(record, *args, **kwargs)
        named = [item.pk for item in processes.closed(record)]
        self.fields["items"].queryset = Item.objects.filter(pk__in=named)  # type: ignore[attr-defined]


def _is_closed(referral: Referral, user: User) -> bool:
    return referral.state in docket.GOT and bool(processes.closed(referral))


RECORD = Step(
    "process", "Record a legal process", Permission.RECORD_PROCESS, processes.record,
    "It is on record. Once counsel approved it, what it names is opened to the agency.",
    Served, _is_closed, "Nobody here viewed these exhibits. They open against it alone.",
)  # fmt: skip


def _waits(process: LegalProcess, user: User) -> bool:
    return process.state == processes.State.RECORDED


def _recorded_by_another(process: LegalProcess, user: User) -> bool:
    return _waits(process, user) and process.recorded_by_id != user.pk


@admin.register(LegalProcess)
class LegalProcessDesk(Desk):
    """Legal processes: recorded by one person, approved by counsel."""

    seen_with = Permission.VIEW_MATTER
    called = "Legal processes"
    list_display = ("__str__", standing, at("received_at"), "recorded_by", "approved_by")
    list_filter = ("state", "kind")
    list_select_related = ("referral", "recorded_by", "approved_by")
    search_fields = ("referral__number__exact", "reference__exact")
    search_help_text = "The whole number of a referral, or the whole reference of the process."
    shown = (
        "referral", "kind", "reference", "issued_by", "received_at", "state", "recorded_at",
        "recorded_by", "approved_at", "approved_by", "approved_because", "refused_at",
        "refused_by", "refused_because", "answered_at",
    )  # fmt: skip
    steps = (
        Step(
            "approve", "Approve", Permission.DECIDE_PROCESS, processes.approve,
            "It is approved. What it names is opened to the agency, in a new bundle.",
            is_open=_recorded_by_another,
        ),
        Step(
            "refuse", "Refuse", Permission.DECIDE_PROCESS, processes.refuse,
            "It is refused. Nothing is opened.", is_open=_waits,
        ),
    )  # fmt: skip

    def story(self, request: HttpRequest, record: Any, tried: Button | None) -> dict[str, Any]:
        """Return the exhibits that it asks for."""
        return {"items": record.items.all()}
