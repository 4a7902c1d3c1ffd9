"""Stages of a run after the encoders: trees, their share, and the fusion of all that was fitted. Needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
import torch
from torch import Tensor, nn

from classifiers.data import LabelledAlerts, LabelledCurves, LabelledSpectra, cut_short
from classifiers.data.augment import only_detections
from classifiers.features import light_curve_statistics, pool_nights
from classifiers.models.layers import CLASS_COUNT, TOKEN_WIDTH
from classifiers.opinion import log_probabilities
from classifiers.training.config import ConfigError
from classifiers.training.encoders import class_balance, draw, encode, encode_curves, strength_of
from classifiers.training.examples import arrays_of
from classifiers.training.losses import fine_loss
from classifiers.training.provider import CALIBRATE, TRAIN, Data, object_ids
from classifiers.training.run import Run
from classifiers.training.strengths import fit_strengths
from classifiers.trees import class_weights
from schemas.light_curve import Float32Array, FloatArray, IntArray, LightCurves
from schemas.taxonomy import MODALITIES

LIGHT_CURVE = MODALITIES.index("light_curve")

SHARE_COPIES = 6
"""Truncations of each calibration curve by which the trees' share is chosen."""

TREES = "trees.txt"
"""The fitted trees, in a run's folder."""

Said = tuple[Float32Array, Float32Array]
"""Tokens and logits of some rows of one modality."""


def fit_trees(run: Run, data: Data) -> lightgbm.Booster:
    """The light-curve trees, fitted by the configured method as `method(inputs, weights, rng, **options)`."""
    path = run.folder / TREES
    if not path.is_file():
        names = run.config.trees.data
        inputs = data.of(LabelledCurves, names, TRAIN)
        if not (count := sum(len(each.label) for each in inputs)):
            raise ConfigError(f"trees.data: no training curves in {', '.join(names)}")
        run.tracker.say(f"trees: {count} curves")
        fitted: lightgbm.Booster = run.config.trees.method(inputs, data.weights(names), run.rng("trees"))
        fitted.save_model(str(path))
    return lightgbm.Booster(model_file=str(path))


@dataclass(slots=True)
class Fitted:
    """What was fitted before the fusion."""

    encoders: dict[str, nn.Module]
    """By modality, those that are on."""
    trees: lightgbm.Booster
    tree_share: float


def choose_share(run: Run, data: Data, fitted: Fitted) -> tuple[float, float]:
    """The trees' share in the light curve's logits and the strength of the blend, by the calibration side's loss."""
    if "light_curve" not in fitted.encoders:
        return 0.0, 0.0
    rng = run.rng("share")
    config = run.config
    sides = [s for s in data.of(LabelledCurves, config.modality("light_curve").data, CALIBRATE) if len(s.label)]
    if not sides:
        return config.trees.shares[0], 1.0
    copies = [(side, cut_short(side.curves, config.fusion.longest, rng)) for side in sides for _ in range(SHARE_COPIES)]
    network = np.concatenate([encode_curves(run, fitted.encoders["light_curve"], curves)[1] for _, curves in copies])
    trees = np.concatenate([_opinion(fitted.trees, curves) for _, curves in copies])
    label = np.concatenate([side.label for side, _ in copies])
    tried = [(*strength_of((1 - share) * network + share * trees, label), share) for share in config.trees.shares]
    strength, _, share = min(tried, key=lambda each: each[1])
    return share, strength


