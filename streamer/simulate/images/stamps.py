"""Stamps around alerts, drawn in bulk: science, template and difference that agree with the catalogue's fluxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.light_curve import Float32Array, FloatArray, IntArray
from schemas.surveys.columns import flux_from_magnitude
from streamer.simulate.scene import Field
from streamer.simulate.sky.objects import BAD_SUBTRACTION, COSMIC_RAY

STAMP_PIXELS = {"ztf": 63, "lsst": 30}
"""Side of the stamps: 1.01 and 0.2 arcsec a pixel."""

TEMPLATE_SKY_RATIO = 0.25
"""Noise of the reference image over that of one exposure."""

_DISC_WEIGHT = np.array([0.00797563, 0.0982565, 0.43796452, 0.45580335])
_DISC_SIGMA = np.array([0.11808665, 0.32970817, 0.69881985, 1.31632094])
"""An exponential disc of half-light radius 1 as four round Gaussians, weights and widths; our own least-squares fit, in
the manner of Hogg & Lang 2013 (PASP 125, 719). Convolving with a Gaussian seeing only adds the variances."""

_TRAIL_POINTS = 7


@dataclass(frozen=True, slots=True)
class Stamps:
    """The stamps of n alerts, each (n, side, side) float32, in the unit that `draw_stamps` was given."""

    science: Float32Array
    template: Float32Array
    difference: Float32Array
    science_sky: FloatArray
    """(n,) level under the science stamp; the difference has none."""
    noise: FloatArray
    """(n,) 1 sigma of a science pixel's sky."""


def seeing_sigma_px(field: Field, exposure: IntArray) -> FloatArray:
    """(n,) width of the point-spread function, a round Gaussian [pixels]."""
    sigma: FloatArray = field.exposures.seeing_arcsec[exposure] / 2.3548 / field.survey.pixel_arcsec
    return sigma


def draw_stamps(
    rng: np.random.Generator,
    field: Field,
    k: IntArray,
    exposure: IntArray,
    centre_px: FloatArray,
    njy_per_unit: FloatArray,
    sky_level: FloatArray,
) -> Stamps:
    """Stamps of objects `k` at exposures `exposure` (both (n,)).

    `centre_px` (n, 2) is where the source lies from the stamp's central pixel, along x and y; `njy_per_unit` (n,) the
    stamps' unit; `sky_level` (n,) in that unit. East is to the left and north up.
    """
    side = STAMP_PIXELS[field.survey.name]
    o = field.objects
    band = field.exposures.band[exposure]
    sigma = seeing_sigma_px(field, exposure)
    limit = flux_from_magnitude(field.limit_mag()[k, exposure])
    # Optimal PSF photometry on white noise s: error = s * sqrt(4 pi) * sigma (e.g. King 1983, PASP 95, 163).
    noise = field.survey.stamp_noise * limit / 5.0 / (np.sqrt(4.0 * np.pi) * sigma) / njy_per_unit
    still = (_points(side, centre_px, sigma) * _column(o.counterpart_njy[k, band] / njy_per_unit)).astype(np.float32)
    still += _galaxies(side, centre_px, sigma, field, k, band, njy_per_unit)
    flux = field.flux_njy[k, exposure] / njy_per_unit
    difference = _sources(side, centre_px, sigma, field, k, flux)
    shape = (len(k), side, side)
    shot = np.sqrt(np.maximum(still + difference, 0.0) * _column(field.survey.njy_per_electron / njy_per_unit) + 1e-12)
    science_noise = rng.standard_normal(shape, dtype=np.float32)
    science_noise *= np.hypot(_column(noise), shot)
    template_noise = rng.standard_normal(shape, dtype=np.float32)
    template_noise *= _column(noise * TEMPLATE_SKY_RATIO)
    template = still + template_noise
    science = still + difference + science_noise
    _artefacts(rng, science, o.artefact[k], flux, centre_px, sigma)
    difference = science - template
    science += _column(sky_level)
    template += _column(sky_level * 0.98)
    return Stamps(science, template, difference, sky_level, noise)


def _column(values: FloatArray) -> Float32Array:
    column: Float32Array = np.asarray(values, dtype=np.float32)[:, None, None]
    return column


