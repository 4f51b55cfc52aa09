"""Figures: what becomes of referrals, counted for the public report, and the command for it."""

import json
from datetime import datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from compliance import transparency
from compliance.roles import User
from compliance.transparency import Half, TransparencyReport
from referrals import docket, figures, inquiries, receipts
from referrals.clients import LiaisonClient
from referrals.docket import Referral
from referrals.inquiries import TaskingNotSupported
from tests.cast import NOW

pytestmark = pytest.mark.usefixtures("worker")

HALF = Half.of(NOW.date())
LETTER = {"asks": "preservation", "legal_process": "mlat", "process_reference": "7"}
DAYS = ("--from", "2020-01-01", "--to", "2020-12-31")


def run(*words: str) -> str:
    out = StringIO()
    call_command("transparency_report", *words, stdout=out)
    return out.getvalue()


class TestHappened:
    @pytest.mark.slow
    def test_counts_what_became_of_referrals_and_what_agencies_asked(
        self, delivered: Referral, lee: LiaisonClient, carla: User
    ) -> None:
        for verb in (inquiries.answer, inquiries.refuse):
            verb(inquiries.receive(delivered, **LETTER, by=lee), reply="Yes or no.", by=carla)
        with pytest.raises(TaskingNotSupported):
            inquiries.refuse_tasking(delivered, request_sha256="0f" * 32, by=lee)
        receipts.acknowledge(
            delivered, agency_reference="SZ-17", receipt_sha256=delivered.bundle.sha256, by=lee
        )
        rows = list(figures.happened(HALF.end))
        assert sorted((each.table, each.cell) for each in rows) == [
            ("acknowledgements", "acknowledged"),
            ("orders", "refused"),
            ("referrals", "delivered"),
            ("requests-of-agencies", "answered"),
            ("requests-of-agencies", "refused"),
        ]
        # Each belongs to its matter, so that a silence about it covers it.
        assert {each.finding for each in rows} == {delivered.obligation.determination.finding_id}
        assert all(each.cell in _cells(each.table) for each in rows)

    def test_counts_what_was_withdrawn(self, entered: Referral, carla: User) -> None:
        docket.withdraw(entered, because="A parody.", by=carla)
        assert [each.cell for each in figures.happened(HALF.end)] == ["withdrawn"]


def _cells(name: str) -> Any:
    return next(each.cells for each in figures.tables() if each.name == name)


class TestPublish:
    def test_is_about_the_rooms_of_both_sides(self, delivered: Referral) -> None:
        found = figures.publish(HALF, at=HALF.due).figures
        assert found.keys() == {each.name for each in figures.tables()}
        assert len(found) == len(figures.tables())
        assert found["referrals"] == {
            "cells": {"delivered": None, "withdrawn": None},
            "total": None,
        }
        assert found["acknowledgements"] == {"cells": {"acknowledged": 0}, "total": 0}


class TestCommand:
    @pytest.fixture
    def busy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A provider that had much to do in the first half of 2020."""
        at = datetime.fromisoformat("2020-03-01T09:00:00+00:00")
        row = transparency.Happened("referrals", "delivered", at, None)
        few = row._replace(cell="withdrawn")
        monkeypatch.setattr(figures, "happened", lambda before: [row] * 1200 + [few] * 2)

    @pytest.mark.usefixtures("busy", "db")
    def test_prints_tables_to_read(self) -> None:
        text = run(*DAYS)
        assert "2020-H1, made on " in text
        assert "2020-H2, made on " in text
        lines = [" ".join(line.split()) for line in text.splitlines()]
        assert "Referrals settled" in lines
        assert "delivered to the agency -" in lines
        assert "withdrawn before that -" in lines
        assert "together 1,202" in lines
        assert (
            "Findings recorded, by what became of the item (Regulation (EU) 2021/784 Art 7(3)(c),"
            in text
        )
        TransparencyReport.objects.all()

    @pytest.mark.usefixtures("busy", "db")
    def test_prints_one_object_and_the_same_again(self) -> None:
        first = json.loads(run(*DAYS, "--json"))
        assert first == json.loads(run(*DAYS, "--json"))
        assert (first["schema"], first["suppressed_below"]) == ("transparency/1", 10)
        assert [each["half"] for each in first["reports"]] == ["2020-H1", "2020-H2"]
        figure = first["reports"][0]["figures"]["referrals"]
        assert figure == {"cells": {"delivered": None, "withdrawn": None}, "total": 1202}
        assert first["tables"]["referrals"]["cells"].keys() == figure["cells"].keys()

    def test_leaves_out_a_table_that_there_was_not_yet(self, db: object) -> None:
        old = {"orders": {"cells": {"refused": 0}, "total": 0}}
        for half in ("2020-H1", "2020-H2"):
            TransparencyReport.objects.create(half=half, figures=old, made_at=NOW)
        text = run(*DAYS)
        assert "Orders of agencies to watch or to search" in text
        assert "Referrals settled" not in text

    @pytest.mark.parametrize(
        ("days", "told"),
        [
            (("--from", "2020-01-01", "--to", "2020-12-30"), "made for whole half-years"),
            (("--from", f"{HALF.start:%F}", "--to", f"{HALF.end:%Y}-06-30"), "made f"),
            (("--from", "then", "--to", "2020-12-31"), "'then' is no day: write 2026-01-01"),
            (("--from", "2020-01-01"), "--to"),
        ],
    )
    def test_refuses_what_it_cannot_tell(
        self, db: object, days: tuple[str, ...], told: str
    ) -> None:
        with pytest.raises(CommandError, match=told):
            run(*days)
        assert not TransparencyReport.objects.exists()
