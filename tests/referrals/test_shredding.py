"""Shredding: two people end what nothing needs; what is left is a record and a certificate."""

import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError, transaction
from django.utils import timezone

from compliance import evidence, findings, lifecycle, preservation
from compliance.audit.entries import AuditEntry
from compliance.errors import KeyUnusable, Malformed, NotPermitted, SamePerson
from compliance.evidence import Item
from compliance.findings import Finding
from compliance.lifecycle import Work
from compliance.roles import User
from compliance.vault import age, escrow, keys
from compliance.vault.keys import FileKeyWrap, Kek
from referrals import docket, shredding
from referrals.bundles import SealedHeader
from referrals.docket import Referral
from referrals.models import Shredding
from referrals.sealing import sshsig
from referrals.shredding import Needed, State

YEAR = timezone.now().year
WHY = "Its time is over."
pytestmark = pytest.mark.usefixtures("worker")


@pytest.fixture
def dismissed(item: Item, ben: User) -> Item:
    """An item of a finding that was dismissed: nothing needs it."""
    findings.dismiss(item.finding, because="A parody.", by=ben)
    return item


@pytest.fixture
def proposed_one(dismissed: Item, carla: User) -> Shredding:
    """Carla's proposal to shred that item."""
    return shredding.propose(item=dismissed, because=WHY, by=carla)


@pytest.fixture
def approved_one(proposed_one: Shredding, dora: User) -> Shredding:
    """The same, approved by Dora."""
    return shredding.approve(proposed_one, by=dora)


@pytest.fixture
def last_year(dismissed: Item, monkeypatch: pytest.MonkeyPatch) -> str:
    """A period that is over since the clock went on."""
    later = timezone.now() + timedelta(days=366)
    monkeypatch.setattr(timezone, "now", lambda: later)
    return f"{YEAR}"


def happened(record: Any) -> list[str]:
    """Return the events of a record, oldest first."""
    about = AuditEntry.objects.filter(object_pk=str(record.pk), action=AuditEntry.Action.ACCESS)
    return list(about.order_by("pk").values_list("event", flat=True))


class TestPropose:
    def test_is_on_record_with_its_reason(self, proposed_one: Shredding, carla: User) -> None:
        assert proposed_one.state == State.PROPOSED
        assert (proposed_one.proposed_by, proposed_one.proposed_because) == (carla, WHY)
        assert happened(proposed_one) == ["shredding.proposed"]
        assert keys.file_key(proposed_one.item_id)

    def test_is_refused_to_a_reviewer(self, dismissed: Item, ana: User) -> None:
        with pytest.raises(NotPermitted, match="may not propose shredding"):
            shredding.propose(item=dismissed, because=WHY, by=ana)

    def test_is_of_one_item_or_one_period(self, dismissed: Item, carla: User) -> None:
        for told in ({}, {"item": dismissed, "period": "2001"}):
            with pytest.raises(Malformed, match="Name one item, or one period"):
                shredding.propose(**told, because=WHY, by=carla)
        with pytest.raises(IntegrityError), transaction.atomic():
            Shredding.objects.create(proposed_because=WHY, proposed_by=carla)

    @pytest.mark.parametrize("period", [f"{YEAR}", "2001", f"{YEAR + 1}", "x"])
    def test_refuses_a_period_that_lasts_or_has_no_key(
        self, dismissed: Item, carla: User, period: str
    ) -> None:
        with pytest.raises(Malformed, match="Name a year that is over"):
            shredding.propose(period=period, because=WHY, by=carla)

    def test_wants_a_reason(self, dismissed: Item, carla: User) -> None:
        with pytest.raises(Malformed, match="A reason is missing"):
            shredding.propose(item=dismissed, because=" ", by=carla)


