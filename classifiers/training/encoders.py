"""Stages of a run that fit the encoders: first without labels, then with them. Needs torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from classifiers.data import LabelledAlerts, LabelledCurves, LabelledSpectra
from classifiers.features import LENGTH_BUCKETS, bucket_lengths, light_curve_tokens, pool_nights
from classifiers.models.layers import CLASS_COUNT, TOKEN_WIDTH
from classifiers.temperature import softmax
from classifiers.training.config import ConfigError, ModalityConfig
from classifiers.training.examples import ArrayExamples, Arrays, Examples, examples_of
from classifiers.training.losses import fine_loss
from classifiers.training.provider import CALIBRATE, TRAIN, Data
from classifiers.training.run import Run
from classifiers.trees import class_weights
from schemas.light_curve import Float32Array, FloatArray, IntArray, LightCurves
from schemas.taxonomy import FINE_LEAVES

FOLDS = 5
"""Folds, by object, of the out-of-fold logits that set the strength of a modality with few objects."""

ROWS_AT_ONCE = 256
"""Rows that go through a network at once where nothing is learnt."""


def pretrain(run: Run, data: Data, modality: str) -> nn.Module:
    """A new encoder of one modality, pretrained without labels where the configuration says so.

    The method is called as `method(encoder, inputs, fit, **options)`: `inputs` is a list with one of the nouns of
    `classifiers.data` for each input (training side, labels not to be looked at), and `fit(network, loss_of)` fits any
    network that holds the encoder's parts, by checkpointed steps (`classifiers.training.run.LossOf`).
    """
    config = run.config.modality(modality)
    encoder = run.build(config.model, modality)
    if config.pretraining:
        recipe = config.pretraining
        kinds: dict[str, Any] = {"light_curve": LabelledCurves, "spectrum": LabelledSpectra}
        inputs = data.of(kinds.get(modality, LabelledAlerts), recipe.data, TRAIN)
        recipe.method(encoder, inputs, Fit(run, f"{modality}/pretraining", recipe.fit))
        encoder.eval()
    return encoder


class Fit:
    """What a pretraining method fits with."""

    def __init__(self, run: Run, name: str, recipe: Any) -> None:
        self._run, self._name, self._recipe = run, name, recipe
        self.batch: int = recipe.batch

    def __call__(self, network: nn.Module, loss_of: Any) -> None:
        """Fits the network in place, with checkpoints, bars and logs."""
        self._run.fit(self._name, self._recipe, network.to(self._run.device), loss_of)

    def tensor(self, array: Any) -> Any:
        """An array on the run's device."""
        return self._run.tensor(array)


def fit_encoder(run: Run, data: Data, modality: str, encoder: nn.Module) -> float:
    """Fits an encoder in place on the training side; returns the strength of its logits."""
    config = run.config.modality(modality)
    examples = examples_of(modality, config, data, TRAIN)
    if not len(examples.label):
        raise ConfigError(f"modalities.{modality}: no training rows in {', '.join(config.data)}; set enabled: false")
    run.tracker.say(f"{modality}: {len(examples.label)} rows of {len(set(examples.object_id))} objects")
    strength = 1.0
    if config.strength_from == "folds":
        strength = _strength_from_folds(run, data, modality, encoder)
    fit_examples(run, modality, config, encoder, examples)
    if config.strength_from == "calibrate" and modality != "light_curve":
        known = examples_of(modality, config, data, CALIBRATE)
        strength, _ = strength_of(encode(run, encoder, known.arrays)[1], known.label)
    return strength


def fit_examples(run: Run, name: str, config: ModalityConfig, encoder: nn.Module, examples: Examples) -> None:
    """Fits an encoder to some labelled rows; where `fine_weight` is set its token is to tell the finer type too."""
    weight = run.tensor(class_balance(examples.label, examples.weight))
    fine_head = run.build_linear(f"{name}/fine", TOKEN_WIDTH, len(FINE_LEAVES))
    size = min(config.fit.batch, 2 * len(examples.label))

    def loss_of(rng: np.random.Generator) -> torch.Tensor:
        rows = draw(examples.label, examples.weight, size, rng)
        token, logits = encoder(*(run.tensor(array) for array in examples.batch(rows, rng)))
        loss: torch.Tensor = config.loss(logits, run.tensor(examples.label[rows]), weight)
        if config.fine_weight:
            loss = loss + config.fine_weight * fine_loss(fine_head(token), run.tensor(examples.fine[rows]))
        return loss

    run.fit(name, config.fit, nn.ModuleList([encoder, fine_head]), loss_of)


