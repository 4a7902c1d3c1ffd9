"""What the light curve inside a packet is like: its shape, its rhythm, its depth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from classifiers.features.light_curve import MAG_PER_RELATIVE_ERROR, pool_nights
from classifiers.features.statistics import STATISTIC_NAMES, light_curve_statistics
from schemas.alert import AlertBatch
from schemas.assembling import assemble
from schemas.light_curve import BANDS, DETECTION, FORCED, LIMIT, ROW_DTYPE, FloatArray, LightCurves
from schemas.surveys.columns import ZERO_POINT_AB_NJY
from streamer.compare.tables import Table, table_of

Rows = npt.NDArray[np.void]

_SAME_NIGHT_DAYS = 0.5


def light_curves(alerts: AlertBatch) -> LightCurves:
    """The light curve that each packet tells by itself."""
    nothing = np.zeros(len(alerts) + 1, np.int64)
    return assemble(
        alerts.survey, alerts.rows, alerts.row_offsets, alerts.mjd_tai, np.arange(len(alerts)),
        np.empty(0, ROW_DTYPE), nothing,
    ).light_curves  # fmt: skip


def history_table(alerts: AlertBatch) -> Table:
    """Statistics of the detections, and counts, gaps and limits of detections and non-detections together."""
    statistics = Table(STATISTIC_NAMES, light_curve_statistics(pool_nights(light_curves(alerts))).astype(np.float64))
    return statistics.beside(table_of([_rhythm(rows) for rows in _rows_of(alerts)]))


def forced_table(alerts: AlertBatch) -> Table:
    """The forced photometry of each packet; rows of NaN where a packet holds none."""
    return table_of([_forced(rows[rows["kind"] == FORCED]) for rows in _rows_of(alerts)])


def _rows_of(alerts: AlertBatch) -> list[Rows]:
    return [alerts.rows[a:b] for a, b in zip(alerts.row_offsets[:-1], alerts.row_offsets[1:], strict=True)]


def magnitudes(flux_njy: FloatArray) -> FloatArray:
    """AB magnitudes of the size of fluxes [nJy], NaN for 0."""
    size = np.abs(np.asarray(flux_njy, dtype=np.float64))
    magnitude: FloatArray = ZERO_POINT_AB_NJY - 2.5 * np.log10(np.where(size > 0.0, size, np.nan))
    return magnitude


def rhythm(mjd: FloatArray) -> dict[str, float]:
    """Number, span and gaps of the times of one object [d], ascending."""
    gaps = np.diff(mjd)
    apart = gaps[gaps > _SAME_NIGHT_DAYS]
    together = gaps[gaps <= _SAME_NIGHT_DAYS]
    return {
        "detections": float(len(mjd)),
        "detections a night": len(mjd) / (1 + len(apart)) if len(mjd) else np.nan,
        "first detection [d ago]": float(mjd[-1] - mjd[0]) if len(mjd) else np.nan,
        "gap between nights [d]": float(np.median(apart)) if len(apart) else np.nan,
        "longest gap [d]": float(apart.max()) if len(apart) else np.nan,
        "gap within a night [d]": float(np.median(together)) if len(together) else np.nan,
    }


def _rhythm(rows: Rows) -> dict[str, float]:
    """Of one packet's detections and limits."""
    rows = rows[np.argsort(rows["mjd_tai"], kind="stable")]
    detected, limits = rows[rows["kind"] == DETECTION], rows[rows["kind"] == LIMIT]
    seen = rows[rows["kind"] != FORCED]
    error_mag = MAG_PER_RELATIVE_ERROR * detected["flux_err_njy"] / np.abs(detected["flux_njy"])
    numbers = rhythm(detected["mjd_tai"])
    numbers |= {
        "exposures": float(len(seen)),
        "limits": float(len(limits)),
        "detected share": len(detected) / len(seen),
        "last limit [d ago]": float(rows["mjd_tai"][-1] - limits["mjd_tai"][-1]) if len(limits) else np.nan,
        "median error [mag]": float(np.nanmedian(error_mag)) if np.isfinite(error_mag).any() else np.nan,
        "negative share": float((detected["flux_njy"] < 0).mean()),
        **{f"exposures {name}": value for name, value in rhythm(seen["mjd_tai"]).items() if "gap" in name},
    }
    for b, band in enumerate(BANDS):
        of_band = limits[limits["band"] == b]
        if len(of_band):
            depth = magnitudes(5.0 * of_band["flux_err_njy"])
            numbers |= {f"{band} limit [mag]": float(np.nanmedian(depth)), f"{band} limit spread": float(np.std(depth))}
        numbers[f"{band} share of exposures"] = float((seen["band"] == b).mean())
    return numbers


def _forced(rows: Rows) -> dict[str, float]:
    if not len(rows):
        return {}
    flux, error = rows["flux_njy"].astype(np.float64), rows["flux_err_njy"].astype(np.float64)
    good = np.isfinite(flux) & (error > 0.0)
    numbers = {"forced points": float(len(rows)), "forced good share": float(good.mean())}
    if good.any():
        ratio, depth = flux[good] / error[good], magnitudes(5.0 * error[good])
        numbers |= {
            "forced median S/N": float(np.median(ratio)),
            "forced spread of S/N": float(np.percentile(ratio, 84) - np.percentile(ratio, 16)),
            "forced largest S/N": float(ratio.max()),
            "forced least S/N": float(ratio.min()),
            "forced depth [mag]": float(np.median(depth)),
            "forced spread of depth": float(np.std(depth)),
            "forced points a night": float(good.sum()) / len(np.unique(np.floor(rows["mjd_tai"][good] + 0.3))),
            "forced span [d]": float(np.ptp(rows["mjd_tai"][good])),
        }
    return numbers
