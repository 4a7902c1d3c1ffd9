"""Figures on objects held aside, through the code that serves; needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from classifiers.data import SPLITS, LabelledCurves, LabelledSpectra, read_light_curves, read_spectra, split_of
from classifiers.data.alerts import LabelledAlerts, read_ztf_alerts
from classifiers.data.augment import first_detections
from classifiers.features import cutout_images, metadata_features, pool_nights
from classifiers.metrics import figures, paired_gain, rounded
from classifiers.opinion import log_probabilities
from classifiers.serving import CUTOUTS, LIGHT_CURVE, METADATA, SPECTRUM, BundleClassifier, Encoded
from classifiers.trees import sampling_features, train_sampling_baseline
from schemas.light_curve import IntArray
from schemas.taxonomy import CLASSES

DETECTION_COUNTS: tuple[int, ...] = (1, 3, 5, 10, 20, 0)
"""Numbers of detections at which light curves are scored; 0 means all."""


@dataclass(frozen=True, slots=True)
class Side:
    """The labelled data of one side of the split."""

    curves: LabelledCurves
    spectra: LabelledSpectra
    alerts: LabelledAlerts


def read_side(folder: Path, sides: Sequence[str]) -> Side:
    """Curves, spectra and alerts of a data folder whose objects fall on one of the named sides."""
    wanted = [SPLITS.index(side) for side in sides]
    curves, spectra, alerts = read_light_curves(folder), read_spectra(folder), read_ztf_alerts(folder)
    kept = [
        np.flatnonzero(np.isin(split_of(names), wanted))
        for names in (curves.object_id, spectra.object_id, alerts.alerts.object_id)
    ]
    return Side(curves.take(kept[0]), spectra.take(kept[1]), alerts.take(kept[2]))


def evaluate(classifier: BundleClassifier, folder: Path, sides: Sequence[str] = ("test",)) -> dict[str, Any]:
    """All figures as plain values; each says its n. A part of the folder that is absent has no figures."""
    side = read_side(folder, sides)
    return {
        "sides": list(sides),
        "light_curves": _light_curve_figures(classifier, side.curves),
        "baselines": _baselines(classifier, folder, side.curves),
        "spectra": _spectrum_figures(classifier, side),
        "alerts": _alert_figures(classifier, side.alerts),
    }


def simulated_figures(classifier: BundleClassifier, alerts: LabelledAlerts, made_by: str) -> dict[str, Any]:
    """Figures of simulated alerts of a survey without labelled ones, and which class is called most often."""
    scores = classifier.classify(alerts.evidence()).class_scores
    scored = np.flatnonzero(np.isfinite(scores).all(1))
    names = [alerts.alerts.object_id[i] for i in scored.tolist()]
    called = np.bincount(scores[scored].argmax(1), minlength=len(CLASSES))
    most = int(called.argmax())
    said = {"made_by": made_by, "most_called": CLASSES[most], "most_called_n": int(called[most])}
    return figures(alerts.label[scored], scores[scored], names) | said


def _light_curve_figures(classifier: BundleClassifier, labelled: LabelledCurves) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    if not len(labelled.label):
        return tables
    lengths = np.diff(labelled.curves.offsets)
    for count in DETECTION_COUNTS:
        cut = first_detections(labelled.curves, np.minimum(count, lengths) if count else lengths)
        encoded = classifier.blank(len(labelled.label))
        classifier.add_light_curves(encoded, pool_nights(cut))
        answer = classifier.answer(encoded, "ztf")
        table = figures(labelled.label, answer.class_scores)
        table["set_coverage"] = rounded(np.mean(answer.prediction_set[np.arange(len(labelled.label)), labelled.label]))
        table["mean_set_size"] = rounded(np.mean(answer.prediction_set.sum(1)))
        tables[str(count) if count else "all"] = table
    return tables


def _baselines(classifier: BundleClassifier, folder: Path, labelled: LabelledCurves) -> dict[str, Any]:
    """The majority class, and trees that see the sampling alone, on the same whole curves; `gain` is ours over them."""
    everything = read_light_curves(folder)
    train = everything.take(np.flatnonzero(split_of(everything.object_id) == SPLITS.index("train")))
    if not len(train.label) or not len(labelled.label):
        return {}
    majority = np.zeros((len(labelled.label), len(CLASSES)))
    majority[:, np.bincount(train.label).argmax()] = 1.0
    sampling = np.exp(log_probabilities(train_sampling_baseline(train), sampling_features(labelled.curves)))
    encoded = classifier.blank(len(labelled.label))
    classifier.add_light_curves(encoded, pool_nights(labelled.curves))
    ours = classifier.answer(encoded, "ztf").class_scores.argmax(1)
    tables: dict[str, Any] = {}
    for name, scores in (("majority_class", majority), ("trees_on_sampling_alone", sampling)):
        gain = paired_gain(labelled.label, ours, scores.argmax(1), labelled.object_id)
        tables[name] = {**figures(labelled.label, scores), "gain": gain}
    return tables


def _spectrum_figures(classifier: BundleClassifier, side: Side) -> dict[str, Any]:
    """Spectra alone, and beside the same object's whole light curve where there is one."""
    spectra, curves = side.spectra, side.curves
    alone = classifier.blank(len(spectra.label))
    classifier.add_spectra(alone, np.arange(len(spectra.label)), spectra.spectra)
    tables = _subsets(classifier, alone, spectra.label, spectra.object_id, {"spectrum": (SPECTRUM,)})
    place = {name: i for i, name in enumerate(curves.object_id)}
    both = np.array([i for i, name in enumerate(spectra.object_id) if name in place], np.int64)
    if len(both):
        pooled = pool_nights(curves.curves.take(np.array([place[spectra.object_id[i]] for i in both])))
        together = classifier.blank(len(both))
        classifier.add_light_curves(together, pooled)
        classifier.add_spectra(together, np.arange(len(both)), [spectra.spectra[i] for i in both])
        subsets = {
            "light_curve, objects with both": (LIGHT_CURVE,),
            "spectrum, objects with both": (SPECTRUM,),
            "light_curve+spectrum, objects with both": (LIGHT_CURVE, SPECTRUM),
        }
        names = [spectra.object_id[i] for i in both.tolist()]
        tables |= _subsets(classifier, together, spectra.label[both], names, subsets)
    return tables


