"""Facts: who asserted what about a finding or about the provider, when and on which source."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from compliance import audit, evidence, findings, releases, roles
from compliance.errors import Malformed, SamePerson, WrongState
from compliance.findings import Finding
from compliance.lifecycle import by_a_second_person
from compliance.roles import Permission, User


class Confidence(models.TextChoices):
    """How sure a fact is: the accuracy of information by the 4x4 system of evaluation."""

    CERTAIN = "1", "not in doubt"
    KNOWN_TO_SOURCE = "2", "known to the source itself, not to us"
    CORROBORATED = "3", "hearsay that other information corroborates"
    UNCORROBORATED = "4", "hearsay that nothing corroborates yet"


class FactAssertion(models.Model):
    """One fact of one finding, as one person asserted it. Append-only: the latest counts."""

    Confidence = Confidence

    finding = models.ForeignKey(Finding, models.PROTECT, related_name="facts")
    fact = models.CharField(max_length=60)
    value = models.JSONField()
    source = models.CharField(max_length=200)
    confidence = models.CharField(
        max_length=1, choices=Confidence, default=Confidence.UNCORROBORATED
    )
    reason = models.TextField(blank=True, help_text="Why so; a judgement has one.")
    supersedes = models.ForeignKey("self", models.PROTECT, null=True, related_name="+")
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
    effective_from = models.DateTimeField(null=True, help_text="Empty: from the signature on.")
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
    finding: Finding,
    values: Mapping[str, Any],
    *,
    source: str,
    confidence: str = Confidence.UNCORROBORATED,
    reason: str = "",
    by: User,
) -> list[FactAssertion]:
    """Put facts about a finding on record, all or none, each checked against the vocabulary.

    A judgement wants a `reason`, and a residence the basis on which it is known.
    Raises Malformed with the fact and a suggestion, or WrongState once the finding is decided.
    """
    roles.require(by, Permission.ASSERT_FACT)
    _require_source(source)
    if confidence not in Confidence:
        raise Malformed(f"Confidence is one of {', '.join(Confidence)}: 1 is not in doubt.")
    checked = _check(values, provider=False)
    _require_reason(checked, reason)
    locked = findings.open_to_more(finding, by)
    latest = _latest(locked)
    _require_basis({name: fact.value for name, fact in latest.items()} | checked)
    made = [
        FactAssertion.objects.create(
            finding=locked,
            fact=fact,
            value=value,
            source=source.strip(),
            confidence=confidence,
            reason=reason.strip(),
            supersedes=latest.get(fact),
            asserted_by=by,
        )
        for fact, value in checked.items()
    ]
    audit.record("facts.asserted", finding, by=by, facts=sorted(checked))
    return made


@audit.attributed
@transaction.atomic
def record_profile(
    values: Mapping[str, Any], *, effective_from: datetime | None = None, by: User
) -> ProviderProfile:
    """Propose the provider's own facts; they count once a second person signed them.

    And not before `effective_from`, if they are to become true later or were true before.
    """
    roles.require(by, Permission.SIGN_PROFILE)
    if effective_from and timezone.is_naive(effective_from):
        raise Malformed("The instant from which the profile is true has no time zone.")
    profile = ProviderProfile.objects.create(
        facts=_check(values, provider=True), effective_from=effective_from, recorded_by=by
    )
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
    current.effective_from = current.effective_from or current.signed_at
    current.save(update_fields=["signed_at", "signed_by", "effective_from"])
    audit.record("profile.signed", current, by=by)
    return current


def profile(at: datetime | None = None) -> ProviderProfile | None:
    """Return the provider profile that counts now, or that counted at an instant.

    Of those that were signed and in effect by then it is the one that came into effect last.
    """
    then = at or timezone.now()
    signed = ProviderProfile.objects.filter(signed_at__lte=then, effective_from__lte=then)
    return signed.order_by("-effective_from", "-signed_at").first()


def snapshot(finding: Finding, at: datetime | None = None) -> dict[str, Any]:
    """Return what is known about a finding: `{"facts": …, "clocks": …}` as the evaluator reads it.

    Or what was known at an instant: the latest of each fact, the profile and the ladder by then.
    Knowledge and the available classes of data are read off the records, never asserted; what
    classes there are is frozen by the confirmation, and always told as it is now.
    """
    counts = profile(at)
    known: dict[str, Any] = dict(counts.facts) if counts else {}
    known |= {name: fact.value for name, fact in _latest(finding, at).items()}
    reached = findings.ladder(finding, at)
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


def _latest(finding: Finding, at: datetime | None = None) -> dict[str, FactAssertion]:
    asserted = finding.facts.order_by("id")
    known = asserted if at is None else asserted.filter(asserted_at__lte=at)
    return {fact.fact: fact for fact in known}


def _require_reason(checked: Collection[str], reason: str) -> None:
    words = releases.rules().vocabulary
    judged = [fact for fact in checked if words.kind(fact) == "judgement"]
    if judged and not reason.strip():
        raise Malformed(f"{judged[0]} is a judgement. Say in a sentence why you judge so.")


def _require_basis(known: Mapping[str, Any]) -> None:
    """Refuse a residence that nobody can account for: a network address shows none."""
    if RESIDENCE not in known:
        return
    if BASIS not in known:
        raise Malformed(f"Say how {RESIDENCE} is known: give {BASIS} with it.")
    if known[BASIS] == "network":
        raise Malformed(f"A network address shows no {RESIDENCE}. Tell it as suspect.location.")


def _require_source(source: str) -> None:
    if not 0 < len(source.strip()) <= 200:
        raise Malformed("Name the source of these facts, in 1 to 200 characters.")


RESIDENCE, BASIS = "suspect.residence", "suspect.residence_basis"
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
