"""What no survey knows: each object of a night with its alerts, as kept while packets go by and as a table."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.columns import TRUTH_SCHEMA
from schemas.light_curve import BANDS
from streamer.errors import UserError
from streamer.simulate.packet import SimulatedPacket


@dataclass(slots=True)
class ObjectTruth:
    """One object; the columns have one entry for each of its alerts, by time."""

    survey: str
    object_id: str
    type: str
    label: str | None
    """Broad class; None for asteroids and bogus detections."""
    redshift: float
    """NaN where it has none."""
    parameters: Mapping[str, float]
    alert_id: array[int] = field(default_factory=lambda: array("q"))
    mjd_tai: array[float] = field(default_factory=lambda: array("d"))
    true_njy: array[float] = field(default_factory=lambda: array("d"))
    """True difference flux."""
    still_njy: array[float] = field(default_factory=lambda: array("d"))
    """Light of the reference image under the point-spread function."""
    band: array[int] = field(default_factory=lambda: array("b"))
    """Index into `BANDS`."""

    def add(self, packet: SimulatedPacket) -> None:
        """Takes one more of its alerts."""
        self.alert_id.append(packet.alert_id)
        self.mjd_tai.append(packet.mjd_tai)
        self.true_njy.append(packet.true_njy)
        self.still_njy.append(packet.still_njy)
        self.band.append(BANDS.index(packet.band))


class Truth:
    """The objects of a night, in the order in which they came; payloads are not kept."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], ObjectTruth] = {}

    def add(self, packet: SimulatedPacket) -> None:
        """Takes the truth behind a packet; packets come by time."""
        key = packet.survey, packet.object_id
        known = self.objects.get(key)
        if known is None:
            known = ObjectTruth(*key, packet.type, packet.label, packet.redshift, packet.parameters)
            self.objects[key] = known
        known.add(packet)

    def table(self) -> pa.Table:
        """One row for each object, in the columns of `TRUTH_SCHEMA`."""
        objects = list(self.objects.values())
        counts = [len(each.alert_id) for each in objects]
        offsets = pa.array(np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int32))
        bands = np.fromiter(chain.from_iterable(each.band for each in objects), np.int64)
        columns: dict[str, Any] = {
            "survey": [each.survey for each in objects],
            "object_id": [each.object_id for each in objects],
            "type": [each.type for each in objects],
            "class": [each.label for each in objects],
            "redshift": pa.array(np.array([each.redshift for each in objects], np.float64), from_pandas=True),
            "parameters": [list(each.parameters.items()) for each in objects],
            "n_alerts": counts,
            "first_mjd_tai": [each.mjd_tai[0] for each in objects],
            "last_mjd_tai": [each.mjd_tai[-1] for each in objects],
            "alert_ids": _lists(offsets, np.fromiter(chain.from_iterable(each.alert_id for each in objects), np.int64)),
            "alert_mjd_tai": _lists(offsets, np.fromiter(chain.from_iterable(o.mjd_tai for o in objects), np.float64)),
            "alert_true_njy": _lists(
                offsets, np.fromiter(chain.from_iterable(o.true_njy for o in objects), np.float64)
            ),
            "alert_band": pa.ListArray.from_arrays(offsets, pa.array(BANDS).take(pa.array(bands))),
        }
        return pa.table(columns, schema=TRUTH_SCHEMA)

    def write(self, file: Path) -> None:
        """Writes the table, beside another night's in a file that is there; OSError or pyarrow's where it cannot.

        UserError where that file holds another kind of table.
        """
        table = self.table()
        if file.exists():
            former = pq.read_table(file)
            if former.schema.names != TRUTH_SCHEMA.names:
                raise UserError(f"{file} is no truth of this version: simulate into another folder")
            table = _joined(former, table)
        pq.write_table(table, file)


def _lists(offsets: pa.Array, values: Any) -> pa.Array:
    return pa.ListArray.from_arrays(offsets, pa.array(values))


_OF_ALERTS = ("alert_ids", "alert_mjd_tai", "alert_true_njy", "alert_band")


def _joined(former: pa.Table, table: pa.Table) -> pa.Table:
    """The truth of two nights: an object of both keeps the alerts of both, by time."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for row in [*former.to_pylist(), *table.to_pylist()]:
        known = rows.setdefault((row["survey"], row["object_id"]), row)
        if known is not row:
            alerts = {
                alert[0]: alert for each in (known, row) for alert in zip(*(each[n] for n in _OF_ALERTS), strict=True)
            }
            by_time = zip(*sorted(alerts.values(), key=lambda alert: float(alert[1])), strict=True)
            known |= {name: list(column) for name, column in zip(_OF_ALERTS, by_time, strict=True)}
            known["n_alerts"] = len(alerts)
            known["first_mjd_tai"], known["last_mjd_tai"] = known["alert_mjd_tai"][0], known["alert_mjd_tai"][-1]
    return pa.Table.from_pylist(list(rows.values()), schema=TRUTH_SCHEMA)
