"""An always-on process whose work stands still ends itself, so that whoever keeps it running starts it again."""

from __future__ import annotations

import logging
import os
from threading import Thread
from time import sleep

from streamer.health import Health
from streamer.supervisor import Ended

log = logging.getLogger("streamer")

TURN_S = 5.0
"""That is looked at this often [s]."""


def end_when_silent(health: Health, limit_s: float) -> None:
    """Ends this process once it has not polled for `limit_s` seconds."""

    def watch() -> None:
        while health.silence_s < limit_s:
            sleep(TURN_S)
        log.error("nothing has moved for %.0f s: this process ends, to be started again", health.silence_s)
        os._exit(Ended.START_AGAIN)

    Thread(target=watch, name="watch", daemon=True).start()
