"""Repeats of a warning or an error are counted, and the count is said, so that a flood does not hide the rest.

Ours, because log-rate-limit, the one library for it, says how many were left out only with the next line that it lets
through: of a flood that ends, and at the end of the process, nobody would hear.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from time import monotonic, time

from streamer.logs.fields import LIKE

MOST_KINDS = 1_000
"""Kinds of lines whose repeats are counted at one time; the oldest is let go for a new one."""

Kind = tuple[str, int, str, str]
"""Logger, level, message before its values are filled in, and what the line was said to be like."""


@dataclass(slots=True)
class _Window:
    """The time after a line, in which others of its kind are only counted."""

    began_s: float
    left_out: int = 0
    last: logging.LogRecord | None = None
    """The last one that was left out, as text and fields."""


class Repeats:
    """Says which lines are to be said now. Not safe across threads: the handler's lock guards it."""

    def __init__(self, window_s: float, clock: Callable[[], float] = monotonic, most: int = MOST_KINDS) -> None:
        """With a window of 0 s nothing is left out."""
        self._window_s, self._clock, self._most = window_s, clock, most
        self._windows: dict[Kind, _Window] = {}
        """The oldest first."""

    def take(self, record: logging.LogRecord) -> list[logging.LogRecord]:
        """The lines to be said now that this one has come: itself, unless it is a repeat, and counts that are due."""
        if record.levelno < logging.WARNING or not self._window_s:
            return [record]
        said = self.due()
        kind = _kind(record)
        window = self._windows.get(kind)
        if window is not None:
            window.left_out += 1
            window.last = _plain(record)
            return said
        if len(self._windows) >= self._most:
            said += self._summary(self._windows.pop(next(iter(self._windows))))
        self._windows[kind] = _Window(self._clock())
        return [*said, record]

    def due(self) -> list[logging.LogRecord]:
        """The counts of all windows that are over. Where there was a repeat, the next window follows at once."""
        said: list[logging.LogRecord] = []
        now = self._clock()
        while self._windows and next(iter(self._windows.values())).began_s + self._window_s <= now:
            kind, window = next(iter(self._windows.items()))
            del self._windows[kind]
            if window.left_out:
                said += self._summary(window)
                self._windows[kind] = _Window(now)
        return said

    def rest(self) -> list[logging.LogRecord]:
        """The counts of all windows, over or not, at the end."""
        said = [line for window in self._windows.values() for line in self._summary(window)]
        self._windows.clear()
        return said

    def _summary(self, window: _Window) -> list[logging.LogRecord]:
        if window.last is None:
            return []
        line, now_s = copy(window.last), self._clock()
        line.msg = f"{window.left_out} more like it in the last {now_s - window.began_s:.0f} s: {line.msg}"
        line.repeats = window.left_out
        line.created = time()  # times in a log go forwards
        line.msecs = float(int(line.created % 1.0 * 1000.0))
        return [line]


def _kind(record: logging.LogRecord) -> Kind:
    """Where the message has no word of its own ("%s"), its text tells it from others."""
    message = str(record.msg)
    if not _has_words(message):
        message = record.getMessage()
    return record.name, record.levelno, message, str(getattr(record, LIKE, ""))


@lru_cache
def _has_words(message: str) -> bool:
    return re.search("[a-zA-Z]", re.sub(r"%[^a-zA-Z%]*[a-zA-Z%]", "", message)) is not None


def _plain(record: logging.LogRecord) -> logging.LogRecord:
    """The record with its values filled in, without the frames that its traceback would keep alive."""
    kept = copy(record)
    kept.msg, kept.args = record.getMessage(), None
    kept.exc_info = kept.exc_text = kept.stack_info = None
    return kept
