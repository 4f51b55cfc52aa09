"""Idempotency: a program that lost the answer may send again, and acts once."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from compliance.audit.entries import AuditEntry
from referrals.clients import StoredReply
from referrals.docket import Referral
from referrals.receipts import Acknowledgement

LIST = "/api/v1/referrals"
HEADERS = {"If-Match": '"3"', "Idempotency-Key": "a-1"}
Post = Callable[..., Any]


@pytest.fixture
def post(program: Any, delivered: Referral) -> Post:
    """Acknowledge as Lee's program; what a test names is said instead."""

    def send(*, to: Referral = delivered, reference: str = "SZ-17", **headers: str | None) -> Any:
        named = HEADERS | {name.replace("_", "-"): value for name, value in headers.items()}
        said = {"agency_reference": reference, "receipt_sha256": to.bundle.sha256}
        return program.post(
            f"{LIST}/{to.pk}/acknowledge",
            said,
            headers={name: value for name, value in named.items() if value is not None},
        )

    return send


def acknowledged() -> int:
    return AuditEntry.objects.filter(event="referral.acknowledged").count()


class TestOnce:
    def test_gives_the_same_bytes_again_and_says_so(self, post: Post) -> None:
        first, second = post(), post()
        assert (first.status_code, second.status_code) == (200, 200)
        assert first.content == second.content
        assert first.headers["Content-Type"] == second.headers["Content-Type"]
        assert "Idempotent-Replayed" not in first.headers
        assert second.headers["Idempotent-Replayed"] == "true"
        assert acknowledged() == 1

    def test_gives_them_again_though_the_version_has_moved_on(self, post: Post) -> None:
        first = post()
        for match in ('"4"', '"2"', None):
            assert post(If_Match=match).content == first.content

    def test_refuses_the_key_for_another_body(self, post: Post) -> None:
        post()
        reply = post(reference="SZ-18")
        assert (reply.status_code, reply.json()["code"]) == (422, "key_reused")
        assert "Idempotent-Replayed" not in reply.headers
        assert Acknowledgement.objects.get().agency_reference == "SZ-17"

    def test_refuses_the_key_for_another_referral(
        self, post: Post, again: Callable[..., Referral]
    ) -> None:
        other = again()
        post()
        assert post(to=other).status_code == 422
        assert acknowledged() == 1
        assert post(to=other, Idempotency_Key="a-2").status_code == 200

    def test_acts_anew_under_another_key(self, post: Post) -> None:
        post()
        reply = post(Idempotency_Key="a-2", If_Match='"4"')
        assert (reply.status_code, reply.json()["code"]) == (409, "wrong_state")

    def test_keeps_no_refusal(self, post: Post) -> None:
        assert post(If_Match='"2"').status_code == 412
        assert not StoredReply.objects.exists()
        reply = post()
        assert (reply.status_code, "Idempotent-Replayed" in reply.headers) == (200, False)

    def test_keeps_no_answer_without_its_effect(
        self, post: Post, program: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*args: Any) -> None:
            raise OSError("the disk is full")

        program.http.raise_request_exception = False
        with monkeypatch.context() as patch:
            patch.setattr("referrals.clients.keep_reply", broken)
            assert post().status_code == 500
        assert (acknowledged(), Acknowledgement.objects.count()) == (0, 0)
        assert post().status_code == 200

    def test_wants_a_key_that_can_be_compared(self, post: Post) -> None:
        for key in (None, "", "two words", "x" * 129, "\tx", "schlüssel"):
            reply = post(Idempotency_Key=key)
            assert (reply.status_code, reply.json()["code"]) == (400, "idempotency_key_required")
        assert acknowledged() == 0

    def test_takes_any_visible_key(self, post: Post) -> None:
        key = '"' + "~" * 126 + "!"
        assert post(Idempotency_Key=key).status_code == 200
        assert post(Idempotency_Key=key).headers["Idempotent-Replayed"] == "true"

    @pytest.mark.services
    @pytest.mark.slow
    @pytest.mark.skipif(
        connection.vendor != "postgresql", reason="SQLite has one writer at a time by construction"
    )
    @pytest.mark.django_db(transaction=True)
    def test_lets_one_of_several_at_once_act_and_answers_all(
        self, post: Post, program: Any
    ) -> None:
        replies: list[Any] = []
        assert program.token  # asked for before the race
        together = threading.Barrier(4)

        def send() -> None:
            together.wait()
            try:
                replies.append(post())
            finally:
                connection.close()

        programs = [threading.Thread(target=send) for _ in range(4)]
        for each in programs:
            each.start()
        for each in programs:
            each.join()
        assert [reply.status_code for reply in replies] == [200] * 4
        assert len({reply.content for reply in replies}) == 1
        assert sum("Idempotent-Replayed" in reply.headers for reply in replies) == 3
        assert acknowledged() == 1
