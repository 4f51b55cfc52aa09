"""Terms: what an agency may use a referral for. Texts by law and by agency; a change is a new file.

A file is called NAME.VERSION.txt. `general` goes with every referral; any other goes with what is
addressed to the authority NAME, or rests on a rule NAME or NAME-…. The newest version counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

FOLDER = Path(__file__).parent
GENERAL = "general"


@dataclass(frozen=True)
class Terms:
    """The terms of one referral: which texts (`general/1`), and all of them in one."""

    names: tuple[str, ...]
    text: bytes

    @cached_property
    def sha256(self) -> str:
        """The digest by which an agency accepts them."""
        return sha256(self.text).hexdigest()


def of(authority: str, rules: Iterable[str]) -> Terms:
    """Return the terms on which something goes to an authority under these rules."""
    about = [authority, *rules]
    newest: dict[str, tuple[int, Path]] = {}
    for path in FOLDER.glob("*.txt"):
        name, version, _ = path.name.split(".")
        if name == GENERAL or any(f"{each}-".startswith(f"{name}-") for each in about):
            newest[name] = max(newest.get(name, (0, path)), (int(version), path))
    ordered = sorted(newest.items(), key=lambda each: (each[0] != GENERAL, each[0]))
    return Terms(
        tuple(f"{name}/{version}" for name, (version, _) in ordered),
        b"\n".join(path.read_bytes() for _, (_, path) in ordered),
    )
