"""Moments of an object's life at which it is judged, and what is in hand then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from classifiers.evaluation.folder import BoolArray, Holdings
from schemas.light_curve import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Cut:
    """A moment of an object's life: its Nth detection, so many days after its first, or the end of what is known."""

    n_detections: int = 0
    """0: not cut by their number."""
    days: float = 0.0
    """Days since the first detection; 0: not cut by them."""

    @property
    def name(self) -> str:
        """As tables call it: `3`, `10 d`, `all`."""
        return f"{self.days:g} d" if self.days else str(self.n_detections or "all")


@dataclass(frozen=True, slots=True)
class Moment:
    """What of n objects is in hand at a cut."""

    cut: Cut
    kept: IntArray
    """(n,) detections."""
    reached: BoolArray
    """(n,) False where the object has fewer detections, or none so late: then all that it has is in hand."""
    until_mjd: FloatArray
    """(n,) time up to which something counts as in hand [d], inf where all does."""


def moment(holdings: Holdings, cut: Cut) -> Moment:
    """What is in hand at a cut. An object that has not got so far counts with all that it has."""
    curves = holdings.curves
    lengths = np.diff(curves.offsets)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    rank = np.arange(len(owner)) - np.repeat(curves.offsets[:-1], lengths)
    until = np.full(len(holdings), np.inf)
    if cut.days:
        first = np.full(len(holdings), np.inf)
        first[owner[rank == 0]] = curves.mjd_tai[rank == 0]
        inside = curves.mjd_tai <= first[owner] + cut.days
        kept = np.bincount(owner[inside], minlength=len(lengths))
        reached: BoolArray = (kept < lengths) | (lengths == 0)
        until[reached] = first[reached] + cut.days
        return Moment(cut, kept, reached, until)
    kept = np.minimum(cut.n_detections or lengths, lengths)
    reached = lengths >= cut.n_detections
    if cut.n_detections:
        last = rank == cut.n_detections - 1
        until[owner[last]] = curves.mjd_tai[last]
    return Moment(cut, kept, reached, until)