class TestNeeded:
    def test_is_a_finding_that_nobody_decided(self, item: Item) -> None:
        assert shredding.needed([item]) == [f"{item.finding} is not decided yet."]

    def test_is_a_finding_that_waits_for_the_law(self, item: Item, ben: User) -> None:
        findings.confirm(item.finding, because="Seen.", by=ben)
        assert shredding.needed([item]) == [f"{item.finding} waits for the law."]

    def test_is_what_waits_for_counsel(self, proposed: Any, item: Item) -> None:
        assert f"The {proposed} waits for counsel." in shredding.needed([item])

    def test_is_what_is_held_or_owed(self, signed: Any, item: Item) -> None:
        told = shredding.needed([item])
        assert told == [f"The {signed} is held.", f"{item.finding} is owed to an agency."]

    def test_is_what_a_referral_needs_until_it_is_closed(
        self, delivered: Referral, signed: Any, item: Item, carla: User
    ) -> None:
        hold = preservation.place(signed)
        preservation.release(hold, because="The court said so.", by=carla)
        assert shredding.needed([item]) == [f"The referral {delivered} needs it."]
        Referral.objects.filter(pk=delivered.pk).update(
            state=docket.State.CLOSED, closed_at=timezone.now(), closed_by=carla
        )
        assert shredding.needed([item]) == []

    @pytest.mark.parametrize(("days", "lasts"), [(1, True), (-1, False)])
    def test_is_what_a_silence_lasts_about(
        self, proposed: Any, item: Item, days: int, lasts: bool
    ) -> None:
        until = (timezone.now() + timedelta(days=days)).isoformat()
        silence = {"towards": ["affected_user"], "until": until, "because": []}
        result = proposed.result | {"silence": [silence, silence | {"until": None}]}
        type(proposed).objects.filter(pk=proposed.pk).update(result=result)
        told = shredding.needed([item])
        assert (f"The {proposed} is under a silence." in told) is lasts


