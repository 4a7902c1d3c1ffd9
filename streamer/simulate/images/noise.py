"""Noise of the stamps: the sky's, the sources' own, and how pixels' errors go together."""

from __future__ import annotations

import numpy as np

from schemas.light_curve import Float32Array, FloatArray

_RESAMPLING = np.array([0.0339, -0.0640, 0.0999, 0.9847, 0.0999, -0.0640, 0.0339])
"""What resampling onto the reference image's grid does to white noise along an axis: it gives autocorrelations of 0.18,
-0.11 and 0.06 at 1, 2 and 3 pixels; with faint sources under it that is what both surveys' emptiest templates have."""

_READOUT_COUPLING = -0.06
"""Share of a pixel's noise that the next one along a row has too (ZTF's science stamps)."""

_COLUMN_SHARE = 0.06
"""Noise that a whole column has in common, over a pixel's own (ZTF's science stamps: an excess of about 0.01 in the
autocorrelation along y at any lag)."""


def white(rng: np.random.Generator, shape: tuple[int, int, int]) -> Float32Array:
    """(n, side, side) of unit variance."""
    return rng.standard_normal(shape, dtype=np.float32)


def readout(rng: np.random.Generator, shape: tuple[int, int, int]) -> Float32Array:
    """(n, side, side) of about unit variance, with what rows and columns of ZTF's readout have in common."""
    noise = white(rng, shape)
    noise[:, :, 1:] += np.float32(_READOUT_COUPLING) * noise[:, :, :-1].copy()
    noise += np.float32(_COLUMN_SHARE) * rng.standard_normal((shape[0], 1, shape[2]), dtype=np.float32)
    return noise


def resampled(rng: np.random.Generator, shape: tuple[int, int, int]) -> Float32Array:
    """(n, side, side) of unit variance and correlated as a resampled image's."""
    kernel = _band(shape[1])
    noise: Float32Array = np.matmul(np.matmul(kernel.T, white(rng, shape)), kernel)
    return noise


def _band(side: int) -> Float32Array:
    """(side, side) matrix whose columns are the resampling kernel, each of unit norm."""
    reach = len(_RESAMPLING) // 2
    band = sum(np.diag(np.full(side - abs(lag), _RESAMPLING[lag + reach]), lag) for lag in range(-reach, reach + 1))
    normed = np.asarray(band) / np.linalg.norm(np.asarray(band), axis=0)
    kernel: Float32Array = normed.astype(np.float32)
    return kernel


def subtracted(noise: Float32Array, shift_px: FloatArray) -> Float32Array:
    """(n, side, side) noise of science images as their differences show it.

    The subtraction resamples: regressing ZTF's difference on science pixels between sources gives kernels like Lanczos'
    for shifts of some tenths of a pixel, `shift_px` (n, 2).
    """
    side = noise.shape[1]
    lag = np.arange(side)[:, None] - np.arange(side)[None, :]
    near = np.abs(lag) <= 3
    x, y = (np.where(near, _lanczos(shift)[:, np.clip(lag, -3, 3) + 3], 0.0) for shift in shift_px.T)
    filtered: Float32Array = np.matmul(np.matmul(y.astype(np.float32), noise), x.transpose(0, 2, 1).astype(np.float32))
    return filtered


def _lanczos(shift_px: FloatArray) -> FloatArray:
    """(n, 7) taps at pixels -3 to 3 of an interpolation by shifts (n,): sinc(x) sinc(x / 3)."""
    x = np.arange(-3, 4) - shift_px[:, None]
    taps: FloatArray = np.where(np.abs(x) < 3.0, np.sinc(x) * np.sinc(x / 3.0), 0.0)
    return taps


def psf_flux(image: Float32Array, psf: Float32Array, variance: Float32Array) -> FloatArray:
    """(n,) optimal photometry: the flux that fits images best, by point-spread function and variance, all
    (n, side, side).
    """
    weight = psf / variance
    flux: FloatArray = np.einsum("nij,nij->n", weight, image) / np.einsum("nij,nij->n", weight, psf)
    return flux
