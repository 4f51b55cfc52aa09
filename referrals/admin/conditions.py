"""Conditions: when a step is open to somebody, by the state of the record and who added it."""

from collections.abc import Callable
from typing import Any

from compliance.roles import User
from referrals import agencies


def within(*states: str) -> Callable[[Any, User], bool]:
    """Return the condition that a record is in one of these states."""
    return lambda record, user: record.state in states


def added_by_another(record: Any, user: User) -> bool:
    """Tell whether a record waits for a second person, and this is one."""
    return bool(record.state == agencies.State.ADDED and record.added_by_id != user.pk)


not_revoked = within(agencies.State.ADDED, agencies.State.APPROVED)
