"""Tasks: the doorbell of the referrals' rooms. One call each; the database is the queue."""

from celery import shared_task

from referrals import bundles, clients, delivery, docket, retractions


@shared_task(name="referrals.enter_due")
def enter_due() -> None:
    """Enter what is owed in the docket."""
    docket.enter_due()


@shared_task(name="referrals.retract_due")
def retract_due() -> None:
    """Take back what overturned findings sent out."""
    retractions.retract_due()


@shared_task(name="referrals.seal_due")
def seal_due() -> None:
    """Seal the bundles that are owed."""
    bundles.seal_due()


@shared_task(name="referrals.deliver_due")
def deliver_due() -> None:
    """Deliver what is sealed."""
    delivery.deliver_due()


@shared_task(name="referrals.sweep_due")
def sweep_due() -> None:
    """Forget expired tokens and answers."""
    clients.sweep_due()
