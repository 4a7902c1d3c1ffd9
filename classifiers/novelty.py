"""How unlike the training set an alert is: the distance of its embedding from the nearest class; NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from classifiers.metrics import roc_auc
from schemas.light_curve import Float32Array, FloatArray, IntArray

SMALLEST_SPREAD = 1e-12
"""Variance below which a direction is taken for empty."""


@dataclass(frozen=True, slots=True)
class Novelty:
    """How far an embedding lies from the nearest class of the training set, as a share of the calibration objects."""

    mean: FloatArray
    """(length,) of the training embeddings."""
    directions: FloatArray
    """(length, kept) directions that the scatter within classes scales."""
    centres: FloatArray
    """(classes, kept) class means in those directions."""
    quantiles: FloatArray
    """(101,) distances of calibration objects, at 0, 1, ... 100 %."""

    @classmethod
    def unknown(cls) -> Novelty:
        """Of an evidence group that could not be calibrated; never asked, since its scores call themselves so."""
        return cls(np.zeros(1), np.zeros((1, 1)), np.zeros((1, 1)), np.zeros(101))

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


def fit_novelty(embedding: Float32Array, label: IntArray, calibration_embedding: Float32Array) -> Novelty:
    """Class centres and common scatter of the training embeddings; quantiles from the calibration ones.

    Directions in which classes scatter less than on average count as if they scattered so: what is new lies off the
    plane of the classes that the networks learnt to tell apart, and there a class's own scatter is next to nothing.
    """
    mean = embedding.mean(0).astype(np.float64)
    present = np.unique(label)
    centred = embedding.astype(np.float64) - mean
    centres = np.stack([centred[label == c].mean(0) for c in present])
    within = centred - centres[np.searchsorted(present, label)]
    spread, axes = np.linalg.eigh(within.T @ within / len(within))
    directions = axes / np.sqrt(np.maximum(spread, max(spread.mean(), SMALLEST_SPREAD)))
    novelty = Novelty(mean, directions, centres @ directions, np.zeros(101))
    quantiles = np.quantile(novelty.distance(calibration_embedding), np.linspace(0.0, 1.0, 101))
    return Novelty(mean, directions, centres @ directions, np.maximum.accumulate(quantiles + 1e-9 * np.arange(101)))


def left_out_auc(
    embedding: Float32Array, label: IntArray, unseen: Float32Array, unseen_label: IntArray, fewest: int = 5
) -> dict[int, float]:
    """How well novelty tells a class that it was fitted without from each of the others, by class: mean AUC.

    `embedding` (n, length) and `label` (n,) are those it is fitted on, `unseen` those it is asked about. The networks
    behind the embedding had learnt the class, so one that they never met may fare otherwise. Each other class counts
    alike: a score that only tells rare classes from common ones gets no credit. Classes of fewer objects are left out.
    """
    kept = [c for c in np.unique(unseen_label).tolist() if (unseen_label == c).sum() >= fewest]
    found: dict[int, float] = {}
    for novel in kept:
        rows = label != novel
        if not rows.any() or len(kept) < 2:
            continue
        distance = fit_novelty(embedding[rows], label[rows], unseen).distance(unseen)
        new = distance[unseen_label == novel]
        against = [distance[unseen_label == c] for c in kept if c != novel]
        truth = [np.arange(len(new) + len(known)) < len(new) for known in against]
        each = [roc_auc(t, np.concatenate([new, known])) for t, known in zip(truth, against, strict=True)]
        found[novel] = float(np.mean(each))
    return found
