"""How a detection looks: its footprint, its moments against those of the point-spread function, its trail."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.light_curve import FloatArray, IntArray
from streamer.simulate.lsst.rows import Columns
from streamer.simulate.lsst.subtraction import Residuals
from streamer.simulate.scene import Field
from streamer.simulate.sky.objects import COSMIC_RAY, GHOST

_FWHM = 2.3548
"""Full width at half maximum of a Gaussian over its sigma."""

_TRAIL_FIT_CONVERGES = 0.73
"""Share of real packets since June 2026 whose trail has errors."""


@dataclass(frozen=True, slots=True)
class Light:
    """What n detections are made of, (n,) each."""

    k: IntArray
    exposure: IntArray
    snr: FloatArray
    """Signal-to-noise of what was detected: the source, or a lobe of its dipole."""
    sigma_arcsec: FloatArray
    """Of the point-spread function."""
    trail_arcsec: FloatArray
    """Path during the exposure; 0 for what stays."""
    trail_angle_deg: FloatArray
    """Of the path, from north through east."""

    def point_share(self) -> FloatArray:
        """Share of a trail's flux that a fit of the point-spread function finds: 1 for what stays.

        The mean of exp(-u^2 / (4 sigma^2)) along the trail.
        """
        u = np.linspace(-0.5, 0.5, 33)
        share: FloatArray = np.exp(-(((u * self.trail_arcsec[:, None]) / self.sigma_arcsec[:, None]) ** 2) / 4.0).mean(
            axis=1
        )
        return share


def light_of(field: Field, k: IntArray, exposure: IntArray, residuals: Residuals) -> Light:
    """What the detections of objects `k` at `exposure`, both (n,), are made of."""
    motion = field.objects.motion_arcsec_per_day[k]
    snr = np.abs(field.flux_njy[k, exposure]) / field.error_njy[k, exposure]
    return Light(
        k=k,
        exposure=exposure,
        snr=np.where(residuals.is_dipole, np.maximum(residuals.lobe_snr, snr), snr),
        sigma_arcsec=field.exposures.seeing_arcsec[exposure] / _FWHM,
        trail_arcsec=np.hypot(motion[:, 0], motion[:, 1]) * field.survey.exposure_s / 86_400.0,
        trail_angle_deg=np.degrees(np.arctan2(motion[:, 0], motion[:, 1])),
    )


def footprint_px(rng: np.random.Generator, field: Field, light: Light, residuals: Residuals) -> IntArray:
    """(n,) bboxSize: a source stands above the threshold as far out as its Gaussian does; 11 pixels at least."""
    width = light.sigma_arcsec * _FWHM / field.survey.pixel_arcsec
    above = np.sqrt(2.0 * np.log(np.maximum(light.snr / 5.0, 1.0)))
    broad = np.where(field.objects.artefact[light.k] == GHOST, 1.6, 1.0)
    # The wings of a star's residual stand out too.
    star = np.clip(residuals.still_njy / field.error_njy[light.k, light.exposure] / 550.0, 0.0, 2.5)
    size = width * (2.0 * broad + 1.44 * above + star) + light.trail_arcsec / field.survey.pixel_arcsec
    side: IntArray = np.maximum(np.rint(size + rng.normal(0.0, 1.0, len(size))), 9.0).astype(np.int64)
    return side


def shape_columns(rng: np.random.Generator, field: Field, light: Light, residuals: Residuals) -> Columns:
    """Adaptive moments [arcsec^2] along east and north, of the source and of the point-spread function.

    Where a source is faint or sits on a residual they often fail: NaN.
    """
    n = len(light.k)
    failed = rng.random(n) < _failure_chance(field, light, residuals)
    artefact = field.objects.artefact[light.k]
    size = np.select([artefact == COSMIC_RAY, artefact == GHOST], [0.3, 3.0], 1.0)
    scatter = 2.6 / light.snr + 0.03
    near = np.exp(5.0 - light.snr)
    growth = size * rng.lognormal(-0.3 * near, scatter)
    psf = _psf_moments(rng, field, light)
    ellipticity = rng.normal(0.0, 1.0, (2, n)) * np.minimum(1.9 / light.snr + 0.03, 0.4)
    mean = (psf["ixxPSF"] + psf["iyyPSF"]) / 2.0
    along = np.radians(light.trail_angle_deg)
    trail = light.trail_arcsec**2 / 12.0
    moments = {
        "ixx": growth * (psf["ixxPSF"] + mean * ellipticity[0]) + trail * np.sin(along) ** 2,
        "iyy": growth * (psf["iyyPSF"] - mean * ellipticity[0]) + trail * np.cos(along) ** 2,
        "ixy": growth * (psf["ixyPSF"] + mean * ellipticity[1]) + trail * np.sin(along) * np.cos(along),
    }
    larger = np.log((moments["ixx"] + moments["iyy"]) / (2.0 * mean))
    doubt = -0.9 + 2.2 * near - 2.6 * np.log10(light.snr / 5.5) + np.clip(4.0 + light.snr / 20.0, 4.0, 12.0) * larger
    extended = 1.0 / (1.0 + np.exp(-(doubt + rng.normal(0.0, 1.0, n)).clip(-15.0, 40.0)))
    return {
        **{name: _unless(failed, column) for name, column in moments.items()},
        **psf,
        "shape_flag": failed,
        "extendedness": _unless(failed, extended),
    }


def _failure_chance(field: Field, light: Light, residuals: Residuals) -> FloatArray:
    """(n,) how often moments fail: rates of 1,869 real sources by signal-to-noise, on and off dipoles."""
    point = np.abs(field.flux_njy[light.k, light.exposure]) / field.error_njy[light.k, light.exposure]
    off = 0.025 + 0.3 * np.exp(-np.maximum(light.snr - 5.0, 0.0) / 1.2)
    moves = field.objects.moving[light.k]
    chance: FloatArray = np.select([moves, residuals.is_dipole], [0.002, 0.6 * np.exp(-point / 15.0)], off)
    return chance


def _psf_moments(rng: np.random.Generator, field: Field, light: Light) -> dict[str, FloatArray]:
    """The point-spread function's moments: round to a few per cent, the same way all over a visit."""
    visits = len(field.exposures)
    visit = field.generator(41).normal(0.0, 0.07, (2, visits))[:, light.exposure]
    e1, e2 = visit + rng.normal(0.0, 0.02, visit.shape)
    area = light.sigma_arcsec**2 * rng.lognormal(0.0, 0.02, len(e1))
    return {"ixxPSF": area * (1.0 + e1), "iyyPSF": area * (1.0 - e1), "ixyPSF": area * e2}


