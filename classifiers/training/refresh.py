"""Writes the card of a bundle anew, weights untouched: its figures, its limits, the spelling of its feature spec."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from classifiers import load_bundle
from classifiers.bundle import CARD, BundleError, bundle_folder, check_files, write_card
from classifiers.card import LIMITS, simulated_limit
from classifiers.data.alerts import read_simulated_lsst_alerts
from classifiers.evaluation.for_card import card_figures, simulated_figures
from classifiers.features import feature_spec, spec_hash


def refresh_card(path: str | Path, data: Path, simulated: Path, made_by: str) -> dict[str, Any]:
    """Measures a bundle again on `data` and on the simulated LSST night `simulated`, and writes its card; returns it.

    `made_by` is the command that made the night. BundleError where a file is not the one that the card names, or where
    the feature spec has changed and so have the figures: then the weights were fitted to other features than these.
    """
    folder = bundle_folder(path)
    try:
        card: dict[str, Any] = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{folder / CARD} cannot be read: {error}") from None
    check_files(folder, card)
    respelt = card["feature_spec_sha256"] != spec_hash()
    before = {name: card["metrics"].get(name) for name in FIGURES}
    card |= {"feature_spec": feature_spec(), "feature_spec_sha256": spec_hash()}
    with tempfile.TemporaryDirectory() as scratch:
        staged = Path(shutil.copytree(folder, Path(scratch) / "bundle"))
        write_card(staged, card)
        classifier = load_bundle(staged)
        metrics = card_figures(classifier, data)
        if respelt and {name: metrics[name] for name in FIGURES} != before:
            raise BundleError(f"the features of {folder} have changed, and its figures with them: train it anew")
        metrics["simulated_lsst"] = simulated_figures(classifier, read_simulated_lsst_alerts(simulated), made_by)
    card |= {"metrics": metrics, "limits": [*LIMITS, simulated_limit(metrics["simulated_lsst"])]}
    write_card(folder, card)
    return card


FIGURES: tuple[str, ...] = ("cells", "spectra", "alerts")
"""Figures on real data, which a new spelling of the spec may not move."""
