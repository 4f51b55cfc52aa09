"""Keys: a file key opens for its own item alone, and no key is ever replaced in silence."""

import base64
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from compliance.errors import KeyUnusable
from compliance.vault import keys
from compliance.vault.keys import FileKeyWrap, LocalProvider

CONTEXT = {"item": "7c1c4187-2c17-4347-af92-2568684b5d77", "kek": "2026", "v": "1"}
DEK = b"sixteen bytes ok"
UNOPENED = "A wrapped key does not open under its key and context"


@pytest.fixture
def local(settings: Any) -> LocalProvider:
    """The provider of this test, with an empty folder of its own."""
    return LocalProvider(settings.KEYS_DIR / "vault")


@pytest.fixture
def kek(local: LocalProvider) -> Path:
    """The key-encryption key of the year 2026, in its file."""
    local.wrap("2026", DEK, CONTEXT)
    return local.folder / "kek-2026"


class TestWrap:
    def test_makes_the_key_of_the_year_once(self, local: LocalProvider, kek: Path) -> None:
        before = kek.read_bytes()
        local.wrap("2026", DEK, CONTEXT)
        assert kek.read_bytes() == before
        assert len(base64.b64decode(before)) == 32
        assert [path.name for path in local.folder.iterdir()] == ["kek-2026"]

    def test_leaves_the_key_to_its_owner_alone(self, local: LocalProvider, kek: Path) -> None:
        assert kek.stat().st_mode & 0o777 == 0o600
        assert local.folder.stat().st_mode & 0o777 == 0o700

    def test_never_says_the_same_twice(self, local: LocalProvider) -> None:
        first, second = (local.wrap("2026", DEK, CONTEXT) for _ in range(2))
        assert first != second
        assert DEK not in first
        assert len(first) == 12 + len(DEK) + 16


class TestUnwrap:
    def test_returns_what_was_wrapped(self, local: LocalProvider) -> None:
        blob = local.wrap("2026", DEK, CONTEXT)
        assert local.unwrap("2026", blob, dict(reversed(CONTEXT.items()))) == DEK

    @pytest.mark.parametrize("name", CONTEXT)
    def test_refuses_another_context(self, local: LocalProvider, name: str) -> None:
        blob = local.wrap("2026", DEK, CONTEXT)
        for other in ({**CONTEXT, name: "another"}, {**CONTEXT, "more": ""}, {}):
            with pytest.raises(KeyUnusable, match=UNOPENED):
                local.unwrap("2026", blob, other)

    def test_refuses_any_changed_byte(self, local: LocalProvider) -> None:
        blob = local.wrap("2026", DEK, CONTEXT)
        for at in range(len(blob)):
            changed = bytearray(blob)
            changed[at] ^= 1
            with pytest.raises(KeyUnusable, match=UNOPENED):
                local.unwrap("2026", bytes(changed), CONTEXT)

    def test_refuses_any_other_length(self, local: LocalProvider) -> None:
        blob = local.wrap("2026", DEK, CONTEXT)
        for length in range(len(blob)):
            with pytest.raises(KeyUnusable, match=UNOPENED):
                local.unwrap("2026", blob[:length], CONTEXT)

    def test_refuses_the_key_of_another_year(self, local: LocalProvider) -> None:
        blob = local.wrap("2026", DEK, CONTEXT)
        local.wrap("2027", DEK, CONTEXT)
        with pytest.raises(KeyUnusable, match=UNOPENED):
            local.unwrap("2027", blob, CONTEXT)

    def test_says_which_key_is_missing_and_makes_none(
        self, local: LocalProvider, kek: Path
    ) -> None:
        kek.unlink()
        with pytest.raises(KeyUnusable, match=r"The key-encryption key 2026 cannot be read\."):
            local.unwrap("2026", bytes(44), CONTEXT)
        assert not kek.exists()

    @pytest.mark.parametrize(
        "content", [b"", b"%%%", base64.b64encode(bytes(31)), base64.b64encode(bytes(32)) + b"%"]
    )
    def test_says_which_key_is_damaged(
        self, local: LocalProvider, kek: Path, content: bytes
    ) -> None:
        kek.write_bytes(content)
        with pytest.raises(KeyUnusable, match="key 2026 is not base64 of 32 bytes"):
            local.unwrap("2026", bytes(44), CONTEXT)


