"""Profiles of light as sums of Gaussians, which any Gaussian seeing only widens (Hogg & Lang 2013, PASP 125, 719)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.light_curve import FloatArray


@dataclass(frozen=True, slots=True)
class Mixture:
    """G round Gaussians of unit sum about one centre."""

    weight: FloatArray
    """(G,) shares of the light."""
    width: FloatArray
    """(G,) sigmas, in half-light radii (galaxies) or in full widths at half maximum (stars)."""


DISC = Mixture(
    np.array([0.024605, 0.171149, 0.476128, 0.328119]) / 1.000001,
    np.array([0.186579, 0.436147, 0.827883, 1.440067]),
)
"""Sersic profile of index 1: within 1 % from 0.1 to 2 half-light radii. All mixtures here are our own least squares."""

SPHEROID = Mixture(
    np.array([0.021946, 0.069158, 0.152659, 0.248964, 0.290993, 0.216280]),
    np.array([0.032438, 0.094830, 0.242339, 0.591440, 1.474973, 4.301863]),
)
"""Sersic profile of index 4: within 6 % from 0.1 to 5 half-light radii; what lies beyond 10 is left out."""

MOFFAT_3 = Mixture(np.array([0.295532, 0.548823, 0.155645]), np.array([0.349867, 0.571320, 1.083439]))
"""Moffat profile (1 + r^2 / a^2)^-3.2: within 4 % to 3 full widths. Stars in ZTF's stamps and in Rubin's templates."""

MOFFAT_5 = Mixture(np.array([0.273865, 0.585041, 0.141094]), np.array([0.347272, 0.511223, 0.831836]))
"""The same with an exponent of 4.8: the point-spread functions that Rubin sends with its exposures."""

_DIVIDING_INDEX = 2.5
"""Galaxies of a smaller Sersic index are drawn as discs, others as spheroids."""

_LINE_POINTS = 9
"""An elongated Gaussian is drawn as so many round ones along its major axis."""


def line_of_gaussians() -> tuple[FloatArray, FloatArray]:
    """(P,) weights and places [sigma] of points whose sum has the moments of a Gaussian of unit width."""
    place = np.linspace(-2.2, 2.2, _LINE_POINTS)
    weight = np.exp(-0.5 * place**2)
    weight /= weight.sum()
    return weight, place / np.sqrt(weight @ place**2)


def is_disc(index: FloatArray) -> npt.NDArray[np.bool_]:
    """Whether galaxies of these Sersic indices are drawn as discs, same shape."""
    disc: npt.NDArray[np.bool_] = index < _DIVIDING_INDEX
    return disc
