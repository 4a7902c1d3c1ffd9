"""Where log lines go: one stream, with repeats counted instead of said; and who counts them all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from threading import Event, Thread
from typing import TextIO

from streamer.logs.repeats import Repeats

TURN_S = 1.0
"""It is seen this often whether a count is due [s]: a flood may end without another line."""


class RepeatsHandler(logging.StreamHandler[TextIO]):
    """Writes lines, the counts of repeats when they are due, and at the end what was not yet told."""

    def __init__(self, stream: TextIO, repeats: Repeats) -> None:
        super().__init__(stream)
        self._repeats = repeats
        self._is_closed = Event()

    def start(self) -> None:
        """Looks for counts that are due, in a thread of its own, until `close`."""
        Thread(target=self._look, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a line; the caller holds the lock."""
        self._write(self._repeats.take(_sayable(record)))

    def say_due(self) -> None:
        """Writes the counts that are due."""
        self.acquire()
        try:
            self._write(self._repeats.due())
        finally:
            self.release()

    def close(self) -> None:
        """Writes all counts."""
        self._is_closed.set()
        self.acquire()
        try:
            self._write(self._repeats.rest())
        finally:
            self.release()
        super().close()

    def _write(self, lines: list[logging.LogRecord]) -> None:
        for line in lines:
            super().emit(line)

    def _look(self) -> None:
        while not self._is_closed.wait(TURN_S):
            self.say_due()


def _sayable(record: logging.LogRecord) -> logging.LogRecord:
    """The record, or one without its values where these cannot be filled in: a log line never fails its caller."""
    try:
        record.getMessage()
    except Exception as error:  # noqa: BLE001  (whatever a value's own text raises)
        kept = copy(record)
        kept.msg, kept.args = f"{record.msg} (its values cannot be said: {type(error).__name__})", None
        return kept
    return record


class _Counter(logging.Handler):
    def __init__(self, count: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._count = count

    def emit(self, record: logging.LogRecord) -> None:
        self._count(record.levelname.lower())


@contextmanager
def counting(count: Callable[[str], None]) -> Iterator[None]:
    """Meanwhile, tells `count` the level of each line of warning and above, repeats included."""
    handler = _Counter(count)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
