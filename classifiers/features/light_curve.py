"""Light curves into night-pooled tokens for the light-curve encoder; the same code trains and serves.

Only detections become tokens. Forced points and upper limits exist for some sources of the training data and not for
others, so a network that sees them learns the source; they are left out until labelled data hold them evenly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schemas.compiled import compiled
from schemas.light_curve import (
    BANDS,
    DETECTION,
    WAVELENGTH_AA,
    ByteArray,
    Float32Array,
    FloatArray,
    IntArray,
    LightCurves,
)

TOKEN_FEATURES: tuple[str, ...] = (
    "log_days_since_first",
    "log_days_since_previous",
    "log_days_before_newest",
    "asinh_signal_to_noise",
    "flux_over_peak",
    "level",
    "log_relative_error",
    "wavelength",
    "blue_weight",
    "red_weight",
    "infrared_weight",
)
"""Names of the numbers of one token, in order."""

LENGTH_BUCKETS: tuple[int, ...] = (16, 32, 64, 128, 256)
"""Padded lengths; a light curve goes into the shortest bucket that holds it."""

NIGHT_DAYS = 0.5
"""Detections of one band within this many days of the first of them are pooled into one token [d]."""

LEVEL_FLUX_NJY = 1000.0
"""Flux at which the level turns from linear to logarithmic [nJy]; AB magnitude 23.9."""

BAND_CENTRES_AA: tuple[float, float, float] = (4800.0, 6300.0, 7800.0)
"""Centres of the blue, red and infrared weights of a token's wavelength [angstrom]."""

BAND_WIDTH_AA = 700.0
"""Gaussian width of those weights [angstrom]."""

WAVELENGTH_SCALE_AA = 2000.0
"""Distance from the red centre that brings a token's wavelength to 1 [angstrom]."""

MAG_PER_RELATIVE_ERROR = 1.0857
"""2.5 / ln 10 to four decimals, as the shipped weights were trained: an error in magnitudes over err / flux."""

_BAND_COUNT = len(BANDS)


