"""Context: who acts, in which piece of work, and why. One variable, set and reset by a token."""

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import wraps
from typing import ParamSpec, Protocol, TypeVar, cast

from django.contrib.auth.base_user import AbstractBaseUser

P = ParamSpec("P")
T = TypeVar("T")

_REF = re.compile(r"anonymous|user:[1-9][0-9]*|(?:liaison|system|command):[A-Za-z0-9._-]{1,100}")
_CID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Client(Protocol):
    """A program that acts for an agency: no user, but known by its id."""

    client_id: str


class NobodyActs(LookupError):
    """Nobody acts here: pass `by`, or open `context.acting(...)` around the work."""

    def __init__(self) -> None:
        super().__init__(type(self).__doc__)


@dataclass(frozen=True)
class Acting:
    """Who acts. The reference and the correlation id become public: codes, never names."""

    actor_ref: str
    user: AbstractBaseUser | None = None
    cid: str | None = None
    purpose: str = ""
    remote_addr: str | None = None

    def __post_init__(self) -> None:
        if not _REF.fullmatch(self.actor_ref):
            raise ValueError(
                f"{self.actor_ref!r} names no actor: write user:<number>, liaison:<client>, "
                "system:<part>, command:<name> or anonymous."
            )
        if self.user is not None and self.actor_ref != user_ref(self.user):
            raise ValueError(f"{self.actor_ref} is not {user_ref(self.user)}.")
        if self.cid is not None and not _CID.fullmatch(self.cid):
            raise ValueError("A correlation id is 1 to 64 letters, digits, dots, dashes.")


# What is kept is a question, not an answer: a request's actor is known only after it authenticated.
_asks: ContextVar[Callable[[], Acting] | None] = ContextVar("acting", default=None)


def user_ref(user: AbstractBaseUser) -> str:
    """Return the reference of a user: `user:17`."""
    return f"user:{user.pk}"


def client_ref(client_id: str) -> str:
    """Return the reference of an agency's program: `liaison:lee`."""
    return f"liaison:{client_id}"


@contextmanager
def acting(
    actor_ref: str = "",
    *,
    user: AbstractBaseUser | None = None,
    client: str | None = None,
    cid: str | None = None,
    purpose: str = "",
    remote_addr: str | None = None,
) -> Iterator[Acting]:
    """Say who acts within the block: by reference, or as a user, or as a liaison client."""
    named = actor_ref or (user_ref(user) if user else client_ref(client or ""))
    who = Acting(named, user, cid, purpose, remote_addr)
    with acting_late(lambda: who):
        yield who


@contextmanager
def acting_late(ask: Callable[[], Acting]) -> Iterator[None]:
    """Ask who acts each time an entry is written, for requests that authenticate late."""
    token = _asks.set(ask)
    try:
        yield
    finally:
        _asks.reset(token)


def current(by: AbstractBaseUser | Client | None = None) -> Acting:
    """Return who acts: `by` if given, else whom the context names. Raise if neither does."""
    ask = _asks.get()
    if by is None:
        if ask is None:
            raise NobodyActs
        return ask()
    user = by if isinstance(by, AbstractBaseUser) else None
    named = user_ref(user) if user else client_ref(cast(Client, by).client_id)
    around = ask() if ask else Acting(named)
    return replace(around, actor_ref=named, user=user)


def attributed(verb: Callable[P, T]) -> Callable[P, T]:
    """Let all that a verb writes, field diffs too, name the person or program given as `by`."""

    @wraps(verb)
    def attribute(*args: P.args, **kwargs: P.kwargs) -> T:
        who = current(cast(AbstractBaseUser | Client, kwargs["by"]))
        with acting_late(lambda: who):
            return verb(*args, **kwargs)

    return attribute


def new_cid() -> str:
    """Return a fresh correlation id."""
    return secrets.token_hex(16)
