"""Pickup: the bundle waits behind the liaison API until the agency collects it."""

from django.core.files.storage import default_storage
from django.utils import timezone

from referrals.channels import Confirmation, DeliveryFailed, Parcel

MEND = "Put the storage back from a backup; delivery is tried again."


class Pickup:
    """Nothing is sent; the sealed bytes must lie whole in the storage."""

    name = "pickup"

    def transmit(self, parcel: Parcel) -> Confirmation:
        """Confirm that every sealed object of the parcel is there in its full size."""
        for name, size in parcel.objects:
            try:
                there = default_storage.size(name)
            except FileNotFoundError as error:
                raise DeliveryFailed(
                    f"A sealed object is missing. {MEND}", permanent=True
                ) from error
            if there != size:
                raise DeliveryFailed(f"A sealed object has another size. {MEND}", permanent=True)
        return Confirmation(at=timezone.now(), sha256=parcel.sha256)
