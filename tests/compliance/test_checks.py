"""Checks: what an operator is told before the first request."""

from pathlib import Path
from typing import Any

import pytest
from django.core import checks
from django.db import connection

from compliance.audit import checkpoints, timestamps
from compliance.checks import (
    anchors_can_be_checked,
    keys_are_private,
    production_is_meant,
    roles_are_complete,
)
from compliance.roles import ROLES, Role
from compliance.vault import keys


class TestRolesAreComplete:
    def test_holds(self) -> None:
        assert roles_are_complete() == []

    def test_names_a_role_without_permissions(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(ROLES, Role.AUDITOR)
        (error,) = roles_are_complete()
        assert (error.id, error.msg) == ("dutyline.E001", "The role auditor has no permissions.")
        assert error.is_serious()


class TestKeysArePrivate:
    def test_holds_for_all_that_we_make(self, settings: Any, finding: object) -> None:
        keys.provider().wrap("2026", bytes(16), {})
        checkpoints.seal_due()
        assert {path.name for path in settings.KEYS_DIR.iterdir()} == {
            "kek-2026", "log-signing-key", "log-head",
        }  # fmt: skip
        assert keys_are_private() == []

    def test_holds_before_there_is_a_key(self, settings: Any, tmp_path: Path) -> None:
        settings.KEYS_DIR = tmp_path / "nowhere"
        assert keys_are_private() == []

    @pytest.mark.parametrize("mode", [0o604, 0o640, 0o620, 0o601])
    def test_names_each_key_that_others_may_touch(
        self, settings: Any, log_key: Path, mode: int
    ) -> None:
        for name in ("kek-2026", "kek-2027"):
            (settings.KEYS_DIR / name).write_bytes(b"")
            (settings.KEYS_DIR / name).chmod(mode)
        found = keys_are_private()
        assert [(each.id, each.msg) for each in found] == [
            ("dutyline.E002", "The key file kek-2026 can be read by others."),
            ("dutyline.E002", "The key file kek-2027 can be read by others."),
        ]
        assert all(each.is_serious() for each in found)

    def test_lets_everybody_read_the_head_of_the_log(self, settings: Any, log_key: Path) -> None:
        Path(settings.LOG_HEAD_FILE).write_text("A signed state.")
        Path(settings.LOG_HEAD_FILE).chmod(0o644)
        assert keys_are_private() == []


class TestAnchorsCanBeChecked:
    def test_says_nothing_where_nobody_is_named(self) -> None:
        assert anchors_can_be_checked() == []

    def test_names_a_key_that_is_none(self, settings: Any) -> None:
        settings.WITNESSES = [("wanda+00000000+AAAA", "https://w.example.org")]
        (found,) = anchors_can_be_checked()
        assert (found.id, found.msg.partition(":")[0]) == ("dutyline.E011", "DUTYLINE_WITNESSES")

    @pytest.mark.parametrize(
        ("package", "told"), [("django", set()), ("no_package", {"dutyline.E012"})]
    )
    def test_names_the_package_that_time_stamps_want(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch, package: str, told: set[str]
    ) -> None:
        settings.TIMESTAMP_URL = "https://stamps.example.org"
        monkeypatch.setattr(timestamps, "PACKAGE", package)
        assert {each.id for each in anchors_can_be_checked()} == told


class TestProductionIsMeant:
    @pytest.mark.parametrize(
        ("vendor", "broker", "address", "told"),
        [
            ("postgresql", "amqp://localhost", "https://duty.example.org", set()),
            ("sqlite", "amqp://localhost", "https://duty.example.org", {"dutyline.W001"}),
            ("postgresql", "", "https://duty.example.org", {"dutyline.W002"}),
            ("postgresql", "amqp://localhost", "http://localhost:8000", {"dutyline.W003"}),
            ("sqlite", "", "http://x", {"dutyline.W001", "dutyline.W002", "dutyline.W003"}),
        ],
    )
    def test_names_what_a_deployment_still_wants(
        self,
        settings: Any,
        monkeypatch: pytest.MonkeyPatch,
        vendor: str,
        broker: str,
        address: str,
        told: set[str],
    ) -> None:
        monkeypatch.setattr(connection, "vendor", vendor)
        settings.BROKER_URL, settings.BASE_URL = broker, address
        settings.LEGAL_PROCESS_URL = "https://duty.example.org/serve"
        assert {each.id for each in production_is_meant()} == told

    def test_names_where_legal_process_is_served(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connection, "vendor", "postgresql")
        settings.BROKER_URL, settings.BASE_URL = "amqp://localhost", "https://duty.example.org"
        assert settings.LEGAL_PROCESS_URL == ""
        assert [each.id for each in production_is_meant()] == ["dutyline.W004"]

    def test_is_asked_before_a_deployment_only(self) -> None:
        known = checks.registry.registry
        assert production_is_meant in known.deployment_checks
        assert {
            roles_are_complete,
            keys_are_private,
            anchors_can_be_checked,
        } <= known.registered_checks
