"""What a bundle must beat: LightGBM on the usual statistics of a light curve, and on its sampling alone.

Nothing here is shared with the bundle: the statistics are the textbook's, counts and durations among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt

from classifiers.data import SPLITS, split_of
from classifiers.evaluation.folder import BoolArray
from schemas.light_curve import BANDS, FloatArray, IntArray, LightCurves

BANDS_SEEN: tuple[str, ...] = ("g", "r", "i")
"""Bands with statistics of their own."""

FEWEST_TO_FIT = 50
"""A baseline is fitted on at least so many curves."""

ROUNDS = 120
"""Boosting rounds."""

PARAMETERS: dict[str, Any] = {
    "learning_rate": 0.06,
    "num_leaves": 15,
    "min_data_in_leaf": 10,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 2.0,
    "verbose": -1,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 7,
}
"""LightGBM's parameters."""

PER_BAND = 40
"""Statistics of one band."""

CURVE_STATISTICS = 11
"""Statistics of the whole curve."""

STATISTICS = PER_BAND * len(BANDS_SEEN) + CURVE_STATISTICS
"""Columns of `usual_statistics`: 131, as many as the published comparison's."""

SAMPLING_STATISTICS = 16
"""Columns of `sampling_statistics`."""


def usual_statistics(curves: LightCurves) -> FloatArray:
    """Counts, moments, slopes, percentiles and colours of each curve in magnitudes, (n, STATISTICS); NaN where none."""
    out = np.full((len(curves), STATISTICS), np.nan)
    for i in range(len(curves)):
        part = slice(curves.offsets[i], curves.offsets[i + 1])
        t, flux = curves.mjd_tai[part], np.maximum(np.abs(curves.flux_njy[part].astype(np.float64)), 1e-3)
        m, e = 31.4 - 2.5 * np.log10(flux), 1.0857 * curves.flux_err_njy[part] / flux
        if not len(t):
            continue
        seen: list[tuple[FloatArray, FloatArray]] = []
        for k, name in enumerate(BANDS_SEEN):
            own = curves.band[part] == BANDS.index(name)
            seen.append((t[own], m[own]))
            if own.any():
                out[i, k * PER_BAND : (k + 1) * PER_BAND] = _of_band(t[own], m[own], e[own])
        out[i, PER_BAND * len(BANDS_SEEN) :] = _of_curve(t, m, seen)
    return out


def sampling_statistics(curves: LightCurves) -> FloatArray:
    """Times and bands alone, never a magnitude or an error: (n, SAMPLING_STATISTICS), NaN where one does not say."""
    out = np.full((len(curves), SAMPLING_STATISTICS), np.nan)
    for i in range(len(curves)):
        part = slice(curves.offsets[i], curves.offsets[i + 1])
        t, band = curves.mjd_tai[part], curves.band[part]
        counts = [np.sum(band == BANDS.index(name)) for name in BANDS_SEEN]
        out[i, :6] = len(t), *counts, len(np.unique(np.floor(t))), np.sum(np.diff(band.astype(np.int64)) != 0)
        if len(t) > 1:
            gap = np.diff(t)
            out[i, 6:12] = t[-1] - t[0], np.median(gap), np.mean(gap), np.max(gap), np.min(gap), np.mean(gap < 0.5)
            out[i, 12:16] = gap[0], gap[-1], np.std(gap), np.mean((t - t[0]) / max(t[-1] - t[0], 1e-9))
    return out


def folds(object_id: Sequence[str], held_aside: bool) -> list[tuple[IntArray, IntArray]]:
    """Pairs of rows to fit on and rows to judge, apart by object.

    Held aside: the training side and the test side. Else every row is judged once, by what was fitted on the other
    four fifths of the objects.
    """
    side = split_of(list(object_id))
    if held_aside:
        train, test = SPLITS.index("train"), SPLITS.index("test")
        return [(np.flatnonzero(side == train), np.flatnonzero(side == test))]
    names = sorted(set(object_id))
    place = np.random.default_rng(0).permutation(len(names)) % 5
    fifth = dict(zip(names, place.tolist(), strict=True))
    own = np.array([fifth[name] for name in object_id], np.int64)
    return [(np.flatnonzero(own != k), np.flatnonzero(own == k)) for k in range(5) if (own == k).any()]


def class_weights(label: IntArray) -> FloatArray:
    """One weight for each row so that every class present weighs the same; mean 1."""
    count = np.bincount(label)
    weight: FloatArray = (len(label) / np.count_nonzero(count) / np.maximum(count, 1))[label]
    return weight


def fitted_scores(
    features: FloatArray, label: IntArray, judged: FloatArray, classes: int, weighted: bool
) -> FloatArray | None:
    """LightGBM's class scores of the rows `judged`, (k, classes), classes weighing alike or as they come.

    None where the rows to fit on are too few or of one class.
    """
    if len(label) < FEWEST_TO_FIT or len(np.unique(label)) < 2:
        return None
    known, place = np.unique(label, return_inverse=True)
    weight = class_weights(label) if weighted else None
    objective = {"objective": "multiclass", "num_class": len(known)}
    data = lightgbm.Dataset(features, place, weight=weight)
    trees = lightgbm.train(PARAMETERS | objective, data, ROUNDS)
    scores = np.zeros((len(judged), classes))
    scores[:, known] = np.asarray(trees.predict(judged, num_threads=1))
    return scores


