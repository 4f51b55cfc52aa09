"""The schema: what OpenAPI says about each address, its headers and its refusals."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers

from referrals.api.errors import MEDIA_TYPE
from referrals.api.serializers import (
    AcknowledgedSerializer,
    AcknowledgementSerializer,
    AskingSerializer,
    InformationRequests,
    InformationRequestSerializer,
    ListQuery,
    PageOfReferrals,
    ProblemSerializer,
    ReceiptSerializer,
    ReferralSerializer,
    TaskingSerializer,
    TokenErrorSerializer,
)

Decorator = Callable[[Any], Any]


class DPoPScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes our authentication class."""

    target_class = "referrals.api.authentication.DPoP"
    name = "DPoP"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Return the scheme; OpenAPI has no type of its own for proofs."""
        return {
            "type": "http",
            "scheme": "dpop",
            "description": "`Authorization: DPoP <token>` with a token from /api/token, and in "
            "the header `DPoP` a proof of the key that the token is bound to (RFC 9449), made "
            "anew for each request.",
        }


def header(name: str, description: str, *, required: bool = False) -> OpenApiParameter:
    """Describe a header of a request."""
    return OpenApiParameter(
        name, str, OpenApiParameter.HEADER, required=required, description=description
    )


def reply_header(name: str, description: str, *statuses: str) -> OpenApiParameter:
    """Describe a header of an answer."""
    return OpenApiParameter(
        name, str, OpenApiParameter.HEADER, response=list(statuses), description=description
    )


PROOF = header("DPoP", "A proof of the key, for this request alone (RFC 9449).", required=True)
IF_NONE_MATCH = header("If-None-Match", "The ETag you have; 304 if it is still the one.")
IF_MATCH = header(
    "If-Match",
    "The ETag of the referral you act upon. Without it 428, with an old one 412.",
    required=True,
)
IDEMPOTENCY_KEY = header(
    "Idempotency-Key",
    "1 to 128 visible characters of your own. The same request under the same key acts once.",
    required=True,
)
CHALLENGE = reply_header("WWW-Authenticate", "The scheme, and what is wrong with it.", "401")
LOG_CHECKPOINT = reply_header(
    "Log-Checkpoint",
    "The newest signed state of the audit log, a C2SP checkpoint in base64. Keep it: a log that "
    "does not continue it later was rewritten.",
    "200",
)
RETRY_AFTER = reply_header("Retry-After", "Seconds to wait.", "429")
VERSION_TAG = reply_header("ETag", "The version, quoted.", "200", "304")


def _described(
    operation: str, answers: dict[Any, Any], *refusals: int, parameters: list[Any], **more: Any
) -> Decorator:
    problems = {
        (status, MEDIA_TYPE): ProblemSerializer for status in (401, 403, *refusals, 429, 500)
    }
    return extend_schema(
        operation_id=operation,
        parameters=[PROOF, *parameters, CHALLENGE, LOG_CHECKPOINT, RETRY_AFTER],
        responses=problems | answers,
        **more,
    )


# What every change of state wants, and how it may be refused.
CHANGE = [
    IF_MATCH,
    IDEMPOTENCY_KEY,
    reply_header("Idempotent-Replayed", "true if this is the answer of before.", "200"),
]
CHANGE_REFUSED = (400, 404, 409, 412, 413, 415, 422, 428)

LIST = _described(
    "list_referrals",
    {200: PageOfReferrals},
    400,
    parameters=[ListQuery, reply_header("Link", 'The next page, rel="next" (RFC 8288).', "200")],
)
READ = _described(
    "read_referral",
    {200: ReferralSerializer, 304: None},
    404,
    parameters=[IF_NONE_MATCH, VERSION_TAG],
)
BUNDLE = _described(
    "collect_bundle",
    {
        (200, "application/zip"): OpenApiTypes.BINARY,
        (206, "application/zip"): OpenApiTypes.BINARY,
        304: None,
    },
    404,
    410,
    416,
    parameters=[
        IF_NONE_MATCH,
        header("Range", "One range of bytes; several are answered with the whole."),
        header("If-Range", "The ETag of the part you have; the whole if it changed."),
        reply_header("ETag", "The SHA-256 of the sealed ZIP in hex, quoted.", "200", "206", "304"),
        reply_header("Accept-Ranges", "bytes", "200", "206"),
        reply_header("Content-Digest", "SHA-256 of what you get (RFC 9530).", "200"),
        reply_header("Repr-Digest", "SHA-256 of the whole (RFC 9530).", "200", "206"),
        reply_header("Content-Range", "Which bytes these are, of how many.", "206", "416"),
    ],
)
ACKNOWLEDGE = _described(
    "acknowledge_referral",
    {200: AcknowledgedSerializer},
    *CHANGE_REFUSED,
    parameters=CHANGE,
    request=AcknowledgementSerializer,
)
ASKED = _described("list_information_requests", {200: InformationRequests}, 404, parameters=[])
ASK = _described(
    "request_information",
    {200: InformationRequestSerializer, (403, MEDIA_TYPE): TaskingSerializer},
    *CHANGE_REFUSED,
    parameters=CHANGE,
    request=AskingSerializer,
)
RECEIPT = _described("read_receipt", {200: ReceiptSerializer}, 404, 409, parameters=[])

TOKEN = extend_schema(
    operation_id="token",
    parameters=[
        PROOF,
        CHALLENGE,
        RETRY_AFTER,
        reply_header("Cache-Control", "no-store", "200"),
    ],
    request={
        "application/x-www-form-urlencoded": inline_serializer(
            "TokenRequest",
            {
                "grant_type": serializers.ChoiceField(["client_credentials"]),
                "client_assertion_type": serializers.CharField(),
                "client_assertion": serializers.CharField(),
                "client_id": serializers.CharField(required=False),
                "scope": serializers.CharField(required=False),
            },
        )
    },
    responses={
        200: inline_serializer(
            "TokenAnswer",
            {
                "access_token": serializers.CharField(),
                "token_type": serializers.ChoiceField(["DPoP"]),
                "expires_in": serializers.IntegerField(),
                "scope": serializers.CharField(),
            },
        ),
        400: TokenErrorSerializer,
        401: TokenErrorSerializer,
        **{(status, MEDIA_TYPE): ProblemSerializer for status in (406, 413, 415, 429, 500)},
    },
)
