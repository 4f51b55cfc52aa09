"""Lifecycle: one door for every change of state, and work that is owed until it is done."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from compliance import lifecycle
from compliance.audit import context
from compliance.audit.entries import AuditEntry
from compliance.errors import Malformed, Stale, WrongState
from compliance.findings import Finding, State
from compliance.lifecycle import Work
from compliance.roles import User

pytestmark = pytest.mark.usefixtures("worker")


def owe(finding: Finding, topic: str = "greet") -> Work:
    """Put one row of work about a finding on record."""
    return Work.objects.create(
        key=f"{topic}:{finding.pk}", topic=topic, subject=finding.pk, cid="test"
    )


def elapse(**fields: Any) -> None:
    """Let time pass: put the instants of every row of work into the past."""
    past = timezone.now() - timedelta(hours=3)
    Work.objects.update(**(fields or {"available_at": past, "lease_until": past}))


class TestAdvance:
    def test_moves_stamps_counts_and_returns_the_record(self, finding: Finding, ben: User) -> None:
        moved = lifecycle.advance(finding, State.CONFIRMED, because=" Seen. ", by=ben)
        moved.refresh_from_db()
        assert (moved.state, moved.confirmed_by) == ("confirmed", ben)
        assert moved.version == finding.version + 1
        assert moved.confirmed_because == "Seen."

    def test_writes_the_state_it_was(self, finding: Finding, ben: User) -> None:
        lifecycle.advance(finding, State.CONFIRMED, because="Seen.", by=ben)
        entry = AuditEntry.objects.get(event="finding.confirmed")
        assert (entry.actor, entry.additional_data) == (ben, {"was": "recorded"})

    def test_refuses_a_move_that_is_not_in_the_table(self, finding: Finding, ben: User) -> None:
        with pytest.raises(WrongState, match="is recorded; it cannot become delivered"):
            lifecycle.advance(finding, "delivered", by=ben)

    def test_asks_the_row_not_the_copy_in_hand(self, finding: Finding, ben: User) -> None:
        lifecycle.advance(finding, State.CONFIRMED, because="Seen.", by=ben)
        with pytest.raises(WrongState, match="is confirmed; it cannot become dismissed"):
            lifecycle.advance(finding, State.DISMISSED, because="Old.", by=ben)

    def test_without_a_person_leaves_the_stamp_of_the_person_empty(self, finding: Finding) -> None:
        with pytest.raises(IntegrityError, match="finding_confirmed_is_stamped"):
            lifecycle.advance(finding, State.CONFIRMED, because="Seen.", by=None)

    @pytest.mark.parametrize("said", [True, False])
    def test_lets_the_version_on_record_and_no_version_pass(
        self, finding: Finding, ben: User, said: bool
    ) -> None:
        version = finding.version if said else None
        moved = lifecycle.advance(
            finding, State.CONFIRMED, because="Seen.", version=version, by=ben
        )
        assert moved.state == State.CONFIRMED

    def test_refuses_who_read_another_version_whatever_it_is_now(
        self, finding: Finding, ben: User
    ) -> None:
        lifecycle.advance(
            finding, State.CONFIRMED, because="Seen.", version=finding.version, by=ben
        )
        with pytest.raises(Stale, match="Somebody else changed this record since you read it"):
            lifecycle.advance(
                finding, State.DISMISSED, because="Old.", version=finding.version, by=ben
            )

    @pytest.mark.parametrize("because", ["", " \n "])
    def test_wants_the_reason_of_a_state_that_has_a_field_for_it(
        self, finding: Finding, ben: User, because: str
    ) -> None:
        with pytest.raises(Malformed, match=r"A reason is missing\. Say in a sentence why"):
            lifecycle.advance(finding, State.CONFIRMED, because=because, by=ben)

    def test_moves_nothing_when_the_event_cannot_be_written(
        self, finding: Finding, ben: User
    ) -> None:
        nowhere = context.acting(user=ben, remote_addr="nowhere")
        with nowhere, pytest.raises(ValueError, match="nowhere"), transaction.atomic():
            lifecycle.advance(finding, State.CONFIRMED, because="Seen.", by=ben)
        finding.refresh_from_db()
        assert finding.state == State.RECORDED


class TestStamped:
    def test_names_the_state_and_asks_for_no_person_when_none_acts(self) -> None:
        constraint = lifecycle.stamped("bundle", "sealed", by=False)
        assert constraint.name == "bundle_sealed_is_stamped"
        assert "sealed_by" not in str(constraint.condition)
        assert "sealed_by" in str(lifecycle.stamped("bundle", "sealed").condition)


class TestDiagram:
    def test_draws_every_move(self) -> None:
        assert lifecycle.diagram(Finding) == (
            "stateDiagram-v2\n"
            "    [*] --> recorded\n"
            "    recorded --> confirmed\n"
            "    recorded --> dismissed\n"
            "    confirmed --> overturned"
        )


class TestClaim:
    def test_gives_a_row_to_one_of_two_claimers(self, finding: Finding) -> None:
        owe(finding)
        first, second = lifecycle.claim("greet"), lifecycle.claim("greet")
        assert first is not None
        assert re.fullmatch(r"[0-9a-f]{32}", first.lease)
        assert second is None

    def test_takes_the_oldest_and_only_of_its_topic(self, record: Callable[..., Finding]) -> None:
        older, younger, other = owe(record()), owe(record()), owe(record(), "other")
        Work.objects.filter(pk=younger.pk).update(available_at=timezone.now())
        Work.objects.filter(pk=older.pk).update(available_at=timezone.now() - timedelta(hours=1))
        taken = [lifecycle.claim("greet") for _ in range(3)]
        assert taken == [older, younger, None]
        assert lifecycle.claim("other") == other

    def test_leaves_what_is_done_or_not_yet_due(self, finding: Finding) -> None:
        row = owe(finding)
        elapse(available_at=timezone.now() + timedelta(minutes=1))
        assert lifecycle.claim("greet") is None
        elapse(available_at=timezone.now(), done_at=timezone.now())
        assert lifecycle.claim("greet") is None
        assert not Work.objects.filter(done_at__isnull=True).filter(pk=row.pk).exists()

    def test_takes_over_a_lease_that_has_run_out(self, finding: Finding) -> None:
        owe(finding)
        lost = lifecycle.claim("greet")
        elapse()
        taken = lifecycle.claim("greet")
        assert lost is not None
        assert taken is not None
        assert taken.lease != lost.lease
        assert taken.attempts == 2

    @pytest.mark.parametrize(
        ("attempts", "seconds"), [(0, 15), (1, 30), (5, 480), (9, 7200), (1000, 7200)]
    )
    def test_leases_for_twice_as_long_each_time_up_to_two_hours(
        self, finding: Finding, attempts: int, seconds: int
    ) -> None:
        owe(finding)
        elapse(attempts=attempts)
        before = timezone.now()
        row = lifecycle.claim("greet")
        assert row is not None
        assert row.lease_until is not None
        assert abs((row.lease_until - before).total_seconds() - seconds) < 2


class TestFinish:
    def test_marks_the_row_done(self, finding: Finding) -> None:
        row = owe(finding)
        lifecycle.finish(row)
        row.refresh_from_db()
        assert row.done_at is not None
        assert row.lease_until is None

    def test_refuses_whoever_lost_the_lease(self, finding: Finding) -> None:
        owe(finding)
        lost = lifecycle.claim("greet")
        elapse()
        lifecycle.claim("greet")
        assert lost is not None
        with pytest.raises(Stale, match=r"The lease on greet:.* was lost; another worker took it"):
            lifecycle.finish(lost)

    def test_refuses_to_finish_twice(self, finding: Finding) -> None:
        row = owe(finding)
        lifecycle.finish(row)
        with pytest.raises(Stale, match="was lost"):
            lifecycle.finish(row)


class TestGiveBack:
    def test_leaves_the_row_alone_when_another_worker_has_it(self, finding: Finding) -> None:
        owe(finding)
        lost = lifecycle.claim("greet")
        elapse()
        taken = lifecycle.claim("greet")
        assert lost is not None
        assert taken is not None
        lifecycle.give_back(lost, OSError())
        taken.refresh_from_db()
        assert taken.lease_until is not None
        assert taken.last_error == ""

    @pytest.mark.parametrize("attempts", [1, 1000])
    def test_pauses_no_longer_than_a_quarter_of_an_hour(
        self, finding: Finding, attempts: int
    ) -> None:
        owe(finding)
        elapse(attempts=attempts)
        row = lifecycle.claim("greet")
        assert row is not None
        before = timezone.now()
        lifecycle.give_back(row, Malformed("x" * 300))
        row.refresh_from_db()
        longest = min(lifecycle.LONGEST_PAUSE, lifecycle.FIRST_PAUSE * 2 ** min(attempts + 1, 12))
        assert before <= row.available_at <= timezone.now() + longest
        assert row.lease_until is None
        assert row.last_error == "x" * 200


class TestPull:
    def greet(self, finding: Finding) -> None:
        """The effect of these tests: one row that can be counted."""
        Finding.objects.filter(pk=finding.pk).update(confirmed_because="Greeted.")
        self.greeted.append(finding)

    @pytest.fixture(autouse=True)
    def _nobody_greeted(self) -> None:
        self.greeted: list[Finding] = []

    def is_greeted(self, finding: Finding) -> bool:
        finding.refresh_from_db()
        return finding.confirmed_because == "Greeted."

    def test_does_every_record_that_is_owed_once(self, record: Callable[..., Finding]) -> None:
        both = {record(), record()}
        assert lifecycle.pull("greet", Finding.objects.all(), self.greet) == 2
        assert lifecycle.pull("greet", Finding.objects.all(), self.greet) == 0
        assert set(self.greeted) == both
        assert not Work.objects.filter(done_at__isnull=True)

    def test_does_nothing_that_another_worker_holds(self, finding: Finding) -> None:
        owe(finding)
        lifecycle.claim("greet")
        assert lifecycle.pull("greet", Finding.objects.all(), self.greet) == 0
        elapse()
        assert lifecycle.pull("greet", Finding.objects.all(), self.greet) == 1

    def test_hands_the_effect_what_was_prepared_outside_any_transaction(
        self, finding: Finding
    ) -> None:
        depth = len(connection.savepoint_ids)
        seen: list[Any] = []

        def prepare(record: Finding) -> int:
            return len(connection.savepoint_ids) - depth

        def act(record: Finding, ready: int) -> None:
            seen.extend([record, ready, len(connection.savepoint_ids) - depth])

        assert lifecycle.pull("greet", Finding.objects.all(), act, prepare=prepare) == 1
        assert seen == [finding, 0, 1]

    def test_rolls_the_effect_back_when_the_lease_was_lost(self, finding: Finding) -> None:
        def slow(record: Finding) -> None:
            self.greet(record)
            Work.objects.update(lease="another worker's")

        assert lifecycle.pull("greet", Finding.objects.all(), slow) == 0
        assert not self.is_greeted(finding)
        row = Work.objects.get(done_at__isnull=True)
        assert "was lost; another worker took it" in row.last_error

    def test_leaves_all_to_the_next_worker_when_one_was_killed_in_between(
        self, finding: Finding, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def killed(row: Work) -> None:
            assert self.is_greeted(finding)
            raise SystemExit

        with monkeypatch.context() as patch:
            patch.setattr(lifecycle, "finish", killed)
            with pytest.raises(SystemExit):
                lifecycle.pull("greet", Finding.objects.all(), self.greet)
        assert not self.is_greeted(finding)  # the effect went with the mark that it is done
        assert lifecycle.pull("greet", Finding.objects.all(), self.greet) == 0  # the lease runs
        elapse()
        assert lifecycle.pull("greet", Finding.objects.all(), self.greet) == 1

    @pytest.mark.parametrize(
        ("error", "shown"),
        [
            (Malformed("The desk is closed."), "The desk is closed."),
            (DatabaseError("a name"), "DatabaseError"),
            (OSError("a path"), "OSError"),
            (ZeroDivisionError("a bug"), "ZeroDivisionError"),
        ],
    )
    def test_gives_a_failed_effect_back_and_shows_it(
        self, finding: Finding, error: Exception, shown: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(record: Finding) -> None:
            self.greet(record)
            raise error

        assert lifecycle.pull("greet", Finding.objects.all(), fail) == 0
        assert not self.is_greeted(finding)
        row = lifecycle.failing().get()
        assert (row.attempts, row.last_error, row.lease_until) == (1, shown, None)
        assert caplog.messages == [f"work {row.pk} failed: {type(error).__name__}"]
        elapse()
        assert lifecycle.pull("greet", Finding.objects.all(), self.greet) == 1
        assert not lifecycle.failing()

    def test_gives_back_what_could_not_be_prepared(self, finding: Finding) -> None:
        def prepare(record: Finding) -> None:
            raise FileNotFoundError

        assert lifecycle.pull("greet", Finding.objects.all(), self.greet, prepare=prepare) == 0
        assert lifecycle.failing().get().last_error == "FileNotFoundError"
        assert self.greeted == []

    def test_goes_on_with_the_others_when_one_fails(self, record: Callable[..., Finding]) -> None:
        bad, good = record(), record()

        def act(finding: Finding) -> None:
            if finding == bad:
                raise OSError
            self.greet(finding)

        assert lifecycle.pull("greet", Finding.objects.all(), act) == 1
        assert self.greeted == [good]
        assert lifecycle.failing().get().subject == bad.pk

    def test_finishes_what_is_no_longer_owed(self, finding: Finding) -> None:
        row = owe(finding)
        assert lifecycle.pull("greet", Finding.objects.none(), self.greet) == 0
        row.refresh_from_db()
        assert row.done_at is not None
        assert self.greeted == []

    def test_leaves_to_another_worker_what_it_took_meanwhile(
        self, finding: Finding, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row, claim = owe(finding), lifecycle.claim

        def too_slowly(topic: str) -> Work | None:
            mine = claim(topic)
            Work.objects.update(lease="another worker's")
            return mine

        monkeypatch.setattr(lifecycle, "claim", too_slowly)
        assert lifecycle.pull("greet", Finding.objects.none(), self.greet) == 0
        row.refresh_from_db()
        assert (row.done_at, row.lease) == (None, "another worker's")

    def test_does_what_became_owed_while_it_was_at_work(
        self, record: Callable[..., Finding]
    ) -> None:
        first, late = record(), []

        def act(finding: Finding) -> None:
            self.greet(finding)
            if finding == first:  # meanwhile a colleague records, and another worker owes it
                late.append(record())
                owe(late[0])

        assert lifecycle.pull("greet", Finding.objects.all(), act) == 2
        assert self.greeted == [first, *late]

    def test_acts_as_the_worker_under_one_correlation_id_a_row(self, finding: Finding) -> None:
        seen: list[tuple[str, str | None]] = []

        def act(record: Finding) -> None:
            who = context.current()
            seen.append((who.actor_ref, who.cid))

        lifecycle.pull("greet", Finding.objects.all(), act)
        row = Work.objects.get()
        assert seen == [("system:worker", row.cid)]
        assert str(row) == f"greet:{finding.pk}"