def _alert_figures(classifier: BundleClassifier, alerts: LabelledAlerts) -> dict[str, Any]:
    """Alerts at their own time with every subset of what they carry."""
    encoded = classifier.blank(len(alerts))
    classifier.add_light_curves(encoded, pool_nights(alerts.curves))
    classifier.add_metadata(encoded, *metadata_features(alerts.alerts))
    classifier.add_cutouts(encoded, *cutout_images(alerts.cutouts))
    subsets = {
        "light_curve": (LIGHT_CURVE,),
        "metadata": (METADATA,),
        "cutouts": (CUTOUTS,),
        "light_curve+metadata": (LIGHT_CURVE, METADATA),
        "light_curve+cutouts": (LIGHT_CURVE, CUTOUTS),
        "light_curve+metadata+cutouts": (LIGHT_CURVE, METADATA, CUTOUTS),
    }
    return _subsets(classifier, encoded, alerts.label, alerts.alerts.object_id, subsets)


def _subsets(
    classifier: BundleClassifier,
    encoded: Encoded,
    label: IntArray,
    names: Sequence[str],
    subsets: dict[str, tuple[int, ...]],
) -> dict[str, Any]:
    """Figures of several subsets of the modalities over the rows that have all, each with its gain over the first."""
    rows = np.flatnonzero(encoded.present[:, sorted({m for subset in subsets.values() for m in subset})].all(1))
    if not len(rows):
        return {}
    kept_names = [names[i] for i in rows.tolist()]
    tables: dict[str, Any] = {}
    first: IntArray | None = None
    for key, modalities in subsets.items():
        scores = classifier.answer(_only(encoded, modalities), "ztf").class_scores[rows]
        tables[key] = figures(label[rows], scores, kept_names)
        if first is None:
            first = scores.argmax(1)
        else:
            tables[key]["gain"] = paired_gain(label[rows], scores.argmax(1), first, kept_names)
    return tables


def _only(encoded: Encoded, modalities: Sequence[int]) -> Encoded:
    """What the encoders said, with every other modality taken away."""
    chosen = np.isin(np.arange(encoded.present.shape[1]), modalities)
    present = encoded.present & chosen
    seen = present[:, :, None]
    return Encoded(encoded.tokens * seen, encoded.logits * seen, present, encoded.n_detections)
