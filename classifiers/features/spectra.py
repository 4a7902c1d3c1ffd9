"""Spectra on one grid of log wavelength, continuum divided, masked where nothing was observed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from schemas.light_curve import Float32Array, FloatArray
from schemas.spectrum import Spectrum

GRID_AA: tuple[float, float] = (3700.0, 9300.0)
"""Ends of the grid [angstrom, observed]."""

GRID_BINS = 256
"""Bins of the grid; 0.36 % of the wavelength each, several to a resolution element of SEDM (R about 100)."""

CONTINUUM_BINS = 41
"""Width of the running mean that stands for the continuum [bins], about 15 % of the wavelength."""

FEWEST_BINS = 32
"""A spectrum with fewer good bins on the grid is left out."""

SPECTRUM_CHANNELS: tuple[str, ...] = ("feature", "slope", "mask")
"""Channels of a spectrum: flux over continuum, minus 1; the continuum's own run; 1 where observed."""

_EDGES: FloatArray = np.geomspace(*GRID_AA, GRID_BINS + 1)
_CENTRES: FloatArray = np.sqrt(_EDGES[1:] * _EDGES[:-1])


def spectrum_channels(spectra: Sequence[Spectrum]) -> tuple[Float32Array, npt.NDArray[np.bool_]]:
    """Spectra on the grid, shape (n, 3, GRID_BINS) float32, and which of them are usable, shape (n,)."""
    out = np.zeros((len(spectra), len(SPECTRUM_CHANNELS), GRID_BINS), np.float32)
    usable = np.zeros(len(spectra), np.bool_)
    for i, spectrum in enumerate(spectra):
        flux = _on_grid(np.asarray(spectrum.wavelength_aa, np.float64), np.asarray(spectrum.flux, np.float64))
        seen = np.isfinite(flux)
        if np.count_nonzero(seen) < FEWEST_BINS:
            continue
        usable[i] = True
        scale = np.median(np.abs(flux[seen]))
        flux = np.clip(np.where(seen, flux / (scale if scale > 0 else 1.0), 0.0), -20.0, 20.0)
        continuum = _running_mean(flux, seen)
        floor = np.maximum(continuum, 0.1)
        out[i, 0] = np.where(seen, np.clip((flux - continuum) / floor, -3.0, 3.0), 0.0)
        out[i, 1] = np.where(seen, np.log(floor), 0.0)
        out[i, 2] = seen
    return out, usable


def _on_grid(wavelength_aa: FloatArray, flux: FloatArray) -> FloatArray:
    """Mean flux of each grid bin; bins without a sample of their own are interpolated between neighbours, else NaN."""
    good = np.isfinite(wavelength_aa) & np.isfinite(flux) & (np.abs(flux) < 1e30)
    wavelength_aa, flux = wavelength_aa[good], flux[good]
    if len(flux) < 2:
        return np.full(GRID_BINS, np.nan)
    order = np.argsort(wavelength_aa, kind="stable")
    wavelength_aa, flux = wavelength_aa[order], flux[order]
    bins = np.searchsorted(_EDGES, wavelength_aa, side="right") - 1
    inside = (bins >= 0) & (bins < GRID_BINS)
    counts = np.bincount(bins[inside], minlength=GRID_BINS)
    sums = np.bincount(bins[inside], weights=flux[inside], minlength=GRID_BINS)
    between = np.interp(_CENTRES, wavelength_aa, flux, left=np.nan, right=np.nan)
    return np.where(counts > 0, sums / np.maximum(counts, 1), between)


def _running_mean(flux: FloatArray, seen: npt.NDArray[np.bool_]) -> FloatArray:
    """Mean of the seen bins within half of `CONTINUUM_BINS` to either side."""
    half = CONTINUUM_BINS // 2
    sums = np.concatenate([[0.0], np.cumsum(np.where(seen, flux, 0.0))])
    counts = np.concatenate([[0], np.cumsum(seen)])
    low = np.maximum(np.arange(GRID_BINS) - half, 0)
    high = np.minimum(np.arange(GRID_BINS) + half + 1, GRID_BINS)
    mean: FloatArray = (sums[high] - sums[low]) / np.maximum(counts[high] - counts[low], 1)
    return mean
