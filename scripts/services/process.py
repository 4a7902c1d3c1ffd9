"""One server as a child process: started, awaited until it says that it is ready, and stopped by its process id."""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Self

from streamer.errors import UserError

READY_TIMEOUT_S = 60.0
"""How long a server may take to start [s]: each takes 1 to 4 s on an idle machine of two cores."""

STOP_TIMEOUT_S = 20.0
"""How long a server may take to end by itself [s] before it is killed."""

PORTS = range(20_000, 32_000)
"""Where free ports are sought: below the range from which the system takes a client's own ports, so that no client,
trying a stopped server's port again and again, ends up connected to itself and keeps the server out."""

TAIL_LINES = 15
"""How much of its log an error shows [lines]."""


class PortTakenError(UserError):
    """Another process listens where a server should."""


class Server(ABC):
    """A server in a folder of its own, on 127.0.0.1; a context manager, and `start` and `stop` by hand.

    `port` None takes a free one. Stopped and started again, it has the folder, port and data that it had. Its log is
    `<folder>/server.log`.
    """

    name: ClassVar[str]
    """What people call it."""
    ready_line: ClassVar[str]
    """Part of the line of its log that says that it takes connections."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder.resolve()
        self.port = free_port() if port is None else port
        self.log = self.folder / "server.log"
        self._start_byte = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """The command line; writes whatever configuration it needs into `folder` first."""

    @property
    def pid(self) -> int:
        """The id of the server's process; RuntimeError when it is not running."""
        if self._process is None:
            raise RuntimeError(f"{self.name} is not running")
        return self._process.pid

    def start(self) -> None:
        """Starts the server and returns when it takes connections; PortTakenError, or UserError with its log's end."""
        if self._process is not None:
            raise RuntimeError(f"{self.name} is running already")
        check_port(self.port, self.name)
        self.folder.mkdir(parents=True, exist_ok=True)
        command = self.command()
        with self.log.open("ab") as log:
            self._start_byte = log.tell()
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        self._watcher = _kill_with_me(self._process.pid)
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def check(self) -> None:
        """UserError with its log's end if the server ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            raise UserError(f"{self.name} ended; its log {self._tail()}")

    def stop(self) -> None:
        """Asks the server to end, kills it if it does not; its data stay. Nothing happens when it is not running."""
        self._end(ask=True)

    def kill(self) -> None:
        """Ends the server without a word to it, as a crash would."""
        self._end(ask=False)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _end(self, *, ask: bool) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        if ask:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_TIMEOUT_S)
        process.kill()
        process.wait()
        if self._watcher is not None:
            # Not by closing its pipe: it would kill a process id that may be another's by now.
            self._watcher.kill()
            self._watcher.communicate()
            self._watcher = None

    def _wait(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while self.ready_line not in self._said():
            self.check()
            if time.monotonic() > deadline:
                raise UserError(f"{self.name} was not ready within {READY_TIMEOUT_S:.0f} s; its log {self._tail()}")
            time.sleep(0.05)

    def _said(self) -> str:
        """What the log says since the server was last started."""
        with self.log.open("rb") as log:
            log.seek(self._start_byte)
            return log.read().decode(errors="replace")

    def _tail(self) -> str:
        lines = self._said().splitlines()[-TAIL_LINES:]
        return f"({self.log}) ends:\n" + "\n".join(lines)


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens now."""
    for port in random.sample(PORTS, 100):
        if _is_free(port):
            return port
    raise UserError(f"no free port found between {PORTS.start} and {PORTS.stop}: stop some servers")


def check_port(port: int, name: str) -> None:
    """PortTakenError if `name` cannot listen on `port` of 127.0.0.1."""
    if not _is_free(port):
        raise PortTakenError(
            f"{name} cannot listen on 127.0.0.1:{port}, which is taken: stop what listens there, or name another port"
        )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: a port whose last connections have not yet timed out is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _kill_with_me(pid: int) -> subprocess.Popen[bytes]:
    """A shell that kills `pid` when this process ends without having stopped it: the pipe to the shell closes then."""
    return subprocess.Popen(
        ["/bin/sh", "-c", f"read -r _; kill -KILL {pid}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
