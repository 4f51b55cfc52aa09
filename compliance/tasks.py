"""Tasks: the doorbell of compliance's rooms. One call each; the database is the queue."""

from celery import shared_task

from compliance import anchors, determinations, evidence, preservation, releases, requests
from compliance.audit import checkpoints
from compliance.vault import escrow, keys


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


@shared_task(name="compliance.weigh_due")
def weigh_due() -> None:
    """Weigh what people ask, and take up again what was parked."""
    requests.weigh_due()


@shared_task(name="compliance.sweep_due")
def sweep_due() -> None:
    """Remove what uploads left behind."""
    evidence.sweep_due()


@shared_task(name="compliance.seal_log")
def seal_log() -> None:
    """Seal the log."""
    checkpoints.seal_due()


@shared_task(name="compliance.rewrap_due")
def rewrap_due() -> None:
    """Move what retired keys wrap."""
    keys.rewrap_due()


@shared_task(name="compliance.destroy_due")
def destroy_due() -> None:
    """Destroy the keys that wrap nothing any more."""
    keys.destroy_due()


@shared_task(name="compliance.cosign_due")
def cosign_due() -> None:
    """Have witnesses cosign the log."""
    anchors.cosign_due()


@shared_task(name="compliance.stamp_due")
def stamp_due() -> None:
    """Have the log stamped."""
    anchors.stamp_due()


@shared_task(name="compliance.escrow_due")
def escrow_due() -> None:
    """Put in escrow what is owed to it."""
    escrow.escrow_due()
