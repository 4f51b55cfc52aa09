"""The desk's front page, its door, and what every page of it holds to."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from django.contrib import admin
from django.test import Client
from django.utils import timezone

from compliance import (
    conflicts,
    determinations,
    erasures,
    facts,
    findings,
    jurisdictions,
    preservation,
    releases,
)
from compliance.audit.entries import AuditEntry
from compliance.determinations import Determination, Obligation
from compliance.evidence import Item
from compliance.findings import Finding
from compliance.lifecycle import Work
from compliance.roles import Permission, Role, User
from compliance.vault import age
from config import piles, site
from referrals import agencies, clients, processes, receipts, routes
from referrals.agencies import Agency
from referrals.clients import LiaisonClient
from referrals.docket import Referral
from referrals.processes import LegalProcess
from tests.cast import NOW, PASSWORD

Sits = Callable[[User], Any]


@pytest.fixture
def front(sits: Sits, carla: User) -> Callable[[], dict[str, list[tuple[str, str]]]]:
    """Read what waits on Carla's front page: under each heading, titles and notes."""
    browser = sits(carla).browser

    def read() -> dict[str, list[tuple[str, str]]]:
        piles = browser.get("/admin/").context["piles"]
        return {pile.title: [(row.title, row.note) for row in pile.rows] for pile in piles}

    return read


class TestDoor:
    def test_is_open_to_a_stranger_and_lets_the_browser_name_its_origin(self, db: None) -> None:
        page = Client().get("/admin/login/")
        assert page.status_code == 200
        assert page["Referrer-Policy"] == "same-origin"

    def test_lets_in_who_knows_the_password(self, carla: User) -> None:
        browser = Client(enforce_csrf_checks=True, headers={"Origin": "http://testserver"})
        token = re.search(
            rb'csrfmiddlewaretoken" value="(\w+)"', browser.get("/admin/login/").content
        )
        assert token
        typed = {
            "username": "carla",
            "password": PASSWORD,
            "csrfmiddlewaretoken": token[1].decode(),
        }
        wrong = browser.post("/admin/login/", typed | {"password": "guess"})
        assert b"Please enter the correct username and password" in wrong.content
        right = browser.post("/admin/login/", typed, follow=True)
        assert right.redirect_chain == [("/admin/", 302)]
        assert b"<strong>carla</strong>, counsel" in right.content

    def test_says_goodbye(self, sits: Sits, carla: User) -> None:
        browser = sits(carla).browser
        assert b"You are signed out." in browser.post("/admin/logout/").content
        assert browser.get("/admin/").status_code == 302


