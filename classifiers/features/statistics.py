"""Light-curve statistics for the trees: shapes, rates, colours, phases and periods, NaN where a curve does not say.

Counts of measurements and gaps between them are not among them: they betray who observed, not what was observed.
A level is `features.light_curve.flux_level`: signed, in magnitudes, larger is brighter.
"""

from __future__ import annotations

import numpy as np

from classifiers.features.light_curve import PooledCurves, levels
from classifiers.features.periods import PERIOD_NAMES, period_features
from classifiers.features.phases import PHASE_NAMES, phase_statistics
from schemas.compiled import compiled
from schemas.light_curve import BANDS, ByteArray, Float32Array, FloatArray, IntArray

STATISTIC_BANDS: tuple[str, ...] = ("g", "r", "i")
"""Bands with statistics of their own (those that both surveys have)."""

BAND_STATISTICS: tuple[str, ...] = (
    "peak_level",
    "peak_minus_first",
    "peak_minus_last",
    "rise_days",
    "fall_days",
    "rise_per_day",
    "fall_per_day",
    "spread",
    "roughness",
    "log_chi2",
    "recent_per_day",
    "days_above_half",
    "amplitude",
    "skew",
    "drop_after_15_days",
    "drop_after_30_days",
    "rise_from_10_days_before",
    "reversals",
)
"""Statistics of one band, in order; levels in magnitudes, times in days."""

CURVE_STATISTICS: tuple[str, ...] = (
    "duration_days",
    "days_since_peak",
    "peak_level",
    "log_peak_signal_to_noise",
    "negative_fraction",
    "g_minus_r_peak",
    "g_minus_r_first",
    "g_minus_r_last",
    "r_minus_i_last",
    "g_minus_r_per_day",
)
"""Statistics of the whole curve; a colour is a level difference (blue brighter is positive)."""

STATISTIC_NAMES: tuple[str, ...] = (
    *(f"{band}_{name}" for band in STATISTIC_BANDS for name in BAND_STATISTICS),
    *CURVE_STATISTICS,
    *PHASE_NAMES,
    *PERIOD_NAMES,
)
"""Names of the columns of `light_curve_statistics`."""

PAIR_DAYS = 1.5
"""Two bands within this many days make a colour [d]."""

RECENT_DAYS = 10.0
"""Window of the newest slope [d]."""

HALF_FLUX_LEVEL = 0.7526
"""2.5 log10(2): half the peak's flux, in magnitudes."""

_G, _R, _I = (BANDS.index(name) for name in STATISTIC_BANDS)
_BAND_COUNT = len(STATISTIC_BANDS)
_PER_BAND = len(BAND_STATISTICS)
_COLUMNS = _BAND_COUNT * _PER_BAND + len(CURVE_STATISTICS)


def light_curve_statistics(pooled: PooledCurves) -> Float32Array:
    """Statistics of each alert's curve, shape (n, len(STATISTIC_NAMES)), float32, NaN where unknown."""
    shapes = _statistics(pooled.offsets, pooled.mjd_tai, pooled.flux_njy, pooled.flux_err_njy, pooled.band)
    return np.concatenate([shapes, phase_statistics(pooled), period_features(pooled)], axis=1)


@compiled
def _statistics(offsets: IntArray, mjd: FloatArray, flux: FloatArray, err: FloatArray, band: ByteArray) -> Float32Array:
    n = len(offsets) - 1
    out = np.full((n, _COLUMNS), np.nan, np.float32)
    for i in range(n):
        first, last = offsets[i], offsets[i + 1]
        if last == first:
            continue
        level, noise = levels(flux[first:last], err[first:last])
        times, bands = mjd[first:last], band[first:last]
        for b in range(_BAND_COUNT):
            rows = np.flatnonzero(bands == (_G, _R, _I)[b])
            if len(rows) > 0:
                _band(times[rows], level[rows], noise[rows], out[i, b * _PER_BAND : (b + 1) * _PER_BAND])
        _whole(times, flux[first:last], err[first:last], level, bands, out[i, _BAND_COUNT * _PER_BAND :])
    return out


