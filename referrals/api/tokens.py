"""Tokens: where a program proves who it is and gets a token of five minutes, bound to its key."""

from typing import Any

from django.http import QueryDict
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import FormParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from referrals import clients
from referrals.api import assertions, proofs, schema
from referrals.api.authentication import address
from referrals.api.errors import OAuthProblem
from referrals.api.jose import ALGORITHMS, BadToken
from referrals.clients import LiaisonClient, Scope

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class PerAddress(SimpleRateThrottle):
    """Two tokens a second are more than any program needs; guessing gets no further."""

    rate = "120/min"

    def get_cache_key(self, request: Request, view: APIView) -> str:
        """Count by the address that the middleware worked out."""
        return f"token:{assertions.remote_address()}"


class Metadata(APIView):
    """How to get a token, in the form that stock clients configure themselves by (RFC 8414)."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(responses=OpenApiTypes.OBJECT, operation_id="metadata")
    def get(self, request: Request) -> Response:
        """Return the metadata of the authorization server."""
        return Response(
            {
                "issuer": issuer(),
                "token_endpoint": token_endpoint(),
                "scopes_supported": Scope.values,
                "response_types_supported": [],
                "grant_types_supported": ["client_credentials"],
                "token_endpoint_auth_methods_supported": ["private_key_jwt"],
                "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
                "dpop_signing_alg_values_supported": ALGORITHMS,
            }
        )


class Token(APIView):
    """The token endpoint: client_credentials, private_key_jwt, DPoP."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    parser_classes = (FormParser,)
    throttle_classes = (PerAddress,)

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Keep tokens out of every cache (RFC 6749 section 5.1)."""
        return super().default_response_headers | {"Cache-Control": "no-store"}

    def handle_exception(self, exc: Exception) -> Response:
        """Answer what went wrong; who was not let in is on record first."""
        if isinstance(exc, OAuthProblem):
            clients.refuse(getattr(self.request._request, "liaison", None), exc.code)
        return super().handle_exception(exc)

    @schema.TOKEN
    def post(self, request: Request) -> Response:
        """Return a token that is bound to the key of the proof."""
        form = request.data or QueryDict()  # an empty body is parsed by nobody
        if _one(form, "grant_type") != "client_credentials":
            raise OAuthProblem(400, "unsupported_grant_type", "Ask for client_credentials.")
        client = request._request.liaison = _client(form)  # type: ignore[attr-defined]  # who acts
        thumbprint = _proven(request)
        _check_scope(client, _one(form, "scope"))
        return Response(
            {
                "access_token": clients.issue_token(client, thumbprint),
                "token_type": "DPoP",
                "expires_in": int(clients.TOKEN_LIFE.total_seconds()),
                "scope": " ".join(client.scopes),
            }
        )


def issuer() -> str:
    """Return the name under which we issue tokens."""
    return address("")


def token_endpoint() -> str:
    """Return the address of the token endpoint."""
    return address(reverse("token"))


def _one(form: Any, name: str) -> str:
    """Return a parameter, empty if absent; twice is an error (RFC 6749 section 3.2)."""
    values = form.getlist(name)
    if len(values) > 1:
        raise OAuthProblem(400, "invalid_request", f"The parameter {name} came twice.")
    return str(values[0]) if values else ""


def _client(form: Any) -> LiaisonClient:
    if _one(form, "client_assertion_type") != JWT_BEARER:
        raise OAuthProblem(401, "invalid_client", f"client_assertion_type must be {JWT_BEARER}.")
    try:
        client = assertions.check(
            _one(form, "client_assertion"), audiences=(issuer(), token_endpoint())
        )
    except BadToken as error:
        raise OAuthProblem(401, "invalid_client", str(error)) from error
    if _one(form, "client_id") not in ("", client.client_id):
        raise OAuthProblem(401, "invalid_client", "client_id is not who signed the assertion.")
    return client


def _proven(request: Request) -> str:
    """Return the thumbprint of the key that the token will be bound to."""
    try:
        return proofs.check(request.headers.get("DPoP"), method="POST", url=token_endpoint())
    except BadToken as error:
        raise OAuthProblem(400, "invalid_dpop_proof", str(error)) from error


def _check_scope(client: LiaisonClient, asked: str) -> None:
    """Refuse to promise more than the client has; a token always carries all of its scopes."""
    if set(asked.split()) - set(client.scopes):
        raise OAuthProblem(400, "invalid_scope", "The client does not have every scope asked for.")
