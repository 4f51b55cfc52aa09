"""The third-party vectors of Merkle proofs: what other implementations accept and refuse."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
VECTORS = Path(os.environ.get("DUTYLINE_VECTORS") or ROOT.parent / "shared" / "vectors") / "merkle"
needs_vectors = pytest.mark.skipif(not VECTORS.is_dir(), reason=f"no vectors at {VECTORS}")


def vectors(kind: str) -> list[Any]:
    """Return all vectors of a kind: inclusion or consistency."""
    files = sorted((VECTORS / kind).rglob("*.json"))
    return [json.loads(file.read_text()) for file in files]


def unb64(text: str | None) -> bytes:
    """Read base64; null is empty."""
    return base64.b64decode(text or "")
