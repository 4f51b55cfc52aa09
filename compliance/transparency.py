"""Transparency: the public figures, counted from the log by half-year. Integers only, never names.

What is published cannot be taken apart again. The figures of a half are made once, three months
after its end, and stay; every event counts in one half alone, so no two reports differ by one case.
In each table a cell under SMALL is suppressed, and beside it the smallest of the others, with all
that equal it; a total under SMALL is suppressed with its whole table. So whoever knows these rules
too cannot tell which of the suppressed cells is which (tests/compliance/test_transparency.py).
While a silence about a matter towards the public lasts, what happened in it is not counted; it
counts in the half in which the silence ended.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import models, transaction
from django.utils import timezone

from compliance import audit, preservation, releases
from compliance.audit.entries import AuditEntry
from compliance.determinations import Determination, Obligation
from compliance.errors import Malformed, WrongState
from compliance.facts import FactAssertion
from compliance.findings import Finding
from compliance.requests import Kind, SubjectRequest

SMALL = 10  # what is fewer may point at somebody
FOREVER = datetime.max.replace(tzinfo=UTC)
MINOR = ("under10", "10-13", "14-17")
ROUTES = {
    "proactive_automated": "automated", "hash_match": "automated", "user_report": "notified",
    "trusted_flagger": "notified", "authority_referral": "authority",
}  # fmt: skip

ITEMS = {
    "removed_order": "removed after an order",
    "removed_specific_measure": "removed by a specific measure",
    "removed_tos": "removed under the terms of service",
    "restricted": "restricted", "deleted_by_user": "deleted by the user", "live": "live",
    "unknown": "not said",
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """One table: its cells with their names in words, which add up to its total."""

    name: str
    title: str
    cells: Mapping[str, str]
    law: str = ""  # which statute asks for it, as far as it does

    def __post_init__(self) -> None:
        if len(self.cells) >= SMALL:  # or ten cells of one each could be told from their total
            raise Malformed(f"A table wants fewer than {SMALL} cells.")


class Happened(NamedTuple):
    """One thing to be counted, and the matter that it belongs to, if it belongs to one."""

    table: str
    cell: str
    at: datetime
    finding: UUID | None


class Figures(NamedTuple):
    """A table in figures; None is suppressed."""

    cells: dict[str, int | None]
    total: int | None


class Half(NamedTuple):
    """A half of a calendar year, such as 2026-H1."""

    year: int
    part: int

    def __str__(self) -> str:
        return f"{self.year}-H{self.part}"

    @classmethod
    def of(cls, day: date) -> "Half":
        """Return the half in which a day lies."""
        return cls(day.year, 1 if day.month < 7 else 2)

    @property
    def start(self) -> datetime:
        """Return its first instant."""
        return datetime(self.year, 6 * self.part - 5, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """Return the first instant after it."""
        return self.following.start

    @property
    def following(self) -> "Half":
        """Return the half after it."""
        return Half(self.year + self.part // 2, 3 - self.part)

    @property
    def due(self) -> datetime:
        """Return from when on its figures are made: three months after its end."""
        return self.end.replace(month=self.end.month + 3)


class TransparencyReport(models.Model):
    """The figures of one half, as they were published. Append-only."""

    half = models.CharField(max_length=7, unique=True)
    figures = models.JSONField(help_text="By table: cells and total; null is suppressed.")
    made_at = models.DateTimeField()

    class Meta:
        default_permissions = ["view"]
        ordering = ["half"]

    def __str__(self) -> str:
        return self.half


REPORTED = "Reports that counsel decided to make"
TABLES = (
    Table(
        "findings-by-discovery", "Findings recorded, by how they came to notice",
        {
            "automated": "automated means", "notified": "users and trusted flaggers",
            "authority": "an authority", "people": "people of the provider, researchers, press",
            "unknown": "not said",
        },
        "Regulation (EU) 2022/2065 Art 15(1)(e), of what became findings",
    ),
    Table(
        "findings-by-item", "Findings recorded, by what became of the item", ITEMS,
        "Regulation (EU) 2021/784 Art 7(3)(c), of what became findings",
    ),
    Table(
        "decisions", "Decisions taken",
        {
            "dismissed": "finding dismissed", "declined": "report declined by counsel",
            "signed": "determination signed by counsel",
            "overturned": "finding overturned",
        },
    ),
    Table(
        "reports-by-recipient", f"{REPORTED}, by recipient",
        {
            "us_gov": "authority of the United States",
            "foreign_gov": "authority of another country", "eu_agency": "agency of the Union",
            "clearinghouse": "clearinghouse", "other": "another",
        },
    ),
    Table("reports-by-kind", f"{REPORTED}, by kind", {"duty": "duty", "permission": "permission"}),
    Table(
        "reports-by-urgency", f"{REPORTED}, by urgency",
        {"imminent": "a threat that is or may be imminent", "other": "another"},
    ),
    Table(
        "reports-by-age", f"{REPORTED}, by age of the suspect",
        {"minor": "a minor", "other": "of age, or not known"},
    ),
    Table(
        "requests-of-people", "Requests of people about data of theirs",
        {Kind.ERASURE: "erasure", Kind.ACCESS: "access"},
    ),
)  # fmt: skip
DECISIONS = {
    "finding.dismissed": ("decisions", "dismissed"),
    "determination.declined": ("decisions", "declined"),
    "determination.signed": ("decisions", "signed"),
    "finding.overturned": ("decisions", "overturned"),
}


def halves(first: date, last: date) -> list[Half]:
    """Return the halves from one day to another; refuse days that cut one."""
    half, found = Half.of(first), []
    while half.start.date() <= last:
        found.append(half)
        half = half.following
    if not found or found[0].start.date() != first or half.start.date() - last != timedelta(1):
        raise Malformed(
            "The figures are made for whole half-years: from 1 January or 1 July, to 30 June or "
            "31 December. Other periods would differ from them by single cases."
        )
    return found


@transaction.atomic
def publish(
    half: Half, tables: Iterable[Table], happened: Iterable[Happened], *, at: datetime | None = None
) -> TransparencyReport:
    """Return the figures of a half: made now if nobody made them yet, else as they were made.

    Raises WrongState before three months have passed since its end.
    """
    now = at or timezone.now()
    if known := TransparencyReport.objects.filter(half=str(half)).first():
        return known
    if now < half.due:
        raise WrongState(
            f"The figures of {half} are made from {half.due:%Y-%m-%d} on. Until then they could "
            "tell of matters that are under way."
        )
    found = {name: each._asdict() for name, each in figures(half, tables, happened).items()}
    report = TransparencyReport.objects.create(half=str(half), figures=found, made_at=now)
    audit.record("transparencyreport.made", report, by=None)
    return report


def figures(
    half: Half, tables: Iterable[Table], happened: Iterable[Happened]
) -> dict[str, Figures]:
    """Return what happened in a half in figures, by table, with small cells suppressed."""
    silent, counted = _silences(), Counter[tuple[str, str]]()
    for each in happened:
        at = max(each.at, silent.get(each.finding, each.at)) if each.finding else each.at
        counted[each.table, each.cell] += half.start <= at < half.end
    return {
        table.name: suppressed({cell: counted[table.name, cell] for cell in table.cells})
        for table in tables
    }


def suppressed(cells: Mapping[str, int]) -> Figures:
    """Return cells and total without those that are small, and without what would give them away.

    A zero is nobody, and shown, unless the total is small itself.
    """
    total = sum(cells.values())
    if 0 < total < SMALL:
        return Figures(dict.fromkeys(cells), None)
    hidden = {cell for cell, n in cells.items() if 0 < n < SMALL}
    if hidden:
        least = min((n for n in cells.values() if n >= SMALL), default=0)
        hidden |= {cell for cell, n in cells.items() if n and n == least}
    return Figures({cell: None if cell in hidden else n for cell, n in cells.items()}, total)


def happened(before: datetime) -> Iterator[Happened]:
    """Yield what happened in the rooms of compliance until an instant."""
    findings = _findings()
    yield from _recorded(findings, before)
    yield from logged(DECISIONS, findings, before)
    yield from _reported(before)
    asked = SubjectRequest.objects.filter(recorded_at__lt=before)
    for kind, at in asked.values_list("kind", "recorded_at"):
        yield Happened("requests-of-people", kind, at, None)


def logged(
    cells: Mapping[str, tuple[str, str]], findings: Mapping[str, UUID], before: datetime
) -> Iterator[Happened]:
    """Yield the events of the log that count in these cells; `findings` by the record they name."""
    rows = AuditEntry.objects.filter(event__in=cells, timestamp__lt=before)
    for event, record, at in rows.values_list("event", "object_pk", "timestamp").iterator():
        yield Happened(*cells[event], at, findings.get(record))


def _findings() -> dict[str, UUID]:
    """Return the finding by the id of each finding and determination."""
    own = {str(pk): pk for pk in Finding.objects.values_list("pk", flat=True)}
    known = Determination.objects.values_list("pk", "finding")
    return own | {str(pk): finding for pk, finding in known}


def _recorded(findings: Mapping[str, UUID], before: datetime) -> Iterator[Happened]:
    told: dict[tuple[UUID, str], Any] = {
        (finding, fact): value
        for finding, fact, value in FactAssertion.objects.filter(
            fact__in=("discovery.route", "item.status")
        )
        .order_by("id")
        .values_list("finding", "fact", "value")
    }
    for each in logged({"finding.recorded": ("findings-by-item", "unknown")}, findings, before):
        status = told.get((each.finding, "item.status"))  # type: ignore[arg-type]
        route = told.get((each.finding, "discovery.route"))  # type: ignore[arg-type]
        found = ROUTES.get(route, "people") if route else "unknown"
        yield each._replace(cell=status if status in ITEMS else "unknown")
        yield each._replace(table="findings-by-discovery", cell=found)


def _reported(before: datetime) -> Iterator[Happened]:
    authorities = releases.rules().authorities
    made = Obligation.objects.filter(is_accepted=True, determination__signed_at__lt=before)
    for each in made.select_related("determination"):
        signed = each.determination
        known = signed.snapshot["facts"]
        cells = {
            "recipient": authorities.get(each.recipient, {}).get("class", "other"),
            "kind": each.kind,
            "urgency": "imminent" if known.get("threat.imminent", True) else "other",
            "age": "minor" if known.get("suspect.age_band") in MINOR else "other",
        }
        for by, cell in cells.items():
            at = signed.signed_at or FOREVER
            yield Happened(f"reports-by-{by}", cell, at, signed.finding_id)


def _silences() -> dict[UUID, datetime]:
    """Return until when the public is told nothing of the matters that a law keeps silent."""
    ends: dict[UUID, datetime] = {}
    signed = Determination.objects.filter(signed_at__isnull=False)
    for each in signed.exclude(result__silence=[]):
        for silence in each.result["silence"]:
            if "public" not in silence["towards"]:
                continue
            over = preservation.silent_until(each, silence) or FOREVER
            ends[each.finding_id] = max(over, ends.get(each.finding_id, over))
    return ends
