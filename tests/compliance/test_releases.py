"""Releases: the law that a determination rests on, known by one hash, now and at any moment."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from compliance import documents, drafts, jurisdictions, releases
from compliance.audit.entries import AuditEntry
from compliance.determinations import Determination
from compliance.documents import RuleDocument, RuleDocumentVersion, State
from compliance.errors import Tampered
from compliance.releases import Release
from compliance.roles import User
from tests.compliance.conftest import WHY, noted, retitled

Forget = Callable[[], None]
Upgrade = Callable[[dict[str, str | None]], None]
LATER = timedelta(days=30)


@pytest.fixture
def forget() -> Forget:
    """Go on as a process that has read no law yet."""
    return releases._kept.clear


def holds(release: Release) -> dict[str, int]:
    return {entry["key"]: entry["number"] for entry in release.manifest}


@pytest.mark.every_law
class TestShippedTexts:
    def test_are_the_words_the_desks_and_a_book_for_each_law(self) -> None:
        shipped = releases.shipped_texts()
        assert shipped.keys() >= {
            "authorities.yaml", "eu-dsa.yaml", "eu-eevidence.yaml", "eu-gdpr-overlay.yaml",
            "eu-tco.yaml", "facts.yaml", "house.yaml", "us-2258a.yaml", "us-2339b-fi.yaml",
            "us-2703f-preserve.yaml", "us-rrota-s2372.yaml", "us-sca.yaml", "us-star-s4758.yaml",
        }  # fmt: skip

    def test_are_not_the_golden_cases_of_which_each_law_has_its_own(self) -> None:
        laws = releases.shipped_texts().keys() - {"authorities.yaml", "facts.yaml"}
        own = {f"{name.removesuffix('.yaml')}.cases.yaml" for name in laws}
        assert releases.shipped_cases().keys() == {"cases.yaml", *own}


class TestRules:
    def test_are_the_shipped_law_while_none_is_on_record(self, db: None) -> None:
        law = releases.rules()
        assert law.sha256 == jurisdictions.read(releases.shipped_texts()).sha256
        assert releases.rules() is law
        assert not Release.objects.exists()

    def test_cost_one_query_once_they_are_read(self, recorded: Release) -> None:
        law = releases.rules()
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert releases.rules() is law
        assert len(asked) == 1

    def test_are_read_off_the_record_by_a_new_process(
        self, recorded: Release, forget: Forget
    ) -> None:
        forget()
        assert releases.rules().sha256 == recorded.sha256

    def test_are_those_that_counsel_approved(self, recorded: Release, enacted: Release) -> None:
        assert releases.rules().sha256 == enacted.sha256 != recorded.sha256
        house = releases.texts(enacted)["house.yaml"]
        assert house == retitled()

    @pytest.mark.slow
    def test_change_by_themselves_when_a_later_release_begins(
        self, recorded: Release, submitted: RuleDocumentVersion, dora: User, monkeypatch: Any
    ) -> None:
        begins = timezone.now() + LATER
        coming = drafts.approve(submitted, begins, by=dora)
        assert releases.rules().sha256 == recorded.sha256 != coming.sha256
        assert releases.current() == recorded
        monkeypatch.setattr(timezone, "now", lambda: begins)
        assert releases.rules().sha256 == coming.sha256
        assert releases.current() == coming

    def test_are_those_of_an_upgrade_before_it_is_on_record(
        self, recorded: Release, upgrade: Upgrade
    ) -> None:
        upgrade({"house.yaml": retitled()})
        law = releases.rules()
        assert (law.sha256 != recorded.sha256, Release.objects.count()) == (True, 1)
        assert releases.current().sha256 == law.sha256


class TestSteady:
    def test_is_the_law_of_a_page_from_its_first_question_to_its_end(
        self, db: object, upgrade: Callable[..., None], django_assert_num_queries: Any
    ) -> None:
        first = releases.rules()
        with releases.steady():
            assert releases.rules() is first
            house = documents.shipped().texts["house.yaml"]
            upgrade({"house.yaml": house.replace("title: ", "title: Amended. ", 1)})
            with django_assert_num_queries(0):
                assert releases.rules() is first
        assert releases.rules().sha256 != first.sha256


class TestRulesOf:
    @pytest.mark.usefixtures("enacted")
    def test_an_old_release_are_what_they_were(self, recorded: Release, forget: Forget) -> None:
        forget()
        assert releases.rules_of(recorded).sha256 == recorded.sha256
        assert releases.rules_of(recorded) is releases.rules_of(recorded)

    @pytest.mark.usefixtures("unguarded")
    @pytest.mark.parametrize("change", [{"text": retitled()}, {"sha256": "0" * 64}])
    def test_a_changed_text_are_refused(
        self, change: dict[str, str], recorded: Release, forget: Forget
    ) -> None:
        forget()
        RuleDocumentVersion.objects.filter(document__key="house.yaml").update(**change)
        with pytest.raises(Tampered, match=r"house\.yaml version 1 does not match its approved"):
            releases.rules_of(recorded)

    @pytest.mark.usefixtures("unguarded")
    def test_a_changed_manifest_are_refused(
        self, recorded: Release, enacted: Release, forget: Forget
    ) -> None:
        forget()
        Release.objects.filter(pk=recorded.pk).update(manifest=enacted.manifest)
        recorded.refresh_from_db()
        with pytest.raises(Tampered, match="does not match its approved hash"):
            releases.rules_of(recorded)

    @pytest.mark.slow
    def test_are_kept_for_a_few_releases_alone(
        self, recorded: Release, enacted: Release, monkeypatch: pytest.MonkeyPatch, forget: Forget
    ) -> None:
        forget()
        monkeypatch.setattr(releases, "MOST_READ", 2)
        for release in (recorded, enacted, recorded):
            assert releases.rules_of(release).sha256 == release.sha256
            assert len(releases._kept) <= 2


class TestDump:
    def test_gives_every_document_of_the_law_in_force(self, recorded: Release) -> None:
        assert releases.dump() == releases.dump(recorded) == dict(documents.shipped().texts)

    def test_gives_what_a_release_held_then(self, recorded: Release, enacted: Release) -> None:
        assert releases.dump(recorded) | {"house.yaml": retitled()} == releases.dump(enacted)
        assert releases.texts(recorded) == releases.shipped_texts()


class TestTakeInDue:
    def test_takes_each_shipped_set_in_once(self, db: None, upgrade: Upgrade) -> None:
        assert [releases.take_in_due(), releases.take_in_due()] == [1, 0]
        upgrade({"house.yaml": retitled()})
        assert [releases.take_in_due(), releases.take_in_due()] == [1, 0]
        assert Release.objects.count() == 2


class TestCurrent:
    def test_puts_the_shipped_law_on_record_once(self, db: None) -> None:
        first = releases.current()
        assert first.sha256 == releases.rules().sha256
        assert str(first) == f"release {first.sha256[:12]}"
        assert first.approved_by is None
        assert releases.current() == first
        entry = AuditEntry.objects.get(event="release.shipped")
        assert entry.object_pk == str(first.pk)
        assert entry.actor is None
        assert entry.actor_ref == "system:upgrade"
        assert entry.additional_data == {"sha256": first.sha256}

    @pytest.mark.every_law
    def test_records_every_shipped_text_with_its_kind_and_hash(self, recorded: Release) -> None:
        told = {entry["key"]: entry for entry in recorded.manifest}
        assert told.keys() == documents.shipped().texts.keys()
        assert {told[key]["kind"] for key in ("facts.yaml", "cases.yaml", "house.yaml")} == {
            "vocabulary", "cases", "rulebook",
        }  # fmt: skip
        for version in RuleDocumentVersion.objects.select_related("document"):
            key = version.document.key
            assert (version.state, version.number, version.drafted_by) == ("shipped", 1, None)
            assert version.text == documents.shipped().texts[key]
            assert told[key]["sha256"] == version.sha256 == documents.sha256(version.text)
        assert str(version) == f"{key} version 1"
        assert str(version.document) == key

    def test_puts_an_upgrade_on_record_beside_the_old(
        self, recorded: Release, upgrade: Upgrade
    ) -> None:
        upgrade({"house.yaml": retitled(), "new.yaml": retitled().replace("house", "new")})
        upgrade({"new.yaml": None})
        new = releases.current()
        assert new != recorded
        assert new.active_from >= recorded.active_from
        assert set(Release.objects.all()) == {recorded, new}
        assert holds(new) == holds(recorded) | {"house.yaml": 2}
        assert AuditEntry.objects.filter(event="release.shipped").count() == 2
        assert RuleDocumentVersion.objects.count() == len(holds(recorded)) + 1

    def test_takes_in_a_new_file_and_leaves_out_one_that_is_shipped_no_more(
        self, recorded: Release, upgrade: Upgrade
    ) -> None:
        upgrade({"us-rrota-s2372.yaml": None, "house-2.yaml": _second_house()})
        assert holds(releases.current()).keys() ^ holds(recorded).keys() == {
            "us-rrota-s2372.yaml", "house-2.yaml",
        }  # fmt: skip
        assert RuleDocument.objects.filter(key="us-rrota-s2372.yaml").exists()

    def test_never_goes_back_for_a_process_of_an_older_version(
        self, recorded: Release, upgrade: Upgrade, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        older = documents.RULEBOOKS
        upgrade({"house.yaml": retitled()})
        new = releases.current()
        monkeypatch.setattr(documents, "RULEBOOKS", older)
        assert releases.current() == new
        assert releases.rules().sha256 == new.sha256

    @pytest.mark.slow
    def test_keeps_what_the_house_changed_itself(
        self, recorded: Release, enacted: Release, upgrade: Upgrade
    ) -> None:
        upgrade({"house.yaml": noted(), "eu-tco.yaml": noted("eu-tco.yaml")})
        new = releases.current()
        assert holds(new) == holds(recorded) | {"house.yaml": 2, "eu-tco.yaml": 2}
        shipped = RuleDocumentVersion.objects.get(document__key="house.yaml", number=3)
        assert (shipped.state, shipped.text) == (State.SHIPPED, noted())
        assert releases.current() == new

    @pytest.mark.slow
    def test_follows_what_is_shipped_once_counsel_adopted_it(
        self, enacted: Release, upgrade: Upgrade, carla: User, dora: User
    ) -> None:
        upgrade({"house.yaml": noted()})
        releases.current()
        adopted = drafts.submit(drafts.draft("house.yaml", noted(), WHY, by=carla), by=carla)
        assert holds(drafts.approve(adopted, by=dora))["house.yaml"] == 3
        upgrade({"house.yaml": noted(note="Shipped again.")})
        assert releases.dump()["house.yaml"] == noted(note="Shipped again.")

    @pytest.mark.parametrize("flaw", ["does not read", "answers otherwise"])
    def test_changes_nothing_if_what_is_shipped_does_not_fit_beside_it(
        self, flaw: str, enacted: Release, upgrade: Upgrade
    ) -> None:
        text = documents.shipped().texts["eu-tco.yaml"]
        broken = {
            "does not read": text.replace("provider.service_roles", "provider.roles"),
            "answers otherwise": text.replace("imminent: 1", "imminent: 2"),
        }[flaw]
        assert broken != text
        upgrade({"eu-tco.yaml": broken})
        assert releases.rules().sha256 == enacted.sha256
        held = releases.current()
        assert (held.sha256, holds(held)) == (enacted.sha256, holds(enacted))
        assert RuleDocumentVersion.objects.get(text=broken).state == State.SHIPPED
        assert releases.current() == held

    @pytest.mark.slow
    def test_brings_an_upgrade_into_what_begins_later_too(
        self, submitted: RuleDocumentVersion, dora: User, upgrade: Upgrade, monkeypatch: Any
    ) -> None:
        begins = timezone.now() + LATER
        drafts.approve(submitted, begins, by=dora)
        upgrade({"eu-tco.yaml": noted("eu-tco.yaml")})
        assert "eu-tco.yaml" in releases.dump()
        assert holds(releases.current())["house.yaml"] == 1
        monkeypatch.setattr(timezone, "now", lambda: begins)
        told = holds(releases.current())
        assert (told["house.yaml"], told["eu-tco.yaml"]) == (2, 2)

    def test_leaves_it_to_the_process_that_was_faster(
        self, db: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lock = releases.lock

        def wait() -> None:
            monkeypatch.setattr(releases, "lock", lock)
            releases.current()

        monkeypatch.setattr(releases, "lock", wait)
        assert releases.current() == Release.objects.get()
        assert AuditEntry.objects.filter(event="release.shipped").count() == 1

    def test_is_what_a_determination_names(self, proposed: Determination) -> None:
        assert proposed.release == releases.current()
        assert proposed.result["rule_set"] == proposed.release.sha256

    def test_leaves_no_release_that_the_log_does_not_know(
        self, db: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*args: object, **named: object) -> None:
            raise RuntimeError("The log is closed.")

        monkeypatch.setattr(releases.audit, "record", refuse)
        with pytest.raises(RuntimeError, match=r"^The log is closed\.$"):
            releases.current()
        assert not Release.objects.exists()
        assert not RuleDocument.objects.exists()

    def test_stays_for_ever(self, recorded: Release) -> None:
        for act in (
            recorded.delete,
            lambda: Release.objects.update(sha256=""),
            lambda: Release.objects.filter(pk=recorded.pk).update(active_from=timezone.now()),
        ):
            with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
                act()


def _second_house() -> str:
    text = documents.shipped().texts["house.yaml"].replace("regime: house", "regime: house-2")
    return text.replace("- id: house-", "- id: house-2-")
