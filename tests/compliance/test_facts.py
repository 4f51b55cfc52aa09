"""Facts: each has somebody who asserted it and a source; the provider's own need two counsel."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from compliance import facts, findings
from compliance.audit.entries import AuditEntry
from compliance.errors import Malformed, NotPermitted, SamePerson, WrongState
from compliance.evidence import Item
from compliance.facts import Confidence, FactAssertion, ProviderProfile
from compliance.findings import Finding
from compliance.roles import User

KNOWN = {"threat.imminent": True, "threat.to": ["life"]}
OWN = {"provider.main_establishment": "US", "provider.offers_in": ["DE", "US"]}
SOURCE, WHY = "review of the post", "It names an hour."

Record = Callable[..., Finding]


@pytest.fixture
def bare(record: Record) -> Finding:
    """A finding about which one fact is known."""
    return record(known={"threat.imminent": False})


class TestAssertFacts:
    def test_keeps_who_asserted_what_on_which_source(self, bare: Finding, ben: User) -> None:
        made = facts.assert_facts(bare, KNOWN, source=f" {SOURCE} ", reason=f" {WHY} ", by=ben)
        assert [(each.fact, each.value) for each in made] == list(KNOWN.items())
        kept = FactAssertion.objects.get(fact="threat.to")
        assert (kept.finding, kept.value, kept.source) == (bare, ["life"], SOURCE)
        assert kept.asserted_by == ben
        assert str(kept) == f"fact {kept.pk}"

    def test_leaves_one_event_that_names_the_facts_and_not_what_they_say(
        self, bare: Finding, ben: User
    ) -> None:
        facts.assert_facts(bare, KNOWN, source=SOURCE, reason=WHY, by=ben)
        entry = AuditEntry.objects.filter(event="facts.asserted").latest()
        assert (entry.actor, entry.object_pk) == (ben, str(bare.pk))
        assert entry.additional_data == {"facts": sorted(KNOWN)}
        assert "life" not in str(list(AuditEntry.objects.values()))

    def test_never_changes_an_earlier_assertion_but_the_latest_counts(
        self, bare: Finding, ben: User
    ) -> None:
        facts.assert_facts(bare, KNOWN, source=SOURCE, reason=WHY, by=ben)
        assert [each.value for each in bare.facts.filter(fact="threat.imminent")] == [False, True]
        assert facts.snapshot(bare)["facts"]["threat.imminent"] is True

    def test_says_how_sure_they_are_and_why(self, bare: Finding, ben: User) -> None:
        told = {"confidence": "3", "reason": f" {WHY} "}
        made = facts.assert_facts(bare, KNOWN, source=SOURCE, **told, by=ben)
        assert {(each.confidence, each.reason) for each in made} == {("3", WHY)}
        (least,) = facts.assert_facts(bare, {"item.status": "live"}, source=SOURCE, by=ben)
        assert (least.confidence, least.reason) == (Confidence.UNCORROBORATED, "")

    def test_refuses_a_judgement_without_a_reason_and_a_sureness_of_our_own(
        self, bare: Finding, ben: User
    ) -> None:
        for told, sentence in (
            ({}, "threat.imminent is a judgement. Say in a sentence why you judge so"),
            ({"reason": " "}, "threat.imminent is a judgement"),
            ({"reason": WHY, "confidence": "5"}, "Confidence is one of 1, 2, 3, 4"),
        ):
            with pytest.raises(Malformed, match=sentence):
                facts.assert_facts(bare, KNOWN, source=SOURCE, **told, by=ben)
        assert bare.facts.count() == 1

    def test_names_the_assertion_that_it_supersedes(self, bare: Finding, ben: User) -> None:
        first = bare.facts.get()
        second, other = facts.assert_facts(bare, KNOWN, source=SOURCE, reason=WHY, by=ben)
        assert (first.supersedes, second.supersedes, other.supersedes) == (None, first, None)

    @pytest.mark.parametrize(
        ("known", "sentence"),
        [
            ({"suspect.residence": ["DE"]}, "give suspect.residence_basis with it"),
            (
                {"suspect.residence": ["DE"], "suspect.residence_basis": "network"},
                "A network address shows no suspect.residence. Tell it as suspect.location",
            ),
        ],
    )
    def test_takes_no_residence_from_a_network_address(
        self, bare: Finding, ben: User, known: dict[str, Any], sentence: str
    ) -> None:
        with pytest.raises(Malformed, match=sentence):
            facts.assert_facts(bare, known, source="an IP look-up", by=ben)
        assert bare.facts.count() == 1

    def test_takes_a_residence_with_its_basis_which_stays_no_network_address(
        self, bare: Finding, ben: User
    ) -> None:
        declared = {"suspect.residence": ["DE"], "suspect.residence_basis": "declared"}
        facts.assert_facts(bare, declared, source=SOURCE, by=ben)
        facts.assert_facts(bare, {"suspect.residence": ["FR"]}, source=SOURCE, by=ben)
        with pytest.raises(Malformed, match=r"A network address shows no suspect\.residence"):
            facts.assert_facts(bare, {"suspect.residence_basis": "network"}, source=SOURCE, by=ben)
        assert facts.snapshot(bare)["facts"]["suspect.residence"] == ["FR"]

    CHANGES = {
        "postgresql": ["TRUNCATE compliance_factassertion CASCADE"],
        "sqlite": ["INSERT OR REPLACE INTO compliance_factassertion"
                   " SELECT * FROM compliance_factassertion"],
    }  # fmt: skip

    def test_are_only_ever_added_to(self, bare: Finding, stopped: Callable[[str], None]) -> None:
        for statement in [
            "UPDATE compliance_factassertion SET value = 'true'",
            "DELETE FROM compliance_factassertion",
            *self.CHANGES[connection.vendor],
        ]:
            stopped(statement)

    def test_brings_a_value_into_its_one_form(self, bare: Finding, ben: User) -> None:
        facts.assert_facts(
            bare, {"target.location": ["FR", "DE", "FR"]}, source=SOURCE, reason=WHY, by=ben
        )
        assert facts.snapshot(bare)["facts"]["target.location"] == ["DE", "FR"]

    @pytest.mark.parametrize("who", ["otto", "cleo"])
    def test_is_refused_to_auditor_and_custodian(
        self, bare: Finding, who: str, request: pytest.FixtureRequest
    ) -> None:
        with pytest.raises(NotPermitted, match="may not assert fact"):
            facts.assert_facts(
                bare, KNOWN, source=SOURCE, reason=WHY, by=request.getfixturevalue(who)
            )

    @pytest.mark.parametrize(
        ("values", "sentence"),
        [
            ({"threat.iminent": True}, "'threat.iminent' is not known; did you mean 'threat.immi"),
            ({"threat.imminent": "yes"}, "threat.imminent must be true or false, not 'yes'"),
            ({"threat.imminent": None}, "threat.imminent has no value; leave an unknown fact out"),
            ({"threat.to": ["pets"]}, "threat.to must be one"),
            ({"knowledge.level": "suspicion"}, "knowledge.level is read off the record; it cannot"),
            ({"data.available_classes": ["ID"]}, "data.available_classes is read off the record"),
            (OWN, r"provider.main_establishment belongs to the provider profile\."),
            ({"data.regions": ["US"]}, r"data.regions belongs to the provider profile\."),
            ({}, r"Name at least one fact\."),
        ],
    )
    def test_puts_all_on_record_or_nothing(
        self, bare: Finding, ben: User, values: dict[str, Any], sentence: str
    ) -> None:
        before = bare.facts.count()
        with pytest.raises(Malformed, match=sentence):
            facts.assert_facts(bare, values and KNOWN | values, source=SOURCE, reason=WHY, by=ben)
        assert bare.facts.count() == before

    @pytest.mark.parametrize("source", ["", " \n", "x" * 201])
    def test_wants_a_source(self, bare: Finding, ben: User, source: str) -> None:
        with pytest.raises(Malformed, match="Name the source of these facts, in 1 to 200 char"):
            facts.assert_facts(bare, KNOWN, source=source, reason=WHY, by=ben)

    @pytest.mark.parametrize("decide", [findings.confirm, findings.dismiss])
    def test_is_refused_once_the_finding_is_decided_whatever_the_copy_in_hand_says(
        self, bare: Finding, ana: User, ben: User, decide: Callable[..., Finding]
    ) -> None:
        decide(bare, because="Read.", by=ben)
        assert bare.state == "recorded"  # Ana's copy is older
        with pytest.raises(WrongState, match=r"F-.* is (confirmed|dismissed); what is new"):
            facts.assert_facts(bare, KNOWN, source=SOURCE, reason=WHY, by=ana)


class TestRecordProfile:
    def test_proposes_what_does_not_count_yet(self, carla: User) -> None:
        profile = facts.record_profile(OWN, by=carla)
        assert (profile.facts, profile.recorded_by, profile.signed_at) == (OWN, carla, None)
        assert str(profile) == f"provider profile {profile.pk}"
        assert facts.profile() is None
        assert AuditEntry.objects.get(event="profile.recorded").actor == carla

    def test_is_refused_to_a_reviewer(self, ana: User) -> None:
        with pytest.raises(NotPermitted, match=r"The role reviewer may not sign profile\."):
            facts.record_profile(OWN, by=ana)

    @pytest.mark.parametrize(
        ("values", "sentence"),
        [
            ({"threat.imminent": True}, r"threat.imminent belongs to the finding\."),
            ({"provider.size": "huge"}, "provider.size must be one of micro"),
            ({"provider.seize": "large"}, "is not known; did you mean 'provider.size'"),
            ({}, r"Name at least one fact\."),
        ],
    )
    def test_refuses_what_is_no_fact_of_the_provider(
        self, carla: User, values: dict[str, Any], sentence: str
    ) -> None:
        with pytest.raises(Malformed, match=sentence):
            facts.record_profile(values, by=carla)
        assert not ProviderProfile.objects.exists()

    def test_takes_the_regions_of_the_data_as_the_providers(self, carla: User) -> None:
        assert facts.record_profile({"data.regions": ["US"]}, by=carla).facts == {
            "data.regions": ["US"]
        }


class TestSignProfile:
    @pytest.fixture
    def recorded(self, carla: User) -> ProviderProfile:
        return facts.record_profile(OWN, by=carla)

    def test_makes_it_count(self, recorded: ProviderProfile, dora: User) -> None:
        signed = facts.sign_profile(recorded, by=dora)
        signed.refresh_from_db()
        assert signed.signed_by == dora
        assert facts.profile() == signed
        assert AuditEntry.objects.get(event="profile.signed").actor == dora

    def test_is_refused_to_the_counsel_who_recorded_it(
        self, recorded: ProviderProfile, carla: User
    ) -> None:
        with pytest.raises(SamePerson, match=r"A second counsel must sign the provider profile\."):
            facts.sign_profile(recorded, by=carla)

    def test_is_refused_to_a_reviewer(self, recorded: ProviderProfile, ana: User) -> None:
        with pytest.raises(NotPermitted, match="may not sign profile"):
            facts.sign_profile(recorded, by=ana)

    def test_happens_once_whatever_the_copy_in_hand_says(
        self, recorded: ProviderProfile, dora: User
    ) -> None:
        facts.sign_profile(recorded, by=dora)
        assert recorded.signed_at is None
        with pytest.raises(WrongState, match=r"This provider profile is signed already\."):
            facts.sign_profile(recorded, by=dora)


class TestProfile:
    def test_is_the_one_that_was_signed_last(self, carla: User, dora: User) -> None:
        first, second = (facts.record_profile(OWN, by=carla) for _ in range(2))
        facts.sign_profile(second, by=dora)
        facts.sign_profile(first, by=dora)
        facts.record_profile(OWN, by=carla)
        assert facts.profile() == first


class TestSnapshot:
    def test_reads_knowledge_classes_and_clocks_off_the_records(
        self, profile: ProviderProfile, imminent: Finding, item: Item
    ) -> None:
        known = facts.snapshot(imminent)
        assert known["facts"]["knowledge.level"] == "actual_knowledge"
        assert known["facts"]["data.available_classes"] == facts.available_classes(imminent)
        assert known["facts"]["provider.size"] == "large"
        assert known["facts"]["threat.imminent"] is True
        assert known["clocks"] == {
            clock: f"{imminent.rungs.get(rung=rung).reached_at:%Y-%m-%dT%H:%M:%SZ}"
            for rung, clock in findings.CLOCKS.items()
        }

    def test_holds_nothing_of_another_finding(self, record: Record, ben: User) -> None:
        one, other = record({"threat.imminent": True}), record({"threat.to": ["life"]})
        assert "threat.to" not in facts.snapshot(one)["facts"]
        assert "threat.imminent" not in facts.snapshot(other)["facts"]

    def test_without_a_signed_profile_knows_nothing_of_the_provider(
        self, bare: Finding, carla: User
    ) -> None:
        facts.record_profile(OWN, by=carla)
        assert set(facts.snapshot(bare)["facts"]) == {
            "threat.imminent", "knowledge.level", "data.available_classes",
        }  # fmt: skip

    def test_leaves_out_the_clock_of_a_rung_that_was_not_reached(self, record: Record) -> None:
        finding = record(rungs={"suspicion": timezone.now() - timedelta(hours=1)})
        assert list(facts.snapshot(finding)["clocks"]) == ["suspicion"]


class TestAvailableClasses:
    def test_are_what_the_record_holds_and_what_every_record_holds(
        self, finding: Finding, attach: Callable[..., Item], record: Record
    ) -> None:
        assert facts.available_classes(finding) == ["ID", "META", "STAFF", "SUSP", "TRAF"]
        attach(finding, field_class="C_priv")
        assert "C_priv" in facts.available_classes(finding)
        assert facts.available_classes(record(particulars={"LOC": {}})) == ["STAFF", "SUSP"]


class TestAnInstant:
    def test_has_its_own_facts_profile_and_ladder(
        self, record: Record, ana: User, profile: ProviderProfile, carla: User, dora: User
    ) -> None:
        finding = record({"threat.imminent": False}, rungs={"suspicion": profile.recorded_at})
        before = timezone.now()
        facts.assert_facts(finding, KNOWN, source=SOURCE, reason=WHY, by=ana)
        findings.climb(finding, "refuted", reached_at=profile.recorded_at, basis="A play.", by=ana)
        facts.sign_profile(facts.record_profile(OWN, by=carla), by=dora)
        then, now = facts.snapshot(finding, before)["facts"], facts.snapshot(finding)["facts"]
        assert (then["threat.imminent"], now["threat.imminent"]) == (False, True)
        assert ("threat.to" in then, "threat.to" in now) == (False, True)
        assert (then["knowledge.level"], now["knowledge.level"]) == ("suspicion", "refuted")
        assert ("provider.size" in then, "provider.size" in now) == (True, False)
        nothing = facts.snapshot(finding, profile.recorded_at - timedelta(days=1))
        assert (nothing["clocks"], nothing["facts"]["knowledge.level"]) == ({}, "unassessed")


class TestADatedProfile:
    def test_counts_from_the_instant_that_is_named_but_never_before_its_signature(
        self, carla: User, dora: User
    ) -> None:
        now = timezone.now()
        past, today, coming = (
            facts.sign_profile(facts.record_profile(OWN, effective_from=at, by=carla), by=dora)
            for at in (now - timedelta(days=9), None, now + timedelta(days=9))
        )
        assert today.effective_from == today.signed_at
        assert facts.profile() == today
        assert facts.profile(now + timedelta(days=10)) == coming
        assert facts.profile(past.signed_at) == past
        assert facts.profile(now - timedelta(days=1)) is None

    def test_is_refused_with_an_instant_that_names_no_zone(self, carla: User) -> None:
        naive = timezone.now().replace(tzinfo=None)
        with pytest.raises(Malformed, match="has no time zone"):
            facts.record_profile(OWN, effective_from=naive, by=carla)


class TestConstraints:
    def test_let_no_half_signature_and_no_single_counsel_stand(
        self, carla: User, dora: User
    ) -> None:
        facts.record_profile(OWN, by=carla)
        for changes, name in [
            ({"signed_at": timezone.now()}, "signature_is_stamped"),
            ({"signed_by": dora}, "signature_is_stamped"),
            ({"signed_at": timezone.now(), "signed_by": carla}, "by_a_second_person"),
        ]:
            with pytest.raises(IntegrityError, match=name), transaction.atomic():
                ProviderProfile.objects.update(**changes)


class TestDiscretion:
    def test_no_value_and_no_source_reaches_a_log(
        self, bare: Finding, ben: User, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        facts.assert_facts(bare, KNOWN, source="marker", reason="marker", by=ben)
        for bad in ({"threat.to": ["marker"]}, {"marker": 1}):
            with pytest.raises(Malformed):
                facts.assert_facts(bare, bad, source="marker", reason="marker", by=ben)
        assert "marker" not in caplog.text
