"""Classes that happen at so many a year and cubic megaparsec, seen down to a limiting magnitude."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from schemas.light_curve import FloatArray
from streamer.simulate.observing.surveys import Survey
from streamer.simulate.sky import cosmology
from streamer.simulate.sky.populations import Place, Window

_TRIALS = 40_000
"""Objects drawn to find what share of a volume's is bright enough."""

_MARGIN_MAG = 0.5
"""Candidates may be so much fainter than the faintest peak: bands and phases differ."""

_DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Explosions:
    """A volumetric rate and a luminosity function."""

    rate_mpc3_yr: float
    """At redshift 0."""
    evolution: float
    """The rate grows as (1 + z) to this power, to redshift 1.5."""
    absolute_mag: float
    """Mean peak in r."""
    scatter_mag: float
    visible_days: float
    """How long before the first evening it may have begun, in its rest frame [d]."""

    def draw(self, rng: np.random.Generator, n: int, survey: Survey) -> tuple[FloatArray, FloatArray]:
        """Absolute peak magnitudes and redshifts, each (n, 1), of those bright enough to be candidates."""
        magnitude, redshift = np.empty(0), np.empty(0)
        while len(magnitude) < n:
            trial_mag, trial_z = self._trial(rng, max(64, 8 * n), survey)
            magnitude, redshift = np.append(magnitude, trial_mag), np.append(redshift, trial_z)
        return magnitude[:n, None], redshift[:n, None]

    def _trial(self, rng: np.random.Generator, trials: int, survey: Survey) -> tuple[FloatArray, FloatArray]:
        grid, share = self._volume(survey)
        redshift = np.interp(rng.random(trials), share, grid)
        magnitude = rng.normal(self.absolute_mag, self.scatter_mag, trials)
        apparent = magnitude + cosmology.distance_modulus(redshift) - 2.5 * np.log10(1.0 + redshift)
        bright = (apparent < survey.peak_mag + _MARGIN_MAG) & (apparent > survey.bright_mag)
        return magnitude[bright], redshift[bright]

    def _volume(self, survey: Survey) -> tuple[FloatArray, FloatArray]:
        """A grid of redshifts out to where the brightest fade, and the share of events nearer than each."""
        brightest = self.absolute_mag - 2.5 * self.scatter_mag
        reach = np.linspace(0.01, 4.5, 900)
        seen = (
            brightest + cosmology.distance_modulus(reach) - 2.5 * np.log10(1.0 + reach) < survey.peak_mag + _MARGIN_MAG
        )
        far = float(reach[max(int(np.count_nonzero(seen)), 1) - 1]) + 0.005
        grid = np.linspace(1e-4, far, 400)
        events = np.cumsum(self._events_per_deg2_yr(grid))
        return grid, events / events[-1]

    def _events_per_deg2_yr(self, grid: FloatArray) -> FloatArray:
        """Events in each step of a grid of redshifts, a square degree and observer's year."""
        shell = np.diff(cosmology.volume_mpc3_per_deg2(grid), prepend=0.0)
        evolution = (1.0 + np.minimum(grid, 1.5)) ** self.evolution
        events: FloatArray = self.rate_mpc3_yr * evolution * shell / (1.0 + grid)
        return events

    def density_deg2(self, survey: Survey, place: Place, window: Window) -> float:
        """Candidates a square degree: what happened there in the window and `visible_days` before it."""
        per_year, redshift = _bright_per_deg2_yr(self, survey)
        return per_year * (self.visible_days * (1.0 + redshift) + window.nights) / _DAYS_PER_YEAR


@lru_cache(maxsize=64)
def _bright_per_deg2_yr(explosions: Explosions, survey: Survey) -> tuple[float, float]:
    """Candidates a square degree and year, and their mean redshift."""
    rng = np.random.default_rng(1)
    _, redshift = explosions._trial(rng, _TRIALS, survey)
    grid, _ = explosions._volume(survey)
    events = float(explosions._events_per_deg2_yr(grid).sum())
    return events * len(redshift) / _TRIALS, float(redshift.mean()) if len(redshift) else 0.0
