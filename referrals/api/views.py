"""Views: each translates a request, calls one room, and translates what it returns."""

import hashlib
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework.decorators import action
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.viewsets import GenericViewSet

from compliance.audit import signing
from referrals import docket, inquiries, receipts
from referrals.api import conditions, idempotency, pagination, schema
from referrals.api.authentication import address, caller
from referrals.api.permissions import MayAcknowledge, MayAsk, MayRead
from referrals.api.serializers import (
    AcknowledgedSerializer,
    AcknowledgementSerializer,
    AskingSerializer,
    InformationRequestSerializer,
    ListQuery,
    ReceiptSerializer,
    ReferralSerializer,
)
from referrals.bundles import Bundle
from referrals.docket import Referral


class OneForm(DefaultContentNegotiation):
    """Each address answers in one form, whatever Accept says (RFC 9110 section 12.4.1)."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        """Return the one renderer."""
        return renderers[0], renderers[0].media_type


class ShallowJSON(JSONParser):
    """JSON that is nested no deeper than Python can read."""

    def parse(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the body says; what is nested too deep is no JSON to us."""
        try:
            return super().parse(*args, **kwargs)
        except RecursionError as error:
            raise ParseError from error


class PerClient(SimpleRateThrottle):
    """Ten calls a second are more than any program needs; a stolen token gets no further."""

    rate = "600/min"

    def get_cache_key(self, request: Request, view: Any) -> str:
        """Count by the client that calls."""
        return f"client:{caller(request).pk}"


