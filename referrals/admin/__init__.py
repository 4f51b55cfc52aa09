"""Admin: the desk over referrals' rooms: the docket, the agencies and their keys."""

import json
from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest

from compliance import releases
from compliance.admin import law
from compliance.admin.desk import Button, Desk, Step, at, standing
from compliance.admin.forms import Asking, LocalTime, Read, Reasoned, Zoned
from compliance.models import Hold
from compliance.roles import Permission
from referrals import agencies, clients, docket, filings, inquiries, receipts, routes
from referrals.admin import undoing as undoing
from referrals.admin.conditions import added_by_another, not_revoked, within
from referrals.admin.ways import NewRoute
from referrals.models import (
    Acknowledgement,
    Agency,
    AgencyKey,
    Bundle,
    InformationRequest,
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


class Reply(Read):
    """What an agency is told about its request."""

    reply = forms.CharField(
        label="What the agency is told",
        help_text="The agency reads these words. What it asks for never leaves through them.",
        widget=forms.Textarea(attrs={"rows": 3}),
        required=False,
    )


class Reference(Read):
    """The number under which the agency keeps a referral; its own word is put before counsel."""

    external_ref = forms.CharField(
        label="External reference",
        help_text="The number that the agency gave, such as the CAS number in South Africa.",
        required=False,
    )

    def __init__(self, record: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(record, *args, **kwargs)
        said = Acknowledgement.objects.filter(referral=record).first()
        self.fields["external_ref"].initial = record.external_ref or (
            said.agency_reference if said else ""
        )


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
            is_open=within(docket.State.ENTERED, docket.State.SEALED),
        ),
        Step(
            "note-reference", "Note the external reference", Permission.CLOSE_REFERRAL,
            receipts.note_reference, "The external reference is on record.", Reference,
            within(*receipts.REFERENCED),
        ),
        Step(
            "close", "Close", Permission.CLOSE_REFERRAL, docket.close,
            "The referral is closed.", is_open=within(docket.State.ACKNOWLEDGED),
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
            "wants_reference": docket.wants_reference(record),
            "is_idle": docket.idle().filter(pk=record.pk).exists(),
            "release": law.classes(sorted(filings.released_classes(record))),
            "withhold": law.withheld(filings.withheld(record)),
            "earlier": filings.before(record),
            "later": record.later_referrals.order_by("entered_at"),
            "retraction": Retraction.objects.filter(referral=record).first(),
            "bundle": Bundle.objects.filter(referral=record).select_related("agency_key").first(),
            "attempts": record.attempts.all(),
            "inquiries": record.inquiries.all(),
            "acknowledgement": Acknowledgement.objects.filter(referral=record)
            .select_related("client")
            .first(),
        }


@admin.register(InformationRequest)
class InquiryDesk(Desk):
    """What agencies ask about referrals of their own, under legal process."""

    seen_with = Permission.VIEW_MATTER
    called = "Requests of agencies"
    list_display = ("number", "referral", "legal_process", standing, at("received_at"))
    list_filter = ("state", "legal_process")
    list_select_related = ("referral",)
    search_fields = ("number__exact", "referral__number__exact")
    search_help_text = "The whole number of a request or of a referral."
    shown = (
        "referral", "state", "asks", "classes", "legal_process", "process_reference", "text",
        "client", "received_at", "answered_at", "answered_by", "refused_at", "refused_by", "reply",
    )  # fmt: skip
    steps = (
        Step(
            "answer", "Answer", Permission.ANSWER_REQUEST, inquiries.answer,
            "The request is answered. The agency reads it over the API.", Reply,
            within(inquiries.State.RECEIVED),
            "Say what becomes of it. The data itself goes by the legal process alone.",
        ),
        Step(
            "refuse", "Refuse", Permission.ANSWER_REQUEST, inquiries.refuse,
            "The request is refused. The agency reads why.", Reply,
            within(inquiries.State.RECEIVED),
            "Refuse what is no request about this referral, such as an order to watch somebody.",
        ),
    )  # fmt: skip

    def headline(self, record: Any) -> str:
        """Return what stands over the page of a request."""
        return f"Request {record} about referral {record.referral}"

    def story(self, request: HttpRequest, record: Any, tried: Button | None) -> dict[str, Any]:
        """Return the hold that a letter may ask to be extended."""
        asked = record.referral.obligation.determination
        return {"hold": Hold.objects.filter(determination=asked).first()}


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
            added_by_another, "What is owed to this authority goes to this agency from now on.",
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
            "add-route", "Add a route", Permission.ENROL_AGENCY, routes.add,
            "The route is on record. It counts once a second person approved it.", NewRoute,
            not_revoked, "Without a route the agency collects its bundles at the liaison API.",
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
        """Return the agency's keys, clients and routes."""
        return (*record.keys.all(), *record.clients.all(), *record.routes.all())

    def story(self, request: HttpRequest, record: Any, tried: Button | None) -> dict[str, Any]:
        """Return the agency's keys, clients and routes."""
        return {
            "keys": record.keys.all(),
            "clients": record.clients.order_by("client_id"),
            "routes": record.routes.all(),
        }


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
            "The key is approved. Bundles can be sealed to it.", Fingerprint, added_by_another,
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
            "The client is approved. It can call the liaison API.", Thumbprint, added_by_another,
        ),
        Step(
            "revoke", "Revoke", Permission.APPROVE_AGENCY, clients.revoke,
            "The client is revoked; its tokens end with it.", Reasoned, not_revoked,
        ),
    )  # fmt: skip
