"""Fits every network of a bundle and joins them: encoders, trees, strengths, fusion. Needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from classifiers.calibration import fit_temperature, softmax
from classifiers.data import SPLITS, LabelledCurves, LabelledSpectra, read_light_curves, read_spectra, split_of
from classifiers.data.alerts import LabelledAlerts, read_ztf_alerts
from classifiers.data.augment import augmented, cut_short
from classifiers.data.changes import changed_cutouts, changed_metadata, changed_spectra
from classifiers.features import (
    LENGTH_BUCKETS,
    bucket_lengths,
    cutout_images,
    light_curve_statistics,
    light_curve_tokens,
    metadata_features,
    pool_nights,
    spectrum_channels,
)
from classifiers.models.cutouts import CutoutEncoder
from classifiers.models.encoders import LightCurveEncoder, SpectrumEncoder
from classifiers.models.fusion import Fusion
from classifiers.models.layers import CLASS_COUNT, TOKEN_WIDTH
from classifiers.models.metadata import MetadataEncoder
from classifiers.opinion import log_probabilities
from classifiers.serving import CUTOUTS, LIGHT_CURVE, METADATA, SPECTRUM
from classifiers.training.fitting import Progress, fit_arrays, fit_fusion, fit_light_curve
from classifiers.trees import class_weights, train_trees
from schemas.light_curve import Float32Array, IntArray, LightCurves
from schemas.taxonomy import MODALITIES

TRAIN, CALIBRATE, TEST = range(len(SPLITS))

LONGEST_COPY = 128
"""Most detections of a curve that the fusion trains on."""

FUSION_COPIES = 8
"""Changed copies of each training curve that the fusion sees."""

SMALL_STEPS = 120
"""Optimiser steps of the metadata and cutout encoders: some 160 alerts, which more steps only learn by heart."""

SPECTRUM_STEPS = 1600
"""Optimiser steps of the spectrum encoder."""

FOLDS = 5
"""Folds, by object, of the out-of-fold logits that set the strength of metadata and cutouts."""

TREE_SHARES = (0.0, 0.25, 0.5, 0.75)
"""Shares of the trees in the light-curve logits that are tried on the calibration split."""


HEAD_STRENGTH = 0.25
"""Weight of the embedding's own class head beside the encoders' logits."""


@dataclass(frozen=True, slots=True)
class Data:
    """Everything a training run reads."""

    curves: LabelledCurves
    spectra: LabelledSpectra
    alerts: LabelledAlerts
    curve_split: IntArray
    spectrum_split: IntArray
    alert_split: IntArray


def read_data(folder: Path) -> Data:
    """Curves, spectra and alerts with their sides of the split by object."""
    curves, spectra, alerts = read_light_curves(folder), read_spectra(folder), read_ztf_alerts(folder)
    return Data(
        curves,
        spectra,
        alerts,
        split_of(curves.object_id),
        split_of(spectra.object_id),
        split_of(alerts.alerts.object_id),
    )


@dataclass(frozen=True, slots=True)
class Networks:
    """The fitted parts of a bundle, before calibration."""

    light_curve: LightCurveEncoder
    metadata: nn.Module
    cutouts: nn.Module
    spectrum: nn.Module
    fusion: Fusion
    trees: Any
    """lightgbm.Booster"""
    tree_share: float


def fit_networks(data: Data, rng: np.random.Generator, progress: Progress) -> Networks:
    """All encoders on the training side, the trees, and the fusion on top with its strengths."""
    train_curves = data.curves.take(np.flatnonzero(data.curve_split == TRAIN))
    progress(f"light curves: {len(train_curves.label)} objects")
    light_curve = fit_light_curve(train_curves, rng, progress)
    trees = train_trees(train_curves, rng)
    side = np.flatnonzero(data.spectrum_split == TRAIN)
    progress(f"spectra: {len(side)}")
    channels, _ = spectrum_channels(data.spectra.spectra)
    spectrum = fit_arrays(
        SpectrumEncoder(), (channels[side],), data.spectra.label[side], changed_spectra, SPECTRUM_STEPS, rng, progress
    )
    metadata, metadata_strength = _fit_small(MetadataEncoder, data, "metadata", rng, progress)
    cutouts, cutout_strength = _fit_small(CutoutEncoder, data, "cutouts", rng, progress)
    fusion = Fusion()
    networks = Networks(light_curve, metadata, cutouts, spectrum, fusion, trees, 0.0)
    share, strength = _light_curve_strength(networks, data, rng)
    calibrate_side = np.flatnonzero(data.spectrum_split == CALIBRATE)
    spectrum_logits = _run(spectrum, channels[calibrate_side])[1]
    strengths = [
        strength,
        metadata_strength,
        cutout_strength,
        _strength(spectrum_logits, data.spectra.label[calibrate_side]),
    ]
    progress(f"trees' share {share}; strengths {dict(zip(MODALITIES, np.round(strengths, 3), strict=True))}")
    fusion.strength.copy_(torch.tensor(strengths, dtype=torch.float32))
    networks = Networks(light_curve, metadata, cutouts, spectrum, fusion, trees, share)
    rows = _fusion_rows(networks, data, channels, rng)
    progress(f"fusion: {len(rows.label)} rows")
    fit_fusion(fusion, rows.tokens, rows.logits, rows.present, rows.label, rows.object_index, rng, progress)
    fusion.head_strength.fill_(HEAD_STRENGTH)
    return networks


def _fit_small(
    kind: type[nn.Module], data: Data, modality: str, rng: np.random.Generator, progress: Progress
) -> tuple[nn.Module, float]:
    """An encoder that has few objects: its strength comes from logits of objects in folds it was not fitted on."""
    arrays = _alert_arrays(data.alerts, modality)
    change = changed_metadata if modality == "metadata" else changed_cutouts
    known = np.flatnonzero(data.alert_split != TEST)
    names = np.array(data.alerts.alerts.object_id)
    label = data.alerts.label
    fold = np.unique(names, return_inverse=True)[1] % FOLDS
    logits = np.zeros((len(label), CLASS_COUNT), np.float32)
    for k in range(FOLDS):
        fitted = known[fold[known] != k]
        left_out = known[fold[known] == k]
        network = fit_arrays(kind(), tuple(a[fitted] for a in arrays), label[fitted], change, SMALL_STEPS, rng, _silent)
        logits[left_out] = _run(network, *(a[left_out] for a in arrays))[1]
    strength = _strength(logits[known], label[known])
    side = np.flatnonzero(data.alert_split == TRAIN)
    progress(f"{modality}: {len(side)} alerts, strength {strength:.2f}")
    final = fit_arrays(kind(), tuple(a[side] for a in arrays), label[side], change, SMALL_STEPS, rng, progress)
    return final, strength


def _strength(logits: Float32Array, label: IntArray) -> float:
    """1 / temperature of logits of objects that the encoder was not fitted on; near 0 where they tell nothing."""
    level, _ = fit_temperature(logits, label, np.ones(len(label), np.int64), class_weights(label), with_slope=False)
    return float(np.exp(-level))


def _light_curve_strength(networks: Networks, data: Data, rng: np.random.Generator) -> tuple[float, float]:
    """The trees' share and the strength of the blend, by the class-weighted log loss of the calibration side."""
    side = data.curves.take(np.flatnonzero(data.curve_split == CALIBRATE))
    copies = [cut_short(side.curves, LONGEST_COPY, rng) for _ in range(6)]
    network = np.concatenate([_encode_curves(networks.light_curve, c)[1] for c in copies])
    opinion = np.concatenate(
        [log_probabilities(networks.trees, light_curve_statistics(pool_nights(c))) for c in copies]
    )
    label = np.tile(side.label, len(copies))
    weight = np.sqrt(class_weights(label))
    best = (np.inf, 0.0, 1.0)
    for share in TREE_SHARES:
        logits = (1 - share) * network + share * opinion
        level, _ = fit_temperature(logits, label, np.ones(len(label), np.int64), weight, with_slope=False)
        scaled = softmax(logits / np.exp(level))[np.arange(len(label)), label]
        best = min(best, (float(-np.average(np.log(np.maximum(scaled, 1e-12)), weights=weight)), share, level))
    return best[1], float(np.exp(-best[2]))


