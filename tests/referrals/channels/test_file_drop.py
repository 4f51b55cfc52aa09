"""File drop: a file that lies there under its full name is whole, whatever was killed before."""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from referrals.channels import DeliveryFailed
from referrals.channels.file_drop import FileDrop
from tests.referrals.channels.parcel import BYTES, DIGEST, PARCEL

NAME = f"R-7K3M-9QXT-{DIGEST[:16]}.zip"


def killed() -> Iterator[bytes]:
    yield BYTES[:7]
    raise KeyboardInterrupt


def full() -> Iterator[bytes]:
    yield BYTES[:7]
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class TestTransmit:
    def test_lays_the_bytes_down_for_the_agency_alone(self, tmp_path: Path) -> None:
        said = FileDrop(tmp_path).transmit(PARCEL)
        (path,) = tmp_path.iterdir()
        assert (path.name, path.read_bytes(), said.sha256) == (NAME, BYTES, DIGEST)
        assert stat.S_IMODE(path.stat().st_mode) & 0o027 == 0

    def test_acts_once_with_the_same_parcel(self, tmp_path: Path) -> None:
        FileDrop(tmp_path).transmit(PARCEL)
        before = (tmp_path / NAME).stat().st_mtime_ns
        again = replace(PARCEL, read=killed)  # nothing is read a second time
        assert FileDrop(tmp_path).transmit(again).sha256 == DIGEST
        assert (tmp_path / NAME).stat().st_mtime_ns == before

    def test_leaves_nothing_half_written(self, tmp_path: Path) -> None:
        with pytest.raises(KeyboardInterrupt):
            FileDrop(tmp_path).transmit(replace(PARCEL, read=killed))
        assert list(tmp_path.iterdir()) == []

    def test_clears_away_what_a_killed_worker_left(self, tmp_path: Path) -> None:
        (tmp_path / f".{NAME}.0123456789abcdef").write_bytes(BYTES[:7])
        (tmp_path / ".another.zip.0123").write_bytes(b"not ours")
        FileDrop(tmp_path).transmit(PARCEL)
        assert {each.name for each in tmp_path.iterdir()} == {NAME, ".another.zip.0123"}

    def test_says_when_another_file_has_the_name(self, tmp_path: Path) -> None:
        (tmp_path / NAME).write_bytes(b"another")
        with pytest.raises(DeliveryFailed, match="Another file lies in") as caught:
            FileDrop(tmp_path).transmit(PARCEL)
        assert caught.value.permanent
        assert (tmp_path / NAME).read_bytes() == b"another"

    def test_waits_for_a_directory_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(DeliveryFailed, match="No such file or directory") as caught:
            FileDrop(tmp_path / "unmounted").transmit(PARCEL)
        assert not caught.value.permanent
        assert str(tmp_path) not in caught.value.message

    def test_waits_for_room_on_the_disk(self, tmp_path: Path) -> None:
        with pytest.raises(DeliveryFailed, match="No space left on device"):
            FileDrop(tmp_path).transmit(replace(PARCEL, read=full))
        assert list(tmp_path.iterdir()) == []
