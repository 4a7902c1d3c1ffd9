"""The objects of simulated nights as light curves alone: no packet, no stamp, and so hundreds of objects a second.

The table is laid out as the labelled light curves that `classifiers` reads, with the survey's name beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.light_curve import BANDS, ByteArray, FloatArray, IntArray
from schemas.surveys.columns import ZERO_POINT_AB_NJY
from streamer.errors import UserError
from streamer.simulate.files import writing_to
from streamer.simulate.night import NightPlan, simulate_fields
from streamer.simulate.scene import BoolArray, Field

LIGHT_CURVES_FILE = "light_curves.parquet"
"""Name of the table."""

MAG_PER_RELATIVE_ERROR = 2.5 / np.log(10.0)
"""Error in magnitudes over error relative to the flux."""

LIGHT_CURVES_SCHEMA = pa.schema(
    [
        ("object_id", pa.string()),
        ("survey", pa.string()),
        ("type", pa.string()),  # fine type, as in truth.parquet
        ("label", pa.string()),  # broad class; null for what is no transient or variable
        ("label_quality", pa.string()),  # `simulated`
        ("source", pa.string()),  # what drew it
        ("redshift", pa.float64()),
        ("ra", pa.float64()),
        ("dec", pa.float64()),
        ("n_det", pa.int32()),
        ("mjd", pa.list_(pa.float64())),  # detections: TAI, mid-exposure
        ("band", pa.list_(pa.string())),
        ("mag", pa.list_(pa.float32())),  # difference magnitude, AB
        ("mag_err", pa.list_(pa.float32())),
        ("isdiffpos", pa.list_(pa.bool_())),  # false: fainter than the reference
        ("flux_mjd", pa.list_(pa.float64())),  # forced photometry: every exposure that holds the object
        ("flux_band", pa.list_(pa.string())),
        ("flux_njy", pa.list_(pa.float32())),  # signed difference flux
        ("flux_njy_err", pa.list_(pa.float32())),
    ]
)
"""Columns of the table; a row is an object, lists are by time."""


def write_light_curves(plan: NightPlan, folder: Path, after_alerts: Callable[[int], None] = lambda n: None) -> pa.Table:
    """Writes `light_curves.parquet` of the objects that a plan's nights would send alerts of, and returns its table.

    `after_alerts` is told how many alerts a group of fields stood for. UserError where the plan makes no night, or the
    folder holds light curves already or cannot be written.
    """
    file = folder / LIGHT_CURVES_FILE
    if file.exists():
        raise UserError(f"{file} is there already: simulate into another folder")
    try:
        groups = simulate_fields(plan)
    except ValueError as error:
        raise UserError(str(error)) from error
    table = pa.concat_tables(_tables(groups, after_alerts))
    with writing_to(file):
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, file)
    return table


def _tables(groups: Iterator[tuple[int, list[Field]]], after_alerts: Callable[[int], None]) -> Iterator[pa.Table]:
    for alerts, fields in groups:
        yield from (light_curve_table(field) for field in fields)
        after_alerts(alerts)


def light_curve_table(field: Field) -> pa.Table:
    """One row for each object of a field that stays in its place, with all its detections and forced points.

    A packet of the object carries those of them that lie within the survey's window before its own.
    """
    staying = field.take(~field.objects.moving)
    objects, survey = staying.objects, field.survey.name
    n = len(objects)
    populations = [field.mixture[kind] for kind in objects.kind.tolist()]
    detected = _Measured.where(staying, staying.detected, staying.error_njy)
    forced = _Measured.where(staying, staying.covered, staying.noise_njy)
    size = np.abs(detected.flux_njy)
    columns = {
        "object_id": [f"SIM{survey.upper()}-{field.seed}-{field.index}-{k}" for k in range(n)],
        "survey": [survey] * n,
        "type": [population.type for population in populations],
        "label": [population.label for population in populations],
        "label_quality": ["simulated"] * n,
        "source": ["streamer simulate"] * n,
        "redshift": pa.array(objects.redshift, from_pandas=True),
        "ra": objects.ra_deg,
        "dec": objects.dec_deg,
        "n_det": np.diff(detected.offsets).astype(np.int32),
        "mjd": detected.lists(detected.mjd_tai),
        "band": detected.bands(),
        "mag": detected.lists((ZERO_POINT_AB_NJY - 2.5 * np.log10(size)).astype(np.float32)),
        "mag_err": detected.lists((MAG_PER_RELATIVE_ERROR * detected.error_njy / size).astype(np.float32)),
        "isdiffpos": detected.lists(detected.flux_njy > 0.0),
        "flux_mjd": forced.lists(forced.mjd_tai),
        "flux_band": forced.bands(),
        "flux_njy": forced.lists(forced.flux_njy.astype(np.float32)),
        "flux_njy_err": forced.lists(forced.error_njy.astype(np.float32)),
    }
    return pa.table(columns, LIGHT_CURVES_SCHEMA)


@dataclass(frozen=True, slots=True)
class _Measured:
    """Measurements of K objects, flat with offsets, by time."""

    offsets: IntArray
    """(K + 1,)"""
    mjd_tai: FloatArray
    band: ByteArray
    flux_njy: FloatArray
    error_njy: FloatArray

    @classmethod
    def where(cls, field: Field, chosen: BoolArray, error_njy: FloatArray) -> _Measured:
        """Those of the objects (K, E) that are `chosen`, with the errors (K, E) that the survey quotes."""
        _, exposure = np.nonzero(chosen)
        offsets = np.concatenate([[0], np.cumsum(chosen.sum(axis=1))]).astype(np.int64)
        mjd, band = field.exposures.mjd_tai[exposure], field.exposures.band[exposure]
        return cls(offsets, mjd, band, field.flux_njy[chosen], error_njy[chosen])

    def lists(self, values: npt.NDArray[np.generic]) -> pa.ListArray:
        """One list for each object."""
        return self._lists(pa.array(values))

    def bands(self) -> pa.ListArray:
        """Names of their bands."""
        return self._lists(pa.array(BANDS).take(pa.array(self.band)))

    def _lists(self, values: pa.Array) -> pa.ListArray:
        return pa.ListArray.from_arrays(pa.array(self.offsets.astype(np.int32)), values)
