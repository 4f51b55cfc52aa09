"""Forms: what the buttons of the desk ask. A field's name is a keyword of the verb."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.text import capfirst

from compliance import determinations, evidence, facts, findings, releases
from compliance.admin.law import authority
from compliance.jurisdictions import book
from compliance.models import Determination, Finding
from compliance.roles import User


class LocalTime(forms.Field):
    """A time as a clock on a wall shows it; the form's time zone makes it an instant."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"})

    def to_python(self, value: Any) -> datetime | None:
        """Return the time as it was typed."""
        if value in self.empty_values:
            return None
        try:
            at = parse_datetime(str(value))
        except ValueError:
            at = None
        if at is None:
            raise ValidationError("Give a day and a time, such as 2026-03-01T09:30.")
        return at


class Lines(forms.CharField):
    """A few particulars, one a line, each `name: value`."""

    widget = forms.Textarea(attrs={"rows": 2, "placeholder": "name: value"})

    def to_python(self, value: Any) -> Any:
        """Return the particulars by name."""
        found: dict[str, str] = {}
        for line in filter(None, map(str.strip, (super().to_python(value) or "").splitlines())):
            name, colon, said = (part.strip() for part in line.partition(":"))
            if not colon or not said or name in found:
                raise ValidationError(f"Write {line[:60]!r} as `name: value`, each name once.")
            found[name] = said
        return found


class FactLines(forms.CharField):
    """Facts by the names of the law's vocabulary, one a line, in strict YAML."""

    widget = forms.Textarea(
        attrs={"rows": 6, "placeholder": "threat.imminent: true\nthreat.to: [life]"}
    )

    def to_python(self, value: Any) -> Any:
        """Return the facts by name; whether the law knows them is for the verb to say."""
        text = super().to_python(value)
        if not text:
            return {}
        known, report = book.parse("facts", text)
        if report.problems:
            raise ValidationError(f"Line {report.problems[0].line}: {report.problems[0].message}")
        if not isinstance(known, dict):
            raise ValidationError("Write one fact a line, such as threat.imminent: true.")
        return known


class Asking(forms.Form):
    """What a button asks for. The names of the fields are the keywords of its verb."""

    template_name = "admin/desk_form.html"

    def __init__(self, record: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs | {"label_suffix": ""})
        self.record = record
        if "version" in self.fields:
            self.fields["version"].initial = record.version

    def complaints(self) -> Iterator[str]:
        """Yield what is wrong, a sentence each, beginning with the field it is about."""
        for name, wrong in self.errors.items():
            label = self.fields[name].label or capfirst(name) if name in self.fields else ""
            yield from (f"{label}: {each}" if label else str(each) for each in wrong)


class Reasoned(Asking):
    """A reason in a sentence."""

    because = forms.CharField(
        label="Reason", widget=forms.Textarea(attrs={"rows": 3}), required=False
    )


class Decision(Reasoned):
    """A reason, and the version of the record that the person has read."""

    version = forms.IntegerField(
        widget=forms.HiddenInput,
        error_messages={"required": "The page did not say what you read. Open it again."},
    )


class Signature(Decision):
    """A decision on a determination, with the permissions that counsel takes up."""

    take_up = forms.MultipleChoiceField(
        label="Permissions to take up", widget=forms.CheckboxSelectMultiple, required=False
    )
    field_order = ["take_up", "because"]

    def __init__(self, record: Determination, *args: Any, **kwargs: Any) -> None:
        super().__init__(record, *args, **kwargs)
        open_to_choice = [report["to"] for report in determinations.firm(record, "permission")]
        choices = [(to, f"{authority(to)} ({to})") for to in open_to_choice]
        cast(forms.MultipleChoiceField, self.fields["take_up"]).choices = choices
        if not choices:
            self.fields["take_up"].widget = forms.MultipleHiddenInput()


class Purpose(Asking):
    """Why somebody opens an exhibit."""

    purpose = forms.CharField(
        label="Purpose", help_text="Goes into the log before the first byte.", required=False
    )


class FactSheet(Asking):
    """Facts and where they come from."""

    values = FactLines(label="Facts", help_text="One a line, by the names of the law's vocabulary.")
    source = forms.CharField(label="Source of these facts", required=False)


@cache
def _zones() -> list[tuple[str, str]]:
    return [(name, name) for name in sorted({"UTC", *available_timezones()})]


class Zoned(Asking):
    """A form with times in one named zone."""

    zone = forms.ChoiceField(label="Time zone", choices=_zones, initial="UTC")

    def clean(self) -> dict[str, Any]:
        """Return what was typed, each time as an instant."""
        told = cast("dict[str, Any]", super().clean())
        zone = told.pop("zone", "UTC")
        for name in [name for name in told if isinstance(told[name], datetime)]:
            try:
                told[name] = _instant(told[name], zone)
            except ValidationError as error:
                self.add_error(name, error)
        return told


class Attachment(Zoned):
    """A file, what it was and when it was acquired."""

    # An empty file is refused by the verb, whose words are better.
    upload = forms.FileField(label="File", allow_empty_file=True)
    field_class = forms.ChoiceField(label="It was", choices=evidence.FieldClass.choices)
    acquired_at = LocalTime(label="Acquired at")
    source_url = forms.CharField(label="Where it was found (address)", required=False)
    field_order = ["upload", "field_class", "acquired_at", "zone", "source_url"]


class NewFinding(Zoned):
    """A finding as its reviewer writes it down."""

    statement = forms.CharField(
        label="Statement",
        help_text="The reasoned suspicion: who, what, when, where, why. Do not quote private "
        "content here: the statement travels where private content may not.",
        widget=forms.Textarea(attrs={"rows": 8}),
        required=False,
    )
    suspicion_at = LocalTime(label="Suspicion arose", required=False)
    belief_at = LocalTime(label="Reasonable belief since", required=False)
    actual_at = LocalTime(label="Actual knowledge since", required=False)
    values = FactLines(
        label="Facts", help_text=FactSheet.base_fields["values"].help_text, required=False
    )
    source = forms.CharField(
        label="Source of these facts", initial="the reviewer's own reading", required=False
    )
    field_order = ["statement", "zone", *findings.RUNGS.values(), "values", "source"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        words = releases.rules().vocabulary.field_classes
        for key in findings.CLASSES:
            label = f"{key}: {words.get(key, '')}"
            self.fields[key] = Lines(label=label, required=False)

    def save(self, by: User) -> Finding:
        """Record the finding and its facts, both or neither."""
        told = self.cleaned_data
        rungs = {str(rung): told[field] for rung, field in findings.RUNGS.items() if told[field]}
        particulars = {key: told[key] for key in findings.CLASSES if told[key]}
        with transaction.atomic():
            finding = findings.record(
                statement=told["statement"], particulars=particulars, rungs=rungs, by=by
            )
            if told["values"]:
                facts.assert_facts(finding, told["values"], source=told["source"], by=by)
        return finding


def _instant(at: datetime, zone: str) -> datetime:
    """Return the instant at which a clock in `zone` showed `at`; an offset typed along wins."""
    if timezone.is_aware(at):
        return at
    placed = at.replace(tzinfo=UTC if zone == "UTC" else ZoneInfo(zone))
    if placed.utcoffset() != placed.replace(fold=1).utcoffset():
        raise ValidationError("Clocks in this zone changed then. Give the time in UTC.")
    return placed