def joint_strengths(run: Run, data: Data, fitted: Fitted, strengths: dict[str, float]) -> dict[str, float]:
    """Strengths of metadata and cutouts beside the light curve, fitted together on the calibration side's alerts.

    Each alone has been fitted before; what two modalities both know is not to count twice.
    """
    free = [name for name in ("metadata", "cutouts") if name in fitted.encoders]
    if not free:
        return strengths
    label: list[IntArray] = []
    blocks: list[Float32Array] = []
    for part in data.of(LabelledAlerts, run.config.modality(free[0]).data, CALIBRATE):
        logits = np.zeros((len(part), len(MODALITIES), CLASS_COUNT), np.float32)
        if "light_curve" in fitted.encoders:
            logits[:, LIGHT_CURVE] = blend(run, fitted, part.curves)[1]
        for name in free:
            arrays, usable = arrays_of(name, part)
            rows = np.flatnonzero(usable)
            said = encode(run, fitted.encoders[name], tuple(array[rows] for array in arrays))
            logits[rows, MODALITIES.index(name)] = said[1]
        blocks.append(logits)
        label.append(part.label)
    known = np.concatenate(label)
    if not len(known):
        return strengths
    start = np.array([strengths.get(name, 0.0) for name in MODALITIES])
    loose = np.isin(MODALITIES, free)
    found = fit_strengths(np.concatenate(blocks), known, class_weights(known), start, loose)
    return strengths | {name: float(found[MODALITIES.index(name)]) for name in free}


@dataclass(frozen=True, slots=True)
class FusionRows:
    """What the encoders said of the training objects, one row for each curve, spectrum, pair or alert."""

    tokens: Float32Array
    """(rows, modalities, width)"""
    logits: Float32Array
    """(rows, modalities, classes)"""
    present: Float32Array
    """(rows, modalities)"""
    label: IntArray
    fine: IntArray
    weight: FloatArray
    """(rows,) how often a row is drawn beside the others of its class."""
    object_index: IntArray
    """(rows,) the same for rows of one object."""


@dataclass(frozen=True, slots=True)
class Block:
    """Rows that have the same modalities."""

    said: dict[int, Said]
    rows: Any
    """The noun that the labels come from."""
    weight: float = 1.0
    """Of each row."""


def fusion_rows(run: Run, data: Data, fitted: Fitted, side: int = TRAIN) -> FusionRows:
    """Changed copies of all rows of a side: curves alone, spectra alone and with the object's curve, whole alerts."""
    rng = run.rng(f"fusion/rows/{side}")
    blocks: list[Block] = []
    for _ in range(run.config.fusion.copies):
        blocks += _curve_blocks(run, data, fitted, side, rng)
        blocks += _spectrum_blocks(run, data, fitted, side, rng)
        blocks += _alert_blocks(run, data, fitted, side, rng)
    return _stacked([block for block in blocks if block.said and len(block.rows.label)])


def fit_fusion(run: Run, rows: FusionRows, strengths: dict[str, float]) -> nn.Module:
    """The embedding, its heads and the missing tokens, over what the fitted encoders said.

    Modalities are dropped at random. Where an object has several, one of them alone and the others are pulled together
    (a contrastive term, as AstroCLIP's: Parker et al. 2024), so that a light curve finds its own spectrum.
    """
    config = run.config.fusion
    fusion: Any = run.build(config.model, "fusion")
    fusion.strength.copy_(torch.tensor([strengths.get(name, 0.0) for name in MODALITIES]))
    fusion.head_strength.fill_(config.head_strength)
    weight = run.tensor(class_balance(rows.label, rows.weight))
    several = np.flatnonzero(rows.present.sum(1) > 1)

    def loss_of(rng: np.random.Generator) -> Tensor:
        chosen = draw(rows.label, rows.weight, config.fit.batch, rng)
        label, fine = run.tensor(rows.label[chosen]), run.tensor(rows.fine[chosen])
        tokens = run.tensor(rows.tokens[chosen])
        views = [fusion.embed(tokens, run.tensor(some(rows.present[chosen], rng))) for _ in range(2)]
        loss: Tensor = sum((config.loss(fusion.head_logits(view), label, weight) for view in views), tokens.sum() * 0.0)
        for view in views:
            loss = loss + config.fine_weight * fine_loss(fusion.fine_logits(view), fine)
        if not config.contrastive_weight or not len(several):
            return loss
        chosen = rng.choice(several, config.fit.batch)
        tokens = run.tensor(rows.tokens[chosen])
        one, other = (fusion.embed(tokens, run.tensor(side)) for side in two_sides(rows.present[chosen], rng))
        near = contrast(one, other, run.tensor(rows.object_index[chosen]), config.contrastive_temperature)
        return loss + config.contrastive_weight * near

    run.fit("fusion", config.fit, fusion, loss_of)
    network: nn.Module = fusion
    return network


