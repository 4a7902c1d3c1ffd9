"""Class scores for another mixture of classes than the one that a bundle supposes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from schemas.prediction import Classifier, Evidence, Predictions
from schemas.taxonomy import CLASSES


class PriorWeighedClassifier:
    """A classifier whose class scores are multiplied by weights and scaled to sum to 1 again.

    With scores p(class | evidence) under a bundle's own prior and weights = new prior / own prior this is Bayes' rule
    for label shift (Saerens, Latinne & Decaestecker 2002, eq. 2.4). Prediction sets, embeddings and novelty stay as
    they are: they do not rest on the prior. Version and bundle hash name the weights, since they change the scores.
    """

    def __init__(self, classifier: Classifier, weights: Mapping[str, float]) -> None:
        """`weights` by class name; a class that is not named keeps 1. ValueError where no class keeps any weight."""
        self._classifier = classifier
        self._weights = np.array([weights.get(name, 1.0) for name in CLASSES], dtype=np.float64)
        if set(weights) - set(CLASSES) or not (self._weights >= 0.0).all() or not self._weights.any():
            raise ValueError("weights are numbers of 0 or more by class name, and not all of them 0")
        text = json.dumps(self._weights.tolist())
        mark = hashlib.sha256(text.encode()).hexdigest()
        self.name = classifier.name
        self.version = f"{classifier.version}+prior.{mark[:8]}"
        self.bundle_hash = hashlib.sha256(f"{classifier.bundle_hash}{mark}".encode()).hexdigest()

    def classify(self, evidence: Evidence) -> Predictions:
        """The classifier's answer with its class scores weighed."""
        answer = self._classifier.classify(evidence)
        weighed = answer.class_scores.astype(np.float64) * self._weights
        total = weighed.sum(axis=1, keepdims=True)
        # Where all of an alert's score lies on classes of weight 0, nothing is left to weigh.
        scores = np.divide(weighed, total, out=np.full_like(weighed, np.nan), where=total > 0.0)
        lost = np.isnan(scores).any(axis=1)
        reasons = [
            "prior_excludes_all" if gone and reason is None else reason
            for gone, reason in zip(lost.tolist(), answer.unclassified_reason, strict=True)
        ]
        return replace(
            answer,
            model=self.name,
            version=self.version,
            bundle_hash=self.bundle_hash,
            class_scores=scores.astype(np.float32),
            prediction_set=answer.prediction_set & ~lost[:, None],
            calibration=[_weighed(known) for known in answer.calibration],
            unclassified_reason=reasons,
        )


def _weighed(calibration: dict[str, Any] | None) -> dict[str, Any] | None:
    """The calibration, saying that weights were put on top of it."""
    return None if calibration is None else {**calibration, "method": f"{calibration['method']}, then prior weights"}
