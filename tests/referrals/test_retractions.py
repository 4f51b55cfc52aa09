"""Retractions: whoever got any version of an overturned finding is told, once counsel signed."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from joserfc.jwk import OKPKey

from compliance import audit, determinations, findings, lifecycle
from compliance.audit.entries import AuditEntry
from compliance.determinations import Determination, Obligation
from compliance.errors import Malformed, NotPermitted, SamePerson, Stale, WrongState
from compliance.findings import Finding
from compliance.lifecycle import Work
from compliance.overturnings import Overturning
from compliance.roles import Role, User
from compliance.vault import age
from referrals import agencies, bundles, delivery, docket, receipts, retractions, routes
from referrals.agencies import Agency, AgencyKey
from referrals.bundles import Bundle, SealedHeader
from referrals.channels import DeliveryFailed, Parcel
from referrals.channels.pickup import Pickup
from referrals.clients import LiaisonClient
from referrals.docket import FilingType, Referral
from referrals.management.commands.work import pass_through
from referrals.retractions import Retraction, State
from tests.cast import NOW
from tests.referrals.test_bundles import manifest

Make = Callable[..., Any]
Overturn = Callable[..., Overturning]


def work() -> None:
    """Let every room do what it owes, as if each pause were over."""
    for _ in range(3):
        pass_through()
        Work.objects.filter(done_at=None).update(available_at=NOW, lease_until=None)


@pytest.fixture
def finding_of(delivered: Referral) -> Finding:
    """The finding that was referred."""
    return delivered.obligation.determination.finding


class TestPropose:
    def test_is_due_a_day_after_the_finding_was_overturned(
        self, retraction: Retraction, delivered: Referral
    ) -> None:
        overturning = retraction.overturning
        assert retraction.due_at == overturning.signed_at + timedelta(hours=24)
        assert (retraction.agency, retraction.state) == (delivered.agency, State.PROPOSED)
        assert str(retraction) == f"retraction of {overturning.finding} from bka"
        entry = AuditEntry.objects.get(event="retraction.proposed")
        assert entry.additional_data == {"reason": "compromised_account"}

    def test_asks_to_erase_what_the_agency_got_and_there_is(self, retraction: Retraction) -> None:
        assert retraction.erase == ["C_pub", "ID", "META", "SUSP", "TRAF"]

    def test_happens_once_for_an_agency(self, retraction: Retraction, delivered: Referral) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            retractions.propose(delivered)

    def test_is_late_once_its_time_passed(self, retraction: Retraction) -> None:
        assert not retraction.is_overdue
        retraction.due_at = timezone.now() - timedelta(seconds=1)
        assert retraction.is_overdue
        assert list(retractions.waiting()) == [retraction]


class TestSign:
    def test_takes_counsel_and_a_reason(self, retraction: Retraction, carla: User) -> None:
        for because, version, refusal in ((" ", 1, Malformed), ("Seen.", 0, Stale)):
            with pytest.raises(refusal):
                retractions.sign(retraction, because=because, version=version, by=carla)
        done = retractions.sign(retraction, because="Seen.", version=1, by=carla)
        assert (done.state, done.signed_by) == (State.SIGNED, carla)
        with pytest.raises(WrongState, match="is signed; it cannot become signed"):
            retractions.sign(retraction, because="Seen.", by=carla)

    def test_is_refused_to_reviewers_and_to_whoever_proposed_to_overturn(
        self, retraction: Retraction, ben: User
    ) -> None:
        with pytest.raises(NotPermitted, match="The role reviewer may not sign retraction"):
            retractions.sign(retraction, because="Seen.", by=ben)
        User.objects.filter(pk=ben.pk).update(role=Role.COUNSEL)
        with pytest.raises(SamePerson):
            retractions.sign(retraction, because="Seen.", by=User.objects.get(pk=ben.pk))


class TestEnter:
    def test_names_what_it_takes_back_and_who_sees_to_it(
        self, retraction: Retraction, delivered: Referral, carla: User
    ) -> None:
        done = retractions.enter(retractions.sign(retraction, because="Seen.", by=carla))
        referral = done.referral
        assert (referral.filing_type, referral.owner) == (FilingType.RETRACTION, carla)
        assert list(referral.prior_referrals.all()) == [delivered]
        assert referral.due_at == retraction.due_at
        entry = AuditEntry.objects.get(event="referral.entered", object_pk=str(referral.pk))
        assert entry.additional_data == {"filing_type": "retraction"}

    def test_is_never_before_the_signature(self, retraction: Retraction) -> None:
        with (
            pytest.raises(IntegrityError, match="retraction_is_signed_before_it_is_entered"),
            transaction.atomic(),
        ):
            retractions.enter(retraction)
        assert not Referral.objects.filter(filing_type=FilingType.RETRACTION).exists()

    @pytest.mark.slow
    def test_is_addressed_to_whoever_answers_for_the_agency_now(
        self, retraction: Retraction, carla: User, enrol: Make, agency: Agency
    ) -> None:
        agencies.revoke(agency, because="It moved.", by=carla)
        signed = retractions.sign(retraction, because="Seen.", by=carla)
        with pytest.raises(agencies.NotEnrolled):
            retractions.enter(signed)
        heir = enrol("bka", age.generate_identity())
        assert retractions.enter(signed).referral.agency == heir


class TestRetractDue:
    def test_withdraws_what_is_on_its_way_and_ends_its_attempt(
        self, sealed: Referral, overturn: Overturn
    ) -> None:
        delivery._open(sealed)
        overturn(sealed.obligation.determination.finding)
        assert (retractions.retract_due(), retractions.retract_due()) == (1, 0)
        sealed.refresh_from_db()
        assert (sealed.state, sealed.withdrawn_by) == (docket.State.WITHDRAWN, None)
        assert sealed.withdrawn_because == docket.OVERTURNED
        assert (delivery.deliver_due(), delivery.deliver_due()) == (1, 0)
        (attempt,) = sealed.attempts.all()
        assert (attempt.failed_because, attempt.is_permanent) == ("Withdrawn.", True)
        assert not Retraction.objects.exists()
        event = AuditEntry.objects.get(event="delivery.abandoned")
        assert (event.object_pk, event.additional_data) == (str(sealed.pk), {"attempt": 1})

    @pytest.mark.slow
    def test_counts_what_was_pushed_as_got_though_nobody_confirmed_it(
        self, sealed: Referral, overturn: Overturn, cleo: User, carla: User
    ) -> None:
        told = {"way": "mail", "address": "desk@agency.example.org"}
        route = routes.add(sealed.agency, **told, by=cleo)
        routes.approve(route, address=told["address"], by=carla)
        delivery._open(sealed)
        overturn(sealed.obligation.determination.finding)
        assert (retractions.retract_due(), retractions.retract_due()) == (2, 0)
        retraction = Retraction.objects.get()
        (asked,) = retractions.notice(retraction)["destroy"]
        assert asked["bundle_sha256"] == sealed.bundle.sha256
        signed = retractions.sign(retraction, because="Seen.", by=carla)
        assert list(retractions.enter(signed).referral.prior_referrals.all()) == [sealed]

    def test_lets_nothing_of_an_overturned_finding_out_meanwhile(
        self, sealed: Referral, overturn: Overturn
    ) -> None:
        sent = delivery.transmit(sealed)
        overturn(sealed.obligation.determination.finding)
        with pytest.raises(WrongState, match="is not owed any more"):
            delivery.deliver(sealed, sent)
        assert delivery.deliver_due() == 0
        assert list(docket.idle()) == [sealed]

    def test_enters_nothing_anew(
        self, signed: Determination, agency: Agency, overturn: Overturn
    ) -> None:
        overturn(signed.finding)
        assert docket.enter_due() == 0

    @pytest.mark.slow
    def test_leaves_what_another_finding_sent_out(
        self, delivered: Referral, overturn: Overturn, record: Make, ben: User
    ) -> None:
        other = findings.confirm(record(), because="Credible.", by=ben)
        overturn(other)
        assert retractions.retract_due() == 0


class TestBundle:
    @pytest.mark.slow
    def test_holds_no_content_and_says_what_to_destroy(
        self, retraction: Retraction, delivered: Referral, carla: User, identity: age.Identity
    ) -> None:
        signed = retractions.sign(retraction, because="Seen.", by=carla)
        work()
        referral = Referral.objects.get(retraction=signed)
        assert referral.state == docket.State.DELIVERED
        data = b"".join(bundles.read(referral.bundle, 0, referral.bundle.size))
        told = manifest(data, identity)
        assert (told["statement"], told["particulars"], told["items"]) == (None, {}, [])
        assert (told["released"], told["withheld"]) == ([], {})
        assert told["referral"] == {
            "number": referral.number,
            "id": str(referral.pk),
            "filing_type": "retraction",
            "version": 2,
            "prior_referrals": [delivered.number],
        }
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
        assert f"{retraction._meta.model_name}.signed" in told["log_entry"]
        assert told["signed"]["by"] == bundles.pseudonym(carla)
        assert "changes" not in told

    @pytest.mark.slow
    def test_of_what_was_taken_back_ends_with_its_headers(
        self, retraction: Retraction, delivered: Referral, lee: LiaisonClient
    ) -> None:
        assert (bundles.seal_due(), bundles.seal_due()) == (1, 0)
        assert Bundle.objects.get(referral=delivered).revoked_at
        assert not SealedHeader.objects.filter(revoked_at=None).exists()
        with pytest.raises(docket.Retracted, match="Nothing of it can be fetched"):
            receipts.collect(delivered, by=lee)


class Offline(Pickup):
    """A channel that does not reach one agency."""

    def __init__(self, authority: str) -> None:
        self.authority, self.is_down = authority, True

    def transmit(self, parcel: Parcel) -> Any:
        if self.is_down and parcel.authority == self.authority:
            raise DeliveryFailed("The agency cannot be reached.", permanent=False)
        return super().transmit(parcel)


class World:
    """One finding that four agencies were told of in three versions."""

    names = ("bka", "europol", "fbi", "garda")

    def __init__(self, signed: Determination, enrol: Make, admit: Make) -> None:
        self.finding = signed.finding
        self.identities = {name: [age.generate_identity()] for name in self.names}
        self.agencies = {name: enrol(name, self.identities[name][0]) for name in self.names}
        self.key = OKPKey.generate_key("Ed25519")
        self.lees = {
            name: admit(self.agencies[name], self.key, f"lee-{name}") for name in self.names
        }
        self.first = signed.obligations.get()

    def owe(self, *names: str, release: list[str]) -> None:
        """Oblige to tell these agencies, in the chain of each, as an owner of the database can.

        A determination states each recipient once, so each version has one of its own.
        """
        before = Determination.objects.get(pk=self.first.determination_id)
        latest = self.finding.determinations.filter(state="signed").get()
        newer = Determination.objects.get(pk=latest.pk)
        if latest.obligations.filter(recipient__in=names).exists() or latest.pk != before.pk:
            lifecycle.advance(latest, "superseded", by=None)
            Determination.objects.filter(finding=self.finding).update(is_newest=False)
            newer.pk, newer.version, newer.is_newest = uuid.uuid4(), 1, True
            newer.save(force_insert=True)
            audit.record("determination.signed", newer, by=newer.signed_by)
        for name in names:
            chain = Obligation.objects.filter(
                recipient=name, determination__finding=self.finding
            ).first()
            Obligation.objects.create(
                determination=newer, recipient=name, kind="duty", because=self.first.because,
                release=release, withhold={}, reason="It holds.",
                chain=chain.chain if chain else uuid.uuid4(),
            )  # fmt: skip

    def got(self, name: str) -> list[Referral]:
        """What an agency got, without the retraction, oldest first."""
        got = Referral.objects.filter(agency=self.agencies[name], state__in=docket.GOT)
        return list(got.exclude(filing_type="retraction").order_by("delivered_at"))


@pytest.fixture
def world(signed: Determination, enrol: Make, admit: Make, worker: None) -> World:
    """Four agencies, each with a key and a client."""
    return World(signed, enrol, admit)


@pytest.mark.slow
class TestEverybody:
    def test_who_got_any_version_is_told_under_any_key_and_when_they_are_back(
        self, world: World, cleo: User, carla: User, overturn: Overturn,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        # The first version goes to two agencies, the second to three, the third to all four.
        work()
        assert [each.filing_type for each in world.got("bka")] == ["initial"]
        world.owe("bka", "europol", release=["C_pub", "META"])
        work()
        world.owe("bka", "europol", "fbi", release=["C_pub", "META", "SUSP"])
        work()
        # One agency changes its key; what it got before was under the older one.
        newer = age.generate_identity()
        old = AgencyKey.objects.get(agency=world.agencies["europol"])
        added = agencies.add_key(
            world.agencies["europol"], str(newer.recipient), expires_at=NOW + timedelta(days=9),
            by=cleo,
        )  # fmt: skip
        agencies.approve_key(added, fingerprint=added.fingerprint, by=carla)
        agencies.revoke_key(old, because="A change of keys.", by=carla)
        world.owe(*world.names, release=["C_pub", "ID", "META", "SUSP"])
        work()
        kinds = {name: [each.filing_type for each in world.got(name)] for name in world.names}
        assert kinds == {
            "bka": ["initial", "correction", "supplement", "supplement"],
            "europol": ["initial", "supplement", "supplement"],
            "fbi": ["initial", "supplement"],
            "garda": ["initial"],
        }
        keys = {each.bundle.agency_key for each in world.got("europol")}
        assert keys == {old, added}
        # The finding is overturned while one agency cannot be reached; counsel signs each.
        channel = Offline("fbi")
        monkeypatch.setattr(routes, "channel", lambda route, sign: channel)
        overturn(world.finding)
        work()
        proposed = {each.agency.authority: each for each in Retraction.objects.all()}
        assert proposed.keys() == set(world.names)
        for retraction in proposed.values():
            retractions.sign(retraction, because="Seen.", by=carla)
        work()
        # Three have it. The fourth's waits with its attempts in view, and late it has an owner.
        filed = {each.agency.authority: each for each in Referral.objects.filter(
            filing_type="retraction"
        )}  # fmt: skip
        states = {name: each.state for name, each in filed.items()}
        assert states == dict.fromkeys(world.names, "delivered") | {"fbi": "sealed"}
        assert filed["fbi"].attempts.filter(failed_because__contains="reached").exists()
        channel.is_down = False
        work()
        for name, referral in filed.items():
            referral.refresh_from_db()
            assert referral.state == docket.State.DELIVERED
            # Every version of every agency is named, with the digest of the very bytes it got.
            told = retractions.notice(Retraction.objects.get(referral=referral))
            assert [each["bundle_sha256"] for each in told["destroy"]] == [
                each.bundle.sha256 for each in world.got(name)
            ]
            assert set(referral.prior_referrals.all()) == set(world.got(name))
            # Nothing of it can be fetched any more; the retraction can, with the newest key.
            for each in world.got(name):
                with pytest.raises(docket.Retracted):
                    receipts.collect(each, by=world.lees[name])
            data = b"".join(bundles.read(referral.bundle, 0, referral.bundle.size))
            identity = newer if name == "europol" else world.identities[name][0]
            assert manifest(data, identity)["retraction"]["reason"] == "compromised_account"
        assert not SealedHeader.objects.filter(revoked_at=None).exists()
        # Each acknowledges on its own; whoever has not stays in view.
        for name in world.names[:3]:
            receipts.acknowledge(
                filed[name], agency_reference="gone", receipt_sha256=filed[name].bundle.sha256,
                by=world.lees[name],
            )  # fmt: skip
        Referral.objects.update(due_at=NOW - timedelta(minutes=1))
        assert list(docket.overdue()) == [filed["garda"]]
        assert filed["garda"].owner == carla
        assert not docket.idle().exists()
        assert not Work.objects.filter(done_at=None).exists()

    def test_who_got_none_is_not_told(self, world: World, overturn: Overturn) -> None:
        work()
        overturn(world.finding)
        work()
        assert [each.agency.authority for each in Retraction.objects.all()] == ["bka"]
        assert determinations.propose_due() == 0
