"""The directory: pieces in any order, a short write goes on, and nobody else may look."""

import os
from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from compliance.vault import uploads

STORE = uploads.store()
NAME = "ab/abc"


def stored() -> bytes:
    return Path(default_storage.path(NAME)).read_bytes()


class TestDirectory:
    def test_puts_pieces_where_they_belong_in_whatever_order(self) -> None:
        token = STORE.begin(NAME)
        for number, offset, data in ((1, 3, b"def"), (0, 0, b"abc"), (1, 3, b"def")):
            STORE.put(NAME, token, number, offset, data)
        STORE.finish(NAME, token)
        assert stored() == b"abcdef"

    def test_writes_on_where_the_system_wrote_less(self, monkeypatch: pytest.MonkeyPatch) -> None:
        write = os.pwrite
        monkeypatch.setattr(os, "pwrite", lambda handle, data, at: write(handle, data[:2], at))
        STORE.put(NAME, STORE.begin(NAME), 0, 0, b"abcde")
        assert stored() == b"abcde"

    def test_begins_nothing_over_an_object_that_is_there(self) -> None:
        STORE.begin(NAME)
        with pytest.raises(FileExistsError):
            STORE.begin(NAME)

    def test_is_for_its_owner_alone(self, home: Path) -> None:
        STORE.begin(NAME)
        modes = {path: path.stat().st_mode & 0o777 for path in (home / "evidence").rglob("*")}
        assert set(modes.values()) == {0o700, 0o600}
        assert (home / "evidence").stat().st_mode & 0o777 == 0o700

    def test_discards_twice_without_harm(self) -> None:
        STORE.begin(NAME)
        STORE.discard(NAME)
        STORE.discard(NAME)
        assert not Path(default_storage.path(NAME)).exists()
