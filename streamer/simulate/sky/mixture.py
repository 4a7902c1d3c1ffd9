"""Which classes a night shows, and how often."""

from __future__ import annotations

import numpy as np

from schemas.light_curve import FloatArray, IntArray
from streamer.simulate.observing.surveys import Survey
from streamer.simulate.sky import dust, orbits
from streamer.simulate.sky.artefacts import ARTEFACTS
from streamer.simulate.sky.asteroids import ASTEROIDS
from streamer.simulate.sky.explosions import EXPLOSIONS
from streamer.simulate.sky.populations import Place, Population, Window
from streamer.simulate.sky.variables import VARIABLES

POPULATIONS: tuple[Population, ...] = (*EXPLOSIONS, *VARIABLES, *ASTEROIDS, *ARTEFACTS)
"""Every class of the simulated sky."""

MIXTURES: dict[str, str] = {
    "sky": "as a night limited by depth has it: variable stars, asteroids and bogus detections, few transients",
    "rich": "rare classes made common, each in its turn",
}
"""Mixtures by name."""


_ENOUGH = 480
"""Candidates of a class that tell how many of them are detected: about four fields' probes."""


class Dealer:
    """Says class by class what a field shows."""

    def __init__(self, mixture: str, only: tuple[str, ...] = ()) -> None:
        """The populations of a mixture, or those of the fine types in `only`; both are as `check_plan` allows them."""
        self._by_rates = mixture == "sky"
        self.populations = tuple(one for one in POPULATIONS if not only or one.type in only)
        self._dealt = np.zeros(len(self.populations))
        self._tried = np.zeros(len(self.populations))
        self._detected = np.zeros(len(self.populations))

    @property
    def is_informed(self) -> bool:
        """Whether enough candidates of each class have been tried, over some fields."""
        return bool((self._tried >= _ENOUGH).all())

    def note(self, kind: int, tried: int, detected: int) -> None:
        """Takes how many of the candidates of a class were detected on the nights that are sent."""
        self._tried[kind] += tried
        self._detected[kind] += detected

    def detected_share(self, kind: int) -> float:
        """Which share of a class's candidates is detected, so far; never 0."""
        return float((self._detected[kind] + 0.05) / (self._tried[kind] + 1.0))

    def deal(
        self,
        rng: np.random.Generator,
        n: int,
        survey: Survey,
        ra_deg: float,
        dec_deg: float,
        window: Window,
    ) -> IntArray:
        """(n,) indices into `populations` of the next objects of a field at a place."""
        if self._by_rates:
            place = _place(ra_deg, dec_deg)
            density = np.array([one.density_deg2(survey, place, window) for one in self.populations])
            weight = density * np.array([self.detected_share(kind) for kind in range(len(density))])
            drawn: IntArray = rng.choice(len(weight), size=n, p=weight / weight.sum())
            return drawn
        return self._in_turn(np.array([one.share for one in self.populations]), n)

    def _in_turn(self, share: FloatArray, n: int) -> IntArray:
        """Dealt, not drawn, so that a short night too shows every class: what is furthest behind its share is next."""
        share = share / share.sum()
        dealt = np.empty(n, dtype=np.int64)
        for place in range(n):
            dealt[place] = int(np.argmax(share * (self._dealt.sum() + 1.0) - self._dealt))
            self._dealt[dealt[place]] += 1.0
        return dealt


def _place(ra_deg: float, dec_deg: float) -> Place:
    ra, dec = np.array([ra_deg]), np.array([dec_deg])
    _, galactic = dust.galactic_deg(ra, dec)
    _, ecliptic = orbits.ecliptic_deg(orbits.directions(ra, dec)[0])
    return Place(float(galactic[0]), float(ecliptic[0]))
