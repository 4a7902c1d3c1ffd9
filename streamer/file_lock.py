"""A lock on a file, for what only one process may do at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Self


class Held(Exception):  # noqa: N818  (a state of the lock, nobody's error)
    """Another has the lock; the text is its process id, `?` where that is not known."""


class FileLock:
    """Held from its making until `close`, or until the process ends, however it ends.

    The file, made where it is absent, holds the owner's process id. Held where another has it, in this process too;
    OSError where the file cannot be opened or locked.
    """

    def __init__(self, file: Path) -> None:
        self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, str(os.getpid()).encode("ascii"))
        except BlockingIOError:
            owner = os.read(self._descriptor, 20).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise Held(owner or "?") from None
        except OSError:
            os.close(self._descriptor)
            raise

    def close(self) -> None:
        """Lets others have it."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
