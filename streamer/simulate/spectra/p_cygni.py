"""Lines of an expanding atmosphere: light scattered out of the line of sight in front, and into it from the sides.

The elementary supernova of Jeffery & Branch 1990 (in Supernovae, Jerusalem Winter School 6, 149): a sharp photosphere,
velocity proportional to radius, pure scattering with the Sobolev optical depth falling exponentially with velocity.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from schemas.light_curve import FloatArray
from streamer.simulate.spectra.grid import LIGHT_KMS

REACH = 3.0
"""Where the atmosphere ends [velocities of the photosphere]."""

_DEPTHS: FloatArray = np.geomspace(0.02, 50.0, 24)
"""Optical depths at the photosphere for which profiles are made."""

_SHIFTS: FloatArray = np.linspace(-REACH, REACH, 241)
"""Towards the observer, in velocities of the photosphere."""


def profile(rest_aa: FloatArray, centre_aa: float, depth: float, velocity_kms: float, falling: float) -> FloatArray:
    """Flux over the continuum's around one line, 1 far from it, same shape as the wavelengths.

    `depth` is the optical depth at the photosphere, `falling` the e-folding of the depth in its velocities.
    """
    table = _profiles(falling)
    place = float(np.interp(np.log(max(depth, _DEPTHS[0])), np.log(_DEPTHS), np.arange(len(_DEPTHS))))
    below = min(int(place), len(_DEPTHS) - 2)
    mixed = table[below] + (place - below) * (table[below + 1] - table[below])
    shift = (centre_aa / rest_aa - 1.0) * LIGHT_KMS / velocity_kms
    shape: FloatArray = 1.0 + min(depth / _DEPTHS[0], 1.0) * np.interp(shift, _SHIFTS, mixed, left=0.0, right=0.0)
    return shape


@lru_cache(maxsize=8)
def _profiles(falling: float) -> FloatArray:
    """(depths, shifts) flux over the continuum's, minus 1: rays at impact parameters p, resonant at one place each."""
    p = (np.arange(300) + 0.5) / 300 * REACH
    z, beside = _SHIFTS[:, None], p[None, :] > 1.0
    radius = np.sqrt(z**2 + p**2)
    scatters = (radius > 1.0) & (radius < REACH) & (beside | (z > 0.0))
    outside = np.maximum(radius, 1.0)
    dilution = 0.5 * (1.0 - np.sqrt(1.0 - outside**-2))
    rays = np.empty((len(_DEPTHS), len(_SHIFTS)))
    for row, depth in zip(rays, _DEPTHS, strict=True):
        passed = np.exp(-depth * np.exp(-(outside - 1.0) / falling))
        behind = np.where(beside, 0.0, 1.0)
        light = np.where(scatters, behind * passed + dilution * (1.0 - passed), behind)
        row[:] = (light * 2.0 * p).sum(axis=1) * (REACH / 300) - 1.0
    return rays
