"""PKCS#11: a key never leaves the module; a lost session is opened again."""

from pathlib import Path
from typing import Any

import pytest

from compliance.errors import KeeperAway, KeyUnusable
from compliance.vault import providers
from compliance.vault.providers import Context

OURS = Context("7c1c4187-2c17-4347-af92-2568684b5d77", "2026")
FILE_KEY = b"sixteen bytes ok"
pytestmark = pytest.mark.slow


class TestMake:
    def test_makes_a_key_that_cannot_leave(self, pkcs11: Any) -> None:
        library = pytest.importorskip("pkcs11")
        pkcs11.make("2026")
        key = pkcs11._found(pkcs11._session, "2026")
        assert key[library.Attribute.EXTRACTABLE] is False
        with pytest.raises(library.exceptions.AttributeSensitive):
            key[library.Attribute.VALUE]


class TestUnwrap:
    def test_says_that_the_module_holds_no_such_key(self, pkcs11: Any) -> None:
        with pytest.raises(KeyUnusable, match=r"The hardware module holds no such key\."):
            pkcs11.unwrap(bytes(44), OURS)

    # The library looks back at the session that was closed under it.
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    def test_opens_a_session_anew_after_one_was_lost(self, pkcs11: Any) -> None:
        pkcs11.make("2026")
        blob = pkcs11.wrap(FILE_KEY, OURS)
        pkcs11._session.close()
        with pytest.raises(KeeperAway, match="The hardware module fails: Session"):
            pkcs11.unwrap(blob, OURS)
        assert pkcs11.unwrap(blob, OURS) == FILE_KEY

    @pytest.mark.parametrize(
        ("option", "value"),
        [("token", "another"), ("library", "/nowhere.so"), ("pin_file", "/nowhere")],
    )
    def test_waits_for_a_module_that_is_not_there(
        self, softhsm: dict[str, str], option: str, value: str
    ) -> None:
        away = providers.load("pkcs11", softhsm | {option: value})
        with pytest.raises(KeeperAway, match="The hardware module fails"):
            away.unwrap(bytes(44), OURS)

    def test_is_refused_to_a_wrong_pin(self, softhsm: dict[str, str], tmp_path: Path) -> None:
        (tmp_path / "pin").write_text("9999")
        wrong = providers.load("pkcs11", softhsm | {"pin_file": str(tmp_path / "pin")})
        with pytest.raises(KeeperAway, match="The hardware module fails: PinIncorrect"):
            wrong.make("2026")
