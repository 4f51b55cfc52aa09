"""Drafts: one counsel changes a text of the law, the whole law is tried, a second one decides."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import yaml
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from compliance import documents, drafts, jurisdictions, releases
from compliance.audit.entries import AuditEntry
from compliance.determinations import Determination
from compliance.documents import RuleDocument, RuleDocumentVersion, State
from compliance.errors import (
    Malformed,
    NotPermitted,
    SamePerson,
    Stale,
    Tampered,
    WrongState,
)
from compliance.releases import Release
from compliance.roles import User
from tests.compliance.conftest import RULEBOOKS, WHY, noted, retitled

LATER = timedelta(days=30)
TCO = (RULEBOOKS / "eu-tco.yaml").read_text("utf-8")
CASES = (RULEBOOKS / "cases.yaml").read_text("utf-8")
A_DAY_LATER = TCO.replace('{from: "2022-06-07"', '{from: "2022-06-08"')
SLOWER = TCO.replace("imminent: 1", "imminent: 2")
RAIN = (
    "  weather.rain: {number: 0, type: bool, kind: observed, label: It rains, ask: Does it rain?}\n"
)
WET = "conditions: {wet: {fact: weather.rain, is: true}}\n"
CASE = """schema: cases/1
cases:
  - id: house-1
    title: Nothing is known
    kind: determine
    rule_time: "2022-06-07T09:00:00Z"
    expect: {rules: {eu-tco-14-5: OUTCOME}}
