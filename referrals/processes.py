"""Processes: the legal process against which an agency gets what no human of the provider viewed.

A provider's private search ends where its people stopped looking (18 U.S.C. 2258A; United States v.
Ackerman, 831 F.3d 1292). So an item that nobody opened goes sealed, without a header, and its
header is issued once a legal process that names it was recorded by one person and approved by
counsel. Whoever views the item before the bundle is sealed makes it one that was viewed.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import models, transaction
from django.db.models import QuerySet
from django.utils import timezone

from compliance import audit, evidence, lifecycle, roles
from compliance.errors import Malformed, SamePerson, WrongState
from compliance.evidence import Item
from compliance.lifecycle import by_a_second_person, stamped
from compliance.roles import Permission, User
from referrals import docket
from referrals.docket import Referral

TEXT_LIMIT = 200


class Kind(models.TextChoices):
    """What was served. A preservation letter is not here: it asks to keep, not to give."""

    CONSENT = "consent", "consent"
    EMERGENCY = "emergency", "emergency request"
    SUBPOENA = "subpoena", "subpoena"
    ORDER_2703D = "order_2703d", "order under 18 U.S.C. 2703(d)"
    SEARCH_WARRANT = "search_warrant", "search warrant"
    EPOC = "epoc", "European Production Order Certificate"
    MLAT = "mlat", "request for mutual legal assistance"


class State(models.TextChoices):
    """The last thing that happened to a legal process."""

    RECORDED = "recorded"
    APPROVED = "approved"
    REFUSED = "refused"
    ANSWERED = "answered"


IN_FORCE = (State.APPROVED, State.ANSWERED)


class LegalProcess(models.Model):
    """What an authority served to open items of a referral, and what counsel said to it."""

    Kind = Kind
    State = State
    MOVES = {
        State.RECORDED: (State.APPROVED, State.REFUSED),
        State.APPROVED: (State.ANSWERED,),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    referral = models.ForeignKey(Referral, models.PROTECT, related_name="processes")
    items = models.ManyToManyField(Item, related_name="+")
    kind = models.CharField(max_length=20, choices=Kind)
    reference = models.CharField(max_length=TEXT_LIMIT)
    issued_by = models.CharField(max_length=TEXT_LIMIT)
    received_at = models.DateTimeField()
    state = models.CharField(max_length=12, choices=State, default=State.RECORDED)
    version = models.PositiveIntegerField(default=1)
    recorded_at = models.DateTimeField(default=timezone.now)
    recorded_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    approved_at = models.DateTimeField(null=True)
    approved_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    approved_because = models.TextField(blank=True)
    refused_at = models.DateTimeField(null=True)
    refused_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    refused_because = models.TextField(blank=True)
    answered_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ["view"]
        verbose_name_plural = "legal processes"
        ordering = ["-recorded_at", "-id"]
        constraints = [
            stamped("legalprocess", State.APPROVED),
            stamped("legalprocess", State.REFUSED),
            stamped("legalprocess", State.ANSWERED, by=False),
            by_a_second_person("legalprocess", "approved", "recorded"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} on {self.referral.number}"


@dataclass(frozen=True)
class Exhibit:
    """A released item: how much of it people viewed, and the legal process that asks for it."""

    item: Item
    view: str
    process: LegalProcess | None

    @property
    def is_viewed(self) -> bool:
        """Tell whether a human of the provider opened it."""
        return self.view != "none"

    @property
    def is_open(self) -> bool:
        """Tell whether the agency gets its header."""
        return self.is_viewed or self.process is not None

    @property
    def sha256(self) -> str:
        """The digest that its agency is told: of the content, or of the sealed object alone."""
        return self.item.sha256 if self.is_open else self.item.sealed_sha256

    @property
    def member(self) -> str:
        """The place of the item in the bag: apart from the others while it stays sealed."""
        pk = self.item.pk
        return f"data/{pk}.age" if self.is_open else f"data/unviewed/{pk}.sealed"


@audit.attributed
@transaction.atomic
def record(
    referral: Referral,
    *,
    items: Iterable[Item],
    kind: str,
    reference: str,
    issued_by: str,
    received_at: datetime,
    by: User,
) -> LegalProcess:
    """Put on record what an agency served to open items of a referral that it got sealed."""
    roles.require(by, Permission.RECORD_PROCESS)
    current = Referral.objects.select_for_update().get(pk=referral.pk)
    if current.state not in docket.GOT:
        raise WrongState(f"{current} is {current.state}; its agency has nothing to be opened.")
    named = {item.pk: item for item in items}
    if not named or not named.keys() <= {item.pk for item in closed(current)}:
        raise Malformed("Name the exhibits that it asks for, of those that went sealed.")
    if kind not in Kind.values:
        raise Malformed("Say which kind of legal process it is.")
    if not all(0 < len(text.strip()) <= TEXT_LIMIT for text in (reference, issued_by)):
        raise Malformed(f"Its reference and who issued it want 1 to {TEXT_LIMIT} characters.")
    if timezone.is_naive(received_at) or received_at > timezone.now():
        raise Malformed("Say when it was received, with its time zone, not in the future.")
    process = LegalProcess.objects.create(
        referral=current,
        kind=kind,
        reference=reference.strip(),
        issued_by=issued_by.strip(),
        received_at=received_at,
        recorded_by=by,
    )
    process.items.set(named.values())
    audit.record("legalprocess.recorded", process, by=by, items=sorted(map(str, named)))
    return process


@audit.attributed
def approve(
    process: LegalProcess, *, because: str, version: int | None = None, by: User
) -> LegalProcess:
    """Approve a legal process that a colleague recorded: what it names is opened to its agency."""
    roles.require(by, Permission.DECIDE_PROCESS)
    if process.recorded_by_id == by.pk:
        raise SamePerson("A second person must approve what you recorded.")
    return lifecycle.advance(process, State.APPROVED, because=because, version=version, by=by)


@audit.attributed
def refuse(
    process: LegalProcess, *, because: str, version: int | None = None, by: User
) -> LegalProcess:
    """Refuse a legal process: nothing is opened, and the reason stays on record."""
    roles.require(by, Permission.DECIDE_PROCESS)
    return lifecycle.advance(process, State.REFUSED, because=because, version=version, by=by)


def exhibits(referral: Referral) -> list[Exhibit]:
    """Return the items whose class of content the ruling releases, each as its agency gets it."""
    if referral.filing_type == docket.FilingType.RETRACTION:
        return []
    finding = referral.obligation.determination.finding
    return [
        Exhibit(item, evidence.was_viewed(item), _asking(item, referral))
        for item in finding.items.filter(field_class__in=referral.obligation.release)
    ]


def closed(referral: Referral) -> list[Item]:
    """Return the released items that stay sealed to the agency too."""
    return [each.item for each in exhibits(referral) if not each.is_open]


def unanswered() -> QuerySet[LegalProcess]:
    """Return the approved processes whose items are not yet opened, oldest first."""
    waiting = LegalProcess.objects.filter(state=State.APPROVED, referral__state__in=docket.GOT)
    return waiting.order_by("approved_at", "id")


def _asking(item: Item, referral: Referral) -> LegalProcess | None:
    """Return the first approved process that opens an item to the agency of a referral."""
    approved = referral.processes.filter(state__in=IN_FORCE, items=item)
    return approved.order_by("approved_at").first()