def out_of_fold(
    features: FloatArray,
    label: IntArray,
    object_id: Sequence[str],
    held_aside: bool,
    classes: int,
    weighted: bool,
    fit: BoolArray | None = None,
) -> tuple[IntArray, FloatArray] | None:
    """Rows judged, ascending, and their scores by LightGBM fitted on others' rows; None where it cannot be fitted.

    `fit` (n,): rows that may be fitted on, all of them where it is None.
    """
    rows: list[npt.NDArray[np.int64]] = []
    found: list[FloatArray] = []
    for train, test in folds(object_id, held_aside):
        chosen = train if fit is None else train[fit[train]]
        scores = fitted_scores(features[chosen], label[chosen], features[test], classes, weighted)
        if scores is None or not len(test):
            return None
        rows.append(test)
        found.append(scores)
    if not rows:
        return None
    order = np.argsort(np.concatenate(rows), kind="stable")
    return np.concatenate(rows)[order], np.concatenate(found)[order]


def _of_band(t: FloatArray, m: FloatArray, e: FloatArray) -> list[float]:
    n = len(t)
    peak, faint = int(np.argmin(m)), int(np.argmax(m))
    weight = 1.0 / (e**2 + 1e-4)
    mean, weighted = float(np.mean(m)), float(np.sum(weight * m) / np.sum(weight))
    median = float(np.median(m))
    quantile = np.quantile(m, (0.05, 0.1, 0.25, 0.75, 0.9, 0.95))
    told = [
        *(n, mean, weighted, median, m[peak], m[faint], m[faint] - m[peak], m[0], m[-1], m[0] - m[peak]),
        *(m[-1] - m[peak], t[peak] - t[0], t[-1] - t[peak], t[-1] - t[0], np.mean(e), np.min(e)),
        *(quantile[5] - quantile[0], quantile[4] - quantile[1], quantile[3] - quantile[2]),
        np.median(np.abs(m - median)),
        np.mean(m < m[peak] + 0.75),
        t[m < m[peak] + 0.7526][-1] - t[m < m[peak] + 0.7526][0],
    ]
    told += _rates(t, m, peak) if n > 1 else [np.nan] * 8
    return told + (_moments(m, e, weight, mean, weighted) if n > 1 else [np.nan] * 10)


def _rates(t: FloatArray, m: FloatArray, peak: int) -> list[float]:
    """Eight slopes [mag/d] and gaps [d]."""
    gap = np.maximum(np.diff(t), 1e-3)
    slope = np.diff(m) / gap
    late = t > t[-1] - 10.0
    rise = (m[0] - m[peak]) / (t[peak] - t[0]) if t[peak] > t[0] else np.nan
    fall = (m[-1] - m[peak]) / (t[-1] - t[peak]) if t[-1] > t[peak] else np.nan
    return [
        _slope(t, m),
        _slope(t[late], m[late]),
        rise,
        fall,
        np.max(slope),
        np.min(slope),
        np.median(np.abs(slope)),
        np.median(gap),
    ]


def _slope(t: FloatArray, m: FloatArray) -> float:
    """Slope of the straight line of least squares; NaN where all is of one time."""
    away = t - np.mean(t)
    square = float(away @ away)
    return float(away @ m) / square if square > 1e-6 else np.nan


def _moments(m: FloatArray, e: FloatArray, weight: FloatArray, mean: float, weighted: float) -> list[float]:
    """Ten numbers of scatter: see Sokolovsky et al. 2017 for eta, Stetson's K and the excess variance."""
    n, spread = len(m), float(np.std(m))
    unit = (m - mean) / max(spread, 1e-6)
    pull = (m - weighted) / e
    walk = np.cumsum(unit) / n
    return [
        spread,
        float(np.mean(unit**3)),
        float(np.mean(unit**4)),
        float(np.mean(np.diff(m) ** 2) / max(spread**2, 1e-6)),
        float(np.sum(weight * (m - weighted) ** 2) / (n - 1)),
        float(np.mean(np.abs(pull)) / max(np.sqrt(np.mean(pull**2)), 1e-6)),
        float(np.mean(np.abs(unit) > 1.0)),
        float(np.ptp(walk)),
        float((spread**2 - np.mean(e**2)) / max(mean**2, 1e-6)),
        float(np.mean(np.abs(np.diff(m)))),
    ]


def _of_curve(t: FloatArray, m: FloatArray, seen: Sequence[tuple[FloatArray, FloatArray]]) -> list[float]:
    """Eleven numbers of all bands together: counts, peak, and colours."""
    (tg, g), (tr, r), (_, i) = seen
    told = [len(t), len(np.unique(np.floor(t))), t[-1] - t[0], float(np.min(m)), t[int(np.argmin(m))] - t[0]]
    told += [_colour(tg, g, tr, r, at) for at in (0, -1)]
    told.append(float(np.min(g) - np.min(r)) if len(g) and len(r) else np.nan)
    told.append(float(np.mean(g) - np.mean(r)) if len(g) and len(r) else np.nan)
    told.append(float(np.mean(r) - np.mean(i)) if len(r) and len(i) else np.nan)
    told.append(float(tg[np.argmin(g)] - tr[np.argmin(r)]) if len(g) and len(r) else np.nan)
    return told


def _colour(ta: FloatArray, a: FloatArray, tb: FloatArray, b: FloatArray, at: int) -> float:
    """Difference of two bands at the first's first or last detection, within 1.5 d; NaN where there is no pair."""
    if not len(ta) or not len(tb):
        return np.nan
    nearest = int(np.argmin(np.abs(tb - ta[at])))
    return float(a[at] - b[nearest]) if abs(tb[nearest] - ta[at]) < 1.5 else np.nan
