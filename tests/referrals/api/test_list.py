"""The list: what Lee's program sees of what is addressed to its agency."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compliance import determinations
from compliance.audit.entries import AuditEntry
from compliance.roles import User
from referrals import docket, receipts
from referrals.clients import LiaisonClient
from referrals.docket import Referral

LIST = "/api/v1/referrals"
BASE = "http://localhost:8000"


def numbers(reply: Any) -> list[str]:
    assert reply.status_code == 200, reply.content
    return [item["number"] for item in reply.json()["items"]]


class TestList:
    def test_shows_what_an_agency_needs_to_know_and_no_more(
        self, program: Any, delivered: Referral
    ) -> None:
        here = f"{BASE}{LIST}/{delivered.pk}"
        obligation = delivered.obligation
        assert program.get(LIST).json() == {
            "items": [
                {
                    "id": str(delivered.pk),
                    "number": delivered.number,
                    "state": "delivered",
                    "version": 3,
                    "kind": "duty",
                    "filing_type": "initial",
                    "prior_referrals": [],
                    "retraction": None,
                    "legal_basis": determinations.legal_basis(obligation),
                    "due_at": _written(obligation.due_at),
                    "delivered_at": _written(delivered.delivered_at),
                    "unread": True,
                    "released": obligation.release,
                    "withheld": obligation.withhold,
                    "bundle": {"size": delivered.bundle.size, "sha256": delivered.bundle.sha256},
                    "links": {
                        "self": here,
                        "bundle": f"{here}/bundle",
                        "acknowledge": f"{here}/acknowledge",
                        "receipt": f"{here}/receipt",
                        "information_requests": f"{here}/information-requests",
                    },
                }
            ],
            "next": None,
        }

    def test_is_kept_out_of_shared_caches(self, program: Any) -> None:
        assert program.get(LIST).headers["Cache-Control"] == "private, no-cache"

    def test_answers_in_json_whatever_the_program_would_rather_have(self, program: Any) -> None:
        reply = program.get(LIST, headers={"Accept": "application/xml"})
        assert (reply.status_code, reply.headers["Content-Type"]) == (200, "application/json")

    def test_shows_nothing_to_another_agency(self, other_program: Any, delivered: Referral) -> None:
        assert other_program.get(LIST).json() == {"items": [], "next": None}

    def test_shows_nothing_before_it_is_within_reach(self, program: Any, sealed: Referral) -> None:
        assert numbers(program.get(LIST)) == []

    def test_shows_nothing_that_was_withdrawn(
        self, program: Any, sealed: Referral, carla: User
    ) -> None:
        docket.withdraw(sealed, because="A parody.", by=carla)
        assert numbers(program.get(LIST)) == []

    def test_is_no_reading(self, program: Any, delivered: Referral) -> None:
        assert program.token  # whose issue is an event of its own
        before = AuditEntry.objects.count()
        program.get(LIST)
        assert AuditEntry.objects.count() == before
        assert Referral.objects.get().first_read_at is None

    def test_costs_as_many_queries_for_many_as_for_one(
        self, program: Any, delivered: Referral, again: Callable[..., Referral]
    ) -> None:
        program.get(LIST)
        counts = []
        for _ in range(2):
            with CaptureQueriesContext(
                connection,
            ) as queries:
                program.get(LIST)
            counts.append(len(queries))
            again()
        assert counts[0] == counts[1]

    def test_by_state_shows_that_state_alone(
        self, program: Any, delivered: Referral, again: Callable[..., Referral], lee: LiaisonClient
    ) -> None:
        other = again()
        receipts.acknowledge(
            other, agency_reference="SZ-1", receipt_sha256=other.bundle.sha256, by=lee
        )
        assert numbers(program.get(f"{LIST}?state=delivered")) == [delivered.number]
        assert numbers(program.get(f"{LIST}?state=acknowledged")) == [other.number]
        assert numbers(program.get(f"{LIST}?state=closed")) == []

    def test_by_unread_shows_what_nobody_read_or_the_rest(
        self, program: Any, delivered: Referral, again: Callable[..., Referral], lee: LiaisonClient
    ) -> None:
        other = again()
        receipts.read(other, by=lee)
        assert numbers(program.get(f"{LIST}?unread=true")) == [delivered.number]
        assert numbers(program.get(f"{LIST}?unread=false")) == [other.number]
        assert len(numbers(program.get(f"{LIST}?unread="))) == 2
        assert len(numbers(program.get(LIST))) == 2

    def test_leads_from_page_to_page_and_keeps_what_was_asked(
        self, program: Any, delivered: Referral, again: Callable[..., Referral]
    ) -> None:
        older = [
            again(delivered_at=delivered.delivered_at - timedelta(hours=ago)) for ago in (1, 2)
        ]
        reply = program.get(f"{LIST}?unread=true&limit=1")
        seen = numbers(reply)
        while following := reply.json()["next"]:
            assert reply.headers["Link"] == f'<{following}>; rel="next"'
            parts = urlsplit(following)
            assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{BASE}{LIST}"
            assert {"unread": ["true"], "limit": ["1"]}.items() <= parse_qs(parts.query).items()
            reply = program.get(f"{parts.path}?{parts.query}")
            seen += numbers(reply)
        assert seen == [each.number for each in (delivered, *older)]
        assert "Link" not in reply.headers

    def test_stays_with_its_agency_whatever_the_cursor_says(
        self, program: Any, other_program: Any, delivered: Referral, again: Callable[..., Referral]
    ) -> None:
        again()
        query = urlsplit(program.get(f"{LIST}?limit=1").json()["next"]).query
        assert len(numbers(program.get(f"{LIST}?{query}"))) == 1
        assert numbers(other_program.get(f"{LIST}?{query}")) == []

    def test_refuses_a_question_it_does_not_know(self, program: Any) -> None:
        for query, errors in (
            ("limit=0", {"limit": ["min_value"]}),
            ("limit=101", {"limit": ["max_value"]}),
            ("limit=many", {"limit": ["invalid"]}),
            ("unread=perhaps", {"unread": ["invalid"]}),
            ("state=sealed", {"state": ["invalid_choice"]}),
            ("state=withdrawn", {"state": ["invalid_choice"]}),
            ("cursor=", {"cursor": ["blank"]}),
            ("cursor=%00", {"cursor": ["null_characters_not_allowed"]}),
        ):
            reply = program.get(f"{LIST}?{query}")
            assert (reply.status_code, reply.json()["code"]) == (400, "malformed")
            assert reply.json()["errors"] == errors

    def test_refuses_a_cursor_of_the_callers_making(self, program: Any) -> None:
        reply = program.get(f"{LIST}?cursor=AAAA")
        assert (reply.status_code, reply.json()["code"]) == (400, "bad_cursor")

    def test_ends_when_a_program_asks_without_end(
        self, program: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("referrals.api.views.PerClient.rate", "2/min")
        assert [program.get(LIST).status_code for _ in range(2)] == [200, 200]
        reply = program.get(LIST)
        assert (reply.status_code, reply.json()["code"]) == (429, "throttled")
        assert 1 <= int(reply.headers["Retry-After"]) <= 60

    def test_goes_on_for_the_programs_of_others(
        self, program: Any, other_program: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("referrals.api.views.PerClient.rate", "1/min")
        assert [each.get(LIST).status_code for each in (program, other_program)] == [200, 200]


def _written(moment: Any) -> str | None:
    return moment and moment.isoformat().replace("+00:00", "Z")
