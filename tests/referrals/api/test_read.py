"""Reading a referral: an event each time, and the end of its being unread."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from compliance.audit.entries import AuditEntry
from referrals import receipts
from referrals.docket import Referral

LIST = "/api/v1/referrals"


def readings() -> list[tuple[str, str, str | None]]:
    """Tell whose readings are on record, and from where."""
    entries = AuditEntry.objects.filter(event="referral.read").order_by("id")
    return list(entries.values_list("object_pk", "actor_ref", "remote_addr"))


@pytest.fixture
def path(delivered: Referral) -> str:
    return f"{LIST}/{delivered.pk}"


class TestRead:
    def test_shows_what_the_list_shows_and_that_it_is_read_now(
        self, program: Any, path: str
    ) -> None:
        (listed,) = program.get(LIST).json()["items"]
        assert program.get(path).json() == listed | {"unread": False}
        assert program.get(LIST).json()["items"] == [listed | {"unread": False}]

    def test_is_an_event_each_time_in_the_name_of_the_program(
        self, program: Any, path: str, delivered: Referral
    ) -> None:
        program.get(path)
        program.get(path)
        assert readings() == [(str(delivered.pk), "liaison:lee", "127.0.0.1")] * 2

    @pytest.mark.django_db(transaction=True)
    def test_shows_nothing_before_its_event_is_committed(
        self, program: Any, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = []

        def spy(referral: Referral) -> bool:
            seen.append((connection.in_atomic_block, len(readings())))
            return False

        monkeypatch.setattr(
            "referrals.api.serializers.ReferralSerializer.get_unread",
            lambda self, referral: spy(referral),
        )
        assert program.get(path).status_code == 200
        assert seen == [(False, 1)]

    def test_shows_nothing_when_its_event_cannot_be_written(
        self, program: Any, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*args: Any, **kwargs: Any) -> None:
            raise OSError("the disk is full")

        assert program.token
        monkeypatch.setattr(receipts.audit, "record", broken)
        program.http.raise_request_exception = False
        reply = program.get(path)
        assert (reply.status_code, reply.json()["code"]) == (500, "server_error")
        assert Referral.objects.get().first_read_at is None

    def test_carries_the_version_as_its_tag(self, program: Any, path: str) -> None:
        reply = program.get(path)
        assert reply.headers["ETag"] == f'"{reply.json()["version"]}"' == '"3"'

    def test_sends_nothing_to_whoever_has_it(self, program: Any, path: str) -> None:
        for tags in ('"3"', 'W/"3"', '"1", "3"', "*"):
            reply = program.get(path, headers={"If-None-Match": tags})
            assert (reply.status_code, reply.getvalue()) == (304, b"")
            assert reply.headers["ETag"] == '"3"'
            assert reply.headers["Cache-Control"] == "private, no-cache"
            assert not {"Content-Length", "Content-Type"} & set(reply.headers)
        assert readings() == []

    def test_sends_it_to_whoever_has_an_older_one(self, program: Any, path: str) -> None:
        reply = program.get(path, headers={"If-None-Match": '"2"'})
        assert (reply.status_code, len(readings())) == (200, 1)

    def test_is_not_what_asking_for_the_head_is(self, program: Any, path: str) -> None:
        reply = program.head(path)
        assert (reply.status_code, reply.getvalue()) == (200, b"")
        assert (reply.headers["ETag"], readings()) == ('"3"', [])
        assert Referral.objects.get().first_read_at is None

    def test_finds_nothing_under_another_name(self, program: Any, delivered: Referral) -> None:
        for name in (uuid4(), 7, "..", "%00", delivered.number, str(delivered.pk).upper()):
            reply = program.get(f"{LIST}/{name}")
            assert (reply.status_code, reply.json()["code"]) == (404, "not_found"), name

    def test_finds_nothing_that_is_not_within_reach_yet(
        self, program: Any, sealed: Referral
    ) -> None:
        assert program.get(f"{LIST}/{sealed.pk}").status_code == 404
        assert readings() == []
