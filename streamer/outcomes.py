"""What became of every message: each ends in exactly one counted outcome."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Outcomes:
    """Counts of messages by outcome; `received` is always the sum of the four others."""

    received: int = 0
    scored: int = 0
    duplicate: int = 0
    filtered: Counter[str] = field(default_factory=Counter)
    """By reason."""
    dead_letter: Counter[str] = field(default_factory=Counter)
    """By reason."""
    classes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Scored alerts by (survey, predicted class or 'unclassified')."""
    unclassified: Counter[str] = field(default_factory=Counter)
    """Scored alerts that no model could classify, by reason."""

    def add(self, other: Outcomes) -> None:
        """Adds the counts of another batch."""
        self.received += other.received
        self.scored += other.scored
        self.duplicate += other.duplicate
        self.filtered.update(other.filtered)
        self.dead_letter.update(other.dead_letter)
        self.classes.update(other.classes)
        self.unclassified.update(other.unclassified)

    def check(self) -> None:
        """Raises AssertionError if a message was lost or counted twice: a bug here, never the input's fault."""
        ended = self.scored + self.duplicate + self.filtered.total() + self.dead_letter.total()
        if ended != self.received:
            raise AssertionError(f"{self.received} messages came in but {ended} outcomes were counted")
