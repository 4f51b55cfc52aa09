"""Drafts: how the law is changed. One counsel drafts and submits, a second one decides."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from compliance import audit, documents, jurisdictions, lifecycle, releases, roles
from compliance.documents import RuleDocument, RuleDocumentVersion, State, sha256
from compliance.errors import (
    Malformed,
    NotPermitted,
    Refused,
    SamePerson,
    Stale,
    Tampered,
    WrongState,
)
from compliance.jurisdictions import Problems, RuleSet, cases, diff, solve
from compliance.releases import Release
from compliance.roles import Permission, User

KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,59}(\.cases)?\.yaml")

# What a determination rested on, when it was made, and what it said.
Stored = tuple[Mapping[str, Any], str, Mapping[str, Any]]


@audit.attributed
@transaction.atomic
def draft(document: RuleDocument | str, text: str, why: str, *, by: User) -> RuleDocumentVersion:
    """Draft a new version of a document, or a new document, or draft one's own draft anew.

    Raises Malformed with each line that cannot be read, and WrongState while another change of
    the same document is open.
    """
    roles.require(by, Permission.DRAFT_RULES)
    text = text.replace("\r\n", "\n")
    releases.current()
    releases.lock()
    home = _home(document, text)
    if (counts := counting(home)) and counts.text == text:
        raise Malformed(f"{counts} says this already. Change the text, or leave it.")
    return _drafted(home, text, why, by)


@audit.attributed
@transaction.atomic
def retire(document: RuleDocument, why: str, *, by: User) -> RuleDocumentVersion:
    """Draft that a document is no longer part of the law: a version without a text.

    It is submitted, tried and decided on like any other change; earlier releases keep the text.
    Raises Malformed if the document is not part of the law.
    """
    roles.require(by, Permission.DRAFT_RULES)
    releases.current()
    releases.lock()
    if not counting(document):
        raise Malformed(f"{document} is not part of the law.")
    return _drafted(document, "", why, by)


def _drafted(home: RuleDocument, text: str, why: str, by: User) -> RuleDocumentVersion:
    if not why.strip():
        raise Malformed("Say in a sentence why the law is to be changed.")
    if open_one := home.versions.filter(state__in=RuleDocumentVersion.OPEN).first():
        change = _again(open_one, by)
    else:
        last = home.versions.order_by("number").last()
        number = last.number + 1 if last else 1
        change = RuleDocumentVersion(document=home, number=number, drafted_by=by)
    change.text, change.sha256, change.why = text, sha256(text), why.strip()
    change.save()
    audit.record("ruledocumentversion.drafted", change, by=by, sha256=change.sha256)
    return change


@audit.attributed
@transaction.atomic
def load(texts: Mapping[str, str], why: str, *, by: User) -> list[RuleDocumentVersion]:
    """Draft every document that differs from the law on record, all or none.

    Raises Malformed if none does.
    """
    roles.require(by, Permission.DRAFT_RULES)
    latest = _latest_texts()
    changed = {key: text for key, text in sorted(texts.items()) if latest.get(key) != text}
    if not changed:
        raise Malformed("Nothing differs from the law on record.")
    return [draft(key, text, why, by=by) for key, text in changed.items()]


@audit.attributed
@transaction.atomic
def submit(
    change: RuleDocumentVersion,
    stored: Iterable[Stored] = (),
    *,
    version: int | None = None,
    by: User,
) -> RuleDocumentVersion:
    """Lay one's draft before a second counsel, with what check, test, diff and replay say of it.

    It is read beside all that is submitted already; `stored` are determinations to make again.
    Raises Malformed with every problem if the law does not read with it.
    """
    roles.require(by, Permission.DRAFT_RULES)
    if change.drafted_by_id != by.pk:
        raise NotPermitted("Only the counsel who drafted a change may submit it.")
    release = releases.current()
    releases.lock()
    beside = list(RuleDocumentVersion.objects.filter(state=State.SUBMITTED).order_by("id"))
    change = lifecycle.advance(change, State.SUBMITTED, version=version, by=by)
    texts = {each.document.key: each.text for each in (*beside, change)}
    try:
        reports = _reports(release, _amended(releases.dump(release), texts), stored)
    except Problems as problems:
        raise _malformed(problems) from problems
    change.reports = reports | {"beside": [each.pk for each in beside]}
    change.save(update_fields=["reports"])
    return change


@audit.attributed
@transaction.atomic
def approve(
    change: RuleDocumentVersion,
    active_from: datetime | None = None,
    *,
    version: int | None = None,
    by: User,
) -> Release:
    """Approve a colleague's change and all that it was checked beside: a release from then on.

    Without `active_from` it begins at once. Raises SamePerson, Stale if something beside it was
    rejected, and Malformed if the law does not read, a golden case differs or the check finds a
    fault.
    """
    roles.require(by, Permission.APPROVE_RULES)
    if not is_second(change, by):
        raise SamePerson("Whoever drafted a change cannot approve it. Ask a second counsel.")
    now = timezone.now()
    if active_from and active_from < now:
        raise Malformed("The law cannot begin in the past. Leave the time out to begin at once.")
    releases.current()
    releases.lock()
    waiting = _waiting(change)
    approved = [lifecycle.advance(change, State.APPROVED, version=version, by=by)]
    approved += [lifecycle.advance(each, State.APPROVED, by=by) for each in waiting]
    texts = {each.document.key: _unchanged(each).text for each in approved}
    begins = active_from or timezone.now()
    return releases.enact(_Amendment(texts, begins), active_from=begins, approved_by=by)


@audit.attributed
@transaction.atomic
def reject(
    change: RuleDocumentVersion, *, because: str, version: int | None = None, by: User
) -> RuleDocumentVersion:
    """Reject a colleague's draft: nothing changes, and text and reason stay on record."""
    roles.require(by, Permission.APPROVE_RULES)
    if change.drafted_by_id == by.pk:
        raise SamePerson("Whoever drafted a change cannot reject it. Ask a second counsel.")
    return lifecycle.advance(change, State.REJECTED, because=because, version=version, by=by)


