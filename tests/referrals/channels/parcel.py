"""A parcel as delivery hands it to a channel."""

from hashlib import sha256

from referrals.channels import Parcel

BYTES = b"a sealed bundle" * 1000
DIGEST = sha256(BYTES).hexdigest()
PARCEL = Parcel(
    key=f"0f0f:{DIGEST}",
    number="R-7K3M-9QXT",
    authority="bka",
    environment="test",
    size=len(BYTES),
    sha256=DIGEST,
    objects=(),
    read=lambda: iter([BYTES[:7], BYTES[7:]]),
)
