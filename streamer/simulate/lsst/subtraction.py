"""What subtraction leaves of the light that is in both images: residuals, and the dipoles that are fitted to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schemas.light_curve import BANDS, FloatArray, IntArray
from streamer.simulate.lsst.rows import Columns
from streamer.simulate.scene import BoolArray, Field, psf_share
from streamer.simulate.sky.objects import BAD_SUBTRACTION

_MISPLACED_ARCSEC = 0.022
"""By how much a star is off in the reference image, 1 sigma along each axis: the dipoles of a real object point the
same way and are as long in all bands and on all nights, 0.007 arcsec for some objects and 0.06 for others."""

_REGISTRATION_ARCSEC = 0.006
"""By how much more on single visits."""

_LOBE = 0.6
"""Signal-to-noise of a lobe for a shift of 1 sigma and a star of signal-to-noise 1: a Gaussian's greatest slope."""

_LONGEST_DIPOLE_ARCSEC = 0.15
_REFERENCE_ERROR = 0.1
"""Median error of the reference image's fluxes over that of an exposure's."""

_APERTURE_ARCSEC = 2.4
"""Radius of Rubin's aperture, 12 pixels."""


@dataclass(frozen=True, slots=True)
class Residuals:
    """What n detections sit on, (n,) each."""

    still_njy: FloatArray
    """Light of the reference image under the point-spread function: what templateFlux measures."""
    around_njy: FloatArray
    """The same within the aperture."""
    shift_arcsec: FloatArray
    """By which the reference image is off."""
    shift_angle_deg: FloatArray
    """Direction of the shift, from north through east."""
    lobe_snr: FloatArray
    """Signal-to-noise of each of the two lobes that the shift leaves."""
    is_dipole: BoolArray
    """Whether the lobes are what was detected."""


def still_njy(field: Field, k: IntArray, exposure: IntArray) -> FloatArray:
    """(n,) light of the reference image under the point-spread function: nucleus or star, host, what lies nearby."""
    o, band = field.objects, field.exposures.band[exposure]
    seeing = field.exposures.seeing_arcsec[exposure]
    distance = np.hypot(o.neighbour_offset_arcsec[k, :, 0], o.neighbour_offset_arcsec[k, :, 1])
    # A neighbour counts by how far its image, blurred twice by the seeing, overlaps the place.
    blur = 2.0 * (seeing[:, None] / 2.355) ** 2 + 0.72 * o.neighbour_radius_arcsec[k] ** 2
    overlap = psf_share(o.neighbour_radius_arcsec[k], seeing[:, None]) * np.exp(-0.5 * distance**2 / blur)
    neighbours = (o.neighbour_njy[k, :, band] * overlap).sum(axis=1)
    host = psf_share(o.host_radius_arcsec[k], seeing) * o.host_njy[k, band]
    light: FloatArray = o.counterpart_njy[k, band] + host + neighbours
    return light


def draw_residuals(rng: np.random.Generator, field: Field, k: IntArray, exposure: IntArray) -> Residuals:
    """Residuals under the detections of objects `k` at `exposure`, both (n,)."""
    o = field.objects
    n = len(k)
    band = field.exposures.band[exposure]
    seeing = field.exposures.seeing_arcsec[exposure]
    flux, error = field.flux_njy[k, exposure], field.error_njy[k, exposure]
    still = still_njy(field, k, exposure)
    distance = np.hypot(o.neighbour_offset_arcsec[k, :, 0], o.neighbour_offset_arcsec[k, :, 1])
    inside = (o.neighbour_njy[k, :, band] * (distance < _APERTURE_ARCSEC)).sum(axis=1)
    radius = np.maximum(o.host_radius_arcsec[k], 1e-3)
    host = o.host_njy[k, band] * (1.0 - 0.5 ** ((_APERTURE_ARCSEC / radius) ** 1.2))
    apart = field.generator(43).normal(0.0, _MISPLACED_ARCSEC, (len(o), 2)) * field.generator(44).lognormal(
        0.0, 0.5, (len(o), 1)
    )
    east, north = (apart[k] + rng.normal(0.0, _REGISTRATION_ARCSEC, (n, 2))).T
    shift = np.hypot(east, north)
    slope = _LOBE * still / (seeing / 2.355) / error
    # A star that was found for its bad subtraction is off by as much as its residual takes.
    bad = o.artefact[k] == BAD_SUBTRACTION
    needed = 1.2 * np.abs(flux) / error / np.maximum(slope, 1e-9)
    shift = np.where(bad, np.clip(needed, shift, _LONGEST_DIPOLE_ARCSEC), shift)
    lobe = slope * shift
    return Residuals(
        still_njy=still,
        around_njy=o.counterpart_njy[k, band] + host + inside,
        shift_arcsec=shift,
        shift_angle_deg=np.degrees(np.arctan2(east, north)),
        lobe_snr=lobe,
        is_dipole=(lobe > 5.0) & (lobe > np.abs(flux) / error),
    )


def dipole_columns(rng: np.random.Generator, residuals: Residuals, error_njy: FloatArray, bbox_px: IntArray) -> Columns:
    """The dipole's fit where there is one; NaN elsewhere. Scatters are those of 499 real dipoles."""
    n = len(error_njy)
    dipole = residuals.is_dipole
    mean_error = error_njy * rng.lognormal(np.log(0.56), 0.2, n)
    fitted = {
        "dipoleMeanFlux": residuals.still_njy * rng.normal(0.985, 0.02, n),
        "dipoleMeanFluxErr": mean_error,
        "dipoleFluxDiff": np.zeros(n),
        "dipoleFluxDiffErr": 2.0 * mean_error,
        "dipoleLength": residuals.shift_arcsec,
        "dipoleAngle": residuals.shift_angle_deg,
    }
    pixels = np.rint(bbox_px**2 * rng.normal(2.6, 0.2, n)).astype(np.int64)
    fitted["dipoleChi2"] = pixels * rng.lognormal(np.log(0.8), 0.7, n)
    return {
        **{name: np.where(dipole, column, np.nan) for name, column in fitted.items()},
        "isDipole": dipole,
        "dipoleFitAttempted": dipole,
        "dipoleNdata": np.where(dipole, pixels, 0),
    }


def template_error_njy(field: Field, still: FloatArray, k: IntArray, exposure: IntArray) -> FloatArray:
    """(n,) error of templateFlux: the reference image's sky, and the light's own noise in many exposures.

    The stacks are as deep as a field has been seen often in the band: 0.03 to 0.4 of an exposure's error in real
    packets.
    """
    drawn = field.generator(42).lognormal(np.log(_REFERENCE_ERROR), 0.7, len(BANDS)).clip(0.03, 0.4)
    ratio = drawn[field.exposures.band[exposure]]
    photons = np.maximum(still, 0.0) * field.survey.njy_per_electron
    error: FloatArray = ratio * np.sqrt(sky_error_njy(field, k, exposure) ** 2 + photons)
    return error


def sky_error_njy(field: Field, k: IntArray, exposure: IntArray) -> FloatArray:
    """(n,) error that the sky alone gives the flux of a point source."""
    error: FloatArray = 10.0 ** (0.4 * (31.4 - field.limit_mag()[k, exposure])) / 5.0
    return error
