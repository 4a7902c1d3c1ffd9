"""Training-time changes of light curves: cut anywhere, thinned, noisier, so that who observed tells less.

Supernovae, AGN, CVs and TDEs of the labelled set come from different sources, with different cadence, length, noise
and habits of sign; each change here takes some of that away. Serving never uses this module.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from schemas.light_curve import BANDS, DETECTION, FloatArray, IntArray, LightCurves

CUT_ALIKE = 0.4
"""Share of curves cut alike whatever their source: a few consecutive detections from anywhere, no sign, the errors that
are common at their magnitudes. Of the others the first detections are kept, as an early alert has them."""
LONGEST_WINDOW = 16
"""Most detections of a curve that is cut alike."""
WINDOW_DAYS = 30.0
"""Longest time that it covers [d]."""
WITHOUT_LEVEL = 0.4
"""Share of the curves cut alike whose brightest detection is brought near to `COMMON_MAG`: only shapes are left."""
COMMON_MAG: tuple[float, float] = (18.5, 0.5)
"""Mean and scatter of that magnitude [AB mag]."""
WHOLE = 0.25
"""Share of the other curves that are kept whole."""
THINNED = 0.3
"""Share of them from which random detections are dropped."""
NOISIER = 0.4
"""Share of them that get added noise, up to as much again as their own."""
WITHOUT_INFRARED = 0.3
"""Share of curves that lose their i band, which only some sources have."""
LEVEL_JITTER_MAG = 0.1
"""Scatter of a common shift of brightness [mag]."""

COMMON_ERROR_MAG: FloatArray = np.array(
    [
        [15.0, 0.025],
        [16.0, 0.031],
        [17.0, 0.041],
        [18.0, 0.064],
        [19.0, 0.105],
        [20.0, 0.178],
        [21.0, 0.260],
        [22.0, 0.330],
    ]
)
"""(rows, 2): magnitude and the median error of ZTF detections merged by night there [mag], held beyond its ends."""

ZERO_POINT_NJY = 31.4
"""AB magnitude of 1 nJy."""

FAINTEST_NJY = 1e-3
"""Fluxes are taken for no less where a magnitude is wanted [nJy]."""

_I_BAND = 3


def cut_curves(curves: LightCurves, keep: npt.NDArray[np.bool_]) -> LightCurves:
    """The tokens where `keep`, shape (tokens,), is true."""
    kept = np.concatenate([[0], np.cumsum(keep)]).astype(np.int64)
    return LightCurves(
        curves.survey,
        kept[curves.offsets],
        curves.mjd_tai[keep],
        curves.flux_njy[keep],
        curves.flux_err_njy[keep],
        curves.band[keep],
        curves.kind[keep],
    )


def only_detections(curves: LightCurves) -> LightCurves:
    """The measurements that become tokens: an alert's own curve also holds limits and forced photometry."""
    good = (curves.kind == DETECTION) & np.isfinite(curves.flux_njy) & (curves.flux_err_njy > 0)
    return cut_curves(curves, good & np.isfinite(curves.flux_err_njy) & (curves.band < len(BANDS)))


def first_detections(curves: LightCurves, count: npt.NDArray[np.integer]) -> LightCurves:
    """The first `count[i]` tokens of each curve i."""
    return cut_curves(curves, _rank(curves) < np.repeat(count, np.diff(curves.offsets)))


def with_fluxes(
    curves: LightCurves, flux_njy: npt.NDArray[np.floating], flux_err_njy: npt.NDArray[np.floating]
) -> LightCurves:
    """The curves with other fluxes and errors, both (tokens,) [nJy]."""
    return replace(curves, flux_njy=flux_njy.astype(np.float32), flux_err_njy=flux_err_njy.astype(np.float32))


def common_errors(flux_njy: npt.NDArray[np.floating]) -> FloatArray:
    """The error that is common at each flux's magnitude [nJy], by `COMMON_ERROR_MAG`."""
    size = np.maximum(np.abs(flux_njy.astype(np.float64)), FAINTEST_NJY)
    error_mag = np.interp(ZERO_POINT_NJY - 2.5 * np.log10(size), COMMON_ERROR_MAG[:, 0], COMMON_ERROR_MAG[:, 1])
    return np.asarray(size * error_mag * (np.log(10.0) / 2.5))


