"""Rulebooks: the law at the desk: every document and version of it, its changes, its releases."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from django import forms
from django.db import models
from django.http import HttpRequest
from django.utils import timezone

from compliance import drafts, releases
from compliance.admin import law
from compliance.admin.desk import Button, Desk, Step, at, standing
from compliance.admin.forms import Asking, LocalTime, Read, Zoned
from compliance.documents import State
from compliance.drafts import Stored
from compliance.errors import Tampered
from compliance.jurisdictions import book, render
from compliance.models import Determination, Release, RuleDocument, RuleDocumentVersion
from compliance.roles import Permission, User

MOST_REPLAYED = 500  # determinations, newest first: what a request can bear
UNVERIFIED = re.compile(r"""counsel_verified['"]?\s*:\s*false\b""")
SIDES = {"+": "added", "-": "removed", "@": "place"}


class RuleText(forms.CharField):
    """The text of a document, to the last space."""

    widget = forms.Textarea(attrs={"rows": 30, "spellcheck": "false", "class": "mono"})

    def __init__(self) -> None:
        super().__init__(label="Text", strip=False, required=False)


class Retirement(Asking):
    """The reason for which a document is to leave the law."""

    why = forms.CharField(
        label="Reason for the change", widget=forms.Textarea(attrs={"rows": 3}), required=False
    )


class Change(Retirement):
    """A new text, and the reason for it. The form begins with the text as it is now."""

    text = RuleText()
    field_order = ["text", "why"]

    def __init__(self, record: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(record, *args, **kwargs)
        self.fields["text"].initial, self.fields["why"].initial = self.begins_with()

    def begins_with(self) -> tuple[str, str]:
        """Return the text that counts now, or will count next."""
        counts = drafts.counting(self.record)
        return (counts.text if counts else "", "")


class NewDocument(Change):
    """A document that is not on record yet."""

    document = forms.CharField(
        label="File name", help_text="Such as uk-tact.yaml, or uk-tact.cases.yaml.", required=False
    )
    field_order = ["document", "text", "why"]

    def begins_with(self) -> tuple[str, str]:
        """Return nothing: nobody wrote it yet."""
        return ("", "")


class Rewriting(Change):
    """One's own draft, to be written anew."""

    def begins_with(self) -> tuple[str, str]:
        """Return what was drafted."""
        return (self.record.text, self.record.why)


class Approval(Zoned, Read):
    """When the law is to begin."""

    active_from = LocalTime(
        label="In force from", help_text="Leave it empty to begin at once.", required=False
    )
    field_order = ["active_from", "zone"]


def _stored() -> Iterator[Stored]:
    """Yield the newest determinations, as the law is asked again."""
    for each in Determination.objects.order_by("-proposed_at")[:MOST_REPLAYED]:
        yield each.snapshot, each.rule_time.strftime("%Y-%m-%dT%H:%M:%SZ"), each.result


def _submit(change: RuleDocumentVersion, *, version: int, by: User) -> RuleDocumentVersion:
    return drafts.submit(change, _stored(), version=version, by=by)


def _rewrite(change: RuleDocumentVersion, *, text: str, why: str, by: User) -> RuleDocumentVersion:
    return drafts.draft(change.document, text, why, by=by)


def _has_no_change(document: RuleDocument, user: User) -> bool:
    return not document.versions.filter(state__in=RuleDocumentVersion.OPEN).exists()


def _may_leave(document: RuleDocument, user: User) -> bool:
    return bool(drafts.counting(document)) and _has_no_change(document, user)


def _is_own(change: RuleDocumentVersion, user: User) -> bool:
    return change.state == State.DRAFTED and change.drafted_by_id == user.pk


def _is_for_approval(change: RuleDocumentVersion, user: User) -> bool:
    return change.state == State.SUBMITTED and drafts.is_second(change, user)


def _is_a_colleagues(change: RuleDocumentVersion, user: User) -> bool:
    return change.state in RuleDocumentVersion.OPEN and change.drafted_by_id != user.pk


class DocumentDesk(Desk):
    """The documents of the law, each with every version that it ever had."""

    seen_with = Permission.VIEW_REGISTER
    called = "Documents of the law"
    list_display = ("key", "kind")
    list_filter = ("kind",)
    search_fields = ("key__exact",)
    search_help_text = "The whole file name, such as eu-tco.yaml."
    begin = Step(
        "draft-new", "Draft a document", Permission.DRAFT_RULES, drafts.draft,
        "The draft is on record. Submit it next.", NewDocument,
        hint="Nothing counts before you submit it and a second counsel approves it.",
    )  # fmt: skip
    steps = (
        Step(
            "draft", "Draft a change", Permission.DRAFT_RULES, drafts.draft,
            "The draft is on record. Open it to submit it.", Change, _has_no_change,
            hint="Nothing changes before you submit it and a second counsel approves it.",
        ),
        Step(
            "retire", "Draft its retirement", Permission.DRAFT_RULES, drafts.retire,
            "The draft is on record. Open it to submit it.", Retirement, _may_leave,
            hint="It leaves the law once you submit it and a second counsel approves it. Earlier "
            "releases keep it. Retire its golden cases first.",
        ),
    )  # fmt: skip

    def headline(self, record: Any) -> str:
        """Return the file name as it is."""
        return str(record)

    def parts(self, record: Any) -> Iterable[models.Model]:
        """Return the versions."""
        return tuple(record.versions.defer("text", "reports"))

    def story(self, request: HttpRequest, record: Any, tried: Button | None) -> dict[str, Any]:
        """Return the text in force, what is shipped beside it, and all versions."""
        versions = record.versions.defer("text", "reports").select_related("drafted_by")
        release = releases.in_force(timezone.now())
        counts = record.versions.filter(number=_numbers(release).get(record.key)).first()
        shipped = record.versions.filter(state=State.SHIPPED).order_by("number").last()
        return {
            "versions": versions,
            "counts": counts,
            "newer": shipped if counts and shipped and shipped.number > counts.number else None,
            "rules": _in_words(release, counts) if release and counts else [],
            "lines": counts.text.splitlines() if counts else [],
            "is_unverified": bool(counts and UNVERIFIED.search(counts.text)),
        }


class VersionDesk(Desk):
    """Versions of the law: what changes, what was said of it, and who decided."""

    seen_with = Permission.VIEW_REGISTER
    called = "Versions of the law"
    list_display = ("__str__", standing, at("drafted_at"), "drafted_by", "approved_by")
    list_filter = ("state",)
    list_select_related = ("document", "drafted_by", "approved_by")
    search_fields = ("document__key__exact", "sha256__exact")
    search_help_text = "The whole file name of a document, or a whole SHA-256."
    shown = (
        "document", "why", "drafted_at", "drafted_by", "submitted_at", "approved_at",
        "approved_by", "rejected_at", "rejected_by", "rejected_because", "sha256",
    )  # fmt: skip
    steps = (
        Step(
            "rewrite", "Write it anew", Permission.DRAFT_RULES, _rewrite,
            "The draft is written anew.", Rewriting, _is_own,
        ),
        Step(
            "submit", "Submit", Permission.DRAFT_RULES, _submit,
            "The change is submitted. A second counsel decides.", Read, _is_own,
            hint="The whole law is read and tried with it. From here on the text stays as it is.",
        ),
        Step(
            "approve", "Approve", Permission.APPROVE_RULES, drafts.approve,
            "The change is approved, and the release is made.", Approval, _is_for_approval,
            hint="Refused if the law does not read with it or a golden case differs.",
        ),
        Step(
            "reject", "Reject", Permission.APPROVE_RULES, drafts.reject,
            "The change is rejected. Nothing changes.", is_open=_is_a_colleagues,
            hint="Nothing changes. The text stays on record with your reason.",
        ),
    )  # fmt: skip

    def headline(self, record: Any) -> str:
        """Return the file name and the number as they are."""
        return str(record)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Return the versions without their long parts, which one page alone reads."""
        return super().get_queryset(request).defer("text", "reports")

    def story(self, request: HttpRequest, record: Any, tried: Button | None) -> dict[str, Any]:
        """Return the text, what it changes, and what the machine says of it."""
        return {
            "lines": record.text.splitlines(),
            "changed": list(_compared(_before(record), record.text)),
            "is_unverified": bool(UNVERIFIED.search(record.text)),
            "beside": drafts.beside(record),
            "report": _report(record.reports),
        }


class ReleaseDesk(Desk):
    """The law that determinations rest on, from when on, and what changed with it."""

    seen_with = Permission.VIEW_REGISTER
    list_display = ("__str__", at("active_from"), "approved_by", "sha256")
    list_select_related = ("approved_by",)
    shown = ("sha256", "active_from", "approved_by")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Return the releases without their manifests, which one page alone reads."""
        return super().get_queryset(request).defer("manifest")

    def story(self, request: HttpRequest, record: Any, tried: Button | None) -> dict[str, Any]:
        """Return what is in it, what was another before, and whether its texts are unchanged."""
        before = _numbers(_previous(record))
        try:
            texts, tampered = releases.versions(record), ""
        except Tampered as refusal:
            texts, tampered = {}, refusal.message
        return {
            "is_in_force": releases.in_force(timezone.now()) == record,
            "is_to_come": record.active_from > timezone.now(),
            "held": [
                (
                    entry,
                    texts.get(entry["key"]),
                    before.get(entry["key"]),
                    before.get(entry["key"]) != entry["number"],
                )
                for entry in record.manifest
            ],
            "left": sorted(before.keys() - _numbers(record).keys()),
            "unverified": [k for k, each in texts.items() if UNVERIFIED.search(each.text)],
            "tampered": tampered,
        }


def _in_words(release: Release, counts: RuleDocumentVersion) -> list[tuple[str, str]]:
    """Return each rule of a text in force, by its name and as a person reads it."""
    try:
        law_then = releases.rules_of(release)
    except Tampered:  # the page of the release says so
        return []
    data, _ = book.parse(counts.document.key, counts.text)
    return [(each["id"], render.rule(law_then, each["id"])) for each in data.get("rules", ())]


def _numbers(release: Release | None) -> dict[str, int]:
    """Return which version of each document a release holds."""
    return {each["key"]: each["number"] for each in release.manifest} if release else {}


def _previous(release: Release) -> Release | None:
    """Return the release that was in force before one, or would have been."""
    same = models.Q(active_from=release.active_from, pk__lt=release.pk)
    earlier = models.Q(active_from__lt=release.active_from)
    return Release.objects.filter(same | earlier).first()


def _before(change: RuleDocumentVersion) -> str:
    """Return the text that a version is compared with: what counts now, or what came before."""
    if change.state in RuleDocumentVersion.OPEN:
        before = drafts.counting(change.document)
    else:
        counted = [State.APPROVED, State.SHIPPED]
        earlier = change.document.versions.filter(number__lt=change.number, state__in=counted)
        before = earlier.order_by("number").last()
    return before.text if before else ""


def _compared(before: str, after: str) -> Iterator[tuple[str, str]]:
    """Yield the lines that differ, each with what it is and its mark at the front."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2)
    for line in islice(lines, 2, None):
        yield SIDES.get(line[0], "same"), line


def _report(reports: Mapping[str, Any]) -> dict[str, Any]:
    """Return what check, test, diff and replay said, in words."""
    if not reports:
        return {}
    again = reports["replay"]
    return {
        "check": [_sentence(each) for each in reports["check"] if each["level"] != "note"],
        "notes": sum(each["level"] == "note" for each in reports["check"]),
        "count": sorted(reports["test"]["count"].items()),
        "differ": reports["test"]["differ"],
        "turned": [
            (way.replace("_", " "), reports["test"][way])
            for way in ("newly_failing", "newly_passing")
            if reports["test"].get(way)
        ],
        "diff": [_changed(each) for each in reports["diff"]],
        "count_again": again["count"],
        "again": [(e, [_differs(c) for c in e["changes"]]) for e in again["changed"]],
    }


def _sentence(found: Mapping[str, Any]) -> str:
    return ": ".join(filter(None, (found["rule"], found["finding"])))


def _changed(change: Mapping[str, Any]) -> dict[str, Any]:
    """Return one changed rule: what of it, whether its outcome differs, and what follows."""
    return {
        **change,
        "parts": sorted(change["parts"].items()),
        "consequences": [_differs(each) for each in change.get("consequences", ())],
        "witness": sorted(((change.get("witness") or {}).get("facts") or {}).items()),
    }


def _differs(each: Mapping[str, Any]) -> str:
    was, now = (_said(each[side]) for side in ("before", "after"))
    return f"{each['what']} of {each['of']}: was {was}, becomes {now}"


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {said}" for name, said in sorted(value.items())) or "nothing"
    return "nothing" if value is None else law.value(value)
