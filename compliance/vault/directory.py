"""Directory: sealed objects in a folder, on the disk before a record can point at them."""

import os
from contextlib import suppress
from pathlib import Path

from django.core.files.storage import FileSystemStorage


class Directory(FileSystemStorage):
    """A folder that only its owner reads. An object is written piece by piece, in any order."""

    piece = 2**20  # bytes that are written at once

    def begin(self, name: str) -> str:
        """Make an empty object; it is there from now on."""
        path = Path(self.path(name))
        for folder in (Path(self.location), path.parent):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        return ""

    def put(self, name: str, token: str, number: int, offset: int, data: bytes | bytearray) -> None:
        """Write one piece where it belongs. The same piece may come again."""
        handle = _opened(self.path(name))
        try:
            rest = memoryview(data)
            while rest:
                done = os.pwrite(handle, rest, offset)
                rest, offset = rest[done:], offset + done
        finally:
            os.close(handle)

    def finish(self, name: str, token: str) -> None:
        """Bring object and name to the disk: they outlive a power failure from here on."""
        path = self.path(name)
        for each in (path, os.path.dirname(path)):
            handle = os.open(each, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def discard(self, name: str) -> None:
        """Remove the object, finished or not; it may be gone already."""
        with suppress(FileNotFoundError):
            os.unlink(self.path(name))


def _opened(path: str) -> int:
    return os.open(path, os.O_WRONLY)
