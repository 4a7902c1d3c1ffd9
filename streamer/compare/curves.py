"""Whole light curves of objects, real from `light_curves.parquet` and simulated over many nights, cut alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from classifiers.features.light_curve import MAG_PER_RELATIVE_ERROR, pool_nights
from classifiers.features.statistics import STATISTIC_NAMES, light_curve_statistics
from schemas.light_curve import BANDS, DETECTION, Float32Array, FloatArray, LightCurves
from schemas.surveys.columns import flux_from_magnitude
from streamer.compare.histories import magnitudes, rhythm
from streamer.compare.matching import as_packet, choose
from streamer.compare.sample import Keys, reader_of
from streamer.compare.tables import Table, table_of
from streamer.compare.telling import LEAST, Side
from streamer.simulate.night import NightPlan, simulate_night
from streamer.simulate.sky.mixture import POPULATIONS

SPAN_DAYS = 50.0
"""A light curve is cut so long after its first detection [d]."""

LEAST_POINTS = 5
"""Detections that a cut light curve has at least."""

_NIGHTS = 110
"""Simulated, so that many objects appear and are followed for `SPAN_DAYS` within them. Fields set, and the latest
packets beyond the wanted number fall away: of more nights little would be left."""

_PACKETS = 1_200
"""Simulated of each class at a time, under one seed."""

_MOST_SEEDS = 3

_ENOUGH = 60
"""Simulated light curves of a class after which no more seeds are tried."""

_FRESH_DAYS = 10.0
"""An object seen so soon after the simulation begins had begun before [d]."""

_MOST_REAL = 200

_WHOLE_SOURCES = ("ANTARES", "Fink full")
"""Sources with all detections of an object, as its alerts gave them; other sources hold a month or other photometry."""

_ZTF_BANDS = ("g", "r", "i")


@dataclass(frozen=True, slots=True)
class Curve:
    """The cut light curve of one object: positive detections by time."""

    group: str
    """Objects of one field are followed together."""
    mjd: FloatArray
    band: npt.NDArray[np.uint8]
    flux_njy: FloatArray
    err_njy: FloatArray

    @property
    def peak_mag(self) -> float:
        """Brightest magnitude."""
        return float(magnitudes(self.flux_njy).min())


@dataclass(frozen=True, slots=True)
class CurvePair:
    """Light curves of one class, and simulated ones of the same peak magnitudes."""

    real: list[Curve]
    simulated: list[Curve]
    weight: FloatArray
    """(simulated,)"""

    def sides(self) -> tuple[Side, Side]:
        """Both as features."""
        return (
            Side(curve_table(self.real), _groups(self.real), np.ones(len(self.real))),
            Side(curve_table(self.simulated), _groups(self.simulated), self.weight),
        )


CurveSets = dict[str, CurvePair]
"""By broad class."""


def compare_curves(path: Path, seed: int, say: Callable[[str], None]) -> CurveSets:
    """Pairs of each class of which enough whole light curves are in the file; none where there is no file."""
    pairs: CurveSets = {}
    if not path.is_file():
        return pairs
    rng = np.random.default_rng(seed)
    for label, real in _read(path, rng).items():
        types = tuple(population.type for population in POPULATIONS if population.label == label)
        if len(real) < LEAST or not types:
            continue
        say(f"light curves: simulating {label} over {_NIGHTS} nights")
        simulated: list[Curve] = []
        for turn in range(_MOST_SEEDS):
            if len(simulated) < _ENOUGH:
                night_seed = seed * 1_000 + 900 + _MOST_SEEDS * len(pairs) + turn
                simulated += _simulated(NightPlan("ztf", _PACKETS, night_seed, nights=_NIGHTS, only=types))
        chosen, weight, met = choose(rng, _peaks(real), _peaks(simulated))
        if met:
            pairs[label] = CurvePair([real[i] for i in met], [simulated[i] for i in chosen], weight)
    return pairs


def curve_table(curves: Sequence[Curve]) -> Table:
    """Shape, rhythm and errors of light curves."""
    offsets = np.concatenate([[0], np.cumsum([len(curve.mjd) for curve in curves])]).astype(np.int64)
    if not curves:
        return Table(STATISTIC_NAMES, np.empty((0, len(STATISTIC_NAMES))))
    mjd = np.concatenate([curve.mjd for curve in curves])
    flux, err = (_single([getattr(curve, name) for curve in curves]) for name in ("flux_njy", "err_njy"))
    band = np.concatenate([curve.band for curve in curves])
    kind = np.full(len(mjd), DETECTION, np.uint8)
    pooled = pool_nights(LightCurves("ztf", offsets, mjd, flux, err, band, kind))
    shapes = Table(STATISTIC_NAMES, light_curve_statistics(pooled).astype(np.float64))
    return shapes.beside(table_of([_rhythm(curve) for curve in curves]))


def _rhythm(curve: Curve) -> dict[str, float]:
    error = MAG_PER_RELATIVE_ERROR * curve.err_njy / curve.flux_njy
    shares = {f"share in {band}": float((curve.band == BANDS.index(band)).mean()) for band in _ZTF_BANDS}
    errors = {"median error [mag]": float(np.median(error)), "largest error [mag]": float(error.max())}
    faint = float(magnitudes(curve.flux_njy).max())
    return rhythm(curve.mjd) | shares | errors | {"faintest [mag]": faint}


def _single(parts: list[FloatArray]) -> Float32Array:
    return np.concatenate(parts).astype(np.float32)


def _groups(curves: list[Curve]) -> npt.NDArray[np.str_]:
    return np.array([curve.group for curve in curves], dtype=np.str_)


def _peaks(curves: list[Curve]) -> Keys:
    n = len(curves)
    return Keys(np.full(n, ""), np.zeros(n, np.uint8), np.array([curve.peak_mag for curve in curves]))


def _cut(group: str, mjd: FloatArray, band: FloatArray, flux: FloatArray, err: FloatArray) -> Curve | None:
    """The first `SPAN_DAYS` of an object; None where these hold too few detections."""
    good = np.isfinite(flux) & (flux > 0.0) & (err > 0.0) & np.isin(band, [BANDS.index(one) for one in _ZTF_BANDS])
    if not good.any():
        return None
    good &= mjd <= mjd[good].min() + SPAN_DAYS
    order = np.flatnonzero(good)[np.argsort(mjd[good], kind="stable")]
    if len(order) < LEAST_POINTS:
        return None
    return Curve(group, mjd[order], band[order].astype(np.uint8), flux[order], err[order])


def _read(path: Path, rng: np.random.Generator) -> dict[str, list[Curve]]:
    names = ["object_id", "label", "source", "mjd", "band", "mag", "mag_err", "isdiffpos"]
    found: dict[str, list[Curve]] = {}
    for row in pq.read_table(path, columns=names).to_pylist():
        if not row["label"] or not row["mjd"] or not any(name in row["source"] for name in _WHOLE_SOURCES):
            continue
        flux = flux_from_magnitude(np.array(row["mag"], dtype=np.float64))
        err = flux * np.array(row["mag_err"], dtype=np.float64) / MAG_PER_RELATIVE_ERROR
        sign = np.array([-1.0 if positive is False else 1.0 for positive in row["isdiffpos"] or [None] * len(flux)])
        band = np.array([BANDS.index(name) if name in BANDS else len(BANDS) for name in row["band"]])
        curve = _cut(row["object_id"], np.array(row["mjd"], dtype=np.float64), band, sign * flux, err)
        if curve:
            found.setdefault(row["label"], []).append(curve)
    for label, curves in found.items():
        chosen = np.sort(rng.permutation(len(curves))[:_MOST_REAL])
        found[label] = [curves[i] for i in chosen]
    return dict(sorted(found.items()))


def _simulated(plan: NightPlan) -> Iterator[Curve]:
    """Objects that appear within the simulated nights and are followed for long enough."""
    alerts, _ = reader_of(plan.survey).read([as_packet(packet) for packet in simulate_night(plan)])
    owner = np.unique(np.array(alerts.object_id), return_inverse=True)[1]
    field = np.zeros(owner.max() + 1, dtype=np.int64)
    field[owner] = alerts.field("candidate.field")
    rows_of = np.repeat(owner, np.diff(alerts.row_offsets))
    detected = alerts.rows["kind"] == DETECTION
    rows, rows_of = alerts.rows[detected], rows_of[detected]
    begin, end = float(alerts.rows["mjd_tai"].min()), float(alerts.mjd_tai.max())
    order = np.argsort(rows_of, kind="stable")
    for place in np.split(order, np.flatnonzero(np.diff(rows_of[order])) + 1):
        _, once = np.unique(rows["exposure_id"][place], return_index=True)
        own = rows[place[once]]
        first = float(own["mjd_tai"].min())
        if begin + _FRESH_DAYS < first < end - SPAN_DAYS:
            columns = (own[name].astype(np.float64) for name in ("mjd_tai", "band", "flux_njy", "flux_err_njy"))
            curve = _cut(f"{plan.seed} {field[rows_of[place[0]]]}", *columns)
            if curve:
                yield curve
