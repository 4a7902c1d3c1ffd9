"""`streamer worker`: one of the processes of `streamer run`."""

from __future__ import annotations

import logging
import os
import signal
from threading import Thread

from streamer.commands.logs import log_to_stderr
from streamer.commands.standing_still import end_when_silent
from streamer.errors import ConfigurationError, UserError
from streamer.kafka.slot import SlotTaken, slot_name
from streamer.settings import Settings
from streamer.supervisor import LIFELINE, Ended

log = logging.getLogger("streamer")

HUNG_S = 60.0
"""A worker that has not polled for so long will not do so again [s]: a batch takes seconds at most, and a worker that
waits for something polls on. librdkafka may never return from `send_offsets_to_transaction`, time-out or not, when
the group's coordinator goes away at the wrong moment (its issues 5456 and 5511, open in 2.16)."""


def run_worker(settings: Settings, index: int) -> int:
    """Works as one of the service's processes until SIGTERM; the exit code says why it ended."""
    log_to_stderr(settings, slot_name(settings.host, index))
    _end_with_supervisor()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor gets it too, and tells us
    stops: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stops.append(number))
    from streamer.factory.waiting import Stopped
    from streamer.factory.worker import open_worker  # here: it takes seconds, and a stop is heard meanwhile
    from streamer.worker import TooManyDeadLetters

    try:
        with open_worker(settings, index, lambda: bool(stops)) as worker:
            end_when_silent(worker.health, HUNG_S)
            worker.run(lambda: bool(stops))
    except Stopped:
        return Ended.STOPPED
    except ConfigurationError as error:
        log.error("%s", error)
        return Ended.CONFIGURATION
    except SlotTaken as error:
        log.error("%s", error)
        return Ended.SLOT_TAKEN
    except TooManyDeadLetters as error:
        log.error("%s", error)
        return Ended.DEAD_LETTERS
    except UserError as error:
        log.error("%s", error)
        return Ended.START_AGAIN
    return Ended.STOPPED


def _end_with_supervisor() -> None:
    """Ends this process at once when its supervisor is gone, however it went."""
    held = os.environ.get(LIFELINE)
    if held is None:
        return

    def wait() -> None:
        os.read(int(held), 1)
        os._exit(Ended.START_AGAIN)

    Thread(target=wait, name="lifeline", daemon=True).start()
