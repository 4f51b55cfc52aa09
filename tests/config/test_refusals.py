"""Refusals: people at the desk get a page with a way back."""

import pytest
from django.test import Client
from django.utils.html import escape

from compliance.roles import User

BACK = b'<a class="onward" href="/admin/">Back to the desk</a>'


class TestAtTheDesk:
    def test_nothing_is_a_page(self, client: Client, carla: User) -> None:
        client.force_login(carla)
        page = client.get("/admin/nowhere/at/all/")
        assert page.status_code == 404
        assert BACK in page.content

    def test_an_address_for_another_host_is_a_page(self, client: Client) -> None:
        page = client.get("/admin/", headers={"Host": "evil.example.org"})
        assert page.status_code == 400
        assert BACK in page.content
        assert b"evil" not in page.content

    def test_a_fault_of_ours_is_a_page_without_a_word_about_it(
        self, client: Client, carla: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken() -> None:
            raise RuntimeError("Marker-7f3a")

        monkeypatch.setattr("referrals.docket.overdue", broken)
        client.raise_request_exception = False
        client.force_login(carla)
        page = client.get("/admin/")
        assert page.status_code == 500
        assert BACK in page.content
        assert b"Something failed on our side" in page.content
        assert b"Marker" not in page.content


class TestElsewhere:
    @pytest.mark.parametrize("path", ["/nowhere", "/api/nowhere"])
    def test_nothing_is_answered_by_the_api(self, client: Client, path: str) -> None:
        reply = client.get(path)
        assert reply.status_code == 404
        assert escape("Nothing is here.").encode() in reply.content
        assert BACK not in reply.content

    def test_another_host_is_answered_by_the_api(self, client: Client) -> None:
        reply = client.get("/api/v1/referrals", headers={"Host": "evil.example.org"})
        assert (reply.status_code, reply.json()["code"]) == (400, "bad_request")

    def test_a_fault_is_answered_by_the_api(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*args: object, **kwargs: object) -> None:
            raise RuntimeError("Marker-7f3a")

        monkeypatch.setattr("referrals.api.tokens.Metadata.get", broken)
        client.raise_request_exception = False
        reply = client.get("/.well-known/oauth-authorization-server")
        assert (reply.status_code, reply.json()["code"]) == (500, "server_error")
