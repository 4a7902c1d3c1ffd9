"""Spectra on one grid of log wavelength, continuum divided, masked where nothing was observed.

Where a redshift is known the grid is the rest frame's, and the channel `rest_frame` says so; else it is the
observer's. Nothing of the redshift's value goes further than that. One code for training and serving.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from schemas.light_curve import Float32Array, FloatArray
from schemas.spectrum import Spectrum

BoolArray = npt.NDArray[np.bool_]

GRID_AA: tuple[float, float] = (3300.0, 9900.0)
"""Ends of the grid [angstrom]: SEDM's 3,780 to 9,220 in the observer's frame, and at redshift 0.15 from there on."""

GRID_BINS = 288
"""Bins of the grid; 0.38 % of the wavelength each: two to three to a resolution element of SEDM (R about 100)."""

GRID_STEP: float = float(np.log(GRID_AA[1] / GRID_AA[0]) / GRID_BINS)
"""Width of a bin in ln(wavelength): a redshift z moves a line by ln(1 + z) / GRID_STEP bins."""

CONTINUUM_WIDTH = 0.15
"""Width of the running mean that stands for the continuum, in ln(wavelength): three times a P Cygni profile."""

LINE_LEVELS: tuple[float, float] = (0.4, 1.6)
"""What leaves this range of the first continuum [its units] is cut to it before the second and last pass, so that
neither a strong line nor a cosmic ray draws the continuum to itself."""

CONTINUUM_FLOOR = 0.1
"""Least continuum, in units of the spectrum's median absolute flux, so that a sky subtracted too far divides nothing
by zero."""

TELLURIC_AA: tuple[float, float] = (7585.0, 7705.0)
"""Oxygen's A band in the observer's frame, left out: how much of it is put back differs from night to night."""

FEATURE_RANGE: tuple[float, float] = (-2.0, 4.0)
"""Range of the feature channel."""

NOISE_RANGE: tuple[float, float] = (-3.0, 0.5)
"""Range of log10 of the noise over the continuum."""

NOISE_ZERO = -1.5
"""log10 of the noise over the continuum at which its channel is 0, as it is where the variance is not known."""

REDSHIFT_RANGE: tuple[float, float] = (-0.01, 1.0)
"""A redshift outside is taken for unknown: SEDM's look of the sky ends far below, and placeholders lie far above."""

FEWEST_BINS = 32
"""A spectrum with fewer good bins on the grid is left out; so is one that is zero in half of them."""

SPECTRUM_CHANNELS: tuple[str, ...] = ("feature", "continuum", "noise", "mask", "rest_frame")
"""Channels of a spectrum: flux over continuum, minus 1; ln of the continuum over the median; log10 of noise over
continuum, from `NOISE_ZERO`; 1 where observed; 1 where observed and in the rest frame. All are 0 where not observed."""

_EDGES: FloatArray = np.geomspace(*GRID_AA, GRID_BINS + 1)
_CENTRES: FloatArray = np.sqrt(_EDGES[1:] * _EDGES[:-1])
_HALF = round(CONTINUUM_WIDTH / GRID_STEP / 2)
_LOW = np.maximum(np.arange(GRID_BINS) - _HALF, 0)
_HIGH = np.minimum(np.arange(GRID_BINS) + _HALF + 1, GRID_BINS)


def spectrum_channels(spectra: Sequence[Spectrum]) -> tuple[Float32Array, BoolArray]:
    """Spectra on the grid, shape (n, channels, GRID_BINS) float32, and which of them are usable, shape (n,)."""
    n = len(spectra)
    flux, noise = np.full((n, GRID_BINS), np.nan), np.full((n, GRID_BINS), np.nan)
    rest = np.zeros((n, 1), np.bool_)
    for i, spectrum in enumerate(spectra):
        rest[i] = usable_redshift(spectrum.redshift)
        flux[i], noise[i] = _on_grid(spectrum, 1.0 + (spectrum.redshift or 0.0) if rest[i, 0] else 1.0)
    seen = np.isfinite(flux)
    level = _median_level(flux, seen)
    usable: BoolArray = (np.count_nonzero(seen, axis=1) >= FEWEST_BINS) & (level[:, 0] > 0.0)
    seen &= usable[:, None]
    scale = np.where(usable[:, None], level, 1.0)
    flux = np.clip(np.where(seen, flux, 0.0) / scale, -20.0, 20.0)
    continuum = _continuum(flux, seen)
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = np.log10(noise / (scale * continuum))
    noise = np.where(np.isfinite(noise), np.clip(noise, *NOISE_RANGE) - NOISE_ZERO, 0.0)
    feature = np.clip(flux / continuum - 1.0, *FEATURE_RANGE)
    channels = np.stack([feature, np.log(continuum), noise, np.ones_like(flux), np.broadcast_to(rest, flux.shape)], 1)
    return (channels * seen[:, None, :]).astype(np.float32), usable


