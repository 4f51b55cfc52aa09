"""Admin: the legal team's desk over compliance's rooms. It shows records and edits none."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib import admin
from django.db import models, transaction
from django.http import HttpRequest
from django.urls import URLPattern

from compliance import determinations, evidence, facts, findings, overturnings, preservation
from compliance.admin import counsel as counsel
from compliance.admin import erasing, law, log, parts, rulebooks, subjects
from compliance.admin.desk import (
    Button,
    Desk,
    Step,
    at,
    buttons,
    moment,
    person,
    standing,
)
from compliance.admin.exhibits import ItemDesk
from compliance.admin.forms import (
    Asking,
    Attachment,
    Climb,
    Extension,
    FactSheet,
    NewFinding,
    ProfileSheet,
    Reasoned,
)
from compliance.admin.undoing import PROPOSE, OverturningDesk
from compliance.errors import Refused
from compliance.models import (
    AuditEntry,
    Erasure,
    Finding,
    Hold,
    Item,
    ProviderProfile,
    Release,
    RuleDocument,
    RuleDocumentVersion,
    SubjectRequest,
    Work,
)
from compliance.roles import Permission, User


def _recorded(finding: Finding, user: User) -> bool:
    return finding.state == findings.State.RECORDED


def _climbing(finding: Finding, user: User) -> bool:
    is_open = finding.state in (findings.State.RECORDED, findings.State.CONFIRMED)
    return is_open and finding.knowledge != findings.Knowledge.REFUTED


def _a_second(finding: Finding, user: User) -> bool:
    return _recorded(finding, user) and findings.is_second(finding, user)


def _second_counsel(profile: ProviderProfile, user: User) -> bool:
    return profile.signed_at is None and profile.recorded_by_id != user.pk


def _record(
    *, values: Mapping[str, Any], source: str, confidence: str, reason: str, by: User, **told: Any
) -> Finding:
    """Record a finding and its facts, both or neither."""
    told_how = {"source": source, "confidence": confidence, "reason": reason}
    with transaction.atomic():
        finding = findings.record(**told, by=by)
        if values:
            facts.assert_facts(finding, values, **told_how, by=by)
    return finding


def _ladder(finding: Finding) -> list[tuple[str, findings.Rung | None]]:
    """Return every rung in words, with what is on record of it; refuted only if it came to that."""
    reached = findings.ladder(finding)
    shown = [each for each in findings.Knowledge if each in (*findings.LADDER, *reached)]
    return [(each.label.capitalize(), reached.get(each)) for each in shown]


def _provisional(finding: Finding) -> dict[str, Any] | None:
    """Return what the law would say of an unconfirmed finding: deadlines first, then questions."""
    if not _recorded(finding, finding.recorded_by):
        return None
    try:
        told = law.answer(determinations.provisional(finding))
    except Refused as refusal:
        return {"refusal": refusal.message}
    running = [report for report in told["reports"] if report["due"]]
    return told | {"running": sorted(running, key=lambda report: report["due"])}


@admin.register(Finding)
class FindingDesk(Desk):
    """Findings, and the page on which one is told from top to bottom."""

    seen_with = Permission.VIEW_MATTER
    list_display = ("reference", standing, "knowledge", at("recorded_at"), "recorded_by")
    list_filter = ("state", "knowledge")
    list_select_related = ("recorded_by",)
    search_fields = ("reference__exact",)
    search_help_text = "The whole number, such as F-7KQ4-M2XA."
    begin = Step(
        "record", "Record a finding", Permission.RECORD_FINDING, _record,
        "The finding is recorded. Attach its evidence next.", NewFinding,
        hint="A second reviewer confirms it. You attach the evidence on the next page.",
    )  # fmt: skip
    steps = (
        Step(
            "assert-facts", "Add facts", Permission.ASSERT_FACT, facts.assert_facts,
            "The facts are on record.", FactSheet, _recorded,
        ),
        Step(
            "attach", "Attach evidence", Permission.RECORD_FINDING, evidence.attach,
            "The file is sealed and on record.", Attachment, _recorded,
        ),
        Step(
            "climb", "Climb a rung of knowledge", Permission.RECORD_FINDING, findings.climb,
            "The rung is on record. The law is asked again.", Climb, _climbing,
            hint="A rung is set once. Whoever sets one before the confirmation cannot confirm.",
        ),
        Step(
            "confirm", "Confirm", Permission.CONFIRM_FINDING, findings.confirm,
            "The finding is confirmed and frozen. The law is looked up next.", is_open=_a_second,
            hint="From here on the finding, its evidence and its facts are frozen.",
        ),
        Step(
            "dismiss", "Dismiss", Permission.CONFIRM_FINDING, findings.dismiss,
            "The finding is dismissed. Nothing follows from it.", is_open=_a_second,
            hint="Nothing follows from a dismissed finding. It stays on record with your reason.",
        ),
        PROPOSE,
    )  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        """Add the ways on which a large file arrives in parts."""
        return [*parts.urls(self.admin_site.admin_view), *super().get_urls()]

    def headline(self, record: Any) -> str:
        """Return what stands over the page of a finding."""
        return f"Finding {record}"

    def parts(self, record: Any) -> Iterable[models.Model]:
        """Return the exhibits, the determinations, and what was said against it."""
        said = (record.items, record.determinations, record.overturnings)
        return [each for kind in said for each in kind.all()]

    def story(self, request: HttpRequest, record: Any, tried: Button | None) -> dict[str, Any]:
        """Return particulars, exhibits, ladder, facts and determinations, newest first."""
        user = person(request)
        exhibits = record.items.select_related("attached_by")
        return {
            "particulars": [
                (name, words, record.particulars[name])
                for name, words in law.classes(sorted(record.particulars))
            ],
            "exhibits": [
                (item, evidence.was_viewed(item), buttons(ItemDesk, user, item, tried))
                for item in exhibits
            ],
            "ladder": _ladder(record),
            "facts": [
                (fact, law.fact(fact.fact), law.value(fact.value))
                for fact in record.facts.select_related("asserted_by")
            ],
            "provisional": _provisional(record),
            "determinations": record.determinations.all(),
            "overturnings": [
                (doubt, buttons(OverturningDesk, user, doubt, tried))
                for doubt in record.overturnings.select_related("proposed_by", "signed_by")
            ],
            "silences": overturnings.silences_of(record),
            "is_own": record.recorded_by_id == user.pk,
        }


@admin.register(Hold)
class HoldDesk(Desk):
    """Holds: what may not be erased, and until when."""

    seen_with = Permission.VIEW_MATTER
    list_display = ("determination", standing, at("placed_at"), at("kept_until"))
    list_display_links = ("determination",)
    list_filter = ("state",)
    list_select_related = ("determination__finding",)
    search_fields = ("determination__finding__reference__exact",)
    search_help_text = "The whole number of the finding, such as F-7KQ4-M2XA."
    shown = (
        "determination", "state", "because", "placed_at", "kept_until", "released_at",
        "released_by", "released_because",
    )  # fmt: skip
    steps = (
        Step(
            "release", "Release", Permission.RELEASE_HOLD, preservation.release,
            "The hold is released.", Reasoned,
            lambda hold, user: hold.state == preservation.State.PLACED,
            hint="From here on the evidence may be erased when its time is over.",
        ),
        Step(
            "extend", "Extend", Permission.RELEASE_HOLD, preservation.extend,
            "The hold is extended.", Extension,
            lambda hold, user: hold.state == preservation.State.PLACED and hold.kept_until,
            "Keep it longer, such as on an authority's letter. With no day: until it is released.",
        ),
    )  # fmt: skip

    def headline(self, record: Any) -> str:
        """Return what stands over the page of a hold."""
        end = "until " + moment(record.kept_until) if record.kept_until else "until it is released"
        return f"Hold on {record.determination.finding}, {end}"


@admin.register(ProviderProfile)
class ProfileDesk(Desk):
    """What the law asks about the provider; it counts once a second counsel signed it."""

    seen_with = Permission.VIEW_REGISTER
    list_display = ("__str__", at("effective_from"), "recorded_by", at("signed_at"), "signed_by")
    list_select_related = ("recorded_by", "signed_by")
    ordering = ("-id",)
    shown = ("effective_from", "recorded_at", "recorded_by", "signed_at", "signed_by")
    begin = Step(
        "record", "Record a profile", Permission.SIGN_PROFILE, facts.record_profile,
        "The profile is recorded. It counts once a second counsel signed it.", ProfileSheet,
        hint="A second counsel signs it. Until then the profile that is signed now counts.",
    )  # fmt: skip
    steps = (
        Step(
            "sign", "Sign", Permission.SIGN_PROFILE, facts.sign_profile,
            "The provider's facts are signed and count from now on.", Asking, _second_counsel,
        ),
    )  # fmt: skip

    def story(self, request: HttpRequest, record: Any, tried: Button | None) -> dict[str, Any]:
        """Return the facts in words."""
        said = sorted(record.facts.items())
        return {"table": [(name, law.fact(name), law.value(value)) for name, value in said]}


@admin.register(Work)
class WorkDesk(Desk):
    """What the worker owes, did, or failed to do so far."""

    seen_with = Permission.VIEW_REGISTER
    list_display = ("__str__", at("available_at"), "attempts", at("done_at"), "last_error")
    list_filter = (("done_at", admin.EmptyFieldListFilter),)
    search_fields = ("key__exact",)
    search_help_text = "The whole key, such as seal: and the id of the referral."
    ordering = ("-id",)
    shown = (
        "key", "topic", "available_at", "attempts", "lease_until", "done_at", "last_error",
    )  # fmt: skip


admin.site.register(AuditEntry, log.LogDesk)
admin.site.register(Erasure, erasing.ErasureDesk)
admin.site.register(Item, ItemDesk)
admin.site.register(RuleDocument, rulebooks.DocumentDesk)
admin.site.register(RuleDocumentVersion, rulebooks.VersionDesk)
admin.site.register(Release, rulebooks.ReleaseDesk)
admin.site.register(SubjectRequest, subjects.SubjectRequestDesk)
