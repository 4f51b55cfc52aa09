"""Counsel: the desk's pages on which the law's answer is read, decided on and signed."""

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from compliance import conflicts, determinations, findings
from compliance.admin import law
from compliance.admin.desk import Button, Desk, Step, at, buttons, person, standing
from compliance.admin.forms import Asking, Decision, Reasoned
from compliance.conflicts import Resolution
from compliance.models import ConflictDecision, Determination
from compliance.roles import Permission, User


def _a_third(determination: Determination, user: User) -> bool:
    is_open = determination.state == determinations.State.PROPOSED
    return is_open and determinations.is_third(determination, user)


def _collides(determination: Determination, user: User) -> bool:
    return bool(determination.result["conflicts"]) and _a_third(determination, user)


def _second_counsel(decision: ConflictDecision, user: User) -> bool:
    is_second = decision.decided_by_id != user.pk and findings.is_third(decision.finding, user)
    return decision.waits and is_second


def _resolve(determination: Determination, *, conflict: str, **told: Any) -> ConflictDecision:
    """Decide the conflict of this id."""
    found = {each["id"]: each for each in determination.result["conflicts"]}
    return conflicts.resolve(determination.finding, found[conflict], **told)


class Signature(Decision):
    """A decision on each firm duty, and on each permission that counsel takes up."""

    def __init__(self, record: Determination, *args: Any, **kwargs: Any) -> None:
        super().__init__(record, *args, **kwargs)
        self.reports = [
            (kind, report["to"])
            for kind in ("duty", "permission")
            for report in determinations.firm(record, kind)
        ]
        for kind, to in self.reports:
            named = f"{law.authority(to)} ({to})"
            self.fields[f"{kind}-{to}"] = _ASKED[kind](named)
            self.fields[f"{kind}-{to}-because"] = forms.CharField(
                label="Reason", required=False, widget=forms.Textarea(attrs={"rows": 2})
            )
        self.order_fields([name for name in self.fields if name != "because"])
        whole = "Reason for the whole" if self.reports else "Why nothing is referred"
        self.fields["because"].label = whole

    def clean(self) -> dict[str, Any]:
        """Return what was decided as one keyword; what was left open is for the verb to judge."""
        told = cast("dict[str, Any]", super().clean())
        decisions = []
        for kind, to in self.reports:
            choice = told.pop(f"{kind}-{to}", "")
            reason = told.pop(f"{kind}-{to}-because", "")
            if choice:
                accept = choice != "decline"
                decisions.append(determinations.Decision(kind, to, accept, reason))
        return {**told, "decisions": decisions}


def _duty(named: str) -> forms.Field:
    return forms.ChoiceField(
        label=f"Duty towards {named}",
        widget=forms.RadioSelect,
        choices=[("accept", "Accept"), ("decline", "Decline")],
        required=False,
    )


def _permission(named: str) -> forms.Field:
    return forms.BooleanField(label=f"Take up the permission towards {named}", required=False)


_ASKED = {"duty": _duty, "permission": _permission}


class Resolving(Reasoned):
    """What becomes of the classes over which two laws collide."""

    conflict = forms.ChoiceField(label="Conflict")
    resolution = forms.ChoiceField(
        label="The barred classes", widget=forms.RadioSelect, choices=Resolution.choices,
        required=False,
    )  # fmt: skip
    citation = forms.CharField(
        label="Citation",
        help_text="Wanted for a release: why the bar does not bite. A second counsel approves.",
        required=False,
    )
    field_order = ["conflict", "resolution", "because", "citation"]

    def __init__(self, record: Determination, *args: Any, **kwargs: Any) -> None:
        super().__init__(record, *args, **kwargs)
        cast(forms.ChoiceField, self.fields["conflict"]).choices = [
            (each["id"], f"{', '.join(each['fields'])} towards {law.authority(each['to'])}")
            for each in record.result["conflicts"]
        ]


@admin.register(Determination)
class DeterminationDesk(Desk):
    """Determinations: the law's answer, and counsel's decision on it."""

    seen_with = Permission.VIEW_MATTER
    list_display = (
        "finding", standing, at("rule_time"), at("proposed_at"), "signed_by"
    )  # fmt: skip
    list_display_links = ("finding",)
    list_filter = ("state",)
    list_select_related = ("finding", "signed_by")
    search_fields = ("finding__reference__exact",)
    search_help_text = "The whole number of the finding, such as F-7KQ4-M2XA."
    steps = (
        Step(
            "resolve", "Decide a conflict", Permission.SIGN_DETERMINATION, _resolve,
            "The decision is on record. A release counts once a second counsel approved it.",
            Resolving, _collides,
        ),
        Step(
            "sign", "Sign", Permission.SIGN_DETERMINATION, determinations.sign,
            "The determination is signed. What it obliges to is entered in the docket next.",
            Signature, _a_third,
        ),
        Step(
            "decline", "Decline", Permission.SIGN_DETERMINATION, determinations.decline,
            "The determination is declined. Nothing leaves.", Decision, _a_third,
        ),
    )  # fmt: skip

    def story(self, request: HttpRequest, record: Any, tried: Button | None) -> dict[str, Any]:
        """Return the law's answer in words, and the obligations that follow from a signature."""
        told = law.answer(record.result)
        for conflict in told["conflicts"]:
            decision = conflicts.decision_on(record.finding, conflict)
            offered = buttons(ConflictDesk, person(request), decision, tried) if decision else []
            conflict |= {
                "decision": decision,
                "approval": offered,
                "precedents": conflicts.precedents(record.finding, conflict)[:10],
            }
        return {
            "law": told,
            "is_unverified": law.is_unverified(record),
            "is_none": not any(r["certainty"] == "firm" for r in record.result["reports"]),
            "proofs": law.proofs(record),
            "newest": record.finding.determinations.filter(is_newest=True).first(),
            "obligations": [
                (law.authority(obligation.recipient), obligation)
                for obligation in record.obligations.all()
            ],
        }


@admin.register(ConflictDecision)
class ConflictDesk(Desk):
    """Decisions on conflicts. A release waits for a second counsel."""

    seen_with = Permission.VIEW_MATTER
    called = "Conflicts decided"
    list_display = ("finding", "resolution", at("decided_at"), "decided_by", at("approved_at"))
    list_display_links = ("finding",)
    list_filter = ("resolution",)
    list_select_related = ("finding", "decided_by")
    search_fields = ("finding__reference__exact", "conflict_id__exact")
    search_help_text = "The whole number of a finding, or a whole conflict id."
    shown = (
        "finding", "conflict_id", "resolution", "because", "citation", "decided_at", "decided_by",
        "approved_at", "approved_by",
    )  # fmt: skip
    steps = (
        Step(
            "approve", "Approve that they go", Permission.SIGN_DETERMINATION, conflicts.approve,
            "The release is approved. The classes go with the duty once it is signed.", Asking,
            _second_counsel,
        ),
    )  # fmt: skip

    def story(self, request: HttpRequest, record: Any, tried: Button | None) -> dict[str, Any]:
        """Return what the decision is about."""
        return {"conflict": law.conflict(record.terms)}

    def home(self, record: Any) -> models.Model:
        """Return the determination that waits for this decision, or the decision itself."""
        waiting = record.finding.determinations.filter(state=determinations.State.PROPOSED)
        return cast(models.Model, waiting.first() or record)
