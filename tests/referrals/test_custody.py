"""Custody: the sheet tells every touch, in order, and the export proves each to others."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compliance.audit import checkpoints, notes, signing
from compliance.audit.entries import AuditEntry
from compliance.errors import NotPermitted
from compliance.evidence import Item
from compliance.roles import User
from referrals import bundles, custody, manifests, processes, provenance, receipts
from referrals.clients import LiaisonClient
from referrals.docket import Referral

Sits = Callable[[User], Any]


@pytest.fixture
def travelled(
    half_viewed: Referral, lee: LiaisonClient, serve: Callable[..., Any], carla: User
) -> Referral:
    """A referral that was collected, acknowledged, and opened further by a warrant."""
    list(receipts.collect(half_viewed, start=0, stop=10, by=lee))
    sha256 = half_viewed.bundle.sha256
    receipts.acknowledge(half_viewed, agency_reference="SZ-17", receipt_sha256=sha256, by=lee)
    processes.approve(serve(half_viewed), because="It names it.", by=carla)
    bundles.seal_due()
    list(receipts.collect(half_viewed, start=5, stop=20, by=lee))
    half_viewed.refresh_from_db()
    return half_viewed


class TestChain:
    def test_tells_every_touch_in_order(self, travelled: Referral, ben: User, ana: User) -> None:
        told = [(each.thing.name, each.says) for each in custody.chain(travelled)]
        key = f"to {travelled.bundle.agency_key}"
        assert told == [
            ("exhibit 1", "attached, sealed as it arrived"),
            ("exhibit 2", "attached, sealed as it arrived"),
            ("exhibit 1", "viewed, bytes 0 to 7"),
            (f"referral {travelled}", "entered in the docket"),
            (f"referral {travelled}", "sealed"),
            (f"header of exhibit 1 {key}", "issued to the agency's key"),
            (f"referral {travelled}", "brought within the agency's reach"),
            ("bundle 1", "downloaded, bytes 0 to 9"),
            (f"referral {travelled}", "acknowledged"),
            ("search warrant W-17", "recorded"),
            ("search warrant W-17", "approved"),
            ("search warrant W-17", "answered"),
            (f"header of exhibit 2 {key}", "issued to the agency's key"),
            ("bundle 2", "made anew"),
            ("bundle 2", "downloaded, bytes 5 to 19"),
        ]

    def test_says_who_and_who_gave_and_got_what_changed_hands(
        self, travelled: Referral, ben: User, lee: LiaisonClient
    ) -> None:
        touches = custody.chain(travelled)
        viewed = next(each for each in touches if each.says.startswith("viewed"))
        assert (viewed.by, viewed.received_by) == (manifests.pseudonym(ben), "")
        taken = next(each for each in touches if each.says.startswith("downloaded"))
        assert taken.by == f"lee of {travelled.agency.name}"
        assert (taken.released_by, taken.received_by) == ("the provider", travelled.agency.name)
        said = next(each for each in touches if each.says == "acknowledged")
        assert said.receipt_id.startswith("SZ-17, for the bundle of SHA-256 ")
        assert next(each for each in touches if each.says == "sealed").by == "the worker"

    def test_names_the_leaf_of_the_log_once_it_is_sealed(self, delivered: Referral) -> None:
        AuditEntry.objects.latest()
        assert custody.chain(delivered)[-1].leaf is None
        checkpoints.seal_due()
        assert custody.chain(delivered)[-1].leaf is not None


class TestExport:
    def test_proves_each_event_to_whoever_has_the_key_of_the_log(
        self, travelled: Referral, carla: User, unseen: Item
    ) -> None:
        graph = json.loads(provenance.export(travelled, by=carla))
        actions = [each for each in graph["uco-core:object"] if "dutyline:logEntry" in each]
        assert len(actions) == 15
        for each in actions:
            entry = each["dutyline:logEntry"].encode()
            assert notes.verify_proof(each["dutyline:logProof"], entry, signing.vkey()).size

    def test_proves_nothing_that_is_not_sealed_yet(
        self, travelled: Referral, carla: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(provenance.checkpoints, "seal_due", lambda: 0)
        last = json.loads(provenance.export(travelled, by=carla))["uco-core:object"][-1]
        assert "dutyline:logEntry" in last
        assert "dutyline:logProof" not in last

    def test_says_nothing_of_the_inside_of_what_stays_shut(
        self, half_viewed: Referral, unseen: Item, carla: User
    ) -> None:
        data = provenance.export(half_viewed, by=carla).decode()
        assert unseen.sealed_sha256 in data
        assert unseen.sha256 not in data
        assert unseen.name not in data
        assert "carla" not in data

    def test_is_for_who_may_read_the_log(self, delivered: Referral, ana: User) -> None:
        with pytest.raises(NotPermitted):
            provenance.export(delivered, by=ana)

    @pytest.mark.slow
    @pytest.mark.stock
    def test_is_what_case_validate_takes(
        self, travelled: Referral, carla: User, tmp_path: Path
    ) -> None:
        pytest.importorskip("case_utils")
        validate = shutil.which("case_validate", path=str(Path(sys.executable).parent))
        (tmp_path / "custody.jsonld").write_bytes(provenance.export(travelled, by=carla))
        done = subprocess.run(
            [str(validate), "--built-version", "case-1.4.0", "custody.jsonld"],
            cwd=tmp_path, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        assert "Conforms: True" in done.stdout


class TestSheet:
    def test_is_one_page_with_every_touch(
        self, sits: Sits, carla: User, travelled: Referral
    ) -> None:
        seat = sits(carla)
        address = f"/admin/referrals/referral/{travelled.pk}/custody/"
        assert address in seat.reads(travelled)
        page = seat.browser.get(address)
        text = page.content.decode()
        for told in ("SZ-17", "bytes 5 to 19", "search warrant W-17", "desk/print.css"):
            assert told in text, told
        assert AuditEntry.objects.filter(event="referral.shown").count() >= 2

    def test_is_for_who_sees_matters(self, sits: Sits, otto: User, delivered: Referral) -> None:
        address = f"/admin/referrals/referral/{delivered.pk}/custody/"
        assert sits(otto).browser.get(address).status_code == 403

    def test_is_there_for_what_is_there(self, sits: Sits, carla: User, delivered: Referral) -> None:
        address = f"/admin/referrals/referral/{delivered.obligation_id}/custody/"
        assert sits(carla).browser.get(address).status_code == 404

    def test_is_taken_away_as_a_file_with_an_event(
        self, sits: Sits, carla: User, delivered: Referral
    ) -> None:
        page = sits(carla).takes(delivered, "export-custody")
        assert page.headers["Content-Type"] == "application/ld+json"
        assert json.loads(page.content)["uco-core:name"] == f"Chain of custody of {delivered}"
        assert AuditEntry.objects.filter(event="custody.exported").count() == 1