@dataclass(frozen=True, slots=True)
class FusionRows:
    """What the encoders said of the training objects, one row for each curve, spectrum, pair or alert."""

    tokens: Float32Array
    logits: Float32Array
    present: Float32Array
    label: IntArray
    object_index: IntArray


def _fusion_rows(networks: Networks, data: Data, channels: Float32Array, rng: np.random.Generator) -> FusionRows:
    """Curves cut short, spectra alone and with the object's curve, alerts with all that they carry."""
    curve_side = np.flatnonzero(data.curve_split == TRAIN)
    spectrum_side = np.flatnonzero(data.spectrum_split == TRAIN)
    alert_side = np.flatnonzero(data.alert_split == TRAIN)
    curves = data.curves.curves
    place = {name: i for i, name in enumerate(data.curves.object_id)}
    paired = np.array([i for i in spectrum_side if data.spectra.object_id[i] in place], np.int64)
    partner = np.array([place[data.spectra.object_id[i]] for i in paired], np.int64)
    blocks: list[tuple[dict[int, tuple[Float32Array, Float32Array]], IntArray, list[str]]] = []
    for _ in range(FUSION_COPIES):
        changed = augmented(curves.take(curve_side), LONGEST_COPY, rng)
        names = [data.curves.object_id[i] for i in curve_side]
        blocks.append(({LIGHT_CURVE: _blended(networks, changed)}, data.curves.label[curve_side], names))
        seen = _run(networks.spectrum, *changed_spectra((channels[paired],), rng))
        beside = _blended(networks, augmented(curves.take(partner), LONGEST_COPY, rng))
        names = [data.spectra.object_id[i] for i in paired]
        blocks.append(({LIGHT_CURVE: beside, SPECTRUM: seen}, data.spectra.label[paired], names))
        alerts = data.alerts.take(alert_side)
        block = {LIGHT_CURVE: _blended(networks, augmented(alerts.curves, LONGEST_COPY, rng))}
        block[METADATA] = _run(networks.metadata, *changed_metadata(_alert_arrays(alerts, "metadata"), rng))
        block[CUTOUTS] = _run(networks.cutouts, *changed_cutouts(_alert_arrays(alerts, "cutouts"), rng))
        blocks.append((block, alerts.label, alerts.alerts.object_id))
    alone = _run(networks.spectrum, channels[spectrum_side])
    names = [data.spectra.object_id[i] for i in spectrum_side]
    blocks.append(({SPECTRUM: alone}, data.spectra.label[spectrum_side], names))
    return _stacked(blocks)


