"""Later filings: an agency finds what came before, and reads a retraction that has no content."""

from typing import Any

import pytest

from compliance.audit import checkpoints
from compliance.roles import User
from compliance.vault import age
from referrals import bundles, delivery, retractions
from referrals.agencies import Agency
from referrals.docket import Referral, State
from referrals.retractions import Retraction
from tests.referrals.api.conftest import LIST

pytestmark = pytest.mark.slow


@pytest.fixture
def taken_back(delivered: Referral, retraction: Retraction, carla: User) -> Referral:
    """The retraction, signed by Carla and within the agency's reach."""
    retractions.sign(retraction, because="Seen.", by=carla)
    retractions.retract_due()
    bundles.seal_due()
    delivery.deliver_due()
    return Referral.objects.get(retraction=retraction)


class TestRetraction:
    def test_is_listed_with_what_it_takes_back(
        self, program: Any, delivered: Referral, taken_back: Referral, retraction: Retraction
    ) -> None:
        (told,) = program.get(f"{LIST}?filing_type=retraction").json()["items"]
        assert (told["id"], told["filing_type"]) == (str(taken_back.pk), "retraction")
        assert (told["released"], told["withheld"]) == ([], {})
        assert told["prior_referrals"] == [
            {"id": str(delivered.pk), "number": delivered.number, "filing_type": "initial"}
        ]
        assert told["retraction"] == {
            "reason": "compromised_account",
            "overturned_at": retraction.overturning.signed_at.isoformat(),
            "destroy": [
                {
                    "number": delivered.number,
                    "id": str(delivered.pk),
                    "bundle_sha256": delivered.bundle.sha256,
                }
            ],
            "erase": ["C_pub", "ID", "META", "SUSP", "TRAF"],
        }
        (first,) = program.get(f"{LIST}?filing_type=initial").json()["items"]
        assert (first["id"], first["retraction"]) == (str(delivered.pk), None)

    def test_ends_the_download_of_the_evidence_and_not_its_own(
        self, program: Any, delivered: Referral, taken_back: Referral
    ) -> None:
        for method in ("GET", "HEAD"):
            reply = program.call(method, f"{LIST}/{delivered.pk}/bundle")
            assert reply.status_code == 410
        told = program.get(f"{LIST}/{delivered.pk}/bundle").json()
        assert (told["code"], told["status"]) == ("retracted", 410)
        assert program.get(f"{LIST}/{delivered.pk}").status_code == 200  # that it was, stays
        reply = program.get(f"{LIST}/{taken_back.pk}/bundle")
        assert reply.status_code == 200
        assert len(b"".join(reply.streaming_content)) == taken_back.bundle.size

    def test_is_acknowledged_like_any_other(self, program: Any, taken_back: Referral) -> None:
        said = {"agency_reference": "gone", "receipt_sha256": taken_back.bundle.sha256}
        headers = {"If-Match": f'"{taken_back.version}"', "Idempotency-Key": "g-1"}
        reply = program.post(f"{LIST}/{taken_back.pk}/acknowledge", said, headers=headers)
        assert reply.status_code == 200
        taken_back.refresh_from_db()
        assert taken_back.state == State.ACKNOWLEDGED

    def test_is_not_there_for_another_agency(
        self, other_program: Any, taken_back: Referral, other_agency: Agency
    ) -> None:
        assert other_program.get(f"{LIST}/{taken_back.pk}").status_code == 404
        assert other_program.get(f"{LIST}/{taken_back.pk}/bundle").status_code == 404

    def test_has_its_delivery_in_the_log(
        self, program: Any, taken_back: Referral, identity: age.Identity
    ) -> None:
        checkpoints.seal_due()
        told = program.get(f"{LIST}/{taken_back.pk}/receipt").json()
        assert "referral.delivered" in told["entry"]
