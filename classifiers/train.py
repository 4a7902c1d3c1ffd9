"""Trains the default bundle from a data folder, end to end: networks, ONNX, calibration, card. Needs torch."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from classifiers import load_bundle
from classifiers.augment import augmented
from classifiers.bundle import FUSION_FILE, TREES_FILE, encoder_file
from classifiers.calibration import Calibration, Novelty, conformal_threshold, fit_novelty, fit_temperature
from classifiers.card import LIMITS, PRIOR, counts
from classifiers.data import LabelledCurves
from classifiers.evaluate import evaluate
from classifiers.export import export_network, worst_difference, write_card
from classifiers.features import LENGTH_BUCKETS, feature_spec, pool_nights, spec_hash
from classifiers.features.cutouts import IMAGE_CHANNELS, IMAGE_SIZE
from classifiers.features.light_curve import TOKEN_FEATURES
from classifiers.features.metadata import METADATA_FEATURES
from classifiers.features.spectra import GRID_BINS, SPECTRUM_CHANNELS
from classifiers.fitting import Progress
from classifiers.models.layers import CLASS_COUNT, TOKEN_WIDTH
from classifiers.networks import CALIBRATE, LONGEST_COPY, TRAIN, Data, Networks, fit_networks, read_data
from classifiers.serving import BundleClassifier, Encoded
from classifiers.trees import class_weights
from schemas.light_curve import Float32Array
from schemas.prediction import EMBEDDING_LENGTH
from schemas.taxonomy import CLASSES, MODALITIES

SEED = 20
"""Seed of every random draw."""

NAME = "first-light"
"""Name of the model that this script trains."""

VERSION = "1.0.0"
"""Version of the model: to be raised with every bundle that ships."""

Shape = Callable[[int, int], tuple[tuple[int, ...], ...]]

INPUT_SHAPES: dict[str, Shape] = {
    "light_curve": lambda n, length: ((n, length, len(TOKEN_FEATURES)), (n, length)),
    "metadata": lambda n, _: ((n, len(METADATA_FEATURES)), (n, len(METADATA_FEATURES))),
    "cutouts": lambda n, _: ((n, len(IMAGE_CHANNELS), IMAGE_SIZE, IMAGE_SIZE), (n, 1)),
    "spectrum": lambda n, _: ((n, len(SPECTRUM_CHANNELS), GRID_BINS),),
}
"""Shapes of each encoder's inputs for n alerts (and a length)."""

SURVEYS: dict[str, list[str]] = {
    "light_curve": ["ztf", "lsst"],
    "metadata": ["ztf"],
    "cutouts": ["ztf"],
    "spectrum": ["ztf", "lsst"],
}
"""Surveys for which each modality is used: metadata and stamps only where labelled ones were learnt from."""

TEMPERATURE_COPIES = 8
"""Truncations of each calibration object that the temperature rests on."""


def train(folder: Path, out: Path, progress: Progress = print) -> dict[str, Any]:
    """Trains on `folder` and writes the bundle to `out`, which it replaces; returns the card."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    rng = np.random.default_rng(SEED)
    data = read_data(folder)
    networks = fit_networks(data, rng, progress)
    with tempfile.TemporaryDirectory() as scratch:
        staged = Path(scratch) / "bundle"
        staged.mkdir()
        differences = write_networks(networks, staged)
        card = provisional_card(data, networks, differences)
        write_card(staged, card)
        card.update(calibrate(load_bundle(staged), data, rng))
        write_card(staged, card)
        progress("evaluating on the objects held aside")
        card["metrics"] = evaluate(load_bundle(staged), folder)
        write_card(staged, card)
        if out.exists():
            shutil.rmtree(out)
        shutil.copytree(staged, out)
    return card


def write_networks(networks: Networks, folder: Path) -> dict[str, float]:
    """ONNX files and the trees' text; returns the worst difference between torch and ONNX of each network."""
    rng = np.random.default_rng(0)
    differences: dict[str, float] = {}
    for name in MODALITIES:
        network, shapes, path = getattr(networks, name), INPUT_SHAPES[name], folder / encoder_file(name)
        example = tuple(torch.ones(shape) for shape in shapes(2, LENGTH_BUCKETS[0]))
        export_network(network, example, path, lengths=name == "light_curve")
        cases = [
            tuple(_noise(shape, rng) for shape in shapes(n, length))
            for n in (1, 5, 64)
            for length in (LENGTH_BUCKETS if name == "light_curve" else (0,))
        ]
        if name == "light_curve":
            cases = [(tokens, _mask(mask.shape, rng)) for tokens, mask in cases]
        differences[name] = worst_difference(network, path, cases)
    shapes_of_fusion = ((2, len(MODALITIES), TOKEN_WIDTH), (2, len(MODALITIES), CLASS_COUNT), (2, len(MODALITIES)))
    export_network(networks.fusion, tuple(torch.ones(shape) for shape in shapes_of_fusion), folder / FUSION_FILE)
    every_subset = np.array([[bit >> k & 1 for k in range(4)] for bit in range(1, 16)], np.float32)
    inputs = [_noise((15, *shape[1:]), rng) for shape in shapes_of_fusion[:2]]
    differences["fusion"] = worst_difference(networks.fusion, folder / FUSION_FILE, [(*inputs, every_subset)])
    networks.trees.save_model(str(folder / TREES_FILE))
    return differences


