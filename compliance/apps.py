"""The compliance app: what we know, what the law says, who decided."""

from django.apps import AppConfig


class ComplianceConfig(AppConfig):
    """Load the checks when Django is ready."""

    name = "compliance"

    def ready(self) -> None:
        from compliance import checks  # noqa: F401