def counting(document: RuleDocument) -> RuleDocumentVersion | None:
    """Return the version of a document in the latest release, which may begin later."""
    latest = Release.objects.first()
    entries = latest.manifest if latest else []
    numbers = [entry["number"] for entry in entries if entry["key"] == document.key]
    return document.versions.filter(number__in=numbers).first()


def beside(change: RuleDocumentVersion) -> list[RuleDocumentVersion]:
    """Return the other changes that a change was checked beside."""
    named = change.reports.get("beside", [])
    found = RuleDocumentVersion.objects.filter(pk__in=named)
    return list(found.select_related("document").order_by("id"))


def is_second(change: RuleDocumentVersion, person: User) -> bool:
    """Tell whether a person drafted neither a change nor what is approved with it."""
    with_it = [each for each in beside(change) if each.state != State.APPROVED]
    return person.pk not in {each.drafted_by_id for each in (change, *with_it)}


def replay(law: RuleSet, stored: Iterable[Stored]) -> dict[str, Any]:
    """Make stored determinations again under a law: how many there are, and which come out anew.

    They are named by their hash; what they are about stays out of it.
    """
    count, changed = 0, []
    for snapshot, rule_time, before in stored:
        count += 1
        named = {"result": before["sha256"]}
        try:
            after = jurisdictions.rule_on(law, **snapshot, rule_time=rule_time)
        except Problems:
            changed.append({**named, "is_readable": False, "changes": []})
            continue
        if found := diff.replayed(before, after):
            changed.append({**named, "is_readable": True, "changes": found})
    return {"count": count, "changed": changed}


