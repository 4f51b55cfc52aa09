"""Routes: Cleo adds an address, Carla approves what the agency read out, nothing else is called."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from compliance import lifecycle
from compliance.audit.entries import AuditEntry
from compliance.errors import Malformed, NotPermitted, SamePerson, WrongState
from compliance.roles import User
from referrals import agencies, routes
from referrals.agencies import Agency
from referrals.routes import Route, State

Add = Callable[..., Route]
ADDRESS = "https://intake.agency.example.org/in"

pytestmark = pytest.mark.usefixtures("worker")


@pytest.fixture
def add(agency: Agency, cleo: User, settings: Any, tmp_path: Path) -> Add:
    """Add a route to the agency, as Cleo does."""
    settings.DROP_DIR = str(tmp_path)

    def adding(way: str = "https", address: str = ADDRESS, to: Agency | None = None) -> Route:
        return routes.add(to or agency, way=way, address=address, by=cleo)

    return adding


class TestAdd:
    @pytest.mark.parametrize(
        ("way", "address"),
        [("https", ADDRESS), ("file_drop", "bka-in"), ("mail", "desk@agency.example.org")],
    )
    def test_puts_it_on_record_without_its_address_in_the_log(
        self, add: Add, agency: Agency, cleo: User, way: str, address: str
    ) -> None:
        route = add(way, f" {address} ")
        assert (route.address, route.environment, route.added_by) == (address, "test", cleo)
        assert str(route) == f"{way} to bka"
        entries = AuditEntry.objects.filter(object_pk=str(route.pk))
        assert "route.added" in {each.event for each in entries}
        assert not any(address in f"{each.changes}{each.additional_data}" for each in entries)
        assert routes.to(agency) is None  # nobody has approved it

    def test_is_refused_to_counsel(self, agency: Agency, carla: User) -> None:
        with pytest.raises(NotPermitted):
            routes.add(agency, way="https", address=ADDRESS, by=carla)

    @pytest.mark.parametrize(
        ("way", "address", "sentence"),
        [
            ("pigeon", "roof", r"The way is one of https, file_drop, mail\."),
            ("https", "http://agency.example.org", r"The address wants the form https://"),
            ("https", "https://[", r"The address cannot be read\."),
            ("https", "", r"The address wants the form https://"),
            ("https", f"https://agency.example.org/{'x' * 500}", "longer than 500 characters"),
            ("file_drop", "../elsewhere", r"The address is the name of a folder"),
            ("file_drop", "/", r"The address is the name of a folder"),
            ("mail", "the desk", r"This is not a mail address\."),
        ],
    )
    def test_refuses_what_leads_nowhere(
        self, add: Add, way: str, address: str, sentence: str
    ) -> None:
        with pytest.raises(Malformed, match=sentence):
            add(way, address)
        assert not Route.objects.exists()

    def test_wants_a_directory_for_drops(self, add: Add, settings: Any) -> None:
        settings.DROP_DIR = ""
        with pytest.raises(Malformed, match="Set DUTYLINE_DROP_DIR"):
            add("file_drop", "bka-in")


class TestApprove:
    def test_opens_the_way(self, add: Add, agency: Agency, carla: User) -> None:
        route = routes.approve(add(), address=f" {ADDRESS}", by=carla)
        assert (route.state, route.approved_by) == (State.APPROVED, carla)
        assert routes.to(agency) == route
        assert routes.is_open(route)

    def test_is_a_second_persons_step(self, add: Add, agency: Agency, dora: User) -> None:
        route = add()
        Route.objects.filter(pk=route.pk).update(added_by=dora)
        route.refresh_from_db()
        with pytest.raises(SamePerson):
            routes.approve(route, address=ADDRESS, by=dora)

    def test_is_refused_to_a_reviewer(self, add: Add, ana: User) -> None:
        with pytest.raises(NotPermitted):
            routes.approve(add(), address=ADDRESS, by=ana)

    def test_wants_the_address_that_the_agency_read_out(self, add: Add, carla: User) -> None:
        with pytest.raises(Malformed, match="is not the one of this route"):
            routes.approve(add(), address=f"{ADDRESS}/", by=carla)

    def test_leaves_one_route_to_an_agency(self, add: Add, agency: Agency, carla: User) -> None:
        first = routes.approve(add(), address=ADDRESS, by=carla)
        mailbox = "desk@agency.example.org"
        second = add("mail", mailbox)
        with pytest.raises(Malformed, match=r"Another route leads to this agency\."):
            routes.approve(second, address=mailbox, by=carla)
        with pytest.raises(IntegrityError), transaction.atomic():
            lifecycle.advance(second, State.APPROVED, by=carla)
        routes.revoke(first, because="They moved.", by=carla)
        routes.approve(second, address=mailbox, by=carla)
        assert routes.to(agency) == second


class TestRevoke:
    def test_shuts_the_way(self, add: Add, agency: Agency, carla: User) -> None:
        route = routes.approve(add(), address=ADDRESS, by=carla)
        revoked = routes.revoke(route, because="They moved.", by=carla)
        assert revoked.revoked_because == "They moved."
        assert routes.to(agency) is None
        assert not routes.is_open(route)
        with pytest.raises(WrongState):
            routes.approve(revoked, address=ADDRESS, by=carla)

    def test_is_refused_to_a_reviewer(self, add: Add, ana: User) -> None:
        with pytest.raises(NotPermitted):
            routes.revoke(add(), because="No.", by=ana)


class TestChannel:
    @pytest.mark.parametrize(
        ("way", "address"),
        [("https", ADDRESS), ("file_drop", "bka-in"), ("mail", "desk@agency.example.org")],
    )
    def test_is_of_the_routes_kind(self, add: Add, way: str, address: str) -> None:
        assert routes.channel(add(way, address), sign=bytes).name == way

    def test_is_the_liaison_api_where_no_route_leads(self) -> None:
        assert routes.channel(None, sign=bytes).name == "pickup"
        assert routes.is_open(None)


class TestEnvironments:
    """No test reaches a production address, nor the reverse."""

    @pytest.fixture
    def real(self, cleo: User, carla: User) -> Agency:
        """An agency in production."""
        agency = agencies.enrol(
            authority="fbi", name="Sample desk fbi", environment="production", by=cleo
        )
        return agencies.approve(agency, by=carla)

    @pytest.mark.parametrize(
        ("way", "address", "same"),
        [
            ("https", ADDRESS, "https://INTAKE.agency.example.org/other"),
            ("file_drop", "bka-in", "bka-in"),
            ("mail", "desk@agency.example.org", "Desk@agency.example.org"),
        ],
    )
    def test_share_no_place(
        self, add: Add, real: Agency, carla: User, way: str, address: str, same: str
    ) -> None:
        kept = add(way, address, real)
        assert kept.environment == "production"
        with pytest.raises(Malformed, match="Test and production are apart"):
            add(way, same)
        routes.revoke(kept, because="They moved.", by=carla)
        assert add(way, same).environment == "test"

    def test_are_told_apart_again_when_a_route_is_approved(
        self, add: Add, real: Agency, carla: User
    ) -> None:
        early = add()
        Route.objects.filter(pk=early.pk).update(
            state=State.REVOKED, revoked_at=early.added_at, revoked_by=carla
        )
        add(to=real)
        Route.objects.filter(pk=early.pk).update(state=State.ADDED)
        with pytest.raises(Malformed, match="Test and production are apart"):
            routes.approve(early, address=ADDRESS, by=carla)
