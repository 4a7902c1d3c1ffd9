"""Calibrates a bundle: temperature, sets and novelty, through the code that serves. Needs no torch."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from classifiers import load_bundle
from classifiers.bundle import CARD, NOVELTY_FILE, bundle_folder, open_bundle, write_card
from classifiers.calibration import DOMAINS, Objects, calibrate_on
from classifiers.data import LabelledAlerts, LabelledCurves, LabelledSpectra
from classifiers.novelty import Novelty, save_novelty
from classifiers.serving import BundleClassifier
from classifiers.training.config import TrainingConfig
from classifiers.training.provider import (
    CALIBRATE,
    TRAIN,
    Data,
    joined_alerts,
    joined_curves,
    joined_spectra,
    read_data,
)


def calibrated(
    classifier: BundleClassifier, data: Data, config: TrainingConfig
) -> tuple[dict[str, Any], dict[str, Novelty]]:
    """The card's calibration and the novelty of each evidence group, on all inputs that do more than train."""
    objects = Objects(
        joined_curves(data.all_of(LabelledCurves, TRAIN, CALIBRATE)),
        joined_spectra(data.all_of(LabelledSpectra, TRAIN, CALIBRATE)),
        joined_alerts(data.all_of(LabelledAlerts, TRAIN, CALIBRATE)),
    )
    rng = np.random.default_rng(config.seed)
    told = config.calibration
    return calibrate_on(classifier, objects, rng, told.surveys, told.copies, DOMAINS | told.domains_told())


def calibrate_bundle(bundle: str, folder: Path, out: Path, config: TrainingConfig) -> dict[str, Any]:
    """A copy of a bundle whose temperature, sets and novelty are fitted anew on a data folder; returns its card.

    The networks stay as they are, and so does all that the card says of them; its figures are those of another
    calibration, and are left out.
    """
    open_bundle(bundle)
    data = read_data(config, folder)
    with tempfile.TemporaryDirectory() as scratch:
        staged = Path(shutil.copytree(bundle_folder(bundle), Path(scratch) / "bundle"))
        card: dict[str, Any] = json.loads((staged / CARD).read_text(encoding="utf-8"))
        card["calibration"], novelty = calibrated(load_bundle(staged), data, config)
        card.pop("metrics", None)
        save_novelty(staged / NOVELTY_FILE, novelty)
        write_card(staged, card)
        if out.exists():
            shutil.rmtree(out)
        shutil.copytree(staged, out)
    return card
