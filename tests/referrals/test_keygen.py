"""keygen: makes the keys that are missing, shows their public halves, and overwrites none."""

import shutil
import stat
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from compliance.audit import signing
from referrals import bundles


def keygen() -> str:
    """Run the command and return what it printed."""
    call_command("keygen", stdout=(out := StringIO()))
    return out.getvalue()


@pytest.mark.usefixtures("db")
class TestKeygen:
    def test_makes_three_private_keys_and_shows_public_halves(self, settings: Any) -> None:
        told = keygen()
        kek = settings.KEYS_DIR / f"kek-{timezone.now().year}"
        made = [settings.LOG_KEY_FILE, settings.KEYS_DIR / "service-signing-key", kek]
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in made)
        assert signing.vkey() in told
        assert bundles.allowed_signers().strip() in told
        assert not any(path.read_text().strip() in told for path in made)
        assert set(settings.KEYS_DIR.iterdir()) == set(made)

    def test_leaves_what_is_there(self, settings: Any) -> None:
        first = keygen()
        secrets = {path.name: path.read_bytes() for path in settings.KEYS_DIR.iterdir()}
        assert keygen() == first
        assert {path.name: path.read_bytes() for path in settings.KEYS_DIR.iterdir()} == secrets

    def test_makes_one_that_is_missing_and_leaves_the_others(self, settings: Any) -> None:
        keygen()
        kek = settings.KEYS_DIR / f"kek-{timezone.now().year}"
        secrets = {path.name: path.read_bytes() for path in settings.KEYS_DIR.iterdir()}
        (settings.KEYS_DIR / "service-signing-key").unlink()
        keygen()
        changed = {
            path.name
            for path in settings.KEYS_DIR.iterdir()
            if path.read_bytes() != secrets[path.name]
        }
        assert changed == {"service-signing-key"}
        assert kek.exists()

    @pytest.mark.parametrize(
        ("name", "sentence"),
        [
            ("log-signing-key", "The log's signing key file is not base64 of 32 bytes."),
            ("service-signing-key", "The service's signing key file is not base64 of 32 bytes."),
        ],
    )
    def test_overwrites_no_file_that_is_broken(
        self, settings: Any, log_key: Path, name: str, sentence: str
    ) -> None:
        (settings.KEYS_DIR / name).write_text("not a key")
        with pytest.raises(CommandError, match=sentence):
            keygen()
        assert (settings.KEYS_DIR / name).read_text() == "not a key"

    def test_says_in_one_line_when_there_is_no_place_for_keys(self, settings: Any) -> None:
        shutil.rmtree(settings.KEYS_DIR)
        settings.KEYS_DIR.touch()
        with pytest.raises(CommandError, match=r"^FileExistsError: .*keys'$"):
            keygen()
