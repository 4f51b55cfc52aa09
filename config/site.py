"""Site: the desk's front page. It gathers what waits; it decides nothing."""

from datetime import datetime
from typing import Any, cast

from django.contrib.admin import AdminSite
from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.timesince import timeuntil

# Not compliance.admin: it registers with the site that this module defines.
from compliance import determinations, facts, findings, lifecycle, releases, requests
from compliance.models import (
    ConflictDecision,
    Determination,
    Erasure,
    Finding,
    Obligation,
    ProviderProfile,
    RuleDocumentVersion,
)
from compliance.roles import Permission, User
from config import undoing
from config.piles import COUNTED, SHOWN, Pile, Row, ago, page_of, pile_of, share_of, when
from referrals import agencies, docket, inquiries, processes
from referrals.models import (
    Agency,
    AgencyKey,
    InformationRequest,
    LegalProcess,
    LiaisonClient,
    Referral,
    Route,
)
from referrals.shredding import Shredding

# The registers as people look for them; in each group, the order in which a finding meets them.
GROUPS = {
    "Matters": (
        "Finding",
        "Item",
        "Determination",
        "ConflictDecision",
        "Hold",
        "Referral",
        "LegalProcess",
        "Overturning",
        "Retraction",
        "InformationRequest",
        "SubjectRequest",
    ),
    "Agencies": ("Agency", "AgencyKey", "LiaisonClient", "Route"),
    "The law": ("RuleDocument", "RuleDocumentVersion", "Release"),
    "House": ("ProviderProfile", "Kek", "Shredding", "Work", "AuditEntry", "Erasure"),
}


