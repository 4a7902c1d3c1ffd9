"""Keeps the workers of this host running: starts them, starts them again when they die, and ends them in order."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from time import monotonic, sleep

from streamer.logs import about

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 30.0
"""A worker that dies soon is started again after the first pause, each time after twice the last one [s]."""

STEADY_S = 60.0
"""A worker that ran for so long begins with the first pause again [s]."""

LIFELINE = "STREAMER_SUPERVISOR"
"""Name of the environment variable that holds the file descriptor of the supervisor's pipe."""

END_S = 30.0
"""Workers that are told to end get so long to finish their batch [s]."""

TURN_S = 0.1
"""The supervisor looks after its workers this often [s]."""


class Ended(IntEnum):
    """How a worker ended: its exit code."""

    STOPPED = 0
    CONFIGURATION = 2
    SLOT_TAKEN = 3
    DEAD_LETTERS = 4
    START_AGAIN = 75


FINAL = {Ended.CONFIGURATION, Ended.SLOT_TAKEN, Ended.DEAD_LETTERS}
"""Codes after which a new start would change nothing: the other workers end too, and the service with this code."""


@dataclass
class _Worker:
    index: int
    process: subprocess.Popen[bytes] | None = None
    pause_s: float = FIRST_PAUSE_S
    started: float = field(default=-STEADY_S)
    due: float = 0.0


class Supervisor:
    """Runs `command(index)` for each of `workers` indices as a process of its own.

    The processes read the end of a pipe (file descriptor in `LIFELINE`): when the supervisor is gone, however it went,
    the pipe closes and they end at once.
    """

    def __init__(self, command: Callable[[int], Sequence[str]], workers: int) -> None:
        self._command = command
        self._workers = [_Worker(index) for index in range(workers)]
        self._lifeline, self._held = os.pipe()
        self._is_stopping = False

    def run(self) -> int:
        """Works until SIGTERM, SIGINT, or a worker's end that is final; the exit code for the service."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        code = 0
        try:
            while not self._is_stopping and not code:
                code = max((self._look_after(worker) for worker in self._workers), default=0)
                sleep(TURN_S)
        finally:
            self._end_all()
            os.close(self._held)
            os.close(self._lifeline)
        return code

    def _stop(self, number: int, frame: object) -> None:
        self._is_stopping = True

    def _look_after(self, worker: _Worker) -> int:
        """Starts a worker where it is due; its exit code where that is final."""
        if worker.process is None:
            if monotonic() >= worker.due:
                self._start(worker)
            return 0
        code = worker.process.poll()
        if code is None:
            return 0
        worker.process = None
        if code in FINAL:
            return int(code)
        if monotonic() - worker.started > STEADY_S:
            worker.pause_s = FIRST_PAUSE_S
        worker.due = monotonic() + worker.pause_s
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        log.warning(
            "worker %d %s: it is started again in %.2g s",
            worker.index,
            how,
            worker.pause_s,
            extra=about(worker=worker.index, like=f"{worker.index} {how}"),
        )
        worker.pause_s = min(2 * worker.pause_s, LONGEST_PAUSE_S)
        return 0

    def _start(self, worker: _Worker) -> None:
        environment = os.environ | {LIFELINE: str(self._lifeline)}
        worker.started = monotonic()
        worker.process = subprocess.Popen(
            self._command(worker.index), env=environment, pass_fds=(self._lifeline,), stdin=subprocess.DEVNULL
        )

    def _end_all(self) -> None:
        running = [worker.process for worker in self._workers if worker.process is not None]
        for process in running:
            process.terminate()
        until = monotonic() + END_S
        for process in running:
            try:
                process.wait(max(until - monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                log.error("the worker with process id %d does not end: it is killed", process.pid)
                process.kill()
                process.wait()


def worker_command(index: int, arguments: Sequence[str]) -> list[str]:
    """The command of one worker, run by this Python."""
    return [sys.executable, "-m", "streamer", "worker", "--index", str(index), *arguments]
