"""Overturnings: a confirmed finding was wrong, says one person; counsel signs, and it is undone."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from compliance import determinations, findings, overturnings
from compliance.audit.entries import AuditEntry
from compliance.determinations import Determination
from compliance.errors import Malformed, NotPermitted, SamePerson, WrongState
from compliance.findings import Finding
from compliance.overturnings import Overturning
from compliance.roles import Role, User
from tests.cast import NOW

Overturn = Callable[..., Overturning]


@pytest.fixture
def doubt(signed: Determination, ben: User) -> Overturning:
    """Ben's word that the signed finding was wrong."""
    return overturnings.propose(
        signed.finding, reason="mistaken_identity", because=" Another person. ", by=ben
    )


def hush(determination: Determination, *silences: dict[str, Any]) -> None:
    """Let the signed law want other silences, as an owner of the database can."""
    determination.result["silence"] = list(silences)
    determination.save(update_fields=["result"])


class TestPropose:
    def test_changes_nothing_yet(self, doubt: Overturning, ben: User) -> None:
        assert (doubt.reason, doubt.because, doubt.proposed_by) == (
            "mistaken_identity", "Another person.", ben,
        )  # fmt: skip
        assert doubt.waits
        assert Finding.objects.get().state == findings.State.CONFIRMED
        assert str(doubt) == f"overturning of {doubt.finding}"
        entry = AuditEntry.objects.get(event="overturning.proposed")
        assert entry.additional_data == {"reason": "mistaken_identity"}

    def test_knows_the_reasons_of_the_law(self, signed: Determination) -> None:
        words = determinations.releases.rules().vocabulary
        for reason in overturnings.Reason.values:
            assert words.check("retraction.reason", reason) == reason

    def test_wants_a_reason_that_is_one(self, signed: Determination, ben: User) -> None:
        for reason, because, told in (
            ("whim", "No.", "The reason is one of mistaken_identity,"),
            ("duplicate", " ", "A reason is missing"),
        ):
            with pytest.raises(Malformed, match=told):
                overturnings.propose(signed.finding, reason=reason, because=because, by=ben)

    def test_is_about_a_confirmed_finding(self, finding: Finding, ben: User) -> None:
        with pytest.raises(WrongState, match="is recorded; only a confirmed finding is overturned"):
            overturnings.propose(finding, reason="wrong_item", because="Another.", by=ben)

    def test_happens_once_until_counsel_decides(self, doubt: Overturning, ana: User) -> None:
        with pytest.raises(WrongState, match="is proposed already"):
            overturnings.propose(doubt.finding, reason="wrong_item", because="Another.", by=ana)

    def test_is_refused_to_an_auditor(self, signed: Determination, otto: User) -> None:
        with pytest.raises(NotPermitted, match="may not propose retraction"):
            overturnings.propose(signed.finding, reason="wrong_item", because="No.", by=otto)


class TestSign:
    def test_overturns_the_finding(self, doubt: Overturning, carla: User) -> None:
        done = overturnings.sign(doubt, because=" The papers show it. ", by=carla)
        finding = Finding.objects.get()
        assert (finding.state, finding.overturned_by) == (findings.State.OVERTURNED, carla)
        assert finding.overturned_because == done.signed_because == "The papers show it."
        assert done.finding.version == finding.version
        assert not done.waits

    def test_takes_counsel_who_did_not_propose_it(self, doubt: Overturning, ben: User) -> None:
        with pytest.raises(NotPermitted, match="The role reviewer may not sign retraction"):
            overturnings.sign(doubt, because="Sure.", by=ben)
        User.objects.filter(pk=ben.pk).update(role=Role.COUNSEL)
        with pytest.raises(SamePerson, match="Whoever proposed this"):
            overturnings.sign(doubt, because="Sure.", by=User.objects.get(pk=ben.pk))

    def test_takes_counsel_who_had_no_part_in_the_finding(
        self, signed: Determination, carla: User, ana: User
    ) -> None:
        doubt = overturnings.propose(
            signed.finding, reason="court_order", because="A judge said so.", by=carla
        )
        User.objects.filter(pk=ana.pk).update(role=Role.COUNSEL)
        with pytest.raises(SamePerson):
            overturnings.sign(doubt, because="Sure.", by=User.objects.get(pk=ana.pk))

    def test_wants_a_reason(self, doubt: Overturning, carla: User) -> None:
        with pytest.raises(Malformed, match="A reason is missing"):
            overturnings.sign(doubt, because=" ", by=carla)
        assert Finding.objects.get().state == findings.State.CONFIRMED

    def test_happens_once(self, doubt: Overturning, carla: User, dora: User) -> None:
        overturnings.sign(doubt, because="Seen.", by=carla)
        for verb in (overturnings.sign, overturnings.decline):
            with pytest.raises(WrongState, match="is decided already"):
                verb(doubt, because="Seen.", by=dora)

    def test_ends_what_may_become_of_the_finding(
        self, signed: Determination, overturn: Overturn, ana: User, ben: User, sign: Any
    ) -> None:
        finding = overturn(signed.finding).finding
        with pytest.raises(WrongState, match="is overturned; what is new belongs to a new finding"):
            findings.climb(finding, "refuted", reached_at=NOW, basis="A thief.", by=ana)
        with pytest.raises(WrongState, match="only a confirmed finding is determined"):
            determinations.review(signed)
        with pytest.raises(WrongState, match="is overturned; only a confirmed finding is overturn"):
            overturnings.propose(finding, reason="wrong_item", because="Again.", by=ben)

    def test_takes_what_is_proposed_off_counsels_table(
        self, proposed: Determination, overturn: Overturn, sign: Any
    ) -> None:
        overturn(proposed.finding)
        with pytest.raises(WrongState, match="is overturned; only a confirmed finding"):
            sign(proposed)
        assert (determinations.propose_due(), determinations.propose_due()) == (1, 0)
        assert Determination.objects.get().state == determinations.State.SUPERSEDED


