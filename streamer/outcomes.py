"""What became of every message: each ends in exactly one counted outcome."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from schemas.alert import QUALITY_FLAGS, AlertBatch
from schemas.light_curve import IntArray
from schemas.records import DeadLetter
from schemas.scored import ScoredBatch
from schemas.surveys.reading import Rejected
from schemas.wire import bits


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
    uncalibrated: Counter[str] = field(default_factory=Counter)
    """Classified alerts whose scores no labelled alert of their kind stands behind, by survey."""
    real_scores: Counter[tuple[str, float]] = field(default_factory=Counter)
    """Alerts that were assessed, scored or not, by (survey, real score rounded up to hundredths)."""
    flags: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Alerts that were assessed and have a quality flag, by (survey, flag)."""

    def add(self, other: Outcomes) -> None:
        """Adds the counts of another batch."""
        self.received += other.received
        self.scored += other.scored
        self.duplicate += other.duplicate
        self.filtered.update(other.filtered)
        self.dead_letter.update(other.dead_letter)
        self.classes.update(other.classes)
        self.unclassified.update(other.unclassified)
        self.uncalibrated.update(other.uncalibrated)
        self.real_scores.update(other.real_scores)
        self.flags.update(other.flags)

    def count_scored(self, scored: ScoredBatch) -> None:
        """Counts a batch of scored alerts: by class, by the reason of having none, and those without a calibration."""
        predicted = scored.predicted_class
        self.scored += len(scored)
        self.classes.update((scored.survey, name or "unclassified") for name in predicted)
        self.unclassified.update(reason for reason in scored.unclassified_reason if reason is not None)
        bare = [name is not None and known is None for name, known in zip(predicted, scored.calibration, strict=True)]
        self.uncalibrated[scored.survey] += sum(bare)

    def count_assessed(self, alerts: AlertBatch, index: IntArray) -> None:
        """Counts the alerts in `index`, whose stamps were looked at: their real scores and quality flags."""
        hundredths = np.ceil(100.0 * alerts.real_score[index]) / 100.0
        self.real_scores.update((alerts.survey, score) for score in hundredths.tolist())
        is_set = bits(alerts.quality[index], len(QUALITY_FLAGS)).sum(axis=0).tolist()
        self.flags.update({(alerts.survey, name): n for name, n in zip(QUALITY_FLAGS, is_set, strict=True) if n})

    def check(self) -> None:
        """Raises AssertionError if a message was lost or counted twice: a bug here, never the input's fault."""
        ended = self.scored + self.duplicate + self.filtered.total() + self.dead_letter.total()
        if ended != self.received:
            raise AssertionError(f"{self.received} messages came in but {ended} outcomes were counted")


@dataclass(slots=True)
class Taken:
    """What came of some packets: scores and dead letters to be published, and the counts."""

    scored: list[ScoredBatch] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    outcomes: Outcomes = field(default_factory=Outcomes)

    def add(self, other: Taken) -> None:
        """Adds what came of other packets."""
        self.scored += other.scored
        self.letters += other.letters
        self.outcomes.add(other.outcomes)


def letter_of(rejected: Rejected, stage: str) -> DeadLetter:
    """The dead letter of a packet that could not be processed, and the stage that gave up on it."""
    packet, reason, detail, survey = rejected
    return DeadLetter.of(packet, reason=reason, stage=stage, detail=detail, survey=survey)
