"""One writer a folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamer.sinks.base import SinkError

LOCK_FILE = ".writer"
"""Name of the locked file; it holds the number of the process that writes the folder."""


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Holds a folder, made where needed, against other writers; SinkError where another process has it.

    The lock ends with the process, however it ends.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise SinkError(f"cannot use the folder {folder}: {error.strerror}") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.read(lock, 20).decode("ascii", "replace").strip() or "?"
            raise SinkError(
                f"the folder {folder} is written by process {owner}: one sink writes a table, so stop that one or "
                "name another folder"
            ) from None
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode("ascii"))
        yield
    finally:
        os.close(lock)
