"""Overturnings: the steps with which a confirmed finding is undone, shown on the finding's page."""

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.db import models

from compliance import findings, overturnings
from compliance.admin.desk import Desk, Step, at
from compliance.admin.forms import Reasoned
from compliance.models import Finding, Overturning
from compliance.roles import Permission, User


class Doubt(Reasoned):
    """Why a confirmed finding was wrong."""

    reason = forms.ChoiceField(label="What was wrong", choices=overturnings.Reason.choices)
    field_order = ["reason", "because"]


def _standing(finding: Finding, user: User) -> bool:
    doubted = finding.overturnings.filter(declined_at=None).exists()
    return finding.state == findings.State.CONFIRMED and not doubted


def _second(overturning: Overturning, user: User) -> bool:
    return overturning.waits and overturnings.is_second(overturning, user)


def _to_reinstate(overturning: Overturning, user: User) -> bool:
    return overturning.signed_at is not None and overturning.reinstated_at is None


def _to_tell(overturning: Overturning, user: User) -> bool:
    untold = overturning.signed_at is not None and overturning.told_at is None
    return untold and not overturnings.silences_of(overturning.finding)


PROPOSE = Step(
    "overturn", "Propose to overturn", Permission.PROPOSE_RETRACTION, overturnings.propose,
    "It is proposed. Counsel decides; nothing changes before that.", Doubt, _standing,
    "If it was wrong. Counsel signs; then whatever left is taken back from every agency.",
)  # fmt: skip


@admin.register(Overturning)
class OverturningDesk(Desk):
    """Findings that are said to be wrong: proposed by one person, signed by counsel."""

    seen_with = Permission.VIEW_MATTER
    list_display = ("finding", "reason", at("proposed_at"), "proposed_by", at("signed_at"))
    list_display_links = ("finding",)
    list_filter = ("reason",)
    list_select_related = ("finding", "proposed_by")
    search_fields = ("finding__reference__exact",)
    search_help_text = "The whole number of the finding, such as F-7KQ4-M2XA."
    shown = (
        "finding", "reason", "because", "proposed_at", "proposed_by", "signed_at", "signed_by",
        "signed_because", "declined_at", "declined_by", "declined_because", "reinstated_at",
        "reinstated_by", "reinstated_because", "told_at", "told_by", "told_because",
    )  # fmt: skip
    steps = (
        Step(
            "sign", "Overturn", Permission.SIGN_RETRACTION, overturnings.sign,
            "The finding is overturned. What is on its way is withdrawn, what left is taken back.",
            Reasoned, _second, "Nothing of it leaves or can be fetched from here on.",
        ),
        Step(
            "decline", "Let it stand", Permission.SIGN_RETRACTION, overturnings.decline,
            "The finding stands.", Reasoned, _second,
        ),
        Step(
            "reinstate", "Content is back", Permission.PROPOSE_RETRACTION, overturnings.reinstate,
            "It is on record.", Reasoned, _to_reinstate,
            "Say where content and account are back as they were, or why that cannot be.",
        ),
        Step(
            "tell", "The user was told", Permission.PROPOSE_RETRACTION, overturnings.tell,
            "It is on record.", Reasoned, _to_tell, "Say how and what.",
        ),
    )  # fmt: skip

    def home(self, record: Any) -> models.Model:
        """Return the finding: its page is where it is decided."""
        return cast(models.Model, record.finding)
