"""Checks: what must be right before the first request."""

import stat
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from compliance.audit import timestamps, witnesses
from compliance.audit.notes import BadNote
from compliance.errors import KeeperAway, KeyUnusable
from compliance.roles import ROLES, Role
from compliance.vault import keys, providers
from compliance.vault.keys import Kek


@register()
def roles_are_complete(**kwargs: Any) -> list[CheckMessage]:
    """Every role has its row in the table of permissions."""
    missing = sorted(set(Role.values) - set(ROLES))
    return [Error(f"The role {role} has no permissions.", id="dutyline.E001") for role in missing]


@register()
def keys_are_private(**kwargs: Any) -> list[CheckMessage]:
    """No key file may be read by anybody but its owner."""
    if not settings.KEYS_DIR.is_dir():
        return []
    return [
        Error(f"The key file {path.name} can be read by others.", id="dutyline.E002")
        for path in sorted(settings.KEYS_DIR.iterdir())
        if path.name != settings.LOG_HEAD_FILE.name and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]


@register()
def key_providers_are_at_hand(**kwargs: Any) -> list[CheckMessage]:
    """What the settings say of key providers can be used. Nobody is called: they may be away."""
    if not set(settings.KEY_PROVIDERS) & set(providers.KINDS):
        told = f"{providers.VARIABLE} names nobody who can unwrap, such as local."
        return [Error(told, id="dutyline.E003")]
    problems: list[CheckMessage] = []
    for kind in settings.KEY_PROVIDERS:
        try:
            providers.named(kind).check()
        except ImproperlyConfigured as error:
            problems.append(Error(str(error), id="dutyline.E003"))
    return problems


@register(checks.Tags.database)
def keys_in_use_open(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Every key that wraps something opens one of its wraps. Asked by `check --database`."""
    if not databases or Kek._meta.db_table not in connection.introspection.table_names():
        return []  # asked before the first migration too
    problems: list[CheckMessage] = []
    for kek in Kek.objects.exclude(state=Kek.State.DESTROYED):
        try:
            keys.open_one(kek)
        except KeeperAway as refusal:
            told = f"The {kek} cannot be tried: {refusal.message}"
            problems.append(checks.Warning(told, id="dutyline.W004"))
        except KeyUnusable as refusal:
            problems.append(Error(f"The {kek} is lost: {refusal.message}", id="dutyline.E004"))
    return problems


@register()
def anchors_can_be_checked(**kwargs: Any) -> list[CheckMessage]:
    """Every witness has a key, and the package that reads time-stamps is there if it is needed."""
    problems: list[CheckMessage] = []
    try:
        witnesses.policy()
    except BadNote as error:
        problems.append(Error(f"DUTYLINE_WITNESSES: {error}", id="dutyline.E011"))
    if settings.TIMESTAMP_ROOTS and find_spec(timestamps.PACKAGE) is None:
        wanted = "DUTYLINE_TIMESTAMP_ROOTS wants the extra: pip install rfc3161-client."
        problems.append(Error(wanted, id="dutyline.E012"))
    return problems


@register(deploy=True)
def production_is_meant(**kwargs: Any) -> list[CheckMessage]:
    """A deployment runs on PostgreSQL, with a broker and an address of its own."""
    problems = []
    if connection.vendor != "postgresql":
        problems.append(checks.Warning("Production wants PostgreSQL.", id="dutyline.W001"))
    if not settings.BROKER_URL:
        problems.append(checks.Warning("Production wants DUTYLINE_BROKER_URL.", id="dutyline.W002"))
    if not settings.BASE_URL.startswith("https://"):
        problems.append(checks.Warning("DUTYLINE_BASE_URL must be https.", id="dutyline.W003"))
    if not settings.LEGAL_PROCESS_URL:
        problems.append(
            checks.Warning("Production wants DUTYLINE_LEGAL_PROCESS_URL.", id="dutyline.W004")
        )
    return list(problems)
