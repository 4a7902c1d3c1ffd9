"""The truth of a simulated night, as it is asked by a table of scores: by alert or by object."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.columns import TRUTH_SCHEMA
from schemas.light_curve import FloatArray, IntArray
from schemas.taxonomy import CLASS_INDEX
from streamer.errors import UserError

NO_CLASS = -1
"""Label of asteroids and bogus detections."""

BOGUS = "bogus"
"""Type of what is no source."""

_NEEDED = ("survey", "object_id", "type", "class", "alert_ids", "alert_mjd_tai")


@dataclass(frozen=True, slots=True)
class TrueNight:
    """K objects and their A alerts."""

    survey: list[str]
    """(K,)"""
    object_id: list[str]
    """(K,)"""
    type: list[str]
    """(K,)"""
    label: IntArray
    """(K,) index into `CLASSES`, or NO_CLASS."""
    owner: IntArray
    """(A,) object of each alert."""
    alert_id: IntArray
    """(A,)"""
    mjd_tai: FloatArray
    """(A,)"""
    place: IntArray
    """(A,) 1 for an object's first alert of the night, 2 for its second."""

    def fine_types(self) -> dict[str, int]:
        """Label of each fine type, NO_CLASS for asteroids and bogus detections."""
        return dict(zip(self.type, self.label.tolist(), strict=True))


def read_night(file: Path) -> TrueNight:
    """The truth in a truth.parquet; UserError where the file is none."""
    try:
        lacking = [name for name in _NEEDED if name not in pq.read_schema(file).names]
        if lacking:
            raise UserError(f"{file} is no truth of a simulated night: it has no column {', '.join(lacking)}")
        table = pq.read_table(file, columns=list(_NEEDED)).cast(pa.schema([TRUTH_SCHEMA.field(n) for n in _NEEDED]))
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"cannot read {file} as Parquet: {str(error).splitlines()[0]}") from None
    lists = table["alert_ids"].combine_chunks()
    counts = np.diff(lists.offsets.to_numpy())
    return TrueNight(
        survey=table["survey"].to_pylist(),
        object_id=table["object_id"].to_pylist(),
        type=table["type"].to_pylist(),
        label=np.array([CLASS_INDEX.get(name, NO_CLASS) for name in table["class"].to_pylist()], np.int64),
        owner=np.repeat(np.arange(len(table)), counts),
        alert_id=lists.flatten().to_numpy(),
        mjd_tai=table["alert_mjd_tai"].combine_chunks().flatten().to_numpy(),
        place=np.arange(1, counts.sum() + 1) - np.repeat(np.cumsum(counts) - counts, counts),
    )