def calibrate(classifier: BundleClassifier, data: Data, rng: np.random.Generator) -> dict[str, Any]:
    """Temperatures, set thresholds and novelty from the calibration side, through the code that serves."""
    side = data.curves.take(np.flatnonzero(data.curve_split == CALIBRATE))
    many = [_encoded_curves(classifier, side, rng) for _ in range(TEMPERATURE_COPIES)]
    logits = np.concatenate([classifier.fused_logits(each) for each in many])
    counts = np.concatenate([each.n_detections for each in many])
    label = np.tile(side.label, len(many))
    level, slope = fit_temperature(logits, label, counts, np.sqrt(class_weights(label)), with_slope=True)
    curves = Calibration(level, slope, 0.0, len(side.label), "ZTF light curves of classified transients", METHOD)
    one = _encoded_curves(classifier, side, rng)
    scores = curves.scores(classifier.fused_logits(one), one.n_detections)
    without = _part(curves, conformal_threshold(scores, side.label))

    spectra = data.spectra.take(np.flatnonzero(data.spectrum_split == CALIBRATE))
    seen = classifier.blank(len(spectra.label))
    classifier.add_spectra(seen, np.arange(len(spectra.label)), spectra.spectra)
    logits = classifier.fused_logits(seen)
    level, _ = fit_temperature(
        logits, spectra.label, seen.n_detections, np.sqrt(class_weights(spectra.label)), with_slope=False
    )
    objects, first = np.unique(spectra.object_id, return_index=True)
    spectral = Calibration(level, 0.0, 0.0, len(objects), "SEDM spectra of classified transients", METHOD)
    scores = spectral.scores(logits[first], seen.n_detections[first])
    with_spectrum = _part(spectral, conformal_threshold(scores, spectra.label[first]))

    train_side = data.curves.take(np.flatnonzero(data.curve_split == TRAIN))
    embedding = classifier.answer(_encoded_curves(classifier, train_side, rng), "ztf").embedding
    novelty = fit_novelty(embedding, train_side.label, classifier.answer(one, "ztf").embedding)
    return {
        "calibration": {"surveys": ["ztf"], "without_spectrum": without, "with_spectrum": with_spectrum},
        "novelty": novelty.to_card(),
    }


METHOD = "temperature, smooth in ln(detections), by class-weighted log loss; sets: marginal split conformal, 90 %"
"""How scores and sets are calibrated, as said in every score."""


def _encoded_curves(classifier: BundleClassifier, side: LabelledCurves, rng: np.random.Generator) -> Encoded:
    """One random truncation of each curve, encoded by the serving code."""
    encoded = classifier.blank(len(side.label))
    classifier.add_light_curves(encoded, pool_nights(augmented(side.curves, LONGEST_COPY, rng)))
    return encoded


def _part(calibration: Calibration, threshold: float) -> dict[str, Any]:
    return {
        "level": round(calibration.level, 6),
        "slope": round(calibration.slope, 6),
        "threshold": round(threshold, 6),
        "objects": calibration.objects,
        "domain": calibration.domain,
        "method": calibration.method,
    }


def _noise(shape: tuple[int, ...], rng: np.random.Generator) -> Float32Array:
    return rng.normal(size=shape).astype(np.float32)


def _mask(shape: tuple[int, ...], rng: np.random.Generator) -> Float32Array:
    """Random numbers of tokens, at least one a row, as padding leaves them."""
    count = rng.integers(1, shape[1] + 1, (shape[0], 1))
    return (np.arange(shape[1])[None, :] < count).astype(np.float32)


def provisional_card(data: Data, networks: Networks, differences: dict[str, float]) -> dict[str, Any]:
    """The card before calibration: temperature 1, empty thresholds, no metrics."""
    neutral = _part(Calibration(0.0, 0.0, 0.0, 0, "none", "none"), 0.0)
    count = len(CLASSES)
    width = EMBEDDING_LENGTH
    kept = {
        "light_curves": counts(data.curves.label, data.curve_split),
        "spectra": counts(data.spectra.label, data.spectrum_split),
        "alerts with metadata and cutouts": counts(data.alerts.label, data.alert_split),
    }
    return {
        "name": NAME,
        "version": VERSION,
        "taxonomy": list(CLASSES),
        "prior": PRIOR,
        "feature_spec": feature_spec(),
        "feature_spec_sha256": spec_hash(),
        "modalities": {
            name: {"surveys": SURVEYS[name], "strength": round(float(networks.fusion.strength[k]), 4)}
            for k, name in enumerate(MODALITIES)
        },
        "tree_share": networks.tree_share,
        "training": {
            "data": "Labelled ZTF light curves, SEDM spectra and ZTF alerts, split by the hash of the object's name.",
            "seed": SEED,
            "counts": kept,
        },
        "calibration": {"surveys": [], "without_spectrum": neutral, "with_spectrum": neutral},
        "novelty": Novelty(np.zeros(width), np.zeros((width, 1)), np.zeros((count, 1)), np.arange(101.0)).to_card(),
        "limits": list(LIMITS),
        "worst_difference_torch_to_onnx": {name: float(f"{value:.2g}") for name, value in differences.items()},
    }
