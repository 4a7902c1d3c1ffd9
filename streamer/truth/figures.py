"""How good scores are, as plain values: what `streamer score-truth` prints, draws and saves."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from classifiers.metrics import (
    RELIABILITY_BINS,
    Shares,
    average_precision,
    confusion,
    expected_calibration_error,
    interval,
    reliability,
    resampled_confusions,
    roc_auc,
    rounded,
    shares,
)
from schemas.light_curve import IntArray
from schemas.taxonomy import CLASSES
from streamer.truth.comparison import Comparison
from streamer.truth.night import BOGUS, NO_CLASS
from streamer.truth.scores import UNCLASSIFIED

DETECTION_COUNTS: tuple[int, ...] = (1, 3, 5, 10, 20, 0)
"""Numbers of detections at which objects are looked at; 0 means all."""

Figures = dict[str, Any]


def figures(compared: Comparison) -> Figures:
    """All figures. Shares are 0 to 1, intervals hold 90 % of resamplings by object, None stands for no value."""
    judged = np.flatnonzero((compared.label != NO_CLASS) & (compared.predicted != UNCLASSIFIED))
    return {
        "unit": compared.unit,
        f"{compared.unit}s": len(compared.label),
        "objects": len(np.unique(compared.object_id)),
        "rows_of_others": compared.strangers,
        "rows_replaced": compared.repeated,
        "completeness": _completeness(compared),
        "classes": _of_classes(compared, judged),
        "types": _of_types(compared, judged),
        "by_detections": _by_detections(compared),
        "real_bogus": _real_bogus(compared),
    }


def _completeness(compared: Comparison) -> Figures:
    """For each class, and each type without a class: how many there are, have a row, and were given a class."""
    groups = {name: compared.label == index for index, name in enumerate(CLASSES)}
    for name in np.unique(compared.type[compared.label == NO_CLASS]).tolist():
        groups[name] = (compared.label == NO_CLASS) & (compared.type == name)
    classified = compared.predicted != UNCLASSIFIED
    table = {}
    for name, members in groups.items():
        n = int(members.sum())
        if n:
            with_row, with_class = int((members & compared.has_row).sum()), int((members & classified).sum())
            table[name] = {
                "n": n,
                "with_row": with_row,
                "classified": with_class,
                "share_with_row": rounded(with_row / n),
                "share_classified": rounded(with_class / n),
            }
    return table


def _of_classes(compared: Comparison, judged: IntArray) -> Figures:
    """The seven classes, over what has a class and was given one."""
    if not len(judged):
        return {"n": 0}
    label, predicted = compared.label[judged], compared.predicted[judged]
    counts = confusion(label, predicted)
    whole, drawn = shares(counts), shares(resampled_confusions(label, predicted, compared.object_id[judged].tolist()))
    areas = _areas(compared, judged)
    table: Figures = {
        "n": len(judged),
        "n_objects": len(np.unique(compared.object_id[judged])),
        **_overall(whole),
        **{
            f"{name}_interval": interval(getattr(drawn, name)) for name in ("accuracy", "balanced_accuracy", "macro_f1")
        },
        "macro_auprc": _mean(areas),
        **_calibration(compared, judged),
        "confusion": counts.tolist(),
        "each": {},
    }
    for index, name in enumerate(CLASSES):
        if counts[index].sum() or counts[:, index].sum():
            each: Figures = {"n": int(counts[index].sum()), "called": int(counts[:, index].sum())}
            for figure in ("precision", "recall", "f1"):
                each[figure] = _value(getattr(whole, figure)[index])
                each[f"{figure}_interval"] = interval(getattr(drawn, figure)[:, index])
            each["auprc"] = _value(areas[index])
            table["each"][name] = each
    return table


def _overall(whole: Shares) -> Figures:
    return {name: _value(getattr(whole, name)) for name in ("accuracy", "balanced_accuracy", "macro_f1")}


def _areas(compared: Comparison, judged: IntArray) -> npt.NDArray[np.float64]:
    """(7,) area under the precision-recall curve of each class; NaN where it is absent or there are no scores."""
    if compared.class_scores is None:
        return np.full(len(CLASSES), np.nan)
    label, scores = compared.label[judged], compared.class_scores[judged]
    return np.array([average_precision(label == index, scores[:, index]) for index in range(len(CLASSES))])


def _calibration(compared: Comparison, judged: IntArray) -> Figures:
    """Calibration error and the reliability diagram, over what has a confidence."""
    if compared.confidence is None:
        return {"ece": None, "reliability": None}
    confidence = compared.confidence[judged]
    known = np.isfinite(confidence)
    right = (compared.label[judged] == compared.predicted[judged])[known]
    if not known.any() or confidence[known].min() < 0.0 or confidence[known].max() > 1.0:
        return {"ece": None, "reliability": None}  # no probabilities, so nothing to be calibrated
    bins = reliability(confidence[known], right)
    return {
        "ece": rounded(expected_calibration_error(confidence[known], right)),
        "reliability": [
            {"n": int(bins.n[b]), "confidence": _value(bins.confidence[b]), "right": _value(bins.right[b])}
            for b in range(RELIABILITY_BINS)
        ],
    }


def _of_types(compared: Comparison, judged: IntArray) -> Figures:
    """For each fine type: how many were judged, and how many were given its broad class."""
    table = {}
    right = compared.label[judged] == compared.predicted[judged]
    for name in np.unique(compared.type[judged]).tolist():
        members = compared.type[judged] == name
        table[name] = {"n": int(members.sum()), "recall": rounded(right[members].mean())}
    return table


def _by_detections(compared: Comparison) -> Figures:
    """Each object as it was judged last, with at most so many detections."""
    judged = (compared.label != NO_CLASS) & (compared.predicted != UNCLASSIFIED)
    table = {}
    for count in DETECTION_COUNTS:
        rows = np.flatnonzero(judged & ((compared.n_detections <= count) | (count == 0)))
        rows = rows[np.argsort(compared.mjd_tai[rows], kind="stable")]
        _, last = np.unique(compared.object_id[rows][::-1], return_index=True)
        rows = rows[::-1][last]
        if len(rows):
            whole = shares(confusion(compared.label[rows], compared.predicted[rows]))
            table[str(count) if count else "all"] = {"n_objects": len(rows), **_overall(whole)}
    return table


def _real_bogus(compared: Comparison) -> Figures:
    """How well the real/bogus score sorts, and how much of what is no transient was let through and given a class."""
    table: Figures = {"auc": None}
    if compared.real_score is not None:
        known = np.isfinite(compared.real_score)
        real = compared.type[known] != BOGUS
        table = {
            "auc": _value(roc_auc(real, compared.real_score[known])),
            "n_real": int(real.sum()),
            "n_bogus": int((~real).sum()),
        }
    table["let_through"] = {
        name: each["share_classified"] for name, each in _completeness(compared).items() if name not in CLASSES
    }
    return table


def _mean(values: npt.NDArray[np.float64]) -> float | None:
    known = values[np.isfinite(values)]
    return rounded(known.mean()) if len(known) else None


def _value(number: Any) -> float | None:
    return rounded(number) if np.isfinite(number) else None
