"""rulebook: what another law would have said of the determinations on record."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from compliance import documents, releases
from compliance.determinations import Determination
from compliance.documents import RuleDocumentVersion
from compliance.releases import Release
from compliance.roles import User

Run = Callable[..., str]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def books(tmp_path: Path) -> Callable[[str, str, str], str]:
    """Write the shipped law with one text instead of another; return its directory."""

    def write(name: str, before: str, after: str) -> str:
        texts = releases.shipped_texts()
        assert before in texts[name]
        texts[name] = texts[name].replace(before, after)
        for each, text in texts.items():
            (tmp_path / each).write_text(text, "utf-8")
        return str(tmp_path)

    return write


TIGHTER = ("eu-tco.yaml", 'is: true, says: "imminent"', 'is: false, says: "imminent"')


class TestReplay:
    def test_of_a_law_and_itself_changes_nothing(self, run: Run, signed: Determination) -> None:
        assert run("replay", "shipped", "shipped") == (
            "0 changed, 1 unchanged, 0 refused, 0 would have been wrong\n"
        )

    def test_names_what_would_have_been_said_otherwise(
        self, run: Run, proposed: Determination, books: Callable[[str, str, str], str]
    ) -> None:
        lines = run("replay", "shipped", books(*TIGHTER)).splitlines()
        assert lines[0] == f"determination {proposed.pk}"
        assert "  outcome eu-tco-14-5: holds -> fails" in lines
        assert lines[-1] == "1 changed, 0 unchanged, 0 refused, 0 would have been wrong"

    @pytest.mark.slow
    def test_marks_a_referral_that_was_signed(
        self, run: Run, signed: Determination, books: Callable[[str, str, str], str]
    ) -> None:
        printed = run("replay", "--json", "shipped", books(*TIGHTER))
        told, total = (json.loads(line) for line in printed.splitlines())
        assert told["determination"] == str(signed.pk)
        assert told["would_have_been_wrong"] is True
        assert {"what": "outcome", "of": "eu-tco-14-5", "before": "holds", "after": "fails"} in (
            told["changes"]
        )
        counts = {"changed": 1, "unchanged": 0, "refused": 0, "would have been wrong": 1}
        assert total == {"sum": counts}
        head = run("replay", "shipped", books(*TIGHTER)).splitlines()[0]
        assert head == (
            f"determination {signed.pk}; a referral was signed: it would have been wrong"
        )

    def test_names_the_facts_that_a_law_has_no_words_for(
        self, run: Run, signed: Determination, books: Callable[[str, str, str], str]
    ) -> None:
        other = books("facts.yaml", "suspect.age_band:", "suspect.age_group:")
        rulebook = Path(other) / "house.yaml"
        text = rulebook.read_text("utf-8").replace("suspect.age_band", "suspect.age_group")
        rulebook.write_text(text, "utf-8")
        assert run("replay", "shipped", other).splitlines() == [
            f"determination {signed.pk}",
            "  cannot be determined: facts.suspect.age_band",
            "0 changed, 0 unchanged, 1 refused, 0 would have been wrong",
        ]

    def test_asks_the_database_once(
        self, run: Run, signed: Determination, django_assert_num_queries: Any
    ) -> None:
        with django_assert_num_queries(1):
            run("replay", "shipped", "shipped")


class TestVerify:
    def test_determines_each_once_more(self, run: Run, signed: Determination) -> None:
        assert run("verify") == "1 reproduced, 0 broken\n"

    def test_determines_what_rests_on_an_earlier_law_under_that(
        self, run: Run, signed: Determination, upgrade: Callable[..., None]
    ) -> None:
        house = documents.shipped().texts["house.yaml"]
        upgrade({"house.yaml": house.replace("title: ", "title: Amended. ", 1)})
        assert releases.current() != signed.release
        assert run("verify") == "1 reproduced, 0 broken\n"

    def test_checks_the_hashes_of_what_rests_on_a_law_not_on_record(
        self, run: Run, signed: Determination
    ) -> None:
        old = Release.objects.create(sha256="0" * 64)
        Determination.objects.filter(pk=signed.pk).update(release=old)
        assert run("verify") == "1 of a law not on record, hashes hold, 0 broken\n"
        assert json.loads(run("verify", "--json")) == {
            "broken": [], "sound": {"of a law not on record, hashes hold": 1},
        }  # fmt: skip

    @pytest.mark.parametrize(
        "changes",
        [{"snapshot": {"facts": {}, "clocks": {}}}, {"rule_time": NOON}],
        ids=["another record", "another moment"],
    )
    def test_names_what_is_not_what_was_laid_before_counsel(
        self, signed: Determination, changes: dict[str, Any]
    ) -> None:
        Determination.objects.filter(pk=signed.pk).update(**changes)
        out = StringIO()
        with pytest.raises(CommandError, match=r"^1 determinations are not what was laid before"):
            call_command("rulebook", "verify", stdout=out)
        assert out.getvalue() == f"determination {signed.pk} is broken\n1 broken\n"


class TestDump:
    def test_writes_every_document_of_the_law_in_force(
        self, run: Run, db: object, tmp_path: Path
    ) -> None:
        told = run("dump", str(tmp_path / "law"))
        written = {path.name: path.read_text("utf-8") for path in (tmp_path / "law").iterdir()}
        assert written == documents.shipped().texts
        assert told == f"{len(written)} documents of {releases.current()}\n"

    def test_writes_an_earlier_law_by_its_hash(
        self, run: Run, db: object, tmp_path: Path, upgrade: Callable[..., None]
    ) -> None:
        first = releases.current()
        house = documents.shipped().texts["house.yaml"]
        upgrade({"house.yaml": house.replace("title: ", "title: Amended. ", 1)})
        told = run("dump", str(tmp_path), first.sha256[:12], "--json")
        assert json.loads(told) == {"release": first.sha256}
        assert (tmp_path / "house.yaml").read_text("utf-8") == house
        told = run("diff", first.sha256[:8], str(tmp_path), "--json")
        assert json.loads(told)["rules"] == []

    def test_refuses_what_is_no_release(self, db: object, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match="nor a release's hash"):
            call_command("rulebook", "dump", str(tmp_path), "f00d")


class TestLoad:
    @pytest.fixture
    def changed(self, run: Run, db: object, tmp_path: Path) -> str:
        """The law as it was dumped, with another title for the house's rules."""
        run("dump", str(tmp_path))
        path = tmp_path / "house.yaml"
        path.write_text(path.read_text("utf-8").replace("title: ", "title: Our ", 1), "utf-8")
        return str(tmp_path)

    def test_drafts_what_differs_and_nothing_else(
        self, run: Run, changed: str, carla: User
    ) -> None:
        told = run("load", changed, "--why", "It reads better.", "--as", "carla")
        assert told == "drafted house.yaml version 2\n"
        draft = RuleDocumentVersion.objects.get(state="drafted")
        assert (draft.drafted_by, draft.why) == (carla, "It reads better.")
        assert "title: Our " in draft.text

    def test_prints_what_was_drafted_as_data(self, run: Run, changed: str, carla: User) -> None:
        told = run("load", changed, "--why", "It reads better.", "--as", "carla", "--json")
        assert json.loads(told) == {"drafted": ["house.yaml version 2"]}

    @pytest.mark.parametrize(
        ("name", "sentence"),
        [("nemo", "Nobody has that name"), ("ana", "may not draft rules")],
        ids=["nobody", "a reviewer"],
    )
    def test_is_refused_to_whoever_is_no_counsel(
        self, changed: str, ana: User, name: str, sentence: str
    ) -> None:
        with pytest.raises(CommandError, match=sentence):
            call_command("rulebook", "load", changed, "--why", "It reads better.", "--as", name)
        assert not RuleDocumentVersion.objects.filter(state="drafted").exists()
