"""Admin: the desk over referrals' rooms: the docket, the agencies and their keys."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from compliance.admin import law
from compliance.admin.desk import Desk, Step
from compliance.admin.forms import Asking, Reasoned
from compliance.roles import Permission, User
from referrals import agencies, clients, docket
from referrals.models import Acknowledgement, Agency, AgencyKey, Bundle, LiaisonClient, Referral


class Fingerprint(Asking):
    """A fingerprint as the agency read it out over another channel."""

    fingerprint = forms.CharField(
        label="Fingerprint",
        help_text="Type what the agency reads out; do not copy it from this page.",
        required=False,
    )


class Thumbprint(Asking):
    """A thumbprint (RFC 7638) as the agency read it out over another channel."""

    thumbprint_heard = forms.CharField(
        label="Thumbprint",
        help_text="Type what the agency reads out; do not copy it from this page.",
        required=False,
    )


def _in(*states: str) -> Callable[[Any, User], bool]:
    return lambda record, user: record.state in states


def _added_by_another(record: Any, user: User) -> bool:
    return bool(record.state == agencies.State.ADDED and record.added_by_id != user.pk)


not_revoked = _in(agencies.State.ADDED, agencies.State.APPROVED)


@admin.register(Referral)
class ReferralDesk(Desk):
    """The docket: what goes to whom, until when, and how far it has come."""

    list_display = ("number", "agency", "state", "due_at", "entered_at")
    list_filter = ("state", "agency")
    list_select_related = ("agency",)
    search_fields = (
        "number__exact",
        "obligation__determination__finding__reference__exact",
    )
    search_help_text = "The whole number of a referral or of a finding."
    steps = (
        Step(
            "withdraw", "Withdraw", Permission.CLOSE_REFERRAL, docket.withdraw,
            "The referral is withdrawn; the agency never gets it.",
            is_open=_in(docket.State.ENTERED, docket.State.SEALED),
        ),
        Step(
            "close", "Close", Permission.CLOSE_REFERRAL, docket.close,
            "The referral is closed.", is_open=_in(docket.State.ACKNOWLEDGED),
        ),
    )  # fmt: skip

    def story(self, request: HttpRequest, record: Any) -> dict[str, Any]:
        """Return the way of the referral: obligation, bundle, attempts, acknowledgement."""
        obligation = record.obligation
        return {
            "obligation": obligation,
            "release": law.classes(obligation.release),
            "withhold": law.withheld(obligation.withhold),
            "bundle": Bundle.objects.filter(referral=record).select_related("agency_key").first(),
            "attempts": record.attempts.all(),
            "acknowledgement": Acknowledgement.objects.filter(referral=record)
            .select_related("client")
            .first(),
        }


@admin.register(Agency)
class AgencyDesk(Desk):
    """Agencies: enrolled by one person, approved by another."""

    list_display = ("authority", "name", "environment", "state", "added_by", "approved_by")
    list_filter = ("state",)
    list_select_related = ("added_by", "approved_by")
    search_fields = ("authority__exact",)
    search_help_text = "The whole name of the authority in the rulebooks."
    shown = (
        "authority", "name", "environment", "state", "added_at", "added_by", "approved_at",
        "approved_by",
    )  # fmt: skip
    steps = (
        Step(
            "approve", "Approve", Permission.APPROVE_AGENCY, agencies.approve,
            "The agency is approved. What is owed to it is entered next.", Asking,
            _added_by_another,
        ),
    )  # fmt: skip


@admin.register(AgencyKey)
class AgencyKeyDesk(Desk):
    """The public keys that bundles are sealed to."""

    list_display = ("__str__", "agency", "state", "expires_at", "added_by", "approved_by")
    list_filter = ("state",)
    list_select_related = ("agency", "added_by", "approved_by")
    search_fields = ("fingerprint__exact", "agency__authority__exact")
    search_help_text = "A whole fingerprint, or the whole name of an authority."
    shown = (
        "agency", "fingerprint", "state", "expires_at", "added_at", "added_by", "approved_at",
        "approved_by", "revoked_at", "revoked_by", "revoked_because",
    )  # fmt: skip
    steps = (
        Step(
            "approve", "Approve", Permission.APPROVE_AGENCY, agencies.approve_key,
            "The key is approved. Bundles can be sealed to it.", Fingerprint, _added_by_another,
        ),
        Step(
            "revoke", "Revoke", Permission.APPROVE_AGENCY, agencies.revoke_key,
            "The key is revoked. Nothing is sealed to it from now on.", Reasoned, not_revoked,
        ),
    )  # fmt: skip


@admin.register(LiaisonClient)
class LiaisonClientDesk(Desk):
    """The programs of the agencies' liaisons."""

    list_display = ("client_id", "agency", "state", "expires_at", "added_by", "approved_by")
    list_filter = ("state",)
    list_select_related = ("agency", "added_by", "approved_by")
    search_fields = ("client_id__exact", "agency__authority__exact")
    search_help_text = "A whole client id, or the whole name of an authority."
    shown = (
        "client_id", "agency", "scopes", "networks", "state", "expires_at", "added_at",
        "added_by", "approved_at", "approved_by", "revoked_at", "revoked_by", "revoked_because",
    )  # fmt: skip
    steps = (
        Step(
            "approve", "Approve", Permission.APPROVE_AGENCY, clients.approve,
            "The client is approved. It can call the liaison API.", Thumbprint, _added_by_another,
        ),
        Step(
            "revoke", "Revoke", Permission.APPROVE_AGENCY, clients.revoke,
            "The client is revoked; its tokens end with it.", Reasoned, not_revoked,
        ),
    )  # fmt: skip
