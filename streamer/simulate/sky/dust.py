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


def reddening_mag(rng: np.random.Generator, ra_deg: FloatArray, dec_deg: FloatArray) -> FloatArray:
    """E(B-V) through the whole Galaxy [mag], same shape.

    A plane-parallel layer of 0.025 mag to the pole (Schlegel, Finkbeiner & Davis 1998, ApJ 500, 525) with an excess
    towards the plane, clumpy by a third of itself.
    """
    _, latitude = galactic_deg(ra_deg, dec_deg)
    height = np.abs(latitude)
    layer = 0.02 / np.sin(np.radians(np.maximum(height, 4.0))) + 0.9 * np.exp(-height / 4.0)
    reddening: FloatArray = layer * rng.lognormal(0.0, 0.33, np.shape(ra_deg))
    return reddening
