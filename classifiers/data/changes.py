"""Random changes of arrays while training: turned stamps, hidden metadata. Serving never uses them."""

from __future__ import annotations

import numpy as np

from schemas.light_curve import Float32Array

HIDDEN_SHARE = 0.35
"""Share of metadata values hidden."""

Arrays = tuple[Float32Array, ...]


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
