"""Light curves cut alike whatever their source, so that cadence, length and noise tell little of the class.

Supernovae, AGN, CVs and TDEs of labelled sets come from different sources, and raw curves betray the source. What is
left here of a curve is: the absolute flux of its detections, merged to one a band and night; `n` consecutive ones at a
random place within `WINDOW_DAYS`; the error that any source has at that magnitude; times counted from the first. No
sign, no upper limit, no forced photometry, no absolute time. Training and test curves are cut by the same function.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from classifiers.data.augment import ZERO_POINT_NJY, common_errors, with_fluxes
from schemas.light_curve import BANDS, DETECTION, FloatArray, IntArray, LightCurves

MATCHED_COUNTS: tuple[int, ...] = (3, 5, 8)
"""Numbers of detections of a matched curve."""

WINDOW_DAYS = 30.0
"""Longest time from the first to the last detection of a matched curve [d]."""

FIRST_MJD = 59_000.0
"""Time of the first detection of every matched curve [d]: seasons and survey years are gone."""

COMMON_BRIGHTEST_MAG = 18.5
"""Magnitude of the brightest detection once brightness is removed [AB mag]."""


def matched(
    curves: LightCurves, n: int, rng: np.random.Generator, with_level: bool = True
) -> tuple[LightCurves, IntArray]:
    """`n` detections of each curve that has them within `WINDOW_DAYS`, cut as this module says.

    Returns the k cut curves and the index (k,) of the curve each was cut from, ascending. Call it again for another
    place. Without level the brightest detection of every curve is brought to `COMMON_BRIGHTEST_MAG`.
    """
    windows, index = random_windows(merged_by_night(curves), n, rng)
    level = windows if with_level else without_level(windows)
    return with_common_errors(level), index


def merged_by_night(curves: LightCurves) -> LightCurves:
    """Absolute fluxes of the detections, one for each band and whole day of `mjd_tai` (Palomar's night has one).

    Weighted by the inverse variance, at the mean time; detections without flux, error or known band are left out.
    """
    usable = (curves.kind == DETECTION) & (curves.band < len(BANDS)) & np.isfinite(curves.mjd_tai)
    usable &= np.isfinite(curves.flux_njy) & np.isfinite(curves.flux_err_njy) & (curves.flux_err_njy > 0)
    owner = np.repeat(np.arange(len(curves)), np.diff(curves.offsets))[usable]
    mjd, band = curves.mjd_tai[usable], curves.band[usable].astype(np.int64)
    flux, err = np.abs(curves.flux_njy[usable].astype(np.float64)), curves.flux_err_njy[usable].astype(np.float64)
    key = np.stack([owner, np.floor(mjd).astype(np.int64), band], axis=1)
    cells, cell = np.unique(key, axis=0, return_inverse=True)
    cell = cell.reshape(-1)
    total = _sums(cell, len(cells))
    weight = total(err**-2)
    mean_mjd, mean_flux = total(mjd) / total(np.ones(len(mjd))), total(flux * err**-2) / weight
    order = np.lexsort((mean_mjd, cells[:, 0]))
    counts = np.bincount(cells[:, 0], minlength=len(curves))
    return LightCurves(
        curves.survey,
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        mean_mjd[order],
        mean_flux[order].astype(np.float32),
        (weight**-0.5)[order].astype(np.float32),
        cells[order, 2].astype(np.uint8),
        np.full(len(cells), DETECTION, np.uint8),
    )


def random_windows(curves: LightCurves, n: int, rng: np.random.Generator) -> tuple[LightCurves, IntArray]:
    """`n` consecutive tokens of each curve that has them within `WINDOW_DAYS`, every such place equally likely.

    Returns the cut curves, each beginning at `FIRST_MJD`, and which curves they were cut from.
    """
    if n < 1:
        raise ValueError(f"a window holds one detection or more, not {n}")
    tokens = len(curves.mjd_tai)
    begin = np.arange(max(tokens - n + 1, 0))
    owner = np.repeat(np.arange(len(curves)), np.diff(curves.offsets))
    fits = (owner[begin] == owner[begin + n - 1]) & (
        curves.mjd_tai[begin + n - 1] - curves.mjd_tai[begin] <= WINDOW_DAYS
    )
    places = begin[fits]
    chance = rng.random(len(places))
    order = np.lexsort((chance, owner[places]))
    index, first = np.unique(owner[places][order], return_index=True)
    start = places[order][first]
    taken = (start[:, None] + np.arange(n)).reshape(-1)
    offsets = np.arange(len(index) + 1, dtype=np.int64) * n
    mjd = curves.mjd_tai[taken] - np.repeat(curves.mjd_tai[start], n) + FIRST_MJD
    cut = LightCurves(
        curves.survey,
        offsets,
        mjd,
        curves.flux_njy[taken],
        curves.flux_err_njy[taken],
        curves.band[taken],
        curves.kind[taken],
    )
    return cut, index.astype(np.int64)


def without_level(curves: LightCurves) -> LightCurves:
    """Fluxes scaled so that the brightest of each curve is `COMMON_BRIGHTEST_MAG`: its shape and colours stay."""
    lengths = np.diff(curves.offsets)
    brightest = np.maximum.reduceat(curves.flux_njy, curves.offsets[:-1]) if len(curves) else np.empty(0)
    scale = np.repeat(10.0 ** (0.4 * (ZERO_POINT_NJY - COMMON_BRIGHTEST_MAG)) / np.maximum(brightest, 1e-30), lengths)
    return with_fluxes(curves, curves.flux_njy * scale, curves.flux_err_njy * scale)


def with_common_errors(curves: LightCurves) -> LightCurves:
    """Errors replaced by the common one at each detection's magnitude; its flux stays."""
    return with_fluxes(curves, curves.flux_njy, common_errors(curves.flux_njy))


def _sums(cell: IntArray, cells: int) -> Callable[[FloatArray], FloatArray]:
    """Sums over the items of each cell."""
    return lambda values: np.bincount(cell, weights=values, minlength=cells).astype(np.float64)
