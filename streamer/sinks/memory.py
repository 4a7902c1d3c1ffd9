"""Sinks that keep what they are given: for tests and for looking at a run from Python."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.records import DeadLetter
from schemas.scored import ScoredBatch


class MemorySink:
    """Keeps every batch, in order."""

    def __init__(self) -> None:
        self.batches: list[ScoredBatch] = []

    def write(self, scored: ScoredBatch) -> None:
        """Keeps the batch."""
        self.batches.append(scored)

    def flush(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""


class MemoryDeadLetterSink:
    """Keeps every dead letter by its coordinates."""

    def __init__(self) -> None:
        self.letters: dict[str, DeadLetter] = {}

    def write(self, letters: Sequence[DeadLetter]) -> None:
        """Keeps the letters; the first of equal coordinates stays."""
        for letter in letters:
            self.letters.setdefault(str(letter.coordinates), letter)

    def flush(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""
