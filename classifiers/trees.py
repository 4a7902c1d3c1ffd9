"""Gradient-boosted trees on light-curve statistics: the second opinion, and the baselines that it must beat."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np

from classifiers.data import LabelledCurves
from classifiers.data.augment import augmented
from classifiers.features import light_curve_statistics, pool_nights
from schemas.light_curve import Float32Array, FloatArray, IntArray, LightCurves
from schemas.taxonomy import CLASSES

COPIES = 14
"""Changed copies of each training curve, each cut short at random."""

ROUNDS = 80
"""Boosting rounds."""

LONGEST = 256
"""Most detections of a training copy."""

PARAMETERS: dict[str, Any] = {
    "objective": "multiclass",
    "num_class": len(CLASSES),
    "learning_rate": 0.09,
    "num_leaves": 15,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "verbose": -1,
    "num_threads": 1,
    "deterministic": True,
    "seed": 7,
}
"""LightGBM's parameters."""

SAMPLING_NAMES: tuple[str, ...] = (
    "n_detections",
    "n_g",
    "n_r",
    "n_i",
    "duration_days",
    "median_gap_days",
    "mean_gap_days",
    "longest_gap_days",
    "same_night_fraction",
    "nights",
)
"""What the sampling baseline sees: when and in which band, never how bright."""


def class_weights(label: IntArray) -> FloatArray:
    """One weight for each row so that every class present weighs the same; mean 1."""
    count = np.bincount(label, minlength=len(CLASSES))
    weight: FloatArray = (len(label) / np.count_nonzero(count) / np.maximum(count, 1))[label]
    return weight


def train_trees(
    curves: LabelledCurves, rng: np.random.Generator, copies: int = COPIES, rounds: int = ROUNDS
) -> lightgbm.Booster:
    """The light-curve-statistics classifier, on changed copies of the training curves."""
    blocks = [light_curve_statistics(pool_nights(augmented(curves.curves, LONGEST, rng))) for _ in range(copies)]
    return _fit(np.concatenate(blocks), np.tile(curves.label, copies), rounds)


def train_sampling_baseline(curves: LabelledCurves) -> lightgbm.Booster:
    """A classifier that sees the sampling alone: how far a leak of the source would carry."""
    return _fit(sampling_features(curves.curves), curves.label, ROUNDS)


def sampling_features(curves: LightCurves) -> Float32Array:
    """Counts and gaps of each curve, shape (n, len(SAMPLING_NAMES)), float32."""
    out = np.full((len(curves), len(SAMPLING_NAMES)), np.nan, np.float32)
    for i in range(len(curves)):
        time = curves.mjd_tai[curves.offsets[i] : curves.offsets[i + 1]]
        band = curves.band[curves.offsets[i] : curves.offsets[i + 1]]
        out[i, :4] = len(time), np.sum(band == 1), np.sum(band == 2), np.sum(band == 3)
        if len(time) > 1:
            gap = np.diff(time)
            out[i, 4:] = (
                time[-1] - time[0],
                np.median(gap),
                np.mean(gap),
                np.max(gap),
                np.mean(gap < 0.5),
                len(np.unique(np.floor(time))),
            )
    return out


def _fit(features: Float32Array, label: IntArray, rounds: int) -> lightgbm.Booster:
    data = lightgbm.Dataset(features, label, weight=class_weights(label), free_raw_data=True)
    return lightgbm.train(PARAMETERS, data, rounds)
