"""The figures that a bundle's card keeps: on the objects held aside, measured once, through the code that serves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from classifiers.data import LabelledAlerts
from classifiers.evaluation.report import Progress, evaluate
from classifiers.evaluation.tables import HEADLINES, Cell, cell
from classifiers.metrics import FEWEST
from classifiers.serving import BundleClassifier
from schemas.taxonomy import CLASSES

BRIEF: tuple[str, ...] = ("n", "n_objects", "few", *HEADLINES)
"""What a card keeps of a cell that is not `WHOLE`."""

WHOLE: tuple[str, ...] = ("light_curve", "spectrum", "light_curve+spectrum")
"""Sets of modalities of which a card keeps every figure of all detections."""


def card_figures(classifier: BundleClassifier, folder: Path, progress: Progress = lambda text: None) -> dict[str, Any]:
    """The figures of `report.evaluate` on the objects held aside, those that fewer than `FEWEST` objects bear left out.

    Of all detections of the `WHOLE` sets every figure is kept, of other cells the headlines.
    """
    metrics = evaluate(classifier, folder, held_aside=True, progress=progress).metrics
    for name in ("cells", "spectra", "alerts"):
        metrics[name] = [_brief(each) for each in metrics[name] if each["seven"]["n_objects"] >= FEWEST]
    for name in ("leaks", "one_source"):
        metrics[name] = {key: _brief(each) for key, each in metrics[name].items()}
    metrics["baselines"] = {
        cut: {name: _brief(each) for name, each in told.items()} for cut, told in metrics["baselines"].items()
    }
    metrics["matched"] = [{key: _brief(each) for key, each in told.items()} for told in metrics["matched"]]
    metrics.pop("bundle")
    return metrics


def simulated_figures(classifier: BundleClassifier, alerts: LabelledAlerts, made_by: str) -> dict[str, Any]:
    """A cell of simulated alerts of a survey without labelled ones, and which class is called most often."""
    scores = classifier.classify(alerts.evidence()).class_scores
    scored = np.flatnonzero(np.isfinite(scores).all(1))
    names = [alerts.alerts.object_id[i] for i in scored.tolist()]
    called = np.bincount(scores[scored].argmax(1), minlength=len(CLASSES))
    most = int(called.argmax())
    said = {"made_by": made_by, "most_called": CLASSES[most], "most_called_n": int(called[most])}
    return cell(alerts.label[scored], scores[scored], names) | said


def _brief(told: Any) -> Any:
    """A cell, or classes of one, without what only pictures and tables of single classes need."""
    if not isinstance(told, dict):
        return told
    whole = told.get("cut") == "all" and told.get("modalities") in WHOLE and told.get("population") == "labelled"
    out: Cell = {}
    for key, each in told.items():
        if key in ("five", "seven") and "n_objects" in each and "few" in each and not whole:
            out[key] = _headlines(each)
        else:
            out[key] = each
    return _headlines(out) if "few" in out else out


def _headlines(told: Cell) -> Cell:
    few = {name: {"n_objects": told["classes"][name]["n_objects"]} for name in told["few"]}
    kept = {name: told[name] for name in (*BRIEF, "without_few") if name in told}
    return kept | {"classes": few}
