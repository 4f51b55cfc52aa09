"""Conflicts: what one law asks for and another bars stays, unless two counsel say why not."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from compliance import conflicts, findings, jurisdictions
from compliance.audit.entries import AuditEntry
from compliance.conflicts import ConflictDecision
from compliance.errors import Malformed, NotPermitted, Refused, SamePerson, WrongState
from compliance.findings import Finding
from compliance.roles import Role, User

pytestmark = pytest.mark.usefixtures("worker")

TERMS = {"to": "bka", "fields": ["C_priv"], "duties": ["eu-1"], "prohibitions": ["us-2"]}
CONFLICT = TERMS | {"id": jurisdictions.digest(TERMS), "blocking": False, "interim": "withhold"}


def resolved(finding: Finding, by: User, **changes: Any) -> ConflictDecision:
    """A decision that the classes go, with its citation."""
    told = {"resolution": "release", "because": " They agreed. ", "citation": " s.2702(b)(3) "}
    return conflicts.resolve(finding, CONFLICT, **told | changes, by=by)


class TestResolve:
    def test_keeps_what_was_decided_on_which_terms_why_and_by_whom(
        self, finding: Finding, carla: User
    ) -> None:
        decision = resolved(finding, carla)
        decision.refresh_from_db()
        assert (decision.finding, decision.conflict_id) == (finding, CONFLICT["id"])
        assert (decision.terms, decision.decided_by) == (TERMS, carla)
        assert (decision.because, decision.citation) == ("They agreed.", "s.2702(b)(3)")
        assert (decision.releases, decision.waits) == (False, True)
        assert str(decision) == f"decision on a conflict in {finding}"

    def test_withholds_at_once_and_without_a_citation(self, finding: Finding, carla: User) -> None:
        decision = resolved(finding, carla, resolution="withhold")
        assert (decision.releases, decision.waits, decision.citation) == (False, False, "")

    def test_leaves_one_event_that_says_nothing_of_the_reason(
        self, finding: Finding, carla: User
    ) -> None:
        decision = resolved(finding, carla, because="A marker.", citation="A marker.")
        entry = AuditEntry.objects.get(event="conflict.resolved", object_pk=str(decision.pk))
        assert (entry.actor, entry.additional_data) == (carla, {"conflict": CONFLICT["id"]})
        assert "marker" not in str(list(AuditEntry.objects.values())).lower()

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"resolution": "perhaps"}, "Say whether the classes stay here or go"),
            ({"because": " "}, "A reason is missing"),
            ({"citation": " "}, "Cite why the bar does not bite, in 1 to 500 characters"),
            ({"citation": "x" * 501}, "Cite why the bar does not bite"),
        ],
    )
    def test_refuses_what_is_not_said(
        self, finding: Finding, carla: User, changes: dict[str, str], sentence: str
    ) -> None:
        with pytest.raises(Malformed, match=sentence):
            resolved(finding, carla, **changes)
        assert not ConflictDecision.objects.exists()

    def test_refuses_a_conflict_that_the_law_did_not_state(
        self, finding: Finding, carla: User
    ) -> None:
        with pytest.raises(Malformed, match="This is not a conflict as the law states it"):
            conflicts.resolve(
                finding, CONFLICT | {"fields": ["ID"]}, resolution="withhold", because="No.",
                by=carla,
            )  # fmt: skip

    @pytest.mark.parametrize("who", ["ana", "ben"])
    def test_is_refused_to_who_recorded_or_confirmed_even_as_counsel(
        self, finding: Finding, ben: User, who: str, request: pytest.FixtureRequest
    ) -> None:
        findings.confirm(finding, because="Seen.", by=ben)
        person: User = request.getfixturevalue(who)
        with pytest.raises(NotPermitted, match="The role reviewer may not sign determination"):
            resolved(finding, person)
        person.role = Role.COUNSEL
        person.save()
        with pytest.raises(SamePerson, match="cannot decide its conflicts"):
            resolved(finding, person)


class TestApprove:
    def test_takes_a_second_counsel(self, finding: Finding, carla: User, dora: User) -> None:
        decision = resolved(finding, carla)
        with pytest.raises(SamePerson, match="A second counsel must approve that barred classes"):
            conflicts.approve(decision, by=carla)
        approved = conflicts.approve(decision, by=dora)
        assert (approved.approved_by, approved.releases, approved.waits) == (dora, True, False)
        assert approved.approved_at is not None
        entry = AuditEntry.objects.get(event="conflict.approved")
        assert (entry.actor, entry.additional_data) == (dora, {"conflict": CONFLICT["id"]})

    def test_happens_once_and_only_to_a_release(
        self, finding: Finding, carla: User, dora: User
    ) -> None:
        release, stay = resolved(finding, carla), resolved(finding, carla, resolution="withhold")
        conflicts.approve(release, by=dora)
        for decision in (release, stay):
            with pytest.raises(WrongState, match="waits for nobody's approval"):
                conflicts.approve(decision, by=dora)

    def test_is_refused_to_reviewers_and_to_who_took_part(
        self, finding: Finding, ana: User, carla: User
    ) -> None:
        decision = resolved(finding, carla)
        for role, kind in ((Role.REVIEWER, NotPermitted), (Role.COUNSEL, SamePerson)):
            ana.role = role
            ana.save()
            refusal: type[Refused] = kind
            with pytest.raises(refusal):
                conflicts.approve(decision, by=ana)


class TestPrecedents:
    def test_are_the_decisions_on_the_same_conflict_in_other_findings(
        self, finding: Finding, record: Any, carla: User
    ) -> None:
        earlier = [resolved(record(), carla) for _ in range(2)]
        resolved(finding, carla)
        other = TERMS | {"to": "fbi"}
        conflicts.resolve(
            record(), other | {"id": jurisdictions.digest(other)}, resolution="withhold",
            because="No.", by=carla,
        )  # fmt: skip
        assert list(conflicts.precedents(finding, CONFLICT)) == earlier[::-1]


class TestTheDatabase:
    @pytest.mark.parametrize(
        ("changes", "constraint"),
        [
            ({"approved_at": timezone.now()}, "approval_is_stamped"),
            ({"citation": ""}, "release_is_cited"),
        ],
    )
    def test_refuses_half_an_approval_and_a_release_without_a_citation(
        self, finding: Finding, carla: User, changes: dict[str, Any], constraint: str
    ) -> None:
        resolved(finding, carla)
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            ConflictDecision.objects.update(**changes)

    def test_refuses_an_approval_by_who_decided(self, finding: Finding, carla: User) -> None:
        resolved(finding, carla)
        with pytest.raises(IntegrityError, match="second_person"), transaction.atomic():
            ConflictDecision.objects.update(approved_at=timezone.now(), approved_by=carla)
