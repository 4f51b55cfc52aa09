"""The desk over what ends: shreddings, which two people decide, and the keys of the evidence."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from compliance.admin.desk import Desk, Step, at, standing
from compliance.admin.forms import Asking, Read, Reasoned
from compliance.evidence import Item
from compliance.roles import Permission, User
from compliance.vault import keys
from referrals import shredding


class NewShredding(Reasoned):
    """One exhibit of a finding, or a period, and why it may go."""

    finding = forms.CharField(
        label="Number of the finding",
        help_text="For one exhibit. Leave both empty for a period.",
        required=False,
    )
    exhibit = forms.IntegerField(label="Number of the exhibit", min_value=1, required=False)
    period = forms.CharField(
        label="Or a period", help_text="A year that is over: all its evidence goes.", required=False
    )
    field_order = ["finding", "exhibit", "period", "because"]

    def clean(self) -> dict[str, Any]:
        """Return what the verb takes: the item instead of its numbers."""
        told = dict(super().clean() or {})
        named, number = told.pop("finding", ""), told.pop("exhibit", None)
        item = Item.objects.filter(finding__reference=named, exhibit=number).first()
        if named and item is None:
            raise ValidationError("No finding of this number has such an exhibit.")
        return told | {"item": item}


def _proposed(record: Any, user: User) -> bool:
    return bool(record.state == shredding.State.PROPOSED)


def _by_another(record: Any, user: User) -> bool:
    return _proposed(record, user) and record.proposed_by_id != user.pk


def _over(kek: Any, user: User) -> bool:
    """Tell whether a key's period is over, so that it may be cleared of what is needed."""
    is_past = kek.period < f"{timezone.now().year}"
    return bool(is_past and kek.state != keys.State.DESTROYED)


class ShreddingDesk(Desk):
    """What is to go for good, and the certificates of what is gone."""

    seen_with = Permission.VIEW_REGISTER
    called = "Shreddings"
    list_display = ("number", "period", standing, at("proposed_at"), at("shredded_at"))
    list_filter = ("state",)
    search_fields = ("number__exact", "item__finding__reference__exact")
    search_help_text = "The whole number of a shredding or of a finding."
    shown = (
        "item", "period", "state", "proposed_at", "proposed_by", "proposed_because", "approved_at",
        "approved_by", "rejected_at", "rejected_by", "rejected_because", "shredded_at",
        "certificate", "signature",
    )  # fmt: skip
    begin = Step(
        "propose", "Propose a shredding", Permission.PROPOSE_SHREDDING, shredding.propose,
        "The shredding is proposed. Counsel approves it.", NewShredding,
        hint="A second person approves it. It is refused while anything needs the evidence.",
    )  # fmt: skip
    steps = (
        Step(
            "approve", "Approve", Permission.APPROVE_SHREDDING, shredding.approve,
            "Nobody opens this evidence any more. Keys and objects go next.", Read, _by_another,
            "This cannot be undone.",
        ),
        Step(
            "reject", "Reject", Permission.APPROVE_SHREDDING, shredding.reject,
            "The proposal is rejected. The evidence stays.", Reasoned, _proposed,
        ),
    )  # fmt: skip

    def headline(self, record: Any) -> str:
        """Return what stands over the page of a shredding."""
        what = f"the period {record.period}" if record.period else f"{record.item}"
        return f"Shredding {record} of {what}"


class KekDesk(Desk):
    """The key-encryption keys: which period each is of, and whether it is there still."""

    seen_with = Permission.VIEW_REGISTER
    called = "Keys of the evidence"
    list_display = ("__str__", "period", standing, at("made_at"), at("destroyed_at"))
    list_filter = ("state",)
    search_fields = ("key_id__exact", "period__exact")
    search_help_text = "A whole key id, or a period such as 2026."
    shown = ("provider", "key_id", "period", "state", "made_at", "retired_at", "destroyed_at")
    steps = (
        Step(
            "spare", "Spare what is needed", Permission.PROPOSE_SHREDDING, shredding.spare,
            "What is still needed is under this year's key. The period can be shredded.", Asking,
            _over, "What a hold, a silence or a referral needs moves to this year's key.",
        ),
    )  # fmt: skip
