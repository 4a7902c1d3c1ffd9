"""How much of the class can be told without one magnitude: from the source's name, the sampling, what is recorded."""

from __future__ import annotations

from typing import Any

import numpy as np

from classifiers.data import first_detections
from classifiers.evaluation.baselines import folds, out_of_fold, sampling_statistics, usual_statistics
from classifiers.evaluation.folder import UNLABELLED, Holdings
from classifiers.evaluation.moments import Cut, moment
from classifiers.evaluation.tables import Cell, cell
from schemas.light_curve import FloatArray, IntArray
from schemas.taxonomy import CLASSES

Judged = tuple[IntArray, FloatArray]
"""Rows that were judged and their scores (k, 7)."""


def leak_cells(holdings: Holdings, held_aside: bool) -> dict[str, Cell]:
    """A cell for each of: the name of the curve's source, sampling alone, which parts are recorded at all.

    Fitted as `baselines.folds` says; a leak that cannot be fitted here is left out.
    """
    curves = with_curve(holdings)
    found = {
        "name of the source alone": _source_scores(curves, held_aside),
        "sampling alone, all detections": _fitted(curves, sampling_statistics(curves.curves), held_aside),
        "sampling alone, 10 detections": _fitted(curves, sampling_statistics(_cut(curves, 10)), held_aside),
        "presence of sign, limits, forced points": _fitted(curves, curves.tells.astype(np.float64), held_aside),
    }
    return {name: _cell(curves, *judged) for name, judged in found.items() if judged is not None}


def baseline_cells(holdings: Holdings, cut: Cut, held_aside: bool) -> tuple[dict[str, Cell], dict[str, Judged]]:
    """LightGBM on the usual statistics of the curves at a cut, classes as they come and weighing alike.

    The cells, and the rows of `with_curve` that were judged with their scores.
    """
    curves = with_curve(holdings)
    features = usual_statistics(first_detections(curves.curves, moment(curves, cut).kept))
    found: dict[str, Judged] = {}
    for name, weighted in (("LightGBM, unweighted", False), ("LightGBM, class-weighted", True)):
        judged = _fitted(curves, features, held_aside, weighted)
        if judged is not None:
            found[name] = judged
    return {name: _cell(curves, *judged) for name, judged in found.items()}, found


def with_curve(holdings: Holdings) -> Holdings:
    """The labelled real objects that have a light curve."""
    real = np.array([not each.simulated for each in holdings.objects], np.bool_)
    has = np.diff(holdings.curves.offsets) > 0
    return holdings.take(np.flatnonzero((holdings.label != UNLABELLED) & real & has))


def _fitted(curves: Holdings, features: FloatArray, held_aside: bool, weighted: bool = True) -> Judged | None:
    return out_of_fold(features, curves.label, curves.object_id, held_aside, len(CLASSES), weighted)


def _source_scores(curves: Holdings, held_aside: bool) -> Judged | None:
    """Share of each class that comes from the object's source, scaled to sum to 1; None where no source is named."""
    names = [each.curve_source or "" for each in curves.objects]
    if not any(names):
        return None
    known, source = np.unique(np.array(names), return_inverse=True)
    scores = np.zeros((len(names), len(CLASSES)))
    rows = []
    for train, test in folds(curves.object_id, held_aside):
        counts = np.zeros((len(known), len(CLASSES)))
        np.add.at(counts, (source[train], curves.label[train]), 1.0)
        shares = counts / np.maximum(counts.sum(0), 1.0) + 1e-6
        scores[test] = (shares / shares.sum(1, keepdims=True))[source[test]]
        rows.append(test)
    judged = np.sort(np.concatenate(rows)) if rows else np.empty(0, np.int64)
    return (judged, scores[judged]) if len(judged) else None


def _cut(curves: Holdings, count: int) -> Any:
    return first_detections(curves.curves, moment(curves, Cut(count)).kept)


def _cell(curves: Holdings, rows: IntArray, scores: FloatArray) -> Cell:
    return cell(curves.label[rows], scores, [curves.object_id[i] for i in rows.tolist()])
