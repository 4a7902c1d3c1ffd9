"""`streamer run`: the always-on service. It holds this host's place and watches the workers; the work is theirs."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from streamer.commands.logs import log_to_stderr
from streamer.errors import ConfigurationError
from streamer.file_lock import FileLock, Held
from streamer.kafka.slot import SlotTaken, host_name
from streamer.settings import Settings
from streamer.supervisor import Ended, Supervisor, worker_command

log = logging.getLogger("streamer")


def run_service(settings: Settings, workers: int, config: Path | None) -> int:
    """Runs the workers of this host until told to stop; the exit code. ConfigurationError where they cannot work."""
    check_service(settings, workers)
    log_to_stderr(settings, settings.deployment)
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


def _only_one(settings: Settings) -> FileLock:
    """Holds this host's place in the deployment; SlotTaken where another service of this machine has it."""
    place = host_name(settings.host)
    file = Path(tempfile.gettempdir()) / f"transient-streamer-{settings.deployment}-{place}.lock"
    advice = "stop it, or give this one a `host:` or a `deployment:` of its own"
    try:
        return FileLock(file)
    except OSError as error:
        raise SlotTaken(
            f"the deployment {settings.deployment} was run on this host by another user: {file} cannot be opened "
            f"({error.strerror}); {advice}, or remove the file where none runs"
        ) from None
    except Held as owner:
        raise SlotTaken(
            f"the deployment {settings.deployment} runs on this host already (process {owner}): {advice}"
        ) from None
