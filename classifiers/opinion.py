"""What gradient-boosted trees say, in the form that joins a network's logits."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from schemas.light_curve import Float32Array, FloatArray

LOWEST_PROBABILITY = 1e-3
"""Probabilities are floored here before their logarithm joins the network's logits."""


class Trees(Protocol):
    """Boosted trees: LightGBM's booster where they are fitted, `classifiers.forest.Forest` where they serve."""

    def predict(self, rows: Any, /) -> Any:
        """Class probabilities, (n, classes), of `rows`, (n, features)."""
        ...


def log_probabilities(trees: Trees, features: Float32Array) -> Float32Array:
    """Log class probabilities, shape (n, classes), never below that of `LOWEST_PROBABILITY`."""
    probability: FloatArray = np.asarray(trees.predict(features))
    return np.log(np.maximum(probability, LOWEST_PROBABILITY)).astype(np.float32)
