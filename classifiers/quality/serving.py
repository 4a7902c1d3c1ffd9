"""The quality model of a bundle: flags, real score and interest of alerts, before any transient class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from classifiers.bundle import Bundle, BundleError
from classifiers.forest import Forest, ForestError
from classifiers.quality.features import (
    INTEREST_FEATURES,
    interest_features,
    measure,
    quality_feature_names,
    quality_features,
)
from classifiers.quality.stamps import SIDE, stamp_measures
from schemas.alert import AlertBatch
from schemas.cutout import CutoutTriplet
from schemas.light_curve import FloatArray, LightCurves

REAL_TREES: dict[str, str] = {"ztf": "real_trees.txt", "lsst": "real_trees_lsst.txt"}
"""Names of the real/bogus trees inside a bundle, by survey."""

SELECTION_TREES = "selection_trees.txt"
"""Name of the interest trees inside a bundle."""


class Quality:
    """Judges detections and their interest; three forests, walked by compiled loops."""

    def __init__(self, real: dict[str, Forest], interest: Forest) -> None:
        self._real = real
        self._interest = interest

    def assess(self, alerts: AlertBatch, cutouts: Sequence[CutoutTriplet]) -> None:
        """Completes `quality` by what the stamps show, and fills `real_score`: 0 bogus to 1 real, of every alert."""
        measures, bits = measure(alerts, cutouts)
        alerts.quality = alerts.quality | bits
        alerts.real_score = self._real[alerts.survey].predict(quality_features(alerts, measures))

    def interest(self, alerts: AlertBatch, curves: LightCurves) -> FloatArray:
        """How likely each alert is a supernova or a tidal disruption rather than anything else, shape (n,)."""
        return self._interest.predict(interest_features(alerts, curves))

    def warm_up(self) -> None:
        """Compiles the loops, or loads them from their cache."""
        stamp = np.zeros((SIDE, SIDE), np.float32)
        stamp_measures([CutoutTriplet("lsst", stamp, stamp, stamp)], np.ones(1))
        for forest in (*self._real.values(), self._interest):
            forest.predict(np.zeros((1, forest.features), np.float32))


def load_quality(bundle: Bundle) -> Quality:
    """The quality model of a bundle; BundleError where its trees are absent or know other features."""
    real = {survey: _forest(bundle, name, quality_feature_names(survey)) for survey, name in REAL_TREES.items()}
    return Quality(real, _forest(bundle, SELECTION_TREES, INTEREST_FEATURES))


def _forest(bundle: Bundle, name: str, features: tuple[str, ...]) -> Forest:
    if name not in bundle.card["files"]:
        raise BundleError(f"the card of bundle {bundle.folder} does not name {name}")
    text = bundle.file(name).read_text(encoding="utf-8")
    told = next((line for line in text.splitlines() if line.startswith("feature_names=")), "")
    if told.removeprefix("feature_names=").split() != list(features):
        raise BundleError(f"{name} in bundle {bundle.folder} takes other features than this version computes")
    try:
        return Forest.of_text(text)
    except ForestError as error:
        raise BundleError(f"{name} in bundle {bundle.folder}: {error}") from error
