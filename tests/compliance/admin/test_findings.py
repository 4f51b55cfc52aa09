"""Findings at the desk: what people type, press and read, and what the desk answers."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from compliance import audit, determinations, evidence, findings
from compliance.audit.context import acting
from compliance.evidence import Item
from compliance.facts import FactAssertion
from compliance.findings import Finding
from compliance.roles import User
from referrals.management import demo_samples
from tests.cast import IMMINENT

Sits = Callable[[User], Any]

STATEMENT = "An account names a hall and an hour."
TYPED = {
    "statement": STATEMENT,
    "suspicion_at": "2026-03-01T09:30",
    "belief_at": "2026-03-01T09:40:30",
    "basis": "Two reviewers read it.",
    "zone": "Europe/Berlin",
    "ID": "account: @sample-1\nname: A: B\n",
    "values": "threat.imminent: true\nthreat.to: [life]",
    "source": "the post itself",
    "reason": "It names an hour.",
}


def post(data: bytes = b"Tonight.", name: str = "post.txt") -> BytesIO:
    """A file as a browser would send it."""
    file = BytesIO(data)
    file.name = name
    return file


@pytest.fixture
def stored(settings: Any) -> Callable[[], list[bytes]]:
    """Read every object that lies in the storage."""
    root = Path(settings.MEDIA_ROOT)
    return lambda: [path.read_bytes() for path in root.rglob("*") if path.is_file()]


class TestRecord:
    @pytest.mark.slow
    def test_keeps_the_finding_and_its_facts(self, sits: Sits, ana: User) -> None:
        page = sits(ana).begins(Finding, "record", **TYPED)
        finding = Finding.objects.get()
        assert page.redirect_chain == [(f"/admin/compliance/finding/{finding.pk}/", 302)]
        assert page.said == ["The finding is recorded. Attach its evidence next."]
        assert (finding.recorded_by, finding.statement) == (ana, STATEMENT)
        assert list(finding.rungs.values_list("rung", "reached_at", "basis")) == [
            ("suspicion", datetime(2026, 3, 1, 8, 30, tzinfo=UTC), "Two reviewers read it."),
            ("reasonable_belief", datetime(2026, 3, 1, 8, 40, 30, tzinfo=UTC), TYPED["basis"]),
        ]
        assert finding.particulars == {"ID": {"account": "@sample-1", "name": "A: B"}}
        told = finding.facts.values_list("fact", "value", "source", "asserted_by")
        assert sorted(told) == [
            ("threat.imminent", True, "the post itself", ana.pk),
            ("threat.to", ["life"], "the post itself", ana.pk),
        ]

    def test_needs_neither_facts_nor_particulars(self, sits: Sits, ana: User) -> None:
        sits(ana).begins(Finding, "record", **TYPED | {"values": "", "source": "", "ID": ""})
        assert Finding.objects.get().particulars == {}
        assert not FactAssertion.objects.exists()

    @pytest.mark.parametrize(
        ("typed", "zone", "hour"),
        [
            ("2026-03-01T09:30", "UTC", "09:30"),
            ("2026-03-01T09:30", "Asia/Kolkata", "04:00"),
            ("2026-03-01T09:30+02:00", "Asia/Kolkata", "07:30"),
            ("2025-10-26T04:30", "Europe/Berlin", "03:30"),
        ],
    )
    def test_reads_a_clock_on_a_wall_in_the_zone_that_was_chosen(
        self, sits: Sits, ana: User, typed: str, zone: str, hour: str
    ) -> None:
        told = TYPED | {"suspicion_at": typed, "belief_at": "", "zone": zone}
        sits(ana).begins(Finding, "record", **told)
        assert f"{Finding.objects.get().rungs.get().reached_at:%H:%M}" == hour

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"statement": ""}, "The statement is empty."),
            ({"suspicion_at": ""}, "Say when suspicion arose, with its time zone."),
            ({"suspicion_at": "yesterday"}, "Give a day and a time, such as 2026-03-01T09:30."),
            ({"suspicion_at": "2026-02-30T09:30"}, "Give a day and a time, such as"),
            ({"suspicion_at": "0001-01-01T00:00"}, "Give a time between 1970 and 2999."),
            ({"suspicion_at": "3000-01-01T00:00"}, "Give a time between 1970 and 2999."),
            ({"suspicion_at": "2025-10-26T02:30"}, "Clocks in this zone changed then."),
            ({"suspicion_at": "2025-03-30T02:30"}, "Give the time in UTC."),
            ({"belief_at": "2025-03-01T09:30"}, "A higher rung of knowledge cannot be older"),
            ({"belief_at": "2999-03-01T09:30"}, "A rung of knowledge cannot lie in the future."),
            ({"basis": " "}, "Say what this judgement rests on, in 1 to 20000 characters."),
            ({"zone": "Factory"}, "Select a valid choice. Factory is not one of"),
            ({"ID": "nobody"}, "Write &#x27;nobody&#x27; as `name: value`, each name once."),
            ({"ID": "account:"}, "Write &#x27;account:&#x27; as"),
            ({"ID": "account: a\naccount: b"}, "Write &#x27;account: b&#x27; as"),
            ({"ID": "Account Name: a"}, "A name under ID is not made of a-z, 0-9 and _"),
            ({"ID": "account: a\x00b"}, "Null characters are not allowed."),
            ({"values": "threat.imminet: true"}, "did you mean &#x27;threat.imminent&#x27;"),
            ({"values": "threat.imminent: maybe"}, "threat.imminent must be true or false"),
            ({"values": "provider.size: large"}, "provider.size belongs to the provider profile."),
            ({"values": "- threat.imminent"}, "Write one fact a line, such as"),
            ({"values": "threat.imminent: true\nthreat.imminent: false"}, "Line 2: "),
            ({"source": ""}, "Name the source of these facts, in 1 to 200 characters."),
        ],
    )
    def test_keeps_what_was_typed_when_it_is_refused_and_records_nothing(
        self, sits: Sits, ana: User, changes: dict[str, str], sentence: str
    ) -> None:
        page = sits(ana).begins(Finding, "record", **TYPED | changes)
        text = page.content.decode()
        assert page.status_code == 400
        assert sentence in text
        assert "Not done yet. What you typed is kept" in text
        assert text.count("autofocus") == 1
        if "statement" not in changes:
            assert STATEMENT in text
        assert (changes | TYPED)["belief_at"] in text or "belief_at" in changes
        assert not Finding.objects.exists()
        assert not FactAssertion.objects.exists()

    def test_offers_an_empty_form_with_the_words_of_the_law(self, sits: Sits, ana: User) -> None:
        page = sits(ana).browser.get("/admin/compliance/finding/record/")
        text = page.content.decode()
        assert page.status_code == 200
        assert "Not done yet" not in text
        assert "<code>threat.imminent</code>" in text
        for derived in ("knowledge.level", "data.available_classes", "provider.size", "rule.time"):
            assert f"<code>{derived}</code>" not in text

    def test_is_refused_to_counsel(self, sits: Sits, carla: User) -> None:
        for page in (
            sits(carla).begins(Finding, "record", **TYPED),
            sits(carla).browser.get("/admin/compliance/finding/record/"),
        ):
            assert page.status_code == 403
            assert b"The role counsel may not record finding. Nothing was done." in page.content
        assert not Finding.objects.exists()

    def test_is_offered_in_the_list_to_reviewers_alone(
        self, sits: Sits, ana: User, carla: User
    ) -> None:
        way = b'href="/admin/compliance/finding/record/"'
        assert way in sits(ana).browser.get("/admin/compliance/finding/").content
        assert way not in sits(carla).browser.get("/admin/compliance/finding/").content


class TestAttach:
    @pytest.fixture
    def typed(self) -> dict[str, Any]:
        """What Ana fills in beside the file."""
        return {
            "field_class": "C_pub",
            "acquired_at": "2026-03-01T09:30",
            "zone": "UTC",
            "source_url": "https://social.example.org/p/1",
        }

    def test_seals_the_file(
        self, sits: Sits, ana: User, finding: Finding, typed: dict[str, Any], stored: Any
    ) -> None:
        page = sits(ana).takes(finding, "attach", upload=post(), **typed)
        item = finding.items.get()
        assert page.said == ["The file is sealed and on record."]
        assert (item.name, item.size, item.attached_by) == ("post.txt", 8, ana)
        assert item.acquired_at == datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
        assert [b"Tonight" in data for data in stored()] == [False]
        text = page.content.decode()
        assert "post.txt" in text
        assert "available to the public: yes; EXIF data looked at: not known; found by" in text
        assert "its first bytes say" not in text

    def test_shows_origin_and_attestations_and_that_a_type_is_false(
        self, sits: Sits, ana: User, finding: Finding, typed: dict[str, Any]
    ) -> None:
        hostile = post(b"<svg onload='alert(1)'>", "\u202egpj.svg")
        told = {
            "field_class": "C_priv",
            "publicly_available": "false",
            "exif_viewed": "true",
            "automated_detection": "unknown",
            "acquired_by": "<b>night shift</b>",
            "source_account": "@sample-1",
        }
        page = sits(ana).takes(finding, "attach", upload=hostile, **typed | told)
        text = page.content.decode()
        assert r"<bdi class=\"mono\">\u202egpj.svg</bdi>".replace('\\"', '"') in text
        assert "public: no; EXIF data looked at: yes; found by automated means: not known" in text
        assert "by <bdi>&lt;b&gt;night shift&lt;/b&gt;</bdi>" in text
        assert 'under <bdi class="mono">@sample-1</bdi>' in text
        called = finding.items.get().media_type
        assert (f"It is called {called}; its first bytes say image/svg+xml" in text) is (
            called != "image/svg+xml"
        )

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("upload", "sentence"),
        [
            (post(b""), "The file is empty. Attach the file that holds the evidence."),
            (post(name=f"{'x' * 256}.txt"), "The file's name wants 1 to 255 characters."),
            ("", "File: This field is required."),
        ],
    )
    def test_refuses_it_in_words_and_leaves_nothing(
        self,
        sits: Sits,
        ana: User,
        finding: Finding,
        typed: dict[str, Any],
        stored: Any,
        upload: Any,
        sentence: str,
    ) -> None:
        page = sits(ana).takes(finding, "attach", upload=upload, **typed)
        assert (page.status_code, page.said) == (400, [sentence])
        assert 'value="2026-03-01T09:30"' in page.content.decode()
        assert not Item.objects.exists()
        assert stored() == []

    def test_refuses_what_is_over_the_limit(
        self,
        sits: Sits,
        ana: User,
        finding: Finding,
        typed: dict[str, Any],
        stored: Any,
        settings: Any,
    ) -> None:
        settings.UPLOAD_LIMIT = 7
        page = sits(ana).takes(finding, "attach", upload=post(), **typed)
        assert page.status_code == 400
        assert b"or is larger than is allowed here. Nothing was done." in page.content
        assert not Item.objects.exists()
        assert stored() == []

    def test_tells_the_limit_beforehand(
        self, sits: Sits, ana: User, finding: Finding, settings: Any
    ) -> None:
        settings.UPLOAD_LIMIT = 3 * 2**20
        assert "At most 3.0\xa0MB. It is sealed while it arrives." in sits(ana).reads(finding)

    def test_comes_too_late_after_the_decision(
        self,
        sits: Sits,
        ana: User,
        ben: User,
        finding: Finding,
        typed: dict[str, Any],
        stored: Any,
    ) -> None:
        findings.confirm(finding, because="Seen.", by=ben)
        page = sits(ana).takes(finding, "attach", upload=post(), **typed)
        assert page.said == [f"{finding} is confirmed; what is new belongs to a new finding."]
        assert "Attach evidence" not in page.content.decode()
        assert stored() == []

    def test_is_refused_to_counsel(
        self, sits: Sits, carla: User, finding: Finding, typed: dict[str, Any], stored: Any
    ) -> None:
        page = sits(carla).takes(finding, "attach", upload=post(), **typed)
        assert page.status_code == 403
        assert stored() == []


class TestAssertFacts:
    def test_puts_them_on_record(self, sits: Sits, carla: User, finding: Finding) -> None:
        page = sits(carla).takes(
            finding,
            "assert-facts",
            values="threat.to: []",
            source="A second reading.",
            reason="So it says.",
        )  # fmt: skip
        assert page.said == ["The facts are on record."]
        text = page.content.decode()
        assert "known to the source itself, not to us" in text
        assert "<q>So it says.</q>" in text
        assert finding.facts.last().value == []
        open_set = "suspect.location: {known: [DE, FR], closed: false}"
        page = sits(carla).takes(finding, "assert-facts", values=open_set, source="A guess.")
        assert ">DE, FR, perhaps more</td>" in page.content.decode()
        assert "A second reading." in page.content.decode()

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("values", "sentence"),
        [
            (
                "threat.imminet: true",
                "the fact 'threat.imminet' is not known; did you mean 'threat.imminent'.",
            ),
            ("", "Facts: This field is required."),
        ],
    )
    def test_keeps_what_was_typed_and_suggests_the_word_that_was_meant(
        self, sits: Sits, ana: User, finding: Finding, values: str, sentence: str
    ) -> None:
        before = finding.facts.count()
        page = sits(ana).takes(
            finding, "assert-facts", values=values, source="My own eyes.", reason="Seen."
        )
        assert (page.status_code, page.said) == (400, [sentence])
        text = page.content.decode()
        assert '<details class="step step-assert-facts" open>' in text
        assert values in text
        assert "My own eyes." in text
        assert finding.facts.count() == before


class TestClimb:
    CLIMBED = {
        "rung": "refuted", "reached_at": "2026-03-02T10:00", "zone": "Europe/Berlin",
        "basis": "It is the poster of a play.",
    }  # fmt: skip

    @pytest.fixture
    def finding(self, record: Callable[..., Finding]) -> Finding:
        """A finding of which suspicion alone is on record."""
        return record(rungs={"suspicion": datetime(2026, 3, 1, 9, 0, tzinfo=UTC)})

    def test_puts_the_rung_and_its_basis_on_the_page(
        self, sits: Sits, ana: User, ben: User, finding: Finding
    ) -> None:
        seat = sits(ana)
        assert 'value="suspicion"' not in seat.reads(finding)
        findings.confirm(finding, because="Seen.", by=ben)
        finding.refresh_from_db()
        page = seat.takes(finding, "climb", **self.CLIMBED)
        assert page.said == ["The rung is on record. The law is asked again."]
        text = page.content.decode()
        assert text.index("Actual knowledge") < text.index("Refuted</span>")
        assert '<time datetime="2026-03-02T09:00:00+00:00">' in text
        assert "It is the poster of a play." in text
        assert "step-climb" not in text

    def test_keeps_what_was_typed_when_it_is_refused(
        self, sits: Sits, ana: User, finding: Finding
    ) -> None:
        page = sits(ana).takes(finding, "climb", **self.CLIMBED | {"basis": ""})
        assert page.said == ["Say what this judgement rests on, in 1 to 20000 characters."]
        assert 'value="2026-03-02T10:00"' in page.content.decode()
        assert finding.rungs.count() == 1

    def test_is_not_shown_to_counsel_nor_on_a_dismissed_finding(
        self, sits: Sits, ana: User, ben: User, carla: User, finding: Finding
    ) -> None:
        assert "step-climb" not in sits(carla).reads(finding)
        findings.dismiss(finding, because="A parody.", by=ben)
        assert "step-climb" not in sits(ana).reads(finding)


SEEN = {"source": "My own eyes.", "reason": "Seen."}
DECISIONS = [("confirm", "confirmed"), ("dismiss", "dismissed")]


@pytest.mark.parametrize(("step", "state"), DECISIONS)
class TestConfirmAndDismiss:
    def test_are_for_a_second_reviewer(
        self, sits: Sits, ben: User, finding: Finding, step: str, state: str
    ) -> None:
        seat = sits(ben)
        assert f'class="step step-{step}"' in seat.reads(finding)
        page = seat.takes(finding, step, because="I know the street.")
        finding.refresh_from_db()
        assert (finding.state, getattr(finding, f"{state}_by")) == (state, ben)
        assert page.redirect_chain == [(f"/admin/compliance/finding/{finding.pk}/", 302)]
        text = page.content.decode()
        assert "<blockquote>I know the street.</blockquote>" in text
        assert "step-confirm" not in text
        assert "step-attach" not in text

    @pytest.mark.slow
    def test_are_neither_shown_nor_allowed_to_the_person_who_recorded_it(
        self, sits: Sits, ana: User, finding: Finding, step: str, state: str
    ) -> None:
        seat = sits(ana)
        text = seat.reads(finding)
        assert f"step-{step}" not in text
        assert "You recorded this finding. A colleague decides on it." in text
        page = seat.takes(finding, step, because="I am sure.")
        assert page.said == [
            "Whoever recorded or added to a finding cannot decide. Ask a colleague."
        ]
        finding.refresh_from_db()
        assert finding.state == "recorded"

    def test_keep_what_was_typed_when_the_page_did_not_say_what_was_read(
        self, sits: Sits, ben: User, finding: Finding, step: str, state: str
    ) -> None:
        page = sits(ben).takes(finding, step, because="I know the street.", version="")
        assert page.said == ["The page did not say what you read. Open it again."]
        text = page.content.decode()
        assert "I know the street." in text
        assert f'<details class="step step-{step}" open>' in text
        assert '<input type="hidden" name="version" value="1"' in text

    @pytest.mark.slow
    def test_want_a_reason(
        self, sits: Sits, ben: User, finding: Finding, step: str, state: str
    ) -> None:
        page = sits(ben).takes(finding, step, because=" ")
        assert page.said == ["A reason is missing. Say in a sentence why you decide so."]
        finding.refresh_from_db()
        assert finding.state == "recorded"

    def test_change_nothing_when_a_colleague_was_faster(
        self,
        sits: Sits,
        ben: User,
        person: Callable[[str, str], User],
        finding: Finding,
        step: str,
        state: str,
    ) -> None:
        seat = sits(person("bea", "reviewer"))
        seat.reads(finding)
        findings.dismiss(finding, because="A parody.", by=ben)
        page = seat.takes(finding, step, because="I know the street.")
        assert page.status_code == 400
        assert page.said == [
            "Somebody else changed this record since you read it. Read it again, then decide."
        ]
        text = page.content.decode()
        assert "Dismissed by ben" in text
        assert "I know the street." not in text
        finding.refresh_from_db()
        assert (finding.dismissed_by, finding.version) == (ben, 2)

    def test_are_refused_to_counsel(
        self, sits: Sits, carla: User, finding: Finding, step: str, state: str
    ) -> None:
        seat = sits(carla)
        assert f"step-{step}" not in seat.reads(finding)
        page = seat.takes(finding, step, because="I am sure.")
        assert page.status_code == 403
        assert b"The role counsel may not confirm finding. Nothing was done." in page.content


class TestProvisional:
    @pytest.mark.slow
    def test_shows_running_deadlines_and_open_questions_until_the_decision(
        self, sits: Sits, ben: User, record: Callable[..., Finding], profile: object
    ) -> None:
        finding = record(IMMINENT)
        seat = sits(ben)
        text = seat.reads(finding)
        assert '<span class="state">provisional</span>' in text
        assert "Nothing leaves before a second reviewer confirms" in text
        said = determinations.provisional(finding)
        deadlines, questions = text.split("Open questions, most decisive first")
        dues = sorted(each["due"] for each in said["reports"] if each["due"])
        shown = re.findall(r'<time datetime="([^"]*)"><strong>', deadlines)
        assert shown == [due.replace("Z", "+00:00") for due in dues] != []
        assert "Bundeskriminalamt" in deadlines
        asked = [each["fact"] for each in said["questions"]]
        assert re.findall(r"<li>[^<]* <code>([a-z_.]+)</code>", questions) == asked != []
        findings.confirm(finding, because="Seen.", by=ben)
        assert "Running deadlines" not in seat.reads(finding)

    @pytest.mark.slow
    def test_says_so_when_no_deadline_runs(
        self, sits: Sits, ben: User, record: Callable[..., Finding], profile: object
    ) -> None:
        finding = record(demo_samples.read("historic").facts)
        assert "No deadline runs." in sits(ben).reads(finding)

    def test_says_so_when_the_law_cannot_read_the_facts(
        self, sits: Sits, ana: User, finding: Finding, worker: None
    ) -> None:
        FactAssertion.objects.create(
            finding=finding, fact="threat.to", value="gone", source="x", asserted_by=ana
        )
        text = sits(ana).reads(finding)
        assert "The law cannot read the facts on record. Assert them anew." in text
        assert "Running deadlines" not in text


class TestPage:
    def test_tells_the_finding_from_top_to_bottom(
        self, sits: Sits, ben: User, item: Item, imminent: Finding
    ) -> None:
        text = sits(ben).reads(item.finding)
        told = (
            item.finding.statement,
            "@sample-1",
            "post.txt",
            item.sha256,
            "Opened by a person</dt><dd>not yet",
            "The threat is imminent",
            "step-confirm",
            "evidence.attached",
        )
        assert sorted(told, key=text.index) == list(told)

    def test_tells_what_was_read_of_an_exhibit_and_why(
        self, sits: Sits, ben: User, item: Item
    ) -> None:
        seat = sits(ben)
        b"".join(evidence.read(item, purpose="Second reading.", by=ben))
        text = seat.reads(item.finding)
        assert "yes, wholly" in text
        assert "<q>Second reading.</q>" in text

    def test_points_to_the_laws_answer(self, sits: Sits, ben: User, proposed: Any) -> None:
        assert f"/admin/compliance/determination/{proposed.pk}/" in sits(ben).reads(
            proposed.finding
        )

    def test_says_so_while_the_law_is_looked_up(
        self, sits: Sits, ben: User, finding: Finding
    ) -> None:
        page = sits(ben).takes(finding, "confirm", because="Seen.")
        assert "The law is being looked up." in page.content.decode()

    def test_writes_what_people_typed_as_text(
        self, sits: Sits, ana: User, record: Callable[..., Finding]
    ) -> None:
        nasty = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
        finding = record(statement=nasty, particulars={"ID": {"account": nasty}})
        text = sits(ana).reads(finding)
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert "&lt;script&gt;alert(1)" in text

    @pytest.mark.slow
    def test_shows_a_hundred_exhibits(
        self, sits: Sits, ana: User, finding: Finding, item: Item
    ) -> None:
        rest = [
            {**_fields(item), "exhibit": number, "sealed_name": f"x/{number}"}
            for number in range(2, 102)
        ]
        with transaction.atomic(), acting("command:tests"):
            for made in Item.objects.bulk_create(Item(**fields) for fields in rest):
                audit.record("evidence.attached", made, by=None)
        assert "Exhibit 101" in sits(ana).reads(finding)


def _fields(item: Item) -> dict[str, Any]:
    return {
        field.attname: getattr(item, field.attname)
        for field in item._meta.fields
        if not field.primary_key
    }


@pytest.mark.slow
def test_nothing_of_a_finding_gets_into_addresses_or_the_servers_log(
    sits: Sits, ana: User, ben: User, caplog: pytest.LogCaptureFixture
) -> None:
    marker = "Marker-7f3a"
    caplog.set_level("DEBUG")
    page = sits(ana).begins(
        Finding, "record", **TYPED | {"statement": marker, "ID": f"account: {marker}"}
    )
    finding = Finding.objects.get()
    pages = [page, sits(ana).begins(Finding, "record", **TYPED | {"statement": marker, "ID": "x"})]
    pages += [sits(ben).takes(finding, "confirm", because=marker, version=7)]
    pages += [sits(ben).browser.get(f"/admin/compliance/finding/{finding.pk}/confirm/")]
    assert all(marker in each.content.decode() for each in pages)
    for each in pages:
        assert marker not in str(getattr(each, "redirect_chain", "")) + str(each.headers)
    assert marker not in caplog.text