def augmented(curves: LightCurves, longest: int, rng: np.random.Generator) -> LightCurves:
    """One changed copy of each curve, of at most `longest` detections and at least one; fluxes drawn anew."""
    alike = rng.random(len(curves)) < CUT_ALIKE
    cut = _cut(curves, alike, longest, rng)
    n, per_token = len(cut), _owner(cut)
    drop_rate = np.where(~alike & (rng.random(n) < THINNED), rng.uniform(0.0, 0.6, n), 0.0)
    without_i = rng.random(n) < WITHOUT_INFRARED
    keep = rng.random(len(per_token)) >= drop_rate[per_token]
    keep &= ~(without_i[per_token] & (cut.band == _I_BAND))
    alive = np.zeros(n, np.bool_)
    alive[per_token[keep]] = True
    keep |= ~alive[per_token] & (_rank(cut) == 0)
    return _measured_anew(cut_curves(cut, keep), alike, rng)


def cut_short(curves: LightCurves, longest: int, rng: np.random.Generator) -> LightCurves:
    """A random number of the first detections of each curve, few as often as many; some of the curves whole."""
    return first_detections(curves, _random_counts(curves, longest, rng))


def _random_counts(curves: LightCurves, longest: int, rng: np.random.Generator) -> IntArray:
    n, room = len(curves), np.minimum(np.diff(curves.offsets), longest)
    count = np.exp(rng.random(n) * np.log(room + 1.0)).astype(np.int64)
    return np.where(rng.random(n) < WHOLE, room, np.minimum(count, room))


def _cut(curves: LightCurves, alike: npt.NDArray[np.bool_], longest: int, rng: np.random.Generator) -> LightCurves:
    """Consecutive detections from anywhere of the curves cut alike, the first ones of the others."""
    n, lengths = len(curves), np.diff(curves.offsets)
    size = np.minimum(rng.integers(1, min(LONGEST_WINDOW, longest) + 1, n), lengths)
    start = np.where(alike, (rng.random(n) * (lengths - size + 1)).astype(np.int64), 0)
    count = np.where(alike, size, _random_counts(curves, longest, rng))
    rank, owner = _rank(curves), _owner(curves)
    begin = curves.mjd_tai[np.minimum(curves.offsets[:-1] + start, max(len(curves.mjd_tai) - 1, 0))]
    near = ~alike[owner] | (curves.mjd_tai - begin[owner] <= WINDOW_DAYS)
    return cut_curves(curves, (rank >= start[owner]) & (rank < (start + count)[owner]) & near)


def _rank(curves: LightCurves) -> npt.NDArray[np.int64]:
    return np.arange(len(curves.mjd_tai)) - np.repeat(curves.offsets[:-1], np.diff(curves.offsets))


def _owner(curves: LightCurves) -> npt.NDArray[np.int64]:
    return np.repeat(np.arange(len(curves)), np.diff(curves.offsets))


def _measured_anew(curves: LightCurves, alike: npt.NDArray[np.bool_], rng: np.random.Generator) -> LightCurves:
    """Noise and a small shift of brightness; curves cut alike lose sign, some their level, and get common errors."""
    n, owner = len(curves), _owner(curves)
    factor = np.where(~alike & (rng.random(n) < NOISIER), rng.uniform(0.0, 1.0, n), 0.0)[owner]
    flux = curves.flux_njy + rng.normal(size=len(owner)) * factor * curves.flux_err_njy
    flux = np.where(alike[owner], np.abs(flux), flux)
    brightest = np.full(n, FAINTEST_NJY)
    np.maximum.at(brightest, owner, np.abs(flux))
    to_common = ZERO_POINT_NJY - 2.5 * np.log10(brightest) - rng.normal(*COMMON_MAG, n)  # [mag], brighter is positive
    levelled = alike & (rng.random(n) < WITHOUT_LEVEL)
    scale = (10.0 ** (0.4 * np.where(levelled, to_common, rng.normal(0.0, LEVEL_JITTER_MAG, n))))[owner]
    flux, err = flux * scale, curves.flux_err_njy * np.sqrt(1.0 + factor**2) * scale
    if curves.survey == "ztf":  # the common errors are those of its detections
        err = np.where(alike[owner], common_errors(flux), err)
    return with_fluxes(curves, flux, err)