class Referrals(GenericViewSet[Referral]):
    """The referrals addressed to the caller's agency. Another agency's is not there: a 404."""

    queryset = Referral.objects.none()
    permission_classes = (MayRead,)
    throttle_classes = (PerClient,)
    parser_classes = (ShallowJSON,)
    content_negotiation_class = OneForm
    http_method_names = ["get", "head", "post"]
    lookup_value_regex = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

    def get_queryset(self) -> QuerySet[Referral]:
        """Return what the caller's agency may see: the only way in."""
        ours = docket.for_agency(caller(self.request).agency)
        whole = ("snapshot", "explanation")  # of the matter, and long
        beside = ("bundle", "obligation__determination__release", "retraction__overturning")
        return (
            ours.select_related(*beside)
            .prefetch_related("prior_referrals")
            .defer(
                *(f"obligation__determination__{name}" for name in whole),
                "obligation__determination__release__manifest",
            )
        )

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Keep everything out of shared caches."""
        return super().default_response_headers | {"Cache-Control": "private, no-cache"}

    @schema.LIST
    def list(self, request: Request) -> Response:
        """List referrals, newest first."""
        query = ListQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        rows = self.get_queryset()
        if asked["unread"] is not None:
            rows = rows.filter(first_read_at__isnull=asked["unread"])
        for name in ("state", "filing_type"):
            if name in asked:
                rows = rows.filter(**{name: asked[name]})
        after = pagination.place(asked["cursor"]) if "cursor" in asked else None
        found, place = pagination.page(rows, after=after, limit=asked["limit"])
        following = _following(request, place) if place else None
        shown = ReferralSerializer(found, many=True)  # type: ignore[arg-type]
        return Response(
            {"items": shown.data, "next": following},
            headers={"Link": f'<{following}>; rel="next"'} if following else {},
        )

    @schema.READ
    def retrieve(self, request: Request, pk: str) -> HttpResponseBase:
        """Read a referral; it is not unread from here on."""
        referral = self.get_object()
        tag = conditions.etag(referral.version)
        if conditions.is_known(request, tag):
            return conditions.not_modified(tag)
        if request.method != "HEAD":  # which shows nothing to read
            referral = receipts.read(referral, by=caller(request))
        tag = conditions.etag(referral.version)
        return Response(ReferralSerializer(referral).data, headers={"ETag": tag})

    @schema.BUNDLE
    @action(detail=True)
    def bundle(self, request: Request, pk: str) -> HttpResponseBase:
        """Collect the sealed bundle, whole or a range of it."""
        referral = self.get_object()
        docket.require_collectable(referral)
        bundle = referral.bundle
        headers = _headers(referral, bundle)
        if conditions.is_known(request, headers["ETag"]):
            return conditions.not_modified(headers["ETag"])
        if request.method == "HEAD":  # nothing is collected, and no range applies
            return HttpResponse(headers=headers | {"Content-Length": str(bundle.size)})
        span = conditions.asked_range(request, headers["ETag"], bundle.size)
        start, stop = span or (0, bundle.size)
        return StreamingHttpResponse(
            receipts.collect(referral, start=start, stop=stop, by=caller(request)),
            status=206 if span else 200,
            headers=headers | (_part(bundle, start, stop) if span else _whole(bundle)),
        )

    @schema.ACKNOWLEDGE
    @action(detail=True, methods=["post"], permission_classes=[MayAcknowledge])
    def acknowledge(self, request: Request, pk: str) -> HttpResponse:
        """Acknowledge a referral under the agency's own reference."""
        referral = self.get_object()
        asked = AcknowledgementSerializer(data=request.data)
        asked.is_valid(raise_exception=True)

        def act() -> dict[str, Any]:
            version = conditions.agreed(request, referral.version)
            done = receipts.acknowledge(
                referral, version=version, by=caller(request), **asked.validated_data
            )
            return dict(AcknowledgedSerializer(done).data)

        return idempotency.once(request, act)

    @schema.ASKED
    @action(
        detail=True,
        url_path="information-requests",
        url_name="requests",
        permission_classes=[MayAsk],
    )
    def requests(self, request: Request, pk: str) -> Response:
        """List what the agency asked about a referral, and what it was answered."""
        asked = inquiries.about(self.get_object())
        return Response({"items": InformationRequestSerializer(asked, many=True).data})

    @schema.ASK
    @requests.mapping.post  # type: ignore[untyped-decorator]
    def ask(self, request: Request, pk: str) -> HttpResponse:
        """Ask, under legal process, for what the referral withholds, or that it be kept."""
        referral = self.get_object()
        if inquiries.is_tasking(request.data):
            digest = hashlib.sha256(request._request.body).hexdigest()
            inquiries.refuse_tasking(referral, request_sha256=digest, by=caller(request))
        asked = AskingSerializer(data=request.data)
        asked.is_valid(raise_exception=True)

        def act() -> dict[str, Any]:
            version = conditions.agreed(request, referral.version)
            received = inquiries.receive(
                referral, version=version, by=caller(request), **asked.validated_data
            )
            return dict(InformationRequestSerializer(received).data)

        return idempotency.once(request, act)

    @schema.RECEIPT
    @action(detail=True)
    def receipt(self, request: Request, pk: str) -> Response:
        """Read the proof that the delivery is in the log."""
        proof, entry = receipts.proof(self.get_object())
        told = {"proof": proof, "entry": entry.decode(), "vkey": signing.vkey()}
        return Response(ReceiptSerializer(told).data)


def _following(request: Request, place: pagination.Place) -> str:
    query = urlencode(request.query_params.dict() | {"cursor": place.cursor()})
    return address(f"{request.path}?{query}")


def _headers(referral: Referral, bundle: Bundle) -> dict[str, str]:
    return {
        "Content-Type": "application/zip",
        "Content-Disposition": f'attachment; filename="{referral.number}.zip"',
        "ETag": conditions.etag(bundle.sha256),
        "Accept-Ranges": "bytes",
        "Repr-Digest": conditions.digest(bundle.sha256),  # of the whole ZIP, whatever is sent of it
    }


def _whole(bundle: Bundle) -> dict[str, str]:
    return {
        "Content-Length": str(bundle.size),
        "Content-Digest": conditions.digest(bundle.sha256),  # of what is sent (RFC 9530 section 2)
    }


def _part(bundle: Bundle, start: int, stop: int) -> dict[str, str]:
    return {
        "Content-Length": str(stop - start),
        "Content-Range": f"bytes {start}-{stop - 1}/{bundle.size}",
    }
