"""Tasks: the doorbell of the referrals' rooms rings each of them, and none of them twice."""

from datetime import timedelta

import pytest
from django.utils import timezone

from compliance.determinations import Determination
from config.celery import app
from referrals import clients, tasks
from referrals.agencies import Agency
from referrals.docket import Referral

OURS = {
    "referrals.enter_due": "urgent",
    "referrals.seal_due": "urgent",
    "referrals.deliver_due": "urgent",
    "referrals.sweep_due": "bulk",
}


class TestTasks:
    def test_take_a_signed_determination_to_its_agency(
        self, signed: Determination, agency: Agency
    ) -> None:
        states = []
        for ring in (tasks.enter_due, tasks.seal_due, tasks.deliver_due):
            ring()
            ring()  # a doubled message does nothing
            states.append(Referral.objects.get().state)
        assert states == ["entered", "sealed", "delivered"]

    def test_sweep_what_is_over(self, db: None) -> None:
        over = timezone.now() - timedelta(days=30)
        clients.SeenOnce.objects.create(digest="0" * 64, expires_at=over)
        tasks.sweep_due()
        assert not clients.SeenOnce.objects.exists()

    @pytest.mark.parametrize(("name", "queue"), OURS.items())
    def test_are_rung_by_the_clock_under_their_name(self, name: str, queue: str) -> None:
        app.loader.import_default_modules()
        assert name in app.tasks
        assert app.amqp.router.route({}, name)["queue"].name == queue
        assert [each["task"] for each in app.conf.beat_schedule.values()].count(name) == 1
