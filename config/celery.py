"""Celery: the doorbell. It may lose or double every message; completion lives in our rows."""

import logging.config
import os
from typing import Any

from celery import Celery, signals
from django.conf import settings
from kombu import Exchange, Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

EVERY_SECOND, EVERY_HOUR = 1.0, 3600.0
BELLS = {  # how often each rings, and in which queue
    "compliance.take_in_due": (EVERY_SECOND, "urgent"),
    "compliance.propose_due": (EVERY_SECOND, "urgent"),
    "compliance.place_due": (EVERY_SECOND, "urgent"),
    "referrals.enter_due": (EVERY_SECOND, "urgent"),
    "referrals.retract_due": (EVERY_SECOND, "urgent"),
    "referrals.seal_due": (EVERY_SECOND, "urgent"),
    "referrals.deliver_due": (EVERY_SECOND, "urgent"),
    "compliance.seal_log": (EVERY_SECOND, "default"),
    "compliance.rewrap_due": (EVERY_SECOND, "bulk"),
    "compliance.destroy_due": (EVERY_HOUR, "bulk"),
    "compliance.cosign_due": (EVERY_SECOND, "bulk"),
    "compliance.stamp_due": (EVERY_HOUR, "bulk"),
    "compliance.weigh_due": (EVERY_HOUR, "bulk"),
    "referrals.sweep_due": (EVERY_HOUR, "bulk"),
    "compliance.sweep_due": (EVERY_HOUR, "bulk"),
}

app = Celery("dutyline")
app.conf.update(
    broker_url=settings.BROKER_URL or "memory://",
    broker_connection_retry_on_startup=True,
    broker_transport_options={"confirm_publish": True},
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_default_queue="default",
    # Named here, so that a worker told of no queue listens to all of them.
    task_queues=[Queue(name, Exchange(name), name) for name in ("urgent", "default", "bulk")],
    task_routes={name: {"queue": queue} for name, (_, queue) in BELLS.items()},
    worker_prefetch_multiplier=1,
    worker_soft_shutdown_timeout=30.0,
    timezone="UTC",
    # Unfinished rings expire: the next one finds the same work in the database.
    beat_schedule={
        name: {"task": name, "schedule": every, "options": {"expires": 60.0}}
        for name, (every, _) in BELLS.items()
    },
)
app.autodiscover_tasks(["compliance", "referrals"])


@signals.setup_logging.connect
def _logs_stay_ours(**told: Any) -> None:
    """Let a worker log as the settings say: Celery's own form would write an error's words."""
    logging.config.dictConfig(settings.LOGGING)
