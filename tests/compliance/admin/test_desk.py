"""The desk itself: to read, to press the buttons of verbs, and nothing else."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.urls import NoReverseMatch, reverse
from pytest_django import DjangoAssertNumQueries

from compliance import conflicts, erasures, jurisdictions, preservation, readings, requests
from compliance.admin import desk
from compliance.admin.desk import Desk
from compliance.audit.entries import AuditEntry
from compliance.evidence import Item
from compliance.findings import Finding
from compliance.preservation import Hold
from compliance.roles import Permission, Role, User
from referrals import inquiries, routes
from referrals.docket import Referral
from referrals.shredding import Shredding
from tests.cast import NOW
from tests.conftest import desk_of

Sits = Callable[[User], Any]

KINDS = sorted(admin.site._registry, key=lambda model: model.__name__)
STEPS = [(model, step) for model in KINDS for step in admin.site.get_model_admin(model).steps]
MOST_QUERIES = 12  # two of them put the reading on record; the log says how far it is proven
NOWHERE = ("7777777", "00000000-0000-0000-0000-000000000001", "x'y")


@pytest.fixture
def everything(
    half_viewed: Referral, lee: Any, carla: User, cleo: User, serve: Callable[..., Any], stage: Any
) -> Referral:
    """At least one record of every kind that the desk shows."""
    delivered = half_viewed
    routes.add(delivered.agency, way="mail", address="desk@agency.example.org", by=cleo)
    preservation.place_due()
    serve(delivered)
    stage["retraction"]
    terms = {"to": "bka", "fields": ["C_priv"], "duties": ["a-1"], "prohibitions": ["b-2"]}
    conflicts.resolve(
        delivered.obligation.determination.finding, terms | {"id": jurisdictions.digest(terms)},
        resolution="withhold", because="It bars.", by=carla,
    )  # fmt: skip
    inquiries.receive(
        delivered, asks="preservation", legal_process="mlat", process_reference="17", by=lee
    )
    requests.record(kind="access", identifiers=["pat"], received_at=NOW, by=carla)
    Shredding.objects.create(period="2001", proposed_because="Over.", proposed_by=carla)
    of_a_person = AuditEntry.objects.filter(event="user.created")[0].pk
    erasures.ask([of_a_person], ticket="T-1", because="A person asked.", by=cleo)
    for model in KINDS:
        assert model._default_manager.exists(), model
    return delivered


class TestReadOnly:
    @pytest.mark.parametrize("model", KINDS)
    def test_is_every_kind_of_record_by_construction(self, model: Any) -> None:
        keeper = admin.site.get_model_admin(model)
        assert isinstance(keeper, Desk)
        assert keeper.actions is None
        assert not keeper.list_editable
        assert not keeper.has_add_permission(None)
        assert not keeper.has_change_permission(None)
        assert not keeper.has_delete_permission(None)
        for way in ("add", "delete", "history"):
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}_{way}"
            for arguments in ([], ["1"]):
                with pytest.raises(NoReverseMatch):
                    reverse(name, args=arguments)

    @pytest.mark.slow
    @pytest.mark.parametrize("role", Role)
    def test_stays_so_for_every_role_and_every_way_to_send(
        self, sits: Sits, person: Any, role: str, everything: Referral
    ) -> None:
        browser = sits(person("pat", role)).browser
        before = AuditEntry.objects.count()
        for model in KINDS:
            here, one = desk_of(model), model._default_manager.first()
            assert browser.get(f"{here}add/").status_code == 404
            assert browser.post(f"{here}add/").status_code == 405
            assert browser.post(f"{here}{one.pk}/delete/", {"post": "yes"}).status_code == 404
            assert browser.post(here).status_code == 405
            for method in (browser.post, browser.put, browser.delete):
                assert method(f"{here}{one.pk}/").status_code == 405, (model, method)
        assert AuditEntry.objects.count() == before

    def test_knows_no_groups(self) -> None:
        assert not admin.site.is_registered(Group)


class TestStep:
    @pytest.mark.slow
    def test_is_taken_by_post_alone(self, sits: Sits, carla: User, everything: Referral) -> None:
        taken = AuditEntry.objects.exclude(event__endswith=f".{readings.SHOWN}")
        browser, before = sits(carla).browser, taken.count()
        for model, step in STEPS:
            address = f"{desk_of(model)}{model._default_manager.first().pk}/{step.name}/"
            answer = browser.get(address)
            assert (answer.status_code, answer["Allow"]) == (405, "POST"), address
            assert b"Nothing was done yet." in answer.content
        for method in (browser.head, browser.put, browser.patch, browser.delete, browser.options):
            assert method(address).status_code == 405, method
        assert taken.count() == before  # the page that says so was read, and no more

    @pytest.mark.slow
    @pytest.mark.parametrize("role", [Role.AUDITOR, Role.CUSTODIAN])
    def test_shows_nothing_of_a_matter_by_any_method(
        self, role: str, sits: Sits, person: Any, everything: Referral
    ) -> None:
        browser = sits(person("pat", role)).browser
        matters = [
            (model, step) for model, step in STEPS
            if admin.site.get_model_admin(model).seen_with == Permission.VIEW_MATTER
        ]  # fmt: skip
        for model, step in matters:
            address = f"{desk_of(model)}{model._default_manager.first().pk}/{step.name}/"
            for method in (browser.get, browser.head, browser.put, browser.post, browser.options):
                assert method(address).status_code == 403, (address, method)
        assert len(matters) > 7

    @pytest.mark.slow
    @pytest.mark.parametrize("role", Role)
    def test_is_refused_to_everybody_whose_role_does_not_allow_it(
        self, role: str, sits: Sits, person: Any, everything: Referral
    ) -> None:
        pat = person("pat", role)
        browser, before = sits(pat).browser, AuditEntry.objects.count()
        refused = [(model, step) for model, step in STEPS if not pat.may(step.permission)]
        for model, step in refused:
            one = model._default_manager.first()
            answer = browser.post(f"{desk_of(model)}{one.pk}/{step.name}/", {"because": "x"})
            assert answer.status_code == 403, (model, step)
            if pat.may(admin.site.get_model_admin(model).seen_with):  # and may be told why
                assert f"may not {step.permission.replace('_', ' ')}" in answer.content.decode()
        assert len(refused) > 3
        assert AuditEntry.objects.count() == before

    @pytest.mark.slow
    @pytest.mark.parametrize("key", NOWHERE)
    def test_on_nothing_is_nowhere(self, key: str, sits: Sits, carla: User) -> None:
        browser = sits(carla).browser
        for model, step in STEPS:
            answer = browser.post(f"{desk_of(model)}{key}/{step.name}/")
            assert answer.status_code == 404, (model, step)

    def test_needs_the_token_of_its_page(self, ben: User, finding: Finding, sits: Sits) -> None:
        seat = sits(ben)
        seat.browser.handler.enforce_csrf_checks = True
        page = seat.takes(finding, "dismiss", because="A parody.")
        assert page.status_code == 403
        assert b"The page was too old" in page.content
        assert b"<style" not in page.content
        finding.refresh_from_db()
        assert finding.state == "recorded"

    def test_is_offered_to_nobody_who_left(self, ben: User, finding: Finding, sits: Sits) -> None:
        seat = sits(ben)
        User.objects.filter(pk=ben.pk).update(is_active=False)
        page = seat.takes(finding, "dismiss", because="A parody.")
        assert page.redirect_chain[0][0].startswith("/admin/login/")
        finding.refresh_from_db()
        assert finding.state == "recorded"


class TestList:
    @pytest.mark.slow
    def test_asks_the_database_a_bounded_number_of_times(
        self,
        sits: Sits,
        carla: User,
        everything: Referral,
        record: Callable[..., Finding],
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        browser = sits(carla).browser
        for _ in range(3):
            record()
        for model in KINDS:
            with django_assert_max_num_queries(MOST_QUERIES, info=str(model)):
                assert browser.get(desk_of(model)).status_code == 200

    @pytest.mark.parametrize("model", KINDS)
    def test_searches_for_whole_words_alone_and_counts_no_facets(self, model: Any) -> None:
        keeper = admin.site.get_model_admin(model)
        assert all(field.endswith("__exact") for field in keeper.search_fields)
        assert bool(keeper.search_fields) == bool(keeper.search_help_text)
        assert keeper.show_facets is admin.ShowFacets.NEVER
        assert not keeper.show_full_result_count
        assert keeper.date_hierarchy is None
        assert keeper.sortable_by == ()

    def test_finds_a_finding_by_its_whole_number(
        self, sits: Sits, ana: User, finding: Finding, record: Callable[..., Finding]
    ) -> None:
        other, browser = record(), sits(ana).browser
        text = browser.get(f"/admin/compliance/finding/?q={finding}").content.decode()
        assert str(finding) in text
        assert str(other) not in text
        assert "1 found" in text
        part = browser.get(f"/admin/compliance/finding/?q={str(finding)[:6]}").content.decode()
        assert "0 found" in part

    def test_is_narrowed_by_its_filters(
        self, sits: Sits, ana: User, finding: Finding, everything: Referral
    ) -> None:
        browser = sits(ana).browser
        for address, told in (
            ("compliance/finding/?state__exact=overturned", "1 in all"),
            ("compliance/finding/?state__exact=recorded", "0 in all"),
            (f"referrals/referral/?agency__id__exact={everything.agency_id}", "1 in all"),
            ("compliance/work/?done_at__isempty=1", "0 in all"),
        ):
            assert told in browser.get(f"/admin/{address}").content.decode(), address

    @pytest.mark.parametrize(
        "query",
        [
            "statement__contains=x",
            "statement__regex=(a%2B)%2B$",
            "recorded_by__password__contains=x",
        ],
    )
    def test_answers_no_address_that_searches_what_a_record_says(
        self, sits: Sits, ana: User, finding: Finding, query: str
    ) -> None:
        assert sits(ana).browser.get(f"/admin/compliance/finding/?{query}").status_code == 400

    def test_counts_no_further_than_makes_a_difference(
        self,
        sits: Sits,
        ana: User,
        record: Callable[..., Finding],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(desk.Bounded, "most", 2)
        for _ in range(3):
            record()
        text = sits(ana).browser.get("/admin/compliance/finding/").content.decode()
        assert "The first 2. Search or filter for others." in text

    def test_turns_its_pages(
        self, sits: Sits, ana: User, record: Callable[..., Finding], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(admin.site.get_model_admin(Finding), "list_per_page", 1)
        first, second = record(), record()
        text = sits(ana).browser.get("/admin/compliance/finding/?p=2").content.decode()
        assert str(first) in text
        assert str(second) not in text

    def test_shows_instants_with_their_zone_and_nothing_where_nothing_is(
        self, sits: Sits, carla: User, signed: Any
    ) -> None:
        hold = preservation.place(signed)
        Hold.objects.update(kept_until=None)
        text = sits(carla).browser.get("/admin/compliance/hold/").content.decode()
        assert f"{hold.placed_at:%b %Y, %H:%M} UTC" in text
        assert ">-</td>" in text


class TestPage:
    @pytest.mark.slow
    def test_of_every_kind_opens_and_tells_its_story(
        self, sits: Sits, carla: User, everything: Referral
    ) -> None:
        seat = sits(carla)
        for model in KINDS:
            text = seat.reads(model._default_manager.first())
            assert "<h1>" in text
            assert ("What happened" in text) is (model is not AuditEntry)

    @pytest.mark.parametrize("key", NOWHERE)
    def test_of_nothing_says_so_with_a_way_back(self, key: str, sits: Sits, carla: User) -> None:
        browser = sits(carla).browser
        for model in KINDS:
            page = browser.get(f"{desk_of(model)}{key}/")
            assert page.status_code == 404
            assert b"Nothing that was recorded is ever deleted" in page.content
            assert b'href="/admin/"' in page.content

    def test_of_an_exhibit_names_its_finding_and_opens_it_there(
        self, sits: Sits, ben: User, item: Item
    ) -> None:
        text = sits(ben).reads(item)
        assert f"<h1>Exhibit 1 of {item.finding}</h1>" in text
        assert f'<a href="/admin/compliance/finding/{item.finding_id}/">{item.finding}</a>' in text

    def test_asks_as_often_for_many_exhibits_events_as_for_few(
        self, finding: Finding, attach: Callable[..., Item], django_assert_num_queries: Any
    ) -> None:
        items = [attach(finding) for _ in range(3)]
        list(desk.timeline(finding, *items))
        with django_assert_num_queries(1):
            events = list(desk.timeline(finding, *items))
        assert [entry.event for entry in events].count("evidence.attached") == 3
        assert {entry.event.partition(".")[2] for entry in events}.isdisjoint(
            {"created", "updated"}
        )
