"""Real light curves as another survey would have seen them: ZTF's, thinned to the visits of Rubin's main survey."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from classifiers.data.augment import cut_curves
from schemas.light_curve import BANDS, FloatArray, LightCurves

VISIT_GAP_DAYS: dict[str, float] = {"g": 22.5, "r": 9.8, "i": 9.8}
"""Mean gap between Rubin's visits of one field in one band [d]: 80, 184 and 184 visits in ten seasons of 180 d each
(Ivezic et al. 2019, ApJ 873, 111, table 1). Any of the three comes every 4 d; ZTF has no u, z, y to thin."""

GAP_SHAPE = 4.0
"""Shape of the gamma distribution of those gaps: they scatter by half of their mean."""

WITHIN_DAYS = 2.0
"""A visit takes the band's nearest detection up to so far from it [d], about the gap between ZTF's; else it saw
nothing."""


def thinned_to_rubin(curves: LightCurves, rng: np.random.Generator) -> LightCurves:
    """The detections that visits at Rubin's gaps would have kept of each curve; of some curves none.

    Depth stays ZTF's, and times are not stretched: what changes is how often, and in which band, an object is seen.
    """
    keep = np.zeros(len(curves.mjd_tai), np.bool_)
    for first, last in zip(curves.offsets[:-1].tolist(), curves.offsets[1:].tolist(), strict=True):
        for name, gap in VISIT_GAP_DAYS.items():
            seen = first + np.flatnonzero(curves.band[first:last] == BANDS.index(name))
            if len(seen):
                keep[seen[_visited(curves.mjd_tai[seen], gap, rng)]] = True
    return cut_curves(curves, keep)


def _visited(mjd: FloatArray, gap_days: float, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Places in `mjd` (n,), ascending, of what visits of one band take: their cadence began long before the object."""
    span = float(mjd[-1] - mjd[0]) + 2.0 * WITHIN_DAYS
    gaps = rng.gamma(GAP_SHAPE, gap_days / GAP_SHAPE, int(3.0 * span / gap_days) + 30)
    due = mjd[0] - WITHIN_DAYS + np.cumsum(gaps) - 4.0 * gap_days
    after = np.searchsorted(mjd, due).clip(1, len(mjd) - 1) if len(mjd) > 1 else np.zeros(len(due), np.int64)
    before = np.maximum(after - 1, 0)
    nearest = np.where(due - mjd[before] < mjd[after] - due, before, after)
    taken: npt.NDArray[np.int64] = np.unique(nearest[np.abs(mjd[nearest] - due) <= WITHIN_DAYS])
    return taken
