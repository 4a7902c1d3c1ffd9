"""What only the science image shows: points, trails, cosmic rays, ghosts, bad columns, stars that do not subtract."""

from __future__ import annotations

import numpy as np

from schemas.light_curve import Float32Array, FloatArray, IntArray
from streamer.simulate.images.psf import Psf, Sources, draw
from streamer.simulate.images.scenery import Frame
from streamer.simulate.scene import Field
from streamer.simulate.sky.objects import BAD_COLUMN, BAD_SUBTRACTION, COSMIC_RAY, GHOST

_TRAIL_POINTS = 9

_DIPOLE_GAIN = 0.43
"""PSF flux of a dipole's lobe over the star's flux, for a shift of one sigma: exp(-1/2) / sqrt 2 of Gaussians."""

_MOST_SHIFT = 0.7
"""Largest misplacement of a star that does not subtract [sigma]."""


def shapes(
    rng: np.random.Generator, field: Field, k: IntArray, exposure: IntArray, frame: Frame, psf: Psf, side: int
) -> Float32Array:
    """(n, side, side) how what was detected looks, up to a factor: `psf` for most."""
    n = len(k)
    everything = np.arange(n)
    center = frame.centre_px
    image = draw(psf, Sources(everything, center[:, 0], center[:, 1], np.ones(n), np.zeros(n)), side)
    moving = np.flatnonzero(field.objects.moving[k])
    if len(moving):
        image[moving] = _trails(field, k[moving], exposure[moving], frame, psf, moving, side)
    for i in np.flatnonzero(field.objects.artefact[k] > BAD_SUBTRACTION).tolist():
        sigma = float(psf.sigma_px[i].min())
        image[i] = _artefact(rng, int(field.objects.artefact[k[i]]), center[i], sigma, side)
    return image


def misplaced_stars(
    rng: np.random.Generator, field: Field, k: IntArray, star: FloatArray, flux: FloatArray, psf: Psf
) -> tuple[FloatArray, FloatArray]:
    """Where bad subtractions' stars lie off the detection and how far they moved, (n, 2) each [pixel].

    `star` and `flux` (n,) are the star's flux and the residual's: the detection is one lobe of a dipole, which as much
    misplacement makes as the residual's flux needs. Zero for everything else.
    """
    n = len(k)
    sigma = psf.sigma_px.mean(axis=1)
    angle = rng.uniform(0.0, 2.0 * np.pi, n)
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    share = rng.uniform(0.3, 1.0, n)
    bad = (field.objects.artefact[k] == BAD_SUBTRACTION) & (star > 0.0)
    needed = np.abs(flux) / np.maximum(_DIPOLE_GAIN * star, 1e-9)
    moved = np.where(bad, share * np.minimum(needed, _MOST_SHIFT) * sigma, 0.0)
    # A positive residual is the lobe ahead of the star, a negative one the lobe that it left.
    place = np.where(bad, -np.sign(flux) * share * np.sqrt(2.0) * sigma, 0.0)
    return place[:, None] * direction, moved[:, None] * direction


def _trails(
    field: Field, k: IntArray, exposure: IntArray, frame: Frame, psf: Psf, rows: IntArray, side: int
) -> Float32Array:
    """(m, side, side) of unit flux: what moves during the exposure, as points along its way."""
    during = field.objects.motion_arcsec_per_day[k] * field.survey.exposure_s / 86_400.0
    step = np.einsum("mij,mj->mi", frame.axes[rows], during)
    part = np.tile(np.linspace(-0.5, 0.5, _TRAIL_POINTS), len(k))
    every = np.repeat(np.arange(len(k)), _TRAIL_POINTS)
    place = frame.centre_px[rows][every] + part[:, None] * step[every]
    ones = np.ones(len(every))
    points = Sources(every, place[:, 0], place[:, 1], ones / _TRAIL_POINTS, 0.0 * ones)
    return draw(psf.take(rows), points, side)


def _artefact(rng: np.random.Generator, kind: int, centre: FloatArray, sigma: float, side: int) -> Float32Array:
    """(side, side) one artefact of positive light about the detection."""
    y, x = np.mgrid[:side, :side] - side // 2 - centre[::-1, None, None]
    if kind == BAD_COLUMN:
        image = np.where(np.abs(x) <= 0.5, 1.0, 0.0)
        # Charge that a bad pixel traps spoils the column from there on.
        image = np.where(y * rng.choice([-1.0, 1.0]) > -rng.uniform(0.0, side / 2.0), image, 0.0)
    elif kind == GHOST:
        image = _ghost(rng, np.hypot(x, y), sigma)
    else:
        assert kind == COSMIC_RAY
        angle = rng.uniform(0.0, np.pi)
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        length = rng.gamma(2.0, 0.8)
        ends = np.maximum(np.abs(along) - length, 0.0)
        image = np.exp(-0.5 * (across**2 + ends**2) / 0.45**2)
    return image.astype(np.float32)


def _ghost(rng: np.random.Generator, radius: FloatArray, sigma: float) -> FloatArray:
    """A pupil's image out of focus: a disc with soft edges, darker in the middle."""
    outer = sigma * rng.uniform(2.5, 6.0)
    disc = 1.0 / (1.0 + np.exp((radius - outer) / (0.5 * sigma)))
    hole = 1.0 / (1.0 + np.exp((radius - 0.3 * outer) / (0.5 * sigma)))
    ghost: FloatArray = disc - rng.uniform(0.0, 0.8) * hole
    return ghost
