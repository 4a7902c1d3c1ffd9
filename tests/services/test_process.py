"""Starting a server, by small scripts in a server's place: what is said when it fails, and that none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.services.process import PORTS, Server, free_port
from streamer.errors import UserError

ROOT = Path(__file__).resolve().parent.parent.parent


class Script(Server):
    """A shell script as a server."""

    name = "Script"
    ready_line = "ready"

    def __init__(self, folder: Path, script: str) -> None:
        super().__init__(folder)
        self.script = script

    def command(self) -> list[str]:
        return ["/bin/sh", "-c", self.script]


def is_alive(pid: int) -> bool:
    """Whether the process runs, and is not merely waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_server_that_ends_while_it_starts_shows_the_end_of_its_log(tmp_path: Path) -> None:
    server = Script(tmp_path, "seq 30; echo no disk >&2; exit 1")
    with pytest.raises(UserError, match=r"^Script ended; its log \(.*server\.log\) ends:\n17\n(.*\n)*no disk$"):
        server.start()


def test_a_server_that_does_not_get_ready_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.services.process.READY_TIMEOUT_S", 0.2)
    server = Script(tmp_path, "echo $$; exec sleep 100")
    with pytest.raises(UserError, match="was not ready within"):
        server.start()
    assert not is_alive(int(server.log.read_text()))


def test_the_ready_line_of_an_earlier_start_does_not_count(tmp_path: Path) -> None:
    server = Script(tmp_path, "echo ready; exec sleep 100")
    with server:
        server.check()
    server.script = "echo worn out"
    with pytest.raises(UserError, match=r"ends:\nworn out$"):
        server.start()


def test_a_server_that_does_not_listen_to_a_request_to_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.services.process.STOP_TIMEOUT_S", 0.2)
    server = Script(tmp_path, "trap '' TERM; echo ready; while :; do sleep 0.1; done")
    server.start()
    pid = server.pid
    server.stop()
    assert not is_alive(pid)


def test_a_server_that_ends_by_itself_is_noticed(tmp_path: Path) -> None:
    with Script(tmp_path, "echo ready; exec sleep 100") as server:
        server.check()
        os.kill(server.pid, signal.SIGKILL)
        os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(UserError, match=r"^Script ended; its log"):
            server.check()


def test_no_server_outlives_a_process_that_was_killed(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, signal\n"
        "from tests.services.test_process import Script\n"
        f"server = Script(pathlib.Path({str(tmp_path)!r}), 'echo ready; exec sleep 100')\n"
        "server.start()\n"
        "print(server.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    pid = int(done.stdout)
    deadline = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(pid)


def test_free_ports_are_not_those_that_clients_are_given() -> None:
    first_of_clients = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(free_port() in PORTS for _ in range(10))
    assert max(PORTS) < first_of_clients
