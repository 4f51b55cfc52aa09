"""Forms: what the buttons of the desk ask. A field's name is a keyword of the verb."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.forms.utils import flatatt
from django.http import QueryDict
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from compliance import evidence, facts, findings, releases
from compliance.admin import law
from compliance.jurisdictions import book
from compliance.models import Finding


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

    widget = forms.Textarea(attrs={"rows": 2, "spellcheck": "false"})

    def to_python(self, value: Any) -> Any:
        """Return the particulars by name."""
        text = super().to_python(value) or ""
        self.run_validators(text)  # on the text: what is returned is no text any more
        found: dict[str, str] = {}
        for line in filter(None, map(str.strip, text.splitlines())):
            name, colon, said = (part.strip() for part in line.partition(":"))
            if not colon or not said or name in found:
                raise ValidationError(f"Write {line[:60]!r} as `name: value`, each name once.")
            found[name] = said
        return found


class FactLines(forms.CharField):
    """Facts by the names of the law's vocabulary, one a line, in strict YAML."""

    widget = forms.Textarea(attrs={"rows": 8, "spellcheck": "false"})

    def __init__(self, *, provider: bool = False, **kwargs: Any) -> None:
        super().__init__(
            **{
                "label": "Facts",
                "help_text": "One a line, as in the list below. Leave out what is not known.",
            }
            | kwargs
        )
        self.is_providers = provider

    def words(self) -> list[tuple[str, str, str]]:
        """Return the facts that may be told here: name, question, and what may be answered."""
        return law.askable(provider=self.is_providers)

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


class Sureness(forms.ChoiceField):
    """How sure facts are; nothing said is the least sure."""

    def __init__(self) -> None:
        least = facts.Confidence.UNCORROBORATED
        super().__init__(
            label="How sure", choices=facts.Confidence.choices, initial=least, required=False
        )

    def clean(self, value: Any) -> str:
        """Return the choice, or the least sure."""
        return str(super().clean(value) or facts.Confidence.UNCORROBORATED)


WHY = "Wanted when a fact is a judgement, such as that a threat is imminent."


class Asking(forms.Form):
    """What a button asks for. The names of the fields are the keywords of its verb."""

    def __init__(self, record: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs | {"label_suffix": ""})
        self.record = record
        if "version" in self.fields:
            self.fields["version"].initial = record.version

    def tell_again(self, record: Any = None) -> None:
        """Keep what was filled in, for the record as it is now; begin at the first mistake."""
        seen = [field.name for field in self.visible_fields()]
        first = next((name for name in seen if name in self.errors), seen[0] if seen else "")
        if first:
            self.fields[first].widget.attrs["autofocus"] = True
        if "version" in self.fields:
            self.data = cast("QueryDict", self.data).copy()
            self.data["version"] = str(record.version)

    def complaints(self) -> Iterator[str]:
        """Yield what is wrong, a sentence each, beginning with the field it is about."""
        for name, wrong in self.errors.items():
            label = self.fields[name].label if name in self.fields else ""
            yield from (f"{label}: {each}" if label else str(each) for each in wrong)


class Reasoned(Asking):
    """A reason in a sentence."""

    because = forms.CharField(
        label="Reason", widget=forms.Textarea(attrs={"rows": 3}), required=False
    )


class Read(Asking):
    """The version of the record that the person has read."""

    version = forms.IntegerField(
        widget=forms.HiddenInput,
        error_messages={"required": "The page did not say what you read. Open it again."},
    )


class Decision(Reasoned, Read):
    """A reason, and the version of the record that the person has read."""


class Purpose(Asking):
    """Why somebody opens an exhibit."""

    purpose = forms.CharField(
        label="Purpose", help_text="Goes into the log before the first byte.", required=False
    )


class FactSheet(Asking):
    """Facts and where they come from."""

    values = FactLines()
    source = forms.CharField(label="Source of these facts", required=False)
    confidence = Sureness()
    reason = forms.CharField(label="Reason", help_text=WHY, required=False)


ZONES = sorted({"UTC", *available_timezones()} - {"Factory", "localtime"})  # these name no place


class ZoneSelect(forms.Select):
    """All time zones. Their six hundred options are put together once, not for each page."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Return the list with the zone `value` chosen."""
        around = self.build_attrs(self.attrs, {"name": name, **(attrs or {})})
        return format_html(
            "<select{}>{}</select>", flatatt(around), _options(value if value in ZONES else "")
        )


@lru_cache
def _options(chosen: str) -> SafeString:
    marked = ((zone, mark_safe(" selected") if zone == chosen else "", zone) for zone in ZONES)
    return format_html_join("", '<option value="{}"{}>{}</option>', marked)


class Zoned(Asking):
    """A form with times in one named zone."""

    zone = forms.ChoiceField(
        label="Time zone", widget=ZoneSelect, choices=[(z, z) for z in ZONES], initial="UTC"
    )

    def clean(self) -> dict[str, Any]:
        """Return what was typed, each time as an instant."""
        told = cast("dict[str, Any]", super().clean())
        zone = told.pop("zone", "") or "UTC"
        for name in [name for name in told if isinstance(told[name], datetime)]:
            try:
                told[name] = _instant(told[name], zone)
            except ValidationError as error:
                self.add_error(name, error)
        return told


