"""Channels: the ways in which a bundle reaches an agency. One file per way, one contract."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
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
    """What a channel may know: numbers, digests, and the sealed bytes. No content.

    objects: name and full size of every stored object that the bundle refers to
    read:    yields the bytes of the bundle, from the first to the last
    """

    key: str
    number: str
    authority: str
    environment: str
    size: int
    sha256: str
    objects: tuple[tuple[str, int], ...]
    read: Callable[[], Iterator[bytes]] = field(compare=False)


@dataclass(frozen=True)
class Confirmation:
    """The channel's word that the agency can get the parcel, and what it answered, if it did."""

    at: datetime
    sha256: str
    answer: str = ""


class Channel(Protocol):
    """One way of filing. `transmit` may be called again with the same key; it acts once.

    A key stands for one referral in the very same bytes.
    """

    name: str

    def transmit(self, parcel: Parcel) -> Confirmation:
        """Bring the parcel within the agency's reach, or raise DeliveryFailed."""
        ...
