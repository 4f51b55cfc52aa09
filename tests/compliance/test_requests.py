"""Requests: Pat asks about data of Pat's, and the law says what may be done about it now."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from compliance import determinations, findings, jurisdictions, preservation, requests
from compliance.audit.entries import AuditEntry
from compliance.determinations import Determination
from compliance.errors import Malformed, NotPermitted, WrongState
from compliance.findings import Finding
from compliance.lifecycle import Work
from compliance.preservation import Hold
from compliance.requests import InTheWay, Kind, State, SubjectRequest
from compliance.roles import User
from tests.cast import NOW

pytestmark = pytest.mark.usefixtures("worker")

Ask = Callable[..., SubjectRequest]
CLAIMS, DUTY = requests.LEGAL_CLAIMS, requests.LEGAL_DUTY


@pytest.fixture
def ask(ana: User) -> Ask:
    """Record what Pat asks: by default that the account of the finding be erased."""

    def make(kind: str = Kind.ERASURE, *names: str, **changes: Any) -> SubjectRequest:
        told = {"identifiers": names or ("@sample-1",), "received_at": NOW} | changes
        return requests.record(kind=kind, **told, by=ana)

    return make


@pytest.fixture
def says(proposed: Determination) -> Callable[..., Determination]:
    """The determination, as if its law said this."""

    def make(**said: Any) -> Determination:
        result = {name: each for name, each in proposed.result.items() if name != "sha256"} | said
        digest = jurisdictions.digest(result)
        Determination.objects.filter(pk=proposed.pk).update(
            result=result | {"sha256": digest}, result_sha256=digest
        )
        proposed.refresh_from_db()
        return proposed

    return make


def weighed(request: SubjectRequest) -> SubjectRequest:
    """Let the worker pass, and return the request as it is then."""
    requests.weigh_due()
    request.refresh_from_db()
    return request


def silence(until: str | None, *towards: str) -> list[dict[str, Any]]:
    return [{"towards": [*towards], "until": until, "because": ["eu-tco-11"]}]


class TestRecord:
    def test_puts_on_record_who_asks_what_and_until_when_an_answer_is_due(self, ask: Ask) -> None:
        request = ask(Kind.ACCESS, " @sample-1 ", "", "pat@example.org")
        assert (request.state, request.kind) == (State.RECORDED, "access")
        assert request.identifiers == ["@sample-1", "pat@example.org"]
        assert request.due_at.day == min(NOW.day, request.due_at.day)
        entry = AuditEntry.objects.get(event="subjectrequest.recorded")
        assert "sample-1" not in str((entry.additional_data, entry.object_repr))
        diffs = AuditEntry.objects.values_list("changes", flat=True)
        assert "pat@example.org" not in str([*diffs])

    @pytest.mark.parametrize(
        ("came", "due"),
        [("2026-01-31", "2026-02-28"), ("2026-12-05", "2027-01-05"), ("2024-01-30", "2024-02-29")],
    )
    def test_counts_a_month_by_the_calendar(self, ask: Ask, came: str, due: str) -> None:
        at = datetime.fromisoformat(came).replace(tzinfo=UTC)
        if at > timezone.now():
            at, due = at.replace(year=at.year - 1), due.replace("2027", "2026")
        assert f"{ask(received_at=at).due_at:%Y-%m-%d}" == due

    @pytest.mark.parametrize(
        ("wrong", "told"),
        [
            ({"kind": "rectification"}, "erasure or for access"),
            ({"identifiers": [" "]}, "by 1 to 20 names"),
            ({"identifiers": ["x"] * 21}, "by 1 to 20 names"),
            ({"identifiers": ["x" * 321]}, "by 1 to 20 names"),
            ({"received_at": NOW.replace(tzinfo=None)}, "with its time zone"),
            ({"received_at": NOW + timedelta(days=1)}, "not in the future"),
        ],
    )
    def test_is_refused_where_something_is_wrong(
        self, ana: User, wrong: dict[str, Any], told: str
    ) -> None:
        asked = {"kind": "erasure", "identifiers": ["pat"], "received_at": NOW} | wrong
        with pytest.raises(Malformed, match=told):
            requests.record(**asked, by=ana)

    def test_is_refused_to_an_auditor(self, otto: User) -> None:
        with pytest.raises(NotPermitted):
            requests.record(kind="access", identifiers=["pat"], received_at=NOW, by=otto)


class TestNeutralAnswer:
    def test_is_the_same_whatever_is_known_of_the_person(
        self, ask: Ask, signed: Determination
    ) -> None:
        preservation.place_due()
        held, unknown = weighed(ask()), weighed(ask(Kind.ACCESS, "@nobody"))
        assert (held.state, unknown.state) == (State.PARKED, State.CLEARED)
        told = {requests.neutral_answer(each).replace(each.number, "") for each in (held, unknown)}
        assert len(told) == 1
        (words,) = told
        for tale in ("report", "investigat", "police", "hold", "law enforcement", "suspen"):
            assert tale not in words.lower(), tale


class TestWeigh:
    def test_clears_what_nothing_is_in_the_way_of(self, ask: Ask, signed: Determination) -> None:
        request = weighed(ask(Kind.ERASURE, "@somebody-else", "sample-10"))
        assert (request.state, request.action, request.basis) == (State.CLEARED, "", [])
        assert AuditEntry.objects.filter(event="subjectrequest.cleared").count() == 1

    @pytest.mark.parametrize("name", ["@sample-1", "sample-1", " @SAMPLE-1"])
    def test_parks_an_erasure_under_the_hold_of_a_law(
        self, ask: Ask, says: Callable[..., Determination], sign: Any, name: str
    ) -> None:
        signed = sign(says(preserve={"because": ["eu-tco-6"], "until": "open"}))
        for _ in range(2):  # before the hold is placed, and after
            request = weighed(ask(Kind.ERASURE, name))
            assert (request.state, request.action) == (State.PARKED, "suspend_erasure")
            law, *gdpr = request.basis
            assert (law["rule"], gdpr) == ("eu-tco-6", [DUTY, CLAIMS])
            assert "2021/784" in law["cite"]
            assert request.matters == [str(signed.finding_id)]
            preservation.place_due()
        entry = AuditEntry.objects.filter(event="subjectrequest.parked").first()
        assert entry is not None
        assert entry.actor_ref == "system:worker"

    def test_parks_an_erasure_of_what_the_house_referred(
        self, ask: Ask, signed: Determination
    ) -> None:
        assert weighed(ask()).basis == [CLAIMS]

    def test_parks_what_nobody_decided_on_yet(
        self, ask: Ask, finding: Finding, ben: User, profile: Any
    ) -> None:
        for kind, action in (("erasure", "suspend_erasure"), ("access", "suspend_access")):
            request = weighed(ask(kind))
            assert (request.state, request.action) == (State.PARKED, action)
            assert request.basis == [requests.UNDECIDED]
        findings.confirm(finding, because="Credible.", by=ben)
        assert weighed(ask()).state == State.PARKED
        determinations.propose_due()
        assert weighed(ask()).state == State.PARKED

    def test_has_nothing_in_the_way_once_a_finding_is_dismissed_or_its_law_declined(
        self,
        ask: Ask,
        finding: Finding,
        proposed: Determination,
        carla: User,
        record: Any,
        ben: Any,
    ) -> None:
        determinations.decline(proposed, because="A play.", by=carla)
        findings.dismiss(record(), because="A parody.", by=ben)
        assert weighed(ask()).state == State.CLEARED

    @pytest.mark.parametrize(
        ("until", "towards", "state"),
        [
            (None, "affected_user", State.PARKED),
            ("2099-01-01T00:00:00Z", "affected_user", State.PARKED),
            ("2020-01-01T00:00:00Z", "affected_user", State.CLEARED),
            (None, "public", State.CLEARED),
        ],
    )
    def test_parks_access_while_a_silence_towards_the_person_lasts(
        self, ask: Ask, says: Callable[..., Determination], sign: Any,
        until: str | None, towards: str, state: str,
    ) -> None:  # fmt: skip
        sign(says(silence=silence(until, towards)))
        request = weighed(ask(Kind.ACCESS))
        assert request.state == state
        if state == State.PARKED:
            assert request.action == "suspend_access"
            assert [each["rule"] for each in request.basis] == ["eu-tco-11", "gdpr"]
            assert request.basis[1] == requests.RESTRICTED


class TestTakeUp:
    @pytest.fixture
    def parked(self, ask: Ask, signed: Determination) -> SubjectRequest:
        """A request for erasure that waits for the end of a hold."""
        preservation.place_due()
        return weighed(ask())

    def test_happens_by_itself_once_the_hold_is_released(
        self, parked: SubjectRequest, carla: User
    ) -> None:
        assert requests.weigh_due() == 0
        preservation.release(Hold.objects.get(), because="The court said so.", by=carla)
        assert requests.weigh_due() == 1
        assert requests.weigh_due() == 0
        parked.refresh_from_db()
        assert parked.state == State.CLEARED
        assert parked.basis == [CLAIMS]  # which stays on record
        assert AuditEntry.objects.filter(event="subjectrequest.cleared").count() == 1

    def test_happens_by_itself_once_the_hold_is_over(self, parked: SubjectRequest) -> None:
        Hold.objects.update(kept_until=timezone.now())
        assert weighed(parked).state == State.CLEARED

    def test_waits_on_where_another_matter_came_up_meanwhile(
        self, parked: SubjectRequest, carla: User, ben: User, record: Any
    ) -> None:
        other = record()
        preservation.release(Hold.objects.get(), because="The court said so.", by=carla)
        for _ in range(2):
            assert weighed(parked).state == State.PARKED
        assert (parked.matters, parked.basis) == ([str(other.pk)], [requests.UNDECIDED])
        assert AuditEntry.objects.filter(event="subjectrequest.prolonged").count() == 1
        findings.dismiss(other, because="A parody.", by=ben)
        assert weighed(parked).state == State.CLEARED
        assert not Work.objects.exclude(last_error="").exists()


class TestAnswer:
    def test_says_what_was_done(self, ask: Ask, carla: User) -> None:
        request = weighed(ask())
        done = requests.answer(request, because="All is erased.", version=2, by=carla)
        assert (done.state, done.answered_because) == (State.ANSWERED, "All is erased.")
        assert not requests.waiting().exists()

    def test_waits_until_the_request_is_cleared(self, ask: Ask, carla: User) -> None:
        request = ask()
        assert list(requests.waiting()) == [request]
        with pytest.raises(WrongState, match="is recorded; it cannot become answered"):
            requests.answer(request, because="All is erased.", by=carla)

    def test_is_refused_where_something_came_in_the_way_since(
        self, ask: Ask, carla: User, record: Any
    ) -> None:
        request = weighed(ask())
        record()
        with pytest.raises(InTheWay):
            requests.answer(request, because="All is erased.", by=carla)

    def test_is_for_counsel_who_says_what_was_done(self, ask: Ask, ana: User, carla: User) -> None:
        request = weighed(ask())
        with pytest.raises(NotPermitted):
            requests.answer(request, because="All is erased.", by=ana)
        with pytest.raises(Malformed):
            requests.answer(request, because="", by=carla)