class DeskSite(AdminSite):
    """The admin of both apps: Django's doors, our front page."""

    site_header = site_title = "Dutyline"
    index_title = "What waits"
    site_url = None
    enable_nav_sidebar = True

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Show what waits, most urgent first."""
        user = cast(User, request.user)
        piles = [_to_approve(user), _ending(), _failing()]
        if user.may(Permission.VIEW_MATTER):
            piles = [
                _overdue(), undoing.to_sign(), undoing.doubted(), _idle(), _due(), _homeless(),
                _to_confirm(user), _to_release(user), _to_sign(), _to_open(user), _to_answer(),
                _of_people(), _to_close(), undoing.to_redress(), *piles,
            ]  # fmt: skip
        context = {
            "piles": sorted(piles, key=lambda pile: not pile.rows),
            "waiting": sum(pile.total for pile in piles),
            "is_more": any(pile.total > COUNTED for pile in piles),
            "may_record": user.may(Permission.RECORD_FINDING),
            "has_profile": facts.profile() is not None,
        }
        return super().index(request, context | (extra_context or {}))

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Register desks alone, in whatever order apps load.

        Roles are ours and fixed, so Django's groups would only mislead; the log's list is ours too.
        """
        if hasattr(admin_class, "steps"):
            super().register(model_or_iterable, admin_class, **options)

    def app_index(  # type: ignore[override]
        self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Send people on: apps are our matter, registers are theirs."""
        return redirect("admin:index")

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return the registers in our groups, each under the name that people call it by."""
        known = {
            model["object_name"]: model | {"name": _called(self.get_model_admin(model["model"]))}
            for app in super().get_app_list(request)
            for model in app["models"]
        }
        return [
            {
                "name": group,
                "app_label": group.lower(),
                "app_url": reverse("admin:index"),
                "models": [known[name] for name in names if name in known],
            }
            for group, names in GROUPS.items()
            if known.keys() & set(names)
        ]


def _called(desk: Any) -> str:
    return desk.called or capfirst(str(desk.opts.verbose_name_plural))


def _overdue() -> Pile:
    late = docket.overdue().select_related("agency", "owner").order_by("due_at")
    return pile_of(
        "Overdue", "Nothing is late.", late, map(_referral, late[:SHOWN]), is_urgent=True
    )


def _idle() -> Pile:
    waiting = docket.idle().select_related("agency", "owner").order_by("entered_at", "id")
    return pile_of(
        "Not owed any more",
        "Every referral on its way is owed.",
        waiting,
        map(_referral, waiting[:SHOWN]),
        is_urgent=True,
    )


def _due() -> Pile:
    in_time = Q(due_at__gte=timezone.now()) | Q(due_at__isnull=True)
    coming = (
        Referral.objects.filter(in_time, state__in=[docket.State.ENTERED, docket.State.SEALED])
        .select_related("agency", "owner")
        .order_by(F("due_at").asc(nulls_last=True))
    )
    return pile_of(
        "On its way",
        "Every referral is delivered.",
        coming,
        map(_referral, coming[:SHOWN]),
    )


def _homeless() -> Pile:
    approved = Agency.objects.filter(authority=OuterRef("recipient"), state=agencies.State.APPROVED)
    waiting = docket.unentered().filter(~Exists(approved))
    urgent_first = waiting.select_related("determination__finding")
    return pile_of(
        "Owed, but no agency is enrolled",
        "Every recipient that the law named has an approved agency.",
        waiting,
        map(_obligation, urgent_first[:SHOWN]),
        is_urgent=True,
    )


def _to_confirm(user: User) -> Pile:
    waiting = Finding.objects.filter(state=findings.State.RECORDED).select_related("recorded_by")
    rows = (
        Row(
            f"Finding {finding}",
            page_of(finding),
            "recorded by you; a colleague decides"
            if finding.recorded_by_id == user.pk
            else f"recorded by {finding.recorded_by} {ago(finding.recorded_at)}",
        )
        for finding in waiting.order_by("recorded_at", "id")[:SHOWN]
    )
    return pile_of("For a second pair of eyes", "Every recorded finding is decided.", waiting, rows)


def _to_sign() -> Pile:
    waiting = Determination.objects.filter(state=determinations.State.PROPOSED)
    rows = (
        Row(
            f"The law on {each.finding}",
            page_of(each),
            f"{_reports(each)}, proposed {ago(each.proposed_at)}",
        )
        for each in waiting.select_related("finding").order_by("proposed_at", "id")[:SHOWN]
    )
    return pile_of("For counsel", "No determination waits for counsel.", waiting, rows)


def _to_open(user: User) -> Pile:
    """Return the legal processes on which counsel has not decided yet."""
    waiting = LegalProcess.objects.filter(state=processes.State.RECORDED)
    oldest = waiting.select_related("referral", "recorded_by").order_by("recorded_at", "id")
    rows = (_approval(f"The {each}", each, "recorded", user) for each in oldest[:SHOWN])
    return pile_of("Legal processes", "No legal process waits for counsel.", waiting, rows)


def _to_close() -> Pile:
    waiting = Referral.objects.filter(state=docket.State.ACKNOWLEDGED).select_related("agency")
    rows = (
        Row(
            f"Referral {each}",
            page_of(each),
            f"acknowledged by {each.agency.name} {ago(cast(datetime, each.acknowledged_at))}",
        )
        for each in waiting.order_by("acknowledged_at", "id")[:SHOWN]
    )
    return pile_of("To be closed", "No acknowledged referral is open.", waiting, rows)


def _to_answer() -> Pile:
    waiting = inquiries.waiting().select_related("referral__agency")
    rows = (Row(f"Request {each}", page_of(each), _asked(each)) for each in waiting[:SHOWN])
    return pile_of("Asked by agencies", "No agency waits for an answer.", waiting, rows)


def _asked(request: InformationRequest) -> str:
    return f"from {request.referral.agency.name}, received {ago(request.received_at)}"


def _of_people() -> Pile:
    waiting = requests.waiting()
    rows = (
        Row(
            f"Request {each}",
            page_of(each),
            f"for {each.kind}, {each.state}, {when(each.due_at)}",
            share_of(each.received_at, each.due_at),
        )
        for each in waiting[:SHOWN]
    )
    return pile_of("Asked by people", "No person waits for an answer.", waiting, rows)


def _to_release(user: User) -> Pile:
    """Return what one counsel let go in a conflict of laws and a second one must approve."""
    waiting = ConflictDecision.objects.filter(
        resolution=ConflictDecision.Resolution.RELEASE, approved_at__isnull=True
    )
    oldest = waiting.select_related("finding", "decided_by").order_by("decided_at", "id")
    rows = (
        _approval(f"The conflict in {each.finding}", each, "decided", user)
        for each in oldest[:SHOWN]
    )
    return pile_of("For a second counsel", "No conflict waits for a second counsel.", waiting, rows)


def _to_approve(user: User) -> Pile:
    """Return what one person put on record and a second one must approve or sign."""
    added = {"state": agencies.State.ADDED}
    kinds: list[tuple[QuerySet[Any], str, str]] = [
        (ProviderProfile.objects.filter(signed_at__isnull=True), "recorded", "The {0}"),
        (
            RuleDocumentVersion.objects.filter(
                state=RuleDocumentVersion.State.SUBMITTED
            ).select_related("document"),
            "submitted",
            "The law: {0}",
        ),
        (Shredding.objects.filter(state="proposed"), "proposed", "Shredding {0}"),
        (Erasure.objects.filter(state=Erasure.State.ASKED), "asked", "The {0}"),
        (Agency.objects.filter(**added), "added", "Agency {0.name}"),
        (AgencyKey.objects.filter(**added).select_related("agency"), "added", "Key of {0.agency}"),
        (
            LiaisonClient.objects.filter(**added).select_related("agency"),
            "added",
            "Client {0} of {0.agency}",
        ),
        (Route.objects.filter(**added).select_related("agency"), "added", "Route {0}"),
    ]
    rows = [
        (getattr(each, f"{done}_at"), _approval(words.format(each), each, done, user))
        for waiting, done, words in kinds
        for each in waiting.select_related(f"{done}_by").order_by(f"{done}_at")[:SHOWN]
    ]
    oldest = [row for _, row in sorted(rows, key=lambda pair: pair[0])]
    total = sum(waiting.order_by()[: COUNTED + 1].count() for waiting, *_ in kinds)
    return Pile(
        "For a second person's approval",
        "Nothing that one person put on record waits for a second one.",
        total,
        oldest[:SHOWN],
    )


def _approval(title: str, record: Model, done: str, user: User) -> Row:
    by: User = getattr(record, f"{done}_by")
    whose = "you; a second person decides" if by == user else str(by)
    return Row(title, page_of(record), f"put on record by {whose}")


def _ending() -> Pile:
    """Return the keys of agencies that end soon and have no successor."""
    waiting = agencies.expiring().select_related("agency")
    rows = (
        Row(
            f"Key of {each.agency.name}",
            page_of(each.agency),
            f"ends in {timeuntil(each.expires_at, depth=1)}; ask the agency for its next key",
        )
        for each in waiting[:SHOWN]
    )
    return pile_of("Keys that end", "Every key of an agency lasts another month.", waiting, rows)


def _failing() -> Pile:
    stuck = lifecycle.failing()
    rows = (
        Row(
            f"To {work.topic}",
            page_of(work),
            f"tried {work.attempts} time{'s' if work.attempts > 1 else ''}: {work.last_error}",
        )
        for work in stuck.order_by("available_at")[:SHOWN]
    )
    return pile_of("Work that fails", "The worker finishes what it begins.", stuck, rows)


def _reports(determination: Determination) -> str:
    """Say how many firm duties and permissions wait for a signature."""
    duties = len(list(determinations.firm(determination, "duty")))
    permissions = len(list(determinations.firm(determination, "permission")))
    return (
        f"{duties} firm dut{'y' if duties == 1 else 'ies'}, "
        f"{permissions} permission{'' if permissions == 1 else 's'}"
    )


def _referral(referral: Referral) -> Row:
    return Row(
        f"Referral {referral}",
        page_of(referral),
        f"to {referral.agency.name}, {when(referral.due_at)}; {referral.owner} sees to it",
        share_of(referral.entered_at, referral.due_at),
    )


def _obligation(obligation: Obligation) -> Row:
    determination = obligation.determination
    known = releases.rules().authorities.get(obligation.recipient)
    return Row(
        str(known["title"]) if known else obligation.recipient,
        page_of(determination),
        f"for {determination.finding}, {when(obligation.due_at)}",
        share_of(determination.signed_at, obligation.due_at),
    )
