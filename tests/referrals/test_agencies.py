"""Agencies: Cleo enrols them, Carla approves, and nothing is sealed to a key nobody read back."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from compliance import lifecycle
from compliance.audit.entries import AuditEntry
from compliance.errors import KeyUnusable, Malformed, NotPermitted, SamePerson, WrongState
from compliance.roles import User
from compliance.vault import age
from referrals import agencies
from referrals.agencies import Agency, AgencyKey, NotEnrolled, State
from referrals.clients import LiaisonClient

pytestmark = pytest.mark.usefixtures("worker")


def happened(record: models.Model) -> list[tuple[str, str]]:
    """Tell what the log says of a record, and who did it; the field diffs are left out."""
    entries = AuditEntry.objects.filter(object_pk=str(record.pk)).order_by("id")
    told = entries.exclude(event__regex=r"\.(created|updated)$")
    return list(told.values_list("event", "actor_ref"))


def in_days(days: int) -> Any:
    return timezone.now() + timedelta(days=days)


CARD = "age1tag1qwd4m2kdeln7azn3t0pt90ztddrrw7r2s6la2j64qn7sm0hdy36zy88wgud"  # nobody's


@pytest.fixture
def added(worker: None, cleo: User) -> Agency:
    """An agency that Cleo enrolled and nobody approved yet."""
    return agencies.enrol(authority="bka", name=" Sample desk ", by=cleo)


@pytest.fixture
def key(added: Agency, identity: age.Identity, cleo: User) -> AgencyKey:
    """Its key, added by Cleo and not approved yet."""
    text = f" {identity.recipient}\n"
    return agencies.add_key(added, text, expires_at=in_days(30), by=cleo)


class TestEnrol:
    def test_puts_the_agency_on_record_under_the_name_of_its_authority(
        self, added: Agency, cleo: User
    ) -> None:
        assert (str(added), added.name, added.environment) == ("bka", "Sample desk", "test")
        assert (added.state, added.added_by) == (State.ADDED, cleo)
        assert happened(added) == [("agency.added", f"user:{cleo.pk}")]

    def test_is_refused_to_counsel(self, carla: User) -> None:
        with pytest.raises(NotPermitted, match=r"The role counsel may not enrol agency\."):
            agencies.enrol(authority="bka", name="Sample desk", by=carla)

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"authority": "bkx"}, r"The rulebooks know no authority 'bkx'\."),
            ({"name": "  "}, r"The agency's name wants 1 to 200 characters\."),
            ({"name": "x" * 201}, r"The agency's name wants 1 to 200 characters\."),
            ({"environment": "staging"}, r"The environment is test or production\."),
        ],
    )
    def test_refuses_what_it_cannot_use(
        self, changes: dict[str, str], sentence: str, cleo: User
    ) -> None:
        with pytest.raises(Malformed, match=sentence):
            agencies.enrol(**{"authority": "bka", "name": "Sample desk", "by": cleo} | changes)
        assert not Agency.objects.exists()

    def test_happens_once_for_each_authority(self, added: Agency, cleo: User) -> None:
        with pytest.raises(Malformed, match=r"An agency is enrolled for bka already\."):
            agencies.enrol(authority="bka", name="Another desk", by=cleo)


class TestApprove:
    def test_is_a_second_persons_step(self, added: Agency, cleo: User, carla: User) -> None:
        with pytest.raises(SamePerson, match=r"A second person must approve what you added\."):
            agencies.approve(added, by=cleo)
        approved = agencies.approve(added, by=carla)
        assert (approved.state, approved.approved_by) == (State.APPROVED, carla)
        assert happened(added)[1:] == [("agency.approved", f"user:{carla.pk}")]

    def test_is_refused_to_a_reviewer(self, added: Agency, ana: User) -> None:
        with pytest.raises(NotPermitted, match=r"The role reviewer may not approve agency\."):
            agencies.approve(added, by=ana)

    def test_happens_once(self, agency: Agency, carla: User) -> None:
        with pytest.raises(WrongState, match=r"bka is approved; it cannot become approved\."):
            agencies.approve(agency, by=carla)


class TestRevoke:
    def test_makes_room_for_another_agency_that_answers_for_the_authority(
        self, agency: Agency, carla: User, cleo: User
    ) -> None:
        agencies.revoke(agency, because="Merged.", by=carla)
        again = agencies.enrol(authority="bka", name="The new desk", by=cleo)
        agencies.approve(again, by=carla)
        assert agencies.for_recipient("bka") == again

    def test_ends_what_an_agency_gets_and_its_programs_may_do(
        self, agency: Agency, lee: LiaisonClient, carla: User
    ) -> None:
        assert lee.is_usable
        revoked = agencies.revoke(agency, because=" Closed. ", by=carla)
        assert (revoked.state, revoked.revoked_because) == (State.REVOKED, "Closed.")
        assert happened(revoked)[-1] == ("agency.revoked", f"user:{carla.pk}")
        with pytest.raises(NotEnrolled, match="No approved agency is enrolled for bka"):
            agencies.for_recipient("bka")
        with pytest.raises(KeyUnusable, match="has no approved, unexpired key"):
            agencies.sealing_key(agency)
        lee.refresh_from_db()
        assert not lee.is_usable

    def test_wants_a_reason(self, agency: Agency, carla: User) -> None:
        with pytest.raises(Malformed, match="A reason is missing"):
            agencies.revoke(agency, because=" ", by=carla)

    def test_is_refused_to_a_reviewer(self, agency: Agency, ana: User) -> None:
        with pytest.raises(NotPermitted, match="may not approve agency"):
            agencies.revoke(agency, because="Closed.", by=ana)


class TestAddKey:
    def test_keeps_the_key_with_the_fingerprint_to_read_out(
        self, key: AgencyKey, identity: age.Identity, cleo: User
    ) -> None:
        assert key.recipient == str(identity.recipient)
        assert key.fingerprint == age.fingerprint(identity.recipient)
        assert str(key) == f"key {key.fingerprint[:16]}"
        assert happened(key) == [("agencykey.added", f"user:{cleo.pk}")]
        entry = AuditEntry.objects.get(event="agencykey.added")
        assert entry.additional_data == {"fingerprint": key.fingerprint}

    def test_is_refused_to_counsel(
        self, added: Agency, identity: age.Identity, carla: User
    ) -> None:
        with pytest.raises(NotPermitted, match="may not enrol agency"):
            agencies.add_key(added, str(identity.recipient), expires_at=in_days(1), by=carla)

    def test_refuses_what_is_no_public_key(
        self, added: Agency, identity: age.Identity, cleo: User
    ) -> None:
        for text in ("age1nonsense", str(identity)):
            with pytest.raises(Malformed, match=r"This is not an age public key\. It begins with"):
                agencies.add_key(added, text, expires_at=in_days(1), by=cleo)

    def test_refuses_a_key_whose_time_is_over(
        self, added: Agency, identity: age.Identity, cleo: User
    ) -> None:
        with pytest.raises(Malformed, match=r"The key's last day must lie in the future\."):
            agencies.add_key(added, str(identity.recipient), expires_at=in_days(-1), by=cleo)

    def test_refuses_a_key_that_is_on_record(self, key: AgencyKey, cleo: User) -> None:
        with pytest.raises(Malformed, match=r"This key is on record already\."):
            agencies.add_key(key.agency, key.recipient, expires_at=in_days(1), by=cleo)


class TestKind:
    @pytest.mark.parametrize("kind", ["mlkem768x25519", "X25519"])
    def test_is_the_name_that_age_has_for_it(self, added: Agency, cleo: User, kind: str) -> None:
        text = str(age.generate_identity(kind).recipient)
        assert agencies.add_key(added, text, expires_at=in_days(1), by=cleo).kind == kind

    def test_may_be_the_one_of_smart_cards(self, added: Agency, cleo: User) -> None:
        key = agencies.add_key(added, CARD, expires_at=in_days(1), by=cleo)
        assert (key.kind, key.recipient) == ("p256tag", CARD)


class TestApproveKey:
    def test_takes_the_fingerprint_as_people_read_it_out(self, key: AgencyKey, carla: User) -> None:
        heard = " ".join(key.fingerprint[at : at + 4] for at in range(0, 64, 4)).upper()
        approved = agencies.approve_key(key, fingerprint=heard, by=carla)
        assert (approved.state, approved.approved_by) == (State.APPROVED, carla)
        assert happened(key)[1:] == [("agencykey.approved", f"user:{carla.pk}")]

    def test_is_refused_to_the_person_who_added_the_key(self, key: AgencyKey, cleo: User) -> None:
        with pytest.raises(SamePerson, match="A second person must approve"):
            agencies.approve_key(key, fingerprint=key.fingerprint, by=cleo)

    def test_is_refused_to_a_reviewer(self, key: AgencyKey, ana: User) -> None:
        with pytest.raises(NotPermitted, match="may not approve agency"):
            agencies.approve_key(key, fingerprint=key.fingerprint, by=ana)

    def test_refuses_the_fingerprint_of_another_key(self, key: AgencyKey, carla: User) -> None:
        with pytest.raises(Malformed, match="read out is not the one of this key"):
            agencies.approve_key(key, fingerprint="0" * 64, by=carla)
        key.refresh_from_db()
        assert key.state == State.ADDED


class TestRevokeKey:
    def test_ends_the_key_with_a_reason(self, agency: Agency, carla: User) -> None:
        revoked = agencies.revoke_key(agency.keys.get(), because=" Laptop lost. ", by=carla)
        assert (revoked.state, revoked.revoked_because) == (State.REVOKED, "Laptop lost.")
        assert happened(revoked)[-1] == ("agencykey.revoked", f"user:{carla.pk}")
        with pytest.raises(KeyUnusable):
            agencies.sealing_key(agency)

    def test_wants_a_reason(self, key: AgencyKey, carla: User) -> None:
        with pytest.raises(Malformed, match="A reason is missing"):
            agencies.revoke_key(key, because=" ", by=carla)

    def test_is_refused_to_a_reviewer(self, key: AgencyKey, ana: User) -> None:
        with pytest.raises(NotPermitted, match="may not approve agency"):
            agencies.revoke_key(key, because="Laptop lost.", by=ana)


class TestWarnDue:
    @pytest.mark.usefixtures("worker")
    def test_warns_once_of_a_key_that_ends_within_a_month(self, agency: Agency) -> None:
        assert agencies.warn_due() == 0
        agency.keys.update(expires_at=in_days(29))
        assert (agencies.warn_due(), agencies.warn_due()) == (1, 0)
        assert happened(agency.keys.get())[-1] == ("agencykey.warned", "system:worker")

    @pytest.mark.usefixtures("worker")
    def test_warns_of_no_key_that_has_a_successor_or_counts_no_more(
        self, agency: Agency, cleo: User, carla: User
    ) -> None:
        first = agency.keys.get()
        text = str(age.generate_identity(age.X25519).recipient)
        newer = agencies.add_key(agency, text, expires_at=in_days(300), by=cleo)
        agency.keys.filter(pk=first.pk).update(expires_at=in_days(3))
        assert list(agencies.expiring()) == [first]  # until the newer one is approved
        agencies.approve_key(newer, fingerprint=newer.fingerprint, by=carla)
        assert not agencies.expiring()
        agency.keys.update(expires_at=in_days(-1))
        assert not agencies.expiring()


class TestForRecipient:
    def test_gives_the_approved_agency(self, agency: Agency) -> None:
        assert agencies.for_recipient("bka") == agency

    @pytest.mark.usefixtures("added")
    def test_refuses_one_that_is_unknown_or_not_approved(self) -> None:
        for recipient in ("bka", "fbi"):
            with pytest.raises(
                NotEnrolled, match=f"No approved agency is enrolled for {recipient}\\. Enrol it"
            ):
                agencies.for_recipient(recipient)


class TestSealingKey:
    def test_gives_the_key_that_was_approved_last(
        self, agency: Agency, cleo: User, carla: User
    ) -> None:
        text = str(age.generate_identity(age.X25519).recipient)
        newer = agencies.add_key(agency, text, expires_at=in_days(9), by=cleo)
        assert agencies.sealing_key(agency) != newer
        agencies.approve_key(newer, fingerprint=newer.fingerprint, by=carla)
        assert agencies.sealing_key(agency) == newer

    def test_refuses_when_no_key_is_approved(self, key: AgencyKey) -> None:
        with pytest.raises(KeyUnusable, match=r"The agency bka has no approved, unexpired key\."):
            agencies.sealing_key(key.agency)

    def test_refuses_a_key_that_expired_since(self, agency: Agency) -> None:
        agency.keys.update(expires_at=in_days(-1))
        with pytest.raises(KeyUnusable, match="no approved, unexpired key"):
            agencies.sealing_key(agency)

    def test_refuses_an_agency_that_is_not_approved_any_more(
        self, agency: Agency, carla: User
    ) -> None:
        lifecycle.advance(agency, State.REVOKED, because="Dissolved.", by=carla)
        with pytest.raises(KeyUnusable, match="no approved, unexpired key"):
            agencies.sealing_key(agency)


class TestConstraints:
    @pytest.mark.parametrize("model", [Agency, AgencyKey])
    @pytest.mark.parametrize(
        "changes",
        [
            {"state": State.APPROVED},
            {"state": State.REVOKED},
            {"approved_at": timezone.now()},
            {"revoked_at": timezone.now()},
        ],
    )
    def test_let_no_state_stand_without_its_stamps(
        self, model: Any, changes: dict[str, Any], key: AgencyKey
    ) -> None:
        with pytest.raises(IntegrityError, match="is_stamped"), transaction.atomic():
            model.objects.update(**changes)

    @pytest.mark.parametrize("model", [Agency, AgencyKey])
    def test_let_nobody_approve_alone(self, model: Any, key: AgencyKey, cleo: User) -> None:
        alone = {"state": State.APPROVED, "approved_at": timezone.now(), "approved_by": cleo}
        with pytest.raises(IntegrityError, match="by_a_second_person"), transaction.atomic():
            model.objects.update(**alone)
