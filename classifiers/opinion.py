"""What gradient-boosted trees say, in the form that joins a network's logits."""

from __future__ import annotations

import lightgbm
import numpy as np

from schemas.light_curve import Float32Array, FloatArray

LOWEST_PROBABILITY = 1e-3
"""Probabilities are floored here before their logarithm joins the network's logits."""


def log_probabilities(booster: lightgbm.Booster, features: Float32Array) -> Float32Array:
    """Log class probabilities, shape (n, classes), never below that of `LOWEST_PROBABILITY`; one thread."""
    probability: FloatArray = np.asarray(booster.predict(features, num_threads=1))
    return np.log(np.maximum(probability, LOWEST_PROBABILITY)).astype(np.float32)
