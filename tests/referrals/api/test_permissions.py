"""Permissions: each action takes its scope, and a view that names none lets nobody pass."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import include, path
from joserfc.jwk import OKPKey
from rest_framework.response import Response
from rest_framework.views import APIView

from referrals.agencies import Agency
from referrals.clients import LiaisonClient, Scope
from referrals.docket import Referral
from tests.referrals.api.conftest import LIST, Program

READ, ACKNOWLEDGE = Scope.READ, Scope.ACKNOWLEDGE


class Careless(APIView):
    """A view whose author forgot to say who may."""

    def get(self, request: Any) -> Response:
        """Answer."""
        raise AssertionError("a view without permission was reached")


urlpatterns = [
    path("api/v1/careless", Careless.as_view()),
    path("", include("referrals.api.urls")),
]


class TestScopes:
    @pytest.mark.parametrize("part", ["", "/bundle", "/receipt", None])
    @pytest.mark.parametrize(
        ("scopes", "passes"),
        [([READ], True), ([READ, ACKNOWLEDGE], True), ([ACKNOWLEDGE], False)],
        ids=["read", "both", "acknowledge"],
    )
    def test_to_read_opens_what_is_read(
        self,
        delivered: Referral,
        admit: Callable[..., LiaisonClient],
        liaison_key: OKPKey,
        part: str | None,
        scopes: list[str],
        passes: bool,
    ) -> None:
        admit(delivered.agency, liaison_key, scopes=scopes)
        address = LIST if part is None else f"{LIST}/{delivered.pk}{part}"
        reply = Program("lee", liaison_key).get(address)
        assert (reply.status_code != 403) == passes
        if not passes:
            assert reply.json()["code"] == "not_permitted"

    @pytest.mark.parametrize(
        ("scopes", "status"),
        [([ACKNOWLEDGE], 200), ([READ, ACKNOWLEDGE], 200), ([READ], 403)],
        ids=["acknowledge", "both", "read"],
    )
    def test_to_acknowledge_opens_that_alone(
        self,
        delivered: Referral,
        admit: Callable[..., LiaisonClient],
        liaison_key: OKPKey,
        scopes: list[str],
        status: int,
    ) -> None:
        admit(delivered.agency, liaison_key, scopes=scopes)
        reply = Program("lee", liaison_key).post(
            f"{LIST}/{delivered.pk}/acknowledge",
            {"agency_reference": "A-1", "receipt_sha256": delivered.bundle.sha256},
            headers={"If-Match": f'"{delivered.version}"', "Idempotency-Key": "A-1"},
        )
        assert reply.status_code == status

    def test_count_as_they_are_now(self, program: Program, lee: LiaisonClient) -> None:
        assert program.get().status_code == 200
        LiaisonClient.objects.update(scopes=[ACKNOWLEDGE])
        assert program.get().status_code == 403

    def test_are_nothing_that_a_person_of_the_desk_has(
        self, client: Client, agency: Agency, carla: Any
    ) -> None:
        client.force_login(carla)
        assert client.get(LIST).status_code == 401


class TestDefault:
    @pytest.mark.urls(__name__)
    def test_is_that_nobody_may(self, program: Program, client: Client) -> None:
        reply = program.get("/api/v1/careless")
        assert (reply.status_code, reply.json()["code"]) == (403, "not_permitted")
        assert client.get("/api/v1/careless").status_code == 401
