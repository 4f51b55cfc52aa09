"""Serializers: they name the fields that an agency sees, and decide nothing."""

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from compliance import determinations, overturnings
from referrals import filings, retractions
from referrals.api.authentication import address
from referrals.docket import FilingType, Referral, State
from referrals.inquiries import PROCESSES, REFERENCE_LIMIT, TEXT_LIMIT, Asks
from referrals.inquiries import State as Stage

VISIBLE = [State.DELIVERED, State.ACKNOWLEDGED, State.CLOSED]


class ListQuery(serializers.Serializer[Any]):
    """What a list may be asked for."""

    unread = serializers.BooleanField(required=False, allow_null=True, default=None)
    state = serializers.ChoiceField(VISIBLE, required=False)
    filing_type = serializers.ChoiceField(FilingType.choices, required=False)
    cursor = serializers.CharField(required=False)
    limit = serializers.IntegerField(min_value=1, max_value=100, default=50)


class BundleSummary(serializers.Serializer[Any]):
    """The sealed ZIP, before it is collected."""

    version = serializers.IntegerField(help_text="A header that is issued anew makes the next.")
    size = serializers.IntegerField()
    sha256 = serializers.CharField()


class RuleSummary(serializers.Serializer[Any]):
    """A rule as far as it concerns the agency: what it is called, and where it stands."""

    rule = serializers.CharField()
    title = serializers.CharField()
    cite = serializers.CharField()


class PriorReferral(serializers.Serializer[Any]):
    """An earlier filing of the same matter."""

    id = serializers.UUIDField()
    number = serializers.CharField()
    filing_type = serializers.ChoiceField(FilingType.choices)


class Destroyed(serializers.Serializer[Any]):
    """A bundle that the agency is to destroy, with every copy of it."""

    number = serializers.CharField()
    id = serializers.UUIDField()
    bundle_sha256 = serializers.CharField()


class Notice(serializers.Serializer[Any]):
    """Why something is taken back, and what the agency is to destroy."""

    reason = serializers.ChoiceField(overturnings.Reason.choices)
    overturned_at = serializers.DateTimeField()
    destroy = Destroyed(many=True)
    erase = serializers.ListField(child=serializers.CharField(), help_text="Classes of data.")


class LinksOfReferral(serializers.Serializer[Any]):
    """Where to go on."""

    self = serializers.URLField()
    bundle = serializers.URLField()
    acknowledge = serializers.URLField()
    receipt = serializers.URLField()
    information_requests = serializers.URLField()


class ReferralSerializer(serializers.Serializer[Referral]):
    """A referral as its agency sees it: never the finding, other agencies, or what is withheld."""

    id = serializers.UUIDField()
    number = serializers.CharField()
    state = serializers.ChoiceField(VISIBLE)
    version = serializers.IntegerField()
    kind = serializers.CharField(source="obligation.kind")
    filing_type = serializers.ChoiceField(FilingType.choices)
    prior_referrals = serializers.SerializerMethodField(help_text="Oldest first.")
    retraction = serializers.SerializerMethodField(help_text="Of a retraction: what it asks for.")
    legal_basis = serializers.SerializerMethodField(help_text="The rules that ask for it.")
    due_at = serializers.DateTimeField(allow_null=True)
    delivered_at = serializers.DateTimeField()
    unread = serializers.SerializerMethodField()
    released = serializers.SerializerMethodField(help_text="Classes of data.")
    withheld = serializers.SerializerMethodField(
        help_text="Classes of data that were withheld, with the code."
    )
    bundle = BundleSummary()
    links = serializers.SerializerMethodField()

    def get_unread(self, referral: Referral) -> bool:
        """Tell whether nobody of the agency read it yet."""
        return referral.first_read_at is None

    @extend_schema_field(PriorReferral(many=True))
    def get_prior_referrals(self, referral: Referral) -> Any:
        """Return the earlier filings of the same matter."""
        return PriorReferral(filings.before(referral), many=True).data

    @extend_schema_field(Notice(allow_null=True))
    def get_retraction(self, referral: Referral) -> dict[str, Any] | None:
        """Return what a retraction asks for; nothing for any other filing."""
        is_retraction = referral.filing_type == FilingType.RETRACTION
        return retractions.notice(referral.retraction) if is_retraction else None

    def get_released(self, referral: Referral) -> list[str]:
        """Return the classes of data that are in the bundle."""
        return sorted(filings.released_classes(referral))

    def get_withheld(self, referral: Referral) -> dict[str, str]:
        """Return the classes of data that are not in it, with the code of the reason."""
        return filings.withheld(referral)

    @extend_schema_field(RuleSummary(many=True))
    def get_legal_basis(self, referral: Referral) -> list[dict[str, str]]:
        """Return the legal basis: never the proof, other laws or other recipients."""
        return determinations.legal_basis(referral.obligation)

    def get_links(self, referral: Referral) -> LinksOfReferral:
        """Return the addresses of this referral."""
        return {  # type: ignore[return-value]  # the annotation is for the schema
            name: address(reverse(f"referral-{route}", args=[referral.pk]))
            for name, route in (
                ("self", "detail"),
                ("bundle", "bundle"),
                ("acknowledge", "acknowledge"),
                ("receipt", "receipt"),
                ("information_requests", "requests"),
            )
        }


