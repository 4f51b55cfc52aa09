"""The compliance app: what we know, what the law says, who decided."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ComplianceConfig(AppConfig):
    """Load the checks when Django is ready; guard what is watched after each migration."""

    name = "compliance"

    def ready(self) -> None:
        from compliance import checks  # noqa: F401
        from compliance.audit import guards

        post_migrate.connect(guards.lay)
