"""Releases: the law that counts at a moment, and how the shipped texts become part of it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import lru_cache

from django.db import models, transaction
from django.utils import timezone

from compliance import audit, documents, jurisdictions
from compliance.audit.context import acting
from compliance.documents import RuleDocument, RuleDocumentVersion, State, sha256
from compliance.errors import Tampered, WrongState
from compliance.jurisdictions import Problems, RuleSet, cases
from compliance.jurisdictions.cases import Verdict
from compliance.roles import User

MOST_READ = 16  # rule sets that a process keeps, each under one name or two
Texts = Mapping[str, str]
Entries = frozenset[tuple[str, str]]


class Release(models.Model):
    """The law from a moment on: which version of each document, and the hash of all rules."""

    sha256 = models.CharField(max_length=64)
    active_from = models.DateTimeField(default=timezone.now)
    manifest = models.JSONField(default=list, help_text="Kind, key, number, sha256 of each text.")
    shipped_sha256 = models.CharField(max_length=64, blank=True)
    approved_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")

    class Meta:
        default_permissions = ["view"]
        ordering = ["-active_from", "-id"]
        indexes = [
            models.Index(fields=["-active_from", "-id"], name="release_by_time"),
            models.Index(fields=["shipped_sha256"], name="release_by_shipped_set"),
        ]

    def __str__(self) -> str:
        return f"release {self.sha256[:12]}"


def shipped_texts() -> dict[str, str]:
    """Return the shipped vocabulary, authorities and rulebooks: file name and text."""
    return documents.law_in(documents.shipped().texts)


def shipped_cases() -> dict[str, str]:
    """Return the shipped golden cases: file name and text."""
    return documents.cases_in(documents.shipped().texts)


def in_force(at: datetime) -> Release | None:
    """Return the release that was, is or will be in force at an instant, if one is on record."""
    return Release.objects.filter(active_from__lte=at).first()


def current() -> Release:
    """Return the release in force; the first call after a new shipped set puts it on record."""
    release = in_force(timezone.now())
    if release is None or _is_behind(release):
        return _take_in()
    return release


def take_in_due() -> int:
    """Put the shipped texts on record if they are not, and return how often that was done."""
    release = in_force(timezone.now())
    if release and not _is_behind(release):
        return 0
    _take_in()
    return 1


_steady: ContextVar[list[RuleSet] | None] = ContextVar("steady", default=None)


@contextmanager
def steady() -> Iterator[None]:
    """Let one page speak of one law: what `rules` answers first, it answers until the end."""
    token = _steady.set([])
    try:
        yield
    finally:
        _steady.reset(token)


def rules() -> RuleSet:
    """Return the law in force now. It costs one query, and is read once per process."""
    page = _steady.get()
    if page is None:
        return _rules()
    if not page:
        page.append(_rules())
    return page[0]


def _rules() -> RuleSet:
    """Return the law in force; shipped texts not on record count as `current` would put them."""
    begun = Release.objects.filter(active_from__lte=timezone.now())
    counts = begun.values_list("sha256", "shipped_sha256").first()
    if counts and counts[0] in _kept and counts[1] == documents.shipped().sha256:
        return _kept[counts[0]]
    release = begun.first()
    if release is None or _is_behind(release):
        return read(_with_shipped(release))
    return rules_of(release)


_kept: dict[object, RuleSet] = {}


def rules_of(release: Release) -> RuleSet:
    """Return the law of a release, for determining anew what rested on it.

    Raises Tampered if a text is not the one that was approved, and WrongState if the texts were
    never put on record: that began with the documents of law.
    """
    law = _kept.get(release.sha256)
    if law is None:
        if not release.manifest:
            raise WrongState(f"The texts of {release} were never put on record.")
        law = read(dump(release))
        if law.sha256 != release.sha256:
            raise Tampered(f"The law of {release} does not match its approved hash.")
        _keep(release.sha256, law)
    return law


def read(texts: Texts) -> RuleSet:
    """Read the law in a set of documents, or raise Problems with every one."""
    law = documents.law_in(texts)
    address = frozenset(law.items())
    return _kept.get(address) or _keep(address, jurisdictions.read(law))


def _keep(address: object, law: RuleSet) -> RuleSet:
    while len(_kept) >= MOST_READ:
        del _kept[next(iter(_kept))]
    _kept[address] = law
    return law


def judge(texts: Texts) -> list[Verdict]:
    """Compare the golden cases in a set of documents with its law, or raise Problems."""
    law = read(texts)
    return [cases.judge(law, case) for case in cases.read(law, documents.cases_in(texts))]


def passing(texts: Texts, golden: Texts) -> frozenset[str]:
    """Return which of these golden cases the law in a set of documents gives."""
    return _passing(frozenset(documents.law_in(texts).items()), frozenset(golden.items()))


@lru_cache(MOST_READ)
def _passing(law: Entries, golden: Entries) -> frozenset[str]:
    return cases.passing(read(dict(law)), dict(golden))


def texts(release: Release) -> dict[str, str]:
    """Return the law of a release, without its golden cases: file name and text."""
    return documents.law_in(dump(release))


def dump(release: Release | None = None) -> dict[str, str]:
    """Return every document of a release, or of the one in force: file name and text.

    Raises Tampered if a text is not the one that was approved.
    """
    return {key: version.text for key, version in versions(release or current()).items()}


def versions(release: Release) -> dict[str, RuleDocumentVersion]:
    """Return which version of each document a release holds.

    Raises Tampered if a text is not the one that was approved.
    """
    hashes = [entry["sha256"] for entry in release.manifest]
    found = {
        (version.document.key, version.number): version
        for version in RuleDocumentVersion.objects.filter(sha256__in=hashes).select_related(
            "document"
        )
    }
    named = {}
    for entry in release.manifest:
        version = found.get((entry["key"], entry["number"]))
        if version is None or sha256(version.text) != entry["sha256"]:
            name = f"{entry['key']} version {entry['number']}"
            raise Tampered(f"The text of {name} does not match its approved hash.")
        named[entry["key"]] = version
    return named


# ---- how a release is made


def lock() -> None:
    """Let one transaction at a time make releases, so that none is built on a law gone by."""
    list(RuleDocument.objects.select_for_update().values_list("pk"))


def enact(
    amend: Callable[[Release | None], Texts],
    *,
    active_from: datetime,
    approved_by: User | None = None,
) -> Release:
    """Make the release that begins at an instant, and again those that begin later.

    `amend` returns the documents that come out of a release; they are on record by then.
    """
    later = Release.objects.filter(active_from__gt=active_from).order_by("active_from", "id")
    bases = {active_from: in_force(active_from), **{each.active_from: each for each in later}}
    made = [_make(amend(base), at, approved_by) for at, base in bases.items()]
    return made[0]


def _make(texts: Texts, active_from: datetime, approved_by: User | None) -> Release:
    counting = RuleDocumentVersion.objects.filter(state__in=[State.APPROVED, State.SHIPPED])
    by_text: dict[tuple[str, str], RuleDocumentVersion] = {}
    newest: dict[str, RuleDocumentVersion] = {}
    for version in counting.defer("text", "reports").select_related("document").order_by("id"):
        by_text[version.document.key, version.sha256] = version
        if version.state == State.SHIPPED:
            newest[version.document.key] = version
    # Who approves what is shipped follows what will be shipped: it is no text of the house.
    by_text |= {(key, version.sha256): version for key, version in newest.items()}
    chosen = [by_text[key, sha256(text)] for key, text in sorted(texts.items())]
    return Release.objects.create(
        sha256=read(texts).sha256,
        active_from=active_from,
        manifest=[
            {"kind": v.document.kind, "key": v.document.key, "number": v.number, "sha256": v.sha256}
            for v in chosen
        ],
        shipped_sha256=documents.shipped().sha256,
        approved_by=approved_by,
    )


# ---- how the shipped set comes in


def _is_behind(release: Release) -> bool:
    """Tell whether this version of the product ships texts that no release has taken in."""
    shipped = documents.shipped().sha256
    if release.shipped_sha256 == shipped:
        return False
    return not Release.objects.filter(shipped_sha256=shipped).exists()


@transaction.atomic
def _take_in() -> Release:
    """Put the shipped texts on record, and make the release that they are part of."""
    shipped = documents.shipped()
    known = set(RuleDocument.objects.values_list("key", flat=True))
    new = {key: text for key, text in shipped.texts.items() if key not in known}
    RuleDocument.objects.bulk_create(
        [RuleDocument(key=key, kind=documents.kind(key, text)) for key, text in new.items()],
        ignore_conflicts=True,  # made by another process in between
    )
    lock()
    now = timezone.now()
    release = in_force(now)
    if release and not _is_behind(release):
        return release  # another process was faster
    with acting("system:upgrade"):  # it is nobody's act, whoever came first after it
        _put_on_record(shipped.texts)
        release = enact(_with_shipped, active_from=now)
        audit.record("release.shipped", release, by=None, sha256=release.sha256)
    return release


def _put_on_record(shipped: Texts) -> None:
    known: dict[str, list[RuleDocumentVersion]] = {key: [] for key in shipped}
    rows = RuleDocumentVersion.objects.filter(document__key__in=shipped).order_by("number")
    for version in rows.defer("text", "reports").select_related("document"):
        known[version.document.key].append(version)
    made = RuleDocumentVersion.objects.bulk_create(
        RuleDocumentVersion(
            document=document,
            number=1 + max((each.number for each in known[document.key]), default=0),
            text=shipped[document.key],
            sha256=sha256(shipped[document.key]),
            state=State.SHIPPED,
        )
        for document in RuleDocument.objects.filter(key__in=shipped)
        if not _is_newest_shipped(known[document.key], sha256(shipped[document.key]))
    )
    for version in made:
        audit.record("ruledocumentversion.shipped", version, by=None, sha256=version.sha256)


def _is_newest_shipped(known: list[RuleDocumentVersion], sha256: str) -> bool:
    """Tell whether a text is the one that was shipped last."""
    shipped = [each.sha256 for each in known if each.state == State.SHIPPED]
    return shipped[-1:] == [sha256]


_settled: dict[str, Texts] = {}


def _with_shipped(base: Release | None) -> Texts:
    """Return the shipped documents, with those instead that the house changed itself.

    If they do not fit together, nothing changes: what is shipped waits for counsel.
    """
    shipped = documents.shipped()
    if base is None:
        return shipped.texts
    retired = _retired(base)
    address = jurisdictions.digest([base.manifest, shipped.sha256, retired])
    if address not in _settled:
        before = versions(base)
        house = {key: each.text for key, each in before.items() if each.state == State.APPROVED}
        follows = {key: text for key, text in shipped.texts.items() if key not in retired}
        merged = {**follows, **house}
        fits = not (house or retired) or _holds(merged)
        _settled[address] = merged if fits else {key: each.text for key, each in before.items()}
    return _settled[address]


def _retired(base: Release) -> list[str]:
    """Return the documents that the house took out of the law, and that a release is without."""
    held = [entry["key"] for entry in base.manifest]
    gone = RuleDocumentVersion.objects.filter(state=State.APPROVED, sha256=documents.NOTHING)
    return sorted(set(gone.values_list("document__key", flat=True)) - {*held})


def _holds(texts: Texts) -> bool:
    """Tell whether a set of documents reads, and gives every golden answer."""
    try:
        return not any(verdict.status == "differs" for verdict in judge(texts))
    except Problems:
        return False
