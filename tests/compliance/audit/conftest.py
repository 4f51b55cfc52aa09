"""The log of a test, with tiles so small that a dozen entries make a tree of several levels."""

from types import ModuleType

import pytest

from compliance import audit
from compliance.audit import checkpoints, tree


@pytest.fixture
def log(db) -> ModuleType:
    """The log, empty but for what other fixtures write."""
    return checkpoints


@pytest.fixture
def small_log(log, monkeypatch) -> ModuleType:
    """The log with tiles of four hashes, sealed in batches of eight."""
    monkeypatch.setattr(tree, "WIDTH", 4)
    monkeypatch.setattr(tree, "HEIGHT", 2)
    monkeypatch.setattr(checkpoints, "BATCH", 8)
    return log


@pytest.fixture
def write(ana):
    """Write entries about Ana, by Ana; her own account is the first in the log."""

    def write(count):
        return [audit.record("finding.recorded", ana, by=ana, purpose="p") for _ in range(count)]

    return write
