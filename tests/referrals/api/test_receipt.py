"""The receipt: the agency takes away what proves the delivery to anybody, offline."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from compliance.audit import checkpoints, notes
from compliance.audit.entries import AuditEntry
from referrals.docket import Referral

LIST = "/api/v1/referrals"


@pytest.fixture
def path(delivered: Referral) -> str:
    return f"{LIST}/{delivered.pk}/receipt"


class TestReceipt:
    def test_proves_the_delivery_with_nothing_else_at_hand(
        self, program: Any, path: str, delivered: Referral
    ) -> None:
        assert program.token
        checkpoints.seal_due()
        told = program.get(path).json()
        assert set(told) == {"proof", "entry", "vkey"}
        state = notes.verify_proof(told["proof"], told["entry"].encode(), told["vkey"])
        assert state.size == AuditEntry.objects.count()
        entry = json.loads(told["entry"])
        assert (entry["event"], entry["actor"]) == ("referral.delivered", "system:worker")
        assert entry["obj"] == f"referrals.referral:{delivered.pk}"

    def test_waits_for_the_next_checkpoint(self, program: Any, path: str) -> None:
        reply = program.get(path)
        assert (reply.status_code, reply.json()["code"]) == (409, "wrong_state")
        assert reply.json()["detail"].endswith(
            "is not sealed into the log yet; ask again in a moment."
        )

    def test_is_of_this_referral_and_no_other(
        self, program: Any, again: Callable[..., Referral]
    ) -> None:
        other = again()  # which is on record without the event of its delivery
        checkpoints.seal_due()
        assert program.get(f"{LIST}/{other.pk}/receipt").json()["code"] == "wrong_state"
