"""Determinations: the law answers, and nothing follows from its answer until counsel signs."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from compliance import (
    conflicts,
    determinations,
    documents,
    facts,
    findings,
    jurisdictions,
    lifecycle,
    preservation,
    releases,
)
from compliance.audit.entries import AuditEntry
from compliance.determinations import Decision, Determination, Obligation, State
from compliance.errors import (
    Malformed,
    NotPermitted,
    Refused,
    SamePerson,
    Stale,
    Tampered,
    WrongState,
)
from compliance.facts import ProviderProfile
from compliance.findings import Finding
from compliance.releases import Release
from compliance.roles import Role, User
from referrals import docket

pytestmark = pytest.mark.usefixtures("worker")

YES = "The duty holds."


@pytest.fixture
def confirmed(profile: ProviderProfile, imminent: Finding, ben: User) -> Finding:
    """The finding that Ana recorded, confirmed by Ben."""
    return findings.confirm(imminent, because="Credible.", by=ben)


@pytest.fixture
def amend(upgrade: Callable[..., None]) -> Callable[[], None]:
    """Ship another law, from the call on, that says the same."""

    def make() -> None:
        before = releases.rules()
        house = documents.shipped().texts["house.yaml"]
        upgrade({"house.yaml": house.replace("title: ", "title: Amended. ", 1)})
        assert releases.rules().sha256 != before.sha256

    return make


@pytest.fixture
def amended(amend: Callable[[], None]) -> None:
    """From now on another law is shipped."""
    amend()


def falsify(determination: Determination, **changes: Any) -> Determination:
    """Change a row behind the back of every verb, as an owner of the database can."""
    Determination.objects.filter(pk=determination.pk).update(**changes)
    return Determination.objects.get(pk=determination.pk)


def reported(to: str, kind: str, certainty: str = "firm") -> dict[str, Any]:
    return {
        "to": to, "instead": [], "kind": kind, "certainty": certainty, "because": ["house-1"],
        "due": None, "release": ["ID"], "withhold": {},
    }  # fmt: skip


def accepted(to: str, kind: str = "duty", because: str = "It holds.") -> Decision:
    return Decision(kind, to, accept=True, because=because)


DUTY = [accepted("bka")]
signing = partial(determinations.sign, decisions=DUTY)


@pytest.fixture
def says(proposed: Determination) -> Callable[..., Determination]:
    """The determination as it would stand if the law had said just this."""

    def make(*reports: dict[str, Any], **more: Any) -> Determination:
        said = proposed.result | {"reports": list(reports)} | more
        del said["sha256"]
        digest = jurisdictions.digest(said)
        return falsify(proposed, result=said | {"sha256": digest}, result_sha256=digest)

    return make


Says = Callable[..., Determination]


class TestProvisional:
    def test_says_what_the_law_would_say_and_leaves_no_trace(
        self, profile: ProviderProfile, imminent: Finding
    ) -> None:
        entries = AuditEntry.objects.count()
        said = determinations.provisional(imminent)
        assert ("bka", "duty", "firm") in [
            (each["to"], each["kind"], each["certainty"]) for each in said["reports"]
        ]
        assert not Determination.objects.exists()
        assert not Release.objects.exists()
        assert AuditEntry.objects.count() == entries
        assert determinations.propose_due() == 0

    def test_comes_before_the_confirmation_only(self, confirmed: Finding) -> None:
        with pytest.raises(WrongState, match="is confirmed; a provisional answer comes before"):
            determinations.provisional(confirmed)

    def test_says_so_when_the_law_cannot_read_the_facts(self, finding: Finding, ana: User) -> None:
        facts.FactAssertion.objects.create(
            finding=finding, fact="threat.imminent", value="marker", source="x", asserted_by=ana
        )
        with pytest.raises(WrongState, match="The law cannot read the facts on record") as said:
            determinations.provisional(finding)
        assert "marker" not in said.value.message


class TestPropose:
    def test_lays_the_laws_answer_before_counsel_with_all_it_rests_on(
        self, confirmed: Finding
    ) -> None:
        before = timezone.now().replace(microsecond=0)
        made = determinations.propose(confirmed)
        made.refresh_from_db()
        assert (made.state, made.finding, made.version) == (State.PROPOSED, confirmed, 1)
        assert made.snapshot == facts.snapshot(confirmed)
        assert made.snapshot_sha256 == jurisdictions.digest(made.snapshot)
        assert made.result_sha256 == made.result["sha256"]
        assert made.release.sha256 == made.result["rule_set"] == releases.rules().sha256
        assert before <= made.rule_time <= timezone.now()
        assert "eu-tco-14-5" in made.explanation
        assert str(made) == f"determination on {confirmed.reference}"

    def test_asks_the_law_of_the_moment_that_is_named(self, confirmed: Finding) -> None:
        noon = datetime(2026, 3, 1, 12, 0, 0, 999, tzinfo=UTC)
        made = determinations.propose(confirmed, rule_time=noon)
        assert made.rule_time == noon.replace(microsecond=0)
        assert made.result["rule_time"] == "2026-03-01T12:00:00Z"

    def test_leaves_one_event_with_the_hashes_and_no_person(self, proposed: Determination) -> None:
        entry = AuditEntry.objects.get(event="determination.proposed")
        assert (entry.actor, entry.actor_ref) == (None, "system:worker")
        assert entry.additional_data == {
            "release": proposed.release.sha256,
            "snapshot": proposed.snapshot_sha256,
            "result": proposed.result_sha256,
        }

    @pytest.mark.parametrize("decide", [None, findings.dismiss])
    def test_is_refused_for_what_nobody_confirmed(
        self, finding: Finding, ben: User, decide: Callable[..., Finding] | None
    ) -> None:
        seen = decide(finding, because="A joke.", by=ben) if decide else finding
        with pytest.raises(WrongState, match=r"F-.* is (recorded|dismissed); only a confirmed fin"):
            determinations.propose(seen)

    def test_happens_once(self, proposed: Determination) -> None:
        with pytest.raises(WrongState, match="has a determination already; it is reviewed"):
            determinations.propose(proposed.finding)

    def test_commits_to_nothing(self, proposed: Determination) -> None:
        assert not Obligation.objects.exists()


class TestProposeDue:
    def test_proposes_for_what_is_confirmed_and_has_none(
        self, confirmed: Finding, record: Callable[..., Finding], ben: User
    ) -> None:
        record()
        findings.dismiss(record(), because="A joke.", by=ben)
        assert determinations.propose_due() == 1
        assert determinations.propose_due() == 0
        assert Determination.objects.get().finding == confirmed

    def test_shows_no_word_of_the_facts_when_the_law_cannot_read_them(
        self, confirmed: Finding, ana: User, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        facts.FactAssertion.objects.create(
            finding=confirmed, fact="threat.imminent", value="marker", source="x", asserted_by=ana
        )
        assert determinations.propose_due() == 0
        row = lifecycle.failing().get()
        assert row.last_error == "Problems"
        assert caplog.messages == [f"work {row.pk} failed: Problems"]
        assert "marker" not in caplog.text


class TestReview:
    @pytest.fixture
    def refuted(self, proposed: Determination, refute: Callable[..., None]) -> Determination:
        """A determination that rests on less than is known now."""
        refute(proposed.finding)
        return proposed

    @pytest.fixture
    def moved(self, proposed: Determination, carla: User, dora: User) -> ProviderProfile:
        """A newer profile, of a provider that the American law does not cover."""
        known = proposed.snapshot["facts"].items()
        own = {fact: value for fact, value in known if fact.startswith("provider.")}
        newer = facts.record_profile(own | {"provider.us_sca_covered": False}, by=carla)
        return facts.sign_profile(newer, by=dora)

    def noted(self, event: str) -> list[str]:
        entries = AuditEntry.objects.filter(event=f"determination.{event}").order_by("id")
        return list(entries.values_list("object_pk", flat=True))

    def test_lays_the_same_answer_before_nobody_but_marks_it_as_checked(
        self, proposed: Determination, amend: Callable[[], None]
    ) -> None:
        amend()
        assert determinations.propose_due() == 1
        kept = Determination.objects.get()
        assert (kept.pk, kept.state, kept.version, kept.checks) == (proposed.pk, "proposed", 1, 1)
        assert kept.checked_release == releases.current() != kept.release
        assert kept.checked_at >= proposed.checked_at
        assert self.noted("checked") == [str(proposed.pk)]
        assert determinations.propose_due() == 0

    def test_proposes_anew_when_more_is_known_and_supersedes_what_was_overtaken(
        self, refuted: Determination
    ) -> None:
        assert determinations.propose_due() == 1
        newest = Determination.objects.get(state=State.PROPOSED)
        refuted.refresh_from_db()
        assert (refuted.state, refuted.is_newest) == (State.SUPERSEDED, False)
        assert refuted.superseded_at is not None
        assert (newest.supersedes, newest.is_newest) == (refuted, True)
        assert newest.snapshot["facts"]["knowledge.level"] == "refuted"
        assert newest.checked_version == newest.finding.version
        assert not list(determinations.firm(newest, "duty"))
        assert self.noted("superseded") == [str(refuted.pk)]
        assert self.noted("proposed") == [str(refuted.pk), str(newest.pk)]
        assert determinations.propose_due() == 0

    def test_proposes_anew_under_another_profile(
        self, proposed: Determination, moved: ProviderProfile
    ) -> None:
        assert determinations.propose_due() == 1
        newest = Determination.objects.get(state=State.PROPOSED)
        assert (newest.supersedes, newest.checked_profile) == (proposed, moved)
        assert proposed.checked_profile not in (None, moved)

    def test_checks_again_when_time_alone_may_have_changed_the_answer(
        self, proposed: Determination
    ) -> None:
        falsify(proposed, review_at=timezone.now())
        assert determinations.propose_due() == 1
        assert determinations.propose_due() == 0
        proposed.refresh_from_db()
        assert proposed.checks == 1
        falsify(proposed, review_at=timezone.now())
        assert determinations.propose_due() == 1

    def test_lets_the_signed_one_count_until_counsel_signs_the_newer(
        self,
        signed: Determination,
        refute: Callable[..., None],
        sign: Callable[..., Determination],
    ) -> None:
        older = signed
        refute(older.finding)
        assert determinations.propose_due() == 1
        older.refresh_from_db()
        assert (older.state, older.is_newest) == (State.SIGNED, False)
        newest = Determination.objects.get(state=State.PROPOSED)
        assert newest.supersedes == older
        newest = sign(newest)
        older.refresh_from_db()
        assert (older.state, newest.state) == (State.SUPERSEDED, State.SIGNED)
        assert not newest.obligations.exists()

    def test_returns_to_the_standing_answer_when_the_newer_one_was_overtaken(
        self, signed: Determination, moved: ProviderProfile, carla: User, dora: User
    ) -> None:
        assert determinations.propose_due() == 1
        between = Determination.objects.get(state=State.PROPOSED)
        assert signed.checked_profile is not None
        back = facts.record_profile(signed.checked_profile.facts, by=carla)
        facts.sign_profile(back, by=dora)
        assert determinations.propose_due() == 1
        for each in (between, signed):
            each.refresh_from_db()
        assert (between.state, between.is_newest) == (State.SUPERSEDED, False)
        assert (signed.state, signed.is_newest, signed.checks) == (State.SIGNED, True, 1)
        assert signed.checked_profile == back
        assert determinations.propose_due() == 0

    def test_answers_anew_after_counsel_declined(
        self, proposed: Determination, moved: ProviderProfile, carla: User
    ) -> None:
        determinations.decline(proposed, because="No duty.", by=carla)
        assert determinations.propose_due() == 1
        assert Determination.objects.get(state=State.PROPOSED).supersedes == proposed
        proposed.refresh_from_db()
        assert proposed.state == State.DECLINED

    def test_asks_about_one_and_no_other(
        self, refuted: Determination, record: Callable[..., Finding], ben: User
    ) -> None:
        other = findings.confirm(record({"threat.imminent": False}), because="Seen.", by=ben)
        assert determinations.propose_due() == 2
        assert other.determinations.get().checks == 0

    def test_keeps_a_superseded_one_as_it_was(self, refuted: Determination) -> None:
        determinations.propose_due()
        assert determinations.reproduce(refuted) == refuted.result_sha256


class TestLegalBasis:
    def test_names_each_rule_that_asks_and_where_it_stands(self, signed: Determination) -> None:
        assert determinations.legal_basis(signed.obligations.get()) == [
            {
                "rule": "eu-dsa-18",
                "title": "Notify suspicions of criminal offences",
                "cite": "Art 18, 93, rec 56",
            },
            {
                "rule": "eu-tco-14-5",
                "title": "Inform the authorities of content involving an imminent threat to life",
                "cite": "Art 14(5), rec 41",
            },
        ]


class TestReproduce:
    def test_gives_the_stored_hash_once_more(self, proposed: Determination) -> None:
        again = Determination.objects.get(pk=proposed.pk)
        assert determinations.reproduce(again) == proposed.result_sha256

    def test_asks_the_law_of_then_though_another_counts_now(
        self, proposed: Determination, amend: Callable[[], None]
    ) -> None:
        amend()
        assert proposed.release != releases.current()
        assert determinations.reproduce(proposed) == proposed.result_sha256

    def test_says_so_when_the_texts_were_never_put_on_record(self, proposed: Determination) -> None:
        proposed.release = Release.objects.create(sha256="0" * 64)
        with pytest.raises(WrongState, match=r"The texts of release 0{12} were never put on"):
            determinations.reproduce(proposed)

    @pytest.mark.parametrize(
        "changes",
        [
            {"snapshot": {"facts": {}, "clocks": {}}},
            {"snapshot_sha256": "0" * 64},
            {"result": {"reports": [], "sha256": "0" * 64}},
            {"result_sha256": "0" * 64},
        ],
        ids=lambda changes: next(iter(changes)),
    )
    def test_says_so_when_the_record_is_another(
        self, proposed: Determination, changes: dict[str, Any]
    ) -> None:
        with pytest.raises(Tampered, match=r"The determination on F-.* is not the one that was pr"):
            determinations.reproduce(falsify(proposed, **changes))

    def test_does_not_give_the_stored_hash_at_another_moment(self, proposed: Determination) -> None:
        moved = falsify(proposed, rule_time=proposed.rule_time - timedelta(days=1))
        assert determinations.reproduce(moved) != proposed.result_sha256


class TestSign:
    def test_makes_every_accepted_duty_an_obligation(
        self, proposed: Determination, carla: User
    ) -> None:
        signed = determinations.sign(
            proposed, decisions=[accepted("bka", because=" Every condition is met. ")],
            because=f" {YES} ", by=carla,
        )  # fmt: skip
        signed.refresh_from_db()
        assert (signed.state, signed.signed_by, signed.signed_because) == ("signed", carla, YES)
        duty = signed.obligations.get()
        (report,) = determinations.firm(signed, "duty")
        assert (duty.recipient, duty.kind) == ("bka", "duty")
        assert (duty.is_accepted, duty.reason) == (True, "Every condition is met.")
        assert (duty.because, duty.release, duty.withhold) == (
            report["because"], report["release"], report["withhold"],
        )  # fmt: skip
        assert f"{duty.due_at:%Y-%m-%dT%H:%M:%SZ}" == report["due"]
        assert str(duty) == "duty towards bka"

    def test_keeps_a_declined_duty_with_its_reason_and_is_not_obliged_by_it(
        self, says: Says, carla: User
    ) -> None:
        determination = says(reported("bka", "duty"), reported("afp", "duty"))
        declined = Decision("duty", "afp", accept=False, because="They know already.")
        signed = determinations.sign(
            determination, decisions=[accepted("bka"), declined], because=YES, by=carla
        )
        kept = signed.obligations.get(recipient="afp")
        assert (kept.is_accepted, kept.reason) == (False, "They know already.")
        assert [each.recipient for each in docket.unentered()] == ["bka"]

    def test_holds_nothing_when_every_duty_is_declined(self, says: Says, carla: User) -> None:
        declined = Decision("duty", "bka", accept=False, because="They know already.")
        signed = determinations.sign(
            says(reported("bka", "duty")), decisions=[declined], because="No.", by=carla
        )
        assert not preservation.is_held(signed)

    def test_makes_no_referral_an_answer_like_any_other(self, says: Says, carla: User) -> None:
        signed = determinations.sign(says(), decisions=[], because="No law asks.", by=carla)
        assert (signed.state, signed.signed_because) == (State.SIGNED, "No law asks.")
        assert not signed.obligations.exists()

    def test_takes_up_the_permissions_that_counsel_names_and_no_other(
        self, says: Says, carla: User
    ) -> None:
        determination = says(
            reported("bka", "duty"), reported("fbi", "permission"), reported("afp", "permission")
        )
        decisions = [accepted("bka"), accepted("fbi", "permission")]
        signed = determinations.sign(determination, decisions=decisions, because=YES, by=carla)
        assert {(each.kind, each.recipient) for each in signed.obligations.all()} == {
            ("duty", "bka"), ("permission", "fbi"),
        }  # fmt: skip
        assert signed.obligations.get(recipient="fbi").due_at is None

    @pytest.mark.parametrize("certainty", ["possible", "simulated"])
    @pytest.mark.parametrize("kind", ["duty", "permission"])
    def test_commits_to_nothing_that_is_not_firm(
        self, says: Says, carla: User, kind: str, certainty: str
    ) -> None:
        unsure = says(reported("fbi", kind, certainty))
        with pytest.raises(Malformed, match=f"There is no firm {kind} towards fbi\\."):
            determinations.sign(unsure, decisions=[accepted("fbi", kind)], because=YES, by=carla)
        signed = determinations.sign(unsure, decisions=[], because=YES, by=carla)
        assert signed.state == State.SIGNED
        assert not Obligation.objects.exists()

    @pytest.mark.parametrize(
        ("decisions", "sentence"),
        [
            ([], "Accept or decline the duty towards bka, with a reason"),
            ([("fbi", "permission", "Yes.")], "Accept or decline the duty towards bka"),
            ([("bka", "duty", " ")], "Say why you decide so on the duty towards bka"),
            (
                [("bka", "duty", "Yes."), ("fbi", "permission", "")],
                "Say why you decide so on the permission towards fbi",
            ),
            ([("bka", "duty", "Yes."), ("bka", "duty", "No.")], "A report is decided on twice"),
            ([("bka", "duty", "Yes."), ("cia", "permission", "Yes.")], "no firm permission towar"),
            ([("bka", "permission", "Yes.")], "There is no firm permission towards bka"),
        ],
    )
    def test_refuses_what_is_left_open_or_not_there_and_obliges_to_nothing(
        self, proposed: Determination, carla: User, decisions: list[Any], sentence: str
    ) -> None:
        made = [accepted(to, kind, because=because) for to, kind, because in decisions]
        with pytest.raises(Malformed, match=sentence):
            determinations.sign(proposed, decisions=made, because=YES, by=carla)
        proposed.refresh_from_db()
        assert proposed.state == State.PROPOSED
        assert not Obligation.objects.exists()

    def test_leaves_one_event_in_counsels_name(self, signed: Determination, carla: User) -> None:
        entry = AuditEntry.objects.get(event="determination.signed")
        assert (entry.actor, entry.additional_data) == (carla, {"was": "proposed"})

    @pytest.mark.parametrize("who", ["otto", "cleo"])
    def test_is_refused_to_auditor_and_custodian(
        self, proposed: Determination, who: str, request: pytest.FixtureRequest
    ) -> None:
        with pytest.raises(NotPermitted, match="may not sign determination"):
            determinations.sign(
                proposed, decisions=DUTY, because=YES, by=request.getfixturevalue(who)
            )

    @pytest.mark.parametrize("verb", [signing, determinations.decline])
    @pytest.mark.parametrize("who", ["ana", "ben"])
    def test_is_refused_to_who_recorded_or_confirmed_even_as_counsel(
        self,
        proposed: Determination,
        verb: Callable[..., Determination],
        who: str,
        request: pytest.FixtureRequest,
    ) -> None:
        person: User = request.getfixturevalue(who)
        with pytest.raises(NotPermitted, match="The role reviewer may not sign determination"):
            verb(proposed, because=YES, by=person)
        person.role = Role.COUNSEL  # Ana and Ben have changed sides since
        person.save()
        with pytest.raises(SamePerson, match="Whoever recorded or confirmed a finding cannot sign"):
            verb(proposed, because=YES, by=person)
        assert not Obligation.objects.exists()

    def test_waits_while_the_law_is_asked_what_the_newer_knowledge_changes(
        self,
        proposed: Determination,
        refute: Callable[..., None],
        sign: Callable[..., Determination],
    ) -> None:
        refute(proposed.finding)
        with pytest.raises(WrongState, match=r"More is known of F-.* now\. The law is being asked"):
            sign(proposed)
        assert not Obligation.objects.exists()

    def test_carries_on_what_is_owed_already(
        self,
        signed: Determination,
        carla: User,
        dora: User,
        sign: Callable[..., Determination],
    ) -> None:
        assert signed.checked_profile is not None
        moved = signed.checked_profile.facts | {"provider.us_sca_covered": False}
        facts.sign_profile(facts.record_profile(moved, by=carla), by=dora)
        determinations.propose_due()
        newer = sign(Determination.objects.get(state=State.PROPOSED))
        before, after = signed.obligations.get(), newer.obligations.get(recipient="bka")
        assert (after.continues, after.chain) == (before, before.chain)
        assert before.continues is None

    def test_wants_a_reason(self, proposed: Determination, carla: User) -> None:
        with pytest.raises(Malformed, match=r"A reason is missing\."):
            signing(proposed, because=" \n", by=carla)

    def test_is_refused_on_a_version_that_counsel_has_not_read(
        self, proposed: Determination, carla: User
    ) -> None:
        with pytest.raises(Stale):
            signing(proposed, because=YES, version=2, by=carla)
        assert signing(proposed, because=YES, version=1, by=carla).version == 2

    def test_happens_once_and_never_after_declining(
        self, proposed: Determination, carla: User, dora: User
    ) -> None:
        signing(proposed, because=YES, by=carla)
        for verb in (signing, determinations.decline):
            with pytest.raises(WrongState, match="is signed; it cannot become"):
                verb(proposed, because=YES, by=dora)
        assert Obligation.objects.count() == 1

    @pytest.mark.parametrize("hashed", [False, True], ids=["the answer", "and its hash"])
    def test_is_refused_when_the_answer_was_changed_behind_counsels_back(
        self, proposed: Determination, carla: User, hashed: bool
    ) -> None:
        other = proposed.result | {"reports": [reported("fbi", "duty")]}
        if hashed:
            del other["sha256"]
            other["sha256"] = jurisdictions.digest(other)
        falsify(proposed, result=other)
        with pytest.raises(Tampered, match="is not the one that was proposed"):
            signing(proposed, because=YES, by=carla)
        proposed.refresh_from_db()
        assert proposed.state == State.PROPOSED
        assert not Obligation.objects.exists()

    def test_obliges_to_what_is_on_record_not_to_the_copy_in_hand(
        self, proposed: Determination, carla: User
    ) -> None:
        proposed.result = proposed.result | {"reports": [reported("fbi", "duty")]}
        signed = signing(proposed, because=YES, by=carla)
        assert signed.obligations.get().recipient == "bka"

    @pytest.mark.usefixtures("proposed", "amended")
    def test_stays_under_the_law_that_was_laid_before_counsel(self, carla: User) -> None:
        signed = signing(Determination.objects.get(), because=YES, by=carla)
        assert signed.release.sha256 != releases.rules().sha256
        assert signed.obligations.get().recipient == "bka"

    def test_signs_nothing_when_an_obligation_cannot_be_written(
        self, proposed: Determination, carla: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(**fields: object) -> None:
            raise DatabaseError

        monkeypatch.setattr(Obligation.objects, "create", fail)
        with pytest.raises(DatabaseError):
            signing(proposed, because=YES, by=carla)
        proposed.refresh_from_db()
        assert (proposed.state, proposed.signed_at) == (State.PROPOSED, None)
        assert not AuditEntry.objects.filter(event="determination.signed").exists()


class TestSignWithAConflict:
    @pytest.fixture
    def torn(self, says: Says) -> Determination:
        """A duty towards one authority that asks for a class which another law bars."""
        barred = reported("bka", "duty") | {"withhold": {"C_priv": "us_sca_2702a", "PAY": "x"}}
        free = reported("fbi", "permission") | {"withhold": {"C_priv": "us_sca_2702a"}}
        return says(barred, free, reported("afp", "duty"), conflicts=[self.conflict()])

    def conflict(self, to: str = "bka") -> dict[str, Any]:
        terms = {
            "to": to, "fields": ["C_priv"], "duties": ["eu-dsa-18"],
            "prohibitions": ["us-sca-block"],
        }  # fmt: skip
        return {"id": jurisdictions.digest(terms), **terms, "blocking": False}

    def decide(self, on: Determination, by: User, resolution: str = "release") -> Any:
        told = {"resolution": resolution, "because": "They consented.", "citation": "s.2702(b)(3)"}
        return conflicts.resolve(on.finding, self.conflict(), **told, by=by)

    ALL = [accepted("bka"), accepted("afp"), accepted("fbi", "permission")]

    def test_waits_until_the_conflict_is_decided(self, torn: Determination, carla: User) -> None:
        with pytest.raises(WrongState, match="The conflict about C_priv towards bka is not decid"):
            determinations.sign(torn, decisions=self.ALL, because=YES, by=carla)
        torn.refresh_from_db()
        assert torn.state == State.PROPOSED

    def test_withholds_on_the_word_of_one_counsel(self, torn: Determination, carla: User) -> None:
        self.decide(torn, carla, "withhold")
        signed = determinations.sign(torn, decisions=self.ALL, because=YES, by=carla)
        duty = signed.obligations.get(recipient="bka")
        assert duty.release == ["ID"]
        assert duty.withhold == {"C_priv": "us_sca_2702a", "PAY": "x"}

    def test_lets_nothing_go_on_the_word_of_one_counsel(
        self, torn: Determination, carla: User
    ) -> None:
        self.decide(torn, carla)
        with pytest.raises(WrongState, match="towards bka waits for a second counsel's approval"):
            determinations.sign(torn, decisions=self.ALL, because=YES, by=carla)

    def test_lets_the_class_go_with_this_duty_alone_on_the_word_of_two(
        self, torn: Determination, carla: User, dora: User
    ) -> None:
        conflicts.approve(self.decide(torn, carla), by=dora)
        signed = determinations.sign(torn, decisions=self.ALL, because=YES, by=carla)
        told = {each.recipient: (each.release, each.withhold) for each in signed.obligations.all()}
        assert told == {
            "bka": (["C_priv", "ID"], {"PAY": "x"}),
            "fbi": (["ID"], {"C_priv": "us_sca_2702a"}),
            "afp": (["ID"], {}),
        }

    def test_follows_the_latest_decision(
        self, torn: Determination, carla: User, dora: User
    ) -> None:
        conflicts.approve(self.decide(torn, carla), by=dora)
        self.decide(torn, dora, "withhold")
        signed = determinations.sign(torn, decisions=self.ALL, because=YES, by=carla)
        assert signed.obligations.get(recipient="bka").release == ["ID"]

    def test_asks_for_no_decision_about_a_duty_that_is_declined(
        self, torn: Determination, carla: User
    ) -> None:
        declined = Decision("duty", "bka", accept=False, because="They know already.")
        signed = determinations.sign(
            torn, decisions=[declined, accepted("afp")], because=YES, by=carla
        )
        assert signed.obligations.get(recipient="bka").withhold["C_priv"] == "us_sca_2702a"


class TestDecline:
    def test_ends_the_matter_with_a_reason_and_without_an_obligation(
        self, proposed: Determination, carla: User
    ) -> None:
        declined = determinations.decline(proposed, because=" No duty. ", by=carla)
        assert (declined.state, declined.declined_by) == (State.DECLINED, carla)
        assert declined.declined_because == "No duty."
        assert not Obligation.objects.exists()
        assert AuditEntry.objects.get(event="determination.declined").actor == carla

    def test_is_final(self, proposed: Determination, carla: User, dora: User) -> None:
        determinations.decline(proposed, because="No duty.", by=carla)
        with pytest.raises(WrongState, match="is declined; it cannot become signed"):
            signing(proposed, because=YES, by=dora)
        assert not Obligation.objects.exists()

    def test_is_refused_to_a_custodian_without_a_reason_and_on_an_older_version(
        self, proposed: Determination, carla: User, cleo: User
    ) -> None:
        for changes, kind in [
            ({"by": cleo}, NotPermitted), ({"because": ""}, Malformed), ({"version": 9}, Stale),
        ]:  # fmt: skip
            asked: dict[str, Any] = {"because": "No duty.", "by": carla} | changes
            refusal: type[Refused] = kind
            with pytest.raises(refusal):
                determinations.decline(proposed, **asked)
        proposed.refresh_from_db()
        assert proposed.state == State.PROPOSED


class TestFirm:
    def test_picks_the_firm_reports_of_a_kind(self, says: Says) -> None:
        wanted = reported("bka", "duty")
        others = [reported("fbi", "permission"), reported("afp", "duty", "possible")]
        assert list(determinations.firm(says(*others, wanted), "duty")) == [wanted]


class TestConstraints:
    @pytest.mark.parametrize("state", [State.SIGNED, State.DECLINED])
    def test_let_no_state_stand_without_its_stamps(
        self, proposed: Determination, carla: User, state: State
    ) -> None:
        for changes in (
            {"state": state}, {f"{state}_at": timezone.now()}, {f"{state}_by": carla},
        ):  # fmt: skip
            with pytest.raises(IntegrityError, match="is_stamped"), transaction.atomic():
                Determination.objects.update(**changes)

    def test_let_no_obligation_be_stated_twice(self, signed: Determination) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            Obligation.objects.create(
                determination=signed, recipient="bka", kind="duty", because=[], release=[],
                withhold=[],
            )  # fmt: skip


class TestReleases:
    def test_are_put_on_record_once_for_each_law(
        self, proposed: Determination, request: pytest.FixtureRequest
    ) -> None:
        assert releases.current() == proposed.release
        assert str(proposed.release) == f"release {proposed.release.sha256[:12]}"
        request.getfixturevalue("amended")
        assert releases.current() != proposed.release
        assert releases.current() == releases.current()
        assert Release.objects.count() == 2
        assert AuditEntry.objects.filter(event="release.shipped").count() == 2
