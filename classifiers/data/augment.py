"""Training-time changes of light curves: cut short, thinned, noisier, so that who observed tells less.

Supernovae, AGN, CVs and TDEs of the labelled set come from different sources, with different cadence, length and
noise; each change here takes some of that away. Serving never uses this module.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from schemas.light_curve import BANDS, DETECTION, LightCurves

LATE_START = 0.25
"""Share of curves that lose a few of their first detections."""
THINNED = 0.5
"""Share of curves from which random detections are dropped."""
NOISIER = 0.4
"""Share of curves that get added noise, up to as much again as their own."""
WITHOUT_INFRARED = 0.3
"""Share of curves that lose their i band, which only some sources have."""
DEEPER = 0.2
"""Share of curves made fainter, with smaller errors, as a deeper survey sees farther objects of the same kind."""
DEEPEST_MAG = 4.0
"""Most by which those are made fainter [mag]."""
LEVEL_JITTER_MAG = 0.15
"""Scatter of a common shift of brightness [mag]."""

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


def augmented(curves: LightCurves, longest: int, rng: np.random.Generator) -> LightCurves:
    """One changed copy of each curve, of at most `longest` detections and at least one; fluxes drawn anew."""
    n, lengths = len(curves), np.diff(curves.offsets)
    drop_first = np.where(rng.random(n) < LATE_START, rng.integers(0, 6, n), 0)
    drop_first = np.minimum(drop_first, np.maximum(lengths - 1, 0))
    drop_rate = np.where(rng.random(n) < THINNED, rng.uniform(0.0, 0.6, n), 0.0)
    without_i = rng.random(n) < WITHOUT_INFRARED
    rank = _rank(curves)
    per_token = np.repeat(np.arange(n), lengths)
    keep = (rank >= drop_first[per_token]) & (rng.random(len(rank)) >= drop_rate[per_token])
    keep &= ~(without_i[per_token] & (curves.band == _I_BAND))
    alive = np.zeros(n, np.bool_)
    alive[per_token[keep]] = True
    keep |= ~alive[per_token] & (rank == 0)
    thinned = cut_curves(curves, keep)
    return _noisier(cut_short(thinned, longest, rng), rng)


def cut_short(curves: LightCurves, longest: int, rng: np.random.Generator) -> LightCurves:
    """A random number of the first detections of each curve, few as often as many; a fifth of the curves whole."""
    n, room = len(curves), np.minimum(np.diff(curves.offsets), longest)
    count = np.exp(rng.random(n) * np.log(room + 1.0)).astype(np.int64)
    return first_detections(curves, np.where(rng.random(n) < 0.2, room, np.minimum(count, room)))


def _rank(curves: LightCurves) -> npt.NDArray[np.int64]:
    return np.arange(len(curves.mjd_tai)) - np.repeat(curves.offsets[:-1], np.diff(curves.offsets))


def _noisier(curves: LightCurves, rng: np.random.Generator) -> LightCurves:
    n = len(curves)
    per_token = np.repeat(np.arange(n), np.diff(curves.offsets))
    factor = np.where(rng.random(n) < NOISIER, rng.uniform(0.0, 1.0, n), 0.0)[per_token]
    deeper_mag = np.where(rng.random(n) < DEEPER, rng.uniform(0.0, DEEPEST_MAG, n), 0.0)
    shift = (10.0 ** (0.4 * (rng.normal(0.0, LEVEL_JITTER_MAG, n) - deeper_mag)))[per_token]
    flux = (curves.flux_njy + rng.normal(size=len(factor)) * factor * curves.flux_err_njy) * shift
    err = curves.flux_err_njy * np.sqrt(1.0 + factor**2) * shift
    return LightCurves(
        curves.survey,
        curves.offsets,
        curves.mjd_tai,
        flux.astype(np.float32),
        err.astype(np.float32),
        curves.band,
        curves.kind,
    )
