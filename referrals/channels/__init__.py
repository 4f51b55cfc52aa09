"""Channels: the ways in which a bundle reaches an agency. One file per way, one contract."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from compliance.errors import Refused


class DeliveryFailed(Refused):
    """The channel could not deliver."""

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent


@dataclass(frozen=True)
class Parcel:
    """What a channel may know: numbers, digests and where the sealed bytes lie. No content."""

    key: str
    number: str
    authority: str
    environment: str
    size: int
    sha256: str
    objects: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Confirmation:
    """The channel's word that the agency can get the parcel."""

    at: datetime
    sha256: str


class Channel(Protocol):
    """One way of filing. `transmit` may be called again with the same key; it acts once.

    A key stands for one referral in the very same bytes.
    """

    name: str

    def transmit(self, parcel: Parcel) -> Confirmation:
        """Bring the parcel within the agency's reach, or raise DeliveryFailed."""
        ...
