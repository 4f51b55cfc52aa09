"""Admin: the desk over referrals' rooms: the docket, the agencies and their keys."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest

from compliance import overturnings, releases
from compliance.admin import law
from compliance.admin.desk import Button, Desk, Step, at, standing
from compliance.admin.forms import Asking, Decision, LocalTime, Reasoned, Zoned
from compliance.roles import Permission, User
from referrals import agencies, clients, docket, filings, retractions
from referrals.models import (
    Acknowledgement,
    Agency,
    AgencyKey,
    Bundle,
    LiaisonClient,
    Referral,
    Retraction,
)


class NewAgency(Asking):
    """Which authority of the rulebooks an agency answers for, and what it is called."""

    authority = forms.ChoiceField(label="Authority, as the rulebooks name it")
    name = forms.CharField(label="Name of the agency's desk", required=False)
    environment = forms.ChoiceField(
        label="Environment",
        choices=[("test", "test: nothing real goes there"), ("production", "production")],
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = releases.rules().authorities.items()
        # What is owed to an authority that stands for another goes to that other one.
        self.fields["authority"].choices = [  # type: ignore[attr-defined]
            (key, f"{each['title']} ({key})") for key, each in known if "same_as" not in each
        ]


class NewKey(Zoned):
    """An age public key of the agency, and its last moment."""

    recipient = forms.CharField(
        label="Public key",
        help_text="What the agency sent: age1… or age1pq….",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        required=False,
    )
    expires_at = LocalTime(label="To be used until")
    field_order = ["recipient", "expires_at", "zone"]


class PublicKey(forms.CharField):
    """A JSON Web Key (RFC 7517), shown again as it was pasted."""

    def to_python(self, value: Any) -> Any:
        """Return the object; whether it is a key is for the verb to say."""
        text = super().to_python(value)
        try:
            found = json.loads(text) if text else None
        except (ValueError, RecursionError):
            found = text
        if text and not isinstance(found, dict):
            raise ValidationError("Paste the whole key, from { to }.")
        return found


class Networks(forms.CharField):
    """Networks, one a line."""

    def to_python(self, value: Any) -> Any:
        """Return the networks as a list."""
        return (super().to_python(value) or "").split()


class NewClient(Zoned):
    """A program of the agency's liaisons: its name, its public key, and what it may do."""

    client_id = forms.CharField(label="Client id", required=False)
    public_key = PublicKey(
        label="Public key (JWK)",
        help_text="Ed25519, as the agency sent it. Never its private part.",
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
    )
    scopes = forms.MultipleChoiceField(
        label="What it may do",
        widget=forms.CheckboxSelectMultiple,
        choices=clients.Scope.choices,
        required=False,
    )
    networks = Networks(
        label="Networks it calls from",
        help_text="One a line, such as 192.0.2.0/24. Empty means anywhere.",
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        required=False,
    )
    expires_at = LocalTime(label="To be used until")
    field_order = ["client_id", "public_key", "scopes", "networks", "expires_at", "zone"]


class Fingerprint(Asking):
    """A fingerprint as the agency read it out over another channel."""

    fingerprint = forms.CharField(
        label="Fingerprint",
        help_text="Type what the agency reads out over the telephone, not what it sent.",
        required=False,
    )


class Thumbprint(Asking):
    """A thumbprint (RFC 7638) as the agency read it out over another channel."""

    thumbprint_heard = forms.CharField(
        label="Thumbprint",
        help_text="Type what the agency reads out over the telephone, not what it sent.",
        required=False,
    )


def _in(*states: str) -> Callable[[Any, User], bool]:
    return lambda record, user: record.state in states


def _unsigned(retraction: Retraction, user: User) -> bool:
    is_open = retraction.state == retractions.State.PROPOSED
    return is_open and overturnings.is_second(retraction.overturning, user)


def _added_by_another(record: Any, user: User) -> bool:
    return bool(record.state == agencies.State.ADDED and record.added_by_id != user.pk)


not_revoked = _in(agencies.State.ADDED, agencies.State.APPROVED)


