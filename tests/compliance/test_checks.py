"""Checks: what an operator is told before the first request."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core import checks
from django.db import connection

from compliance.audit import checkpoints, timestamps
from compliance.checks import (
    anchors_can_be_checked,
    key_providers_are_at_hand,
    keys_are_private,
    keys_in_use_open,
    production_is_meant,
    roles_are_complete,
)
from compliance.errors import KeeperAway
from compliance.roles import ROLES, Role
from compliance.vault import keys, providers


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
        providers.named("local").make("2026")
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


class TestKeyProvidersAreAtHand:
    @pytest.mark.parametrize(
        ("named", "told"),
        [
            ({"local": {}}, []),
            ({}, ["names nobody who can unwrap"]),
            ({"local": {"folder": ""}}, ["local takes texts called folder"]),
            ({"local": {}, "gcp": {}}, ["knows local, aws, vault, pkcs11, but not gcp"]),
        ],
    )
    def test_says_what_is_wrong_with_the_settings(
        self, monkeypatch: pytest.MonkeyPatch, named: dict[str, Any], told: list[str]
    ) -> None:
        monkeypatch.setattr("django.conf.settings.KEY_PROVIDERS", named)
        found = key_providers_are_at_hand()
        assert [each.id for each in found] == ["dutyline.E003"] * len(told)
        assert all(part in each.msg for each, part in zip(found, told, strict=True))

    def test_names_a_file_that_cannot_be_read(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        pytest.importorskip("hvac", reason="hvac is not installed")
        named = {"vault": {"url": "http://127.0.0.1:9", "token_file": str(tmp_path / "no")}}
        monkeypatch.setattr("django.conf.settings.KEY_PROVIDERS", named)
        (error,) = key_providers_are_at_hand()
        assert error.msg == "DUTYLINE_KEY_PROVIDERS: the token_file of vault cannot be read."


@pytest.mark.usefixtures("db", "worker")
class TestKeysInUseOpen:
    def test_holds_while_every_key_opens_what_it_wrapped(self) -> None:
        keys.keep(UUID(int=7), bytes(16))
        assert keys_in_use_open(databases=["default"]) == []

    def test_names_a_key_that_is_lost(self, settings: Any) -> None:
        wrap = keys.keep(UUID(int=7), bytes(16))
        (settings.KEYS_DIR / f"kek-{wrap.key_id}").unlink()
        (error,) = keys_in_use_open(databases=["default"])
        assert error.id == "dutyline.E004"
        assert error.msg.startswith(f"The key {wrap.key_id} of local is lost: ")

    def test_only_warns_of_a_keeper_that_is_away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        keys.keep(UUID(int=7), bytes(16))

        def away(kek: object) -> None:
            raise KeeperAway

        monkeypatch.setattr(keys, "open_one", away)
        (warning,) = keys_in_use_open(databases=["default"])
        assert (warning.id, warning.is_serious()) == ("dutyline.W004", False)

    def test_asks_no_database_that_it_was_not_given(self) -> None:
        assert keys_in_use_open(databases=None) == []


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
        settings.TIMESTAMP_ROOTS = "roots.pem"
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
