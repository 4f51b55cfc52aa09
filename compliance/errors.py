"""Errors: every way the system says no. A refusal's docstring is its message."""


class Refused(Exception):
    """This step is refused."""

    def __init__(self, message: str = "") -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        super().__init__(self.message)

    @property
    def code(self) -> str:
        """The stable name of this refusal for programs: `SamePerson` is `same_person`."""
        return "".join(
            f"_{letter.lower()}" if letter.isupper() else letter for letter in type(self).__name__
        ).lstrip("_")


class NotPermitted(Refused):
    """Your role does not allow this step."""


class SamePerson(Refused):
    """A second person must take this step."""


class WrongState(Refused):
    """The record is not in a state that allows this step."""


class Malformed(Refused):
    """What was handed in cannot be accepted."""


class Stale(Refused):
    """Somebody else changed this record since you read it. Read it again, then decide."""


class KeyUnusable(Refused):
    """The key is unknown, unconfirmed, expired or revoked."""


class KeeperAway(Refused):
    """Whoever keeps the keys does not answer now. Nothing is lost; it is tried again."""


class Tampered(Refused):
    """Stored bytes or log entries do not match what was recorded about them."""
