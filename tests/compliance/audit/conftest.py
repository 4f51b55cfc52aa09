"""The log of a test, with tiles so small that a dozen entries make a tree of several levels."""

from types import ModuleType

import pytest
from django.core.management import load_command_class

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


@pytest.fixture
def typed(monkeypatch, capsys):
    """Run a command as it is typed, and tell its exit code, what it printed and what it said."""
    monkeypatch.setattr("django.core.management.base.connections.close_all", lambda: None)

    def run(name, *args):
        command, code = load_command_class("compliance", name), 0
        try:
            command.run_from_argv(["manage.py", name, *args])
        except SystemExit as left:
            code = left.code
        told = capsys.readouterr()
        return code, told.out, told.err

    return run
