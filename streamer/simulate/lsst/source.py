"""Rubin's records of a detection: what its pipeline measures of the scene, in Rubin's names and units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.light_curve import BANDS, FloatArray, IntArray
from streamer.simulate.lsst.flags import flag_columns, reliability
from streamer.simulate.lsst.identity import Identity, identify, ss_object_ids
from streamer.simulate.lsst.rows import Columns
from streamer.simulate.lsst.shapes import Light, footprint_px, light_of, shape_columns, trail_columns
from streamer.simulate.lsst.subtraction import (
    Residuals,
    dipole_columns,
    draw_residuals,
    sky_error_njy,
    template_error_njy,
)
from streamer.simulate.scene import Field

RELIABILITY_VERSION = "sim-1"

_APERTURE_PX = 12.0
"""Radius of Rubin's aperture."""

_WINGS = 0.93
"""Sky noise in the aperture over that under the fit, relative to a Gaussian's: real ones have wings."""

_SCIENCE_OVER_DIFFERENCE = 1.018
"""A source is as much brighter on the visit image than on the difference, in the median of 1,802 real sources."""

BAND_NAMES = np.array(BANDS)


@dataclass(slots=True)
class Detections:
    """All D detections of a field, history included, by object and then by time; (D,) each."""

    k: IntArray
    exposure: IntArray
    source_id: IntArray
    first: IntArray
    """Place of the object's first detection among these."""
    columns: dict[str, npt.NDArray[Any]]
    """`diaSource` by field name, in the newest version's names."""
    true_pixel: tuple[FloatArray, FloatArray]
    """Where the source really is on the detector."""

    def __len__(self) -> int:
        return len(self.k)


def measure(field: Field) -> tuple[Identity, Detections]:
    """Everything that Rubin's pipeline says of a field's detections."""
    rng = field.generator(4)
    identity = identify(rng, field)
    k, exposure = (part.astype(np.int64) for part in np.nonzero(field.detected))
    source_id = identity.ids(k, exposure)
    begins = np.flatnonzero(np.diff(k, prepend=-1))
    first = np.repeat(begins, np.diff([*begins.tolist(), len(k)]))
    residuals = draw_residuals(rng, field, k, exposure)
    light = light_of(field, k, exposure, residuals)
    true_pixel = identity.pixel(k, exposure)
    columns = dict(_identity_columns(rng, identity, k, exposure, source_id, source_id[first]))
    columns |= _astrometry(rng, field, light, residuals, true_pixel)
    columns |= _photometry(rng, field, light, residuals)
    columns |= flag_columns(rng, field, light, residuals, true_pixel)
    columns |= shape_columns(rng, field, light, residuals)
    columns["psfChi2"] = _chi2(rng, field, light, residuals, columns["psfNdata"])
    columns["bboxSize"] = footprint_px(rng, field, light, residuals)
    columns |= dipole_columns(rng, residuals, columns["psfFluxErr"], columns["bboxSize"])
    flux, error = field.flux_njy[k, exposure], field.error_njy[k, exposure]
    columns |= trail_columns(rng, light, residuals, columns, flux, error)
    flagged = columns["pixelFlags_bad"] | columns["pixelFlags_cr"] | columns["pixelFlags_saturated"]
    columns["reliability"] = reliability(rng, field, light, residuals, flagged)
    return identity, Detections(k, exposure, source_id, first, columns, true_pixel)


def processed_mjd(rng: np.random.Generator, mjd: FloatArray) -> FloatArray:
    """When the pipeline came to a source of each time: a bit over two minutes later, as in 2026's packets."""
    late: FloatArray = mjd + (118.0 + rng.gamma(4.0, 9.0, len(mjd))) / 86_400.0
    return late


def _identity_columns(
    rng: np.random.Generator,
    identity: Identity,
    k: IntArray,
    exposure: IntArray,
    source_id: IntArray,
    first_id: IntArray,
) -> Columns:
    field = identity.field
    n = len(k)
    mjd = field.exposures.mjd_tai[exposure]
    return {
        "diaSourceId": source_id,
        "visit": identity.visit[exposure],
        "detector": identity.detector(k, exposure),
        # An object is named after its first source.
        "diaObjectId": np.where(field.objects.moving[k], 0, first_id),
        "ssObjectId": ss_object_ids(field)[k],
        "parentDiaSourceId": np.zeros(n, dtype=np.int64),
        "midpointMjdTai": mjd,
        "exposureTime": np.full(n, field.survey.exposure_s),
        "band": BAND_NAMES[field.exposures.band[exposure]],
        "timeProcessedMjdTai": processed_mjd(rng, mjd),
        "reliabilityVersion": np.full(n, RELIABILITY_VERSION),
    }


