"""Levels, colours and slopes at fixed times from the brightest point, for the trees; NaN where a curve does not say.

A level is `features.light_curve.flux_level`; times are days from the curve's brightest detection in any band. Between
two detections of one band a level is interpolated, but only over gaps that are short against the time from the peak.
"""

from __future__ import annotations

import numpy as np

from classifiers.features.light_curve import PooledCurves, levels
from schemas.compiled import compiled
from schemas.light_curve import BANDS, ByteArray, Float32Array, FloatArray, IntArray

PHASE_BANDS: tuple[str, ...] = ("g", "r", "i")
"""Bands with levels of their own."""

LEVEL_DAYS: tuple[int, ...] = (-30, -20, -15, -10, -5, 5, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 150)
"""Times of the levels [d]."""

COLOUR_DAYS: tuple[int, ...] = (-20, -10, -5, 0, 5, 10, 15, 20, 30, 40, 60, 90)
"""Times of the colours [d]."""

SLOPE_WINDOWS_DAYS: tuple[tuple[float, float], ...] = ((-40.0, -1.0), (3.0, 20.0), (15.0, 40.0), (40.0, 1e9))
"""Windows of the slopes [d]: the rise, the early and the late decline, and the tail."""

LONGEST_GAP_DAYS: tuple[float, float, float] = (6.0, 4.0, 0.4)
"""A gap is bridged up to the larger of the first and (second + third x |time from the peak|) [d, d, 1]."""

SYSTEMATIC_MAG = 0.03
"""Added in quadrature to the noise of a level where a line is fitted [mag]."""

_PAIRS: tuple[tuple[str, str], ...] = (("g", "r"), ("r", "i"))


def _signed(days: int) -> str:
    return f"{abs(days)}_days_{'before' if days < 0 else 'after'}"


PHASE_NAMES: tuple[str, ...] = (
    *(f"{band}_minus_peak_{_signed(days)}" for band in PHASE_BANDS for days in LEVEL_DAYS),
    *(f"{blue}_minus_{red}_{_signed(days)}" for blue, red in _PAIRS for days in COLOUR_DAYS),
    "r_peak_after_g_days",
    "i_peak_after_r_days",
    "g_minus_r_of_peaks",
    "r_minus_i_of_peaks",
    *(f"{band}_slope_{name}" for band in ("g", "r") for name in ("rise", "early", "late", "tail")),
    "log_roughness_chi2",
    "flux_weighted_width_days",
)
"""Names of the columns of `phase_statistics`."""

_BAND_INDEX = np.array([BANDS.index(name) for name in PHASE_BANDS], np.int64)
_LEVELS = np.array(LEVEL_DAYS, np.float64)
_COLOURS = np.array(COLOUR_DAYS, np.float64)
_WINDOWS = np.array(SLOPE_WINDOWS_DAYS, np.float64)
_COLUMNS = len(PHASE_NAMES)


def phase_statistics(pooled: PooledCurves) -> Float32Array:
    """Phase statistics of each alert's curve, shape (n, len(PHASE_NAMES)), float32, NaN where unknown."""
    return _phases(pooled.offsets, pooled.mjd_tai, pooled.flux_njy, pooled.flux_err_njy, pooled.band)


@compiled
def _phases(offsets: IntArray, mjd: FloatArray, flux: FloatArray, err: FloatArray, band: ByteArray) -> Float32Array:
    n = len(offsets) - 1
    out = np.full((n, _COLUMNS), np.nan, np.float32)
    for i in range(n):
        first, last = offsets[i], offsets[i + 1]
        if last == first:
            continue
        f, e = flux[first:last], err[first:last]
        level, noise = levels(f, e)
        peak = int(np.argmax(level))
        t = mjd[first:last] - mjd[first + peak]
        k = _levels_and_colours(t, level, band[first:last], level[peak], out[i])
        k = _peaks(t, level, band[first:last], out[i], k)
        k = _slopes(t, level, noise, band[first:last], out[i], k)
        out[i, k] = _roughness(t, level, noise, band[first:last])
        out[i, k + 1] = _width(t, f)
    return out


@compiled
def _at(t: FloatArray, level: FloatArray, when: float) -> float:
    """Level at a time [d from the peak] between two detections, NaN outside or over too long a gap."""
    n = len(t)
    if n == 0 or when < t[0] or when > t[n - 1]:
        return np.nan
    j = np.searchsorted(t, when)
    if t[j] == when:
        return float(level[j])
    if t[j] - t[j - 1] > max(LONGEST_GAP_DAYS[0], LONGEST_GAP_DAYS[1] + LONGEST_GAP_DAYS[2] * abs(when)):
        return np.nan
    share = (when - t[j - 1]) / (t[j] - t[j - 1])
    return float(level[j - 1] * (1.0 - share) + level[j] * share)


