"""The wavelengths on which spectra are made before a spectrograph sees them, and lines drawn on any wavelengths."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from schemas.light_curve import FloatArray
from streamer.simulate.sky import light_curves as lc

LIGHT_KMS = 299_792.458
"""Speed of light [km / s]."""

STEP = 8e-4
"""Spacing of the grid in ln(wavelength): 240 km/s."""

GRID_AA: FloatArray = 3_000.0 * np.exp(STEP * np.arange(int(np.log(11_000.0 / 3_000.0) / STEP)))
"""Observed wavelength [angstrom]: the spectrograph's range and the bands u to y."""

SIGMA_PER_FWHM = 1.0 / np.sqrt(8.0 * np.log(2.0))
"""Of a Gaussian."""

Line = tuple[float, float, float]
"""Rest wavelength [angstrom], equivalent width [angstrom], full width at half maximum [km / s]."""


def black_body(rest_aa: FloatArray, temperature_k: float) -> FloatArray:
    """Planck's B_lambda, 1 at 5,500 angstrom, same shape."""
    at, temperature = np.append(rest_aa, 5_500.0), np.array(temperature_k)
    shape = lc.black_body(at, temperature) / at**2
    relative: FloatArray = shape[:-1] / shape[-1]
    return relative


def gaussians(rest_aa: FloatArray, lines: Iterable[Line]) -> FloatArray:
    """Sum of Gaussian lines over the continuum, same shape: their equivalent widths are kept at any width."""
    total = np.zeros_like(rest_aa)
    for centre, width, fwhm in lines:
        sigma = centre * fwhm / LIGHT_KMS * SIGMA_PER_FWHM
        total += width / (np.sqrt(2.0 * np.pi) * sigma) * np.exp(-0.5 * ((rest_aa - centre) / sigma) ** 2)
    return total


def emission(continuum: FloatArray, rest_aa: FloatArray, lines: Iterable[Line]) -> FloatArray:
    """The continuum with lines in emission, same shape."""
    return continuum * (1.0 + gaussians(rest_aa, lines))


def absorption(continuum: FloatArray, rest_aa: FloatArray, lines: Iterable[Line]) -> FloatArray:
    """The continuum with lines in absorption, same shape; what is narrow and strong goes black, not below."""
    return continuum * np.exp(-gaussians(rest_aa, lines))


def lorentzian(rest_aa: FloatArray, centre_aa: float, width_aa: float, fwhm_kms: float) -> FloatArray:
    """One Lorentzian line over the continuum: the wings of electrons that scatter, same shape."""
    half = 0.5 * centre_aa * fwhm_kms / LIGHT_KMS
    line: FloatArray = width_aa / (np.pi * half) / (1.0 + ((rest_aa - centre_aa) / half) ** 2)
    return line
