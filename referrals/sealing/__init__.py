"""Sealing: bytes in, bytes out. It lays out bags and signs manifests, and knows no database."""