@compiled
def _nearest(t: FloatArray, level: FloatArray) -> float:
    """Level of the detection nearest to the peak's time, within the bound of a gap there; NaN without one."""
    best, found = LONGEST_GAP_DAYS[1], np.nan
    for j in range(len(t)):
        if abs(t[j]) < best:
            best, found = abs(t[j]), level[j]
    return found


@compiled
def _levels_and_colours(t: FloatArray, level: FloatArray, band: ByteArray, peak: float, out: Float32Array) -> int:
    k = 0
    for b in range(3):
        rows = np.flatnonzero(band == _BAND_INDEX[b])
        for when in _LEVELS:
            out[k] = _at(t[rows], level[rows], when) - peak
            k += 1
    for b in range(2):
        blue, red = np.flatnonzero(band == _BAND_INDEX[b]), np.flatnonzero(band == _BAND_INDEX[b + 1])
        for when in _COLOURS:
            colour = _at(t[blue], level[blue], when) - _at(t[red], level[red], when)
            if np.isnan(colour) and when == 0.0:
                colour = _nearest(t[blue], level[blue]) - _nearest(t[red], level[red])
            out[k] = colour
            k += 1
    return k


@compiled
def _peaks(t: FloatArray, level: FloatArray, band: ByteArray, out: Float32Array, k: int) -> int:
    when, height = np.full(3, np.nan), np.full(3, np.nan)
    for b in range(3):
        rows = np.flatnonzero(band == _BAND_INDEX[b])
        if len(rows) > 0:
            best = int(np.argmax(level[rows]))
            when[b], height[b] = t[rows[best]], level[rows[best]]
    out[k], out[k + 1] = when[1] - when[0], when[2] - when[1]
    out[k + 2], out[k + 3] = height[0] - height[1], height[1] - height[2]
    return k + 4


@compiled
def _slopes(t: FloatArray, level: FloatArray, noise: FloatArray, band: ByteArray, out: Float32Array, k: int) -> int:
    """Weighted straight lines through the levels of g and r in each window [mag/d]; at least two points 3 d apart."""
    for b in range(2):
        for window in range(len(_WINDOWS)):
            rows = np.flatnonzero((band == _BAND_INDEX[b]) & (t >= _WINDOWS[window, 0]) & (t <= _WINDOWS[window, 1]))
            if len(rows) >= 2 and t[rows[-1]] - t[rows[0]] > 3.0:
                weight = 1.0 / (noise[rows] ** 2 + SYSTEMATIC_MAG**2)
                total = np.sum(weight)
                x = t[rows] - np.sum(weight * t[rows]) / total
                spread = np.sum(weight * x * x)
                if spread > 0:
                    out[k] = np.sum(weight * x * level[rows]) / spread
            k += 1
    return k


@compiled
def _roughness(t: FloatArray, level: FloatArray, noise: FloatArray, band: ByteArray) -> float:
    """Log of the mean squared distance of g and r points from the line between their neighbours, in units of noise."""
    total, count = 0.0, 0
    for b in range(2):
        rows = np.flatnonzero(band == _BAND_INDEX[b])
        for j in range(1, len(rows) - 1):
            before, here, after = rows[j - 1], rows[j], rows[j + 1]
            gap = t[after] - t[before]
            if 0.0 < gap < 20.0:
                share = (t[here] - t[before]) / gap
                away = level[here] - (level[before] * (1.0 - share) + level[after] * share)
                variance = noise[here] ** 2 + (noise[before] * (1.0 - share)) ** 2 + (noise[after] * share) ** 2
                total += min(away * away / (variance + 4e-4), 100.0)
                count += 1
    return np.log(total / count + 0.01) if count > 0 else np.nan


@compiled
def _width(t: FloatArray, flux: FloatArray) -> float:
    """Standard deviation of time weighted by positive flux [d]; NaN without positive flux."""
    weight = np.maximum(flux, 0.0)
    total = np.sum(weight)
    if not total > 0.0:
        return np.nan
    mean = np.sum(weight * t) / total
    return float(np.sqrt(np.sum(weight * (t - mean) ** 2) / total))
