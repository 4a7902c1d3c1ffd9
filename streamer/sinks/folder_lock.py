"""One writer a folder."""

from __future__ import annotations

from pathlib import Path

from streamer.file_lock import FileLock, Held
from streamer.sinks.base import SinkError

LOCK_FILE = ".writer"
"""Name of the locked file."""


def only_writer(folder: Path) -> FileLock:
    """Holds a folder, made where needed, against other writers; SinkError where another process has it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / LOCK_FILE)
    except OSError as error:
        raise SinkError(f"cannot use the folder {folder}: {error.strerror}") from None
    except Held as owner:
        raise SinkError(
            f"the folder {folder} is written by process {owner}: one sink writes a table, so stop that one or name "
            "another folder"
        ) from None