def usable_redshift(redshift: float | None) -> bool:
    """Whether a redshift is known, and such as a transient may have."""
    return redshift is not None and REDSHIFT_RANGE[0] < redshift < REDSHIFT_RANGE[1]


def _on_grid(spectrum: Spectrum, stretch: float) -> tuple[FloatArray, FloatArray]:
    """Flux of each grid bin and its noise, both (GRID_BINS,), NaN where none is known.

    A bin is the mean of its samples, or lies on the line between its neighbours where it has at most one.
    """
    wavelength = np.asarray(spectrum.wavelength_aa, np.float64)
    flux = np.asarray(spectrum.flux, np.float64)
    good = np.isfinite(wavelength) & np.isfinite(flux) & (np.abs(flux) < 1e30)
    good &= (wavelength < TELLURIC_AA[0]) | (wavelength > TELLURIC_AA[1])
    if np.count_nonzero(good) < 2:
        return np.full(GRID_BINS, np.nan), np.full(GRID_BINS, np.nan)
    order = np.flatnonzero(good)[np.argsort(wavelength[good], kind="stable")]
    wavelength, flux = wavelength[order] / stretch, flux[order]
    bins = np.searchsorted(_EDGES, wavelength, side="right") - 1
    inside = (bins >= 0) & (bins < GRID_BINS)
    counts = np.bincount(bins[inside], minlength=GRID_BINS)
    sums = np.bincount(bins[inside], weights=flux[inside], minlength=GRID_BINS)
    between = np.interp(_CENTRES, wavelength, flux, left=np.nan, right=np.nan)
    gridded = np.where(counts > 1, sums / np.maximum(counts, 1), between)
    if spectrum.flux_var is None:
        return gridded, np.full(GRID_BINS, np.nan)
    variance = np.asarray(spectrum.flux_var, np.float64)[order]
    known = np.isfinite(variance) & (variance > 0.0) & (variance < 1e60)
    if np.count_nonzero(known) < 2:
        return gridded, np.full(GRID_BINS, np.nan)
    return gridded, np.interp(_CENTRES, wavelength[known], np.sqrt(variance[known]))


def _median_level(flux: FloatArray, seen: BoolArray) -> FloatArray:
    """Median absolute flux of each spectrum, shape (n, 1); 0 where nothing is seen."""
    levels = [np.median(np.abs(row[mask])) if mask.any() else 0.0 for row, mask in zip(flux, seen, strict=True)]
    return np.array(levels, np.float64).reshape(-1, 1)


def _continuum(flux: FloatArray, seen: BoolArray) -> FloatArray:
    """Running mean of what is seen, twice more without strong lines, at least `CONTINUUM_FLOOR`; shape of `flux`."""
    continuum = np.maximum(_running_mean(flux, seen), CONTINUUM_FLOOR)
    for _ in range(2):
        tamed = np.clip(flux, LINE_LEVELS[0] * continuum, LINE_LEVELS[1] * continuum)
        continuum = np.maximum(_running_mean(tamed, seen), CONTINUUM_FLOOR)
    return continuum


def _running_mean(flux: FloatArray, seen: BoolArray) -> FloatArray:
    """Mean of the seen bins within half of `CONTINUUM_WIDTH` to either side, 0 where none is; shape of `flux`."""
    start = np.zeros((len(flux), 1))
    sums = np.concatenate([start, np.cumsum(np.where(seen, flux, 0.0), axis=1)], 1)
    counts = np.concatenate([start, np.cumsum(seen, axis=1)], 1)
    mean: FloatArray = (sums[:, _HIGH] - sums[:, _LOW]) / np.maximum(counts[:, _HIGH] - counts[:, _LOW], 1.0)
    return mean
