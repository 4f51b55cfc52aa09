"""Releases: the law that a determination rests on, known by one hash and put on record once."""

from pathlib import Path

import pytest
from django.db import IntegrityError, transaction

from compliance import jurisdictions, releases
from compliance.audit.entries import AuditEntry
from compliance.determinations import Determination
from compliance.releases import Release


class TestShippedTexts:
    def test_are_the_words_the_desks_and_a_book_for_each_law(self) -> None:
        assert releases.shipped_texts().keys() == {
            "au-avm.yaml", "au-esafety.yaml", "authorities.yaml", "ca-cc.yaml", "ca-pipeda.yaml",
            "ch-fadp.yaml", "de-netzdg.yaml", "de-stgb.yaml", "eu-dsa.yaml", "eu-tco.yaml",
            "facts.yaml", "fr-cp.yaml", "fr-lcen.yaml", "house.yaml", "ie-oasa.yaml",
            "in-bnss.yaml", "in-it-rules.yaml", "nz-privacy.yaml", "nz-tsa.yaml", "uk-tact.yaml",
            "uk-voluntary.yaml", "us-rrota-s2372.yaml", "us-sca.yaml", "za-pocdatara.yaml",
        }  # fmt: skip

    def test_are_not_the_golden_cases(self) -> None:
        assert releases.shipped_cases().keys() == {
            "au-avm.cases.yaml", "au-esafety.cases.yaml", "ca-cc.cases.yaml",
            "ca-pipeda.cases.yaml", "cases.yaml", "ch-fadp.cases.yaml", "de-netzdg.cases.yaml",
            "de-stgb.cases.yaml", "fr-cp.cases.yaml", "fr-lcen.cases.yaml", "ie-oasa.cases.yaml",
            "in-bnss.cases.yaml", "in-it-rules.cases.yaml", "nz-privacy.cases.yaml",
            "nz-tsa.cases.yaml", "uk-tact.cases.yaml", "uk-voluntary.cases.yaml",
            "za-pocdatara.cases.yaml",
        }  # fmt: skip

    def test_leave_no_file_of_the_law_out(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("facts.yaml", "uk-tact.yaml", "uk-tact.cases.yaml", "notes.txt"):
            (tmp_path / name).write_text(f"ä {name}", "utf-8")
        monkeypatch.setattr(releases, "RULEBOOKS", tmp_path)
        assert releases.shipped_texts() == {
            "facts.yaml": "ä facts.yaml", "uk-tact.yaml": "ä uk-tact.yaml",
        }  # fmt: skip
        assert releases.shipped_cases() == {"uk-tact.cases.yaml": "ä uk-tact.cases.yaml"}


class TestRules:
    def test_are_the_shipped_law_read_once(self) -> None:
        assert releases.rules() is releases.rules()
        assert releases.rules().sha256 == jurisdictions.read(releases.shipped_texts()).sha256


class TestCurrent:
    def test_puts_the_shipped_law_on_record_once(self, db: None, worker: None) -> None:
        first = releases.current()
        assert first.sha256 == releases.rules().sha256
        assert str(first) == f"release {first.sha256[:12]}"
        assert releases.current() == first
        entry = AuditEntry.objects.get(event="release.shipped")
        assert entry.object_pk == str(first.pk)
        assert entry.actor is None
        assert entry.actor_ref == "system:worker"
        assert entry.additional_data == {"sha256": first.sha256}

    def test_puts_a_changed_law_on_record_beside_the_old(
        self, db: None, worker: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old = releases.current()
        changed = jurisdictions.read(releases.shipped_texts() | {"house.yaml": _milder_house()})
        monkeypatch.setattr(releases, "rules", lambda: changed)
        new = releases.current()
        assert (new.sha256, new == old) == (changed.sha256, False)
        assert new.active_from >= old.active_from
        assert set(Release.objects.all()) == {old, new}
        assert AuditEntry.objects.filter(event="release.shipped").count() == 2

    def test_is_what_a_determination_names(self, proposed: Determination) -> None:
        assert proposed.release == releases.current()
        assert proposed.result["rule_set"] == proposed.release.sha256

    def test_leaves_no_release_that_the_log_does_not_know(
        self, db: None, worker: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*args: object, **named: object) -> None:
            raise RuntimeError("The log is closed.")

        monkeypatch.setattr(releases.audit, "record", refuse)
        with pytest.raises(RuntimeError, match=r"^The log is closed\.$"):
            releases.current()
        assert not Release.objects.exists()

    def test_knows_one_release_by_one_hash(self, db: None, worker: None) -> None:
        release = releases.current()
        with pytest.raises(IntegrityError), transaction.atomic():
            Release.objects.create(sha256=release.sha256)


def _milder_house() -> str:
    text = releases.shipped_texts()["house.yaml"]
    milder = text.replace('"10-13", "14-17"', '"10-13"')
    assert milder != text
    return milder
