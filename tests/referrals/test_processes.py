"""Processes: what nobody viewed opens against a legal process, by two people, and never before."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from compliance.errors import Malformed, NotPermitted, SamePerson, WrongState
from compliance.evidence import Item
from compliance.roles import User
from referrals import bundles, docket, processes
from referrals.docket import Referral
from referrals.processes import LegalProcess, State

Serve = Callable[..., LegalProcess]


class TestExhibits:
    def test_open_if_somebody_viewed_them(
        self, half_viewed: Referral, item: Item, unseen: Item
    ) -> None:
        found = {each.item: each for each in processes.exhibits(half_viewed)}
        assert [found[each].is_open for each in (item, unseen)] == [True, False]
        assert found[item].member == f"data/{item.pk}.age"
        assert found[unseen].member == f"data/unviewed/{unseen.pk}.sealed"
        assert processes.closed(half_viewed) == [unseen]

    def test_open_if_counsel_approved_a_process_that_names_them(
        self, half_viewed: Referral, unseen: Item, serve: Serve, carla: User
    ) -> None:
        process = serve(half_viewed)
        assert processes.closed(half_viewed) == [unseen]
        approved = processes.approve(process, because="The warrant names it.", by=carla)
        (found,) = (e for e in processes.exhibits(half_viewed) if e.item == unseen)
        assert (found.process, found.is_viewed, found.is_open) == (approved, False, True)
        assert processes.closed(half_viewed) == []

    def test_stay_shut_under_a_process_that_counsel_refused(
        self, half_viewed: Referral, unseen: Item, serve: Serve, carla: User
    ) -> None:
        processes.refuse(serve(half_viewed), because="It is void.", by=carla)
        assert processes.closed(half_viewed) == [unseen]
        assert not processes.unanswered().exists()


class TestRecord:
    def test_puts_on_record_what_was_served(
        self, half_viewed: Referral, unseen: Item, serve: Serve, ana: User
    ) -> None:
        process = serve(half_viewed)
        assert (process.state, process.recorded_by) == (State.RECORDED, ana)
        assert (process.reference, process.issued_by) == ("W-17", "a court")
        assert list(process.items.all()) == [unseen]
        assert str(process) == f"search warrant on {half_viewed.number}"

    @pytest.mark.parametrize(
        ("changes", "complaint"),
        [
            ({"kind": "preservation_letter"}, "which kind"),
            ({"reference": "  "}, "1 to 200"),
            ({"issued_by": "x" * 201}, "1 to 200"),
            ({"received_at": timezone.now().replace(tzinfo=None)}, "time zone"),
            ({"received_at": timezone.now() + timedelta(days=1)}, "not in the future"),
            ({"items": []}, "Name the exhibits"),
        ],
    )
    def test_is_refused_what_does_not_say_enough(
        self, half_viewed: Referral, serve: Serve, changes: dict[str, Any], complaint: str
    ) -> None:
        with pytest.raises(Malformed, match=complaint):
            serve(half_viewed, **changes)
        assert not LegalProcess.objects.exists()

    def test_is_refused_for_what_the_agency_opens_already(
        self, half_viewed: Referral, item: Item, serve: Serve
    ) -> None:
        with pytest.raises(Malformed, match="of those that went sealed"):
            serve(half_viewed, items=[item])

    def test_is_refused_before_the_agency_has_anything(
        self, sealed: Referral, item: Item, serve: Serve
    ) -> None:
        with pytest.raises(WrongState, match="is sealed; its agency has nothing"):
            serve(sealed, items=[item])

    def test_is_refused_to_who_keeps_keys(
        self, half_viewed: Referral, serve: Serve, cleo: User
    ) -> None:
        with pytest.raises(NotPermitted):
            serve(half_viewed, by=cleo)


class TestApprove:
    def test_is_for_a_second_person(self, half_viewed: Referral, serve: Serve, carla: User) -> None:
        process = serve(half_viewed, by=carla)
        with pytest.raises(SamePerson):
            processes.approve(process, because="Sure.", by=carla)
        with pytest.raises(IntegrityError), transaction.atomic():
            LegalProcess.objects.filter(pk=process.pk).update(
                state="approved", approved_by=carla, approved_at=timezone.now()
            )

    def test_is_for_counsel(self, half_viewed: Referral, serve: Serve, ben: User) -> None:
        with pytest.raises(NotPermitted):
            processes.approve(serve(half_viewed), because="Sure.", by=ben)

    def test_wants_a_reason(self, half_viewed: Referral, serve: Serve, carla: User) -> None:
        with pytest.raises(Malformed, match="A reason is missing"):
            processes.approve(serve(half_viewed), because=" ", by=carla)


class TestRefuse:
    def test_is_for_counsel_and_final(
        self, half_viewed: Referral, serve: Serve, ben: User, carla: User
    ) -> None:
        process = serve(half_viewed)
        with pytest.raises(NotPermitted):
            processes.refuse(process, because="Void.", by=ben)
        processes.refuse(process, because="Void.", by=carla)
        with pytest.raises(WrongState, match="is refused; it cannot become approved"):
            processes.approve(process, because="After all.", by=carla)


class TestUnanswered:
    def test_names_what_is_approved_until_the_worker_opened_it(
        self, half_viewed: Referral, serve: Serve, carla: User, worker: None
    ) -> None:
        process = processes.approve(serve(half_viewed), because="It names it.", by=carla)
        assert list(processes.unanswered()) == [process]
        assert bundles.seal_due() == 1
        process.refresh_from_db()
        assert process.state == State.ANSWERED
        assert not processes.unanswered().exists()
        half_viewed.refresh_from_db()
        assert half_viewed.state == docket.State.DELIVERED