def _astrometry(
    rng: np.random.Generator,
    field: Field,
    light: Light,
    residuals: Residuals,
    true_pixel: tuple[FloatArray, FloatArray],
) -> Columns:
    """Centroids: 1.64 sigma over the signal-to-noise, that of the star where a dipole was fitted to it."""
    n = len(light.k)
    scale = field.survey.pixel_arcsec
    error = field.error_njy[light.k, light.exposure]
    snr = np.where(residuals.is_dipole, np.maximum(residuals.still_njy / error, light.snr) * 1.4, light.snr)
    spread = np.hypot(light.sigma_arcsec, 0.5 * light.trail_arcsec)
    error_px = np.maximum(1.64 * spread / snr / scale * rng.lognormal(0.0, 0.08 + 0.8 / light.snr, (2, n)), 0.003)
    off = rng.normal(0.0, 1.0, (2, n)) * error_px
    turn = np.radians(field.exposures.rotation_deg[light.exposure])
    cos, sin = np.cos(turn), np.sin(turn)
    east, north = (-cos * off[0] + sin * off[1]) * scale, (sin * off[0] + cos * off[1]) * scale
    ra, dec = field.position_deg(light.k, light.exposure)
    variance = (error_px * scale / 3600.0) ** 2
    return {
        "ra": (ra + east / 3600.0 / np.cos(np.radians(dec))) % 360.0,
        "raErr": np.sqrt(cos**2 * variance[0] + sin**2 * variance[1]),
        "dec": dec + north / 3600.0,
        "decErr": np.sqrt(sin**2 * variance[0] + cos**2 * variance[1]),
        "ra_dec_Cov": sin * cos * (variance[1] - variance[0]),
        "x": true_pixel[0] + off[0],
        "xErr": error_px[0],
        "y": true_pixel[1] + off[1],
        "yErr": error_px[1],
    }


def _photometry(rng: np.random.Generator, field: Field, light: Light, residuals: Residuals) -> Columns:
    """Fluxes: of the source alone in `psfFlux`, with its surroundings' residuals and noise in `apFlux`."""
    n = len(light.k)
    whole, error = field.flux_njy[light.k, light.exposure], field.error_njy[light.k, light.exposure]
    flux = whole * light.point_share()
    sky = sky_error_njy(field, light.k, light.exposure)
    sigma_px = light.sigma_arcsec / field.survey.pixel_arcsec
    # White noise in pi r^2 pixels, against 4 pi sigma^2 under the point-spread function (King 1983, PASP 95, 163).
    photons = (np.abs(whole) + residuals.around_njy) * field.survey.njy_per_electron
    aperture_error = np.sqrt((_WINGS * sky * _APERTURE_PX / (2.0 * sigma_px)) ** 2 + photons)
    own = np.sqrt(np.maximum(aperture_error**2 - error**2, 0.0))
    leftover = rng.normal(-0.003, 0.01, n) * residuals.around_njy
    template_error = template_error_njy(field, residuals.still_njy, light.k, light.exposure)
    template = residuals.still_njy + rng.normal(0.0, 1.0, n) * np.hypot(template_error, 0.3 * error)
    # On stars and their residuals the threshold's own measure of noise is off.
    star = np.maximum(residuals.still_njy, 0.0) / error
    found_snr = light.snr * light.point_share() * rng.normal(0.988, 0.005 + 0.03 * star / (star + 100.0))
    return {
        "apFlux": whole + rng.normal(0.0, 1.0, n) * own + leftover,
        "apFluxErr": aperture_error,
        "isNegative": flux < 0.0,
        # Detection works on a smoothed image: about the same signal-to-noise, and never below its threshold.
        "snr": np.maximum(found_snr, 5.0 + rng.exponential(0.05, n)),
        "psfFlux": flux,
        "psfFluxErr": error,
        "scienceFlux": template + science_over_template(rng, flux, error),
        "scienceFluxErr": error * rng.normal(0.998, 0.015, n),
        "templateFlux": template,
        "templateFluxErr": template_error,
    }


def science_over_template(rng: np.random.Generator, flux: FloatArray, error: FloatArray) -> FloatArray:
    """(n,) by how much scienceFlux is above templateFlux [nJy]: the source, and what two fits differ by."""
    return _SCIENCE_OVER_DIFFERENCE * flux + rng.normal(0.1, 0.3, len(flux)) * error


def _chi2(rng: np.random.Generator, field: Field, light: Light, residuals: Residuals, pixels: IntArray) -> FloatArray:
    """psfChi2: chi-square of so many pixels, and what is no point source beside it."""
    error = field.error_njy[light.k, light.exposure]
    star = residuals.still_njy / error
    # A star leaves its lobes, and a few per cent where the point-spread functions do not match.
    mismatch = star * rng.lognormal(np.log(0.025), 0.8, len(star))
    trail = light.snr * (1.0 - light.point_share()) * 1.4
    source = 0.02 * light.snr
    excess = mismatch**2 + residuals.lobe_snr**2 + trail**2 + source**2
    chi2: FloatArray = pixels * rng.normal(1.005, np.sqrt(2.0 / pixels)) + excess
    return chi2