def restored(run: Run, modality: str) -> nn.Module:
    """The fitted encoder of a run; ConfigError where it has not been fitted to the end."""
    config = run.config.modality(modality)
    encoder = run.build(config.model, modality)
    fine_head = run.build_linear(f"{modality}/fine", TOKEN_WIDTH, len(FINE_LEAVES))
    run.restore(modality, config.fit, nn.ModuleList([encoder, fine_head]))
    return encoder


def draw(label: IntArray, weight: Any, size: int, rng: np.random.Generator) -> IntArray:
    """Rows drawn with classes between as they come and alike (square root of their counts)."""
    share = np.sqrt(class_weights(label, weight)) * weight
    rows: IntArray = rng.choice(len(label), size, p=share / share.sum())
    return rows


def class_balance(label: IntArray, weight: FloatArray | None = None) -> Float32Array:
    """Square roots of the class weights, (classes,): the other half of the balance."""
    balanced = np.zeros(CLASS_COUNT)
    balanced[label] = np.sqrt(class_weights(label, weight))
    balance: Float32Array = (balanced / balanced[label].mean()).astype(np.float32)
    return balance


def _strength_from_folds(run: Run, data: Data, modality: str, encoder: nn.Module) -> float:
    """Strength from logits of objects in folds that a copy of the encoder was not fitted on; the test side is not seen.

    For a modality with so few objects that the calibration side alone says little.
    """
    config = run.config.modality(modality)
    examples: ArrayExamples = examples_of(modality, config, data, TRAIN, CALIBRATE)
    fold = np.unique(examples.object_id, return_inverse=True)[1] % FOLDS
    logits = np.zeros((len(fold), CLASS_COUNT), np.float32)
    start = {name: value.clone() for name, value in encoder.state_dict().items()}
    for k in range(FOLDS):
        copy = run.build(config.model, f"{modality}/fold-{k}")
        copy.load_state_dict(start)
        fit_examples(run, f"{modality}/fold-{k}", config, copy, examples.take(np.flatnonzero(fold != k)))
        left_out = np.flatnonzero(fold == k)
        logits[left_out] = encode(run, copy, tuple(array[left_out] for array in examples.arrays))[1]
    return strength_of(logits, examples.label)[0]


STRENGTHS: FloatArray = np.concatenate([[0.0], np.geomspace(0.02, 4.0, 81)])
"""Strengths that are tried: 0 for a modality that tells nothing, beyond 1 for one that is too timid."""


def strength_of(logits: npt.NDArray[np.floating], label: IntArray) -> tuple[float, float]:
    """The factor on logits that gives the least class-weighted log loss, and that loss.

    The logits are of objects that the encoder was not fitted on; (1, 0) where there is none.
    """
    if not len(label):
        return 1.0, 0.0
    weight, rows = class_weights(label), np.arange(len(label))
    losses = [
        float(-np.average(np.log(np.maximum(softmax(strength * logits)[rows, label], 1e-12)), weights=weight))
        for strength in STRENGTHS.tolist()
    ]
    best = int(np.argmin(losses))
    return float(STRENGTHS[best]), losses[best]


def encode(run: Run, encoder: nn.Module, arrays: Arrays) -> tuple[Float32Array, Float32Array]:
    """Tokens and logits of rows of arrays."""
    encoder.eval()
    token = np.zeros((len(arrays[0]), TOKEN_WIDTH), np.float32)
    logits = np.zeros((len(arrays[0]), CLASS_COUNT), np.float32)
    with torch.no_grad():
        for first in range(0, len(token), ROWS_AT_ONCE):
            rows = slice(first, first + ROWS_AT_ONCE)
            said = encoder(*(run.tensor(array[rows]) for array in arrays))
            token[rows], logits[rows] = (each.cpu().numpy() for each in said)
    return token, logits


def encode_curves(run: Run, encoder: nn.Module, curves: LightCurves) -> tuple[Float32Array, Float32Array]:
    """Tokens and logits of light curves, in buckets of length as in serving."""
    pooled = pool_nights(curves)
    buckets = bucket_lengths(pooled)
    token = np.zeros((len(pooled), TOKEN_WIDTH), np.float32)
    logits = np.zeros((len(pooled), CLASS_COUNT), np.float32)
    for length in LENGTH_BUCKETS:
        rows = np.flatnonzero(buckets == length)
        if len(rows):
            token[rows], logits[rows] = encode(run, encoder, light_curve_tokens(pooled, rows, length))
    return token, logits