class TestDecline:
    def test_lets_the_finding_stand_until_somebody_says_it_anew(
        self, doubt: Overturning, carla: User, ana: User
    ) -> None:
        done = overturnings.decline(doubt, because="It is the same person.", by=carla)
        assert (done.declined_by, done.waits) == (carla, False)
        assert Finding.objects.get().state == findings.State.CONFIRMED
        overturnings.propose(doubt.finding, reason="wrong_item", because="Another.", by=ana)
        with pytest.raises(WrongState, match="is not signed; there is nothing to put right"):
            overturnings.reinstate(done, because="It is up.", by=ana)


class TestReinstate:
    def test_is_noted_once(self, signed: Determination, overturn: Overturn, ben: User) -> None:
        done = overturnings.reinstate(overturn(signed.finding), because="It is up.", by=ben)
        assert (done.reinstated_by, done.reinstated_because) == (ben, "It is up.")
        with pytest.raises(WrongState, match="is reinstated already"):
            overturnings.reinstate(done, because="It is up.", by=ben)


class TestTell:
    def test_is_refused_while_a_law_wants_silence(
        self, signed: Determination, overturn: Overturn, ben: User
    ) -> None:
        done = overturn(signed.finding)
        assert signed.result["silence"]
        with pytest.raises(WrongState, match=r"The user is not to be told: eu-tco-11\."):
            overturnings.tell(done, because="By mail.", by=ben)
        hush(signed)
        assert overturnings.tell(done, because="By mail.", by=ben).told_by == ben

    @pytest.mark.parametrize(
        ("towards", "until", "lasts"),
        [
            (["affected_user"], None, True),
            (["affected_user"], timezone.now() + timedelta(days=1), True),
            (["affected_user"], timezone.now() - timedelta(days=1), False),
            (["authority"], None, False),
        ],
    )
    def test_is_silent_as_long_as_the_law_says(
        self, signed: Determination, towards: list[str], until: Any, lasts: bool
    ) -> None:
        end = until and until.isoformat()
        hush(signed, {"towards": towards, "until": end, "because": ["uk-tact-39"]})
        assert bool(overturnings.silences_of(signed.finding)) is lasts

    def test_no_law_wants_silence_of_what_nobody_signed(self, finding: Finding) -> None:
        assert overturnings.silences_of(finding) == []


class TestUnredressed:
    def test_is_what_the_user_has_not_got_back(
        self, signed: Determination, overturn: Overturn, ben: User
    ) -> None:
        hush(signed)
        done = overturn(signed.finding)
        assert list(overturnings.unredressed()) == [done]
        overturnings.reinstate(done, because="It is up.", by=ben)
        assert list(overturnings.unredressed()) == [done]
        overturnings.tell(done, because="By mail.", by=ben)
        assert not overturnings.unredressed().exists()


class TestConstraints:
    @pytest.mark.parametrize(
        ("changes", "name"),
        [
            ({"told_at": NOW}, "overturning_told_is_stamped"),
            ({"told_because": "x"}, "overturning_told_is_stamped"),
            ({"declined_at": NOW}, "overturning_declined_is_stamped"),
        ],
    )
    def test_let_no_act_stand_without_who_and_why(
        self, doubt: Overturning, changes: dict[str, Any], name: str
    ) -> None:
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            Overturning.objects.update(**changes)

    def test_let_nobody_sign_what_they_proposed(self, doubt: Overturning, ben: User) -> None:
        alone = {"signed_at": NOW, "signed_by": ben, "signed_because": "Sure."}
        with (
            pytest.raises(IntegrityError, match="overturning_signed_by_a_second_person"),
            transaction.atomic(),
        ):
            Overturning.objects.update(**alone)

    def test_let_nothing_be_signed_and_declined(
        self, doubt: Overturning, carla: User, dora: User
    ) -> None:
        both = {
            f"{act}_{part}": value
            for act, who in (("signed", carla), ("declined", dora))
            for part, value in (("at", NOW), ("by", who), ("because", "Sure."))
        }
        with (
            pytest.raises(IntegrityError, match="overturning_is_decided_one_way"),
            transaction.atomic(),
        ):
            Overturning.objects.update(**both)
