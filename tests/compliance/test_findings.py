"""Findings: one person records, another decides, and both are written down."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from compliance import facts, findings
from compliance.audit.entries import AuditEntry
from compliance.errors import (
    Malformed,
    NotPermitted,
    Refused,
    SamePerson,
    Stale,
    WrongState,
)
from compliance.evidence import Item
from compliance.findings import ALPHABET, Finding, Knowledge, State
from compliance.roles import User

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
RUNGS = {"suspicion": NOW - timedelta(minutes=20)}

CALL = {"source": "a call", "reason": "They saw it."}

Record = Callable[..., Finding]


def noted(finding: Finding, event: str) -> AuditEntry:
    """The one entry of this event about the finding."""
    return AuditEntry.objects.get(event=event, object_pk=str(finding.pk))


def recorded(by: User, **changes: Any) -> Finding:
    """A finding with as little in it as is allowed."""
    return findings.record(
        **{"statement": "It names a place.", "particulars": {}, "rungs": RUNGS, "by": by} | changes
    )


class TestRecord:
    def test_keeps_what_was_found_and_who_found_it(self, ana: User) -> None:
        finding = recorded(
            ana, statement="  It names a place. ", particulars={"ID": {"account": "@sample-1"}}
        )
        finding.refresh_from_db()
        assert finding.state == State.RECORDED
        assert finding.statement == "It names a place."
        assert finding.particulars == {"ID": {"account": "@sample-1"}}
        assert finding.recorded_by == ana
        assert finding.version == 1

    def test_leaves_one_event_that_names_who_recorded(self, ana: User) -> None:
        entry = noted(recorded(ana), "finding.recorded")
        assert entry.actor == ana
        assert entry.actor_ref == f"user:{ana.pk}"

    def test_keeps_the_words_of_the_finding_out_of_the_log(self, ana: User) -> None:
        recorded(ana, statement="A marker word.", particulars={"ID": {"account": "@marker"}})
        assert "marker" not in str(list(AuditEntry.objects.values())).lower()

    def test_gives_a_number_that_nobody_misreads(self, ana: User) -> None:
        finding = recorded(ana)
        assert re.fullmatch(f"F-[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}", finding.reference)
        assert str(finding) == finding.reference
        assert not set("01OILU") & set(ALPHABET)

    @pytest.mark.parametrize("rung", findings.LADDER)
    def test_reads_the_level_of_knowledge_off_the_highest_rung(
        self, ana: User, rung: Knowledge
    ) -> None:
        climbed = findings.LADDER[: findings.LADDER.index(rung) + 1]
        rungs = {step: NOW + timedelta(minutes=n) for n, step in enumerate(climbed)}
        finding = recorded(ana, rungs=rungs)
        assert finding.knowledge == findings.level(findings.ladder(finding)) == rung

    def test_puts_each_rung_on_record_with_its_basis(self, ana: User) -> None:
        (stated,) = recorded(ana).rungs.all()
        assert (stated.rung, stated.reached_at) == (Knowledge.SUSPICION, RUNGS["suspicion"])
        assert (stated.basis, stated.recorded_by) == ("The statement of the finding.", ana)
        (told,) = (finding := recorded(ana, basis=" Two reviewers read it. ")).rungs.all()
        assert told.basis == "Two reviewers read it."
        assert str(told) == f"suspicion on {finding}"

    def test_lets_a_rung_be_left_out_and_two_be_reached_at_once(self, ana: User) -> None:
        finding = recorded(ana, rungs={"suspicion": NOW, "actual_knowledge": NOW})
        assert finding.knowledge == Knowledge.ACTUAL_KNOWLEDGE
        assert list(finding.rungs.values_list("rung", flat=True)) == [
            "suspicion", "actual_knowledge",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"statement": " \n"}, "The statement is empty. Say who did what"),
            ({"statement": "x" * 20_001}, "longer than 20000 characters"),
            ({"particulars": {"SHOE": {}}}, "Particulars know no class 'SHOE'; use one of META, "),
            ({"particulars": {"ID": {"Account": "a"}}}, "A name under ID is not made of a-z"),
            ({"particulars": {"ID": {"a" * 41: "a"}}}, r"0-9 and _ \(40 at most\)"),
            ({"particulars": {"ID": {"account": ""}}}, "ID account wants text of 1 to 2000"),
            ({"particulars": {"ID": {"account": "x" * 2001}}}, "ID account wants text of 1 to"),
            ({"particulars": {"ID": {"account": 7}}}, "ID account wants text of 1 to 2000"),
            ({"rungs": RUNGS | {"hunch": NOW}}, "Knowledge has no rung 'hunch'"),
            ({"rungs": RUNGS | {"refuted": NOW}}, "Knowledge has no rung 'refuted'"),
            ({"basis": " "}, "Say what this judgement rests on, in 1 to 20000 characters"),
            ({"basis": "x" * 20_001}, "Say what this judgement rests on, in 1 to 20000 character"),
            ({"rungs": {}}, "Say when suspicion arose, with its time zone"),
            ({"rungs": {"actual_knowledge": NOW}}, "Say when suspicion arose"),
            ({"rungs": {"suspicion": NOW.replace(tzinfo=None)}}, "has no time zone"),
            (
                {"rungs": {"suspicion": NOW, "reasonable_belief": NOW - timedelta(seconds=1)}},
                "A higher rung of knowledge cannot be older than a lower one",
            ),
            ({"rungs": {"suspicion": timezone.now() + timedelta(days=1)}}, "lie in the future"),
        ],
    )
    def test_refuses_what_cannot_be_and_keeps_nothing_of_it(
        self, ana: User, changes: dict[str, Any], sentence: str
    ) -> None:
        with pytest.raises(Malformed, match=sentence):
            recorded(ana, **changes)
        assert not Finding.objects.exists()
        assert not AuditEntry.objects.filter(event="finding.recorded").exists()

    def test_takes_the_longest_that_is_allowed(self, ana: User) -> None:
        longest = {"ID": {"a" * 40: "x" * findings.PARTICULAR_LIMIT}}
        finding = recorded(ana, statement="x" * findings.STATEMENT_LIMIT, particulars=longest)
        assert len(finding.statement) == findings.STATEMENT_LIMIT

    def test_is_refused_to_counsel(self, carla: User) -> None:
        with pytest.raises(NotPermitted, match="The role counsel may not record finding"):
            recorded(carla)


DECISIONS = [(findings.confirm, State.CONFIRMED), (findings.dismiss, State.DISMISSED)]


@pytest.mark.parametrize(("decide", "state"), DECISIONS, ids=["confirm", "dismiss"])
class TestConfirmAndDismiss:
    def test_stamp_who_decided_when_and_why(
        self, ana: User, ben: User, decide: Record, state: State
    ) -> None:
        before = timezone.now()
        finding = decide(recorded(ana), because=" I know the street. ", by=ben)
        assert finding.state == state
        assert getattr(finding, f"{state}_by") == ben
        assert before <= getattr(finding, f"{state}_at") <= timezone.now()
        assert getattr(finding, f"{state}_because") == "I know the street."
        assert finding.version == 2

    def test_leave_one_event_that_names_who_decided(
        self, ana: User, ben: User, decide: Record, state: State
    ) -> None:
        entry = noted(decide(recorded(ana), because="Seen.", by=ben), f"finding.{state}")
        assert entry.actor == ben
        assert entry.additional_data == {"was": "recorded"}

    def test_are_refused_to_the_person_who_recorded_it(
        self, ana: User, decide: Record, state: State
    ) -> None:
        finding = recorded(ana)
        with pytest.raises(SamePerson, match="Ask a colleague"):
            decide(finding, because="Seen.", by=ana)
        finding.refresh_from_db()
        assert finding.state == State.RECORDED

    def test_are_refused_to_counsel(
        self, ana: User, carla: User, decide: Record, state: State
    ) -> None:
        with pytest.raises(NotPermitted, match="The role counsel may not confirm finding"):
            decide(recorded(ana), because="Seen.", by=carla)

    def test_want_a_reason(self, ana: User, ben: User, decide: Record, state: State) -> None:
        with pytest.raises(Malformed, match="A reason is missing"):
            decide(recorded(ana), because=" ", by=ben)

    def test_are_refused_to_whoever_added_to_it(
        self, ana: User, ben: User, attach: Callable[..., Item], decide: Record, state: State
    ) -> None:
        with_file, with_fact = recorded(ana), recorded(ana)
        attach(with_file, by=ben)
        facts.assert_facts(with_fact, {"item.contains_csam": False}, **CALL, by=ben)
        for finding in (with_file, with_fact):
            with pytest.raises(SamePerson, match="Whoever recorded or added to a finding cannot"):
                decide(finding, because="Seen.", by=ben)

    def test_are_refused_to_whoever_did_not_see_what_was_added(
        self, ana: User, ben: User, attach: Callable[..., Item], decide: Record, state: State
    ) -> None:
        with_file, with_fact = recorded(ana), recorded(ana)
        attach(with_file)
        facts.assert_facts(with_fact, {"item.contains_csam": False}, **CALL, by=ana)
        for finding in (with_file, with_fact):
            with pytest.raises(Stale):
                decide(finding, because="Seen.", version=1, by=ben)

    def test_are_refused_to_whoever_read_an_older_version(
        self, ana: User, ben: User, decide: Record, state: State
    ) -> None:
        finding = recorded(ana)
        with pytest.raises(Stale, match="Read it again, then decide"):
            decide(finding, because="Seen.", version=2, by=ben)
        assert decide(finding, because="Seen.", version=1, by=ben).state == state

    @pytest.mark.parametrize(("first", "was"), DECISIONS, ids=["confirmed", "dismissed"])
    def test_are_final(
        self, ana: User, ben: User, decide: Record, state: State, first: Record, was: State
    ) -> None:
        finding = recorded(ana)
        first(finding, because="Seen.", by=ben)
        # `finding` in memory still says "recorded"; the row on record decides.
        with pytest.raises(WrongState, match=f"is {was}; it cannot become {state}"):
            decide(finding, because="Seen.", by=ben)
        decided = AuditEntry.objects.filter(event__in=["finding.confirmed", "finding.dismissed"])
        assert [entry.event for entry in decided] == [f"finding.{was}"]


def climbed(finding: Finding, rung: str = "reasonable_belief", **changes: Any) -> findings.Rung:
    """One more rung of the ladder."""
    told = {"reached_at": NOW, "basis": "A second reading."} | changes
    return findings.climb(finding, rung, **told)


class TestClimb:
    def test_keeps_since_when_on_which_basis_and_who_says_so(self, ana: User, ben: User) -> None:
        finding = recorded(ana)
        rung = climbed(finding, basis=" A second reading. ", version=1, by=ben)
        finding.refresh_from_db()
        assert (rung.finding, rung.reached_at, rung.recorded_by) == (finding, NOW, ben)
        assert rung.basis == "A second reading."
        assert finding.knowledge == Knowledge.REASONABLE_BELIEF
        assert (finding.version, finding.contributors) == (2, [ben.pk])

    def test_leaves_one_event_without_the_basis(self, ana: User) -> None:
        entry = noted(climbed(recorded(ana), basis="A marker.", by=ana).finding, "finding.climbed")
        assert (entry.actor, entry.additional_data) == (ana, {"rung": "reasonable_belief"})
        assert "marker" not in str(list(AuditEntry.objects.values())).lower()

    def test_keeps_whoever_climbed_before_the_decision_from_deciding(
        self, ana: User, ben: User
    ) -> None:
        finding = recorded(ana)
        climbed(finding, by=ben)
        with pytest.raises(SamePerson, match="Whoever recorded or added to a finding cannot"):
            findings.confirm(finding, because="Seen.", by=ben)

    def test_goes_on_after_the_confirmation_but_not_after_a_dismissal(
        self, ana: User, ben: User
    ) -> None:
        confirmed = findings.confirm(recorded(ana), because="Seen.", by=ben)
        climbed(confirmed, by=ben)
        confirmed.refresh_from_db()
        assert (confirmed.version, confirmed.state) == (3, State.CONFIRMED)
        dismissed = findings.dismiss(recorded(ana), because="A parody.", by=ben)
        with pytest.raises(WrongState, match="is dismissed; what is new belongs to a new finding"):
            climbed(dismissed, by=ana)

    def test_fills_in_a_rung_that_was_left_out(self, ana: User) -> None:
        finding = recorded(ana, rungs=RUNGS | {"actual_knowledge": NOW})
        climbed(finding, reached_at=NOW - timedelta(minutes=1), by=ana)
        finding.refresh_from_db()
        assert finding.knowledge == Knowledge.ACTUAL_KNOWLEDGE

    def test_may_find_the_suspicion_refuted_at_any_time_and_then_ends(self, ana: User) -> None:
        finding = recorded(ana, rungs=RUNGS | {"actual_knowledge": NOW})
        climbed(finding, "refuted", reached_at=RUNGS["suspicion"] - timedelta(hours=1), by=ana)
        finding.refresh_from_db()
        reached = findings.ladder(finding)
        assert finding.knowledge == findings.level(reached) == Knowledge.REFUTED
        assert set(findings.clocks(reached)) == {"suspicion", "actual_knowledge"}
        with pytest.raises(WrongState, match="is refuted; what is new belongs to a new finding"):
            climbed(finding, by=ana)

    @pytest.mark.parametrize(
        ("rung", "changes", "refusal", "sentence"),
        [
            ("hunch", {}, Malformed, "Knowledge has no rung 'hunch'"),
            ("suspicion", {}, WrongState, "reached suspicion already; it is set"),
            ("reasonable_belief", {"basis": "\n"}, Malformed, "Say what this judgement rests on"),
            (
                "reasonable_belief", {"reached_at": NOW - timedelta(days=1)}, Malformed,
                "cannot be older than a lower one",
            ),
            (
                "actual_knowledge", {"reached_at": timezone.now() + timedelta(days=1)}, Malformed,
                "cannot lie in the future",
            ),
            (
                "refuted", {"reached_at": timezone.now() + timedelta(days=1)}, Malformed,
                "cannot lie in the future",
            ),
            ("refuted", {"reached_at": NOW.replace(tzinfo=None)}, Malformed, "has no time zone"),
            ("refuted", {"version": 2}, Stale, "Somebody else changed this record"),
        ],
    )  # fmt: skip
    def test_refuses_what_cannot_be_and_keeps_nothing_of_it(
        self, ana: User, rung: str, changes: dict[str, Any], refusal: type[Refused], sentence: str
    ) -> None:
        finding = recorded(ana)
        with pytest.raises(refusal, match=sentence):
            climbed(finding, rung, **changes, by=ana)
        finding.refresh_from_db()
        assert (finding.version, finding.rungs.count()) == (1, 1)

    def test_is_refused_to_counsel(self, ana: User, carla: User) -> None:
        with pytest.raises(NotPermitted, match="The role counsel may not record finding"):
            climbed(recorded(ana), by=carla)


class TestTheLadder:
    CHANGES = {
        "postgresql": ["TRUNCATE compliance_rung"],
        "sqlite": [
            "INSERT OR REPLACE INTO compliance_rung SELECT * FROM compliance_rung",
            "INSERT OR REPLACE INTO compliance_rung SELECT id + 1, rung, reached_at, basis,"
            " recorded_at, finding_id, recorded_by_id FROM compliance_rung",
        ],
    }

    def test_is_only_ever_added_to(self, ana: User, stopped: Callable[[str], None]) -> None:
        recorded(ana)
        for statement in [
            "UPDATE compliance_rung SET reached_at = recorded_at",
            "DELETE FROM compliance_rung",
            *self.CHANGES[connection.vendor],
        ]:
            stopped(statement)


class TestClocks:
    def test_name_the_instants_as_the_law_does(self, ana: User) -> None:
        rungs = {
            "suspicion": NOW,
            "reasonable_belief": NOW + timedelta(minutes=1),
            "actual_knowledge": NOW + timedelta(minutes=2),
        }
        assert findings.clocks(findings.ladder(recorded(ana, rungs=rungs))) == {
            "suspicion": NOW,
            "belief": NOW + timedelta(minutes=1),
            "actual_knowledge": NOW + timedelta(minutes=2),
        }

    def test_leave_out_a_rung_that_was_not_reached(self, ana: User) -> None:
        reached = findings.ladder(recorded(ana))
        assert findings.clocks(reached) == {"suspicion": RUNGS["suspicion"]}

    def test_tell_what_was_known_at_an_earlier_instant(self, ana: User) -> None:
        finding = recorded(ana)
        before = timezone.now()
        climbed(finding, by=ana)
        assert list(findings.ladder(finding)) == ["suspicion", "reasonable_belief"]
        assert list(findings.ladder(finding, before)) == ["suspicion"]
        earliest = findings.ladder(finding, before - timedelta(days=1))
        assert (findings.level(earliest), findings.clocks(earliest)) == ("unassessed", {})


class TestTheDatabase:
    @pytest.mark.parametrize("state", [State.CONFIRMED, State.DISMISSED])
    def test_refuses_a_state_without_its_stamp(self, ana: User, state: State) -> None:
        finding = recorded(ana)
        with pytest.raises(IntegrityError, match="is_stamped"), transaction.atomic():
            Finding.objects.filter(pk=finding.pk).update(state=state)

    @pytest.mark.parametrize("state", [State.CONFIRMED, State.DISMISSED])
    def test_refuses_half_a_stamp(self, ana: User, ben: User, state: State) -> None:
        finding = recorded(ana)
        for half in ({f"{state}_by": ben}, {f"{state}_at": NOW}):
            with pytest.raises(IntegrityError, match="is_stamped"), transaction.atomic():
                Finding.objects.filter(pk=finding.pk).update(**half)

    def test_refuses_a_confirmation_by_the_recorder(self, ana: User) -> None:
        finding = recorded(ana)
        with pytest.raises(IntegrityError, match="second_person"), transaction.atomic():
            Finding.objects.filter(pk=finding.pk).update(
                state=State.CONFIRMED, confirmed_by=ana, confirmed_at=NOW
            )

    def test_keeps_a_person_who_recorded_something(self, ana: User, worker: None) -> None:
        recorded(ana)
        with pytest.raises(ProtectedError):
            ana.delete()
