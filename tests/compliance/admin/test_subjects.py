"""What people ask, at the desk: recorded, told in neutral words, parked in sight of counsel."""

from collections.abc import Callable
from typing import Any

import pytest

from compliance import preservation, requests
from compliance.determinations import Determination
from compliance.preservation import Hold
from compliance.requests import SubjectRequest
from compliance.roles import User

pytestmark = pytest.mark.usefixtures("worker")

Sits = Callable[[User], Any]
ASKED = {
    "kind": "erasure", "identifiers": "@sample-1\npat@example.org",
    "received_at": "2026-03-01T09:00", "zone": "UTC",
}  # fmt: skip


class TestRequest:
    def test_is_recorded_parked_taken_up_and_answered(
        self, sits: Sits, ana: User, carla: User, signed: Determination
    ) -> None:
        preservation.place_due()
        page = sits(ana).begins(SubjectRequest, "record", **ASKED)
        assert page.said == ["The request is recorded. Its page has the words for the person."]
        request = SubjectRequest.objects.get()
        assert request.identifiers == ["@sample-1", "pat@example.org"]
        words = requests.neutral_answer(request)
        assert words in page.content.decode()
        assert "which reached us on 1 March 2026" in words
        # Counsel sees that it waits, and why; the words for the person are the same.
        requests.weigh_due()
        seat = sits(carla)
        text = seat.reads(request)
        for told in (words, "Why it waits", "suspend_erasure", "Art 17(3)(e)"):
            assert told in text, told
        assert f"/admin/compliance/finding/{signed.finding_id}/" in text
        assert "step-answer" not in text
        front = seat.browser.get("/admin/").content.decode()
        assert f"Request {request}</a>" in front
        assert "for erasure, parked, overdue by" in front
        # The hold ends, and the request is taken up.
        preservation.release(Hold.objects.get(), because="The court said so.", by=carla)
        requests.weigh_due()
        request.refresh_from_db()
        assert "Why it waited" in seat.reads(request)
        assert "step-answer" not in sits(ana).reads(request)
        page = seat.takes(request, "answer", because="All is erased.")
        assert page.said == ["The request is answered."]
        assert "All is erased." in seat.reads(request)

    def test_keeps_what_was_typed_where_it_is_refused(
        self, sits: Sits, ana: User, carla: User
    ) -> None:
        page = sits(ana).begins(SubjectRequest, "record", **ASKED | {"identifiers": ""})
        assert page.said == []
        assert "Name the person by 1 to 20 names" in page.content.decode()