@extend_schema_serializer(many=False)  # a list answers with one page, not with a list of pages
class PageOfReferrals(serializers.Serializer[Any]):
    """One page, newest first, and the address of the next one."""

    items = ReferralSerializer(many=True)
    next = serializers.URLField(allow_null=True)


class AcknowledgementSerializer(serializers.Serializer[Any]):
    """What an agency says when it has the bundle."""

    agency_reference = serializers.CharField(max_length=100)
    receipt_sha256 = serializers.RegexField(
        r"^[0-9a-f]{64}$", help_text="The SHA-256 of the bundle, computed by the agency."
    )


class AcknowledgedSerializer(serializers.Serializer[Any]):
    """The acknowledgement as it is on record."""

    number = serializers.CharField(source="referral.number")
    state = serializers.CharField(source="referral.state")
    version = serializers.IntegerField(source="referral.version")
    acknowledged_at = serializers.DateTimeField(source="referral.acknowledged_at")
    agency_reference = serializers.CharField()
    receipt_sha256 = serializers.CharField()


class AskingSerializer(serializers.Serializer[Any]):
    """What an agency asks about a referral of its own, under legal process."""

    asks = serializers.ChoiceField(
        Asks.choices,
        help_text="Orders to watch, to search or to deliver what is yet to come are refused.",
    )
    classes = serializers.ListField(
        child=serializers.CharField(max_length=20),
        max_length=20,
        default=list,
        help_text="For data: one or more of the classes that the referral withholds.",
    )
    legal_process = serializers.ChoiceField(PROCESSES)
    process_reference = serializers.CharField(
        max_length=REFERENCE_LIMIT, help_text="The number of the order or letter."
    )
    text = serializers.CharField(
        max_length=TEXT_LIMIT, allow_blank=True, default="", help_text="What is asked, and why."
    )

    def to_internal_value(self, data: Any) -> Any:
        """Refuse a member that we do not know: who relies on it would be misled."""
        if isinstance(data, dict) and data.keys() - self.fields.keys():
            wrong = {"non_field_errors": ["unknown"]}  # never its name: it may say anything
            raise serializers.ValidationError(wrong, code="unknown_member")
        return super().to_internal_value(data)


class InformationRequestSerializer(serializers.Serializer[Any]):
    """A request for information as it is on record, and what it was answered."""

    id = serializers.UUIDField()
    number = serializers.CharField()
    state = serializers.ChoiceField(Stage.choices)
    asks = serializers.ChoiceField(Asks.choices)
    classes = serializers.ListField(child=serializers.CharField())
    legal_process = serializers.ChoiceField(PROCESSES)
    process_reference = serializers.CharField()
    text = serializers.CharField()
    received_at = serializers.DateTimeField()
    answered_at = serializers.DateTimeField(allow_null=True)
    refused_at = serializers.DateTimeField(allow_null=True)
    reply = serializers.CharField(help_text="Empty until it is answered or refused.")


class InformationRequests(serializers.Serializer[Any]):
    """What the agency asked about one referral, newest first."""

    items = InformationRequestSerializer(many=True)


class ReceiptSerializer(serializers.Serializer[Any]):
    """The proof that the delivery is in the log, to be checked offline."""

    proof = serializers.CharField(help_text="A tlog-proof, byte for byte.")
    entry = serializers.CharField(help_text="The log entry, byte for byte; its leaf is hashed.")
    vkey = serializers.CharField(help_text="The log's public key.")


class ProblemSerializer(serializers.Serializer[Any]):
    """Problem details (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="Stable; decide by this one.")
    detail = serializers.CharField()
    errors = serializers.JSONField(  # type: ignore[assignment]
        required=False, help_text="Per field, the rules broken."
    )


class TaskingSerializer(ProblemSerializer):
    """A refused order is answered with the address for legal process, and with nothing else."""

    legal_process_url = serializers.URLField(
        required=False, allow_null=True, help_text="With tasking_not_supported alone."
    )


class TokenErrorSerializer(ProblemSerializer):
    """A refusal of the token endpoint: problem details, and beside them what OAuth clients read."""

    error = serializers.CharField(help_text="The code of RFC 6749 section 5.2.")
    error_description = serializers.CharField()
