"""What is said of scores beside the truth: pure functions of labels and class scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.light_curve import FloatArray, IntArray
from schemas.taxonomy import CLASSES

BOOTSTRAPS = 500
"""Resamplings by object of every interval."""

INTERVAL: tuple[float, float] = (0.05, 0.95)
"""Quantiles of the resamplings between which an interval lies."""

RELIABILITY_BINS = 10
"""Equal bins of confidence."""

FEWEST = 10
"""A class with fewer objects gets its n and no figure of its own."""


def figures(label: IntArray, scores: npt.NDArray[np.floating], groups: Sequence[str] | None = None) -> dict[str, Any]:
    """Accuracy, balanced accuracy with its interval by object, macro-AUPRC, ECE, and recall with n for each class."""
    predicted = scores.argmax(1)
    present = [c for c in range(len(CLASSES)) if np.any(label == c)]
    names = list(groups) if groups is not None else [str(i) for i in range(len(label))]
    return {
        "n": len(label),
        "n_objects": len(set(names)),
        "accuracy": rounded(np.mean(predicted == label)),
        "balanced_accuracy": rounded(balanced_accuracy(label, predicted)),
        "balanced_accuracy_interval": resampled(names, lambda i: balanced_accuracy(label[i], predicted[i])),
        "macro_auprc": rounded(np.mean([average_precision(label == c, scores[:, c]) for c in present])),
        "ece": rounded(expected_calibration_error(scores.max(1), predicted == label)),
        "classes": {
            CLASSES[c]: {
                "n": int(np.sum(label == c)),
                "recall": rounded(np.mean(predicted[label == c] == c)) if np.sum(label == c) >= FEWEST else None,
            }
            for c in present
        },
    }


def average_precision(truth: npt.NDArray[np.bool_], score: npt.NDArray[np.floating]) -> float:
    """Area under the precision-recall curve: precision at each score, weighed by the recall that it adds.

    Manning et al. 2008, 8.4; rows of equal score come together. NaN where nothing is true.
    """
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0.0, True))
    found = np.cumsum(truth[order])[ends]
    if not len(truth) or found[-1] == 0:
        return float("nan")
    return float(np.sum(np.diff(found, prepend=0) / found[-1] * found / (ends + 1)))


def roc_auc(truth: npt.NDArray[np.bool_], score: npt.NDArray[np.floating]) -> float:
    """Chance that a true row has a higher score than a false one, half for equal ones (Mann & Whitney 1947).

    NaN where one kind is absent.
    """
    values, counts = np.unique(score, return_counts=True)
    n_true = int(truth.sum())
    n_false = len(truth) - n_true
    if not n_true or not n_false:
        return float("nan")
    rank = np.cumsum(counts) - (counts - 1) / 2.0
    ranks = rank[np.searchsorted(values, score[truth])].sum()
    return float((ranks - n_true * (n_true + 1) / 2.0) / (n_true * n_false))


def balanced_accuracy(label: IntArray, predicted: IntArray) -> float:
    """Mean recall of the classes that are there."""
    return float(np.mean([np.mean(predicted[label == c] == c) for c in np.unique(label)]))


@dataclass(frozen=True, slots=True)
class Shares:
    """What confusion matrices say, over any leading axes; NaN where a class has nothing to divide by."""

    precision: FloatArray
    """(..., classes)"""
    recall: FloatArray
    f1: FloatArray
    """NaN where no row is of the class; 0 where none of its rows is found."""
    accuracy: FloatArray
    """(...)"""
    balanced_accuracy: FloatArray
    """Mean recall of the classes that are there."""
    macro_f1: FloatArray
    """Mean F1 of the classes that are there."""


def confusion(label: IntArray, predicted: IntArray, classes: int = len(CLASSES)) -> IntArray:
    """Counts, (classes, classes): truth by row, prediction by column."""
    counts: IntArray = np.bincount(label * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes)


def shares(counts: npt.NDArray[np.number]) -> Shares:
    """What confusion matrices (..., classes, classes) say."""
    right = np.diagonal(counts, axis1=-2, axis2=-1).astype(np.float64)
    true, called, total = counts.sum(-1), counts.sum(-2), counts.sum((-2, -1))
    recall = _ratio(right, true)
    f1 = np.where(true > 0, _ratio(2.0 * right, true + called), np.nan)
    present = np.maximum((true > 0).sum(-1), 1)
    return Shares(
        precision=_ratio(right, called),
        recall=recall,
        f1=f1,
        accuracy=_ratio(right.sum(-1), total),
        balanced_accuracy=np.nansum(recall, -1) / present,
        macro_f1=np.nansum(f1, -1) / present,
    )


def resampled_confusions(label: IntArray, predicted: IntArray, names: Sequence[str]) -> FloatArray:
    """Confusion matrices of `BOOTSTRAPS` resamplings of the objects, (BOOTSTRAPS, classes, classes)."""
    classes = len(CLASSES)
    _, owner = np.unique(np.array(names), return_inverse=True)
    objects = int(owner.max()) + 1
    cell = label * classes + predicted
    rng = np.random.default_rng(0)
    drawn = np.empty((BOOTSTRAPS, classes * classes))
    for row in drawn:
        times = np.bincount(rng.integers(0, objects, objects), minlength=objects)
        row[:] = np.bincount(cell, weights=times[owner], minlength=classes * classes)
    return drawn.reshape(BOOTSTRAPS, classes, classes)


def interval(drawn: FloatArray) -> list[float] | None:
    """5 % and 95 % points of a figure's resamplings, those without a value left out; None where none has one."""
    known = drawn[np.isfinite(drawn)]
    return [rounded(point) for point in np.quantile(known, INTERVAL)] if len(known) else None


