"""Unrelated stars and galaxies around an object, as deep surveys of the whole sky list them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schemas.light_curve import FloatArray
from schemas.surveys.columns import flux_from_magnitude

NEIGHBOURS = 6
"""How many are drawn: the nearest ones."""

FAINT_MAG = 23.2
"""Faintest neighbour (r): the depth of Pan-STARRS' stacks (Chambers et al. 2016, arXiv:1612.05560)."""

GALAXIES_ARCMIN2 = 8.0
"""Galaxies to `FAINT_MAG` an arcmin^2, everywhere."""

_WAVELENGTH = np.array([3671.0, 4827.0, 6300.0, 7700.0, 8691.0, 9712.0])


@dataclass(slots=True)
class Neighbours:
    """The N = 6 nearest unrelated sources of n objects, nearest first."""

    offset_arcsec: FloatArray
    """(n, N, 2) east and north of the object."""
    flux_njy: FloatArray
    """(n, N, 6) by band."""
    radius_arcsec: FloatArray
    """(n, N) half-light radius of galaxies; 0 for stars."""
    density_arcmin2: FloatArray
    """(n,) sources to `FAINT_MAG` an arcmin^2."""


def star_density_arcmin2(latitude_deg: FloatArray) -> FloatArray:
    """Stars to `FAINT_MAG` an arcmin^2 by galactic latitude, same shape: 2 at the pole, 160 in the plane.

    A thin disc over a halo, in size as the star counts of Ivezic et al. 2008 (ApJ 684, 287, appendix) have it.
    """
    density: FloatArray = 2.0 * (1.0 + 80.0 * np.exp(-np.abs(latitude_deg) / 9.0))
    return density


def draw_neighbours(rng: np.random.Generator, latitude_deg: FloatArray) -> Neighbours:
    """Neighbours of objects at galactic latitudes (n,): scattered by chance, counts rising with magnitude.

    Stars rise as 10^(0.22 m), galaxies as 10^(0.45 m) (Yasuda et al. 2001, AJ 122, 1104).
    """
    n = len(latitude_deg)
    stars = star_density_arcmin2(latitude_deg)
    density = stars + GALAXIES_ARCMIN2
    # Areas between neighbours of a random scatter are exponential.
    area = np.cumsum(rng.exponential(1.0, (n, NEIGHBOURS)), axis=1) / density[:, None]
    distance = 60.0 * np.sqrt(area / np.pi)
    angle = rng.uniform(0.0, 2.0 * np.pi, (n, NEIGHBOURS))
    is_galaxy = rng.random((n, NEIGHBOURS)) < GALAXIES_ARCMIN2 / density[:, None]
    slope = np.where(is_galaxy, 0.45, 0.22)
    mag = (FAINT_MAG + np.log10(rng.random((n, NEIGHBOURS))) / slope).clip(11.0, None)
    colour = np.where(is_galaxy, rng.normal(1.8, 0.7, mag.shape), rng.normal(1.6, 1.0, mag.shape))
    spectrum = (_WAVELENGTH / 6300.0) ** colour[:, :, None]
    radius = np.where(is_galaxy, 0.9 * 10.0 ** (0.12 * (21.0 - mag)) * rng.lognormal(0.0, 0.3, mag.shape), 0.0)
    return Neighbours(
        np.stack([distance * np.sin(angle), distance * np.cos(angle)], axis=2),
        flux_from_magnitude(mag)[:, :, None] * spectrum,
        radius,
        density,
    )
