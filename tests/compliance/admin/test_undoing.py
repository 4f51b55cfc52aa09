"""Undoing at the desk: one says that a finding was wrong, counsel decides, it is put right."""

from collections.abc import Callable
from typing import Any

from compliance import overturnings
from compliance.determinations import Determination
from compliance.findings import Finding
from compliance.overturnings import Overturning
from compliance.roles import User
from tests.cast import NOW
from tests.compliance.test_overturnings import hush

Sits = Callable[[User], Any]
Overturn = Callable[..., Overturning]


class TestOverturn:
    def test_is_proposed_by_one_and_signed_by_counsel(
        self, sits: Sits, ben: User, carla: User, signed: Determination
    ) -> None:
        finding, seat = signed.finding, sits(ben)
        page = seat.takes(finding, "overturn", reason="wrong_item", because="Another post.")
        assert page.said == ["It is proposed. Counsel decides; nothing changes before that."]
        text = page.content.decode()
        assert "It was another item" in text
        assert "step-overturn" not in text
        assert "step-sign" not in text
        doubt = finding.overturnings.get()
        assert seat.takes(doubt, "sign", because="Sure.").status_code == 403
        front = sits(carla).browser.get("/admin/").content.decode()
        assert "It was another item, says ben" in front
        text = sits(carla).reads(finding)
        assert "step-decline" in text
        page = sits(carla).takes(doubt, "sign", because="The papers show it.")
        text = page.content.decode()
        assert "Overturned by carla" in text
        assert "The papers show it." in text
        assert "step-sign" not in text
        assert "step-climb" not in sits(ben).reads(Finding.objects.get())

    def test_wants_a_reason_on_the_page_of_the_finding(
        self, sits: Sits, ben: User, signed: Determination
    ) -> None:
        page = sits(ben).takes(signed.finding, "overturn", reason="wrong_item", because=" ")
        assert page.status_code == 400
        assert page.said == ["A reason is missing. Say in a sentence why you decide so."]

    def test_may_be_declined(
        self, sits: Sits, ben: User, carla: User, signed: Determination
    ) -> None:
        doubt = overturnings.propose(
            signed.finding, reason="duplicate", because="Seen before.", by=ben
        )
        page = sits(carla).takes(doubt, "decline", because="It is another one.")
        assert page.said == ["The finding stands."]
        assert "Counsel let it stand" in page.content.decode()

    def test_is_put_right_for_the_user(
        self, sits: Sits, ana: User, signed: Determination, overturn: Overturn
    ) -> None:
        doubt = overturn(signed.finding)
        front = sits(ana).browser.get("/admin/").content.decode()
        assert "content is not back, the user was not told" in front
        text = sits(ana).reads(doubt.finding)
        assert "not yet as they were" in text
        assert "not to be told, eu-tco-11 until" in text
        assert "step-tell" not in text
        hush(signed)
        assert "not yet told" in sits(ana).reads(doubt.finding)
        sits(ana).takes(doubt, "reinstate", because="The post is up.")
        assert "the user was not told" in sits(ana).browser.get("/admin/").content.decode()
        page = sits(ana).takes(doubt, "tell", because="By mail.")
        text = page.content.decode()
        assert "The post is up." in text
        assert "By mail." in text
        assert "step-reinstate" not in text
        assert "step-tell" not in text


class TestSupplements:
    def test_is_named_by_its_number(self, sits: Sits, ana: User, signed: Determination) -> None:
        told = {
            "statement": "A second post.", "suspicion_at": f"{NOW:%Y-%m-%dT%H:%M:%S}",
            "zone": "UTC", "confidence": "4", "basis": "The post.",
        }  # fmt: skip
        seat = sits(ana)
        page = seat.begins(Finding, "record", **told, supplements="F-2222-2222")
        assert "No finding has this number." in page.content.decode()
        page = seat.begins(Finding, "record", **told, supplements=str(signed.finding).lower())
        made = Finding.objects.get(supplements=signed.finding)
        assert "which is confirmed" in page.content.decode()
        assert made.statement == "A second post."
