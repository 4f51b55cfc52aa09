"""Documents: every text of the law stays as it was decided on, whoever tries to change it."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from compliance import documents
from compliance.documents import Decided, RuleDocument, RuleDocumentVersion, State
from compliance.jurisdictions import Problems
from compliance.releases import Release
from compliance.roles import User

decided_law = import_module("compliance.migrations.0010_decided_law")


class TestShipped:
    def test_leaves_no_file_of_the_law_out(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("facts.yaml", "uk-tact.yaml", "uk-tact.cases.yaml", "notes.txt"):
            (tmp_path / name).write_text(f"ä {name}", "utf-8")
        monkeypatch.setattr(documents, "RULEBOOKS", tmp_path)
        texts = documents.shipped().texts
        assert documents.law_in(texts) == {
            "facts.yaml": "ä facts.yaml", "uk-tact.yaml": "ä uk-tact.yaml",
        }  # fmt: skip
        assert documents.cases_in(texts) == {"uk-tact.cases.yaml": "ä uk-tact.cases.yaml"}

    def test_is_another_set_as_soon_as_one_byte_is_another(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = []
        for number, text in enumerate(("a", "a ", "a")):
            folder = tmp_path / str(number)
            folder.mkdir()
            (folder / "a.yaml").write_text(text, "utf-8")
            monkeypatch.setattr(documents, "RULEBOOKS", folder)
            found.append(documents.shipped().sha256)
        assert (found[0] == found[2], found[0] == found[1]) == (True, False)


class TestKind:
    def test_is_what_the_schema_says(self) -> None:
        assert documents.kind("a.yaml", "schema: cases/1") == documents.Kind.CASES

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("schema: law/1", "a.yaml, line 1: schema: must name its schema: vocabulary/1"),
            ("- schema", "a.yaml, line 1: schema: must name its schema"),
            ("a: 1\na: 2", "a.yaml, line 2: the key 'a' stands here twice."),
        ],
    )
    def test_is_refused_with_the_line_if_nobody_can_tell(self, text: str, said: str) -> None:
        with pytest.raises(Problems) as refused:
            documents.kind("a.yaml", text)
        assert str(refused.value).startswith(said)


class TestVersion:
    @pytest.mark.slow
    @pytest.mark.parametrize("state", ["approved", "rejected", "shipped"])
    def test_that_is_decided_is_never_saved_again(
        self, state: str, request: pytest.FixtureRequest
    ) -> None:
        version = decide(state, request)
        version.why = "Another reason."
        with pytest.raises(Decided):
            version.save()
        assert Decided().message.endswith("Draft a new version.")

    @pytest.mark.slow
    @pytest.mark.parametrize("state", ["approved", "rejected", "shipped"])
    @pytest.mark.parametrize("change", [{"text": "x"}, {"state": "drafted"}, {"why": "y"}])
    def test_that_is_decided_is_not_changed_in_sql_either(
        self, state: str, change: dict[str, str], request: pytest.FixtureRequest
    ) -> None:
        version = decide(state, request)
        with pytest.raises(IntegrityError, match=decided_law.REFUSAL), transaction.atomic():
            RuleDocumentVersion.objects.filter(pk=version.pk).update(**change)

    @pytest.mark.parametrize("change", [{"text": "x"}, {"sha256": "y"}, {"number": 9}])
    def test_that_is_submitted_keeps_its_text(
        self, submitted: RuleDocumentVersion, change: dict[str, Any]
    ) -> None:
        with pytest.raises(IntegrityError, match=decided_law.REFUSAL), transaction.atomic():
            RuleDocumentVersion.objects.filter(pk=submitted.pk).update(**change)

    def test_is_open_once_a_document(self, drafted: RuleDocumentVersion, dora: User) -> None:
        with pytest.raises(IntegrityError, match=r"UNIQUE|one_open_change"), transaction.atomic():
            RuleDocumentVersion.objects.create(
                document=drafted.document, number=9, text="x", drafted_by=dora
            )

    def test_is_numbered_once_a_document(self, drafted: RuleDocumentVersion) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            RuleDocumentVersion.objects.create(
                document=drafted.document, number=1, text="x", state=State.SHIPPED
            )

    def test_is_drafted_by_somebody_unless_it_is_shipped(
        self, recorded: Release, carla: User
    ) -> None:
        document = RuleDocument.objects.get(key="house.yaml")
        for state, by in (("shipped", carla), ("drafted", None)):
            with pytest.raises(IntegrityError, match="drafted_by_nobody"), transaction.atomic():
                RuleDocumentVersion.objects.create(
                    document=document, number=9, text="x", state=state, drafted_by=by
                )

    @pytest.mark.parametrize("state", ["approved", "rejected"])
    def test_is_decided_by_somebody_else_and_stamped(
        self, submitted: RuleDocumentVersion, carla: User, state: str
    ) -> None:
        stamps = {f"{state}_at": timezone.now(), f"{state}_by": carla}
        for changes, name in (
            ({"state": state}, "is_stamped"),
            ({"state": state, **stamps}, "by_a_second_person"),
        ):
            with pytest.raises(IntegrityError, match=name), transaction.atomic():
                RuleDocumentVersion.objects.filter(pk=submitted.pk).update(**changes)


class TestTriggers:
    @pytest.mark.parametrize("table", decided_law.TABLES)
    def test_let_nobody_delete_or_replace(self, table: str, recorded: Release) -> None:
        statements = [f"DELETE FROM {table}"]  # noqa: S608
        if connection.vendor == "sqlite":
            statements.append(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")  # noqa: S608
        for statement in statements:
            with (
                pytest.raises(DatabaseError, match=decided_law.REFUSAL),
                transaction.atomic(),
                connection.cursor() as cursor,
            ):
                cursor.execute(statement)

    @pytest.mark.parametrize("vendor", ["sqlite", "postgresql"])
    def test_guard_every_table_on_both_databases(self, vendor: str) -> None:
        text = "\n".join(decided_law.statements(vendor))
        for table in decided_law.TABLES:
            assert f"BEFORE UPDATE ON {table} " in text
            assert f"BEFORE DELETE ON {table} " in text


def decide(state: str, request: pytest.FixtureRequest) -> RuleDocumentVersion:
    """Return a version in a state that is the last one."""
    if state == "shipped":
        request.getfixturevalue("recorded")
        return RuleDocumentVersion.objects.get(document__key="house.yaml")
    if state == "approved":
        request.getfixturevalue("enacted")
        return RuleDocumentVersion.objects.get(state=state)
    drafts = import_module("compliance.drafts")
    change, dora = (request.getfixturevalue(name) for name in ("submitted", "dora"))
    return drafts.reject(change, because="Not so.", by=dora)
