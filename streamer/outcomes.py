"""What became of every message: each ends in exactly one counted outcome."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.alert import QUALITY_FLAGS, AlertBatch
from schemas.light_curve import IntArray
from schemas.records import DeadLetter
from schemas.scored import ScoredBatch
from schemas.surveys.reading import Rejected
from schemas.taxonomy import CLASSES, MODALITIES
from schemas.wire import bits

YOUNG_DETECTIONS = 5
"""An object with at most so many detections is young: it may still be followed up on its rise."""

UNCLASSIFIED = "unclassified"
"""Stands for the class of an alert that no model could classify."""

PROCESSING_ERROR = "processing_error"
"""Reason of the dead letter of an alert that could be read and not be processed."""

Values = Counter[tuple[str, float]]
"""How often each value came, by (survey, value); values between 0 and 1 rounded up to hundredths."""


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
    alerts: Counter[str] = field(default_factory=Counter)
    """Alerts that could be read, by survey."""
    classes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Scored alerts by (survey, predicted class or `UNCLASSIFIED`)."""
    young: Counter[tuple[str, str]] = field(default_factory=Counter)
    """As `classes`, of objects with at most `YOUNG_DETECTIONS` detections."""
    selections: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Scored alerts by (survey, selection); an alert may pass several."""
    top_scores: Values = field(default_factory=Counter)
    """Score of the predicted class of classified alerts."""
    set_sizes: Values = field(default_factory=Counter)
    """Classes in the prediction sets of calibrated alerts."""
    novelties: Values = field(default_factory=Counter)
    """Of calibrated alerts."""
    missing: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Scored alerts by (survey, modality that the answer did without)."""
    unclassified: Counter[str] = field(default_factory=Counter)
    """Scored alerts that no model could classify, by reason."""
    uncalibrated: Counter[str] = field(default_factory=Counter)
    """Classified alerts whose scores no labelled alert of their kind stands behind, by survey."""
    real_scores: Values = field(default_factory=Counter)
    """Alerts that were assessed, scored or not."""
    flags: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Alerts that were assessed and have a quality flag, by (survey, flag)."""

    def add(self, other: Outcomes) -> None:
        """Adds the counts of another batch."""
        for each in fields(self):
            mine, more = getattr(self, each.name), getattr(other, each.name)
            if isinstance(mine, Counter):
                mine.update(more)
            else:
                setattr(self, each.name, mine + more)

    def count_scored(self, scored: ScoredBatch) -> None:
        """Counts a batch of scored alerts: by class and selection, how sure the answers are and what they rest on."""
        survey, predicted = scored.survey, scored.predicted_index
        names = (*CLASSES, UNCLASSIFIED)
        self.scored += len(scored)
        self.classes.update((survey, names[index]) for index in predicted.tolist())
        is_young = scored.n_detections <= YOUNG_DETECTIONS
        self.young.update((survey, names[index]) for index in predicted[is_young].tolist())
        self.selections.update((survey, name) for passed in scored.selections for name in passed)
        self.unclassified.update(reason for reason in scored.unclassified_reason if reason is not None)
        lacking = len(scored) - scored.modalities.sum(axis=0)
        self.missing.update({(survey, name): n for name, n in zip(MODALITIES, lacking.tolist(), strict=True) if n})
        is_classified = predicted >= 0
        is_calibrated = np.array([known is not None for known in scored.calibration], dtype=bool) & is_classified
        self.uncalibrated[survey] += int((is_classified & ~is_calibrated).sum())
        self.top_scores.update(_hundredths(survey, scored.class_scores[is_classified].max(axis=1, initial=0.0)))
        self.set_sizes.update(_times(survey, scored.prediction_set[is_calibrated].sum(axis=1)))
        self.novelties.update(_hundredths(survey, scored.novelty[is_calibrated]))

    def count_assessed(self, alerts: AlertBatch, index: IntArray) -> None:
        """Counts the alerts in `index`, whose stamps were looked at: their real scores and quality flags."""
        self.real_scores.update(_hundredths(alerts.survey, alerts.real_score[index]))
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
    packet, reason, detail, survey, alert_id = rejected
    return DeadLetter.of(packet, reason=reason, stage=stage, detail=detail, survey=survey, alert_id=alert_id)


def _hundredths(survey: str, values: npt.NDArray[np.floating[Any]]) -> dict[tuple[str, float], int]:
    """How often each value came, rounded up, so that it stays at or below the bounds it was at or below."""
    return _times(survey, np.ceil(np.round(100.0 * values.astype(np.float64), 4)) / 100.0)


def _times(survey: str, values: npt.NDArray[Any]) -> dict[tuple[str, float], int]:
    found, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    return {(survey, value): count for value, count in zip(found.tolist(), counts.tolist(), strict=True)}
