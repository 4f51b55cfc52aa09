"""Determinations: the law answers, and nothing follows from its answer until counsel signs."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from compliance import (
    determinations,
    documents,
    facts,
    findings,
    jurisdictions,
    lifecycle,
    releases,
)
from compliance.audit.entries import AuditEntry
from compliance.determinations import Determination, Obligation, State
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

pytestmark = pytest.mark.usefixtures("worker")

YES = "The duty holds."


@pytest.fixture
def confirmed(profile: ProviderProfile, imminent: Finding, ben: User) -> Finding:
    """The finding that Ana recorded, confirmed by Ben."""
    return findings.confirm(imminent, because="Credible.", by=ben)


@pytest.fixture
def amended(upgrade: Callable[..., None]) -> None:
    """From now on another law is shipped."""
    before = releases.rules()
    house = documents.shipped().texts["house.yaml"]
    upgrade({"house.yaml": house.replace("title: ", "title: Amended. ", 1)})
    assert releases.rules().sha256 != before.sha256


def falsify(determination: Determination, **changes: Any) -> Determination:
    """Change a row behind the back of every verb, as an owner of the database can."""
    Determination.objects.filter(pk=determination.pk).update(**changes)
    return Determination.objects.get(pk=determination.pk)


def reported(to: str, kind: str, certainty: str = "firm") -> dict[str, Any]:
    return {
        "to": to, "instead": [], "kind": kind, "certainty": certainty, "because": ["house-1"],
        "due": None, "release": ["ID"], "withhold": {},
    }  # fmt: skip


@pytest.fixture
def says(proposed: Determination) -> Callable[..., Determination]:
    """The determination as it would stand if the law had said just this."""

    def make(*reports: dict[str, Any]) -> Determination:
        said = proposed.result | {"reports": list(reports)}
        del said["sha256"]
        digest = jurisdictions.digest(said)
        return falsify(proposed, result=said | {"sha256": digest}, result_sha256=digest)

    return make


Says = Callable[..., Determination]


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
        with pytest.raises(IntegrityError), transaction.atomic():
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


class TestReproduce:
    def test_gives_the_stored_hash_once_more(self, proposed: Determination) -> None:
        again = Determination.objects.get(pk=proposed.pk)
        assert determinations.reproduce(again) == proposed.result_sha256

    @pytest.mark.usefixtures("proposed", "amended")
    def test_says_so_when_the_law_has_changed(self) -> None:
        with pytest.raises(WrongState, match=r"rests on release [0-9a-f]{12}; the law loaded now"):
            determinations.reproduce(Determination.objects.get())

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
    def test_makes_every_firm_duty_an_obligation(
        self, proposed: Determination, carla: User
    ) -> None:
        signed = determinations.sign(proposed, because=f" {YES} ", by=carla)
        signed.refresh_from_db()
        assert (signed.state, signed.signed_by, signed.signed_because) == ("signed", carla, YES)
        duty = signed.obligations.get()
        (report,) = determinations.firm(signed, "duty")
        assert (duty.recipient, duty.kind) == ("bka", "duty")
        assert (duty.because, duty.release, duty.withhold) == (
            report["because"], report["release"], report["withhold"],
        )  # fmt: skip
        assert f"{duty.due_at:%Y-%m-%dT%H:%M:%SZ}" == report["due"]
        assert str(duty) == "duty towards bka"

    def test_takes_up_the_permissions_that_counsel_names_and_no_other(
        self, says: Says, carla: User
    ) -> None:
        determination = says(
            reported("bka", "duty"), reported("fbi", "permission"), reported("afp", "permission")
        )
        signed = determinations.sign(determination, take_up=["fbi"], because=YES, by=carla)
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
        with pytest.raises(Malformed, match=r"There is no firm permission towards fbi\."):
            determinations.sign(unsure, take_up=["fbi"], because=YES, by=carla)
        signed = determinations.sign(unsure, because=YES, by=carla)
        assert signed.state == State.SIGNED
        assert not Obligation.objects.exists()

    @pytest.mark.parametrize("take_up", [["cia"], ["fbi", "mi5", "cia"], ["bka"], "fbi"])
    def test_refuses_by_name_a_permission_that_is_not_offered(
        self, proposed: Determination, carla: User, take_up: list[str]
    ) -> None:
        unknown = ", ".join(sorted(set(take_up) - {"fbi"}))
        with pytest.raises(Malformed, match=f"There is no firm permission towards {unknown}\\."):
            determinations.sign(proposed, take_up=take_up, because=YES, by=carla)
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
            determinations.sign(proposed, because=YES, by=request.getfixturevalue(who))

    @pytest.mark.parametrize("verb", [determinations.sign, determinations.decline])
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

    def test_wants_a_reason(self, proposed: Determination, carla: User) -> None:
        with pytest.raises(Malformed, match=r"A reason is missing\."):
            determinations.sign(proposed, because=" \n", by=carla)

    def test_is_refused_on_a_version_that_counsel_has_not_read(
        self, proposed: Determination, carla: User
    ) -> None:
        with pytest.raises(Stale):
            determinations.sign(proposed, because=YES, version=2, by=carla)
        assert determinations.sign(proposed, because=YES, version=1, by=carla).version == 2

    def test_happens_once_and_never_after_declining(
        self, proposed: Determination, carla: User, dora: User
    ) -> None:
        determinations.sign(proposed, because=YES, by=carla)
        for verb in (determinations.sign, determinations.decline):
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
            determinations.sign(proposed, because=YES, by=carla)
        proposed.refresh_from_db()
        assert proposed.state == State.PROPOSED
        assert not Obligation.objects.exists()

    def test_obliges_to_what_is_on_record_not_to_the_copy_in_hand(
        self, proposed: Determination, carla: User
    ) -> None:
        proposed.result = proposed.result | {"reports": [reported("fbi", "duty")]}
        signed = determinations.sign(proposed, because=YES, by=carla)
        assert signed.obligations.get().recipient == "bka"

    @pytest.mark.usefixtures("proposed", "amended")
    def test_stays_under_the_law_that_was_laid_before_counsel(self, carla: User) -> None:
        signed = determinations.sign(Determination.objects.get(), because=YES, by=carla)
        assert signed.release.sha256 != releases.rules().sha256
        assert signed.obligations.get().recipient == "bka"

    def test_signs_nothing_when_an_obligation_cannot_be_written(
        self, proposed: Determination, carla: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(**fields: object) -> None:
            raise DatabaseError

        monkeypatch.setattr(Obligation.objects, "create", fail)
        with pytest.raises(DatabaseError):
            determinations.sign(proposed, take_up=["fbi"], because=YES, by=carla)
        proposed.refresh_from_db()
        assert (proposed.state, proposed.signed_at) == (State.PROPOSED, None)
        assert not AuditEntry.objects.filter(event="determination.signed").exists()


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
            determinations.sign(proposed, because=YES, by=dora)
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