class ProfileSheet(Zoned):
    """What the law asks about the provider. The form begins with what counts now."""

    values = FactLines(provider=True)
    effective_from = LocalTime(
        label="In effect from", help_text="Empty: from the signature on.", required=False
    )
    field_order = ["values", "effective_from", "zone"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["zone"].required = False
        if counts := facts.profile():
            told = (f"{name}: {json.dumps(value)}" for name, value in sorted(counts.facts.items()))
            self.fields["values"].initial = "\n".join(told)
            self.fields["values"].widget.attrs["rows"] = len(counts.facts) + 2


class Attested(forms.NullBooleanField):
    """What somebody attests: yes, no, or nothing where it is not known."""

    def __init__(self, label: str) -> None:
        said = [("unknown", "not known"), ("true", "yes"), ("false", "no")]
        super().__init__(label=label, required=False, widget=forms.NullBooleanSelect)
        cast(forms.NullBooleanSelect, self.widget).choices = said


class Attachment(Zoned):
    """A file, what it was, where it comes from and what is attested of it."""

    # An empty file is refused by the verb, whose words are better.
    upload = forms.FileField(label="File", allow_empty_file=True)
    field_class = forms.ChoiceField(label="It was", choices=evidence.FieldClass.choices)
    acquired_at = LocalTime(label="Acquired at")
    acquired_by = forms.CharField(
        label="Acquired by", help_text="A person or a system. Empty: you.", required=False
    )
    source_url = forms.CharField(label="Where it was found (address)", required=False)
    source_account = forms.CharField(label="Under which account", required=False)
    publicly_available = Attested("Available to the public")
    exif_viewed = Attested("Its EXIF data was looked at")
    automated_detection = Attested("Found by automated means")
    field_order = ["upload", "field_class", "publicly_available", "acquired_at", "zone"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        most = filesizeformat(settings.UPLOAD_LIMIT)
        self.fields["upload"].help_text = f"At most {most}. It is sealed while it arrives."


class Extension(Zoned, Decision):
    """Until when a hold is to last instead, and why."""

    kept_until = LocalTime(
        label="To be kept until", help_text="Empty: until it is released.", required=False
    )
    field_order = ["kept_until", "zone", "because"]


class Climb(Zoned, Read):
    """A further rung of knowledge: which, since when, and on which basis."""

    rung = forms.ChoiceField(label="Rung", choices=findings.Knowledge.choices)
    reached_at = LocalTime(label="Reached at")
    basis = forms.CharField(
        label="Basis",
        help_text="What this judgement rests on.",
        widget=forms.Textarea(attrs={"rows": 3}),
        required=False,
    )
    field_order = ["rung", "reached_at", "zone", "basis"]

    def __init__(self, record: Finding, *args: Any, **kwargs: Any) -> None:
        super().__init__(record, *args, **kwargs)
        reached = findings.ladder(record)
        cast(forms.ChoiceField, self.fields["rung"]).choices = [
            (value, label) for value, label in findings.Knowledge.choices if value not in reached
        ]


FIELDS = {
    findings.Knowledge.SUSPICION: "suspicion_at",
    findings.Knowledge.REASONABLE_BELIEF: "belief_at",
    findings.Knowledge.ACTUAL_KNOWLEDGE: "actual_at",
}


class FindingByNumber(forms.CharField):
    """A finding, by its whole number."""

    def to_python(self, value: Any) -> Any:
        """Return the finding that has this number."""
        number = str(super().to_python(value)).upper()
        found = Finding.objects.filter(reference=number).first()
        if number and found is None:
            raise ValidationError("No finding has this number.")
        return found


class NewFinding(Zoned):
    """A finding as its reviewer writes it down."""

    statement = forms.CharField(
        label="Statement",
        help_text="The reasoned suspicion: who, what, when, where, why. Do not quote private "
        "content here: the statement travels where private content may not.",
        widget=forms.Textarea(attrs={"rows": 8}),
        required=False,
    )
    supplements = FindingByNumber(
        label="Supplements",
        help_text="The number of a confirmed finding, if this is new evidence about it.",
        required=False,
    )
    suspicion_at = LocalTime(label="Suspicion arose", required=False)
    belief_at = LocalTime(label="Reasonable belief since", required=False)
    actual_at = LocalTime(label="Actual knowledge since", required=False)
    basis = forms.CharField(
        label="Basis of these judgements", initial=findings.AS_STATED, required=False
    )
    values = FactLines(required=False)
    source = forms.CharField(
        label="Source of these facts", initial="the reviewer's own reading", required=False
    )
    confidence = Sureness()
    reason = forms.CharField(label="Reason of judgements", help_text=WHY, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        words = releases.rules().vocabulary.field_classes
        for key in findings.CLASSES:
            self.fields[key] = Lines(label=f"{key}: {words[key]}", required=False)

    def particulars(self) -> list[forms.BoundField]:
        """Return the fields of the classes of data, for the page."""
        return [self[key] for key in findings.CLASSES]

    def clean(self) -> dict[str, Any]:
        """Return the rungs and the particulars each as one keyword."""
        told = super().clean()
        rungs = {rung: told.pop(field, None) for rung, field in FIELDS.items()}
        particulars = {key: told.pop(key, None) for key in findings.CLASSES}
        return {
            **told,
            "rungs": {rung.value: at for rung, at in rungs.items() if at},
            "particulars": {key: said for key, said in particulars.items() if said},
        }


def _instant(at: datetime, zone: str) -> datetime:
    """Return the instant at which a clock in `zone` showed `at`; an offset typed along wins."""
    if not 1970 <= at.year < 3000:  # the ends of the calendar have no equal in another zone
        raise ValidationError("Give a time between 1970 and 2999.")
    if timezone.is_aware(at):
        return at
    placed = at.replace(tzinfo=UTC if zone == "UTC" else ZoneInfo(zone))
    if placed.utcoffset() != placed.replace(fold=1).utcoffset():
        raise ValidationError("Clocks in this zone changed then. Give the time in UTC.")
    return placed
