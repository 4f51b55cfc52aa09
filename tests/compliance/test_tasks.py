"""Tasks: the doorbell of compliance's rooms; a doubled ring does nothing twice."""

from uuid import UUID

import pytest
from django.utils import timezone

from compliance import findings, requests, tasks
from compliance.audit import verification
from compliance.audit.checkpoints import AuditCosignature
from compliance.audit.entries import AuditEntry, AuditOutbox
from compliance.audit.timestamps import AuditTimestamp
from compliance.determinations import Determination
from compliance.facts import ProviderProfile
from compliance.findings import Finding
from compliance.preservation import Hold
from compliance.roles import User
from compliance.vault import keys
from compliance.vault.keys import Kek
from compliance.vault.uploads import Unclaimed


class TestTakeInDue:
    def test_puts_the_law_on_record_once_however_often_it_rings(self, db: None) -> None:
        tasks.take_in_due()
        tasks.take_in_due()
        assert AuditEntry.objects.get(event="release.shipped").actor_ref == "system:upgrade"


class TestProposeDue:
    def test_proposes_once_however_often_it_rings(
        self, profile: ProviderProfile, finding: Finding, ben: User
    ) -> None:
        findings.confirm(finding, because="Credible.", by=ben)
        tasks.propose_due()
        tasks.propose_due()
        assert Determination.objects.get().finding == finding


class TestPlaceDue:
    @pytest.mark.usefixtures("signed")
    def test_holds_once_however_often_it_rings(self) -> None:
        tasks.place_due()
        tasks.place_due()
        assert Hold.objects.count() == 1


class TestWeighDue:
    def test_weighs_once_however_often_it_rings(self, ana: User) -> None:
        told = {"kind": "access", "identifiers": ["pat"], "received_at": timezone.now()}
        request = requests.record(**told, by=ana)
        tasks.weigh_due()
        tasks.weigh_due()
        request.refresh_from_db()
        assert (request.state, request.version) == ("cleared", 2)


class TestSweepDue:
    def test_sweeps_what_is_left_behind_once(self, db: None) -> None:
        Unclaimed.objects.create(until=timezone.now())
        tasks.sweep_due()
        tasks.sweep_due()
        assert not Unclaimed.objects.exists()
        assert AuditEntry.objects.filter(event="upload.swept").count() == 1


@pytest.mark.usefixtures("worker", "db")
class TestRewrapDueAndDestroyDue:
    def test_move_what_a_retired_key_wraps_and_end_it_in_time(self) -> None:
        keys.keep(UUID(int=7), bytes(16))
        old = keys.retire(keys.current())
        for ring in (tasks.rewrap_due, tasks.rewrap_due, tasks.destroy_due):
            ring()
        old.refresh_from_db()
        assert (old.state, keys.wraps(old).count()) == ("retired", 0)
        Kek.objects.filter(pk=old.pk).update(retired_at=timezone.now() - keys.GRACE)
        tasks.destroy_due()
        old.refresh_from_db()
        assert old.state == "destroyed"


class TestSealLog:
    def test_seals_what_is_owed(self, finding: Finding) -> None:
        assert AuditOutbox.objects.exists()
        tasks.seal_log()
        tasks.seal_log()
        assert not AuditOutbox.objects.exists()
        assert verification.verify().good


class TestAnchors:
    def test_ask_nobody_where_the_settings_name_nobody(self, finding: Finding) -> None:
        tasks.seal_log()
        tasks.cosign_due()
        tasks.stamp_due()
        assert not AuditCosignature.objects.exists()
        assert not AuditTimestamp.objects.exists()
