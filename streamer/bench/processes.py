"""CPU time of a server on this machine, found by the port that it listens on."""

from __future__ import annotations

import os
from pathlib import Path

_LISTENS = "0A"
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_LOCAL = {"localhost", "127.0.0.1", "[::1]"}


def local_server(address: str) -> int | None:
    """Process id of what listens at `host:port`; None where it is elsewhere, or not ours to look at."""
    host, _, port = address.rpartition(":")
    if host not in _LOCAL or not port.isdigit():
        return None
    sockets = {f"socket:[{inode}]" for inode in _listening(int(port))}
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(descriptor.readlink()) in sockets:
                return int(descriptor.parts[2])
        except OSError:
            continue  # gone meanwhile, or another user's
    return None


def cpu_s(pid: int) -> float:
    """CPU time of a process with all its threads, since its start [s]; 0 where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _listening(port: int) -> list[str]:
    """Inodes of the sockets that listen on a port."""
    ending = f":{port:04X}"
    tables = [table for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")) if table.exists()]
    rows = [line.split() for table in tables for line in table.read_text().splitlines()[1:]]
    return [row[9] for row in rows if row[3] == _LISTENS and row[1].endswith(ending)]
