"""What is said of scores beside the truth: pure functions of labels and class scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.light_curve import Float32Array, FloatArray, IntArray
from schemas.taxonomy import CLASSES

BOOTSTRAPS = 500
"""Resamplings by object of every interval."""

INTERVAL: tuple[float, float] = (0.05, 0.95)
"""Quantiles of the resamplings between which an interval lies."""

RELIABILITY_BINS = 10
"""Equal bins of confidence."""

FEWEST = 10
"""A class with fewer objects gets its n and no figure of its own."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure, and its values over resamplings of the objects: the same ones for every figure of the same rows."""

    value: float
    """NaN where the rows do not allow it."""
    drawn: FloatArray
    """(BOOTSTRAPS,)"""

    def __sub__(self, other: Measure) -> Measure:
        """The paired gain over another's figure on the same rows."""
        return Measure(self.value - other.value, self.drawn - other.drawn)

    def said(self) -> list[float] | None:
        """The figure and the ends of its interval, [value, low, high]; None where it has no value."""
        ends = interval(self.drawn)
        return None if ends is None or not np.isfinite(self.value) else [rounded(self.value), *ends]


def object_weights(names: Sequence[str]) -> Float32Array:
    """How often each row comes, first as it is, then in `BOOTSTRAPS` resamplings of the objects, (1 + BOOTSTRAPS, n).

    Rows of one name come and go together. The draw depends on the names alone, so that figures of the same rows pair.
    """
    _, owner = np.unique(np.array(names, dtype=np.str_), return_inverse=True)
    objects = int(owner.max()) + 1 if len(owner) else 0
    rng = np.random.default_rng(0)
    times = [np.bincount(rng.integers(0, objects, objects), minlength=objects) for _ in range(BOOTSTRAPS)]
    drawn: Float32Array = np.stack([np.ones(objects), *times]).astype(np.float32)[:, owner]
    return drawn


def measures(
    label: IntArray, scores: npt.NDArray[np.floating], weights: npt.NDArray[np.floating], classes: int = len(CLASSES)
) -> dict[str, Measure]:
    """Headline figures of scores (n, classes), and figures of each class by `name.class index`, with `object_weights`.

    accuracy, balanced_accuracy, macro_f1, macro_auprc and ece; precision, recall, f1 and auprc of each class that is
    there. Macro figures are means over the classes that are there.
    """
    predicted, confidence = scores.argmax(1), scores.max(1)
    cells = np.zeros((len(label), classes * classes), weights.dtype)
    cells[np.arange(len(label)), label * classes + predicted] = 1.0
    told = shares((weights @ cells).reshape(-1, classes, classes))
    there = np.unique(label).tolist()
    precision = {c: average_precisions(label == c, scores[:, c], weights) for c in there}
    all_precision = np.stack(list(precision.values()), axis=1)
    known = np.isfinite(all_precision)
    found = {
        "accuracy": told.accuracy,
        "balanced_accuracy": told.balanced_accuracy,
        "macro_f1": told.macro_f1,
        "macro_auprc": np.where(known, all_precision, 0.0).sum(1) / np.maximum(known.sum(1), 1),
        "ece": _calibration_errors(confidence, predicted == label, weights),
    }
    for c in there:
        each = {"precision": told.precision, "recall": told.recall, "f1": told.f1}
        found |= {f"{name}.{c}": values[:, c] for name, values in each.items()} | {f"auprc.{c}": precision[c]}
    return {name: Measure(float(values[0]), values[1:]) for name, values in found.items()}


def average_precisions(
    truth: npt.NDArray[np.bool_], score: npt.NDArray[np.floating], weights: npt.NDArray[np.floating]
) -> FloatArray:
    """`average_precision` with each row counted `weights` (k, n) times, shape (k,)."""
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0.0, True))
    true = np.flatnonzero(truth[order])
    end = ends[np.searchsorted(ends, true)]  # rows of equal score come together
    counted = weights[:, order[true]]
    called = np.cumsum(weights[:, order], axis=1)[:, end]
    found = np.cumsum(counted, axis=1)[:, np.searchsorted(true, end, side="right") - 1]
    area = (counted * found / np.maximum(called, 1e-30)).sum(1, dtype=np.float64)
    return _ratio(area, counted.sum(1, dtype=np.float64))


def _calibration_errors(
    confidence: npt.NDArray[np.floating], right: npt.NDArray[np.bool_], weights: npt.NDArray[np.floating]
) -> FloatArray:
    """`expected_calibration_error` with each row counted `weights` (k, n) times, shape (k,)."""
    bins = np.clip((confidence * RELIABILITY_BINS).astype(np.int64), 0, RELIABILITY_BINS - 1)
    gap = np.zeros((len(bins), RELIABILITY_BINS), weights.dtype)
    gap[np.arange(len(bins)), bins] = confidence - right
    return _ratio(np.abs(weights @ gap).sum(1), weights.sum(1))


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


def rounded(value: float | np.floating) -> float:
    """To four digits behind the point."""
    return round(float(value), 4)


def _ratio(part: npt.NDArray[np.number], whole: npt.NDArray[np.number]) -> FloatArray:
    """Their quotient, NaN where there is no whole."""
    quotient: FloatArray = np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
    return quotient