def paired_gain(label: IntArray, predicted: IntArray, baseline: IntArray, names: Sequence[str]) -> dict[str, Any]:
    """Gain in balanced accuracy over a baseline on the same rows, with its interval by object, drawn in pairs."""

    def gain(rows: IntArray) -> float:
        return balanced_accuracy(label[rows], predicted[rows]) - balanced_accuracy(label[rows], baseline[rows])

    return {"balanced_accuracy": rounded(gain(np.arange(len(label)))), "interval": resampled(names, gain)}


def resampled(names: Sequence[str], value: Callable[[IntArray], float]) -> list[float]:
    """5 % and 95 % points of `value` of row indexes, over resamplings of the objects."""
    rng = np.random.default_rng(0)
    _, owner = np.unique(np.array(names), return_inverse=True)
    order = np.argsort(owner, kind="stable")
    rows = np.split(order, np.flatnonzero(np.diff(owner[order])) + 1)
    drawn = [value(np.concatenate([rows[k] for k in rng.integers(0, len(rows), len(rows))])) for _ in range(BOOTSTRAPS)]
    return [rounded(point) for point in np.quantile(drawn, INTERVAL)]


@dataclass(frozen=True, slots=True)
class Reliability:
    """How often what is said with some confidence is right, in equal bins of confidence; each (RELIABILITY_BINS,)."""

    n: IntArray
    confidence: FloatArray
    """Mean; NaN where the bin is empty."""
    right: FloatArray
    """Share; NaN where the bin is empty."""


def reliability(confidence: npt.NDArray[np.floating], right: npt.NDArray[np.bool_]) -> Reliability:
    """The bins of a reliability diagram, of (n,) confidences from 0 to 1."""
    bins = np.clip((confidence * RELIABILITY_BINS).astype(np.int64), 0, RELIABILITY_BINS - 1)
    n = np.bincount(bins, minlength=RELIABILITY_BINS)
    sums = [np.bincount(bins, weights=each, minlength=RELIABILITY_BINS) for each in (confidence, right)]
    return Reliability(n, *(_ratio(each, n) for each in sums))


def expected_calibration_error(confidence: npt.NDArray[np.floating], right: npt.NDArray[np.bool_]) -> float:
    """Mean gap between confidence and share right, over the bins of `reliability` (Guo et al. 2017, eq. 3)."""
    bins = reliability(confidence, right)
    return float(np.nansum(bins.n * np.abs(bins.confidence - bins.right)) / max(len(right), 1))


def rounded(value: Any) -> float:
    """To four digits behind the point."""
    return round(float(value), 4)


def _ratio(part: npt.NDArray[np.number], whole: npt.NDArray[np.number]) -> FloatArray:
    """Their quotient, NaN where there is no whole."""
    quotient: FloatArray = np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
    return quotient