def _profile(side: int, centre: FloatArray, sigma: FloatArray) -> Float32Array:
    """(n, side) a Gaussian of unit sum along one axis."""
    pixels = np.arange(side) - side // 2
    arm = np.exp(-0.5 * ((pixels[None, :] - centre[:, None]) / sigma[:, None]) ** 2)
    arm /= np.sqrt(2.0 * np.pi) * sigma[:, None]
    return arm.astype(np.float32)


def _points(side: int, centre_px: FloatArray, sigma: FloatArray) -> Float32Array:
    """(n, side, side) round Gaussians of unit flux: an outer product of two arms."""
    across = _profile(side, centre_px[:, 0], sigma)
    up = _profile(side, centre_px[:, 1], sigma)
    image: Float32Array = up[:, :, None] * across[:, None, :]
    return image


def _galaxies(
    side: int,
    centre_px: FloatArray,
    sigma: FloatArray,
    field: Field,
    k: IntArray,
    band: npt.NDArray[np.uint8],
    njy_per_unit: FloatArray,
) -> Float32Array:
    o = field.objects
    image = np.zeros((len(k), side, side), dtype=np.float32)
    hosted = np.flatnonzero(o.host_radius_arcsec[k] > 0.0)
    if not len(hosted):
        return image
    scale = field.survey.pixel_arcsec
    offset = o.host_offset_arcsec[k[hosted]] * np.array([-1.0, 1.0]) / scale
    radius = o.host_radius_arcsec[k[hosted]] / scale
    flux = o.host_njy[k, band][hosted] / njy_per_unit[hosted]
    total = np.zeros((len(hosted), side, side), dtype=np.float32)
    for weight, width in zip(_DISC_WEIGHT, _DISC_SIGMA, strict=True):
        blurred = np.sqrt((width * radius) ** 2 + sigma[hosted] ** 2)
        total += _points(side, centre_px[hosted] + offset, blurred) * _column(flux * weight)
    image[hosted] = total
    return image


def _sources(
    side: int, centre_px: FloatArray, sigma: FloatArray, field: Field, k: IntArray, flux: FloatArray
) -> Float32Array:
    """What is in the science image and not in the template: points, and trails of what moves during the exposure."""
    o = field.objects
    real = o.artefact[k] == 0
    image = _points(side, centre_px, sigma) * _column(np.where(real, flux, 0.0))
    moving = np.flatnonzero(np.any(o.motion_arcsec_per_day[k] != 0.0, axis=1))
    if len(moving):
        during = o.motion_arcsec_per_day[k[moving]] * field.survey.exposure_s / 86_400.0
        step = during * np.array([-1.0, 1.0]) / field.survey.pixel_arcsec
        trail = np.zeros((len(moving), side, side), dtype=np.float32)
        for part in np.linspace(-0.5, 0.5, _TRAIL_POINTS):
            trail += _points(side, centre_px[moving] + part * step, sigma[moving])
        image[moving] = trail * _column(flux[moving] / _TRAIL_POINTS)
    return image


def _artefacts(
    rng: np.random.Generator,
    science: Float32Array,
    artefact: IntArray,
    flux: FloatArray,
    centre_px: FloatArray,
    sigma: FloatArray,
) -> None:
    """Adds what is no source to the science stamps, with the alert's flux within an aperture about the centre."""
    side = science.shape[1]
    middle = side // 2
    for i in np.flatnonzero(artefact):
        if artefact[i] == BAD_SUBTRACTION:
            shift = rng.uniform(0.6, 1.2) * sigma[i]
            centres = centre_px[[i, i]] + np.array([[-shift, 0.0], [shift, 0.0]])
            lobes = _points(side, centres, sigma[[i, i]])
            science[i] += np.float32(flux[i]) * (3.0 * lobes[0] - 2.0 * lobes[1])
        elif artefact[i] == COSMIC_RAY:
            length = int(rng.integers(2, 6))
            angle = rng.uniform(0.0, np.pi)
            along = np.arange(length) - (length - 1) / 2.0
            rows = np.clip(np.rint(middle + along * np.sin(angle)).astype(int), 0, side - 1)
            columns = np.clip(np.rint(middle + along * np.cos(angle)).astype(int), 0, side - 1)
            np.add.at(science[i], (rows, columns), np.float32(flux[i] / length))
        else:
            reach = min(middle, 12)
            science[i, middle - reach : middle + reach + 1, middle] += np.float32(flux[i] / 5.0)
