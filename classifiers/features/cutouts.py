"""Cutouts as images of one small size: cropped or padded about their centre, NaN masked, normalised robustly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from schemas.compiled import compiled
from schemas.cutout import PIXEL_SCALE_ARCSEC, STAMPS, CutoutTriplet
from schemas.light_curve import Float32Array

IMAGE_SIZE = 32
"""Height and width of an image [pixels]; ZTF's 63 are cropped to their middle, LSST's 30 are padded."""

BRIGHTEST = 1e30
"""Pixels at or beyond this are masked: saturated templates hold 3.4e38."""

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
    pixels = np.full((n, 3, IMAGE_SIZE, IMAGE_SIZE), np.nan, np.float32)
    scale = np.zeros((n, 1), np.float32)
    for i, triplet in enumerate(cutouts):
        scale[i, 0] = np.log10(PIXEL_SCALE_ARCSEC[triplet.survey])
        for k, stamp in enumerate((triplet.science, triplet.template, triplet.difference)):
            if stamp is not None and stamp.ndim == 2:
                _place(stamp, pixels[i, k])
    images = np.empty((n, len(IMAGE_CHANNELS), IMAGE_SIZE, IMAGE_SIZE), np.float32)
    present = _standardise(pixels, images)
    stamps = images[:, :3]
    magnitude = np.log(np.abs(stamps) + np.float32(1.0))
    np.copysign(magnitude, stamps, out=stamps)
    return images, scale, present


def _place(stamp: Float32Array, out: Float32Array) -> None:
    """Copies the middle of a stamp into the middle of `out`, whatever the stamp's size."""
    height, width = stamp.shape
    top, left = max(0, height // 2 - _CENTRE), max(0, width // 2 - _CENTRE)
    down, right = max(0, _CENTRE - height // 2), max(0, _CENTRE - width // 2)
    rows, columns = min(height - top, IMAGE_SIZE - down), min(width - left, IMAGE_SIZE - right)
    out[down : down + rows, right : right + columns] = stamp[top : top + rows, left : left + columns]


@compiled
def _standardise(pixels: Float32Array, images: Float32Array) -> npt.NDArray[np.bool_]:
    n = pixels.shape[0]
    present = np.zeros(n, np.bool_)
    sample = np.empty((IMAGE_SIZE // NOISE_STEP) ** 2, np.float32)
    for i in range(n):
        images[i, 3] = 0.0
        for k in range(3):
            count = 0
            for y in range(0, IMAGE_SIZE, NOISE_STEP):
                for x in range(0, IMAGE_SIZE, NOISE_STEP):
                    value = pixels[i, k, y, x]
                    if abs(value) < BRIGHTEST:
                        sample[count] = value
                        count += 1
            if count == 0:
                images[i, k] = 0.0
                continue
            middle = np.median(sample[:count])
            scatter = np.float32(1.4826) * np.median(np.abs(sample[:count] - middle))
            if not scatter > 0:
                scatter = np.std(sample[:count])
            if not scatter > 0:
                scatter = np.float32(1.0)
            inverse = np.float32(1.0) / scatter
            present[i] = True
            for y in range(IMAGE_SIZE):
                for x in range(IMAGE_SIZE):
                    value = pixels[i, k, y, x]
                    if abs(value) < BRIGHTEST:
                        images[i, k, y, x] = min(max((value - middle) * inverse, -1e6), 1e6)
                        images[i, 3, y, x] += np.float32(1.0 / 3.0)
                    else:
                        images[i, k, y, x] = 0.0
    return present
