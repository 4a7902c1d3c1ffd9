"""Trains the default bundle from a data folder, end to end: networks, ONNX, calibration, card. Needs torch."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from classifiers import load_bundle
from classifiers.bundle import FUSION_FILE, NOVELTY_FILE, TREES_FILE, encoder_file, write_card
from classifiers.calibration import (
    Calibration,
    Novelty,
    conformal_threshold,
    fit_novelty,
    fit_temperature,
    save_novelty,
)
from classifiers.card import LIMITS, PRIOR, VERSION, counts
from classifiers.data import LabelledCurves, LabelledSpectra
from classifiers.data.alerts import LabelledAlerts
from classifiers.data.augment import cut_short
from classifiers.evaluate import evaluate
from classifiers.features import LENGTH_BUCKETS, cutout_images, feature_spec, metadata_features, pool_nights, spec_hash
from classifiers.features.cutouts import IMAGE_CHANNELS, IMAGE_SIZE
from classifiers.features.light_curve import TOKEN_FEATURES
from classifiers.features.metadata import METADATA_FEATURES
from classifiers.features.spectra import GRID_BINS, SPECTRUM_CHANNELS
from classifiers.models.layers import CLASS_COUNT, TOKEN_WIDTH
from classifiers.serving import EVIDENCE_GROUPS, BundleClassifier, Encoded
from classifiers.training.export import export_network, worst_difference
from classifiers.training.fitting import Progress
from classifiers.training.networks import CALIBRATE, LONGEST_COPY, TRAIN, Data, Networks, fit_networks, read_data
from classifiers.trees import class_weights
from schemas.light_curve import Float32Array, IntArray
from schemas.prediction import EMBEDDING_LENGTH
from schemas.taxonomy import CLASSES, MODALITIES

SEED = 20
"""Seed of every random draw."""

NAME = "first-light"
"""Name of the model that this script trains."""

Calibrated = tuple[dict[str, Any], dict[str, Novelty]]

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
        blank = np.zeros(EMBEDDING_LENGTH), np.zeros((EMBEDDING_LENGTH, 1)), np.zeros((len(CLASSES), 1))
        save_novelty(staged / NOVELTY_FILE, dict.fromkeys(EVIDENCE_GROUPS, Novelty(*blank, np.arange(101.0))))
        card = provisional_card(data, networks, differences)
        write_card(staged, card)
        card["calibration"], novelty = calibrate(load_bundle(staged), data, rng)
        save_novelty(staged / NOVELTY_FILE, novelty)
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


def calibrate(classifier: BundleClassifier, data: Data, rng: np.random.Generator) -> Calibrated:
    """The card's temperatures and set thresholds, and the novelty of each group, through the code that serves."""
    curves = [data.curves.take(np.flatnonzero(data.curve_split == side)) for side in (TRAIN, CALIBRATE)]
    alerts = [data.alerts.take(np.flatnonzero(data.alert_split == side)) for side in (TRAIN, CALIBRATE)]
    spectra = [data.spectra.take(np.flatnonzero(data.spectrum_split == side)) for side in (TRAIN, CALIBRATE)]
    seen = {
        "light_curve": [
            Seen(each.label, each.object_id, [_encoded_curves(classifier, each, rng) for _ in range(copies)])
            for each, copies in zip(curves, (1, TEMPERATURE_COPIES), strict=True)
        ],
        "alert": [Seen(each.label, each.alerts.object_id, [_encoded_alerts(classifier, each)]) for each in alerts],
        "spectrum": [Seen(each.label, each.object_id, [_encoded_spectra(classifier, each)]) for each in spectra],
    }
    fitted = {group: _fit_group(classifier, group, *seen[group]) for group in EVIDENCE_GROUPS}
    calibration = {"surveys": ["ztf"], **{group: pair[0] for group, pair in fitted.items()}}
    return calibration, {group: pair[1] for group, pair in fitted.items()}


@dataclass(frozen=True, slots=True)
class Seen:
    """Labelled objects of one side as the encoders saw them, once or several times."""

    label: IntArray
    object_id: list[str]
    encoded: list[Encoded]


def _fit_group(classifier: BundleClassifier, group: str, train: Seen, known: Seen) -> tuple[dict[str, Any], Novelty]:
    """The card's calibration and the novelty of one evidence group; sets rest on one sighting of each object."""
    logits = [classifier.fused_logits(each) for each in known.encoded]
    label = np.tile(known.label, len(logits))
    n_detections = np.concatenate([each.n_detections for each in known.encoded])
    level, slope = fit_temperature(
        np.concatenate(logits), label, n_detections, np.sqrt(class_weights(label)), with_slope=group == "light_curve"
    )
    _, first = np.unique(known.object_id, return_index=True)
    fitted = Calibration(level, slope, 0.0, len(first), DOMAINS[group], METHOD)
    scores = fitted.scores(logits[0][first], n_detections[first])
    threshold = conformal_threshold(scores, known.label[first])
    embeddings = [classifier.answer(side.encoded[0], "ztf").embedding for side in (train, known)]
    return _part(fitted, threshold), fit_novelty(embeddings[0], train.label, embeddings[1][first])


DOMAINS: dict[str, str] = {
    "light_curve": "ZTF light curves of classified transients",
    "alert": "ZTF alerts of classified transients and catalogued variables",
    "spectrum": "SEDM spectra of classified transients",
}
"""Population on which each evidence group was calibrated."""

METHOD = "temperature, smooth in ln(detections), by class-weighted log loss; sets: marginal split conformal, 90 %"
"""How scores and sets are calibrated, as said in every score."""


def _encoded_curves(classifier: BundleClassifier, side: LabelledCurves, rng: np.random.Generator) -> Encoded:
    """One random truncation of each curve, encoded by the serving code."""
    encoded = classifier.blank(len(side.label))
    classifier.add_light_curves(encoded, pool_nights(cut_short(side.curves, LONGEST_COPY, rng)))
    return encoded


def _encoded_alerts(classifier: BundleClassifier, side: LabelledAlerts) -> Encoded:
    """Alerts at their own time with all that they carry, encoded by the serving code."""
    encoded = classifier.blank(len(side))
    classifier.add_light_curves(encoded, pool_nights(side.curves))
    classifier.add_metadata(encoded, *metadata_features(side.alerts))
    classifier.add_cutouts(encoded, *cutout_images(side.cutouts))
    return encoded


def _encoded_spectra(classifier: BundleClassifier, side: LabelledSpectra) -> Encoded:
    """Spectra alone, encoded by the serving code."""
    encoded = classifier.blank(len(side.label))
    classifier.add_spectra(encoded, np.arange(len(side.label)), side.spectra)
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
    """The card before calibration: temperature 1, no thresholds, no metrics."""
    neutral = _part(Calibration(0.0, 0.0, 0.0, 0, "none", "none"), 0.0)
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
        "calibration": {"surveys": [], **dict.fromkeys(EVIDENCE_GROUPS, neutral)},
        "limits": list(LIMITS),
        "worst_difference_torch_to_onnx": {name: float(f"{value:.2g}") for name, value in differences.items()},
    }
