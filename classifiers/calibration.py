"""Temperature, conformal sets and novelty: fitted on the calibration split, applied in serving; NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.light_curve import Float32Array, FloatArray, IntArray

COVERAGE = 0.9
"""Share of objects whose true class the prediction set is to hold."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Temperature exp(level + slope * ln n_detections) and the smallest score that enters a prediction set."""

    level: float
    slope: float
    threshold: float
    objects: int
    """Number of calibration objects."""
    domain: str
    """The population for which scores and sets were calibrated."""
    method: str

    @classmethod
    def from_card(cls, card: dict[str, Any]) -> Calibration:
        """From the numbers in a card."""
        return cls(**card)

    def said(self) -> dict[str, Any]:
        """What a score says of its calibration."""
        return {"domain": self.domain, "n": self.objects, "method": self.method}

    def scores(self, logits: Float32Array, n_detections: IntArray) -> Float32Array:
        """Calibrated class scores, shape (n, classes), rows summing to 1."""
        temperature = np.exp(self.level + self.slope * np.log(np.maximum(n_detections, 1)))
        return softmax(logits / temperature[:, None]).astype(np.float32)

    def sets(self, scores: Float32Array) -> npt.NDArray[np.bool_]:
        """Marginal split-conformal sets: classes at or above the threshold, and always the likeliest."""
        chosen = scores >= self.threshold
        chosen[np.arange(len(scores)), scores.argmax(1)] = True
        return chosen


def softmax(logits: npt.NDArray[np.floating]) -> FloatArray:
    """Softmax of each row."""
    raised = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True, initial=-np.inf))
    shares: FloatArray = raised / raised.sum(1, keepdims=True)
    return shares


def fit_temperature(
    logits: npt.NDArray[np.floating], label: IntArray, n_detections: IntArray, weight: FloatArray, with_slope: bool
) -> tuple[float, float]:
    """Level and slope that minimise the weighted log loss, with a weak pull to temperature 1."""
    log_n = np.log(np.maximum(n_detections, 1))
    near = np.linspace(-1.0, 1.0, 9)
    rows = np.arange(len(label))

    def loss(level: float, slope: float) -> float:
        scaled = softmax(logits / np.exp(level + slope * log_n)[:, None])
        own = np.maximum(scaled[rows, label], 1e-12)
        return float(-np.average(np.log(own), weights=weight) + 1e-3 * (level**2 + slope**2))

    level, slope, step = 0.0, 0.0, 2.0
    while step > 1e-3:  # a grid of shrinking step: the loss is smooth and has one valley
        slopes = slope + 0.3 * step * near if with_slope else np.zeros(1)
        _, level, slope = min((loss(a, b), a, b) for a in level + step * near for b in slopes)
        step /= 3.0
    return float(level), float(slope)


def conformal_threshold(scores: Float32Array, label: IntArray) -> float:
    """Smallest score of the true class that `COVERAGE` of the calibration objects reach (split conformal)."""
    own = np.sort(scores[np.arange(len(label)), label])
    place = int(np.floor((len(own) + 1) * (1.0 - COVERAGE))) - 1
    return float(own[place]) if place >= 0 else 0.0


@dataclass(frozen=True, slots=True)
class Novelty:
    """How far an embedding lies from the nearest class of the training set, as a share of the calibration objects."""

    mean: FloatArray
    """(length,) of the training embeddings."""
    directions: FloatArray
    """(length, kept) whitened principal directions within classes."""
    centres: FloatArray
    """(classes, kept) class means in those directions."""
    quantiles: FloatArray
    """(101,) distances of calibration objects, at 0, 1, ... 100 %."""

    def distance(self, embedding: Float32Array) -> FloatArray:
        """Mahalanobis distance to the nearest class centre, shape (n,)."""
        place = (embedding - self.mean) @ self.directions
        squares = (place**2).sum(1)[:, None] - 2.0 * place @ self.centres.T + (self.centres**2).sum(1)
        nearest: FloatArray = np.sqrt(np.maximum(squares.min(1), 0.0))
        return nearest

    def __call__(self, embedding: Float32Array) -> Float32Array:
        """0 (nearer than every calibration object) to 1 (farther than every one), shape (n,)."""
        return np.interp(self.distance(embedding), self.quantiles, np.linspace(0.0, 1.0, 101)).astype(np.float32)


def save_novelty(path: Path, groups: dict[str, Novelty]) -> None:
    """Writes the arrays of several groups into one npz file."""
    arrays = {f"{group}.{each.name}": getattr(n, each.name) for group, n in groups.items() for each in fields(n)}
    np.savez(path, **arrays)


def load_novelty(path: Path, groups: Sequence[str]) -> list[Novelty]:
    """The named groups of a file that `save_novelty` wrote; KeyError or ValueError where it is not such a file."""
    with np.load(path, allow_pickle=False) as arrays:
        return [Novelty(*(arrays[f"{group}.{each.name}"] for each in fields(Novelty))) for group in groups]


def fit_novelty(
    embedding: Float32Array, label: IntArray, calibration_embedding: Float32Array, kept: int = 8
) -> Novelty:
    """Class centres and common scatter of the training embeddings; quantiles from the calibration ones."""
    mean = embedding.mean(0).astype(np.float64)
    present = np.unique(label)
    centred = embedding.astype(np.float64) - mean
    centres = np.stack([centred[label == c].mean(0) for c in present])
    within = centred - centres[np.searchsorted(present, label)]
    _, spread, axes = np.linalg.svd(within / np.sqrt(len(within)), full_matrices=False)
    directions = axes[:kept].T / np.maximum(spread[:kept], 1e-6)
    novelty = Novelty(mean, directions, centres @ directions, np.zeros(101))
    quantiles = np.quantile(novelty.distance(calibration_embedding), np.linspace(0.0, 1.0, 101))
    return Novelty(mean, directions, centres @ directions, np.maximum.accumulate(quantiles + 1e-9 * np.arange(101)))
