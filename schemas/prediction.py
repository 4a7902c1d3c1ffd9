"""What a classifier is given and what it answers, as columns over a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from schemas.alert import AlertBatch
from schemas.cutout import CutoutTriplet
from schemas.light_curve import LightCurves
from schemas.spectrum import Spectrum

EMBEDDING_LENGTH = 128
"""Length of an embedding (unit norm)."""

TOP_CONTRIBUTIONS = 5
"""Light-curve features that an answer names as its reasons, at most."""

NO_FEATURE = -1
"""Value of `Contributions.feature` where there is none to name."""


@dataclass(slots=True)
class Evidence:
    """All that is known of n alerts of one survey at each alert's own time."""

    alerts: AlertBatch
    light_curves: LightCurves
    cutouts: Sequence[CutoutTriplet]
    spectra: Sequence[Spectrum | None]

    def __len__(self) -> int:
        return len(self.alerts)


@dataclass(frozen=True, slots=True)
class Contributions:
    """The light-curve features that spoke loudest for or against each alert's predicted class, loudest first."""

    names: tuple[str, ...]
    """Names of all features that could be among them."""
    feature: npt.NDArray[np.int16]
    """(n, TOP_CONTRIBUTIONS) index into `names`, or NO_FEATURE."""
    value: npt.NDArray[np.float32]
    """(n, TOP_CONTRIBUTIONS) what the feature was; NaN where the light curve does not say."""
    contribution: npt.NDArray[np.float32]
    """(n, TOP_CONTRIBUTIONS) what it gave to the trees' raw score (in natural logarithms) of the predicted class."""

    @classmethod
    def none(cls, n: int, names: tuple[str, ...] = ()) -> Contributions:
        """No contributions to any of n answers."""
        shape = (n, TOP_CONTRIBUTIONS)
        blank = np.full(shape, np.nan, np.float32)
        return cls(names, np.full(shape, NO_FEATURE, np.int16), blank, blank.copy())


@dataclass(slots=True)
class Predictions:
    """Answers of one classifier over n alerts. Rows of an alert that it could not classify are NaN, with a reason."""

    model: str
    version: str
    bundle_hash: str
    class_scores: npt.NDArray[np.float32]
    """(n, 7) in the order of `schemas.taxonomy.CLASSES`; each row sums to 1."""
    fine_scores: npt.NDArray[np.float32]
    """(n, 6) in the order of `schemas.taxonomy.FINE_LEAVES`; the leaves of a class sum to its score."""
    prediction_set: npt.NDArray[np.bool_]
    """(n, 7) classes in the conformal set; all False where the bundle gives none for this alert."""
    embedding: npt.NDArray[np.float32]
    """(n, EMBEDDING_LENGTH) unit norm."""
    novelty: npt.NDArray[np.float32]
    """(n,) 0 (like the training set) to 1 (unlike it); NaN where `calibration` is None."""
    modalities: npt.NDArray[np.bool_]
    """(n, 4) what was used, in the order of `schemas.taxonomy.MODALITIES`."""
    modality_weights: npt.NDArray[np.float32]
    """(n, 4) share of each modality in the answer; 0 where not used."""
    contributions: Contributions
    calibration: Sequence[dict[str, Any] | None]
    """(n,) {domain, n, method}, or None where nothing real supports a calibration."""
    unclassified_reason: Sequence[str | None]
    """(n,) why there are no scores; None where there are."""

    def __len__(self) -> int:
        return len(self.novelty)


class Classifier(Protocol):
    """Anything that answers for a batch; pure but for its own warmed-up sessions."""

    name: str
    version: str
    bundle_hash: str

    def classify(self, evidence: Evidence) -> Predictions:
        """Scores every alert of `evidence` with whatever modalities it has."""
        ...
