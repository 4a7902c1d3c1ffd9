"""A spectrograph like SEDM on Palomar's 60-inch: coarse, red-sensitive, fed by an integral-field unit.

Blagorodnova et al. 2018 (PASP 130, 035003); Rigault et al. 2019 (A&A 627, A115). How its noise runs with
wavelength, and how deep its spectra are, are medians over SEDM spectra.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from schemas.light_curve import FloatArray
from streamer.simulate.spectra.grid import GRID_AA, SIGMA_PER_FWHM, STEP

WAVELENGTH_AA: FloatArray = np.linspace(3_776.7, 9_223.3, 214)
"""Bins of a reduced spectrum [angstrom]."""

RESOLUTION = 100.0
"""Wavelength over the full width at half maximum of what is narrow."""

PIXELS_PER_FWHM = 2.2
"""Of the detector, at every wavelength alike."""

OVERSTATED = 1.2
"""Quoted errors of SEDM's reductions over the scatter between neighbouring bins, where noise is white."""

FLUX_UNIT = "erg / (s cm2 AA)"

_NOISE_AA = (3_700.0, 3_980.0, 4_185.0, 4_390.0, 4_800.0, 5_200.0, 5_620.0, 6_030.0, 6_640.0, 7_250.0, 8_070.0, 8_480.0,
             8_890.0, 9_200.0)  # fmt: skip
_NOISE = (12.5, 6.3, 4.0, 3.0, 1.95, 1.42, 1.15, 1.0, 0.83, 0.73, 0.71, 0.8, 0.98, 1.4)
"""1 sigma of a bin's flux over that at 6,000 angstrom."""

_TELLURIC: tuple[tuple[float, float, float], ...] = (
    *((6_870.0, 25.0, 0.5), (7_190.0, 55.0, 0.35), (7_620.0, 35.0, 1.0), (8_230.0, 60.0, 0.3), (9_100.0, 90.0, 0.5)),
)
"""Bands of oxygen and water: centre and width [angstrom], depth over that of the A band (Stevenson 1994, MNRAS 267,
904)."""

_SKY: tuple[tuple[float, float], ...] = (
    (5_577.0, 1.0),
    (5_893.0, 0.4),
    (6_300.0, 0.5),
    (7_750.0, 0.4),
    (8_350.0, 0.6),
    (8_830.0, 0.8),
)
"""Lines of the night sky: wavelength [angstrom], and noise that they add over that of the sky between them."""


@dataclass(frozen=True, slots=True)
class Spectrograph:
    """What a survey's transients are looked at with."""

    name: str
    limit_mag: float
    """Half of the targets of this magnitude are left out as too faint."""


SPECTROGRAPHS = {"ztf": Spectrograph("SEDM", 19.0), "lsst": Spectrograph("SEDM on 8 m", 23.0)}
"""By survey. SEDM takes most of what the Bright Transient Survey has to 19 mag (Perley et al. 2020, ApJ 904, 35). What
LSST finds is fainter: its spectrograph is thought behind a mirror that gathers 30 times the light."""


def observe(
    rng: np.random.Generator, spectrograph: Spectrograph, flux: FloatArray, magnitude: float
) -> tuple[FloatArray, FloatArray]:
    """Flux and its variance on `WAVELENGTH_AA`, (214,) each, of a source of this magnitude.

    `flux` is on `GRID_AA`. What the atmosphere took is put back imperfectly, the flux scale is off by a smooth curve,
    and the noise of neighbouring bins goes together where a bin is narrower than a pixel, which it is in the red.
    """
    pixels, native = _pixels(_blurred(flux))
    smooth = np.interp(6_000.0, pixels, native)
    signal_to_noise = 20.0 * 10.0 ** (-0.16 * (magnitude - spectrograph.limit_mag + 1.0)) * rng.lognormal(0.0, 0.5)
    share = np.clip(native / smooth, 0.05, 5.0)
    sigma = smooth / max(signal_to_noise, 0.5) * np.interp(pixels, _NOISE_AA, _NOISE)
    sigma = (
        sigma * np.sqrt(0.65 + 0.35 * share) * (1.0 + _bumps(pixels, [(c, 0.5 * c / RESOLUTION, s) for c, s in _SKY]))
    )
    residual = 1.0 + rng.normal(0.0, 0.06) * _bumps(pixels, _TELLURIC)
    position = (pixels - 6_500.0) / 2_700.0
    scale = np.exp(
        rng.normal(0.0, 0.18) * position + rng.normal(0.0, 0.07) * np.cos(2.6 * position + rng.uniform(0.0, 6.3))
    )
    measured = native * residual * scale + sigma / OVERSTATED * rng.standard_normal(len(pixels))
    if rng.random() < 0.04:  # a cosmic ray that was not noticed
        measured[rng.integers(len(pixels))] += rng.choice((-1.0, 1.0)) * rng.exponential(15.0) * np.median(sigma)
    variance = np.interp(WAVELENGTH_AA, pixels, sigma**2)
    return np.interp(WAVELENGTH_AA, pixels, measured), variance


def _blurred(flux: FloatArray) -> FloatArray:
    """At the spectrograph's resolution, which is the same share of every wavelength."""
    sigma = SIGMA_PER_FWHM / RESOLUTION / STEP
    reach = int(4.0 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    padded = np.pad(flux, reach, mode="edge")
    blurred: FloatArray = np.convolve(padded, kernel / kernel.sum(), mode="valid")
    return blurred


def _pixels(flux: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Wavelength and flux of the detector's own pixels."""
    step = 1.0 / RESOLUTION / PIXELS_PER_FWHM
    count = int(np.log(9_400.0 / 3_700.0) / step)
    pixels = 3_700.0 * np.exp(step * np.arange(count))
    return pixels, np.interp(pixels, GRID_AA, flux)


def _bumps(wavelength_aa: FloatArray, bumps: Iterable[tuple[float, float, float]]) -> FloatArray:
    total = np.zeros_like(wavelength_aa)
    for centre, width, height in bumps:
        total += height * np.exp(-0.5 * ((wavelength_aa - centre) / width) ** 2)
    return total
