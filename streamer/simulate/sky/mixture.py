"""Which classes a night shows, and how often."""

from __future__ import annotations

import numpy as np

from schemas.light_curve import IntArray
from streamer.simulate.sky.populations import INTERESTING, Population


class Dealer:
    """Says class by class what a field shows."""

    def __init__(self, mixture: tuple[Population, ...]) -> None:
        self.mixture = mixture
        shares = np.array([population.share for population in mixture])
        self._shares = shares / shares.sum()
        self._counts = np.zeros(len(mixture))

    def deal(self, rng: np.random.Generator, ra_deg: float, dec_deg: float, n: int) -> IntArray:
        """(n,) indices into the mixture: what is furthest behind its share comes next.

        Dealt, not drawn, so that a short night too shows every class.
        """
        dealt = np.empty(n, dtype=np.int64)
        for place in range(n):
            dealt[place] = int(np.argmax(self._shares * (self._counts.sum() + 1) - self._counts))
            self._counts[dealt[place]] += 1.0
        return dealt


MIXTURES: dict[str, tuple[Population, ...]] = {"sky": INTERESTING, "rich": INTERESTING}
"""Mixtures by name."""
