"""Writes the card of a bundle anew, weights untouched: its figures, its limits, the spelling of its feature spec."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from classifiers import load_bundle
from classifiers.bundle import CARD, BundleError, bundle_folder, check_files, write_card
from classifiers.card import limits_of, simulated_limit
from classifiers.data.alerts import read_simulated_lsst_alerts
from classifiers.evaluation.for_card import card_figures, simulated_figures
from classifiers.features import feature_spec, spec_hash

MEASURED_BESIDE: tuple[str, ...] = ("modality_gains", "cross_survey")
"""Figures of the card that other commands measure; a card keeps those that it has."""


def refresh_card(
    path: str | Path, data: Path, simulated: Path, made_by: str, beside: Mapping[str, Path] | None = None
) -> dict[str, Any]:
    """Measures a bundle again on `data` and on the simulated LSST night `simulated`, and writes its card; returns it.

    `made_by` is the command that made the night; `beside` names files of `MEASURED_BESIDE`. BundleError where a file is
    not the one that the card names, or where the feature spec has changed and so have the figures: then the weights
    were fitted to other features than these.
    """
    folder = bundle_folder(path)
    try:
        card: dict[str, Any] = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{folder / CARD} cannot be read: {error}") from None
    check_files(folder, card)
    kept = {name: told for name, told in card.get("metrics", {}).items() if name in MEASURED_BESIDE}
    kept |= {name: _read(file) for name, file in (beside or {}).items()}
    respelt = card["feature_spec_sha256"] != spec_hash()
    before = {name: card.get("metrics", {}).get(name) for name in FIGURES}
    card |= {"feature_spec": feature_spec(), "feature_spec_sha256": spec_hash()}
    with tempfile.TemporaryDirectory() as scratch:
        staged = Path(shutil.copytree(folder, Path(scratch) / "bundle"))
        write_card(staged, card)
        classifier = load_bundle(staged)
        metrics = card_figures(classifier, data)
        if respelt and {name: metrics[name] for name in FIGURES} != before:
            raise BundleError(f"the features of {folder} have changed, and its figures with them: train it anew")
        metrics["simulated_lsst"] = simulated_figures(classifier, read_simulated_lsst_alerts(simulated), made_by)
    card |= {"metrics": metrics | kept, "limits": [*limits_of(card), simulated_limit(metrics["simulated_lsst"])]}
    write_card(folder, card)
    return card


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read: {error}") from None


FIGURES: tuple[str, ...] = ("cells", "spectra", "alerts")
"""Figures on real data, which a new spelling of the spec may not move."""
