"""Undoing: the page on which counsel reads and signs what an agency is told of a retraction."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from compliance import overturnings
from compliance.admin import law
from compliance.admin.desk import Button, Desk, Step, at, standing
from compliance.admin.forms import Decision
from compliance.roles import Permission, User
from referrals import retractions
from referrals.models import Retraction


def _unsigned(retraction: Retraction, user: User) -> bool:
    is_open = retraction.state == retractions.State.PROPOSED
    return is_open and overturnings.is_second(retraction.overturning, user)


@admin.register(Retraction)
class RetractionDesk(Desk):
    """Retractions: what each agency is to be told about an overturned finding."""

    seen_with = Permission.VIEW_MATTER
    list_display = ("__str__", standing, at("due_at"), at("signed_at"), "signed_by")
    list_filter = ("state", "agency")
    list_select_related = ("overturning__finding", "agency", "signed_by")
    search_fields = ("overturning__finding__reference__exact",)
    search_help_text = "The whole number of the finding, such as F-7KQ4-M2XA."
    shown = (
        "overturning", "agency", "state", "due_at", "proposed_at", "signed_at", "signed_by",
        "signed_because", "referral",
    )  # fmt: skip
    steps = (
        Step(
            "sign", "Sign", Permission.SIGN_RETRACTION, retractions.sign,
            "The retraction is signed. It is entered in the docket next.", Decision, _unsigned,
            "The agency is told why it is taken back and what it is to destroy. No content goes.",
        ),
    )  # fmt: skip

    def story(self, request: HttpRequest, record: Any, tried: Button | None) -> dict[str, Any]:
        """Return what the agency reads, word for word."""
        return {"notice": retractions.notice(record), "erase": law.classes(record.erase)}