@compiled
def _band(t: FloatArray, s: FloatArray, noise: FloatArray, out: Float32Array) -> None:
    n = len(t)
    p = int(np.argmax(s))
    rise, fall = t[p] - t[0], t[-1] - t[p]
    out[0] = s[p]
    out[1] = s[p] - s[0]
    out[2] = s[p] - s[-1]
    out[3] = rise
    out[4] = fall
    if rise > 0:
        out[5] = (s[p] - s[0]) / rise
    if fall > 0:
        out[6] = (s[p] - s[-1]) / fall
    if n >= 2:
        spread = np.std(s)
        out[7] = spread
        if spread > 0:
            out[8] = np.mean((s[1:] - s[:-1]) ** 2) / spread**2
        weight = 1.0 / (noise**2 + 1e-4)
        mean = np.sum(s * weight) / np.sum(weight)
        out[9] = np.log10(np.sum((s - mean) ** 2 * weight) / (n - 1) + 1e-3)
        out[10] = _slope(t, s, t[-1] - RECENT_DAYS)
        out[12] = s[p] - np.min(s)
        if spread > 0 and n >= 3:
            out[13] = np.mean(((s - np.mean(s)) / spread) ** 3)
    above = np.flatnonzero(s > s[p] - HALF_FLUX_LEVEL)
    out[11] = t[above[-1]] - t[above[0]]
    for k, days in ((14, 15.0), (15, 30.0), (16, -10.0)):
        when = t[p] + days
        if t[0] <= when <= t[-1]:
            out[k] = s[p] - np.interp(when, t, s)
    turns = 0
    direction = 0
    for j in range(1, n):
        step = s[j] - s[j - 1]
        if abs(step) > 3.0 * np.sqrt(noise[j] ** 2 + noise[j - 1] ** 2):
            sign = 1 if step > 0 else -1
            if direction == -sign:
                turns += 1
            direction = sign
    out[17] = turns


@compiled
def _slope(t: FloatArray, s: FloatArray, since: float) -> float:
    count, st, ss = 0, 0.0, 0.0
    for j in range(len(t)):
        if t[j] >= since:
            count, st, ss = count + 1, st + t[j], ss + s[j]
    if count < 2:
        return np.nan
    top, bottom = 0.0, 0.0
    for j in range(len(t)):
        if t[j] >= since:
            top += (t[j] - st / count) * (s[j] - ss / count)
            bottom += (t[j] - st / count) ** 2
    return top / bottom if bottom > 1e-6 else np.nan


@compiled
def _whole(
    t: FloatArray, flux: FloatArray, err: FloatArray, level: FloatArray, band: ByteArray, out: Float32Array
) -> None:
    p = int(np.argmax(level))
    out[0] = t[-1] - t[0]
    out[1] = t[-1] - t[p]
    out[2] = level[p]
    out[3] = np.log10(max(flux[p] / err[p], 1.0))
    out[4] = np.mean((flux < 0).astype(np.float64))
    first_colour, first_time = np.nan, np.nan
    best = -np.inf
    last_g, last_r, last_i = -1, -1, -1
    for j in range(len(t)):
        if band[j] == _G:
            last_g = j
        elif band[j] == _R:
            last_r = j
        elif band[j] == _I:
            last_i = j
        if last_g >= 0 and last_r >= 0 and (j == last_g or j == last_r) and abs(t[last_g] - t[last_r]) <= PAIR_DAYS:
            colour = level[last_g] - level[last_r]
            if np.isnan(first_colour):
                first_colour, first_time = colour, t[j]
                out[6] = colour
            if level[last_r] > best:
                best = level[last_r]
                out[5] = colour
            out[7] = colour
            if t[j] - first_time > PAIR_DAYS:
                out[9] = (colour - first_colour) / (t[j] - first_time)
        if last_r >= 0 and last_i >= 0 and (j == last_i or j == last_r) and abs(t[last_r] - t[last_i]) <= PAIR_DAYS:
            out[8] = level[last_r] - level[last_i]