class TestMakeSecret:
    def test_keeps_the_secret_of_whoever_was_first(self, tmp_path: Path) -> None:
        keys.make_secret(tmp_path / "a" / "b" / "secret", b"first")
        keys.make_secret(tmp_path / "a" / "b" / "secret", b"second")
        (path,) = (tmp_path / "a" / "b").iterdir()
        assert base64.b64decode(path.read_bytes()) == b"first"

    def test_lets_two_begin_at_once_and_agree(self, tmp_path: Path) -> None:
        both = threading.Barrier(2)

        def make(secret: bytes) -> list[bytes]:
            read = []
            for number in range(50):
                both.wait()
                keys.make_secret(tmp_path / "secrets" / f"{number}", secret)
                read.append(base64.b64decode((tmp_path / "secrets" / f"{number}").read_bytes()))
            return read

        with ThreadPoolExecutor(2) as pool:
            mine, theirs = pool.map(make, [b"a" * 32, b"b" * 32])
        assert mine == theirs
        assert set(mine) <= {b"a" * 32, b"b" * 32}  # each was whole when it was read
        assert len(list((tmp_path / "secrets").iterdir())) == 50  # and no draft is left


@pytest.mark.usefixtures("db")
class TestKeep:
    def test_puts_on_record_a_wrap_that_says_nothing(self) -> None:
        item, key = uuid.uuid4(), keys.new_file_key()
        wrap = keys.keep(item, key)
        wrap.refresh_from_db()
        assert (wrap.subject, wrap.provider) == (item, "local")
        assert wrap.key_id == f"{timezone.now().year}"
        assert key not in bytes(wrap.blob)
        assert str(wrap) == f"wrap {wrap.pk}"
        assert keys.file_key(item) == key

    def test_happens_once_for_each_item(self) -> None:
        item = uuid.uuid4()
        keys.keep(item, keys.new_file_key())
        with pytest.raises(IntegrityError), transaction.atomic():
            keys.keep(item, keys.new_file_key())

    @pytest.mark.parametrize("replaced", [False, True], ids=["lost", "replaced"])
    def test_takes_no_new_item_under_a_key_that_lost_the_old_ones(
        self, settings: Any, replaced: bool
    ) -> None:
        wrap = keys.keep(uuid.uuid4(), keys.new_file_key())
        path = settings.KEYS_DIR / f"kek-{wrap.key_id}"
        path.unlink()
        if replaced:
            keys.provider().wrap(wrap.key_id, DEK, CONTEXT)
        with pytest.raises(KeyUnusable):
            keys.keep(uuid.uuid4(), keys.new_file_key())
        assert path.exists() is replaced
        assert FileKeyWrap.objects.count() == 1


@pytest.mark.usefixtures("db")
class TestFileKey:
    def test_is_refused_for_what_has_none(self) -> None:
        with pytest.raises(KeyUnusable, match=r"There is no key for this item\."):
            keys.file_key(uuid.uuid4())

    @pytest.mark.parametrize(
        "change",
        [{"blob": bytes(44)}, {"key_id": "2000"}, {"subject": uuid.UUID(int=7)}],
        ids=lambda change: next(iter(change)),
    )
    def test_is_refused_once_the_row_was_changed(self, change: dict[str, Any]) -> None:
        wrap = keys.keep(uuid.uuid4(), keys.new_file_key())
        FileKeyWrap.objects.filter(pk=wrap.pk).update(**change)
        with pytest.raises(KeyUnusable):
            keys.file_key(change.get("subject", wrap.subject))

    def test_of_one_item_does_not_open_by_the_wrap_of_another(self) -> None:
        one, other = (keys.keep(uuid.uuid4(), keys.new_file_key()) for _ in range(2))
        FileKeyWrap.objects.filter(pk=one.pk).update(blob=bytes(other.blob))
        with pytest.raises(KeyUnusable, match=UNOPENED):
            keys.file_key(one.subject)


class TestNewKeys:
    def test_are_drawn_anew_and_long_enough(self) -> None:
        assert {len(keys.new_file_key()) for _ in range(9)} == {16}
        assert {len(keys.new_seed()) for _ in range(9)} == {32}
        assert len({keys.new_file_key() for _ in range(9)}) == 9
        assert len({keys.new_seed() for _ in range(9)}) == 9
