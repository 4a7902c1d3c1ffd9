"""Our Galaxy in the way: positions in it, its dust, its reddening law."""

from __future__ import annotations

import numpy as np

from schemas.light_curve import FloatArray

_GALACTIC = np.array(
    [
        [-0.0548755604, -0.8734370902, -0.4838350155],
        [0.4941094279, -0.4448296300, 0.7469822445],
        [-0.8676661490, -0.1980763734, 0.4559837762],
    ]
)
"""Equatorial to galactic directions (The Hipparcos Catalogue 1997, volume 1, equation 1.5.11)."""

EXTINCTION_PER_EBV = np.array([4.239, 3.303, 2.285, 1.698, 1.263, 1.058])
"""A / E(B-V) in ugrizy for R_V = 3.1 (Schlafly & Finkbeiner 2011, ApJ 737, 103, table 6: SDSS u, PS1 g r i z y)."""


def galactic_deg(ra_deg: FloatArray, dec_deg: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Galactic longitude (0 to 360) and latitude [deg], same shape."""
    ra, dec = np.radians(np.asarray(ra_deg, dtype=np.float64)), np.radians(np.asarray(dec_deg, dtype=np.float64))
    direction = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    x, y, z = np.tensordot(_GALACTIC, direction, axes=1)
    return np.degrees(np.arctan2(y, x)) % 360.0, np.degrees(np.arcsin(np.clip(z, -1.0, 1.0)))


def reddening_mag(ra_deg: FloatArray, dec_deg: FloatArray) -> FloatArray:
    """E(B-V) through the whole Galaxy [mag], same shape: a map, the same for all seeds.

    A plane-parallel layer of 0.025 mag to the pole (Schlegel, Finkbeiner & Davis 1998, ApJ 500, 525) with an excess
    towards the plane, in clouds of 0.3 to 20 degrees that scatter by a third.
    """
    longitude, latitude = (np.radians(angle) for angle in galactic_deg(ra_deg, dec_deg))
    height = np.abs(np.degrees(latitude))
    layer = 0.02 / np.sin(np.radians(np.maximum(height, 4.0))) + 0.9 * np.exp(-height / 4.0)
    towards = np.stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=-1
    )
    waves = np.sin(towards @ _CLOUD_WAVES + _CLOUD_PHASES).sum(axis=-1) * np.sqrt(2.0 / len(_CLOUD_PHASES))
    reddening: FloatArray = layer * np.exp(0.33 * waves)
    return reddening


def _cloud_waves() -> tuple[FloatArray, FloatArray]:
    """(3, 48) wave vectors [rad^-1] and (48,) phases of the clouds, of lengths from 0.6 to 40 degrees."""
    rng = np.random.default_rng(20_260_101)
    direction = rng.standard_normal((3, 48))
    length = np.radians(0.6 * (40.0 / 0.6) ** rng.random(48))
    return 2.0 * np.pi * direction / np.linalg.norm(direction, axis=0) / length, rng.uniform(0.0, 2.0 * np.pi, 48)


_CLOUD_WAVES, _CLOUD_PHASES = _cloud_waves()