def trail_columns(
    rng: np.random.Generator,
    light: Light,
    residuals: Residuals,
    measured: Columns,
    flux: FloatArray,
    error: FloatArray,
) -> Columns:
    """Fit of a trail, from the moments: every source gets one, of about the seeing's length unless it moves.

    `measured` has the source's place and moments; `flux` and `error` (n,) are those within the whole trail [nJy].
    """
    n = len(light.k)
    fwhm = light.sigma_arcsec * _FWHM
    blur = np.maximum(1.2 - 0.45 * np.log10(light.snr / 6.0), 0.4)
    length = np.hypot(light.trail_arcsec, fwhm * blur * rng.lognormal(0.0, 0.25, n))
    along = 0.5 * np.degrees(np.arctan2(2.0 * measured["ixy"], measured["iyy"] - measured["ixx"]))
    # Which of its two ends a trail points to is anyone's guess.
    angle = (along + np.where(rng.random(n) < 0.3, 180.0, 0.0) + 180.0) % 360.0 - 180.0
    off = rng.normal(0.0, 0.3, (2, n)) / light.snr / 3600.0
    converged = rng.random(n) < _TRAIL_FIT_CONVERGES
    errors = np.where(converged, 1.8 * length / light.snr, np.nan)
    # Where it does not converge the fit says that the flux is far better known than it is.
    narrow = 0.107 * (5.0 / light.snr) ** 1.4 * rng.lognormal(0.0, 0.8, n)
    grown = rng.normal(0.98, 0.025, n) + 0.16 * np.exp(-light.snr / 6.0)
    lobes = np.where(residuals.is_dipole, residuals.lobe_snr, 0.0) * np.abs(rng.normal(0.0, 0.4, n))
    fitted = {
        "trailFlux": flux * grown + (rng.normal(0.0, 0.3, n) + lobes) * error,
        "trailFluxErr": error * np.where(converged, rng.uniform(0.4, 0.9, n), narrow),
        "trailRa": measured["ra"] + off[0] / np.cos(np.radians(measured["dec"])),
        "trailDec": measured["dec"] + off[1],
        "trailLength": length,
        "trailLengthErr": errors,
        "trailAngle": angle,
        "trailAngleErr": np.degrees(1.2 * errors / length),
    }
    failed = measured["shape_flag"]
    return {
        **{name: _unless(failed, column) for name, column in fitted.items()},
        "trailNdata": np.zeros(n, dtype=np.int64),
        "trailAlgorithm": np.ones(n, dtype=np.int64),
        "trail_flag": failed,
    }


def _unless(failed: npt.NDArray[np.bool_], column: FloatArray) -> FloatArray:
    return np.where(failed, np.nan, column)
