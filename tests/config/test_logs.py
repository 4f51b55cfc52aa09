"""Logs: that something failed and where; never a word of what it was about."""

import logging
import sys
from collections.abc import Callable
from io import StringIO
from typing import Any, NoReturn

import pytest
from django.db import transaction
from django.http import HttpRequest
from django.test import Client
from django.urls import path

from compliance.findings import Finding
from config.celery import app
from config.logs import Discreet


@transaction.atomic
def broken(request: HttpRequest) -> NoReturn:
    """Break a constraint: PostgreSQL then quotes the whole row, with the statement in it."""
    Finding.objects.update(state="confirmed")
    raise AssertionError("The database refuses.")


urlpatterns = [path("broken", broken)]
handler500 = "referrals.api.errors.server_error"


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """What the process writes to its console, by the handler that our settings made."""
    (console,) = (
        each for each in logging.getLogger().handlers if isinstance(each.formatter, Discreet)
    )
    stream = StringIO()
    monkeypatch.setattr(console, "stream", stream)
    return stream.getvalue


def fail(words: str) -> None:
    try:
        raise KeyError(words)
    except KeyError as error:
        raise ValueError(words) from error


class TestDiscreet:
    def test_writes_which_errors_came_from_where_and_not_their_words(
        self, logged: Callable[[], str]
    ) -> None:
        try:
            fail("marker")
        except ValueError:
            logging.getLogger("sample").exception("It failed for %s.", "record 7")
        lines = logged().splitlines()
        assert lines[0].endswith("ERROR sample It failed for record 7.")
        assert [line for line in lines if not line.startswith("  ")][1:] == [
            "ValueError", "KeyError",
        ]  # fmt: skip
        assert sum(" in fail" in line for line in lines) == 2
        assert "marker" not in logged()

    def test_does_not_use_what_another_handler_made_of_an_error(
        self, logged: Callable[[], str]
    ) -> None:
        try:
            fail("marker")
        except ValueError:
            made = logging.getLogger("sample").makeRecord(
                "sample", logging.ERROR, __file__, 1, "It failed.", (), sys.exc_info()
            )
        logging.Formatter().format(made)
        assert "marker" in (made.exc_text or "")
        logging.getLogger("sample").handle(made)
        assert "ValueError" in logged()
        assert "marker" not in logged()

    def test_keeps_the_row_that_the_database_refused_to_itself(
        self, finding: Finding, settings: Any, logged: Callable[[], str]
    ) -> None:
        settings.ROOT_URLCONF = __name__
        assert Client(raise_request_exception=False).get("/broken").status_code == 500
        assert "ERROR django.request Internal Server Error: /broken\n" in logged()
        assert "\nIntegrityError\n" in logged()
        assert " in broken\n" in logged()
        for hidden in (finding.statement[:20], "is_stamped", str(finding.pk)):
            assert hidden not in logged()


class TestWorker:
    def test_of_celery_logs_in_our_form(self) -> None:
        before = list(logging.getLogger().handlers)
        try:
            app.log.setup_logging_subsystem(loglevel="INFO", logfile=None)
            (console,) = logging.getLogger().handlers
            assert isinstance(console.formatter, Discreet)
        finally:
            logging.getLogger().handlers[:] = before

    def test_says_which_task_failed_and_where_and_not_its_words(
        self, logged: Callable[[], str]
    ) -> None:
        def fails(word: str) -> None:
            fail(word)

        task = app.task(name="sample.fails")(fails)
        try:
            task.apply(args=["marker"])
        finally:
            app.tasks.pop("sample.fails")
        assert "ERROR celery.app.trace Task sample.fails[" in logged()
        assert " in fail" in logged()
        assert "ValueError" in logged()
        assert "marker" not in logged()
