"""`streamer run`: the always-on service, and `streamer worker`, which is one of its processes."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from time import sleep

from streamer.errors import ConfigurationError, UserError
from streamer.health import Health
from streamer.kafka.slot import SlotTaken, host_name, slot_name
from streamer.settings import Settings
from streamer.supervisor import LIFELINE, Ended, Supervisor, worker_command

log = logging.getLogger("streamer")

HUNG_S = 60.0
"""A worker that has not polled for so long will not do so again [s]: a batch takes seconds at most, and a worker that
waits for something polls on. librdkafka may never return from `send_offsets_to_transaction`, time-out or not, when
the group's coordinator goes away at the wrong moment (its issues 5456 and 5511, open in 2.16)."""

HUNG_TURN_S = 5.0
"""That is looked at this often [s]."""


def run_service(settings: Settings, workers: int, config: Path | None) -> int:
    """Runs the workers of this host until told to stop; the exit code. ConfigurationError where they cannot work."""
    check_service(settings, workers)
    log_to_stderr(settings.deployment)
    arguments = [] if config is None else ["--config", str(config)]
    try:
        with _only_one(settings):
            log.info("%d workers start; Ctrl-C or SIGTERM ends them", workers)
            return Supervisor(lambda index: worker_command(index, arguments), workers).run()
    except SlotTaken as error:
        log.error("%s", error)
        return Ended.SLOT_TAKEN


def check_service(settings: Settings, workers: int) -> None:
    """ConfigurationError where the settings are fine by themselves, but not for a service of so many workers."""
    if not settings.streams:
        raise ConfigurationError(
            "the configuration names no topics to score: add, for example, `streams: [{topics: [lsst-alerts-v11]}]`"
        )
    if settings.state.store == "sqlite" and workers > 1:
        raise ConfigurationError(
            "the sqlite store serves one worker: set `state: {store: mongodb}`, or run with --workers 1"
        )


def run_worker(settings: Settings, index: int) -> int:
    """Works as one of the service's processes until SIGTERM; the exit code says why it ended."""
    log_to_stderr(slot_name(settings.host, index))
    _end_with_supervisor()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor gets it too, and tells us
    stops: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stops.append(number))
    from streamer.factory.worker import Stopped, open_worker  # here: the supervisor needs none of these 200 MB
    from streamer.worker import TooManyDeadLetters

    try:
        with open_worker(settings, index, lambda: bool(stops)) as worker:
            _end_when_silent(worker.health)
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


def log_to_stderr(name: str) -> None:
    """Lines of time, level, who says it and what."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format=f"%(asctime)s %(levelname)s {name}: %(message)s", force=True
    )


@contextmanager
def _only_one(settings: Settings) -> Iterator[None]:
    """Holds this host's place in the deployment; SlotTaken where another service of this machine has it."""
    place = host_name(settings.host)
    file = Path(tempfile.gettempdir()) / f"transient-streamer-{settings.deployment}-{place}.lock"
    advice = "stop it, or give this one a `host:` or a `deployment:` of its own"
    try:
        lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise SlotTaken(
            f"the deployment {settings.deployment} was run on this host by another user: {file} cannot be opened "
            f"({error.strerror}); {advice}, or remove the file where none runs"
        ) from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(lock, 20).decode("ascii", "replace").strip() or "?"
            raise SlotTaken(
                f"the deployment {settings.deployment} runs on this host already (process {owner}): {advice}"
            ) from None
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode("ascii"))
        yield
    finally:
        os.close(lock)


def _end_with_supervisor() -> None:
    """Ends this process at once when its supervisor is gone, however it went."""
    held = os.environ.get(LIFELINE)
    if held is None:
        return

    def wait() -> None:
        os.read(int(held), 1)
        os._exit(Ended.START_AGAIN)

    Thread(target=wait, name="lifeline", daemon=True).start()


def _end_when_silent(health: Health) -> None:
    """Ends this process where its work stands still."""

    def watch() -> None:
        while health.silence_s < HUNG_S:
            sleep(HUNG_TURN_S)
        log.error("nothing has moved for %.0f s: this worker ends, and is started again", health.silence_s)
        os._exit(Ended.START_AGAIN)

    Thread(target=watch, name="watch", daemon=True).start()
