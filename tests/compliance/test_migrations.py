"""Migrations: what older databases hold is carried over, row by row."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

NOW = timezone.now()


@pytest.fixture
def old(django_db_blocker: Any) -> Iterator[Any]:
    """An empty database of its own, to be migrated from one state of the code to the next."""
    memory = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "OPTIONS": {}}
    connections.databases["old"] = connections["default"].settings_dict | memory
    with django_db_blocker.unblock():
        yield lambda to: MigrationExecutor(connections["old"]).migrate([("compliance", to)]).apps
        connections["old"].close()
    del connections["old"], connections.databases["old"]


@pytest.mark.slow
class TestTheLadder:
    def test_is_carried_over_with_who_recorded_it_and_when(self, old: Any) -> None:
        apps = old("0003_finding_contributors")
        ana = (
            apps.get_model("compliance", "User")
            .objects.using("old")
            .create(username="ana", role="reviewer")
        )
        finding = apps.get_model("compliance", "Finding").objects.using("old").create(
            statement="It names a place.", knowledge="actual_knowledge", suspicion_at=NOW,
            actual_at=NOW, recorded_by=ana, recorded_at=NOW,
        )  # fmt: skip
        rungs = old("0005_append_only_ladder").get_model("compliance", "Rung").objects.using("old")
        told = rungs.values_list("finding", "rung", "reached_at", "recorded_at", "recorded_by")
        assert list(told) == [
            (finding.pk, rung, NOW, NOW, ana.pk) for rung in ("suspicion", "actual_knowledge")
        ]


@pytest.mark.slow
class TestADetermination:
    def test_is_said_to_hold_under_what_it_was_made_of(self, old: Any) -> None:
        apps = old("0005_append_only_ladder")
        made = {
            name: apps.get_model("compliance", name).objects.using("old")
            for name in ("User", "Finding", "Release", "Determination", "Obligation")
        }
        ana = made["User"].create(username="ana", role="reviewer")
        finding = made["Finding"].create(knowledge="suspicion", recorded_by=ana, version=7)
        law = made["Release"].create(sha256="0" * 64)
        told = {"snapshot": {}, "result": {}, "explanation": {}, "rule_time": NOW}
        one = made["Determination"].create(finding=finding, release=law, proposed_at=NOW, **told)
        for to in ("bka", "fbi"):
            made["Obligation"].create(
                determination_id=one.pk,
                recipient=to,
                kind="duty",
                because=[],
                release=[],
                withhold={},
            )
        apps = old("0006_superseding")
        kept = apps.get_model("compliance", "Determination").objects.using("old").get()
        assert (kept.checked_at, kept.checked_version) == (NOW, 7)
        assert (kept.checked_release_id, kept.checked_profile) == (law.pk, None)
        assert (kept.is_newest, kept.checks, kept.state) == (True, 0, "proposed")
        obligations = apps.get_model("compliance", "Obligation").objects.using("old")
        assert len(set(obligations.values_list("chain", flat=True))) == 2
