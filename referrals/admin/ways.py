"""Routes at the desk: added by one person, approved by another who hears the address."""

from typing import Any

from django import forms
from django.contrib import admin

from compliance.admin.desk import Desk, Step, standing
from compliance.admin.forms import Asking, Reasoned
from compliance.roles import Permission
from referrals import agencies, routes
from referrals.admin.conditions import added_by_another, not_revoked
from referrals.models import Route


class NewRoute(Asking):
    """An address of the agency that its bundles, or notices of them, are sent to."""

    way = forms.ChoiceField(label="Way", choices=routes.Way.choices)
    address = forms.CharField(
        label="Address",
        help_text="https://HOST/PATH, the name of a folder, or a mailbox.",
        required=False,
    )


class AddressHeard(Asking):
    """The address as the agency read it out over another channel."""

    address = forms.CharField(
        label="Address",
        help_text="Type what the agency reads out over the telephone, not what it sent.",
        required=False,
    )


@admin.register(Route)
class RouteDesk(Desk):
    """Where bundles are sent, for agencies that do not collect them at the liaison API."""

    seen_with = Permission.VIEW_REGISTER
    list_display = ("agency", "way", "environment", standing, "added_by", "approved_by")
    list_filter = ("state", "way")
    list_select_related = ("agency", "added_by", "approved_by")
    search_fields = ("agency__authority__exact",)
    search_help_text = "The whole name of an authority."
    shown = (
        "agency", "way", "address", "environment", "state", "added_at", "added_by",
        "approved_at", "approved_by", "revoked_at", "revoked_by", "revoked_because",
    )  # fmt: skip
    steps = (
        Step(
            "approve", "Approve", Permission.APPROVE_AGENCY, routes.approve,
            "The route is approved. What is owed to this agency is sent on it.", AddressHeard,
            added_by_another,
        ),
        Step(
            "revoke", "Revoke", Permission.APPROVE_AGENCY, routes.revoke,
            "The route is revoked. Nothing more is sent on it.", Reasoned, not_revoked,
        ),
    )  # fmt: skip

    def row(self, record: Any, name: str) -> tuple[str, object]:
        """Return one field; nobody can copy the address that is to be read out."""
        label, value = super().row(record, name)
        unheard = name == "address" and record.state == agencies.State.ADDED
        return label, "shown once it is approved" if unheard else value