def fit_head_strength(run: Run, fusion: nn.Module, rows: FusionRows) -> float:
    """Weight of the embedding's own class logits beside the encoders', by the calibration side's `rows`; sets it.

    On the training side the tokens know their objects, so there the head would seem to be right far too often.
    """
    parts: Any = fusion
    with torch.no_grad():
        tokens, logits, present = (run.tensor(array) for array in (rows.tokens, rows.logits, rows.present))
        head = parts.head_logits(parts.embed(tokens, present))
        others = (logits * (present * parts.strength)[:, :, None]).sum(1)
        both = torch.stack([others, head], 1).cpu().numpy()
        start = np.array([1.0, run.config.fusion.head_strength])
        found = fit_strengths(both, rows.label, class_weights(rows.label), start, np.array([False, True]))
        parts.head_strength.fill_(float(found[1]))
    return float(found[1])


def some(present: Float32Array, rng: np.random.Generator) -> Float32Array:
    """A random subset of the present modalities of each row, never empty."""
    drawn = rng.random(present.shape).astype(np.float32) * present
    kept = drawn > rng.choice([0.0, 0.3, 0.6], (len(present), 1))
    best = drawn >= drawn.max(1, keepdims=True)
    chosen: Float32Array = (present * (kept | best)).astype(np.float32)
    return chosen


def two_sides(present: Float32Array, rng: np.random.Generator) -> tuple[Float32Array, Float32Array]:
    """One present modality of each row, and its others: rows of two modalities or more."""
    drawn = rng.random(present.shape) * present
    one = (drawn >= drawn.max(1, keepdims=True)).astype(np.float32)
    return one, present - one


def contrast(one: Tensor, other: Tensor, object_index: Tensor, temperature: float) -> Tensor:
    """InfoNCE between two views (van den Oord et al. 2018); rows of one object are never each other's negatives."""
    similarity = one @ other.T / temperature
    same = object_index[:, None] == object_index[None, :]
    same.fill_diagonal_(False)
    own = torch.arange(len(one), device=one.device)
    return nn.functional.cross_entropy(similarity.masked_fill(same, -1e4), own)


def _curve_blocks(run: Run, data: Data, fitted: Fitted, side: int, rng: np.random.Generator) -> list[Block]:
    if "light_curve" not in fitted.encoders:
        return []
    names = run.config.modality("light_curve").data
    parts = zip(data.of(LabelledCurves, names, side), data.weights(names), strict=True)
    return [
        Block({LIGHT_CURVE: _blended(run, fitted, part.curves, rng)}, part, weight)
        for part, weight in parts
        if len(part.label)
    ]


def _spectrum_blocks(run: Run, data: Data, fitted: Fitted, side: int, rng: np.random.Generator) -> list[Block]:
    """Spectra of the objects that have a curve too with it, the others alone."""
    if "spectrum" not in fitted.encoders:
        return []
    config, blocks = run.config, list[Block]()
    curves = data.of(LabelledCurves, config.modality("light_curve").data, side) if _has(fitted, "light_curve") else []
    for part in data.of(LabelledSpectra, config.modality("spectrum").data, side):
        arrays, usable = arrays_of("spectrum", part)
        alone = usable.copy()
        for other in curves:
            place = {name: i for i, name in enumerate(other.object_id)}
            both = np.array([i for i in np.flatnonzero(usable) if part.object_id[i] in place], np.int64)
            if len(both):
                partner = other.curves.take(np.array([place[part.object_id[i]] for i in both], np.int64))
                said = _changed(run, fitted, "spectrum", tuple(array[both] for array in arrays), rng)
                pair = {LIGHT_CURVE: _blended(run, fitted, partner, rng), MODALITIES.index("spectrum"): said}
                blocks.append(Block(pair, part.take(both)))
                alone[both] = False
        rest = np.flatnonzero(alone)
        if len(rest):
            said = _changed(run, fitted, "spectrum", tuple(array[rest] for array in arrays), rng)
            blocks.append(Block({MODALITIES.index("spectrum"): said}, part.take(rest)))
    return blocks


