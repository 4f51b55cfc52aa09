"""Subjects: the desk's page for what people ask about data of theirs."""

from typing import Any

from django import forms
from django.http import HttpRequest

from compliance import requests
from compliance.admin.desk import Button, Desk, Step, at, standing
from compliance.admin.forms import Decision, LocalTime, Zoned
from compliance.models import Finding
from compliance.roles import Permission


class Names(forms.CharField):
    """Names, one a line."""

    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})

    def to_python(self, value: Any) -> Any:
        """Return the names as a list."""
        return (super().to_python(value) or "").splitlines()


class NewRequest(Zoned):
    """What a person asks, who that is to the provider, and when it came."""

    kind = forms.ChoiceField(label="The person asks for", choices=requests.Kind.choices)
    identifiers = Names(
        label="Names of the person here",
        help_text="Accounts, e-mail addresses, telephone numbers; one a line, all that are known.",
        required=False,
    )
    received_at = LocalTime(label="Received at")
    field_order = ["kind", "identifiers", "received_at", "zone"]


class SubjectRequestDesk(Desk):
    """What people ask about data of theirs: recorded, parked while the law wants it, answered."""

    seen_with = Permission.VIEW_MATTER
    called = "Requests of people"
    list_display = ("number", "kind", standing, at("received_at"), at("due_at"))
    list_filter = ("state", "kind")
    search_fields = ("number__exact",)
    search_help_text = "The whole number, such as S-7KQ4-M2XA."
    shown = (
        "kind", "identifiers", "received_at", "due_at", "recorded_at", "recorded_by", "parked_at",
        "cleared_at", "answered_at", "answered_by", "answered_because",
    )  # fmt: skip
    begin = Step(
        "record", "Record a request", Permission.RECORD_REQUEST, requests.record,
        "The request is recorded. Its page has the words for the person.", NewRequest,
        hint="It is compared with what is held. What the person is told does not depend on that.",
    )  # fmt: skip
    steps = (
        Step(
            "answer", "Answer", Permission.ANSWER_REQUEST, requests.answer,
            "The request is answered.", Decision,
            lambda request, user: request.state == requests.State.CLEARED,
            "Say what was done with the data, or why nothing was.",
        ),
    )  # fmt: skip

    def headline(self, record: Any) -> str:
        """Return what stands over the page of a request."""
        return f"Request {record}"

    def story(self, request: HttpRequest, record: Any, tried: Button | None) -> dict[str, Any]:
        """Return the words for the person, and the findings in the way."""
        return {
            "told": requests.neutral_answer(record),
            "matters": Finding.objects.filter(pk__in=record.matters),
        }
