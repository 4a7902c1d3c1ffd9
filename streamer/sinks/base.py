"""What the pipeline asks of a sink."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from schemas.records import DeadLetter
from schemas.scored import ScoredBatch
from streamer.errors import UserError


class SinkError(UserError):
    """A sink cannot write (disk full, folder not writable, a file of another kind in the way)."""


class Away(SinkError):  # noqa: N818  (a state, nobody's error)
    """What a sink writes to, or needs for reading, is away: waiting helps."""


class Sink(Protocol):
    """Takes scored alerts. Writing a score again, in this run or a later one, leaves one copy: the last."""

    def write(self, scored: ScoredBatch) -> None:
        """Takes a batch; it may stay in memory until `flush`. SinkError where it cannot be written."""
        ...

    def flush(self) -> None:
        """Makes all taken so far lasting: kill -9 after this loses nothing of it."""
        ...

    def close(self) -> None:
        """Flushes and leaves the output in its final form."""
        ...


class DeadLetterSink(Protocol):
    """Takes messages that could not be processed. A message that comes again leaves one copy: the first."""

    def write(self, letters: Sequence[DeadLetter]) -> None:
        """Takes dead letters; they may stay in memory until `flush`."""
        ...

    def flush(self) -> None:
        """Makes all taken so far lasting."""
        ...

    def close(self) -> None:
        """Flushes and lets go."""
        ...
