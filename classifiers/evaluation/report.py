"""Everything that `classifiers evaluate` measures, in order; what is printed, drawn and saved comes from here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from classifiers.data import SPLITS, first_detections, split_of
from classifiers.evaluation.answers import Answers, Asked, Subset, by_object, subsets_of
from classifiers.evaluation.fair import curve_scores, matched_cells, one_source_cells
from classifiers.evaluation.folder import UNLABELLED, Holdings, read_holdings
from classifiers.evaluation.leaks import Judged, baseline_cells, leak_cells, with_curve
from classifiers.evaluation.moments import Cut, moment
from classifiers.evaluation.predictions import alert_table, prediction_table, spectrum_table
from classifiers.evaluation.tables import FIVE_CLASSES, Cell, gain, narrowed, object_cells, part_cells
from classifiers.serving import CUTOUTS, LIGHT_CURVE, METADATA, SPECTRUM, BundleClassifier
from schemas.taxonomy import CLASSES, MODALITIES

DETECTION_COUNTS: tuple[int, ...] = (1, 3, 5, 10, 20, 0)
"""Numbers of detections at which objects are judged; 0 means all."""

DAYS: tuple[float, ...] = (3.0, 10.0, 30.0, 100.0)
"""Days since the first detection at which objects are judged."""

Progress = Callable[[str], None]


@dataclass(slots=True)
class Report:
    """What was measured, as plain values, and the answers that it rests on."""

    metrics: dict[str, Any]
    predictions: list[pa.Table] = field(default_factory=list)
    spectrum_predictions: list[pa.Table] = field(default_factory=list)
    alert_predictions: list[pa.Table] = field(default_factory=list)


def evaluate(
    classifier: BundleClassifier,
    folder: Path,
    held_aside: bool = True,
    counts: Sequence[int] = DETECTION_COUNTS,
    modalities: Sequence[int] = (LIGHT_CURVE, METADATA, CUTOUTS, SPECTRUM),
    progress: Progress = lambda text: None,
    answered: Callable[[Report], None] = lambda report: None,
) -> Report:
    """Predictions and figures of a bundle on a folder's objects: all of them, or those on the test side by their name.

    `answered` is told when all predictions are there, before baselines are fitted beside them, which takes longer.
    DataError where a file is there and cannot be read. A part that is absent has no figures, and `notes` say so.
    """
    report = Report(
        {
            "bundle": {"name": classifier.name, "version": classifier.version, "hash": classifier.bundle_hash},
            "objects": "held-aside" if held_aside else "all",
            "surveys": {},
            "cells": [],
            "spectra": [],
            "alerts": [],
        }
    )
    subsets = subsets_of(modalities)
    holdings: dict[str, Holdings] = {}
    for survey in ("ztf", "lsst"):
        progress(f"reading what {folder} holds of {survey}")
        everything = holdings[survey] = read_holdings(folder, survey)
        chosen = _chosen(everything, held_aside)
        report.metrics["surveys"][survey] = _said(everything, chosen)
        if len(chosen):
            _ask(report, classifier, chosen, subsets, counts, progress)
    answered(report)
    _compare(report, classifier, holdings["ztf"], held_aside, counts, modalities, progress)
    return report


def _chosen(holdings: Holdings, held_aside: bool) -> Holdings:
    if not held_aside:
        return holdings
    return holdings.take(np.flatnonzero(split_of(holdings.object_id) == SPLITS.index("test")))


def _said(everything: Holdings, chosen: Holdings) -> dict[str, Any]:
    """Counts of the objects that are judged."""
    label, fifth = chosen.label, _may_have_trained(chosen)
    return {
        "n_objects": len(chosen),
        "n_in_folder": len(everything),
        "n_labelled": int(np.sum(label != UNLABELLED)),
        "n_simulated": sum(each.simulated for each in chosen.objects),
        "n_that_may_have_trained": fifth,
        "classes": {name: int(np.sum(label == c)) for c, name in enumerate(CLASSES) if np.any(label == c)},
        "with_light_curve": int(np.sum(np.diff(chosen.curves.offsets) > 0)),
        "with_alerts": len(np.unique(chosen.packet_owner)),
        "with_spectrum": len(np.unique(chosen.spectrum_owner)),
        "notes": list(everything.notes),
    }


def _may_have_trained(holdings: Holdings) -> int:
    """Objects that a bundle may have been trained on: by their names neither kept from its data nor on its test side.

    The shared data leave out every object whose SHA-256 is a multiple of five.
    """
    test = split_of(holdings.object_id) == SPLITS.index("test")
    kept_away = np.array([int(hashlib.sha256(name.encode()).hexdigest(), 16) % 5 == 0 for name in holdings.object_id])
    return int(np.sum(~test & ~kept_away)) if len(test) else 0


def _ask(
    report: Report,
    classifier: BundleClassifier,
    holdings: Holdings,
    subsets: Sequence[Subset],
    counts: Sequence[int],
    progress: Progress,
) -> None:
    """Predictions of every object, spectrum and alert, and their cells."""
    progress(f"encoding alerts and spectra of {len(holdings)} {holdings.survey} objects")
    asked = Asked(classifier, holdings)
    cuts = [*(Cut(count) for count in counts), *(Cut(days=days) for days in DAYS)]
    for cut in cuts:
        progress(f"{holdings.survey}: {cut.name}")
        answers = list(asked.objects(cut, subsets))
        report.metrics["cells"] += object_cells(holdings, answers)
        if not cut.days:
            report.predictions += [prediction_table(holdings, each) for each in answers]
    alerts = list(asked.each_alert(subsets))
    report.alert_predictions += [alert_table(holdings, each) for each in alerts]
    report.metrics["alerts"] += part_cells(holdings, alerts)
    if any(SPECTRUM in subset for subset in subsets) and holdings.spectra:
        progress("single spectra, without and with their redshift")
        for redshift, one in ((False, asked), (True, Asked(classifier, holdings, with_redshift=True))):
            each = one.each_spectrum()
            report.spectrum_predictions.append(spectrum_table(holdings, each, redshift))
            report.metrics["spectra"] += _spectrum_cells(holdings, each, redshift)


def _spectrum_cells(holdings: Holdings, each: Answers, redshift: bool) -> Iterator[Cell]:
    """Cells of single spectra and of objects with their certain ones; with a redshift only those that have one."""
    if redshift:
        known = [holdings.spectra[i].redshift is not None for i in each.part.tolist()]
        each = each.take(np.flatnonzero(np.array(known, np.bool_)))
    certain = each.take(np.flatnonzero(holdings.spectrum_certain[each.part]))
    for unit, cells in (
        ("spectrum", part_cells(holdings, [each], holdings.spectrum_certain)),
        ("object", part_cells(holdings, [by_object(certain)] if len(certain) else [])),
    ):
        for cell in cells:
            yield {"unit": unit, "with_redshift": redshift, **cell}


def _compare(
    report: Report,
    classifier: BundleClassifier,
    everything: Holdings,
    held_aside: bool,
    counts: Sequence[int],
    modalities: Sequence[int],
    progress: Progress,
) -> None:
    """Leaks, baselines and the two tests where the leak cannot help: of light curves alone."""
    empty: dict[str, Any] = {"leaks": {}, "baselines": {}, "one_source": {}, "matched": []}
    report.metrics |= empty
    curves = with_curve(everything)
    used = everything.survey in classifier.card["modalities"][MODALITIES[LIGHT_CURVE]]["surveys"]
    if LIGHT_CURVE not in modalities or not used or not len(curves):
        return
    progress("leaks: the source's name, the sampling, what is recorded")
    report.metrics["leaks"] = leak_cells(everything, held_aside)
    for cut in (Cut(count) for count in counts):
        progress(f"LightGBM on the usual statistics: {cut.name}")
        cells, judged = baseline_cells(everything, cut, held_aside)
        report.metrics["baselines"][cut.name] = {
            name: cells[name] | {"gain": _gain_over(classifier, curves, cut, judged[name])} for name in cells
        }
    progress("SN I against SN II within one source")
    report.metrics["one_source"] = one_source_cells(classifier, everything, held_aside)
    progress("matched curves")
    report.metrics["matched"] = matched_cells(classifier, everything, held_aside)


def _gain_over(classifier: BundleClassifier, curves: Holdings, cut: Cut, judged: Judged) -> Cell:
    """Paired gain of the light curve alone over a baseline's scores, five classes and seven."""
    rows, theirs = judged
    ours = curve_scores(classifier, first_detections(curves.curves, moment(curves, cut).kept).take(rows))
    label, names = curves.label[rows], [curves.object_id[i] for i in rows.tolist()]
    kept, five, own = narrowed(label, ours, FIVE_CLASSES)
    _, _, others = narrowed(label, theirs, FIVE_CLASSES)
    return {
        "five": gain(five, own, others, [names[i] for i in kept.tolist()], len(FIVE_CLASSES)),
        "seven": gain(label, ours, theirs, names),
    }
