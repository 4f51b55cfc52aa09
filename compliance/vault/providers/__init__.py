"""Providers: who keeps the key-encryption keys. A file per kind, loaded once it is named."""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from functools import lru_cache
from importlib import import_module
from typing import Any, ClassVar, NamedTuple, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from compliance.errors import KeyUnusable

KINDS = ("local", "aws", "vault", "pkcs11")  # the modules here; all but the first are extras
ESCROW = "escrow"  # named beside them, but it only ever takes: see vault/escrow.py
VARIABLE = "DUTYLINE_KEY_PROVIDERS"
UNOPENED = "A wrapped key does not open under its key and context."


class Context(NamedTuple):
    """What a wrapped key is bound to: the item that it opens, and the key that wraps it."""

    item: str
    kek: str

    def strings(self) -> dict[str, str]:
        """Return the context for a service that binds names to values."""
        return {"item": self.item, "kek": self.kek, "v": "1"}

    def canonical(self) -> bytes:
        """Return the context for a cipher that binds bytes (RFC 8785)."""
        return json.dumps(self.strings(), sort_keys=True, separators=(",", ":")).encode("ascii")


class KeyProvider(ABC):
    """Whoever keeps the key-encryption keys: a file, a service, a hardware module.

    A key is called by its id; a year, and a number if it was rotated. Each method raises
    KeyUnusable when the key or what is handed in is at fault, and KeeperAway when nobody answers.
    """

    kind: ClassVar[str]
    files: ClassVar[tuple[str, ...]] = ()  # the options that are paths

    def check(self) -> None:
        """Raise ImproperlyConfigured if what the settings point to is not there."""
        for name in self.files:
            if not os.access(getattr(self, name), os.R_OK):
                raise ImproperlyConfigured(f"{VARIABLE}: the {name} of {self.kind} cannot be read.")

    @abstractmethod
    def make(self, key_id: str) -> None:
        """Make a key, to stay; one that is there already is left as it is."""

    @abstractmethod
    def wrap(self, file_key: bytes, context: Context) -> bytes:
        """Return the file key sealed under the key of its context, and bound to all of it."""

    @abstractmethod
    def unwrap(self, blob: bytes, context: Context) -> bytes:
        """Return what `wrap` sealed."""

    def rewrap(self, blob: bytes, was: Context, now: Context) -> bytes:
        """Return the same file key under another key of this provider."""
        return self.wrap(self.unwrap(blob, was), now)

    @abstractmethod
    def destroy(self, key_id: str) -> None:
        """Destroy a key for good; one that is gone already stays gone."""


def first() -> str:
    """Return the kind that wraps what is new; the others still unwrap what they wrapped."""
    return next(kind for kind in settings.KEY_PROVIDERS if kind in KINDS)


def named(kind: str) -> KeyProvider:
    """Return the provider that the settings describe under this name."""
    if kind not in settings.KEY_PROVIDERS:
        raise KeyUnusable(f"{VARIABLE} names {kind} no more, which keeps this key.")
    return _loaded(kind, json.dumps(settings.KEY_PROVIDERS[kind], sort_keys=True))


@lru_cache
def _loaded(kind: str, options: str) -> KeyProvider:
    return load(kind, json.loads(options))


def load(kind: str, options: Mapping[str, Any]) -> KeyProvider:
    """Return the provider that the settings describe, or say what is wrong with them."""
    if kind not in KINDS:
        raise ImproperlyConfigured(f"{VARIABLE} knows {', '.join(KINDS)}, but not {kind}.")
    try:
        module = import_module(f"{__name__}.{kind}")
    except ImportError as error:
        raise ImproperlyConfigured(
            f"{VARIABLE} names {kind}. Install dutyline[{kind}], which it needs."
        ) from error
    known = {field.name: field.default is MISSING for field in fields(module.Provider)}
    wanted = {name for name, is_wanted in known.items() if is_wanted}
    if not wanted <= set(options) <= set(known) or not all(
        isinstance(value, str) and value for value in options.values()
    ):
        raise ImproperlyConfigured(
            f"{VARIABLE}: {kind} takes texts called {', '.join(known)}"
            + (f", and wants {', '.join(sorted(wanted))}." if wanted else ".")
        )
    return cast(Callable[..., KeyProvider], module.Provider)(**options)
