"""Where ZTF's stamps have no pixels: beyond the chip they are cropped, masked pixels are NaN."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from schemas.light_curve import FloatArray, IntArray
from streamer.simulate.images.psf import Sources
from streamer.simulate.scene import Field

BoolArray = npt.NDArray[np.bool_]

BLANK = np.float32(-3.4028235e38)
"""What some templates hold in place of NaN: float32's lowest number."""

_BLANK_SHARE = 0.05
"""Share of exposures whose templates have it (6 of 116 stamps with masked pixels)."""

_EDGE_KEY = 14
"""Of the field's random streams."""

_EDGE_CHANCE = (0.5, 0.1, 0.5, 0.1)
"""That an exposure's left, right, lower and upper edge lacks a strip that the reference image does not cover; of 28
stripes in 900 stamps 11, 1, 12 and 2 are there."""

_EDGE_PX = (30.0, 190.0)
"""Widths of such strips: uniform between these."""

_EDGE_STEP = 9
"""The strip's border is ragged in steps of about so many pixels."""

_SATURATION = 45_000.0
"""Peak above which a star is masked [DN]."""

_DEFECTS = 0.10
"""Masked squares at bad pixels, a stamp on average."""

_DEFECT_SIDES = (7, 7, 8, 9, 12, 12, 12, 17)
"""Sides of masked squares, as often as listed: a bad pixel or a saturated star's core, grown by 3 pixels or more."""

_BAD_COLUMNS = 0.006
"""Stamps that a masked column crosses, 7 pixels wide."""


def window(position_px: FloatArray, chip_px: tuple[int, int], side: int) -> IntArray:
    """(n, 4) first and last-but-one row, first and last-but-one column of stamps that lie on the chip.

    `position_px` (n, 2) counts from 1, as ZTF does; 18 of 2,700 real stamps are cropped so.
    """
    corner = np.rint(position_px).astype(np.int64) - side // 2
    begin = np.maximum(1 - corner, 0)
    end = np.minimum(np.array(chip_px) + 1 - corner, side)
    return np.stack([begin[:, 1], end[:, 1], begin[:, 0], end[:, 0]], axis=1)


def masked(
    rng: np.random.Generator,
    field: Field,
    exposure: IntArray,
    position_px: FloatArray,
    sources: Sources,
    peak_per_flux: FloatArray,
    side: int,
) -> BoolArray:
    """(n, side, side) masked pixels: uncovered edges, saturated stars, bad pixels and columns.

    `sources` are all that shines, `peak_per_flux` (n,) the brightest pixel of a point of unit flux.
    """
    mask = _edges(rng, field, exposure, position_px, side)
    n = len(exposure)
    peak = sources.flux * peak_per_flux[sources.row] * (sources.width_px < 0.2)
    bright = np.flatnonzero(peak > _SATURATION)
    for i in bright.tolist():
        size = 12 + 2 * int(3.0 * np.log(peak[i] / _SATURATION))
        _square(mask[sources.row[i]], sources.x_px[i], sources.y_px[i], size)
    for row in np.repeat(np.arange(n), rng.poisson(_DEFECTS, n)).tolist():
        x, y = rng.uniform(-side / 2.0 - 3.0, side / 2.0 + 3.0, 2)
        _square(mask[row], x, y, int(rng.choice(_DEFECT_SIDES)))
    for row in np.flatnonzero(rng.random(n) < _BAD_COLUMNS).tolist():
        column = int(rng.integers(0, side - 7))
        if abs(column + 3 - side // 2) > 6:
            mask[row, :, column : column + 7] = True
    return mask


def blank_templates(field: Field, exposure: IntArray) -> BoolArray:
    """(n,) whether the templates of exposures hold `BLANK` where they are masked."""
    blank: BoolArray = (field.generator(_EDGE_KEY, 1).random(len(field.exposures)) < _BLANK_SHARE)[exposure]
    return blank


def _square(mask: BoolArray, x: float, y: float, size: int) -> None:
    """Masks a square about (x, y), unless it covers the middle: nothing is found on masked pixels."""
    side = len(mask)
    if max(abs(x), abs(y)) < size / 2.0 + 2.5:
        return
    row, column = round(y) + side // 2 - size // 2, round(x) + side // 2 - size // 2
    mask[max(row, 0) : max(row + size, 0), max(column, 0) : max(column + size, 0)] = True


def _edges(rng: np.random.Generator, field: Field, exposure: IntArray, position_px: FloatArray, side: int) -> BoolArray:
    """Strips along the chip's edges that the reference image does not cover; they never reach the source itself."""
    drawn = field.generator(_EDGE_KEY)
    shape = (len(field.exposures), 4)
    width = np.where(drawn.random(shape) < _EDGE_CHANCE, drawn.uniform(*_EDGE_PX, shape), 0.0)[exposure]
    x, y = position_px.T
    chip_width, chip_height = field.survey.cell_px
    distance = np.stack([x, chip_width - x, y, chip_height - y], axis=1)
    # Pixels from the source to the strip; farther than the stamp where there is none.
    gap = np.where((width > 0.0) & (distance > width), np.maximum(distance - width, 5.0), side)
    steps = side // _EDGE_STEP + 1
    ragged = np.repeat(rng.integers(0, 4, (len(exposure), steps)), _EDGE_STEP, axis=1)[:, None, :side]
    reach = np.arange(side) - side // 2
    free = gap[:, :, None] + ragged
    across, up = reach[None, None, :], reach[None, :, None]
    mask: BoolArray = across < -free[:, 0, :, None]
    mask = mask | (across > free[:, 1, :, None]) | (up < -free[:, 2, None, :]) | (up > free[:, 3, None, :])
    return mask
