"""The demo's journey: three findings through all rooms, by the people and programs of the demo."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from compliance import conflicts, determinations, evidence, facts, findings
from compliance.conflicts import Resolution
from compliance.determinations import Decision, Determination
from compliance.findings import Finding
from compliance.vault import uploads
from referrals import bundles, docket
from referrals.docket import Referral
from referrals.management import demo_account, demo_cast, demo_samples
from referrals.management.demo_cast import Cast
from referrals.management.demo_desk import Desk
from referrals.management.demo_samples import Exhibit, Sample

Step = Callable[[str], None]


def take(
    desks: Sequence[Desk], *, password: str, work: Callable[[], None], base: str, step: Step
) -> list[dict[str, Any]]:
    """Take every sample from record to receipt, and return the account of each."""
    # The house: people, the provider's profile, the agencies and their keys.
    step("Five people, the provider's profile and two desks are put on record.")
    cast = demo_cast.people(password)
    demo_cast.sign_profile(cast)
    for desk in desks:
        demo_cast.enrol(cast, desk.introduce())
    # Record, attach, facts; read and confirm by a second person.
    samples = [demo_samples.read(name) for name in demo_samples.NAMES]
    made = [(sample, _record(sample, cast, step)) for sample in samples]
    # The worker proposes; counsel signs.
    step("The worker proposes what the law says.")
    work()
    for sample, finding in made:
        step(f"Carla signs the determination on {finding}.")
        _sign(sample, finding, cast)
    # The worker holds, enters, seals, delivers and seals the log.
    step("The worker holds the evidence, enters, seals and delivers.")
    work()
    _require_delivered()
    # The agencies list, download, open, acknowledge; counsel closes.
    signers = bundles.allowed_signers()
    step("The desks collect, open and acknowledge.")
    _all(desks, lambda desk: desk.collect(base, signers))
    for sample, finding in made:
        _close(sample, finding, cast)
    # The log is sealed once more; the agencies fetch their proofs.
    work()
    step("The desks fetch the proofs that their referrals are in the log.")
    _all(desks, lambda desk: desk.fetch_receipts(base))
    return [demo_account.of_finding(sample, finding) for sample, finding in made]


def _all(desks: Sequence[Desk], act: Callable[[Desk], object]) -> None:
    """Let every desk act at the same time, as agencies do."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(act, desks))


def _record(sample: Sample, cast: Cast, step: Step) -> Finding:
    step(f"Ana records: {sample.title}.")
    start = timezone.now().replace(microsecond=0)
    finding = findings.record(
        statement=sample.statement,
        particulars=sample.particulars,
        rungs=sample.climbed(start),
        by=cast.ana,
    )
    for exhibit in sample.evidence:
        _attach(finding, exhibit, start, cast)
    facts.assert_facts(
        finding,
        sample.facts,
        source=sample.source,
        confidence=facts.Confidence.CERTAIN,
        reason=sample.judged_because,
        by=cast.ana,
    )
    for item in finding.items.all():
        for _ in evidence.read(item, purpose="Second review before confirming.", by=cast.ben):
            pass  # Ben looks at it; the log says that he did
    return findings.confirm(finding, because=sample.confirmed_because, by=cast.ben)


def _attach(finding: Finding, exhibit: Exhibit, start: datetime, cast: Cast) -> None:
    with (
        exhibit.open() as source,
        uploads.seal(source, exhibit.name, exhibit.media_type) as upload,
    ):
        evidence.attach(
            finding,
            upload,
            field_class=exhibit.field_class,
            acquired_at=start - timedelta(minutes=exhibit.minutes),
            source_url=exhibit.source_url,
            by=cast.ana,
        )


def _sign(sample: Sample, finding: Finding, cast: Cast) -> None:
    determination = Determination.objects.filter(finding=finding).first()
    if determination is None:
        raise CommandError(f"The worker proposed nothing for {finding}. Run manage.py demo again.")
    for conflict in determination.result["conflicts"]:
        conflicts.resolve(
            finding,
            conflict,
            resolution=Resolution.WITHHOLD,
            because=sample.withheld_because,
            by=cast.carla,
        )
    reports = [
        *determinations.firm(determination, "duty"),
        *(r for r in determinations.firm(determination, "permission") if r["to"] in sample.take_up),
    ]
    decisions = [
        Decision(report["kind"], report["to"], accept=True, because=sample.signed_because)
        for report in reports
    ]
    determinations.sign(
        determination, decisions=decisions, because=sample.signed_because, by=cast.carla
    )


def _require_delivered() -> None:
    waiting = Referral.objects.exclude(state=docket.State.DELIVERED)
    if left := [*docket.unentered(), *waiting]:
        raise CommandError(f"The worker left {left[0]} undone. Run manage.py demo again.")


def _close(sample: Sample, finding: Finding, cast: Cast) -> None:
    for referral in Referral.objects.filter(obligation__determination__finding=finding):
        docket.close(referral, because=sample.closed_because, by=cast.carla)
