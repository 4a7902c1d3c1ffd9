"""What a class of the simulated sky is: how often it happens, where it lives, and its light curves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from schemas.light_curve import BANDS, FloatArray
from streamer.simulate.observing.cadence import Exposures
from streamer.simulate.observing.surveys import Survey
from streamer.simulate.sky.galaxies import HostKind

BAND_AA = np.array([3671.0, 4827.0, 6223.0, 7546.0, 8691.0, 9712.0])
"""Wavelength at which colours of stars and galaxies are reckoned, ugrizy [angstrom]."""

R_AA = 6223.0
"""Wavelength at which magnitudes are drawn [angstrom]."""


@dataclass(frozen=True, slots=True)
class Place:
    """A line of sight."""

    galactic_latitude_deg: float
    ecliptic_latitude_deg: float


@dataclass(frozen=True, slots=True)
class Window:
    """The evenings that are sent [MJD]: the first, and the one after the last."""

    first_mjd: float
    end_mjd: float

    @property
    def nights(self) -> float:
        """How many."""
        return self.end_mjd - self.first_mjd

    def epochs(self, rng: np.random.Generator, n: int, before_days: FloatArray | float) -> FloatArray:
        """(n, 1) times spread from `before_days` before the first evening to the last [MJD]."""
        before = np.broadcast_to(np.asarray(before_days, dtype=np.float64).reshape(-1, 1), (n, 1))
        epochs: FloatArray = self.first_mjd - before + (before + self.nights) * rng.random((n, 1))
        return epochs


@dataclass(slots=True)
class Curves:
    """Light curves of n objects of one class over E exposures, before the Galaxy's dust, and what goes with them."""

    flux_njy: FloatArray
    """(n, E) true flux above the reference image; negative where fainter."""
    redshift: FloatArray
    """(n,) NaN where it has none."""
    counterpart_njy: FloatArray
    """(n, 6) flux of the point source in the reference image, by `BANDS`; 0 where there is none."""
    visible: npt.NDArray[np.bool_]
    """(n, E) whether the object is in the frame at all."""
    motion_arcsec_per_day: FloatArray
    """(n, 2) towards east and north; 0 for all that stays."""
    epoch_mjd: FloatArray
    """(n,) when a moving object is at its drawn position; peak, explosion or outburst of what flares; else the first
    exposure [d]."""
    parameters: dict[str, FloatArray] = field(default_factory=dict)
    """(n,) what was drawn for each object, for the truth: `peak_abs_mag`, `stretch`, `period_d`."""
    extra: dict[str, npt.NDArray[np.generic]] = field(default_factory=dict)
    """(n,) columns of `Objects` that only some classes have: `artefact`, and asteroids' `h_mag`, `helio_au`,
    `topo_au`, `phase_deg`."""


Draw = Callable[[np.random.Generator, int, Survey, Exposures, Window], Curves]
"""Draws n candidates of a class: many are too faint on the nights that are sent, and are not used."""

Density = Callable[[Survey, Place, Window], float]
"""How many candidates, as `Draw` draws them, a square degree holds."""


@dataclass(frozen=True, slots=True)
class Population:
    """One class of the simulated sky."""

    type: str
    """Fine type, as in spectroscopic lists."""
    label: str | None
    """Broad class of `schemas.taxonomy.CLASSES`; None where a classifier of transients is not asked."""
    share: float
    """Share of the objects in the `rich` mixture."""
    host: HostKind | None
    """The galaxies it lives in; None for what needs none."""
    density_deg2: Density
    draw: Draw


def staying(
    flux_njy: FloatArray, redshift: FloatArray, epoch_mjd: FloatArray, counterpart_njy: FloatArray | None = None
) -> Curves:
    """Curves (n, E) of objects that do not move and are always in the frame."""
    n = len(flux_njy)
    counterpart = np.zeros((n, len(BANDS))) if counterpart_njy is None else counterpart_njy
    return Curves(
        flux_njy,
        np.broadcast_to(redshift, (n,)).astype(np.float64),
        counterpart,
        np.ones(flux_njy.shape, dtype=bool),
        np.zeros((n, 2)),
        np.broadcast_to(epoch_mjd, (n,)).astype(np.float64),
    )


def colours(rng: np.random.Generator, n: int, slope: float, scatter: float) -> FloatArray:
    """(n, 6) flux in each of `BANDS` for 1 in r, a power law of wavelength: slope < 0 is blue."""
    bands: FloatArray = (BAND_AA / R_AA) ** rng.normal(slope, scatter, (n, 1))
    return bands
