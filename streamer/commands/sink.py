"""`streamer sink`: an always-on consumer of our topics that fills a table."""

from __future__ import annotations

import json
import logging
import signal
from time import monotonic

from streamer.commands.logs import log_to_stderr
from streamer.commands.standing_still import end_when_silent
from streamer.errors import UserError
from streamer.factory.sinks import SinkKind, Watch, open_sink
from streamer.factory.waiting import Stopped
from streamer.settings import Settings
from streamer.sinks.following import Tally

log = logging.getLogger(__name__)

HUNG_S = 3_600.0
"""A sink that has not moved for so long will not do so again [s]: joining the files of a night takes minutes."""


def run_sink(settings: Settings, kind: SinkKind, until_eos: bool, as_json: bool) -> int:
    """Fills the table until SIGTERM or Ctrl-C, or to the end of the topics as it is now; the exit code, 2 where it
    cannot.
    """
    log_to_stderr(settings, f"sink {kind}")
    stops: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: stops.append(number))
    began = monotonic()
    try:
        watch = Watch(settings, kind)
        with open_sink(settings, kind, lambda: bool(stops), watch, shows=not until_eos) as sink:
            end_when_silent(watch.health, HUNG_S)
            log.info("started")
            tally = sink.run(until_eos)
    except Stopped:
        tally = Tally()
    except UserError as error:
        log.error("%s", error)
        return 2
    seconds = monotonic() - began
    done = f"{tally.written:,} messages written in {tally.batches:,} batches"
    log.info("%s, %s unreadable ones to the dead letters; %.1f s", done, f"{tally.unreadable:,}", seconds)
    if as_json:
        print(json.dumps({"sink": kind, "seconds": round(seconds, 3)} | tally.as_json()))
    return 0
