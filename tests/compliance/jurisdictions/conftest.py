"""The law is pure: its tests have neither keys nor files nor a log."""

import pytest


@pytest.fixture(autouse=True)
def _own_state() -> None:
    """Take the place of the state that every other test gets."""
