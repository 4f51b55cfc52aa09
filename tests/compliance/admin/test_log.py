"""The log at the desk: what is proven, a record's history, an entry's proof; at flat cost."""

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compliance import audit
from compliance.admin import history, log
from compliance.audit import checkpoints, entries, notes, signing
from compliance.audit.context import acting
from compliance.audit.entries import AuditEntry
from compliance.findings import Finding
from compliance.roles import User

LIST = "/admin/compliance/auditentry/"
Sits = Callable[[User], Any]


@pytest.fixture
def read(sits: Sits, otto: User) -> Callable[..., str]:
    """Read a page as Otto, who audits."""
    browser = sits(otto).browser

    def page(address: str = LIST, **asked: Any) -> str:
        answer = browser.get(address, asked)
        assert answer.status_code == 200
        return " ".join(answer.content.decode().split())

    return page


class TestProven:
    def test_is_nothing_before_the_first_sealing(self, read: Callable[..., str]) -> None:
        assert "Nothing is sealed yet, so nothing is proven yet." in read()
        assert "no witness is named" in read()

    def test_says_how_far_and_what_waits(self, finding: Finding, read: Callable[..., str]) -> None:
        read()
        sealed = checkpoints.seal_due()
        page = read()
        assert f"The first <strong>{sealed}</strong> entries are sealed" in page
        assert "for the sealer" not in page
        assert "1 newer entry waits for the sealer" in read()  # of the reading before
        assert "2 newer entries wait" in read()

    def test_warns_when_the_sealer_does_not_run(
        self, finding: Finding, read: Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(log, "SOON", timedelta(seconds=-1))
        assert "the sealer does not run" in read()

    def test_counts_what_waits_no_further_than_it_matters(
        self, finding: Finding, read: Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(log, "COUNTED", 3)
        assert log.proven().waiting == "more than 3"

    def test_names_the_witnesses_and_how_far_they_cosigned(
        self, finding: Finding, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("compliance.audit.witnesses.names", lambda: ["w.example.org/one"])
        assert log.proven().cosigned == [("w.example.org/one", 0)]


class TestSearch:
    @pytest.mark.parametrize("column", ["event", "actor_ref", "cid", "object_pk"])
    def test_finds_by_the_form_of_what_was_typed(
        self, finding: Finding, read: Callable[..., str], column: str
    ) -> None:
        with acting("system:worker", cid="0" * 32):
            entry = audit.record("finding.climbed", finding, by=None)
        page = read(q=f" {getattr(entry, column)} ")
        assert f"{LIST}{entry.pk}/" in page
        assert "user.created" not in page

    def test_finds_nothing_for_a_part_of_anything(self, finding: Finding, read: Any) -> None:
        assert "0 found" in read(q="finding")


class TestHistory:
    def test_tells_who_did_what_with_diff_and_number(
        self, finding: Finding, ben: User, carla: User, sits: Sits
    ) -> None:
        from compliance import findings  # noqa: PLC0415

        findings.confirm(finding, because="Seen.", by=ben)
        checkpoints.seal_due()
        browser = sits(carla).browser
        where = f"/admin/compliance/finding/{finding.pk}/"
        assert f'href="{where}history/"' in browser.get(where).content.decode()
        page = browser.get(f"{where}history/").content.decode()
        for said in (
            "finding.recorded",
            "finding.confirmed",
            "<del>recorded</del>",
            "number ",
            "ben",
        ):
            assert said in page
        assert "not sealed yet" in page  # that it was shown, and traced
        assert AuditEntry.objects.filter(event="finding.traced").count() == 1

    def test_is_not_for_whoever_may_not_read_the_log(
        self, finding: Finding, ana: User, sits: Sits
    ) -> None:
        browser, where = sits(ana).browser, f"/admin/compliance/finding/{finding.pk}/"
        assert browser.get(f"{where}history/").status_code == 403
        assert "history/" not in browser.get(where).content.decode()

    def test_goes_on_where_a_page_ends(
        self, finding: Finding, carla: User, sits: Sits, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(history, "SHOWN", 2)
        where: str | None = f"/admin/compliance/finding/{finding.pk}/history/"
        seen: list[int] = []
        for _ in range(9):
            page = sits(carla).browser.get(where)
            seen += [each.entry.pk for each in page.context["told"]]
            more = page.context["more"]
            if more is None:
                break
            where = f"/admin/compliance/finding/{finding.pk}/history/?before={more.pk}"
        assert len(seen) == len(set(seen))
        first = AuditEntry.objects.filter(object_pk=str(finding.pk)).earliest()
        assert seen[-1] == first.pk

    def test_tells_links_that_were_put_and_taken(self, otto: User, db: Any) -> None:
        from django.contrib.auth.models import Group  # noqa: PLC0415

        with acting("command:tests"):
            group = Group.objects.create(name="a group")
            otto.groups.add(group)
            otto.groups.remove(group)
        taken, put, *_ = history.told(otto)
        assert (put.changes, taken.changes) == (
            [("groups", "", "a group")], [("groups", "a group", "")]
        )  # fmt: skip


class TestProof:
    def test_of_an_entry_verifies_with_its_public_part(
        self, finding: Finding, otto: User, sits: Sits
    ) -> None:
        entry = AuditEntry.objects.filter(event="finding.recorded").get()
        browser, where = sits(otto).browser, f"{LIST}{entry.pk}/"
        assert "It waits to be sealed" in browser.get(where).content.decode()
        waits = browser.get(f"{where}proof/", follow=True)
        assert waits.redirect_chain == [(where, 302)]
        assert "is not sealed into the log yet" in waits.content.decode()
        checkpoints.seal_due()
        proof = browser.get(f"{where}proof/")
        public = browser.get(f"{where}public/")
        assert proof["Content-Disposition"] == f'attachment; filename="entry-{entry.pk}.tlog-proof"'
        assert json.loads(public.content)["event"] == "finding.recorded"
        assert public.content == entries.public_data(entry)
        assert notes.verify_proof(proof.content.decode(), public.content, signing.vkey())
        assert f"{where}proof/" in browser.get(where).content.decode()

    @pytest.mark.parametrize("what", ["proof", "public"])
    def test_is_not_for_whoever_may_not_read_the_log(
        self, finding: Finding, ana: User, sits: Sits, what: str
    ) -> None:
        entry = AuditEntry.objects.latest()
        assert sits(ana).browser.get(f"{LIST}{entry.pk}/{what}/").status_code == 403


@pytest.fixture
def many(finding: Finding, otto: User) -> Iterator[Finding]:
    """A thousand more entries about a finding, sealed."""
    with acting("system:worker", cid=uuid.uuid4().hex):
        for _ in range(1000):
            audit.record("finding.climbed", finding, by=None)
    checkpoints.seal_due()
    return finding


@pytest.mark.slow
class TestCost:
    def test_is_as_many_queries_for_many_entries_as_for_few(
        self, finding: Finding, otto: User, sits: Sits
    ) -> None:
        browser, counts = sits(otto).browser, []
        browser.get(LIST)  # what is looked up once in a process
        for _ in range(2):
            with CaptureQueriesContext(connection) as queries:
                browser.get(LIST)
                browser.get(LIST, {"q": "finding.climbed"})
            counts.append(len(queries))
            with acting("system:worker"):
                for _ in range(200):
                    audit.record("finding.climbed", finding, by=None)
            checkpoints.seal_due()
        assert counts[0] - 1 <= counts[1] <= counts[0] + 1
        assert counts[1] < 50

    @pytest.mark.services
    @pytest.mark.skipif(connection.vendor != "postgresql", reason="asks PostgreSQL for its plan")
    def test_reads_by_an_index_whatever_is_asked(self, many: Finding) -> None:
        desk = log.LogDesk(AuditEntry, log.admin.site)
        rows = AuditEntry.objects.order_by("-timestamp", "-id")
        asked = ["finding.climbed", "user:17", str(many.pk), "0" * 32, "hold.released"]
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE compliance_auditentry")
            cursor.execute("SET LOCAL enable_seqscan = off")
        for typed in asked:
            found, _ = desk.get_search_results(None, rows, typed)  # type: ignore[arg-type]
            plan = found[:50].explain()
            assert "Seq Scan" not in plan, plan
        plan = rows[:50].explain()
        assert "entry_by_time" in plan
        assert "Sort" not in plan
