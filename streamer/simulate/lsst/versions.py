"""The versions of Rubin's alerts: how each of them names what the newest one holds.

What a version has and the simulator does not know (covariances, proper motions) is null.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from schemas.surveys.tables import LSST_VERSIONS, Schema, lsst_schema_id, survey_schema
from schemas.times import unix_from_mjd_tai
from streamer.simulate.lsst.rows import Columns, RowEncoder, Rows

NEWEST = LSST_VERSIONS[-1]

_RENAMED = {
    "diaSource": {"is_negative": "isNegative"},
    "ssSource": {
        "eclipticLambda": "eclLambda",
        "eclipticBeta": "eclBeta",
        "galacticL": "galLon",
        "galacticB": "galLat",
        "heliocentricDist": "helioRange",
        "topocentricDist": "topoRange",
        "predictedVMagnitude": "ephVmag",
        **{f"heliocentric{axis}": f"helio_{axis.lower()}" for axis in "XYZ"},
        **{f"topocentric{axis}": f"topo_{axis.lower()}" for axis in "XYZ"},
    },
    "MPCORB": {
        "mpcDesignation": "packed_primary_provisional_designation",
        "mpcH": "h",
        "epoch": "epoch_mjd",
        "M": "mean_anomaly",
        "peri": "argperi",
        "incl": "i",
        "t_p": "peri_time",
    },
}
"""Older versions' names of the newest one's fields, by record."""

_TIMES = {"time_processed": "timeProcessedMjdTai", "validityStart": "validityStartMjdTai"}
"""Times that were Unix microseconds before 9.0."""

_KM_S_AU_D = 86_400.0 / 149_597_870.7


@dataclass(frozen=True, slots=True)
class Layouts:
    """One version's records."""

    version: str
    frame: bytes
    """What comes before the body: a zero byte and the writer schema's id."""
    top: tuple[str, ...]
    """Names of the packet's own fields, in order."""
    _encoders: dict[str, RowEncoder]

    def rows(self, record: str, columns: Columns, n: int) -> Rows:
        """n bodies of a record, from columns by the newest version's names."""
        return self._encoders[record].encode(_as_named(record, columns), n)


@cache
def layouts(version: str) -> Layouts:
    """The records of a version; ValueError with what there is where it is not known."""
    if version not in LSST_VERSIONS:
        raise ValueError(f"unknown LSST schema {version!r}: expected one of {', '.join(LSST_VERSIONS)}")
    schema = survey_schema("lsst", version)
    records = {found["name"].rsplit(".", 1)[1]: found for found in _records(schema)}
    encoders = {name: RowEncoder(found) for name, found in records.items() if name != "alert"}
    frame = b"\x00" + lsst_schema_id(version).to_bytes(4, "big")
    return Layouts(version, frame, tuple(field["name"] for field in schema["fields"]), encoders)


def _records(schema: Any) -> list[Schema]:
    """Every record that is defined within a schema."""
    if isinstance(schema, list):
        return [found for part in schema for found in _records(part)]
    if not isinstance(schema, dict):
        return []
    if schema["type"] == "record":
        inside = [found for field in schema["fields"] for found in _records(field["type"])]
        return [schema, *inside]
    return _records(schema.get("items"))


def _as_named(record: str, columns: Columns) -> Columns:
    """The columns, and beside them what only older versions have."""
    named = dict(columns)
    named |= {older: columns[newer] for older, newer in _RENAMED.get(record, {}).items() if newer in columns}
    for older, newer in _TIMES.items():
        if newer in columns:
            named[older] = np.rint(unix_from_mjd_tai(columns[newer]) * 1e6).astype(np.int64)
    if record == "ssSource":
        named |= {f"residual{axis}": columns[f"ephOffset{axis}"] / 3600.0 for axis in ("Ra", "Dec")}
        for older, newer in (("heliocentricV", "helio_v"), ("topocentricV", "topo_v")):
            named |= {f"{older}{axis}": columns[f"{newer}{axis.lower()}"] * _KM_S_AU_D for axis in "XYZ"}
    return named
