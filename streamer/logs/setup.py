"""Begins the log of an always-on process: everything that it would say on stderr, in one form."""

from __future__ import annotations

import logging
import sys
import threading
from types import TracebackType
from typing import Any, Literal

from streamer.logs.forms import JsonForm, TextForm
from streamer.logs.handler import RepeatsHandler
from streamer.logs.repeats import Repeats

Form = Literal["text", "json"]
Level = Literal["debug", "info", "warning"]

OURS = ("streamer", "classifiers", "schemas", "librdkafka")
"""Loggers that speak at the level of debug when asked to; other packages would drown them."""

log = logging.getLogger("streamer")


def begin(process: str, deployment: str, form: Form, level: Level, repeat_s: float) -> None:
    """From now on everything is said on stderr in this form, under the name `process`, at this level and above.

    That is log lines of all packages, Python's warnings, and errors that nobody foresaw, of any thread. Repeats of a
    warning or an error within `repeat_s` [s] are counted instead of said. A library must not call this.
    """
    handler = RepeatsHandler(sys.stderr, Repeats(repeat_s))
    handler.setFormatter(JsonForm(process, deployment) if form == "json" else TextForm(process))
    number = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(level=max(number, logging.INFO), handlers=[handler], force=True)
    for name in OURS:
        logging.getLogger(name).setLevel(number)
    logging.captureWarnings(True)
    sys.excepthook = _say_end
    sys.unraisablehook = _say_ignored
    threading.excepthook = _say_end_of_thread
    handler.start()


def _say_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The process ends by an error that nobody foresaw."""
    log.critical("ended by %s: %s", kind.__name__, error, exc_info=(kind, error, trace))


def _say_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None and not issubclass(ended.exc_type, SystemExit):
        name = "?" if ended.thread is None else ended.thread.name
        error = (ended.exc_type, ended.exc_value, ended.exc_traceback)
        log.error("the thread %s ended by %s: %s", name, ended.exc_type.__name__, ended.exc_value, exc_info=error)


def _say_ignored(ignored: Any) -> None:
    """An error where nothing can be ended: in a callback, or while an object is let go."""
    what = f"{ignored.err_msg or 'an error was ignored in'} {ignored.object!r}"
    error = None if ignored.exc_value is None else (ignored.exc_type, ignored.exc_value, ignored.exc_traceback)
    log.error("%s", what, exc_info=error)