def _stacked(blocks: list[tuple[dict[int, tuple[Float32Array, Float32Array]], IntArray, list[str]]]) -> FusionRows:
    total = sum(len(label) for _, label, _ in blocks)
    tokens = np.zeros((total, len(MODALITIES), TOKEN_WIDTH), np.float32)
    logits = np.zeros((total, len(MODALITIES), CLASS_COUNT), np.float32)
    present = np.zeros((total, len(MODALITIES)), np.float32)
    first, names = 0, list[str]()
    for said, label, block_names in blocks:
        rows = slice(first, first + len(label))
        for modality, (token, opinion) in said.items():
            tokens[rows, modality], logits[rows, modality] = token, opinion
            present[rows, modality] = 1.0
        first += len(label)
        names += block_names
    label = np.concatenate([part for _, part, _ in blocks])
    return FusionRows(tokens, logits, present, label, np.unique(names, return_inverse=True)[1].astype(np.int64))


def _alert_arrays(alerts: LabelledAlerts, modality: str) -> tuple[Float32Array, ...]:
    if modality == "metadata":
        return metadata_features(alerts.alerts)
    images, scale, _ = cutout_images(alerts.cutouts)
    return images, scale


def _blended(networks: Networks, curves: LightCurves) -> tuple[Float32Array, Float32Array]:
    """Tokens, and the network's logits blended with the trees' as in serving."""
    token, logits = _encode_curves(networks.light_curve, curves)
    opinion = log_probabilities(networks.trees, light_curve_statistics(pool_nights(curves)))
    return token, (1 - networks.tree_share) * logits + networks.tree_share * opinion


def _encode_curves(network: nn.Module, curves: LightCurves) -> tuple[Float32Array, Float32Array]:
    pooled = pool_nights(curves)
    buckets = bucket_lengths(pooled)
    token = np.zeros((len(pooled), TOKEN_WIDTH), np.float32)
    logits = np.zeros((len(pooled), CLASS_COUNT), np.float32)
    for length in LENGTH_BUCKETS:
        rows = np.flatnonzero(buckets == length)
        if len(rows):
            token[rows], logits[rows] = _run(network, *light_curve_tokens(pooled, rows, length))
    return token, logits


def _run(network: nn.Module, *arrays: Float32Array) -> tuple[Float32Array, Float32Array]:
    network.eval()
    parts = []
    with torch.no_grad():
        for first in range(0, len(arrays[0]), 256):
            cut = (torch.from_numpy(np.ascontiguousarray(array[first : first + 256])) for array in arrays)
            parts.append([out.numpy() for out in network(*cut)])
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _silent(_: str) -> None:
    """For fits whose progress nobody reads."""
