"""Vault: what the transit engine refuses, and when it merely does not answer."""

from pathlib import Path
from typing import Any

import pytest

from compliance.errors import KeeperAway, KeyUnusable
from compliance.vault import providers
from compliance.vault.providers import Context, KeyProvider
from tests.compliance.vault.providers import transit

OURS = Context("7c1c4187-2c17-4347-af92-2568684b5d77", "2026")
FILE_KEY = b"sixteen bytes ok"
Served = tuple[str, transit.Engine]
pytestmark = pytest.mark.slow


class TestWrap:
    def test_binds_the_context_and_shows_vault_nothing_else(
        self, vault: KeyProvider, engine: Served
    ) -> None:
        vault.make("2026")
        assert engine[1].keys["dutyline-2026"]["type"] == "aes256-gcm96"
        assert vault.wrap(FILE_KEY, OURS).startswith(b"vault:v1:")
        assert set(engine[1].seen[-1]) == {"plaintext", "associated_data"}


class TestUnwrap:
    def test_is_refused_with_another_token(self, vault: KeyProvider, tmp_path: Path) -> None:
        vault.make("2026")
        blob = vault.wrap(FILE_KEY, OURS)
        (tmp_path / "token").write_text("s.renewed-elsewhere")
        with pytest.raises(KeyUnusable, match=r"^Vault refuses: Forbidden\.$"):
            vault.unwrap(blob, OURS)

    @pytest.mark.parametrize("status", [429, 500, 502, 503])
    def test_waits_while_vault_is_sealed_or_busy(
        self, vault: KeyProvider, engine: Served, status: int
    ) -> None:
        vault.make("2026")
        blob = vault.wrap(FILE_KEY, OURS)
        engine[1].fails_with = status
        with pytest.raises(KeeperAway, match="Vault does not answer"):
            vault.unwrap(blob, OURS)
        engine[1].fails_with = 0
        assert vault.unwrap(blob, OURS) == FILE_KEY

    def test_waits_for_a_server_that_nobody_reaches(self, tmp_path: Path) -> None:
        pytest.importorskip("hvac", reason="hvac is not installed")
        (tmp_path / "token").write_text("s.sample")
        told = {"url": "http://127.0.0.1:9", "token_file": str(tmp_path / "token")}
        with pytest.raises(KeeperAway, match="Vault does not answer: ConnectionError"):
            providers.load("vault", told).unwrap(b"vault:v1:", OURS)

    def test_waits_for_a_token(self, vault: Any, tmp_path: Path) -> None:
        (tmp_path / "token").unlink()
        with pytest.raises(KeeperAway, match=r"The token of Vault cannot be read\."):
            vault.unwrap(b"vault:v1:", OURS)
        with pytest.raises(Exception, match="the token_file of vault cannot be read"):
            vault.check()
