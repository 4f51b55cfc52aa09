"""The vault: bytes at rest and in transit, and the keys that open them."""
