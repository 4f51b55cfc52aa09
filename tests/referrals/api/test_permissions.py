"""Permissions: each action takes its scope, and a view that names none lets nobody pass."""

from typing import Any

import pytest
from django.test import Client
from django.urls import include, path
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
    @pytest.mark.slow
    def test_open_each_what_it_names(
        self, delivered: Referral, program: Program, subtests: pytest.Subtests
    ) -> None:
        own = f"{LIST}/{delivered.pk}"
        for scopes in ([READ], [ACKNOWLEDGE], [READ, ACKNOWLEDGE], []):
            LiaisonClient.objects.update(scopes=scopes)
            for address in (LIST, own, f"{own}/bundle", f"{own}/receipt"):
                with subtests.test(scopes=scopes, address=address):
                    assert (program.get(address).status_code == 403) == (READ not in scopes)
            with subtests.test(scopes=scopes, address="acknowledge"):
                reply = program.post(
                    f"{own}/acknowledge",
                    {"agency_reference": "A-1", "receipt_sha256": delivered.bundle.sha256},
                    headers={"If-Match": f'"{delivered.version}"', "Idempotency-Key": "A-1"},
                )
                assert reply.status_code == (200 if ACKNOWLEDGE in scopes else 403)
                assert reply.json().get("code") in (None, "not_permitted")

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
