"""Local: a key file is its owner's alone, and no key is ever replaced in silence."""

import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from compliance.errors import KeyUnusable
from compliance.vault import providers
from compliance.vault.providers import Context, KeyProvider, local

OURS = Context("7c1c4187-2c17-4347-af92-2568684b5d77", "2026")
FILE_KEY = b"sixteen bytes ok"
UNOPENED = "A wrapped key does not open under its key and context"


@pytest.fixture
def keeper(tmp_path: Path) -> KeyProvider:
    """The provider, with a folder of its own."""
    return providers.load("local", {"folder": str(tmp_path / "vault")})


@pytest.fixture
def kek(keeper: KeyProvider, tmp_path: Path) -> Path:
    """The key-encryption key of the year 2026, in its file."""
    keeper.make("2026")
    return tmp_path / "vault" / "kek-2026"


class TestMake:
    def test_leaves_the_key_to_its_owner_alone(self, kek: Path) -> None:
        assert kek.stat().st_mode & 0o777 == 0o600
        assert kek.parent.stat().st_mode & 0o777 == 0o700
        assert len(base64.b64decode(kek.read_bytes())) == 32
        assert [path.name for path in kek.parent.iterdir()] == ["kek-2026"]

    def test_uses_the_folder_of_our_keys_if_none_is_named(
        self, settings: Any, local: KeyProvider
    ) -> None:
        local.make("2026")
        assert (settings.KEYS_DIR / "kek-2026").exists()


class TestWrap:
    def test_returns_nonce_ciphertext_and_tag(self, keeper: KeyProvider, kek: Path) -> None:
        assert len(keeper.wrap(FILE_KEY, OURS)) == 12 + len(FILE_KEY) + 16


class TestUnwrap:
    def test_refuses_any_changed_byte(self, keeper: KeyProvider, kek: Path) -> None:
        blob = keeper.wrap(FILE_KEY, OURS)
        for at in range(len(blob)):
            changed = bytearray(blob)
            changed[at] ^= 1
            with pytest.raises(KeyUnusable, match=UNOPENED):
                keeper.unwrap(bytes(changed), OURS)

    def test_refuses_any_other_length(self, keeper: KeyProvider, kek: Path) -> None:
        blob = keeper.wrap(FILE_KEY, OURS)
        for length in range(len(blob)):
            with pytest.raises(KeyUnusable, match=UNOPENED):
                keeper.unwrap(blob[:length], OURS)

    def test_says_which_key_is_missing_and_makes_none(self, keeper: KeyProvider, kek: Path) -> None:
        kek.unlink()
        with pytest.raises(KeyUnusable, match=r"The key-encryption key 2026 cannot be read\."):
            keeper.unwrap(bytes(44), OURS)
        assert not kek.exists()

    @pytest.mark.parametrize(
        "content", [b"", b"%%%", base64.b64encode(bytes(31)), base64.b64encode(bytes(32)) + b"%"]
    )
    def test_says_which_key_is_damaged(
        self, keeper: KeyProvider, kek: Path, content: bytes
    ) -> None:
        kek.write_bytes(content)
        with pytest.raises(KeyUnusable, match="key 2026 is not base64 of 32 bytes"):
            keeper.unwrap(bytes(44), OURS)


class TestDestroy:
    def test_overwrites_the_key_before_it_unlinks_it(self, keeper: KeyProvider, kek: Path) -> None:
        second_name = kek.with_name("second-name")
        second_name.hardlink_to(kek)
        keeper.destroy("2026")
        assert not kek.exists()
        assert second_name.read_bytes() == bytes(44)


class TestMakeSecret:
    def test_keeps_the_secret_of_whoever_was_first(self, tmp_path: Path) -> None:
        local.make_secret(tmp_path / "a" / "b" / "secret", b"first")
        local.make_secret(tmp_path / "a" / "b" / "secret", b"second")
        (path,) = (tmp_path / "a" / "b").iterdir()
        assert base64.b64decode(path.read_bytes()) == b"first"

    def test_lets_two_begin_at_once_and_agree(self, tmp_path: Path) -> None:
        both = threading.Barrier(2)

        def make(secret: bytes) -> list[bytes]:
            read = []
            for number in range(50):
                both.wait()
                local.make_secret(tmp_path / "secrets" / f"{number}", secret)
                read.append(base64.b64decode((tmp_path / "secrets" / f"{number}").read_bytes()))
            return read

        with ThreadPoolExecutor(2) as pool:
            mine, theirs = pool.map(make, [b"a" * 32, b"b" * 32])
        assert mine == theirs
        assert set(mine) <= {b"a" * 32, b"b" * 32}  # each was whole when it was read
        assert len(list((tmp_path / "secrets").iterdir())) == 50  # and no draft is left
