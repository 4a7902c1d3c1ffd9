"""Two tests where the leak cannot help: supernovae of one source, and curves cut alike whatever their source."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from classifiers.evaluation.baselines import folds, out_of_fold, sampling_statistics, usual_statistics
from classifiers.evaluation.folder import Holdings
from classifiers.evaluation.leaks import Judged, with_curve
from classifiers.evaluation.matched import MATCHED_COUNTS, matched
from classifiers.evaluation.tables import FIVE_CLASSES, Cell, cell, gain, narrowed, of_classes
from classifiers.features import pool_nights
from classifiers.prior import prior_shares
from classifiers.serving import BundleClassifier
from schemas.light_curve import FloatArray, IntArray, LightCurves
from schemas.taxonomy import CLASSES

SUPERNOVAE: tuple[str, ...] = ("SN I", "SN II")
"""Classes told apart within one source."""

ONE_SOURCE = "ANTARES"
"""The source of most supernova curves; those without any source named count too."""

PLACES = 4
"""Random places at which each curve is cut, of the fitted and of the judged ones."""


def one_source_cells(classifier: BundleClassifier, holdings: Holdings, held_aside: bool) -> dict[str, Cell]:
    """SN I against SN II within the ANTARES curves, all detections: LightGBM fitted here, and ours under two priors.

    Classes alike; and as common as among such curves that are not judged (all, where every one is), as an operator's
    own prior would make it. Empty where no such curve is to be judged.
    """
    curves = with_curve(holdings)
    named = any(each.curve_source for each in curves.objects)
    chosen = [ONE_SOURCE in (each.curve_source or "") or not named for each in curves.objects]
    curves = curves.take(np.flatnonzero(np.array(chosen, np.bool_) & (curves.label < len(SUPERNOVAE))))
    if not len(curves):
        return {}
    features, names = usual_statistics(curves.curves), curves.object_id
    told: dict[str, Judged] = {}
    for name, weighted in (("LightGBM, unweighted", False), ("LightGBM, class-weighted", True)):
        judged = out_of_fold(features, curves.label, names, held_aside, len(SUPERNOVAE), weighted)
        if judged is not None:
            told[name] = judged
    rows = judged_rows(curves, held_aside)
    ours = curve_scores(classifier, curves.curves.take(rows))[:, : len(SUPERNOVAE)].astype(np.float64)
    others = curves.label[np.setdiff1d(np.arange(len(curves)), rows)]
    share = np.bincount(others if len(others) else curves.label, minlength=len(SUPERNOVAE)).astype(np.float64)
    ours /= prior_shares(classifier.card["prior"])[: len(SUPERNOVAE)]
    told |= {
        "this bundle, classes alike": (rows, _scaled(ours)),
        "this bundle, classes as common as here": (rows, _scaled(ours * share)),
    }
    return {
        name: of_classes(curves.label[i], scores, [names[k] for k in i.tolist()], SUPERNOVAE)
        for name, (i, scores) in told.items()
    }


def matched_cells(classifier: BundleClassifier, holdings: Holdings, held_aside: bool) -> list[Cell]:
    """For each number of detections, with brightness and without: ours, LightGBM on curves cut alike, sampling alone.

    `gain` is ours over the better of the two LightGBMs in macro-AUPRC, under five classes and under seven.
    """
    curves = with_curve(holdings)
    return [
        told
        for n in MATCHED_COUNTS
        for with_level in (True, False)
        if (told := _matched(classifier, curves, held_aside, n, with_level))
    ]


def _matched(classifier: BundleClassifier, curves: Holdings, held_aside: bool, n: int, with_level: bool) -> Cell | None:
    rng = np.random.default_rng(n)
    cuts = [matched(curves.curves, n, rng, with_level) for _ in range(PLACES)]
    index = np.concatenate([index for _, index in cuts])
    label, names = curves.label[index], [curves.object_id[i] for i in index.tolist()]
    rows = np.flatnonzero(np.isin(index, judged_rows(curves, held_aside)))
    if not len(rows):
        return None
    features = np.concatenate([usual_statistics(cut) for cut, _ in cuts])
    sampling = np.concatenate([sampling_statistics(cut) for cut, _ in cuts])
    ours = np.concatenate([curve_scores(classifier, cut) for cut, _ in cuts])[rows]
    own = [names[i] for i in rows.tolist()]
    told: Cell = {"n_detections": n, "brightness": with_level, "this bundle": cell(label[rows], ours, own)}
    baselines: dict[str, FloatArray] = {}
    for name, values, weighted in (
        ("LightGBM, unweighted", features, False),
        ("LightGBM, class-weighted", features, True),
        ("sampling alone", sampling, True),
    ):
        judged = out_of_fold(values, label, names, held_aside, len(CLASSES), weighted)
        if judged is not None:
            told[name] = cell(label[rows], judged[1], own)
            baselines[name] = judged[1]
    baselines.pop("sampling alone", None)
    told["gain"] = _gain(label[rows], ours, baselines, own, told)
    return told


def _gain(
    label: IntArray,
    ours: npt.NDArray[np.floating],
    baselines: dict[str, FloatArray],
    names: list[str],
    told: Cell,
) -> Cell:
    """Paired gain over the baseline with the higher five-class macro-AUPRC; empty where there is none."""
    known = {name: told[name]["five"]["macro_auprc"] for name in baselines}
    if not known or not all(known.values()):
        return {}
    best = max(known, key=lambda name: float(known[name][0]))
    rows, five, scores = narrowed(label, ours, FIVE_CLASSES)
    _, _, theirs = narrowed(label, baselines[best], FIVE_CLASSES)
    return {
        "over": best,
        "five": gain(five, scores, theirs, [names[i] for i in rows.tolist()], len(FIVE_CLASSES)),
        "seven": gain(label, ours, baselines[best], names),
    }


def judged_rows(curves: Holdings, held_aside: bool) -> IntArray:
    """Rows that count: the test side, or all."""
    rows: IntArray = np.sort(np.concatenate([test for _, test in folds(curves.object_id, held_aside)]))
    return rows


def curve_scores(classifier: BundleClassifier, curves: LightCurves) -> npt.NDArray[np.float32]:
    """The bundle's class scores of light curves alone, (n, 7); each has one detection or more."""
    encoded = classifier.blank(len(curves))
    classifier.add_light_curves(encoded, pool_nights(curves))
    return classifier.answer(encoded, curves.survey).class_scores


def _scaled(scores: FloatArray) -> FloatArray:
    whole: FloatArray = scores / np.maximum(scores.sum(1, keepdims=True), 1e-30)
    return whole
