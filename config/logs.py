"""Logs: that something failed, of which kind and where; never what it was about."""

import logging
import traceback
from collections.abc import Iterator, Mapping
from copy import copy
from typing import Any

WORDS = ("exc", "args", "kwargs", "traceback")  # of a task, as celery.app.trace hands them on


class Discreet(logging.Formatter):
    """Write exceptions without their words: a database quotes the row that it refused."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; what another handler may have made of the exception is not used."""
        own = copy(record)
        own.exc_text = None
        if isinstance(own.args, Mapping):  # Celery names what failed, and with which words and why
            said = {name: value for name, value in own.args.items() if name not in WORDS}
            own.args = said | dict.fromkeys(WORDS, "-")
        return super().format(own)

    def formatException(self, ei: Any) -> str:
        """Return the kind of each exception of the chain and the places it came through."""
        lines: list[str] = []
        for error in _chain(ei[1]):
            frames = traceback.extract_tb(error.__traceback__)
            lines += [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
            lines.append(type(error).__name__)
        return "\n".join(lines)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