@admin.register(Referral)
class ReferralDesk(Desk):
    """The docket: what goes to whom, until when, and how far it has come."""

    seen_with = Permission.VIEW_MATTER
    list_display = (
        "number", "filing_type", "agency", standing, at("due_at"), at("entered_at"), "owner",
    )  # fmt: skip
    list_filter = ("state", "filing_type", "agency")
    list_select_related = ("agency", "owner")
    search_fields = (
        "number__exact",
        "obligation__determination__finding__reference__exact",
    )
    search_help_text = "The whole number of a referral or of a finding."
    steps = (
        Step(
            "withdraw", "Withdraw", Permission.CLOSE_REFERRAL, docket.withdraw,
            "The referral is withdrawn; the agency never gets it.",
            hint="The agency never gets it. What the law obliges to may then be owed still.",
            is_open=_in(docket.State.ENTERED, docket.State.SEALED),
        ),
        Step(
            "close", "Close", Permission.CLOSE_REFERRAL, docket.close,
            "The referral is closed.", is_open=_in(docket.State.ACKNOWLEDGED),
        ),
    )  # fmt: skip

    def headline(self, record: Any) -> str:
        """Return what stands over the page of a referral."""
        return f"Referral {record}"

    def story(self, request: HttpRequest, record: Any, tried: Button | None) -> dict[str, Any]:
        """Return the way of the referral: obligation, bundle, attempts, acknowledgement."""
        obligation = record.obligation
        return {
            "obligation": obligation,
            "is_idle": docket.idle().filter(pk=record.pk).exists(),
            "release": law.classes(sorted(filings.released_classes(record))),
            "withhold": law.withheld(filings.withheld(record)),
            "earlier": filings.before(record),
            "later": record.later_referrals.order_by("entered_at"),
            "retraction": Retraction.objects.filter(referral=record).first(),
            "bundle": Bundle.objects.filter(referral=record).select_related("agency_key").first(),
            "attempts": record.attempts.all(),
            "acknowledgement": Acknowledgement.objects.filter(referral=record)
            .select_related("client")
            .first(),
        }


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


@admin.register(Agency)
class AgencyDesk(Desk):
    """Agencies: enrolled by one person, approved by another."""

    seen_with = Permission.VIEW_REGISTER
    list_display = ("authority", "name", "environment", standing, "added_by", "approved_by")
    list_filter = ("state",)
    list_select_related = ("added_by", "approved_by")
    search_fields = ("authority__exact",)
    search_help_text = "The whole name of the authority in the rulebooks."
    shown = (
        "authority", "name", "environment", "state", "added_at", "added_by", "approved_at",
        "approved_by", "revoked_at", "revoked_by", "revoked_because",
    )  # fmt: skip
    begin = Step(
        "enrol", "Enrol an agency", Permission.ENROL_AGENCY, agencies.enrol,
        "The agency is enrolled. Add its key and its client; a second person approves each.",
        NewAgency, hint="A second person approves it. You add its key on the next page.",
    )  # fmt: skip
    steps = (
        Step(
            "approve", "Approve", Permission.APPROVE_AGENCY, agencies.approve,
            "The agency is approved. What is owed to it is entered next.", Asking,
            _added_by_another, "What is owed to this authority goes to this agency from now on.",
        ),
        Step(
            "add-key", "Add a key", Permission.ENROL_AGENCY, agencies.add_key,
            "The key is on record. It counts once a second person approved it.", NewKey,
            not_revoked, "Bundles are sealed to this key, so that this agency alone opens them.",
        ),
        Step(
            "admit", "Admit a client", Permission.ENROL_AGENCY, clients.admit,
            "The client is on record. It counts once a second person approved it.", NewClient,
            not_revoked, "With it the agency's program fetches and acknowledges its referrals.",
        ),
        Step(
            "revoke", "Revoke", Permission.APPROVE_AGENCY, agencies.revoke,
            "The agency is revoked. Nothing more goes to it, and its clients cannot call.",
            Reasoned, not_revoked,
        ),
    )  # fmt: skip

    def headline(self, record: Any) -> str:
        """Return what stands over the page of an agency."""
        return str(record.name)

    def parts(self, record: Any) -> Iterable[models.Model]:
        """Return the agency's keys and clients."""
        return (*record.keys.all(), *record.clients.all())

    def story(self, request: HttpRequest, record: Any, tried: Button | None) -> dict[str, Any]:
        """Return the agency's keys and clients."""
        return {"keys": record.keys.all(), "clients": record.clients.order_by("client_id")}


@admin.register(AgencyKey)
class AgencyKeyDesk(Desk):
    """The public keys that bundles are sealed to."""

    seen_with = Permission.VIEW_REGISTER
    list_display = ("__str__", "agency", standing, at("expires_at"), "added_by", "approved_by")
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

    def row(self, record: Any, name: str) -> tuple[str, object]:
        """Return one field; nobody can copy the fingerprint that is to be read out."""
        label, value = super().row(record, name)
        unheard = name == "fingerprint" and record.state == agencies.State.ADDED
        return label, "shown once it is approved" if unheard else value


@admin.register(LiaisonClient)
class LiaisonClientDesk(Desk):
    """The programs of the agencies' liaisons."""

    seen_with = Permission.VIEW_REGISTER
    ordering = ("client_id",)
    list_display = ("client_id", "agency", standing, at("expires_at"), "added_by", "approved_by")
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
