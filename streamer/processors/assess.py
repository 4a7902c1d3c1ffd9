"""assess: looks at the stamps of the alerts that may be selected, and judges whether their detections are real."""

from __future__ import annotations

import numpy as np

from classifiers.quality import Quality
from schemas.light_curve import IntArray
from schemas.stamps import read_triplet
from streamer.processors.assemble import AssembledAlerts


class Assess:
    """Reads stamps once, for the flags, the real score and later the classifier."""

    def __init__(self, quality: Quality) -> None:
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
