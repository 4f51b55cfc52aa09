"""The demo's samples: three invented findings from docs/samples, and one made-up recording."""

import io
import struct
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import yaml
from django.conf import settings

FOLDER = Path(settings.BASE_DIR) / "docs" / "samples"
NAMES = ("berlin", "munich", "historic")

WIDTH, HEIGHT, FRAMES, RATE = 640, 360, 32, 8
BARS = bytes.fromhex("ffffff 00ffff ffff00 00ff00 ff00ff 0000ff ff0000 000000")  # blue first


@dataclass(frozen=True)
class Exhibit:
    """One file of evidence, shipped or generated."""

    media_type: str
    field_class: str
    minutes: int
    source_url: str = ""
    file: str = ""
    generate: str = ""

    @property
    def name(self) -> str:
        """Return the name under which it is attached."""
        return self.file or self.generate

    def open(self) -> BinaryIO:
        """Open its bytes."""
        return (FOLDER / self.file).open("rb") if self.file else io.BytesIO(moving_bars())


@dataclass(frozen=True)
class Sample:
    """One invented finding, and what the sample people think of it."""

    name: str
    title: str
    statement: str
    particulars: dict[str, dict[str, str]]
    rungs: dict[str, int]
    source: str
    facts: dict[str, Any]
    evidence: list[Exhibit]
    judged_because: str
    confirmed_because: str
    signed_because: str
    closed_because: str
    take_up: list[str] = field(default_factory=list)
    withheld_because: str = ""

    def climbed(self, start: datetime) -> dict[str, datetime]:
        """Return when each rung of knowledge was reached, for a demo that starts at `start`."""
        return {rung: start - timedelta(minutes=ago) for rung, ago in self.rungs.items()}


def read(name: str) -> Sample:
    """Read one sample."""
    told = _yaml(name)
    exhibits = [Exhibit(**entry) for entry in told.pop("evidence")]
    return Sample(name=name, evidence=exhibits, **told)


def profile() -> dict[str, Any]:
    """Return the facts of the sample provider."""
    return _yaml("profile")


def _yaml(name: str) -> dict[str, Any]:
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def moving_bars() -> bytes:
    """Return an uncompressed AVI of moving bars, more than 20 MB, the same bytes each time."""
    row = b"".join(BARS[at : at + 3] * (WIDTH // 8) for at in range(0, len(BARS), 3))
    frames = [(row[60 * n :] + row[: 60 * n]) * HEIGHT for n in range(FRAMES)]
    size = len(frames[0])
    head = struct.pack(
        "<10I16x", 10**6 // RATE, size * RATE, 0, 16, FRAMES, 0, 1, size, WIDTH, HEIGHT
    )
    stream = struct.pack("<4s4sI2H8I4H", b"vids", b"DIB ", 0, 0, 0, 0, 1, RATE, 0, FRAMES, size,
                         0xFFFFFFFF, 0, 0, 0, WIDTH, HEIGHT)  # fmt: skip
    form = struct.pack("<3I2H6I", 40, WIDTH, HEIGHT, 1, 24, 0, size, 0, 0, 0, 0)
    index = [struct.pack("<4s3I", b"00db", 16, 4 + n * (size + 8), size) for n in range(FRAMES)]
    strl = _list(b"strl", _chunk(b"strh", stream), _chunk(b"strf", form))
    hdrl = _list(b"hdrl", _chunk(b"avih", head), strl)
    movi = _list(b"movi", *(_chunk(b"00db", frame) for frame in frames))
    return _chunk(b"RIFF", b"".join([b"AVI ", hdrl, movi, _chunk(b"idx1", b"".join(index))]))


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data


def _list(kind: bytes, *chunks: bytes) -> bytes:
    return _chunk(b"LIST", b"".join([kind, *chunks]))
