"""Labelled rows as the arrays that an encoder takes, through the features that serve. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from classifiers.data import LabelledAlerts, LabelledCurves, LabelledSpectra
from classifiers.features import (
    cutout_images,
    light_curve_tokens,
    metadata_features,
    pool_nights,
    spectrum_channels,
)
from classifiers.training.config import ModalityConfig
from classifiers.training.provider import Data, object_ids
from schemas.light_curve import Float32Array, FloatArray, IntArray

Arrays = tuple[Float32Array, ...]
"""What one encoder is given, rows first."""


class Examples(Protocol):
    """The labelled rows of one modality."""

    object_id: list[str]
    label: IntArray
    """(n,) index into `schemas.taxonomy.CLASSES`."""
    fine: IntArray
    """(n,) index into `schemas.taxonomy.FINE_LEAVES`, or -1."""
    weight: FloatArray
    """(n,) how often a row is drawn beside the others of its class."""

    def batch(self, rows: IntArray, rng: np.random.Generator) -> Arrays:
        """Changed copies of some rows."""
        ...


@dataclass(slots=True)
class ArrayExamples:
    """Rows of fixed-size arrays: metadata, cutouts, spectra."""

    object_id: list[str]
    label: IntArray
    fine: IntArray
    weight: FloatArray
    arrays: Arrays
    change: Callable[[Arrays, np.random.Generator], Arrays]

    def batch(self, rows: IntArray, rng: np.random.Generator) -> Arrays:
        """Changed copies of some rows."""
        return self.change(tuple(array[rows] for array in self.arrays), rng)

    def take(self, rows: IntArray) -> ArrayExamples:
        """Some rows."""
        names = [self.object_id[int(i)] for i in rows]
        arrays = tuple(array[rows] for array in self.arrays)
        return ArrayExamples(names, self.label[rows], self.fine[rows], self.weight[rows], arrays, self.change)


@dataclass(slots=True)
class CurveExamples:
    """Rows of light curves of several inputs, each of one survey; changed and cut short before they become tokens."""

    object_id: list[str]
    label: IntArray
    fine: IntArray
    weight: FloatArray
    parts: list[LabelledCurves]
    starts: IntArray
    """(parts + 1,) first row of each input."""
    change: Callable[..., Any]
    """change(curves, longest, rng) -> changed curves, of at least one detection each."""
    lengths: dict[int, float]
    """Longest curve of a batch, and how often such a batch comes."""

    def batch(self, rows: IntArray, rng: np.random.Generator) -> Arrays:
        """Tokens and masks of changed copies of some rows, of one length drawn for the batch."""
        share = np.array(list(self.lengths.values()))
        longest = int(rng.choice(list(self.lengths), p=share / share.sum()))
        tokens: list[Float32Array] = []
        places: list[IntArray] = []
        for k, part in enumerate(self.parts):
            mine = np.flatnonzero((rows >= self.starts[k]) & (rows < self.starts[k + 1]))
            if len(mine):
                changed = self.change(part.curves.take(rows[mine] - self.starts[k]), longest, rng)
                tokens.append(np.concatenate(_with_mask(changed, longest), axis=2))
                places.append(mine)
        order = np.argsort(np.concatenate(places), kind="stable")
        both = np.concatenate(tokens)[order]
        return both[:, :, :-1], both[:, :, -1]


def _with_mask(curves: Any, longest: int) -> tuple[Float32Array, Float32Array]:
    tokens, mask = light_curve_tokens(pool_nights(curves), np.arange(len(curves)), longest)
    return tokens, mask[:, :, None]


def examples_of(modality: str, config: ModalityConfig, data: Data, *sides: int) -> Any:
    """The labelled rows of one modality on some sides: `CurveExamples` or `ArrayExamples`."""
    kinds = {"light_curve": LabelledCurves, "spectrum": LabelledSpectra}
    kind: Any = kinds.get(modality, LabelledAlerts)
    parts = data.of(kind, config.data, *sides)
    weights = data.weights(config.data)
    if modality == "light_curve":
        starts = np.cumsum([0, *(len(part.label) for part in parts)]).astype(np.int64)
        return CurveExamples(*_common(parts, weights), parts, starts, config.change, config.lengths)
    blocks = [arrays_of(modality, part) for part in parts]
    kept = [np.flatnonzero(usable) for _, usable in blocks]
    parts = [part.take(rows) for part, rows in zip(parts, kept, strict=True)]
    arrays = [[array[rows] for array in arrays] for (arrays, _), rows in zip(blocks, kept, strict=True)]
    joined = tuple(np.concatenate(column) for column in zip(*arrays, strict=True))
    return ArrayExamples(*_common(parts, weights), joined, config.change)


def _common(parts: list[Any], weights: list[float]) -> tuple[list[str], IntArray, IntArray, FloatArray]:
    """Names, labels, leaves and weights of the rows of several inputs, one after another."""
    return (
        [name for part in parts for name in object_ids(part)],
        np.concatenate([part.label for part in parts]),
        np.concatenate([part.fine for part in parts]),
        np.concatenate([np.full(len(part.label), weight) for part, weight in zip(parts, weights, strict=True)]),
    )


def arrays_of(modality: str, rows: Any) -> tuple[Arrays, Any]:
    """The arrays of alerts or spectra, by the features that serve, and which rows have the modality, (n,) bool."""
    if modality == "metadata":
        values, known = metadata_features(rows.alerts)
        return (values, known), known.any(1)
    if modality == "cutouts":
        images, scale, seen = cutout_images(rows.cutouts)
        return (images, scale), seen
    channels, usable = spectrum_channels(rows.spectra)
    return (channels,), usable
