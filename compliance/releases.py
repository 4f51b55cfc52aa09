"""Releases: the approved law at a moment. Thin: one release, the set that is shipped."""

from functools import cache
from pathlib import Path

from django.db import models, transaction
from django.utils import timezone

from compliance import audit, jurisdictions
from compliance.errors import WrongState
from compliance.jurisdictions import RuleSet

RULEBOOKS = Path(jurisdictions.__file__).parent / "rulebooks"


class Release(models.Model):
    """The law that determinations of a time rest on, by the hash of all its texts."""

    sha256 = models.CharField(max_length=64, unique=True)
    active_from = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ["view"]

    def __str__(self) -> str:
        return f"release {self.sha256[:12]}"


def _texts(wanted: bool) -> dict[str, str]:
    return {
        path.name: path.read_text(encoding="utf-8")
        for path in sorted(RULEBOOKS.glob("*.yaml"))
        if path.name.endswith("cases.yaml") is wanted
    }


def shipped_texts() -> dict[str, str]:
    """Return the shipped vocabulary, authorities and rulebooks: file name and text."""
    return _texts(wanted=False)


def shipped_cases() -> dict[str, str]:
    """Return the shipped golden cases: file name and text."""
    return _texts(wanted=True)


@cache
def rules() -> RuleSet:
    """Return the shipped law, read and checked once per process."""
    return jurisdictions.read(shipped_texts())


def rules_of(release: Release) -> RuleSet:
    """Return the law of a release, or refuse: the texts that are shipped are another's."""
    if rules().sha256 != release.sha256:
        raise WrongState(f"The texts of {release} are not at hand; the law loaded now is another.")
    return rules()


def current() -> Release:
    """Return the release in force; the first call after a new shipped set puts it on record."""
    with transaction.atomic():
        release, is_new = Release.objects.get_or_create(sha256=rules().sha256)
        if is_new:
            audit.record("release.shipped", release, by=None, sha256=release.sha256)
    return release
