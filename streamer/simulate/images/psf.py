"""Point-spread functions of exposures and of reference images, and sources drawn with them.

A point-spread function here is a sum of round Gaussians; one that is elongated has its core twice, a little apart. Each
Gaussian is an outer product of two arms, so that all sources of a stamp are one product of matrices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.light_curve import BANDS, Float32Array, FloatArray, IntArray
from streamer.simulate.images.profiles import MOFFAT_3, MOFFAT_5, Mixture
from streamer.simulate.scene import Field

_EXPOSURE_KEY, _TEMPLATE_KEY = 11, 12
"""Of the field's random streams."""

_SCIENCE_SHAPE = {"ztf": MOFFAT_3, "lsst": MOFFAT_5}

_TEMPLATE_FWHM_ARCSEC = {"ztf": (2.16, 0.09), "lsst": (0.86, 0.14)}
"""Median and logarithmic scatter between fields and bands; medians over 232 stars in ZTF's and 67 functions in Rubin's
stamps."""

_ELLIPTICITY = {"ztf": 0.10, "lsst": 0.09}
"""Median (a^2 - b^2) / (a^2 + b^2) of exposures on the same stars and functions; templates have 0.7 of it."""

_REGISTRATION_PX = {"ztf": 0.035, "lsst": 0.06}
"""Misfit of an exposure to its reference image along each axis, 1 sigma; set to the residuals of bright stars."""

_MATCHING = {"ztf": 0.012, "lsst": 0.012}
"""Relative misfit of the width to which the reference image is brought, 1 sigma; set in the same way."""

_RESAMPLING_PX = {"ztf": 0.18, "lsst": 0.11}
"""Scatter of the shifts, much the same along both axes; set to how difference and science pixels go together. Rubin's
differences are filtered to decorrelate their noise (Reiss & Lupton 2016, DMTN-021), which does as much."""

_GROUPS = 4
"""Stamps are drawn in so many groups by their number of sources: each group is padded to its fullest stamp."""


@dataclass(frozen=True, slots=True)
class Psf:
    """Point-spread functions of n stamps, each a sum of C round Gaussians."""

    weight: FloatArray
    """(C,) of unit sum."""
    sigma_px: FloatArray
    """(n, C)"""
    offset_px: FloatArray
    """(n, C, 2) from the source, x and y."""

    def scaled(self, factor: FloatArray) -> Psf:
        """The same, wider by factors (n,)."""
        return Psf(self.weight, self.sigma_px * factor[:, None], self.offset_px * factor[:, None, None])

    def take(self, rows: IntArray) -> Psf:
        """Those of some stamps."""
        return Psf(self.weight, self.sigma_px[rows], self.offset_px[rows])

    def noise_area_px(self) -> FloatArray:
        """(n,) 1 / sum of squares: the error of optimal photometry is the pixel's noise times the root of it."""
        variance = self.sigma_px[:, :, None] ** 2 + self.sigma_px[:, None, :] ** 2
        apart = ((self.offset_px[:, :, None] - self.offset_px[:, None, :]) ** 2).sum(axis=3)
        overlap = np.exp(-0.5 * apart / variance) / (2.0 * np.pi * variance)
        area: FloatArray = 1.0 / np.einsum("i,j,nij->n", self.weight, self.weight, overlap)
        return area


@dataclass(frozen=True, slots=True)
class Sources:
    """M round sources on n stamps, (M,) each, in any order."""

    row: IntArray
    """Which stamp."""
    x_px: FloatArray
    """From the stamp's pixel side // 2."""
    y_px: FloatArray
    flux: FloatArray
    width_px: FloatArray
    """Sigma before the point-spread function; 0 for points."""

    def take(self, chosen: IntArray | npt.NDArray[np.bool_]) -> Sources:
        """Some of them."""
        row, x, y, flux, width = self.columns()
        return Sources(row[chosen], x[chosen], y[chosen], flux[chosen], width[chosen])

    def changed(self, shift_px: FloatArray, factor: FloatArray) -> Sources:
        """The same, moved by (M, 2) and brighter by factors (M,)."""
        x, y = self.x_px + shift_px[:, 0], self.y_px + shift_px[:, 1]
        return Sources(self.row, x, y, self.flux * factor, self.width_px)

    def columns(self) -> tuple[IntArray, FloatArray, FloatArray, FloatArray, FloatArray]:
        """All of it, in the order above."""
        return self.row, self.x_px, self.y_px, self.flux, self.width_px


def join_sources(parts: list[Sources]) -> Sources:
    """All sources of the parts."""
    row, x, y, flux, width = (np.concatenate(each) for each in zip(*(part.columns() for part in parts), strict=True))
    return Sources(row, x, y, flux, width)


def science_psf(field: Field, exposure: IntArray) -> Psf:
    """Of exposures (n,): as wide as the night's seeing, elongated by wind and tracking."""
    survey = field.survey.name
    fwhm = field.exposures.seeing_arcsec[exposure] / field.survey.pixel_arcsec
    rng = field.generator(_EXPOSURE_KEY)
    ellipticity, angle = _elongation(rng, len(field.exposures), _ELLIPTICITY[survey])
    return moffat(_SCIENCE_SHAPE[survey], fwhm, ellipticity[exposure], angle[exposure])


