"""What a classifier of ZTF's transients loses on other surveys' sampling and on simulated skies, light curves alone.

Nothing real and labelled exists for LSST: these figures say how far scores can be trusted there, and calibrate nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from classifiers.data import SPLITS, LabelledCurves, first_detections, read_light_curves, split_of
from classifiers.data.cross_survey import thinned_to_rubin
from classifiers.data.simulated import read_simulated_light_curves
from classifiers.evaluation.tables import FIVE_CLASSES
from classifiers.features import pool_nights
from classifiers.metrics import Measure, measures, object_weights
from classifiers.serving import BundleClassifier
from schemas.light_curve import Float32Array, IntArray, LightCurves
from schemas.taxonomy import CLASS_INDEX, CLASSES

COUNTS: tuple[int, ...] = (1, 3, 5, 10, 0)
"""Numbers of detections at which objects are scored; 0 means all. An object with fewer counts with all that it has."""

THINNING_SEED = 0
"""Seed of the visits that thin the real curves."""

REAL, THINNED = "ztf", "ztf_thinned_to_rubin"

HEADLINES: tuple[str, ...] = ("balanced_accuracy", "macro_auprc")

_FIVE = np.array([CLASS_INDEX[name] for name in FIVE_CLASSES])


def cross_survey_figures(
    classifier: BundleClassifier, folder: Path, simulated: Sequence[Path], sides: Sequence[str] = ("test",)
) -> dict[str, Any]:
    """Balanced accuracy and macro-AUPRC by number of detections, as [value, low, high], of each set of light curves.

    Sets: the real ones of `folder` on some sides of the split; the same objects thinned; each folder of simulated ones,
    as `simulated_lsst`. All classes weigh the same in every figure, so that sets of other class shares compare. `loss`
    is thinned less as they are, in pairs.
    """
    real = read_light_curves(folder)
    real = real.take(np.flatnonzero(np.isin(split_of(real.object_id), [SPLITS.index(side) for side in sides])))
    thinned = thinned_to_rubin(real.curves, np.random.default_rng(THINNING_SEED))
    # A supernova that no visit caught cannot be scored: pairs are of the objects that are left.
    left = np.flatnonzero(np.diff(thinned.offsets) > 0)
    sets = {
        REAL: real.take(left),
        THINNED: LabelledCurves(
            [real.object_id[i] for i in left.tolist()], real.label[left], real.fine[left], thinned.take(left)
        ),
    }
    for place in simulated:
        curves = read_simulated_light_curves(place)
        sets[f"simulated_{curves.curves.survey}"] = curves
    measured = {name: _by_count(classifier, each) for name, each in sets.items()}
    return {
        "sides": list(sides),
        "not_caught": len(real.label) - len(left),
        "sets": {
            name: {"classes": _class_counts(each.label), "n_detections": _said(measured[name])}
            for name, each in sets.items()
        },
        "loss": _said(
            {
                count: {key: measured[THINNED][count][key] - measured[REAL][count][key] for key in HEADLINES}
                for count in measured[REAL]
            }
        ),
    }


Measured = dict[str, dict[str, Measure]]
"""Headline figures by number of detections."""


def _by_count(classifier: BundleClassifier, labelled: LabelledCurves) -> Measured:
    rows = np.flatnonzero(np.isin(labelled.label, _FIVE))
    if not len(rows):
        return {}
    label = np.searchsorted(_FIVE, labelled.label[rows])
    weights = object_weights([labelled.object_id[i] for i in rows.tolist()])
    alike = len(label) / np.bincount(label, minlength=len(FIVE_CLASSES))[label]
    curves = labelled.curves.take(rows)
    lengths = np.diff(curves.offsets)
    found: Measured = {}
    for count in COUNTS:
        cut = first_detections(curves, np.minimum(count, lengths) if count else lengths)
        told = measures(label, five_scores(classifier, cut), weights * alike, len(FIVE_CLASSES))
        found[str(count or "all")] = {key: told[key] for key in HEADLINES}
    return found


def five_scores(classifier: BundleClassifier, curves: LightCurves) -> Float32Array:
    """Scores of `FIVE_CLASSES` from light curves alone, (n, 5), each row's sum 1."""
    encoded = classifier.blank(len(curves))
    classifier.add_light_curves(encoded, pool_nights(curves))
    scores = classifier.answer(encoded, curves.survey).class_scores[:, _FIVE]
    five: Float32Array = scores / scores.sum(1, keepdims=True)
    return five


def _said(measured: Measured) -> dict[str, dict[str, list[float] | None]]:
    return {count: {key: each.said() for key, each in row.items()} for count, row in measured.items()}


def _class_counts(label: IntArray) -> dict[str, int]:
    return dict(zip(CLASSES, np.bincount(label, minlength=len(CLASSES)).tolist(), strict=True))


def cross_survey_text(figures: dict[str, Any]) -> list[str]:
    """The figures as a Markdown table: one row for each set and figure, one column for each number of detections."""
    counts = [str(count or "all") for count in COUNTS]
    lines = [f"| light curves | figure | {' | '.join(counts)} |", "|---|---|" + "---|" * len(counts)]
    tables = {name: each["n_detections"] for name, each in figures["sets"].items()}
    for name, table in (tables | {f"{THINNED} less {REAL}": figures["loss"]}).items():
        for key in HEADLINES if table else ():
            cells = [_cell(table[count][key]) for count in counts]
            lines.append(f"| {name} | {key} | {' | '.join(cells)} |")
    return lines


def _cell(said: list[float] | None) -> str:
    return "-" if said is None else "{:.2f} ({:.2f} to {:.2f})".format(*said)
