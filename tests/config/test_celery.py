"""Celery: a doorbell that may lose or double a message, and holds back or forgets nothing else."""

import ast
import inspect
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from celery import Task
from kombu import Connection

import compliance.tasks
import referrals.tasks
from compliance import anchors, determinations, evidence, preservation, releases, requests
from compliance.audit import checkpoints
from compliance.vault import keys
from config.celery import BELLS, app
from referrals import bundles, clients, delivery, docket, retractions

# Every task, and the one function of a room that it calls.
CALLS: dict[str, tuple[Any, str]] = {
    "compliance.take_in_due": (releases, "take_in_due"),
    "compliance.propose_due": (determinations, "propose_due"),
    "compliance.place_due": (preservation, "place_due"),
    "compliance.weigh_due": (requests, "weigh_due"),
    "compliance.sweep_due": (evidence, "sweep_due"),
    "compliance.rewrap_due": (keys, "rewrap_due"),
    "compliance.destroy_due": (keys, "destroy_due"),
    "compliance.seal_log": (checkpoints, "seal_due"),
    "compliance.cosign_due": (anchors, "cosign_due"),
    "compliance.stamp_due": (anchors, "stamp_due"),
    "referrals.enter_due": (docket, "enter_due"),
    "referrals.retract_due": (retractions, "retract_due"),
    "referrals.seal_due": (bundles, "seal_due"),
    "referrals.deliver_due": (delivery, "deliver_due"),
    "referrals.sweep_due": (clients, "sweep_due"),
}
HOURLY = {
    "compliance.destroy_due",
    "compliance.stamp_due",
    "compliance.sweep_due",
    "compliance.weigh_due",
    "referrals.sweep_due",
}
QUEUES = {
    "compliance.seal_log": "default",
    "compliance.cosign_due": "bulk",
    "compliance.rewrap_due": "bulk",
}


@pytest.fixture(autouse=True)
def _tasks_are_found() -> None:
    app.loader.import_default_modules()


def tasks() -> Iterator[tuple[str, Task[Any, Any]]]:
    """Our own tasks, by name."""
    for name, task in app.tasks.items():
        if not name.startswith("celery."):
            yield name, task


class TestSettings:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("task_acks_late", True),  # a message is gone only once its work is done
            ("task_reject_on_worker_lost", True),  # and comes back when its worker was killed
            ("worker_prefetch_multiplier", 1),  # a slow worker holds back nothing from others
            ("broker_transport_options", {"confirm_publish": True}),
            ("broker_connection_retry_on_startup", True),
            ("task_ignore_result", True),
            ("result_backend", None),  # results would be a second place for what rooms return
            ("task_serializer", "json"),
            ("accept_content", ["json"]),  # never pickle
            ("event_serializer", "json"),
            ("task_default_queue", "default"),
            ("worker_soft_shutdown_timeout", 30.0),
            ("timezone", "UTC"),
            ("task_always_eager", False),
        ],
    )
    def test_are_those_of_the_design(self, name: str, value: object) -> None:
        assert app.conf[name] == value

    def test_need_no_broker_while_the_worker_runs_in_process(self, settings: Any) -> None:
        assert app.conf.broker_url == (settings.BROKER_URL or "memory://")

    def test_give_a_worker_that_is_told_nothing_every_queue(self) -> None:
        assert set(app.amqp.queues.consume_from) == {"urgent", "default", "bulk"}
        bound = {(each.exchange.name, each.routing_key) for each in app.amqp.queues.values()}
        assert bound == {(name, name) for name in ("urgent", "default", "bulk")}


class TestBells:
    def test_ring_every_task_by_a_clock_that_nobody_can_alter(self) -> None:
        assert {name for name, _ in tasks()} == set(CALLS) == set(BELLS)
        assert {each["task"] for each in app.conf.beat_schedule.values()} == set(CALLS)
        assert "django_celery_beat" not in str(app.conf.beat_scheduler)

    @pytest.mark.parametrize("name", CALLS)
    def test_ring_often_enough_and_expire(self, name: str) -> None:
        entry = app.conf.beat_schedule[name]
        assert entry["schedule"] == (3600.0 if name in HOURLY else 1.0)
        assert entry["options"] == {"expires": 60.0}

    @pytest.mark.parametrize("name", CALLS)
    def test_ring_in_a_queue_that_workers_listen_to(self, name: str) -> None:
        queue = app.amqp.router.route({}, name)["queue"].name
        assert queue == QUEUES.get(name, "bulk" if name in HOURLY else "urgent")

    def test_ring_in_one_queue_only(self) -> None:
        """A message to `urgent` reaches nobody who waits at `bulk`."""
        with Connection("memory://") as connection:
            app.tasks["compliance.propose_due"].apply_async(connection=connection)
            found = {
                name: connection.SimpleQueue(queue).qsize()
                for name, queue in app.amqp.queues.items()
            }
            connection.SimpleQueue(app.amqp.queues["urgent"]).clear()
        assert found == {"urgent": 1, "default": 0, "bulk": 0}


class TestTasks:
    @pytest.mark.parametrize("name", CALLS)
    def test_call_one_function_of_a_room_and_carry_nothing(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        called = Mock(return_value=7)
        monkeypatch.setattr(*CALLS[name], called)
        assert app.tasks[name]() is None
        called.assert_called_once_with()

    @pytest.mark.parametrize("module", [compliance.tasks, referrals.tasks])
    def test_hold_one_call_and_no_decision(self, module: Any) -> None:
        for node in ast.parse(inspect.getsource(module)).body:
            if isinstance(node, ast.FunctionDef):
                words, call = node.body
                assert isinstance(words, ast.Expr), node.name
                assert isinstance(call, ast.Expr), node.name
                assert isinstance(call.value, ast.Call), node.name
                assert not node.args.args, node.name
                assert not call.value.args, node.name

    def test_find_a_parameter_nowhere(self) -> None:
        for name, task in tasks():
            assert not inspect.signature(task.run).parameters, name
