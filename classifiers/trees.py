"""Gradient-boosted trees on light-curve statistics: the second opinion beside the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightgbm
import numpy as np

from classifiers.data import LabelledCurves
from classifiers.data.augment import augmented
from classifiers.features import light_curve_statistics, pool_nights
from schemas.light_curve import FloatArray, IntArray
from schemas.taxonomy import CLASSES

COPIES = 14
"""Changed copies of each training curve, each cut short at random."""

ROUNDS = 200
"""Boosting rounds."""

LEAST_COUNT = 1e-3
"""A class without a row begins from this count, so that its score stays finite."""

LONGEST = 256
"""Most detections of a training copy."""

PARAMETERS: dict[str, Any] = {
    "objective": "multiclass",
    "num_class": len(CLASSES),
    "learning_rate": 0.06,
    "num_leaves": 15,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.4,
    "bagging_fraction": 0.6,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "boost_from_average": False,
    "verbose": -1,
    "num_threads": 1,
    "deterministic": True,
    "seed": 7,
}
"""LightGBM's parameters."""


def class_weights(label: IntArray, weight: FloatArray | None = None) -> FloatArray:
    """One weight for each row so that every class present weighs the same; mean 1.

    `weight` (n,) says how much each row counts before that, where they do not count alike.
    """
    count = np.bincount(label, weight, minlength=len(CLASSES))
    balanced: FloatArray = (count.sum() / np.count_nonzero(count) / np.maximum(count, 1e-9))[label]
    return balanced


def train_trees(
    parts: Sequence[LabelledCurves],
    weights: Sequence[float],
    rng: np.random.Generator,
    copies: int = COPIES,
    rounds: int = ROUNDS,
) -> lightgbm.Booster:
    """The light-curve-statistics classifier, on changed copies of the curves of several inputs, each with its weight.

    It begins from the classes' shares, which its own scores leave out: what it says are log likelihoods up to a
    constant, as if all classes were alike, though every curve counts as often as it came.
    """
    blocks = [
        light_curve_statistics(pool_nights(augmented(part.curves, LONGEST, rng)))
        for part in parts
        for _ in range(copies)
    ]
    label = np.concatenate([np.tile(part.label, copies) for part in parts])
    weight = np.repeat(weights, [len(part.label) * copies for part in parts])
    count = np.bincount(label, weight, minlength=len(CLASSES))
    start = np.log(np.maximum(count, LEAST_COUNT) / count.sum())
    data = lightgbm.Dataset(
        np.concatenate(blocks), label, weight=weight, init_score=np.tile(start, (len(label), 1)), free_raw_data=True
    )
    return lightgbm.train(PARAMETERS, data, rounds)
