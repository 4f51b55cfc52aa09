"""A wrong input at each door: its own clear answer, and nothing half-done behind it."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from joserfc.jwk import OKPKey

from compliance.determinations import Determination
from compliance.evidence import Item
from compliance.facts import FactAssertion
from compliance.findings import Finding
from compliance.roles import User
from compliance.vault import age
from referrals import docket
from referrals.agencies import Agency
from referrals.clients import LiaisonClient
from referrals.docket import Referral
from tests.cast import NOW
from tests.conftest import Seat
from tests.referrals.api.conftest import LIST, Program

Sits = Callable[[User], Seat]
ACQUIRED = {"field_class": "C_pub", "acquired_at": f"{NOW:%Y-%m-%dT%H:%M:%S}", "zone": "UTC"}


@pytest.fixture
def program(lee: LiaisonClient, liaison_key: OKPKey) -> Program:
    """Lee's program."""
    return Program(lee.client_id, liaison_key)


@pytest.fixture
def other(enrol: Callable[..., Agency], admit: Callable[..., LiaisonClient]) -> Program:
    """The program of another agency."""
    key = OKPKey.generate_key("Ed25519")
    return Program(admit(enrol("garda", age.generate_identity()), key, "mia").client_id, key)


def told(reply: Any) -> tuple[int, str, str]:
    """Return status, code and sentence of an answer of the API."""
    body = reply.json()
    return reply.status_code, body["code"], body["detail"]


class TestDesk:
    def test_suggests_the_fact_that_was_meant(
        self, sits: Sits, ana: User, finding: Finding
    ) -> None:
        before = FactAssertion.objects.count()
        page = sits(ana).takes(finding, "assert-facts", values="threat.immanent: true", source="x")
        assert page.status_code == 400
        assert "threat.immanent" in page.said[0]
        assert "threat.imminent" in page.said[0]
        assert FactAssertion.objects.count() == before

    @pytest.mark.parametrize(
        ("name", "data", "sentence"),
        [
            ("post.txt", b"", "The file is empty. Attach the file that holds the evidence."),
            (f"{'x' * 252}.txt", b"Tonight.", "The file's name wants 1 to 255 characters."),
        ],
        ids=["empty file", "oversized name"],
    )
    def test_attaches_no_such_file(
        self, sits: Sits, ana: User, finding: Finding, name: str, data: bytes, sentence: str
    ) -> None:
        upload = BytesIO(data)
        upload.name = name
        page = sits(ana).takes(finding, "attach", upload=upload, **ACQUIRED)
        assert (page.status_code, page.said) == (400, [sentence])
        assert not Item.objects.exists()

    def test_lets_nobody_confirm_what_they_recorded(
        self, sits: Sits, ana: User, finding: Finding
    ) -> None:
        page = sits(ana).takes(finding, "confirm", because="I am sure.")
        assert page.said == [
            "Whoever recorded or added to a finding cannot decide. Ask a colleague."
        ]
        finding.refresh_from_db()
        assert finding.state == "recorded"

    def test_lets_nobody_decide_on_what_another_decided_meanwhile(
        self, sits: Sits, carla: User, dora: User, proposed: Determination
    ) -> None:
        duty = {"duty-bka": "accept", "duty-bka-because": "It holds."}
        sits(carla).takes(proposed, "sign", because="The duty holds.", **duty)
        page = sits(dora).takes(proposed, "decline", because="A parody.")
        assert page.said == [
            "Somebody else changed this record since you read it. Read it again, then decide."
        ]
        assert Determination.objects.get().state == "signed"


class TestWorker:
    def test_refers_nothing_that_counsel_did_not_sign(
        self, proposed: Determination, agency: Agency
    ) -> None:
        assert docket.enter_due() == 0
        assert not Referral.objects.exists()


class TestApi:
    def test_shows_nobody_the_referral_of_another_agency(
        self, other: Program, delivered: Referral
    ) -> None:
        reply = other.get(f"{LIST}/{delivered.pk}")
        assert told(reply) == (404, "not_found", "Nothing is here.")

    def test_takes_no_proof_twice(self, program: Program, delivered: Referral) -> None:
        proof = program.proof("GET", LIST, token=program.token)
        assert program.get(proof=proof).status_code == 200
        assert told(program.get(proof=proof)) == (
            401, "invalid_dpop_proof", "This proof was used before.",
        )  # fmt: skip

    def test_takes_no_word_about_what_changed_meanwhile(
        self, program: Program, delivered: Referral
    ) -> None:
        reply = program.post(
            f"{LIST}/{delivered.pk}/acknowledge",
            {"agency_reference": "SZ-17", "receipt_sha256": delivered.bundle.sha256},
            headers={"If-Match": '"1"', "Idempotency-Key": "a"},
        )
        assert told(reply) == (
            412, "stale",
            "Somebody else changed this record since you read it. Read it again, then decide.",
        )  # fmt: skip
        delivered.refresh_from_db()
        assert delivered.state == "delivered"