"""


@pytest.fixture
def change(recorded: Release, carla: User) -> Callable[..., RuleDocumentVersion]:
    """Draft and submit a text as Carla."""

    def make(key: str, text: str, by: User = carla) -> RuleDocumentVersion:
        return drafts.submit(drafts.draft(key, text, WHY, by=by), by=by)

    return make


BILL = "us-rrota-s2372.yaml"


def holds(release: Release) -> dict[str, int]:
    """Which version of each document a release holds."""
    return {entry["key"]: entry["number"] for entry in release.manifest}


@pytest.fixture
def retired(recorded: Release, carla: User, dora: User) -> Release:
    """The release without a bill, which Carla retired and Dora approved."""
    made = drafts.retire(RuleDocument.objects.get(key=BILL), WHY, by=carla)
    return drafts.approve(drafts.submit(made, by=carla), by=dora)


class TestDraft:
    def test_is_a_new_version_of_a_document(self, recorded: Release, carla: User) -> None:
        made = drafts.draft("house.yaml", retitled(), f" {WHY} ", by=carla)
        assert (made.number, made.state, made.why) == (2, State.DRAFTED, WHY)
        assert (made.text, made.sha256) == (retitled(), documents.sha256(retitled()))
        assert (made.drafted_by, made.reports) == (carla, {})
        entry = AuditEntry.objects.get(event="ruledocumentversion.drafted")
        assert (entry.actor, entry.additional_data) == (carla, {"sha256": made.sha256})
        assert releases.current() == recorded

    def test_takes_a_document_as_well_as_its_name(self, recorded: Release, carla: User) -> None:
        document = RuleDocument.objects.get(key="house.yaml")
        assert drafts.draft(document, retitled(), WHY, by=carla).document == document

    def test_may_be_of_a_new_document(self, recorded: Release, carla: User) -> None:
        made = drafts.draft("xx-sample.cases.yaml", CASE, WHY, by=carla)
        assert (made.number, made.document.kind) == (1, documents.Kind.CASES)

    def test_of_ones_own_is_written_anew(self, drafted: RuleDocumentVersion, carla: User) -> None:
        again = drafts.draft("house.yaml", retitled("Our rules"), "Shorter.", by=carla)
        assert again.pk == drafted.pk
        drafted.refresh_from_db()
        assert (drafted.text, drafted.why) == (retitled("Our rules"), "Shorter.")
        assert drafted.version == 2

    def test_of_a_colleague_is_left_alone(self, drafted: RuleDocumentVersion, dora: User) -> None:
        with pytest.raises(WrongState, match=r"house\.yaml version 2 is drafted and not decided"):
            drafts.draft("house.yaml", retitled("Mine"), WHY, by=dora)

    def test_that_is_submitted_is_left_alone(
        self, submitted: RuleDocumentVersion, carla: User
    ) -> None:
        with pytest.raises(WrongState, match="is submitted and not decided"):
            drafts.draft("house.yaml", retitled("Again"), WHY, by=carla)

    def test_keeps_the_line_ends_of_the_law(self, recorded: Release, carla: User) -> None:
        typed = retitled().replace("\n", "\r\n")
        assert drafts.draft("house.yaml", typed, WHY, by=carla).text == retitled()

    @pytest.mark.parametrize(
        ("key", "text", "why", "said"),
        [
            ("house.yaml", retitled(), " ", "Say in a sentence why the law is to be changed"),
            ("../house.yaml", retitled(), WHY, "Name a document in a-z, 0-9 and dashes"),
            ("House.yaml", retitled(), WHY, "Name a document in a-z, 0-9 and dashes"),
            ("house.yml", retitled(), WHY, "Name a document in a-z, 0-9 and dashes"),
            ("house.yaml", CASE, WHY, "is of the kind rulebook; this text is of the kind cases"),
            ("new.yaml", CASE, WHY, "whose name ends with cases.yaml"),
            ("new-cases.yaml", retitled(), WHY, "whose name ends with cases.yaml"),
            ("house.yaml", noted(note=""), WHY, "house.yaml version 1 says this already"),
        ],
    )
    def test_is_refused_with_what_is_wrong(
        self, recorded: Release, carla: User, key: str, text: str, why: str, said: str
    ) -> None:
        text = text.removeprefix("# \n")
        with pytest.raises(Malformed, match=said.replace(".", r"\.")):
            drafts.draft(key, text, why, by=carla)
        assert not RuleDocumentVersion.objects.filter(state=State.DRAFTED).exists()
        assert not RuleDocument.objects.filter(key__startswith="new").exists()

    def test_that_cannot_be_read_is_refused_line_by_line(
        self, recorded: Release, carla: User
    ) -> None:
        text = "schema: rulebook/1\nregime: a\nregime: b\ntitle: yes\n"
        with pytest.raises(Malformed) as refused:
            drafts.draft("house.yaml", text, WHY, by=carla)
        assert [line[:28] for line in refused.value.message.splitlines()] == [
            "house.yaml, line 3: the key ", "house.yaml, line 4: 'yes' is",
        ]  # fmt: skip

    @pytest.mark.parametrize("role", ["reviewer", "auditor", "custodian"])
    def test_is_for_counsel(self, recorded: Release, person: Any, role: str) -> None:
        pat = person("pat", role)
        for act in (
            lambda: drafts.draft("house.yaml", retitled(), WHY, by=pat),
            lambda: drafts.load({"house.yaml": retitled()}, WHY, by=pat),
        ):
            with pytest.raises(NotPermitted, match="may not draft rules"):
                act()


class TestRetire:
    def test_is_a_version_without_a_text(self, recorded: Release, carla: User) -> None:
        document = RuleDocument.objects.get(key=BILL)
        made = drafts.retire(document, f" {WHY} ", by=carla)
        assert (made.number, made.state, made.text, made.why) == (2, State.DRAFTED, "", WHY)
        assert made.retires
        assert not document.versions.get(number=1).retires
        entry = AuditEntry.objects.get(event="ruledocumentversion.drafted")
        assert (entry.actor, entry.additional_data) == (carla, {"sha256": made.sha256})
        assert releases.current() == recorded

    @pytest.mark.slow
    def test_takes_a_law_out_of_the_next_release_and_of_no_earlier_one(
        self, recorded: Release, retired: Release
    ) -> None:
        assert holds(recorded).keys() - holds(retired).keys() == {BILL}
        assert "us-rrota-s2372" in releases.rules_of(recorded).rules
        assert "us-rrota-s2372" not in releases.rules().rules
        again = jurisdictions.read(documents.law_in(releases.dump(recorded)))
        assert again.sha256 == recorded.sha256

    @pytest.mark.slow
    @pytest.mark.every_law
    def test_is_tried_as_every_change_is(self, recorded: Release, carla: User, dora: User) -> None:
        """A law cannot go while golden cases speak of it, and goes with them."""
        swiss = ("ch-fadp.yaml", "ch-fadp.cases.yaml")
        law, told = (
            drafts.retire(RuleDocument.objects.get(key=key), WHY, by=carla) for key in swiss
        )
        with pytest.raises(Malformed, match=r"ch-fadp\.cases\.yaml.*'ch-voluntary' is not known"):
            drafts.submit(law, by=carla)
        drafts.submit(told, by=carla)
        law.refresh_from_db()
        law = drafts.submit(law, by=carla)
        assert [(e["rule"], e["change"]) for e in law.reports["diff"]] == [
            ("ch-voluntary", "removed")
        ]
        assert law.reports["test"]["newly_failing"] == []
        left = holds(drafts.approve(law, by=dora))
        assert holds(recorded).keys() - left.keys() == {*swiss}

    def test_of_what_every_law_needs_is_refused(self, recorded: Release, carla: User) -> None:
        made = drafts.retire(RuleDocument.objects.get(key="facts.yaml"), WHY, by=carla)
        with pytest.raises(Malformed, match="exactly one file of the schema vocabulary/1"):
            drafts.submit(made, by=carla)

    @pytest.mark.slow
    def test_outlasts_an_upgrade_until_counsel_takes_the_law_up_again(
        self, retired: Release, upgrade: Callable[..., None], carla: User, dora: User
    ) -> None:
        upgrade({"house.yaml": retitled()})
        new = releases.current()
        assert new != retired
        assert holds(new) == holds(retired) | {"house.yaml": 2}
        text = documents.shipped().texts[BILL]
        back = drafts.submit(drafts.draft(BILL, text, WHY, by=carla), by=carla)
        assert BILL in holds(drafts.approve(back, by=dora))
        upgrade({"house.yaml": retitled("Shipped again")})
        assert holds(releases.current()).keys() - holds(retired).keys() == {BILL}

    def test_may_be_thought_better_of(self, recorded: Release, carla: User) -> None:
        document = RuleDocument.objects.get(key="house.yaml")
        made = drafts.retire(document, WHY, by=carla)
        again = drafts.draft(document, retitled(), WHY, by=carla)
        assert (again.pk, again.text) == (made.pk, retitled())

    @pytest.mark.slow
    def test_is_refused_of_what_is_no_part_of_the_law(self, retired: Release, carla: User) -> None:
        with pytest.raises(Malformed, match=f"{BILL} is not part of the law"):
            drafts.retire(RuleDocument.objects.get(key=BILL), WHY, by=carla)

    def test_wants_a_reason_counsel_and_no_other_change(
        self, drafted: RuleDocumentVersion, carla: User, dora: User, otto: User
    ) -> None:
        for by, why, refused in ((carla, " ", Malformed), (dora, WHY, WrongState)):
            with pytest.raises(refused):
                drafts.retire(drafted.document, why, by=by)
        with pytest.raises(NotPermitted, match="may not draft rules"):
            drafts.retire(drafted.document, WHY, by=otto)


class TestSubmit:
    @pytest.mark.slow
    def test_reports_what_check_test_diff_and_replay_say(
        self, drafted: RuleDocumentVersion, carla: User
    ) -> None:
        submitted = drafts.submit(drafted, by=carla)
        assert (submitted.state, submitted.submitted_by) == (State.SUBMITTED, carla)
        told = RuleDocumentVersion.objects.get(pk=submitted.pk).reports
        assert (
            told["rule_set"]
            == jurisdictions.read(releases.shipped_texts() | {"house.yaml": retitled()}).sha256
        )
        assert told["release"] == releases.current().pk
        assert isinstance(told["check"], list)
        assert told["test"]["count"].keys() == {"passed"}
        assert told["test"]["differ"] == told["diff"] == told["beside"] == []
        assert told["replay"] == {"count": 0, "changed": []}

    @pytest.mark.slow
    def test_tells_which_rules_change_and_which_cases_differ(
        self, change: Callable[..., RuleDocumentVersion]
    ) -> None:
        told = change("eu-tco.yaml", SLOWER).reports
        assert [(each["rule"], each["change"]) for each in told["diff"]] == [
            ("eu-tco-14-5", "changed")
        ]
        differ = told["test"]["differ"]
        assert differ[0]["differences"][0]["key"].endswith(".due")

    @pytest.mark.slow
    def test_tells_of_a_rule_that_is_new(self, change: Callable[..., RuleDocumentVersion]) -> None:
        added = retitled().replace("regime: house", "regime: house-2")
        told = change("house-2.yaml", added.replace("- id: house-", "- id: house-2-")).reports
        assert {each["change"] for each in told["diff"]} == {"added"}

    @pytest.mark.slow
    def test_asks_the_law_again_about_what_is_on_record(
        self, proposed: Determination, carla: User
    ) -> None:
        text = TCO.replace("in: [public, auto_join_group]", "in: [auto_join_group]")
        assert text != TCO
        drafted = drafts.draft("eu-tco.yaml", text, WHY, by=carla)
        stored = (proposed.snapshot, f"{proposed.rule_time:%Y-%m-%dT%H:%M:%SZ}", proposed.result)
        replayed = drafts.submit(drafted, [stored], by=carla).reports["replay"]
        assert replayed["count"] == 1
        (again,) = replayed["changed"]
        assert (again["result"], again["is_readable"]) == (proposed.result_sha256, True)
        outcome = {"what": "outcome", "of": "eu-tco-14-5", "before": "holds", "after": "fails"}
        assert outcome in again["changes"]

    def test_is_refused_with_every_problem_of_the_whole_law(
        self, recorded: Release, carla: User
    ) -> None:
        text = TCO.replace("provider.service_roles", "provider.roles").replace("europol", "europo")
        drafted = drafts.draft("eu-tco.yaml", text, WHY, by=carla)
        with pytest.raises(Malformed) as refused:
            drafts.submit(drafted, by=carla)
        problems = refused.value.message.splitlines()
        assert all(line.startswith("eu-tco.yaml, line ") for line in problems)
        assert any("provider.roles" in line for line in problems)
        assert any("europo" in line for line in problems)
        drafted.refresh_from_db()
        assert (drafted.state, drafted.submitted_at) == (State.DRAFTED, None)

    def test_is_refused_if_the_cases_do_not_read(self, recorded: Release, carla: User) -> None:
        text = CASE.replace("OUTCOME", "perhaps")
        drafted = drafts.draft("house.cases.yaml", text, WHY, by=carla)
        with pytest.raises(Malformed, match=r"house\.cases\.yaml, line 7"):
            drafts.submit(drafted, by=carla)

    def test_is_for_whoever_drafted_it(self, drafted: RuleDocumentVersion, dora: User) -> None:
        with pytest.raises(NotPermitted, match="Only the counsel who drafted"):
            drafts.submit(drafted, by=dora)

    def test_is_for_counsel(self, drafted: RuleDocumentVersion, otto: User) -> None:
        with pytest.raises(NotPermitted, match="may not draft rules"):
            drafts.submit(drafted, by=otto)

    @pytest.mark.slow
    def test_is_done_once_and_on_the_text_that_was_read(
        self, drafted: RuleDocumentVersion, carla: User
    ) -> None:
        with pytest.raises(Stale):
            drafts.submit(drafted, version=7, by=carla)
        drafts.submit(drafted, version=1, by=carla)
        with pytest.raises(WrongState, match="is submitted; it cannot become submitted"):
            drafts.submit(drafted, by=carla)


class TestApprove:
    @pytest.mark.slow
    def test_makes_the_law_at_once(
        self, recorded: Release, submitted: RuleDocumentVersion, dora: User
    ) -> None:
        release = drafts.approve(submitted, by=dora)
        assert releases.current() == release
        assert (release.approved_by, release.sha256) == (dora, submitted.reports["rule_set"])
        assert releases.dump(release) == releases.dump(recorded) | {"house.yaml": retitled()}
        submitted.refresh_from_db()
        assert (submitted.state, submitted.approved_by) == (State.APPROVED, dora)

    @pytest.mark.slow
    def test_makes_the_law_from_a_moment_on(
        self, recorded: Release, submitted: RuleDocumentVersion, dora: User
    ) -> None:
        begins = timezone.now() + LATER
        release = drafts.approve(submitted, begins, by=dora)
        assert release.active_from == begins
        assert releases.current() == recorded
        assert releases.in_force(begins) == release

    def test_is_refused_for_the_past(self, submitted: RuleDocumentVersion, dora: User) -> None:
        with pytest.raises(Malformed, match="cannot begin in the past"):
            drafts.approve(submitted, timezone.now() - timedelta(seconds=1), by=dora)

    def test_is_refused_to_whoever_drafted_it(
        self, submitted: RuleDocumentVersion, carla: User
    ) -> None:
        with pytest.raises(SamePerson, match="Ask a second counsel"):
            drafts.approve(submitted, by=carla)

    def test_is_for_counsel(self, submitted: RuleDocumentVersion, cleo: User) -> None:
        with pytest.raises(NotPermitted, match="may not approve rules"):
            drafts.approve(submitted, by=cleo)

    def test_wants_a_change_that_is_submitted(
        self, drafted: RuleDocumentVersion, dora: User
    ) -> None:
        with pytest.raises(WrongState, match="is drafted; it cannot become approved"):
            drafts.approve(drafted, by=dora)

    @pytest.mark.slow
    def test_is_refused_on_an_older_version_and_a_second_time(
        self, submitted: RuleDocumentVersion, dora: User
    ) -> None:
        with pytest.raises(Stale):
            drafts.approve(submitted, version=1, by=dora)
        drafts.approve(submitted, version=submitted.version, by=dora)
        with pytest.raises(WrongState, match="is approved"):
            drafts.approve(submitted, by=dora)

    @pytest.mark.slow
    def test_is_refused_while_a_golden_case_differs(
        self, change: Callable[..., RuleDocumentVersion], recorded: Release, dora: User
    ) -> None:
        slower = change("eu-tco.yaml", SLOWER)
        with pytest.raises(Malformed, match="Golden cases differ: ") as refused:
            drafts.approve(slower, by=dora)
        for case in slower.reports["test"]["differ"]:
            assert case["id"] in refused.value.message
        slower.refresh_from_db()
        assert (slower.state, releases.current()) == (State.SUBMITTED, recorded)

    @pytest.mark.slow
    def test_is_refused_while_the_check_finds_a_fault(
        self, change: Callable[..., RuleDocumentVersion], recorded: Release, dora: User
    ) -> None:
        book = yaml.safe_load((RULEBOOKS / "us-rrota-s2372.yaml").read_text("utf-8"))
        never = [{"fact": "threat.imminent", "is": held} for held in (True, False)]
        book["rules"][0]["when"] = {"all": never}
        del book["unseen"]  # the words that nobody saw went with the condition
        rota = change("us-rrota-s2372.yaml", yaml.safe_dump(book))
        with pytest.raises(Malformed, match=r"^us-rrota-s2372: can never hold\.$"):
            drafts.approve(rota, by=dora)
        assert releases.current() == recorded

    @pytest.mark.slow
    def test_approves_a_rule_with_the_case_that_was_changed_for_it(
        self, change: Callable[..., RuleDocumentVersion], dora: User
    ) -> None:
        case = change("house.cases.yaml", CASE.replace("OUTCOME", "not_in_force"))
        assert [each["id"] for each in case.reports["test"]["differ"]] == ["house-1"]
        with pytest.raises(Malformed, match=r"Golden cases differ: house-1\. Change"):
            drafts.approve(case, by=dora)
        rule = change("eu-tco.yaml", A_DAY_LATER)
        assert drafts.beside(rule) == [case]
        assert rule.reports["test"]["differ"] == []
        release = drafts.approve(rule, by=dora)
        assert {"house.cases.yaml", "eu-tco.yaml"} <= releases.dump(release).keys()
        assert releases.current() == release

    @pytest.mark.slow
    def test_approves_all_that_it_was_checked_beside(
        self, change: Callable[..., RuleDocumentVersion], carla: User, dora: User
    ) -> None:
        first = change("house.yaml", retitled())
        second = change("eu-dsa.yaml", noted("eu-dsa.yaml"))
        release = drafts.approve(second, by=dora)
        first.refresh_from_db()
        assert (first.state, first.approved_by) == (State.APPROVED, dora)
        assert releases.dump(release)["house.yaml"] == retitled()

    @pytest.mark.slow
    def test_takes_what_it_was_checked_beside_as_approved_if_it_is(
        self, change: Callable[..., RuleDocumentVersion], dora: User
    ) -> None:
        first, second = change("house.yaml", retitled()), change("eu-dsa.yaml", _dsa())
        drafts.approve(first, by=dora)
        release = drafts.approve(second, by=dora)
        assert releases.dump(release)["house.yaml"] == retitled()
        assert releases.dump(release)["eu-dsa.yaml"] == _dsa()

    @pytest.mark.slow
    def test_is_refused_if_what_it_was_checked_beside_is_rejected(
        self, change: Callable[..., RuleDocumentVersion], dora: User
    ) -> None:
        first, second = change("house.yaml", retitled()), change("eu-dsa.yaml", _dsa())
        drafts.reject(first, because="Not so.", by=dora)
        with pytest.raises(Stale, match=r"beside house\.yaml version 2, which is rejected"):
            drafts.approve(second, by=dora)

    @pytest.mark.slow
    def test_is_refused_to_whoever_drafted_what_it_was_checked_beside(
        self, change: Callable[..., RuleDocumentVersion], dora: User, person: Any
    ) -> None:
        eva = person("eva", "counsel")
        change("house.yaml", retitled(), dora)
        second = change("eu-dsa.yaml", _dsa())
        assert (drafts.is_second(second, dora), drafts.is_second(second, eva)) == (False, True)
        with pytest.raises(SamePerson):
            drafts.approve(second, by=dora)

    @pytest.mark.slow
    def test_is_refused_if_the_law_does_not_read_with_it_any_more(
        self, change: Callable[..., RuleDocumentVersion], dora: User, upgrade: Any
    ) -> None:
        words = (RULEBOOKS / "facts.yaml").read_text("utf-8")
        upgrade({"facts.yaml": words.replace("facts:\n", f"facts:\n{RAIN}", 1)})
        wet = retitled().replace("rules:\n", f"{WET}rules:\n", 1)
        rainy = change("house.yaml", wet)
        upgrade({"facts.yaml": noted("facts.yaml")})
        with pytest.raises(Malformed, match=r"house\.yaml, line .*'weather\.rain' is not known"):
            drafts.approve(rainy, by=dora)

    def test_is_refused_if_the_text_was_changed_behind_everybodys_back(
        self, submitted: RuleDocumentVersion, dora: User, unguarded: None
    ) -> None:
        RuleDocumentVersion.objects.filter(pk=submitted.pk).update(text=noted())
        with pytest.raises(Tampered, match="is not the one that was submitted"):
            drafts.approve(submitted, by=dora)

    @pytest.mark.slow
    def test_stays_in_what_begins_later(
        self, change: Callable[..., RuleDocumentVersion], dora: User
    ) -> None:
        begins = timezone.now() + LATER
        coming = drafts.approve(change("house.yaml", retitled()), begins, by=dora)
        now = drafts.approve(change("eu-dsa.yaml", _dsa()), by=dora)
        assert releases.current() == now
        assert 'title: "Rules of the house"' not in releases.dump(now)["house.yaml"]
        then = releases.in_force(begins)
        assert then != coming
        assert releases.dump(then) == releases.dump(now) | {"house.yaml": retitled()}

    @pytest.mark.slow
    def test_begins_no_earlier_than_a_later_text_of_the_same_document(
        self, change: Callable[..., RuleDocumentVersion], dora: User
    ) -> None:
        begins = timezone.now() + LATER
        drafts.approve(change("house.yaml", retitled()), begins, by=dora)
        again = change("house.yaml", retitled("Other rules"))
        with pytest.raises(WrongState, match="A later text of the same document is approved"):
            drafts.approve(again, by=dora)
        release = drafts.approve(again, begins, by=dora)
        assert releases.in_force(begins) == release

    @pytest.mark.slow
    def test_never_changes_an_earlier_answer(
        self, proposed: Determination, submitted: RuleDocumentVersion, dora: User
    ) -> None:
        drafts.approve(submitted, by=dora)
        releases._kept.clear()
        asked = proposed.snapshot | {"rule_time": f"{proposed.rule_time:%Y-%m-%dT%H:%M:%SZ}"}
        again = jurisdictions.rule_on(releases.rules_of(proposed.release), **asked)
        assert again["sha256"] == proposed.result_sha256


class TestReject:
    @pytest.mark.slow
    @pytest.mark.parametrize("state", ["drafted", "submitted"])
    def test_leaves_the_law_as_it_is_and_the_text_on_record(
        self, state: str, recorded: Release, dora: User, carla: User, request: Any
    ) -> None:
        change = request.getfixturevalue(state)
        rejected = drafts.reject(change, because=" Not so. ", by=dora)
        assert (rejected.state, rejected.rejected_by) == (State.REJECTED, dora)
        assert (rejected.rejected_because, rejected.text) == ("Not so.", retitled())
        assert releases.current() == recorded
        assert drafts.draft("house.yaml", retitled(), WHY, by=carla).number == 3

    def test_is_refused_to_whoever_drafted_it(
        self, submitted: RuleDocumentVersion, carla: User
    ) -> None:
        with pytest.raises(SamePerson, match="Ask a second counsel"):
            drafts.reject(submitted, because="Not so.", by=carla)

    def test_wants_a_reason_and_counsel(
        self, submitted: RuleDocumentVersion, dora: User, ana: User
    ) -> None:
        with pytest.raises(Malformed, match="A reason is missing"):
            drafts.reject(submitted, because=" ", by=dora)
        with pytest.raises(NotPermitted, match="may not approve rules"):
            drafts.reject(submitted, because="Not so.", by=ana)

    def test_is_final(self, submitted: RuleDocumentVersion, dora: User) -> None:
        drafts.reject(submitted, because="Not so.", by=dora)
        with pytest.raises(WrongState, match="is rejected"):
            drafts.approve(submitted, by=dora)


class TestLoad:
    def test_drafts_what_differs(self, recorded: Release, carla: User) -> None:
        texts = releases.dump() | {"house.yaml": retitled(), "house.cases.yaml": CASE}
        made = drafts.load(texts, WHY, by=carla)
        assert [str(each) for each in made] == [
            "house.cases.yaml version 2", "house.yaml version 2",
        ]  # fmt: skip

    def test_is_refused_if_nothing_does(self, recorded: Release, carla: User) -> None:
        with pytest.raises(Malformed, match="Nothing differs"):
            drafts.load(releases.dump(), WHY, by=carla)

    def test_drafts_all_or_nothing(self, recorded: Release, carla: User) -> None:
        with pytest.raises(Malformed):
            drafts.load({"eu-dsa.yaml": _dsa(), "house.yaml": "schema: law/1"}, WHY, by=carla)
        assert not RuleDocumentVersion.objects.filter(state=State.DRAFTED).exists()

    @pytest.mark.slow
    @given(data=st.data())
    def test_is_the_inverse_of_dump_and_leaves_every_earlier_law_as_it_was(
        self, recorded: Release, carla: User, dora: User, data: Any
    ) -> None:
        before = releases.current()
        then = releases.rules_of(before).sha256
        keys = data.draw(st.sets(st.sampled_from(sorted(releases.dump())), min_size=1, max_size=3))
        note = data.draw(st.text("abc äöü€", min_size=1, max_size=20))
        texts = releases.dump() | {key: f"# {note} {before.pk}\n{noted(key)}" for key in keys}
        made = [drafts.submit(each, by=carla) for each in drafts.load(texts, WHY, by=carla)]
        after = drafts.approve(made[-1], by=dora)
        assert releases.dump(after) == texts
        with pytest.raises(Malformed, match="Nothing differs"):
            drafts.load(releases.dump(after), WHY, by=carla)
        releases._kept.clear()
        for release in (recorded, before):
            assert releases.rules_of(release).sha256 == release.sha256
        assert releases.rules_of(before).sha256 == then


class TestReplay:
    def test_comes_out_the_same_under_the_same_law(self, proposed: Determination) -> None:
        at = f"{proposed.rule_time:%Y-%m-%dT%H:%M:%SZ}"
        told = drafts.replay(releases.rules(), [(proposed.snapshot, at, proposed.result)])
        assert told == {"count": 1, "changed": []}

    def test_says_so_if_a_law_has_no_words_for_the_facts(self, proposed: Determination) -> None:
        at = f"{proposed.rule_time:%Y-%m-%dT%H:%M:%SZ}"
        known = proposed.snapshot | {"facts": {"weather.rain": True}}
        told = drafts.replay(releases.rules(), [(known, at, proposed.result)])
        assert told["changed"] == [
            {"result": proposed.result_sha256, "is_readable": False, "changes": []}
        ]


def _dsa() -> str:
    return noted("eu-dsa.yaml")
