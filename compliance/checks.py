"""Checks: what must be right before the first request."""

import stat
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from django.db import connection

from compliance.audit import timestamps, witnesses
from compliance.audit.notes import BadNote
from compliance.roles import ROLES, Role


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
def anchors_can_be_checked(**kwargs: Any) -> list[CheckMessage]:
    """Every witness has a key, and the package that reads time-stamps is there if it is needed."""
    problems: list[CheckMessage] = []
    try:
        witnesses.policy()
    except BadNote as error:
        problems.append(Error(f"DUTYLINE_WITNESSES: {error}", id="dutyline.E011"))
    if settings.TIMESTAMP_URL and find_spec(timestamps.PACKAGE) is None:
        wanted = "DUTYLINE_TIMESTAMP_URL wants the extra: pip install rfc3161-client."
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
