"""What the pixels under a detection suffer from, and how far it can be trusted."""

from __future__ import annotations

import numpy as np

from schemas.light_curve import FloatArray, IntArray
from streamer.simulate.lsst.rows import Columns
from streamer.simulate.lsst.shapes import Light
from streamer.simulate.lsst.subtraction import Residuals
from streamer.simulate.scene import BoolArray, Field
from streamer.simulate.sky.objects import BAD_COLUMN, BAD_SUBTRACTION, COSMIC_RAY, GHOST

PSF_PIXELS = 41
"""Side of the point-spread function's image, and of the square in which a flux is fitted."""

_SATURATION_NJY = 4.0e6
"""Brightest star in 1 arcsec seeing that does not saturate: the brightest real ones without the flag have 3.5e6."""

_PLAIN_FALSE = (
    "centroid_flag apFlux_flag apFlux_flag_apertureTruncated psfFlux_flag_noGoodPixels trail_flag_edge "
    "forced_PsfFlux_flag_noGoodPixels shape_flag_no_pixels shape_flag_not_contained shape_flag_parent_source "
    "pixelFlags pixelFlags_edge pixelFlags_nodata pixelFlags_nodataCenter pixelFlags_offimage pixelFlags_suspect "
    "pixelFlags_suspectCenter pixelFlags_injected pixelFlags_injectedCenter pixelFlags_injected_template "
    "pixelFlags_injected_templateCenter glint_trail"
).split()
"""Flags that Rubin's pipeline keeps out of its stream: a source that would have one is not sent."""


def flag_columns(
    rng: np.random.Generator, field: Field, light: Light, residuals: Residuals, pixel: tuple[FloatArray, FloatArray]
) -> Columns:
    """Flags of the detections, and psfNdata: how many of the fit's pixels are on the detector."""
    n = len(light.k)
    artefact = field.objects.artefact[light.k]
    counted = _pixels_on_detector(field, pixel)
    cut = counted < PSF_PIXELS**2
    hit = (artefact == COSMIC_RAY) | (rng.random(n) < 0.004)
    column = artefact == BAD_COLUMN
    science = np.abs(residuals.still_njy) + np.abs(field.flux_njy[light.k, light.exposure])
    saturated = science > _SATURATION_NJY * (light.sigma_arcsec / 0.425) ** 2
    streak = rng.random(n) < 0.001
    bad = column | (rng.random(n) < 0.005)
    return {
        **{name: np.zeros(n, dtype=bool) for name in _PLAIN_FALSE},
        "psfFlux_flag": cut,
        "psfFlux_flag_edge": cut,
        "forced_PsfFlux_flag": cut,
        "forced_PsfFlux_flag_edge": cut,
        "psfNdata": counted,
        "pixelFlags_cr": hit,
        "pixelFlags_crCenter": artefact == COSMIC_RAY,
        "pixelFlags_bad": bad,
        # Pixels of cosmic rays, of bad columns and of saturated cores are filled from their neighbours.
        "pixelFlags_interpolated": hit | bad | saturated,
        "pixelFlags_interpolatedCenter": (artefact == COSMIC_RAY) | column | saturated,
        "pixelFlags_saturated": saturated,
        "pixelFlags_saturatedCenter": saturated,
        "pixelFlags_streak": streak,
        "pixelFlags_streakCenter": streak & (rng.random(n) < 0.5),
    }


def _pixels_on_detector(field: Field, pixel: tuple[FloatArray, FloatArray]) -> IntArray:
    arm = PSF_PIXELS // 2
    sides = []
    for place, length in zip(pixel, field.survey.cell_px, strict=True):
        whole = np.rint(place)
        sides.append(np.minimum(whole, arm) + np.minimum(length - 1 - whole, arm) + 1.0)
    counted: IntArray = (sides[0] * sides[1]).astype(np.int64)
    return counted


def reliability(
    rng: np.random.Generator, field: Field, light: Light, residuals: Residuals, flagged: BoolArray
) -> FloatArray:
    """(n,) how sure a network is that there is a source, 0.1 to 1: by how far it stands out of noise and residuals.

    A logistic of what the network sees in the stamps, set to the medians of 1,869 real sources: about a half at the
    threshold and 0.998 from a signal-to-noise of 14 on empty sky; 0.5 to 0.9 on stars of 100 to 400. None of them has
    less than 0.1: Rubin does not send it.
    """
    error = field.error_njy[light.k, light.exposure]
    point = np.maximum(np.abs(field.flux_njy[light.k, light.exposure]) / error, 5.0)
    star = np.maximum(residuals.still_njy, 0.0) / error
    artefact = field.objects.artefact[light.k]
    # The light of a star hides what is on it.
    evidence = np.minimum(14.0 * np.log10(point / 5.0), 18.0) / (1.0 + star / 100.0) - 1.2 * np.log10(1.0 + star / 10.0)
    evidence -= np.where(residuals.is_dipole, 0.3, 0.0) + np.where(flagged, 1.5, 0.0)
    # What has not the point-spread function's shape: a hit, a column, a ghost, two lobes.
    evidence -= np.select(
        [artefact == COSMIC_RAY, artefact == BAD_COLUMN, artefact == GHOST, artefact == BAD_SUBTRACTION],
        [5.0, 4.0, 3.0, 1.0],
        0.0,
    )
    scatter = 0.6 + 0.9 * np.exp(-(point - 5.0) / 3.0)
    certain: FloatArray = 0.1 + 0.9 / (1.0 + np.exp(-(evidence + rng.normal(0.0, scatter))))
    return certain
