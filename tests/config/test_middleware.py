"""Who is seen to call, in whose name it is written down, and what any answer may load."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import include, path

from compliance import releases
from compliance.audit.context import Acting, NobodyActs, current
from compliance.roles import User
from config import settings as ours
from config.middleware import POLICY, OneLaw, WhoActs, remote_address


def broken(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError("a marker")


urlpatterns = [path("broken", broken), path("", include(ours.ROOT_URLCONF))]
handler500 = "referrals.api.errors.server_error"


class TestRemoteAddress:
    @pytest.mark.parametrize(
        ("proxies", "forwarded", "remote", "seen"),
        [
            (0, "203.0.113.9", "192.0.2.1", "192.0.2.1"),
            (1, "203.0.113.9, 198.51.100.4", "192.0.2.1", "198.51.100.4"),
            (2, "203.0.113.9, 198.51.100.4", "192.0.2.1", "203.0.113.9"),
            (3, "203.0.113.9, 198.51.100.4", "192.0.2.1", "192.0.2.1"),
            (1, "198.51.100.4:443", "192.0.2.1", None),
            (0, "", "", None),
            (0, "", "fe80::1%eth0", "fe80::1"),
            (1, "2001:db8::0:1", "192.0.2.1", "2001:db8::1"),
            (1, " ", "192.0.2.1", None),
        ],
    )
    def test_is_what_the_outermost_trusted_proxy_saw(
        self, settings: Any, proxies: int, forwarded: str, remote: str, seen: str | None
    ) -> None:
        settings.TRUSTED_PROXIES = proxies
        request = RequestFactory().get("/", HTTP_X_FORWARDED_FOR=forwarded, REMOTE_ADDR=remote)
        assert remote_address(request) == seen

    @pytest.mark.parametrize("proxies", [0, 1, 2])
    @pytest.mark.parametrize(
        "claimed", ["203.0.113.66", "203.0.113.66, 203.0.113.66, 203.0.113.66", ",,,", "x, y", ""]
    )
    def test_is_never_what_the_client_claims(
        self, settings: Any, proxies: int, claimed: str
    ) -> None:
        """Each trusted proxy adds whom it saw; what stood there before is the client's own."""
        settings.TRUSTED_PROXIES = proxies
        hops = ["198.51.100.4", "198.51.100.5"][:proxies]
        forwarded = ", ".join(filter(None, [claimed, *hops]))
        seen_by_us = ["198.51.100.4", "198.51.100.5", "198.51.100.6"][proxies]
        request = RequestFactory().get("/", HTTP_X_FORWARDED_FOR=forwarded, REMOTE_ADDR=seen_by_us)
        assert remote_address(request) == "198.51.100.4"


class TestWhoActs:
    def ask(self, **attributes: Any) -> tuple[Acting, Acting]:
        """Who acts when a view is entered, and after it has found out who is calling."""
        request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.1")
        request.user = SimpleNamespace(is_authenticated=False)  # type: ignore[assignment]
        seen: list[Acting] = []

        def view(request: HttpRequest) -> HttpResponse:
            seen.append(current())
            for name, value in attributes.items():
                setattr(request, name, value)
            seen.append(current())
            return HttpResponse()

        WhoActs(view)(request)
        return seen[0], seen[1]

    def test_names_whoever_has_signed_in_by_then(self) -> None:
        ana = User(pk=17)
        before, after = self.ask(user=ana)
        assert (before.actor_ref, before.user) == ("anonymous", None)
        assert (after.actor_ref, after.user) == ("user:17", ana)
        assert before.cid == after.cid
        assert after.remote_addr == "192.0.2.1"

    def test_names_an_agencys_client_before_any_person(self) -> None:
        _, after = self.ask(user=User(pk=17), liaison=SimpleNamespace(client_id="lee"))
        assert (after.actor_ref, after.user) == ("liaison:lee", None)

    def test_names_nobody_where_the_framework_knows_nobody(self) -> None:
        assert self.ask(user=None)[1].actor_ref == "anonymous"

    def test_gives_each_request_a_correlation_id_of_its_own(self) -> None:
        assert self.ask()[0].cid != self.ask()[0].cid

    def test_forgets_the_actor_with_the_request(self) -> None:
        with pytest.raises(ZeroDivisionError):
            WhoActs(broken)(RequestFactory().get("/"))
        with pytest.raises(NobodyActs):
            current()


Ask = Callable[[Client], Any]


class TestContentSecurityPolicy:
    @pytest.fixture
    def client(self, settings: Any, db: None) -> Client:
        settings.ROOT_URLCONF = __name__
        return Client(raise_request_exception=False, enforce_csrf_checks=True)

    @pytest.mark.parametrize(
        ("ask", "status"),
        [
            (lambda client: client.get("/admin/login/"), 200),
            (lambda client: client.get("/admin/"), 302),
            (lambda client: client.get("/static/desk/desk.css"), 200),
            (lambda client: client.get("/admin/login/", HTTP_HOST="elsewhere.example.org"), 400),
            (lambda client: client.post("/admin/login/"), 403),
            (lambda client: client.get("/nowhere"), 404),
            (lambda client: client.get("/api/v1/nowhere"), 404),
            (lambda client: client.get("/api/v1/referrals"), 401),
            (lambda client: client.get("/broken"), 500),
        ],
        ids=lambda value: str(value) if isinstance(value, int) else "",
    )
    def test_comes_with_every_answer_errors_too(
        self, client: Client, ask: Ask, status: int
    ) -> None:
        answer = ask(client)
        assert answer.status_code == status
        assert answer["Content-Security-Policy"] == POLICY
        assert b"a marker" not in answer.getvalue()

    def test_comes_with_the_way_to_https(self, client: Client, settings: Any) -> None:
        settings.SECURE_SSL_REDIRECT = True
        answer = client.get("/admin/login/")
        assert answer.status_code == 301
        assert answer["Content-Security-Policy"] == POLICY

    def test_lets_nothing_in_from_elsewhere_and_nothing_inline(self) -> None:
        rules = dict(rule.split(" ", 1) for rule in POLICY.split("; "))
        assert rules["default-src"] == rules["base-uri"] == rules["frame-ancestors"] == "'none'"
        assert set(rules.values()) == {"'none'", "'self'"}


class TestOneLaw:
    def asked(self, method: str) -> list[bool]:
        """Ask a page twice for the law, a later one having begun meanwhile; is it the same?"""
        seen: list[bool] = []

        def page(request: HttpRequest) -> HttpResponse:
            first = releases.rules()
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(releases, "_rules", object)
                seen.append(releases.rules() is first)
            return HttpResponse()

        OneLaw(page)(RequestFactory().generic(method, "/"))
        return seen

    @pytest.mark.parametrize(("method", "same"), [("GET", True), ("HEAD", True), ("POST", False)])
    def test_counts_for_a_page_that_only_reads(self, db: object, method: str, same: bool) -> None:
        assert self.asked(method) == [same]