def _alert_blocks(run: Run, data: Data, fitted: Fitted, side: int, rng: np.random.Generator) -> list[Block]:
    """Alerts with all that they carry; an alert of which a modality is unusable is left out here."""
    names = [name for name in ("metadata", "cutouts") if _has(fitted, name)]
    if not names:
        return []
    blocks = []
    for part in data.of(LabelledAlerts, run.config.modality(names[0]).data, side):
        arrays = {name: arrays_of(name, part) for name in names}
        whole = np.flatnonzero(np.logical_and.reduce([usable for _, usable in arrays.values()]))
        if not len(whole):
            continue
        said = {
            MODALITIES.index(name): _changed(run, fitted, name, tuple(array[whole] for array in held), rng)
            for name, (held, _) in arrays.items()
        }
        if _has(fitted, "light_curve"):
            said[LIGHT_CURVE] = _blended(run, fitted, only_detections(part.curves.take(whole)), rng)
        blocks.append(Block(said, part.take(whole)))
    return blocks


def _has(fitted: Fitted, modality: str) -> bool:
    return modality in fitted.encoders


def _changed(run: Run, fitted: Fitted, modality: str, arrays: Any, rng: np.random.Generator) -> Said:
    """What an encoder says of changed copies of arrays."""
    config = run.config.modality(modality)
    return encode(run, fitted.encoders[modality], config.change(arrays, rng))


def _blended(run: Run, fitted: Fitted, curves: LightCurves, rng: np.random.Generator) -> Said:
    """What is said of changed copies of curves."""
    return blend(run, fitted, run.config.modality("light_curve").change(curves, run.config.fusion.longest, rng))


def blend(run: Run, fitted: Fitted, curves: LightCurves) -> Said:
    """Tokens of curves, and the network's logits blended with the trees' as in serving."""
    token, logits = encode_curves(run, fitted.encoders["light_curve"], curves)
    if not fitted.tree_share:
        return token, logits
    return token, (1 - fitted.tree_share) * logits + fitted.tree_share * _opinion(fitted.trees, curves)


def _opinion(trees: lightgbm.Booster, curves: LightCurves) -> Float32Array:
    return log_probabilities(trees, light_curve_statistics(pool_nights(curves)))


def _stacked(blocks: list[Block]) -> FusionRows:
    total = sum(len(block.rows.label) for block in blocks)
    tokens = np.zeros((total, len(MODALITIES), TOKEN_WIDTH), np.float32)
    logits = np.zeros((total, len(MODALITIES), CLASS_COUNT), np.float32)
    present = np.zeros((total, len(MODALITIES)), np.float32)
    first = 0
    for block in blocks:
        rows = slice(first, first + len(block.rows.label))
        for modality, (token, opinion) in block.said.items():
            tokens[rows, modality], logits[rows, modality] = token, opinion
            present[rows, modality] = 1.0
        first = rows.stop
    names = [name for block in blocks for name in object_ids(block.rows)]
    return FusionRows(
        tokens,
        logits,
        present,
        np.concatenate([block.rows.label for block in blocks]),
        np.concatenate([block.rows.fine for block in blocks]),
        np.concatenate([np.full(len(block.rows.label), block.weight) for block in blocks]),
        np.unique(names, return_inverse=True)[1].astype(np.int64),
    )
