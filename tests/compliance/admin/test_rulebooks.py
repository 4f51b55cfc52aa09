"""The law at the desk: read by all of the house, drafted by one counsel, decided by another."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from compliance import drafts, releases
from compliance.determinations import Determination
from compliance.documents import RuleDocument, RuleDocumentVersion, State
from compliance.releases import Release
from compliance.roles import User
from tests.compliance.conftest import RULEBOOKS, WHY, noted, retitled

Sits = Callable[[User], Any]
TCO = (RULEBOOKS / "eu-tco.yaml").read_text("utf-8")
UNVERIFIED = "Not verified by counsel"


def house() -> RuleDocument:
    return RuleDocument.objects.get(key="house.yaml")


class TestDocument:
    def test_is_read_line_by_line_with_its_versions(
        self, sits: Sits, otto: User, enacted: Release
    ) -> None:
        text = sits(otto).reads(house())
        assert "<h1>house.yaml</h1>" in text
        assert 'in force: <a href="' in text
        assert "version 2</a>" in text
        assert '<li id="L4">title: &quot;Rules of the house&quot;</li>' in text
        assert "carla" in text
        assert WHY in text
        assert UNVERIFIED in text
        assert "step-draft" not in text

    def test_tells_each_of_its_rules_in_words(
        self, sits: Sits, otto: User, recorded: Release
    ) -> None:
        book = RuleDocument.objects.get(key="eu-tco.yaml")
        text = sits(otto).reads(book)
        assert "<code>eu-tco-14-5</code>" in text
        assert "Who is bound" in text
        assert "report C_pub, META, SUSP, ID, TRAF, SUB, &quot;promptly&quot;" in text
        words = sits(otto).reads(RuleDocument.objects.get(key="facts.yaml"))
        assert "Its rules in words" not in words

    def test_leaves_the_words_out_when_the_law_is_not_the_one_that_was_approved(
        self, sits: Sits, otto: User, recorded: Release, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seat, book = sits(otto), RuleDocument.objects.get(key="eu-tco.yaml")
        releases._kept.clear()
        monkeypatch.setattr(releases, "sha256", lambda text: "0" * 64)
        assert "Its rules in words" not in seat.reads(book)

    @pytest.mark.slow
    def test_that_is_verified_carries_no_warning(
        self, sits: Sits, carla: User, dora: User, recorded: Release
    ) -> None:
        verified = retitled().replace("counsel_verified: false", "counsel_verified: true")
        change = drafts.draft("house.yaml", verified, WHY, by=carla)
        drafts.approve(drafts.submit(change, by=carla), by=dora)
        assert UNVERIFIED not in sits(carla).reads(house())
        assert UNVERIFIED not in sits(carla).reads(change)

    def test_tells_of_a_newer_text_that_is_shipped(
        self, sits: Sits, carla: User, enacted: Release, upgrade: Any
    ) -> None:
        seat = sits(carla)
        assert "A newer text is shipped" not in seat.reads(house())
        upgrade({"house.yaml": noted()})
        releases.current()
        text = seat.reads(house())
        assert "A newer text is shipped" in text
        assert "version 3</a>" in text

    def test_that_is_not_in_force_says_so(
        self, sits: Sits, carla: User, drafted: RuleDocumentVersion
    ) -> None:
        drafts.draft("new.cases.yaml", "schema: cases/1", WHY, by=carla)
        text = sits(carla).reads(RuleDocument.objects.get(key="new.cases.yaml"))
        assert "not in force" in text
        assert "The text in force" not in text

    def test_is_changed_by_a_draft_that_begins_with_what_counts(
        self, sits: Sits, carla: User, recorded: Release
    ) -> None:
        seat = sits(carla)
        text = seat.reads(house())
        assert "step-draft" in text
        assert "title: &quot;House rules&quot;" in text.partition("<textarea")[2]
        typed = retitled().replace("\n", "\r\n")
        page = seat.takes(house(), "draft", text=typed, why=WHY)
        assert page.said == ["The draft is on record. Open it to submit it."]
        change = RuleDocumentVersion.objects.get(state=State.DRAFTED)
        assert (change.text, change.drafted_by) == (retitled(), carla)
        assert "step-draft" not in page.content.decode()

    def test_shows_every_line_that_is_wrong_and_keeps_what_was_typed(
        self, sits: Sits, carla: User, recorded: Release
    ) -> None:
        typed = "schema: rulebook/1\nregime: a\nregime: b\ntitle: yes"
        page = sits(carla).takes(house(), "draft", text=typed, why="Because.")
        assert page.status_code == 400
        text = page.content.decode()
        assert "house.yaml, line 3: the key" in text
        assert "house.yaml, line 4: &#x27;yes&#x27; is" in text
        assert len(page.said) == 2
        assert f">\n{typed}</textarea>" in text
        assert not RuleDocumentVersion.objects.filter(state=State.DRAFTED).exists()

    def test_may_be_a_new_one(self, sits: Sits, carla: User, recorded: Release) -> None:
        seat = sits(carla)
        page = seat.begins(
            RuleDocument, "draft-new", document="House.yaml", text=retitled(), why=WHY
        )
        assert page.status_code == 400
        assert "Name a document in a-z" in page.content.decode()
        page = seat.begins(RuleDocument, "draft-new", document="new.yaml", text=retitled(), why=WHY)
        assert page.said == ["The draft is on record. Submit it next."]
        assert "<h1>new.yaml version 1</h1>" in page.content.decode()

    @pytest.mark.slow
    @pytest.mark.parametrize("role", ["reviewer", "auditor", "custodian"])
    def test_is_read_but_not_changed_by_others(
        self, sits: Sits, person: Any, role: str, submitted: RuleDocumentVersion
    ) -> None:
        seat = sits(person("pat", role))
        for record in (house(), submitted, releases.current()):
            assert "step-" not in seat.reads(record)
        answers = [
            seat.begins(RuleDocument, "draft-new", document="new.yaml", text="", why=""),
            seat.takes(house(), "draft", text=retitled(), why=WHY),
            *(seat.takes(submitted, s) for s in ("rewrite", "submit", "approve", "reject")),
        ]
        assert {answer.status_code for answer in answers} == {403}
        submitted.refresh_from_db()
        assert submitted.state == State.SUBMITTED

    def test_is_retired_by_a_draft_without_a_text(
        self, sits: Sits, carla: User, recorded: Release
    ) -> None:
        document = RuleDocument.objects.get(key="house.yaml")
        seat = sits(carla)
        assert "step-retire" in seat.reads(document)
        page = seat.takes(document, "retire", why=WHY)
        assert page.said == ["The draft is on record. Open it to submit it."]
        made = document.versions.get(number=2)
        assert (made.retires, made.why) == (True, WHY)
        page = seat.reads(made)
        assert "This takes the document out of the law." in page
        assert "step-submit" in page
        assert "The text</h2>" not in page
        assert "step-retire" not in seat.reads(document)

    def test_that_is_no_part_of_the_law_cannot_be_retired(
        self, sits: Sits, carla: User, recorded: Release
    ) -> None:
        made = drafts.draft("house-2.yaml", noted(), WHY, by=carla)
        assert "step-retire" not in sits(carla).reads(made.document)


class TestVersion:
    @pytest.mark.slow
    def test_is_written_anew_and_submitted_by_whoever_drafted_it(
        self, sits: Sits, carla: User, dora: User, drafted: RuleDocumentVersion
    ) -> None:
        seat = sits(carla)
        text = seat.reads(drafted)
        assert ("step-rewrite" in text, "step-submit" in text) == (True, True)
        assert ("step-approve" in text, "step-reject" in text) == (False, False)
        assert "title: &quot;Rules of the house&quot;" in text.partition("<textarea")[2]
        assert "step-reject" in sits(dora).reads(drafted)
        assert "step-submit" not in sits(dora).reads(drafted)
        page = seat.takes(drafted, "rewrite", text=retitled("Our rules"), why=WHY)
        assert page.said == ["The draft is written anew."]
        drafted.refresh_from_db()
        page = seat.takes(drafted, "submit")
        assert page.said == ["The change is submitted. A second counsel decides."]
        text = page.content.decode()
        assert "step-" not in text.partition("What happened")[0].partition("<h1>")[2]
        assert "No rule changes." in text
        assert "0 made again, 0 come out anew." in text

    @pytest.mark.slow
    def test_shows_every_problem_of_the_whole_law(
        self, sits: Sits, carla: User, recorded: Release
    ) -> None:
        broken = TCO.replace("provider.service_roles", "provider.roles")
        change = drafts.draft("eu-tco.yaml", broken, WHY, by=carla)
        page = sits(carla).takes(change, "submit")
        assert page.status_code == 400
        assert "eu-tco.yaml, line 26: binds.all[0].fact: the fact" in page.content.decode()

    @pytest.mark.slow
    def test_shows_what_changes_in_the_text(
        self, sits: Sits, ana: User, submitted: RuleDocumentVersion, dora: User
    ) -> None:
        seat = sits(ana)
        lines = (
            '<li class="line-removed">-title: &quot;House rules&quot;</li>'
            '<li class="line-added">+title: &quot;Rules of the house&quot;</li>'
        )
        assert lines in seat.reads(submitted)
        drafts.approve(submitted, by=dora)
        assert lines in seat.reads(submitted)
        first = RuleDocumentVersion.objects.get(document=submitted.document, number=1)
        assert '<li class="line-removed">' not in seat.reads(first)

    @pytest.mark.slow
    def test_tells_in_words_what_the_machine_found(
        self, sits: Sits, dora: User, carla: User, proposed: Determination
    ) -> None:
        text = TCO.replace("in: [public, auto_join_group]", "in: [auto_join_group]")
        text = text.replace("title: Inform", "title: Tell")
        seat = sits(carla)
        seat.takes(drafts.draft("eu-tco.yaml", text, WHY, by=carla), "submit")
        change = RuleDocumentVersion.objects.get(state=State.SUBMITTED)
        page = sits(dora).reads(change)
        assert "<code>eu-tco-14-5</code> is changed" in page
        assert "1 made again, 1 come out anew." in page
        assert "outcome of eu-tco-14-5: was holds, becomes fails" in page
        assert "A case that differs blocks the approval." in page
        assert "<p>Newly failing: <code>" in page
        assert "Newly passing" not in page
        assert "Golden cases" in page
        assert proposed.finding.reference not in page

    def test_tells_what_was_found_of_rules_and_of_facts_that_cannot_be_read(
        self, sits: Sits, dora: User, drafted: RuleDocumentVersion
    ) -> None:
        found = {"what": "withhold", "of": "bka (firm duty)", "before": None, "after": {"ID": "x"}}
        RuleDocumentVersion.objects.filter(pk=drafted.pk).update(
            reports={
                "check": [
                    {"rule": "eu-tco-6", "finding": "can never hold", "level": "fault"},
                    {"rule": "eu-tco-3", "finding": "can hold with eu-tco-6", "level": "note"},
                ],
                "test": {"count": {}, "differ": []},
                "diff": [
                    {
                        "rule": "eu-tco-6", "change": "changed", "parts": {}, "outcome": "differs",
                        "witness": {"facts": {"threat.imminent": True}}, "consequences": [found],
                    }
                ],
                "replay": {
                    "count": 3,
                    "changed": [{"result": "9" * 64, "is_readable": False, "changes": []}],
                },
            }
        )  # fmt: skip
        page = sits(dora).reads(drafted)
        assert "eu-tco-6: can never hold" in page
        assert "<code>eu-tco-6</code> is changed; its outcome: differs" in page
        assert "withhold of bka (firm duty): was nothing, becomes ID x" in page
        assert "<dt><code>threat.imminent</code></dt><dd>True</dd>" in page
        assert "Its facts cannot be read with this law." in page

    @pytest.mark.slow
    def test_is_approved_by_a_second_counsel(
        self, sits: Sits, carla: User, dora: User, submitted: RuleDocumentVersion
    ) -> None:
        assert "step-approve" not in sits(carla).reads(submitted)
        page = sits(carla).takes(submitted, "approve", zone="UTC")
        assert page.said == ["Whoever drafted a change cannot approve it. Ask a second counsel."]
        seat = sits(dora)
        assert "step-approve" in seat.reads(submitted)
        page = seat.takes(submitted, "approve", active_from="", zone="UTC")
        assert page.said == ["The change is approved, and the release is made."]
        assert releases.current().approved_by == dora
        assert "step-" not in page.content.decode()

    @pytest.mark.slow
    def test_is_approved_for_a_moment_to_come(
        self, sits: Sits, dora: User, submitted: RuleDocumentVersion
    ) -> None:
        seat, begins = sits(dora), timezone.now() + timedelta(days=40)
        page = seat.takes(submitted, "approve", active_from="2001-01-01T00:00", zone="UTC")
        assert page.said == [
            "The law cannot begin in the past. Leave the time out to begin at once."
        ]
        seat.takes(submitted, "approve", active_from=f"{begins:%Y-%m-%dT%H:%M}", zone="UTC")
        coming = Release.objects.get(approved_by=dora)
        assert coming.active_from == begins.replace(second=0, microsecond=0)
        assert "begins later" in seat.reads(coming)

    def test_is_rejected_by_a_second_counsel_with_a_reason(
        self, sits: Sits, dora: User, submitted: RuleDocumentVersion
    ) -> None:
        seat = sits(dora)
        assert seat.takes(submitted, "reject", because="").said == [
            "A reason is missing. Say in a sentence why you decide so."
        ]
        page = seat.takes(submitted, "reject", because="Not what the Act says.")
        assert page.said == ["The change is rejected. Nothing changes."]
        assert "Not what the Act says." in page.content.decode()

    @pytest.mark.slow
    def test_names_what_is_approved_with_it(
        self, sits: Sits, carla: User, dora: User, submitted: RuleDocumentVersion
    ) -> None:
        second = drafts.draft("eu-dsa.yaml", noted("eu-dsa.yaml"), WHY, by=carla)
        text = sits(dora).reads(drafts.submit(second, by=carla))
        assert "Whoever approves this one approves them with it." in text
        assert f'ruledocumentversion/{submitted.pk}/">house.yaml version 2</a>' in text

    def test_waits_on_the_front_page(
        self, sits: Sits, dora: User, submitted: RuleDocumentVersion
    ) -> None:
        text = sits(dora).browser.get("/admin/").content.decode()
        assert "The law: house.yaml version 2" in text


class TestRelease:
    def test_tells_what_it_holds_and_what_changed(
        self, sits: Sits, otto: User, recorded: Release, enacted: Release
    ) -> None:
        seat = sits(otto)
        text = seat.reads(enacted)
        assert "in force</span>" in text
        assert text.count("was version 1") == 1
        assert "dora" in text
        assert f"{UNVERIFIED} (<code>counsel_verified: false</code>): " in text
        assert "house.yaml" in text
        text = seat.reads(recorded)
        assert "superseded" in text
        assert ">new</td>" in text
        assert recorded.sha256 in text

    def test_tells_what_is_no_longer_in_it(
        self, sits: Sits, otto: User, recorded: Release, upgrade: Any
    ) -> None:
        upgrade({"us-rrota-s2372.yaml": None})
        assert "No longer in it: us-rrota-s2372.yaml." in sits(otto).reads(releases.current())

    def test_says_when_a_text_is_not_the_one_that_was_approved(
        self, sits: Sits, otto: User, enacted: Release, unguarded: None
    ) -> None:
        RuleDocumentVersion.objects.filter(state=State.APPROVED).update(text=noted())
        text = sits(otto).reads(enacted)
        assert "The text of house.yaml version 2 does not match its approved hash." in text
        assert "Nothing is determined with it." in text

    def test_is_listed_with_its_day_and_whoever_approved_it(
        self, sits: Sits, otto: User, enacted: Release
    ) -> None:
        text = sits(otto).browser.get("/admin/compliance/release/").content.decode()
        assert str(enacted) in text
        assert f"{enacted.active_from:%b %Y, %H:%M} UTC" in text
        assert "dora" in text