class TestApprove:
    def test_leaves_nothing_that_opens_the_item(
        self, approved_one: Shredding, dora: User, ben: User
    ) -> None:
        item = approved_one.item
        assert item is not None
        assert (approved_one.state, approved_one.approved_by) == (State.APPROVED, dora)
        assert happened(approved_one) == ["shredding.proposed", "shredding.approved"]
        assert not FileKeyWrap.objects.exists()
        with pytest.raises(KeyUnusable, match="There is no key for this item"):
            keys.file_key(item.pk)
        assert Item.objects.filter(pk=item.pk).exists()

    def test_takes_the_headers_of_agencies_along(
        self, delivered: Referral, signed: Any, item: Item, carla: User, dora: User
    ) -> None:
        preservation.release(preservation.place(signed), because="So ordered.", by=carla)
        Referral.objects.filter(pk=delivered.pk).update(
            state=docket.State.CLOSED, closed_at=timezone.now(), closed_by=carla
        )
        assert SealedHeader.objects.exists()
        made = shredding.propose(item=item, because=WHY, by=carla)
        shredding.approve(made, by=dora)
        assert not SealedHeader.objects.exists()

    def test_names_the_key_in_the_safe_that_is_to_be_destroyed(
        self, dismissed: Item, carla: User, dora: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recipient = age.generate_identity().recipient
        named = {"local": {}, "escrow": {f"{YEAR}": str(recipient)}}
        monkeypatch.setattr("django.conf.settings.KEY_PROVIDERS", named)
        escrow.escrow_due()
        made = shredding.propose(item=dismissed, because=WHY, by=carla)
        approved = shredding.approve(made, by=dora)
        assert approved.remains[0]["escrow"] == age.fingerprint(recipient)
        assert not escrow.EscrowedKey.objects.exists()

    def test_is_refused_to_whoever_proposed_it(self, proposed_one: Shredding, carla: User) -> None:
        with pytest.raises(SamePerson):
            shredding.approve(proposed_one, by=carla)
        with pytest.raises(IntegrityError), transaction.atomic():
            Shredding.objects.update(
                state=State.APPROVED, approved_at=timezone.now(), approved_by=carla
            )

    def test_is_refused_to_the_custodian(self, proposed_one: Shredding, cleo: User) -> None:
        with pytest.raises(NotPermitted, match="may not approve shredding"):
            shredding.approve(proposed_one, by=cleo)

    def test_is_refused_once_something_needs_the_item_again(
        self, proposed_one: Shredding, dora: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reasons = ["The determination is held.", "The referral R-1 needs it."]
        monkeypatch.setattr(shredding, "needed", lambda items: reasons)
        with pytest.raises(Needed, match=r"^The determination is held\. So do 1 more\.$"):
            shredding.approve(proposed_one, by=dora)
        assert FileKeyWrap.objects.exists()


class TestReject:
    def test_leaves_the_evidence_where_it_is(self, proposed_one: Shredding, dora: User) -> None:
        rejected = shredding.reject(proposed_one, because="Not yet.", by=dora)
        assert (rejected.state, rejected.rejected_because) == (State.REJECTED, "Not yet.")
        assert FileKeyWrap.objects.exists()

    def test_is_refused_to_the_custodian(self, proposed_one: Shredding, cleo: User) -> None:
        with pytest.raises(NotPermitted):
            shredding.reject(proposed_one, because="Not yet.", by=cleo)


class TestShredDue:
    def test_removes_the_object_and_certifies_what_is_gone(
        self, approved_one: Shredding, carla: User, dora: User
    ) -> None:
        item = approved_one.item
        assert item is not None
        assert default_storage.exists(item.sealed_name)
        assert (shredding.shred_due(), shredding.shred_due()) == (1, 0)
        assert not default_storage.exists(item.sealed_name)
        approved_one.refresh_from_db()
        assert happened(approved_one)[-1] == "shredding.shredded"
        told = json.loads(approved_one.certificate)
        (gone,) = told["items"]
        assert (gone["id"], gone["sha256"], gone["object_sha256"]) == (
            str(item.pk), item.sha256, item.sealed_sha256,
        )  # fmt: skip
        assert told["number"] == approved_one.number
        assert told["proposed"]["by"] != told["approved"]["by"]
        # One item is gone from here; in a backup it ends with its key, and the certificate says so.
        assert told["keys"] == [{"key": f"local:{YEAR}", "state": "made", "destroyed_at": None}]
        key = shredding.bundles.service_key().public_key()
        message = approved_one.certificate.encode()
        sshsig.verify(approved_one.signature, message, shredding.NAMESPACE, key)

    @pytest.mark.parametrize("is_retired", [False, True])
    def test_destroys_the_keys_of_a_period(
        self, last_year: str, carla: User, dora: User, settings: Any, is_retired: bool
    ) -> None:
        if is_retired:
            keys.retire(Kek.objects.get())
        made = shredding.propose(period=last_year, because=WHY, by=carla)
        shredding.approve(made, by=dora)
        assert shredding.shred_due() == 1
        assert not (settings.KEYS_DIR / f"kek-{last_year}").exists()
        kek = Kek.objects.get(key_id=last_year)
        assert kek.state == "destroyed"
        made.refresh_from_db()
        told = json.loads(made.certificate)
        assert (told["period"], len(told["items"])) == (last_year, 1)
        assert told["keys"] == [
            {
                "key": f"local:{last_year}",
                "state": "destroyed",
                "destroyed_at": kek.destroyed_at and kek.destroyed_at.isoformat(),
            }
        ]

    def test_waits_for_a_storage_that_fails(
        self, approved_one: Shredding, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(self: Any, name: str) -> None:
            raise OSError("the storage is away")

        with monkeypatch.context() as patch:
            patch.setattr(type(default_storage._wrapped), "discard", away)  # type: ignore[attr-defined]
            assert shredding.shred_due() == 0
        assert [each.topic for each in lifecycle.failing()] == ["shred"]
        Work.objects.update(available_at=timezone.now())
        assert shredding.shred_due() == 1

    def test_destroys_no_key_that_wraps_something_again(
        self, last_year: str, dismissed: Item, carla: User, dora: User
    ) -> None:
        made = shredding.approve(
            shredding.propose(period=last_year, because=WHY, by=carla), by=dora
        )
        FileKeyWrap.objects.create(
            subject=dismissed.pk, provider="local", key_id=last_year, blob=b""
        )
        with pytest.raises(Needed, match="wraps something again"):
            shredding.end(made)


class TestSpare:
    def test_moves_what_is_needed_and_lets_the_rest_go(
        self, last_year: str, dismissed: Item, record: Callable[..., Finding],
        attach: Callable[..., Item], carla: User, dora: User, monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        with monkeypatch.context() as patch:  # it arrived in the year that is over
            patch.setattr(keys, "current", lambda: Kek.objects.get(key_id=last_year))
            kept = attach(record(), b"Still needed.")
        with pytest.raises(Needed, match="is not decided yet"):
            shredding.propose(period=last_year, because=WHY, by=carla)
        kek = Kek.objects.get(key_id=last_year)
        heir = shredding.spare(kek, by=carla)
        assert (heir.key_id, happened(kek)[-1]) == (f"{YEAR + 1}", "kek.spared")
        made = shredding.propose(period=last_year, because=WHY, by=carla)
        shredding.approve(made, by=dora)
        assert shredding.shred_due() == 1
        assert keys.file_key(kept.pk)
        with pytest.raises(KeyUnusable):
            keys.file_key(dismissed.pk)

    def test_is_refused_to_a_reviewer(self, dismissed: Item, ana: User) -> None:
        with pytest.raises(NotPermitted):
            shredding.spare(Kek.objects.get(), by=ana)


class TestCertificate:
    @pytest.mark.stock
    @pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="ssh-keygen is not installed")
    def test_is_verified_by_a_tool_that_knows_nothing_of_us(
        self, approved_one: Shredding, tmp_path: Path
    ) -> None:
        shredding.shred_due()
        out = StringIO()
        call_command("shredding_certificate", approved_one.number, out=tmp_path / "out", stdout=out)
        for changed, code in ((False, 0), (True, 255)):
            if changed:
                path = tmp_path / "out" / "certificate.json"
                path.write_text(path.read_text().replace(approved_one.number, "X-2222-2222"))
            done = subprocess.run(
                ["sh", "-c", out.getvalue()], cwd=tmp_path / "out", capture_output=True
            )
            assert done.returncode == code

    def test_is_of_what_is_gone_only(self, approved_one: Shredding, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match=f"There is no certificate of {approved_one}"):
            call_command("shredding_certificate", approved_one.number, out=tmp_path)


class TestDesk:
    def test_takes_two_people_through_a_shredding(
        self, dismissed: Item, carla: User, dora: User, sits: Callable[[User], Any]
    ) -> None:
        reference = dismissed.finding.reference
        page = sits(carla).begins(
            Shredding, "propose", finding=reference, exhibit="1", period="", because=WHY
        )
        assert page.said == ["The shredding is proposed. Counsel approves it."]
        made = Shredding.objects.get()
        assert made.item == dismissed
        assert "Approve" not in sits(carla).reads(made)
        page = sits(dora).takes(made, "approve")
        assert page.said[0].startswith("Nobody opens this evidence any more")
        assert evidence.was_viewed(dismissed) == "none"

    def test_knows_no_exhibit_by_a_wrong_number(
        self, dismissed: Item, carla: User, sits: Callable[[User], Any]
    ) -> None:
        page = sits(carla).begins(
            Shredding, "propose", finding="F-0000-0000", exhibit="1", period="", because=WHY
        )
        assert "No finding of this number has such an exhibit." in page.content.decode()

    def test_shows_a_custodian_the_keys_and_what_they_end(
        self, last_year: str, cleo: User, sits: Callable[[User], Any]
    ) -> None:
        kek = Kek.objects.get()
        page = sits(cleo).takes(kek, "spare")
        assert page.said == [
            "What is still needed is under this year's key. The period can be shredded."
        ]
        page = sits(cleo).begins(
            Shredding, "propose", finding="", exhibit="", period=last_year, because=WHY
        )
        assert f"of the period {last_year}" in sits(cleo).reads(Shredding.objects.get())
