"""Facts: who asserted what about a finding or about the provider, when and on which source."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from compliance import audit, evidence, findings, releases, roles
from compliance.errors import Malformed, SamePerson, WrongState
from compliance.findings import Finding
from compliance.lifecycle import by_a_second_person
from compliance.roles import Permission, User


class FactAssertion(models.Model):
    """One fact of one finding, as one person asserted it. Append-only: the latest counts."""

    finding = models.ForeignKey(Finding, models.PROTECT, related_name="facts")
    fact = models.CharField(max_length=60)
    value = models.JSONField()
    source = models.CharField(max_length=200)
    asserted_at = models.DateTimeField(default=timezone.now)
    asserted_by = models.ForeignKey(User, models.PROTECT, related_name="+")

    class Meta:
        default_permissions = ["view"]
        ordering = ["id"]
        indexes = [models.Index(fields=["finding", "fact", "-id"], name="latest_fact")]

    def __str__(self) -> str:
        return f"fact {self.pk}"


class ProviderProfile(models.Model):
    """What the law asks about the provider, recorded by one person and signed by another."""

    facts = models.JSONField()
    recorded_at = models.DateTimeField(default=timezone.now)
    recorded_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    signed_at = models.DateTimeField(null=True)
    signed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")

    class Meta:
        default_permissions = ["view"]
        constraints = [
            models.CheckConstraint(
                name="profile_signature_is_stamped",
                condition=models.Q(signed_at__isnull=True, signed_by__isnull=True)
                | models.Q(signed_at__isnull=False, signed_by__isnull=False),
            ),
            by_a_second_person("profile", "signed", "recorded"),
        ]

    def __str__(self) -> str:
        return f"provider profile {self.pk}"


@audit.attributed
@transaction.atomic
def assert_facts(
    finding: Finding, values: Mapping[str, Any], *, source: str, by: User
) -> list[FactAssertion]:
    """Put facts about a finding on record, all or none, each checked against the vocabulary.

    Raises Malformed with the fact and a suggestion, or WrongState once the finding is decided.
    """
    roles.require(by, Permission.ASSERT_FACT)
    _require_source(source)
    checked = _check(values, provider=False)
    findings.open_to_more(finding, by)
    made = [
        FactAssertion.objects.create(
            finding=finding, fact=fact, value=value, source=source.strip(), asserted_by=by
        )
        for fact, value in checked.items()
    ]
    audit.record("facts.asserted", finding, by=by, facts=sorted(checked))
    return made


@audit.attributed
@transaction.atomic
def record_profile(values: Mapping[str, Any], *, by: User) -> ProviderProfile:
    """Propose the provider's own facts; they count once a second person signed them."""
    roles.require(by, Permission.SIGN_PROFILE)
    profile = ProviderProfile.objects.create(facts=_check(values, provider=True), recorded_by=by)
    audit.record("profile.recorded", profile, by=by)
    return profile


@audit.attributed
@transaction.atomic
def sign_profile(profile: ProviderProfile, *, by: User) -> ProviderProfile:
    """Sign the provider's facts that a colleague recorded."""
    roles.require(by, Permission.SIGN_PROFILE)
    current = ProviderProfile.objects.select_for_update().get(pk=profile.pk)
    if current.recorded_by_id == by.pk:
        raise SamePerson("A second counsel must sign the provider profile.")
    if current.signed_at:
        raise WrongState("This provider profile is signed already.")
    current.signed_at, current.signed_by = timezone.now(), by
    current.save(update_fields=["signed_at", "signed_by"])
    audit.record("profile.signed", current, by=by)
    return current


def profile() -> ProviderProfile | None:
    """Return the provider profile that counts now: the latest signed one."""
    return ProviderProfile.objects.filter(signed_at__isnull=False).order_by("-signed_at").first()


def snapshot(finding: Finding) -> dict[str, Any]:
    """Return what is known about a finding: `{"facts": …, "clocks": …}` as the evaluator reads it.

    Knowledge and the available classes of data are read off the records, never asserted.
    """
    signed = profile()
    known: dict[str, Any] = dict(signed.facts) if signed else {}
    known |= {fact.fact: fact.value for fact in finding.facts.order_by("id")}
    reached = findings.ladder(finding)
    known["knowledge.level"] = findings.level(reached)
    known["data.available_classes"] = available_classes(finding)
    clocks = {name: _instant(at) for name, at in findings.clocks(reached).items()}
    return {"facts": known, "clocks": clocks}


def available_classes(finding: Finding) -> list[str]:
    """Return the classes of data that exist for a finding, sorted."""
    classes = {key for key, values in finding.particulars.items() if values}
    return sorted(classes | {"SUSP", "STAFF"} | evidence.classes(finding))


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _require_source(source: str) -> None:
    if not 0 < len(source.strip()) <= 200:
        raise Malformed("Name the source of these facts, in 1 to 200 characters.")


DERIVED = ("knowledge.level", "data.available_classes")


def _check(values: Mapping[str, Any], *, provider: bool) -> dict[str, Any]:
    """Return the values as the vocabulary wants them, or refuse the first that it does not know."""
    if not values:
        raise Malformed("Name at least one fact.")
    words = releases.rules().vocabulary
    checked = {}
    for fact, value in values.items():
        try:
            checked[fact] = words.check(fact, value)
        except ValueError as error:
            raise Malformed(str(error)) from error
        if fact in DERIVED:
            raise Malformed(f"{fact} is read off the record; it cannot be asserted.")
        if provider is not _is_providers(fact):
            where = "finding" if provider else "provider profile"
            raise Malformed(f"{fact} belongs to the {where}.")
    return checked


def _is_providers(fact: str) -> bool:
    return releases.rules().vocabulary.kind(fact) == "provider" or fact == "data.regions"
