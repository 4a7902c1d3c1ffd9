"""Host galaxies: brightness, colours, shape, and where in them a transient goes off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schemas.light_curve import BANDS, FloatArray
from schemas.surveys.columns import flux_from_magnitude
from streamer.simulate.sky import cosmology


@dataclass(frozen=True, slots=True)
class HostKind:
    """The galaxies that a class lives in."""

    absolute_mag: float
    """Mean absolute magnitude (r)."""
    scatter_mag: float
    red_share: float
    """Share of early types: red, Sersic index 4; the others are blue discs."""
    nuclear: bool
    """Whether the transient is at the centre."""


@dataclass(slots=True)
class Hosts:
    """n galaxies as columns, (n,) unless said otherwise."""

    flux_njy: FloatArray
    """(n, 6) whole flux by `BANDS`, before dust."""
    radius_arcsec: FloatArray
    """Half-light radius along the major axis."""
    sersic: FloatArray
    """Sersic index."""
    axis_ratio: FloatArray
    angle_deg: FloatArray
    """Of the major axis, from north through east."""
    offset_arcsec: FloatArray
    """(n, 2) of the galaxy's centre from the object, east and north."""


def draw_hosts(rng: np.random.Generator, redshift: FloatArray, kind: HostKind) -> Hosts:
    """Galaxies of `kind` at the redshifts (n,).

    Colours are those of the red sequence and the blue cloud (Blanton & Moustakas 2009, ARA&A 47, 159), redder with
    redshift as the break moves through g and r; sizes follow the size-luminosity relations of Shen et al. 2003 (MNRAS
    343, 978); a transient in a disc follows the light (Kelly, Kirshner & Pahre 2008, ApJ 687, 1201).
    """
    n = len(redshift)
    z = np.maximum(redshift, 5e-4)
    absolute = rng.normal(kind.absolute_mag, kind.scatter_mag, n).clip(-23.5, -13.0)
    red = rng.random(n) < kind.red_share * np.clip((-absolute - 16.0) / 4.0, 0.1, 1.2)
    g_r = np.where(red, rng.normal(0.74, 0.05, n), rng.normal(0.42, 0.11, n)) + np.minimum(1.4 * z, 0.7)
    steps = np.column_stack([1.35 * g_r + 0.25, g_r, 0.52 * g_r, 0.36 * g_r, 0.2 * g_r])
    magnitude = np.empty((n, len(BANDS)))
    r = absolute + cosmology.distance_modulus(z) + 0.9 * z
    magnitude[:, 2] = r
    magnitude[:, 1] = r + steps[:, 1]
    magnitude[:, 0] = magnitude[:, 1] + steps[:, 0]
    magnitude[:, 3] = r - steps[:, 2]
    magnitude[:, 4] = magnitude[:, 3] - steps[:, 3]
    magnitude[:, 5] = magnitude[:, 4] - steps[:, 4]
    brightness = -0.4 * (absolute + 20.5)
    kpc = np.where(red, 4.0 * 10.0 ** (0.6 * brightness), 5.0 * 10.0 ** (0.45 * brightness)) * rng.lognormal(0, 0.3, n)
    radius = (kpc / cosmology.kpc_per_arcsec(z)).clip(0.15, 40.0)
    axis_ratio = np.where(red, rng.uniform(0.55, 1.0, n), rng.uniform(0.2, 1.0, n))
    angle = rng.uniform(0.0, 180.0, n)
    if kind.nuclear:
        along, across = rng.normal(0.0, 0.02, (2, n))
    else:
        # An exponential disc holds its light out to gamma(2) of scale lengths; half of it within 1.678.
        distance = rng.gamma(2.0, 1.0 / 1.678, n) * np.where(red, 0.9, 1.0) * radius
        direction = rng.uniform(0.0, 2.0 * np.pi, n)
        along, across = distance * np.cos(direction), distance * np.sin(direction) * axis_ratio
    pa = np.radians(angle)
    east, north = along * np.sin(pa) + across * np.cos(pa), along * np.cos(pa) - across * np.sin(pa)
    return Hosts(
        flux_from_magnitude(magnitude),
        radius,
        np.where(red, 4.0, 1.0),
        axis_ratio,
        angle,
        -np.column_stack([east, north]),
    )
