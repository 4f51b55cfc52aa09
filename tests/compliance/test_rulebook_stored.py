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

from compliance import releases
from compliance.determinations import Determination
from compliance.releases import Release

Run = Callable[..., str]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def run() -> Run:
    """Run the command and return what it prints."""

    def call(*arguments: str) -> str:
        out = StringIO()
        call_command("rulebook", *arguments, stdout=out)
        return out.getvalue()

    return call


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

    def test_checks_the_hashes_of_what_rests_on_another_law(
        self, run: Run, signed: Determination
    ) -> None:
        Release.objects.filter(pk=signed.release_id).update(sha256="0" * 64)
        assert run("verify") == "1 of another law, hashes hold, 0 broken\n"
        assert json.loads(run("verify", "--json")) == {
            "broken": [], "sound": {"of another law, hashes hold": 1},
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