@dataclass(frozen=True, slots=True)
class PooledCurves:
    """Detections of n alerts, one for each band and night, flat with offsets, by time."""

    survey: str
    offsets: IntArray
    """(n + 1,)"""
    mjd_tai: FloatArray
    """(tokens,) mean time of the pooled exposures [d]."""
    flux_njy: FloatArray
    """(tokens,) inverse-variance weighted mean flux [nJy], signed."""
    flux_err_njy: FloatArray
    """(tokens,) 1 sigma of that mean [nJy]."""
    band: ByteArray
    """(tokens,) index into `schemas.light_curve.BANDS`."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def lengths(self) -> IntArray:
        """Number of tokens of each alert, shape (n,)."""
        counts: IntArray = np.diff(self.offsets)
        return counts


def pool_nights(curves: LightCurves) -> PooledCurves:
    """Pools the detections of each band and night; measurements without flux, error or known band are left out."""
    offsets, mjd, flux, err, band = _pool(
        np.ascontiguousarray(curves.offsets, np.int64),
        np.ascontiguousarray(curves.mjd_tai, np.float64),
        np.ascontiguousarray(curves.flux_njy, np.float32),
        np.ascontiguousarray(curves.flux_err_njy, np.float32),
        np.ascontiguousarray(curves.band, np.uint8),
        np.ascontiguousarray(curves.kind, np.uint8),
    )
    return PooledCurves(curves.survey, offsets, mjd, flux, err, band)


def bucket_lengths(pooled: PooledCurves) -> IntArray:
    """Padded length of each alert, shape (n,); 0 where there is no token at all."""
    lengths = pooled.lengths()
    place = np.minimum(np.searchsorted(LENGTH_BUCKETS, lengths), len(LENGTH_BUCKETS) - 1)
    return np.where(lengths == 0, 0, np.asarray(LENGTH_BUCKETS, np.int64)[place])


def light_curve_tokens(pooled: PooledCurves, index: IntArray, length: int) -> tuple[Float32Array, Float32Array]:
    """Tokens of the alerts in `index`, padded to `length`, and their mask (1 where a token is).

    Shapes (k, length, len(TOKEN_FEATURES)) and (k, length), float32. Of a light curve longer than `length` the newest
    tokens are kept; its times, gaps and peak still count from the whole of it.
    """
    wavelengths = np.asarray(WAVELENGTH_AA[pooled.survey], np.float64)
    return _tokens(
        pooled.offsets,
        pooled.mjd_tai,
        pooled.flux_njy,
        pooled.flux_err_njy,
        pooled.band,
        np.ascontiguousarray(index, np.int64),
        length,
        wavelengths,
    )


@compiled
def _pool(
    offsets: IntArray,
    mjd: FloatArray,
    flux: Float32Array,
    err: Float32Array,
    band: ByteArray,
    kind: ByteArray,
) -> tuple[IntArray, FloatArray, FloatArray, FloatArray, ByteArray]:
    n, total = len(offsets) - 1, len(mjd)
    out_offsets = np.zeros(n + 1, np.int64)
    out_mjd, out_flux, out_weight = np.empty(total), np.empty(total), np.empty(total)
    out_count = np.empty(total, np.int64)
    out_band = np.empty(total, np.uint8)
    start, place = np.empty(_BAND_COUNT), np.empty(_BAND_COUNT, np.int64)
    filled = 0
    for i in range(n):
        place[:] = -1
        for j in range(offsets[i], offsets[i + 1]):
            usable = np.isfinite(flux[j]) and err[j] > 0 and np.isfinite(err[j]) and band[j] < _BAND_COUNT
            if kind[j] != DETECTION or not usable:
                continue
            b, weight = band[j], 1.0 / np.float64(err[j]) ** 2
            k = place[b]
            if k >= 0 and mjd[j] - start[b] < NIGHT_DAYS:
                out_mjd[k] += mjd[j]
                out_flux[k] += weight * flux[j]
                out_weight[k] += weight
                out_count[k] += 1
            else:
                place[b], start[b] = filled, mjd[j]
                out_mjd[filled], out_flux[filled], out_weight[filled] = mjd[j], weight * flux[j], weight
                out_count[filled], out_band[filled] = 1, b
                filled += 1
        out_offsets[i + 1] = filled
    for k in range(filled):
        out_mjd[k] /= out_count[k]
        out_flux[k] /= out_weight[k]
        out_weight[k] = 1.0 / np.sqrt(out_weight[k])
    return (
        out_offsets,
        out_mjd[:filled].copy(),
        out_flux[:filled].copy(),
        out_weight[:filled].copy(),
        out_band[:filled].copy(),
    )


@compiled
def flux_level(flux_njy: float) -> float:
    """Signed level in magnitudes: asinh(f / 2 F0) * 2.5 / ln 10 with F0 = `LEVEL_FLUX_NJY`; 23.9 - mag when bright."""
    return float(np.arcsinh(flux_njy / (2.0 * LEVEL_FLUX_NJY)) * (2.5 / np.log(10.0)))


@compiled
def levels(flux_njy: FloatArray, flux_err_njy: FloatArray) -> tuple[FloatArray, FloatArray]:
    """`flux_level` of every flux, and its 1 sigma, both (tokens,) [mag]."""
    level, noise = np.empty(len(flux_njy)), np.empty(len(flux_njy))
    for j in range(len(flux_njy)):
        level[j] = flux_level(flux_njy[j])
        noise[j] = MAG_PER_RELATIVE_ERROR * flux_err_njy[j] / np.sqrt(flux_njy[j] ** 2 + (2.0 * LEVEL_FLUX_NJY) ** 2)
    return level, noise


@compiled
def _tokens(
    offsets: IntArray,
    mjd: FloatArray,
    flux: FloatArray,
    err: FloatArray,
    band: ByteArray,
    index: IntArray,
    length: int,
    wavelengths: FloatArray,
) -> tuple[Float32Array, Float32Array]:
    out = np.zeros((len(index), length, len(TOKEN_FEATURES)), np.float32)
    mask = np.zeros((len(index), length), np.float32)
    for row in range(len(index)):
        first, last = offsets[index[row]], offsets[index[row] + 1]
        peak = 1e-30
        for j in range(first, last):
            peak = max(peak, abs(flux[j]))
        kept = max(first, last - length)
        for j in range(kept, last):
            cell = out[row, j - kept]
            mask[row, j - kept] = 1.0
            previous = mjd[j - 1] if j > first else mjd[j]
            cell[0] = 0.25 * np.log1p(max(mjd[j] - mjd[first], 0.0))
            cell[1] = 0.25 * np.log1p(max(mjd[j] - previous, 0.0))
            cell[2] = 0.25 * np.log1p(max(mjd[last - 1] - mjd[j], 0.0))
            cell[3] = 0.25 * np.arcsinh(flux[j] / err[j])
            cell[4] = flux[j] / peak
            cell[5] = 0.25 * flux_level(flux[j])
            cell[6] = 0.25 * np.log(err[j] / (abs(flux[j]) + err[j]))
            wavelength = wavelengths[band[j]]
            if not np.isfinite(wavelength):
                wavelength = BAND_CENTRES_AA[1]
            cell[7] = (wavelength - BAND_CENTRES_AA[1]) / WAVELENGTH_SCALE_AA
            for k in range(3):
                cell[8 + k] = np.exp(-0.5 * ((wavelength - BAND_CENTRES_AA[k]) / BAND_WIDTH_AA) ** 2)
    return out, mask
