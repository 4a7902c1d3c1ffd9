"""Random changes of arrays while training: shifted spectra, turned stamps, hidden metadata. Serving never uses them."""

from __future__ import annotations

import numpy as np

from schemas.light_curve import Float32Array

SHIFT_BINS = 6
"""Largest shift of a spectrum [bins]: redshifts differ and are not known at the time of an alert."""

HIDDEN_SHARE = 0.35
"""Share of metadata values hidden."""

Arrays = tuple[Float32Array, ...]


def changed_spectra(arrays: Arrays, rng: np.random.Generator) -> Arrays:
    """Spectra shifted along the grid, with added noise, a tilt, and their ends cut."""
    (channels,) = arrays
    n, _, bins = channels.shape
    place = np.arange(bins)[None, :] + rng.integers(-SHIFT_BINS, SHIFT_BINS + 1, (n, 1))
    inside = (place >= 0) & (place < bins)
    out = np.take_along_axis(channels, np.clip(place, 0, bins - 1)[:, None, :], 2) * inside[:, None, :]
    low, high = rng.integers(0, 25, (n, 1)), bins - rng.integers(0, 25, (n, 1))
    kept = (np.arange(bins) >= low) & (np.arange(bins) < high)
    out[:, 0] += rng.normal(size=(n, bins)) * rng.uniform(0.0, 0.15, (n, 1))
    out[:, 1] += rng.normal(0.0, 0.3, (n, 1)) * np.linspace(-1.0, 1.0, bins)
    mask = out[:, 2:] * kept[:, None, :]
    return (np.concatenate([out[:, :2] * mask, mask], 1).astype(np.float32),)


def changed_cutouts(arrays: Arrays, rng: np.random.Generator) -> Arrays:
    """Stamps turned, mirrored and shifted by up to two pixels, each batch alike; with added noise."""
    images, scale = arrays
    turned = np.rot90(images, int(rng.integers(4)), (2, 3))
    if rng.random() < 0.5:
        turned = turned[:, :, :, ::-1]
    turned = np.roll(turned, tuple(rng.integers(-2, 3, 2)), (2, 3))
    noisy = turned + rng.normal(0.0, 0.1, turned.shape) * turned[:, 3:]
    noisy[:, 3] = turned[:, 3]
    return noisy.astype(np.float32), scale


def changed_metadata(arrays: Arrays, rng: np.random.Generator) -> Arrays:
    """Metadata with some values hidden and all slightly moved."""
    values, known = arrays
    known = known * (rng.random(known.shape) >= HIDDEN_SHARE)
    return ((values + rng.normal(0.0, 0.1, values.shape)) * known).astype(np.float32), known.astype(np.float32)
