"""File drop: the bundle is laid into a directory that the agency collects from."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.utils import timezone

from referrals.channels import Confirmation, DeliveryFailed, Parcel

READ = 1024 * 1024  # bytes
ONCE = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class FileDrop:
    """Lays bundles into one directory. A file that has its full name is whole."""

    name = "file_drop"

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def transmit(self, parcel: Parcel) -> Confirmation:
        """Write the parcel under a name of its own, then give it the one that is collected."""
        path = self._directory / f"{parcel.number}-{parcel.sha256[:16]}.zip"
        try:
            if not path.exists():
                self._write(path, parcel)
            found = _digest(path)
        except OSError as error:
            raise DeliveryFailed(
                f"The agency's directory cannot be used: {error.strerror}.", permanent=False
            ) from error
        if found != parcel.sha256:
            raise DeliveryFailed(
                "Another file lies in the agency's directory under this name. Take it away.",
                permanent=True,
            )
        return Confirmation(at=timezone.now(), sha256=found)

    def _write(self, path: Path, parcel: Parcel) -> None:
        for left in path.parent.glob(f".{path.name}.*"):  # by a worker that was killed
            left.unlink(missing_ok=True)
        with _draft(path) as draft:
            with os.fdopen(os.open(draft, ONCE, 0o640), "wb") as file:
                for piece in parcel.read():
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(path)
        _make_lasting(path.parent)


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """Name a file that is hidden until it is whole, and gone if it never is."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        yield draft
    finally:
        with suppress(OSError):
            draft.unlink()


def _make_lasting(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(READ):
            found.update(piece)
    return found.hexdigest()
