"""Tasks: the doorbell of compliance's rooms. One call each; the database is the queue."""

from celery import shared_task

from compliance import determinations, evidence, preservation, releases
from compliance.audit import checkpoints


@shared_task(name="compliance.take_in_due")
def take_in_due() -> None:
    """Take in the law that is shipped."""
    releases.take_in_due()


@shared_task(name="compliance.propose_due")
def propose_due() -> None:
    """Propose what is owed."""
    determinations.propose_due()


@shared_task(name="compliance.place_due")
def place_due() -> None:
    """Place the holds that are owed."""
    preservation.place_due()


@shared_task(name="compliance.sweep_due")
def sweep_due() -> None:
    """Remove what uploads left behind."""
    evidence.sweep_due()


@shared_task(name="compliance.seal_log")
def seal_log() -> None:
    """Seal the log."""
    checkpoints.seal_due()
