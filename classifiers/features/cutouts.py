"""Cutouts as images of one small size: cropped or padded about their centre, NaN masked, normalised robustly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from schemas.cutout import PIXEL_SCALE_ARCSEC, STAMPS, CutoutTriplet
from schemas.light_curve import Float32Array

IMAGE_SIZE = 32
"""Height and width of an image [pixels]; ZTF's 63 are cropped to their middle, LSST's 30 are padded."""

BRIGHTEST = 1e30
"""Pixels at or beyond this are masked: saturated templates hold 3.4e38."""

LARGEST = 1e6
"""Standardised pixels are clipped to +- this."""

BLOCK = 16
"""Alerts that are worked on at once, so that their pixels stay in the processor's cache."""

NOISE_STEP = 2
"""Median and scatter are taken over every this many-th row and column: as robust, a quarter of the cost."""

IMAGE_CHANNELS: tuple[str, ...] = (*STAMPS, "mask")
"""Channels of an image, in order; the mask is the fraction of the three stamps that are good in a pixel."""

_CENTRE = IMAGE_SIZE // 2


def cutout_images(
    cutouts: Sequence[CutoutTriplet],
) -> tuple[Float32Array, Float32Array, npt.NDArray[np.bool_]]:
    """Images of n alerts, their log10 pixel scale, and which alerts have any good pixel.

    Shapes (n, 4, IMAGE_SIZE, IMAGE_SIZE) float32, (n, 1) float32, (n,) bool. A stamp becomes
    sign(z) ln(1 + |z|) with z = (pixel - median) / scatter, scatter = 1.4826 x median absolute deviation; a masked
    pixel is 0. The units (DN or nJy) divide out.
    """
    n = len(cutouts)
    images = np.empty((n, len(IMAGE_CHANNELS), IMAGE_SIZE, IMAGE_SIZE), np.float32)
    scale = np.array([[np.log10(PIXEL_SCALE_ARCSEC[triplet.survey])] for triplet in cutouts], np.float32)
    present = np.zeros(n, np.bool_)
    for first in range(0, n, BLOCK):
        block = slice(first, first + BLOCK)
        present[block] = _standardise(_stacked(cutouts[block]), images[block])
    return images, scale.reshape(n, 1), present


def _stacked(cutouts: Sequence[CutoutTriplet]) -> Float32Array:
    """The middles of all stamps, shape (n, 3, IMAGE_SIZE, IMAGE_SIZE), NaN where there is no pixel."""
    pixels = np.full((len(cutouts), len(STAMPS), IMAGE_SIZE, IMAGE_SIZE), np.nan, np.float32)
    for i, triplet in enumerate(cutouts):
        for k, stamp in enumerate((triplet.science, triplet.template, triplet.difference)):
            if stamp is not None and stamp.ndim == 2:
                _place(stamp, pixels[i, k])
    return pixels


def _standardise(pixels: Float32Array, images: Float32Array) -> npt.NDArray[np.bool_]:
    """Fills `images` from `pixels`; returns which alerts have any good pixel."""
    good = np.abs(pixels) < BRIGHTEST
    middle, scatter = _noise(pixels, good)
    z = np.where(good, pixels, middle)
    z -= middle
    z *= np.float32(1.0) / scatter
    np.clip(z, -LARGEST, LARGEST, out=z)
    size = np.abs(z)
    size += np.float32(1.0)
    np.log(size, out=size)
    np.copysign(size, z, out=images[:, : len(STAMPS)])
    images[:, -1] = good.mean(1, dtype=np.float32)
    return np.asarray(good.any((1, 2, 3)))


def _place(stamp: Float32Array, out: Float32Array) -> None:
    """Copies the middle of a stamp into the middle of `out`, whatever the stamp's size."""
    height, width = stamp.shape
    top, left = max(0, height // 2 - _CENTRE), max(0, width // 2 - _CENTRE)
    down, right = max(0, _CENTRE - height // 2), max(0, _CENTRE - width // 2)
    rows, columns = min(height - top, IMAGE_SIZE - down), min(width - left, IMAGE_SIZE - right)
    out[down : down + rows, right : right + columns] = stamp[top : top + rows, left : left + columns]


def _noise(pixels: Float32Array, good: npt.NDArray[np.bool_]) -> tuple[Float32Array, Float32Array]:
    """Median and scatter of each stamp, both (n, 3, 1, 1) float32; 0 and 1 where a stamp has no good pixel."""
    sample = np.where(good, pixels, np.float32(np.nan))[:, :, ::NOISE_STEP, ::NOISE_STEP]
    sample = sample.reshape(*pixels.shape[:2], -1)
    middle = _median(sample)
    deviation = np.abs(sample - middle)
    scatter = np.float32(1.4826) * _median(deviation)
    flat = ~(scatter > 0)
    if flat.any():  # more than half of the sampled pixels are equal: the mean deviation still tells their size
        seen = np.isfinite(deviation)
        mean = np.where(seen, deviation, 0).sum(2, keepdims=True) / np.maximum(seen.sum(2, keepdims=True), 1)
        scatter = np.where(flat, np.where(mean > 0, mean, 1), scatter).astype(np.float32)
    return np.nan_to_num(middle)[..., None], scatter[..., None]


def _median(values: Float32Array) -> Float32Array:
    """Median of the finite values along the last axis, kept; sorting puts NaN last and is faster than nanmedian."""
    ordered = np.sort(values, axis=2)
    count = np.isfinite(values).sum(2, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, 2)
    high = np.take_along_axis(ordered, np.minimum(count // 2, values.shape[2] - 1), 2)
    return np.float32(0.5) * (low + high)
