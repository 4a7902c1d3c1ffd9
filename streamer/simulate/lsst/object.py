"""Rubin's record of an object: statistics over its sources so far."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from schemas.light_curve import BANDS, FloatArray, IntArray
from streamer.simulate.lsst.rows import Columns
from streamer.simulate.lsst.source import Detections

_STATISTICS = (
    "psfFluxMean psfFluxMeanErr psfFluxSigma psfFluxMin psfFluxMax psfFluxMaxSlope psfFluxErrMean scienceFluxMean "
    "scienceFluxMeanErr"
).split()


@dataclass(frozen=True, slots=True)
class ObjectStates:
    """What is known of an object right after each of the D detections, (D,) each."""

    count: IntArray
    """Its sources so far."""
    ra_deg: FloatArray
    """Mean place of its sources so far."""
    dec_deg: FloatArray
    band: dict[str, FloatArray]
    """Statistics in the detection's own band, NaN where one source has none; those of `_STATISTICS`."""
    band_count: IntArray
    """Its sources in that band so far."""


def object_states(detections: Detections) -> ObjectStates:
    """Statistics after each detection: means weighted by inverse variance, scatter, extremes, the steepest rise."""
    rank = np.arange(len(detections)) - detections.first
    # Right ascensions are counted from that of the first source: an object may sit astride 0 h.
    first_ra = detections.columns["ra"][detections.first]
    off = (detections.columns["ra"] - first_ra + 180.0) % 360.0 - 180.0
    band = np.searchsorted(sorted(BANDS), detections.columns["band"])
    order = np.lexsort((detections.exposure, band, detections.k))
    group = detections.k[order] * len(BANDS) + band[order]
    begins = np.flatnonzero(np.diff(group, prepend=-1))
    band_rank = np.arange(len(order)) - np.repeat(begins, np.diff([*begins.tolist(), len(order)]))
    names = ("midpointMjdTai", "psfFlux", "psfFluxErr", "scienceFlux", "scienceFluxErr")
    statistics = _band_statistics(band_rank, *(detections.columns[name][order] for name in names))
    back = np.argsort(order)
    return ObjectStates(
        count=rank + 1,
        ra_deg=(first_ra + _running_mean(off, rank)) % 360.0,
        dec_deg=_running_mean(detections.columns["dec"], rank),
        band={name: column[back] for name, column in statistics.items()},
        band_count=band_rank[back] + 1,
    )


def _running_mean(values: FloatArray, rank: IntArray) -> FloatArray:
    """Mean of each group's values so far; `rank` is the place within the group."""
    mean = values.copy()
    for _, rows in _by_rank(rank):
        mean[rows] = mean[rows - 1] + (values[rows] - mean[rows - 1]) / (rank[rows] + 1.0)
    return mean


def _by_rank(rank: IntArray) -> list[tuple[int, IntArray]]:
    """Rows that are second in their groups, third, and so on: each continues the row before it."""
    order = np.argsort(rank, kind="stable")
    ends = np.searchsorted(rank[order], np.arange(1, int(rank.max(initial=0)) + 2))
    return [(place, order[begin:end]) for place, (begin, end) in enumerate(pairwise(ends.tolist()), 1)]


def _band_statistics(
    rank: IntArray, mjd: FloatArray, flux: FloatArray, error: FloatArray, science: FloatArray, science_error: FloatArray
) -> dict[str, FloatArray]:
    """Statistics of each group so far: rows are by group and time. One pass over the places within the groups."""
    weight, science_weight = error**-2.0, science_error**-2.0
    sums = {"w": weight.copy(), "wf": weight * flux, "s": science_weight.copy(), "sf": science_weight * science}
    sums |= {"e": error.copy()}
    steps = {name: column.copy() for name, column in sums.items()}
    low, high, mean = flux.copy(), flux.copy(), flux.copy()
    squares, slope = np.zeros(len(flux)), np.full(len(flux), np.nan)
    for place, rows in _by_rank(rank):
        before = rows - 1
        for name, column in sums.items():
            column[rows] = column[before] + steps[name][rows]
        low[rows], high[rows] = np.minimum(low[before], flux[rows]), np.maximum(high[before], flux[rows])
        # Welford 1962 (Technometrics 4, 419).
        off = flux[rows] - mean[before]
        mean[rows] = mean[before] + off / (place + 1.0)
        squares[rows] = squares[before] + off * (flux[rows] - mean[rows])
        slope[rows] = np.fmax(slope[before], (flux[rows] - flux[before]) / (mjd[rows] - mjd[before]))
    many = rank + 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma = np.sqrt(squares / rank)
    return {
        "psfFluxMean": sums["wf"] / sums["w"],
        "psfFluxMeanErr": sums["w"] ** -0.5,
        "psfFluxSigma": sigma,
        "psfFluxMin": low,
        "psfFluxMax": high,
        "psfFluxMaxSlope": slope,
        "psfFluxErrMean": sums["e"] / many,
        "scienceFluxMean": sums["sf"] / sums["s"],
        "scienceFluxMeanErr": sums["s"] ** -0.5,
    }


def object_columns(detections: Detections, states: ObjectStates) -> Columns:
    """`diaObject` right after each of the detections.

    As in all real packets so far, only the band of the latest source has statistics, the errors of the place are those
    of the first source, and neither forced means nor the times of the first and last source are filled in.
    """
    source = detections.columns
    columns = {
        "diaObjectId": source["diaObjectId"],
        "validityStartMjdTai": source["timeProcessedMjdTai"] + 4.0 / 86_400.0,
        "ra": states.ra_deg,
        "dec": states.dec_deg,
        "nDiaSources": states.count,
    }
    columns |= {name: source[name][detections.first] for name in ("raErr", "decErr", "ra_dec_Cov")}
    for band in BANDS:
        own = source["band"] == band
        columns[f"{band}_psfFluxNdata"] = np.where(own, states.band_count, 0)
        for name in _STATISTICS:
            columns[f"{band}_{name}"] = np.where(own, states.band[name], np.nan)
    return columns