def _home(document: RuleDocument | str, text: str) -> RuleDocument:
    """Return the document that a text is for, if need be a new one."""
    key = document.key if isinstance(document, RuleDocument) else document
    if not KEY.fullmatch(key):
        raise Malformed("Name a document in a-z, 0-9 and dashes, and end it with .yaml.")
    try:
        kind = documents.kind(key, text)
    except Problems as problems:
        raise _malformed(problems) from problems
    home, _ = RuleDocument.objects.get_or_create(key=key, defaults={"kind": kind})
    if home.kind != kind:
        raise Malformed(f"{key} is of the kind {home.kind}; this text is of the kind {kind}.")
    if documents.is_cases(key) != (kind == documents.Kind.CASES):
        raise Malformed("Golden cases are in documents whose name ends with cases.yaml.")
    return home


def _again(change: RuleDocumentVersion, by: User) -> RuleDocumentVersion:
    if (change.state, change.drafted_by_id) != (State.DRAFTED, by.pk):
        raise WrongState(f"{change} is {change.state} and not decided. Wait for the decision.")
    change.version += 1
    return change


def _waiting(change: RuleDocumentVersion) -> list[RuleDocumentVersion]:
    """Return what is approved with a change, or refuse if the change was checked beside less."""
    others = beside(change)
    if gone := [each for each in others if each.state == State.REJECTED]:
        raise Stale(f"It was checked beside {gone[0]}, which is rejected. Reject and draft anew.")
    return [each for each in others if each.state == State.SUBMITTED]


def _unchanged(change: RuleDocumentVersion) -> RuleDocumentVersion:
    if sha256(change.text) != change.sha256:
        raise Tampered(f"The text of {change} is not the one that was submitted.")
    return change


def _amended(base: Mapping[str, str], texts: Mapping[str, str]) -> dict[str, str]:
    """Return the documents of a release with these in their place; without a text, none."""
    return {key: text for key, text in {**base, **texts}.items() if text}


class _Amendment:
    """Puts approved texts in the place of those of a release, if that is a law that holds."""

    def __init__(self, texts: dict[str, str], begins: datetime) -> None:
        self.texts = texts
        self.before = self._numbers(releases.in_force(begins))

    def __call__(self, base: Release | None) -> dict[str, str]:
        if self._numbers(base) != self.before:
            raise WrongState("A later text of the same document is approved. Begin after it.")
        amended = _amended(releases.dump(base), self.texts)
        try:
            verdicts = releases.judge(amended)
        except Problems as problems:
            raise _malformed(problems) from problems
        if differing := [verdict.id for verdict in verdicts if verdict.status == "differs"]:
            raise Malformed(f"Golden cases differ: {', '.join(differing)}. Change them as well.")
        found = solve.findings(releases.read(amended))
        if faults := [_fault(each) for each in found if solve.is_refused(each)]:
            raise Malformed("\n".join(faults))
        return amended

    def _numbers(self, release: Release | None) -> dict[str, int]:
        entries = release.manifest if release else []
        return {each["key"]: each["number"] for each in entries if each["key"] in self.texts}


def _fault(finding: Mapping[str, Any]) -> str:
    """Return in one sentence what the check found, of which rule."""
    return f"{finding['rule'] or 'The law'}: {finding['finding']}."


def _latest_texts() -> dict[str, str]:
    releases.current()
    return releases.dump(Release.objects.first())


def _reports(
    release: Release, texts: Mapping[str, str], stored: Iterable[Stored]
) -> dict[str, Any]:
    """Return what check, test, diff and replay say, or raise Problems."""
    law, before = releases.read(texts), releases.rules_of(release)
    verdicts, told = releases.judge(texts), documents.cases_in(texts)
    passed = {verdict.id for verdict in verdicts if verdict.status == "passed"}
    return {
        "rule_set": law.sha256,
        "release": release.pk,
        "check": solve.findings(law),
        "test": {
            "count": Counter(verdict.status for verdict in verdicts),
            "differ": [vars(verdict) for verdict in verdicts if verdict.status == "differs"],
            **cases.turned(releases.passing(releases.dump(release), told), passed),
        },
        "diff": diff.changes(before, law),
        "replay": replay(law, stored),
    }


def _malformed(problems: Problems) -> Refused:
    """Return the refusal that tells every problem, one a line."""
    return Malformed("\n".join(map(str, problems.problems)))