def template_psf(field: Field, band: npt.NDArray[np.uint8]) -> Psf:
    """Of the reference images in bands (n,): a stack of good exposures, one for a field and band."""
    survey = field.survey.name
    median, scatter = _TEMPLATE_FWHM_ARCSEC[survey]
    rng = field.generator(_TEMPLATE_KEY)
    fwhm = median * rng.lognormal(0.0, scatter, len(BANDS)) / field.survey.pixel_arcsec
    ellipticity, angle = _elongation(rng, len(BANDS), 0.7 * _ELLIPTICITY[survey])
    return moffat(MOFFAT_3, fwhm[band], ellipticity[band], angle[band])


def resampling_px(field: Field, exposure: IntArray) -> FloatArray:
    """(n, 2) shifts by which exposures (n,) are resampled before they are subtracted [pixel]."""
    rng, n = field.generator(_EXPOSURE_KEY, 2), len(field.exposures)
    size = np.abs(rng.normal(0.0, _RESAMPLING_PX[field.survey.name], (n, 1))) * rng.lognormal(0.0, 0.3, (n, 2))
    shift: FloatArray = (size * rng.choice([-1.0, 1.0], (n, 2))).clip(-0.5, 0.5)
    return shift[exposure]


def misfit(field: Field, exposure: IntArray) -> tuple[FloatArray, FloatArray]:
    """How exposures (n,) miss their reference image: (n, 2) in place [pixel] and (n,) in width, a factor near 1."""
    survey = field.survey.name
    rng = field.generator(_EXPOSURE_KEY, 1)
    n = len(field.exposures)
    shift = rng.normal(0.0, _REGISTRATION_PX[survey], (n, 2))
    width = 1.0 + rng.normal(0.0, _MATCHING[survey], n)
    return shift[exposure], width[exposure]


def _elongation(rng: np.random.Generator, n: int, median: float) -> tuple[FloatArray, FloatArray]:
    return np.minimum(median * rng.lognormal(0.0, 0.6, n), 0.35), rng.uniform(0.0, np.pi, n)


def moffat(shape: Mixture, fwhm_px: FloatArray, ellipticity: FloatArray, angle: FloatArray) -> Psf:
    """Functions (n,) of a shape: ellipticity (a^2 - b^2) / (a^2 + b^2) of the core, angle from +x [rad]."""
    core = len(shape.weight) - 1
    order = [*range(core), *range(core), core]
    weight = np.concatenate([shape.weight[:core] / 2.0, shape.weight[:core] / 2.0, shape.weight[core:]])
    # Gaussians of variance s^2 (1 - e) at s sqrt(2 e) to either side have s^2 (1 + e) along and s^2 (1 - e) across.
    share = np.where(np.arange(len(order)) < 2 * core, 1.0, 0.0)
    width = fwhm_px[:, None] * shape.width[order]
    sigma = width * np.sqrt(1.0 - share * ellipticity[:, None])
    apart = width * share * np.sqrt(2.0 * ellipticity)[:, None] * np.repeat([1.0, -1.0, 1.0], [core, core, 1])
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return Psf(weight / weight.sum(), sigma, apart[:, :, None] * direction[:, None, :])


def draw(psf: Psf, sources: Sources, side: int) -> Float32Array:
    """(n, side, side) sources as the point-spread functions show them, sampled at the pixels' centres."""
    n = len(psf.sigma_px)
    image = np.zeros((n, side, side), dtype=np.float32)
    count = np.bincount(sources.row, minlength=n)
    order = np.argsort(sources.row, kind="stable")
    begin = np.cumsum(count) - count
    for rows in np.array_split(np.argsort(count, kind="stable"), _GROUPS):
        most = int(count[rows].max(initial=0))
        if most:
            place = np.minimum(begin[rows, None] + np.arange(most), len(order) - 1)
            there = np.arange(most) < count[rows, None]
            image[rows] = _draw_padded(psf.take(rows), sources, order[place], there, side)
    return image


def _draw_padded(psf: Psf, sources: Sources, index: IntArray, there: npt.NDArray[np.bool_], side: int) -> Float32Array:
    """Stamps of n rows, each with the S sources `index` (n, S) as far as they are there."""
    variance = psf.sigma_px[:, None, :] ** 2 + sources.width_px[index][:, :, None] ** 2
    x = sources.x_px[index][:, :, None] + psf.offset_px[:, None, :, 0]
    y = sources.y_px[index][:, :, None] + psf.offset_px[:, None, :, 1]
    flux = np.where(there, sources.flux[index], 0.0)
    height = flux[:, :, None] * psf.weight / (2.0 * np.pi * variance)
    across, up = _arm(side, x, variance), _arm(side, y, variance)
    up *= height.reshape(len(index), -1, 1).astype(np.float32)
    image: Float32Array = np.matmul(up.transpose(0, 2, 1), across)
    return image


def _arm(side: int, centre: FloatArray, variance: FloatArray) -> Float32Array:
    """(n, S * C, side) Gaussians of unit height along one axis."""
    n = len(centre)
    pixels = (np.arange(side) - side // 2).astype(np.float32)
    arm = pixels - centre.reshape(n, -1, 1).astype(np.float32)
    np.square(arm, out=arm)
    arm *= (-0.5 / variance).reshape(n, -1, 1).astype(np.float32)
    # Far out a Gaussian underflows into slow denormal numbers.
    np.maximum(arm, -80.0, out=arm)
    return np.exp(arm, out=arm)


def psf_images(psf: Psf, side: int) -> FloatArray:
    """(n, side, side) the functions themselves, of unit sum, centred on pixel side // 2."""
    n = len(psf.sigma_px)
    zero = np.zeros(n)
    image = draw(psf, Sources(np.arange(n), zero, zero, zero + 1.0, zero), side).astype(np.float64)
    normed: FloatArray = image / image.sum(axis=(1, 2), keepdims=True)
    return normed