class TestWhatWaits:
    def test_is_nothing_at_first(self, sits: Sits, ana: User, db: None) -> None:
        page = sits(ana).browser.get("/admin/")
        text = page.content.decode()
        assert "Nothing waits." in text
        assert "No provider profile is signed, so the law stays undetermined." in text
        assert 'href="/admin/compliance/finding/record/"' in text
        assert [pile.count for pile in page.context["piles"]] == ["0"] * 17
        for pile in page.context["piles"]:
            assert pile.empty in text

    def test_is_a_key_that_ends_soon(self, sits: Sits, cleo: User, agency: Agency) -> None:
        agency.keys.update(expires_at=timezone.now() + timedelta(days=20, hours=1))
        piles = sits(cleo).browser.get("/admin/").context["piles"]
        (row,) = next(pile for pile in piles if pile.title == "Keys that end").rows
        assert (row.title, row.url) == (
            f"Key of {agency.name}", f"/admin/referrals/agency/{agency.pk}/",
        )  # fmt: skip
        assert row.note == "ends in 2\xa0weeks; ask the agency for its next key"

    def test_is_a_conflict_that_one_counsel_let_go_until_a_second_one_approves(
        self, sits: Sits, carla: User, dora: User, cleo: User, finding: Finding
    ) -> None:
        terms = {"to": "bka", "fields": ["C_priv"], "duties": ["a-1"], "prohibitions": ["b-2"]}
        conflict = terms | {"id": jurisdictions.digest(terms)}
        told = {"because": "Consent.", "citation": "s. 2702(b)(3)", "by": carla}
        conflicts.resolve(finding, conflict, resolution="withhold", **told)
        decision = conflicts.resolve(finding, conflict, resolution="release", **told)

        def waiting(person: User) -> list[tuple[str, str]]:
            piles = sits(person).browser.get("/admin/").context["piles"]
            here = [pile for pile in piles if pile.title == "For a second counsel"]
            return [(row.title, row.note) for pile in here for row in pile.rows]

        title = f"The conflict in {finding}"
        assert waiting(dora) == [(title, "put on record by carla")]
        assert waiting(carla) == [(title, "put on record by you; a second person decides")]
        assert waiting(cleo) == []  # it is about a matter
        conflicts.approve(decision, by=dora)
        assert waiting(dora) == []

    @pytest.mark.usefixtures("profile")
    def test_asks_for_no_profile_once_one_is_signed(self, sits: Sits, carla: User) -> None:
        text = sits(carla).browser.get("/admin/").content.decode()
        assert "No provider profile is signed" not in text
        assert "/admin/compliance/finding/record/" not in text

    def test_is_first_what_is_recorded_for_whoever_did_not(
        self, sits: Sits, ana: User, ben: User, finding: Finding
    ) -> None:
        for person, note in (
            (ana, "recorded by you; a colleague decides"),
            (ben, "recorded by ana 0\xa0minutes ago"),
        ):
            page = sits(person).browser.get("/admin/")
            pile = page.context["piles"][0]
            assert pile.title == "For a second pair of eyes"
            assert [(row.title, row.note) for row in pile.rows] == [(f"Finding {finding}", note)]
            assert f'href="/admin/compliance/finding/{finding.pk}/"' in page.content.decode()
            assert "1 thing waits for somebody here." in page.content.decode()

    def test_is_then_what_the_law_says(
        self, front: Callable[[], Any], proposed: Determination
    ) -> None:
        assert front()["For counsel"] == [
            (f"The law on {proposed.finding}",
             "1 firm duty, 1 permission, proposed 0\xa0minutes ago")
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("reports", "note"),
        [([], "0 firm duties, 0 permissions"), (["duty", "duty"], "2 firm duties, 0 permissions")],
    )
    def test_counts_what_the_signature_is_about(
        self, front: Callable[[], Any], proposed: Determination, reports: list[str], note: str
    ) -> None:
        proposed.result["reports"] = [{"certainty": "firm", "kind": kind} for kind in reports]
        proposed.save(update_fields=["result"])
        assert front()["For counsel"][0][1].startswith(note)

    def test_is_loud_about_a_recipient_without_an_agency(
        self, sits: Sits, carla: User, signed: Determination
    ) -> None:
        page = sits(carla).browser.get("/admin/")
        pile = page.context["piles"][0]
        assert (pile.title, pile.is_urgent) == ("Owed, but no agency is enrolled", True)
        assert pile.rows[0].title.startswith("Bundeskriminalamt")
        assert pile.rows[0].note.startswith(f"for {signed.finding}, due in ")
        assert pile.rows[0].url == f"/admin/compliance/determination/{signed.pk}/"
        assert "pile-urgent" in page.content.decode()

    def test_names_a_recipient_that_the_law_now_loaded_does_not_know(
        self, front: Callable[[], Any], signed: Determination
    ) -> None:
        Obligation.objects.update(recipient="gone-desk", due_at=None)
        assert front()["Owed, but no agency is enrolled"] == [
            ("gone-desk", f"for {signed.finding}, without a due time")
        ]

    @pytest.mark.usefixtures("added")
    def test_an_agency_that_nobody_approved_is_none(
        self, front: Callable[[], Any], signed: Determination
    ) -> None:
        assert front()["Owed, but no agency is enrolled"]

    @pytest.fixture
    def added(self, cleo: User) -> Agency:
        """An agency that nobody approved yet."""
        return agencies.enrol(authority="bka", name="Sample desk", by=cleo)

    def test_is_what_is_on_its_way_with_its_time_left(
        self, sits: Sits, carla: User, entered: Referral
    ) -> None:
        now = timezone.now()
        Referral.objects.update(
            entered_at=now - timedelta(hours=1), due_at=now + timedelta(hours=3)
        )
        page = sits(carla).browser.get("/admin/")
        row = {pile.title: pile.rows for pile in page.context["piles"]}["On its way"][0]
        assert row.title == f"Referral {entered}"
        assert row.note.startswith(f"to {entered.agency.name}, due in 2\xa0hours")
        assert row.share == 25
        assert b'<rect class="bar-gone" width="25" height="4"/>' in page.content

    def test_loses_no_referral_that_has_no_due_time(
        self, front: Callable[[], Any], entered: Referral
    ) -> None:
        Referral.objects.update(due_at=None)
        assert front()["On its way"] == [
            (
                f"Referral {entered}",
                f"to {entered.agency.name}, without a due time; carla sees to it",
            )
        ]

    def test_says_by_how_much_a_referral_is_late(
        self, sits: Sits, carla: User, entered: Referral
    ) -> None:
        Referral.objects.update(due_at=timezone.now() - timedelta(hours=2, minutes=1))
        page = sits(carla).browser.get("/admin/")
        pile = page.context["piles"][0]
        assert (pile.title, pile.is_urgent) == ("Overdue", True)
        assert pile.rows[0].note.endswith("overdue by 2\xa0hours, 1\xa0minute; carla sees to it")
        assert pile.rows[0].share == 100
        assert b"bar-over" in page.content

    def test_is_what_an_agency_acknowledged(
        self, front: Callable[[], Any], delivered: Referral, lee: LiaisonClient
    ) -> None:
        assert front()["To be closed"] == []
        receipts.acknowledge(
            delivered, agency_reference="SZ-17", receipt_sha256=delivered.bundle.sha256, by=lee
        )
        assert front()["To be closed"] == [
            (f"Referral {delivered}",
             f"acknowledged by {delivered.agency.name} 0\xa0minutes ago")
        ]  # fmt: skip

    def test_is_a_legal_process_until_counsel_decided(
        self,
        front: Callable[[], Any],
        half_viewed: Referral,
        serve: Callable[..., LegalProcess],
        carla: User,
    ) -> None:
        assert front()["Legal processes"] == []
        process = serve(half_viewed)
        assert front()["Legal processes"] == [
            (f"The search warrant on {half_viewed}", "put on record by ana")
        ]
        processes.refuse(process, because="It is void.", by=carla)
        assert front()["Legal processes"] == []

    def test_is_what_one_person_put_on_record_and_another_must_approve(
        self,
        front: Callable[[], Any],
        cleo: User,
        carla: User,
        added: Agency,
        identity: age.Identity,
        liaison_key: Any,
    ) -> None:
        later = NOW + timedelta(days=9)
        agencies.add_key(added, str(identity.recipient), expires_at=later, by=cleo)
        clients.admit(
            added, client_id="lee", public_key=liaison_key.as_dict(private=False),
            scopes=["referrals:read"], expires_at=later, by=cleo,
        )  # fmt: skip
        routes.add(added, way="mail", address="desk@agency.example.org", by=cleo)
        asked = erasures.ask(
            [AuditEntry.objects.filter(event="user.created")[0].pk],
            ticket="T-1", because="A person asked.", by=cleo,
        )  # fmt: skip
        made = facts.record_profile({"provider.size": "large"}, by=carla)
        waits = front()["For a second person's approval"]
        assert waits == [
            ("Agency Sample desk", "put on record by cleo"),
            ("Key of bka", "put on record by cleo"),
            ("Client lee of bka", "put on record by cleo"),
            ("Route mail to bka", "put on record by cleo"),
            (f"The {asked}", "put on record by cleo"),
            (f"The {made}", "put on record by you; a second person decides"),
        ]

    @pytest.mark.slow
    def test_is_work_that_fails(self, front: Callable[[], Any], entered: Referral) -> None:
        for attempts, words in ((1, "tried 1 time: "), (3, "tried 3 times: ")):
            Work.objects.all().delete()
            Work.objects.create(
                key="seal:1", topic="seal", subject=entered.pk, cid="x",
                attempts=attempts, last_error="The agency bka has no approved, unexpired key.",
            )  # fmt: skip
            assert front()["Work that fails"] == [
                ("To seal", f"{words}The agency bka has no approved, unexpired key.")
            ]

    def test_shows_a_few_and_counts_no_further_than_makes_a_difference(
        self, sits: Sits, carla: User, ana: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(piles, "COUNTED", 10)
        monkeypatch.setattr(site, "COUNTED", 10)
        for number in range(12):
            findings.record(
                statement=f"Sample {number}", particulars={}, rungs={"suspicion": NOW}, by=ana
            )
        page = sits(carla).browser.get("/admin/")
        pile = page.context["piles"][0]
        assert (pile.count, len(pile.rows)) == ("10+", 8)
        assert b"11 or more things wait for somebody here." in page.content

    def test_asks_the_database_a_bounded_number_of_times(
        self,
        sits: Sits,
        carla: User,
        delivered: Referral,
        record: Callable[..., Finding],
        django_assert_max_num_queries: Any,
    ) -> None:
        browser = sits(carla).browser
        for _ in range(9):
            record()
        with django_assert_max_num_queries(51):
            browser.get("/admin/")


class TestRegisters:
    def test_name_no_group_that_has_nothing_for_the_person(self, sits: Sits, cleo: User) -> None:
        groups = sits(cleo).browser.get("/admin/").context["app_list"]
        assert [group["name"] for group in groups] == ["Agencies", "The law", "House"]

    def test_are_all_in_a_group_under_the_names_that_people_use(
        self, sits: Sits, carla: User
    ) -> None:
        groups = sits(carla).browser.get("/admin/").context["app_list"]
        told = {group["name"]: [model["name"] for model in group["models"]] for group in groups}
        assert told == {
            "Matters": [
                "Findings",
                "Exhibits",
                "Determinations",
                "Conflicts decided",
                "Holds",
                "Referrals",
                "Legal processes",
                "Overturnings",
                "Retractions",
                "Requests of agencies",
                "Requests of people",
            ],
            "Agencies": ["Agencies", "Agency keys", "Liaison clients", "Routes"],
            "The law": ["Documents of the law", "Versions of the law", "Releases"],
            "House": [
                "Provider profiles",
                "Keys of the evidence",
                "Shreddings",
                "Work",
                "Audit log",
                "Erasures",
            ],
        }
        listed = {model["model"] for group in groups for model in group["models"]}
        assert listed == set(admin.site._registry)

    def test_stand_beside_every_list_and_mark_where_one_is(self, sits: Sits, ana: User) -> None:
        text = sits(ana).browser.get("/admin/compliance/finding/").content.decode()
        assert '<a href="/admin/compliance/finding/" aria-current="page">Findings</a>' in text
        assert text.count("aria-current") == 1

    @pytest.mark.parametrize("app", ["compliance", "referrals"])
    def test_have_no_page_for_each_app(self, sits: Sits, ana: User, app: str) -> None:
        page = sits(ana).browser.get(f"/admin/{app}/", follow=True)
        assert page.redirect_chain == [("/admin/", 302)]


class Reader(HTMLParser):
    """What a page holds that a strict policy forbids, and where it leads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.links: list[str] = []
        self.elsewhere: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one tag."""
        given = dict(attrs)
        bad = tag == "style" or (tag == "script" and not given.get("src"))
        self.inline += [f"<{tag}>"] if bad else []
        self.inline += [f"{tag} {name}" for name in given if name == "style" or name[:2] == "on"]
        for name in ("href", "src", "action", "xlink:href"):
            value = given.get(name) or ""
            if value.startswith("javascript:"):
                self.inline.append(value)
            if urlsplit(value).netloc:
                self.elsewhere.append(value)
        if tag == "a":
            self.links.append(given.get("href") or "")


@pytest.mark.slow
class TestEveryPage:
    """Each role follows every link from the front page, and nothing breaks the policy."""

    MARKER = "Marker-7f3a"

    @pytest.fixture
    def everything(
        self,
        record: Callable[..., Finding],
        attach: Callable[..., Item],
        half_viewed: Referral,
        serve: Callable[..., LegalProcess],
        lee: LiaisonClient,
        ben: User,
    ) -> None:
        """Findings in each state, with what follows from them; a marker in all that they say."""
        serve(half_viewed)
        say = {"statement": self.MARKER, "particulars": {"ID": {"account": self.MARKER}}}
        attach(record(**say))
        findings.dismiss(record(**say), because=self.MARKER, by=ben)
        determinations.propose(findings.confirm(record(**say), because=self.MARKER, by=ben))
        preservation.place_due()
        releases.current()

    def walk(self, browser: Client) -> Iterator[tuple[str, Any, Reader]]:
        """Follow every link; of filters and of entries in the log, one of a kind is enough."""
        waiting, seen = ["/admin/"], set()
        while waiting:
            here = waiting.pop()
            shape = re.sub(r"=[^&]*|(?<=auditentry/)\d+", "", here)
            if shape in seen:
                continue
            seen.add(shape)
            page = browser.get(here)
            found = Reader(page.content.decode())
            yield here, page, found
            waiting += [
                urljoin(here, link)
                for link in found.links
                if link.startswith(("/admin/", "?")) and "logout" not in link
            ]

    @pytest.mark.parametrize("role", Role)
    def test_holds_nothing_inline_and_leads_nowhere_else(
        self,
        sits: Sits,
        person: Any,
        role: str,
        everything: None,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level("DEBUG")
        walked, said, pat = {}, False, person("pat", role)
        for here, page, found in self.walk(sits(pat).browser):
            walked[here] = page.status_code
            assert (found.inline, found.elsewhere) == ([], []), here
            assert "script-src 'self'; style-src 'self'" in page["Content-Security-Policy"]
            assert "unsafe" not in page["Content-Security-Policy"]
            assert page["X-Frame-Options"] == "DENY"
            assert page["X-Content-Type-Options"] == "nosniff"
            if "password" not in here:  # the one page that tells nothing of anybody
                assert "no-store" in page["Cache-Control"], here
            assert self.MARKER not in here + str(page.headers)
            said |= self.MARKER in page.content.decode()
        assert set(walked.values()) == {200}
        # Whoever has no part in a matter reads nothing of it, wherever a link may lead.
        assert said is pat.may(Permission.VIEW_MATTER)
        assert len(walked) > (30 if said else 10)
        assert self.MARKER not in caplog.text

    def test_holds_to_it_also_where_it_refuses(
        self, sits: Sits, ana: User, carla: User, finding: Finding
    ) -> None:
        here, browser = f"/admin/compliance/finding/{finding.pk}/confirm/", sits(carla).browser
        strict = Client(enforce_csrf_checks=True)
        refusals = {
            403: [browser.post(here), strict.post("/admin/login/")],
            404: [browser.get("/admin/compliance/finding/x/"), browser.get("/admin/x/y/")],
            405: [browser.get(here)],
            400: [
                browser.get("/admin/compliance/finding/?statement=x"),
                sits(ana).browser.post("/admin/compliance/finding/record/"),
            ],
        }
        for status, pages in refusals.items():
            for page in pages:
                assert page.status_code == status
                found = Reader(page.content.decode())
                assert (found.inline, found.elsewhere) == ([], []), status
                assert "default-src 'none'" in page["Content-Security-Policy"]
                assert "/admin/" in found.links, status
