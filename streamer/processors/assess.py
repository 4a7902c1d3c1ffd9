"""assess: looks at the stamps of the alerts that may be selected, and judges whether their detections are real."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from schemas.alert import AlertBatch
from schemas.cutout import CutoutTriplet
from schemas.light_curve import FloatArray, IntArray, LightCurves
from schemas.stamps import read_triplet
from streamer.processors.assemble import AssembledAlerts


class QualityModel(Protocol):
    """Judges detections and their interest: a bundle's `classifiers.quality.Quality`."""

    def assess(self, alerts: AlertBatch, cutouts: Sequence[CutoutTriplet]) -> None:
        """Completes `quality` and fills `real_score` of every alert."""
        ...

    def interest(self, alerts: AlertBatch, curves: LightCurves) -> FloatArray:
        """How interesting each alert is, 0 to 1, shape (n,)."""
        ...


class Assess:
    """Reads stamps once, for the flags, the real score and later the classifier."""

    def __init__(self, quality: QualityModel) -> None:
        self._quality = quality

    def __call__(self, assembled: AssembledAlerts, index: IntArray) -> None:
        """Completes the quality bits, the real score and the stamps of the alerts in `index`, in place."""
        chosen = assembled.alerts.take(index)
        read = [read_triplet(encoded, chosen.survey) for encoded in chosen.cutouts]
        chosen.quality = chosen.quality | np.array([bits for _, bits in read], dtype=np.uint32)
        self._quality.assess(chosen, [triplet for triplet, _ in read])
        assembled.alerts.quality[index] = chosen.quality
        assembled.alerts.real_score[index] = chosen.real_score
        assembled.cutouts.update(zip(index.tolist(), (triplet for triplet, _ in read), strict=True))
