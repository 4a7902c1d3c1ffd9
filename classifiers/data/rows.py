"""The tables and packets of a data folder as they are: any column or part may be absent, and no label is asked for.

Training reads `classifiers.data.labelled`; this is for folders of others, laid out like the shared set.
"""

from __future__ import annotations

import csv
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from classifiers.data.packets import ReadPackets, read_alone
from classifiers.data.signs import are_positive
from schemas.light_curve import BANDS, DETECTION, FloatArray, LightCurves
from schemas.packet import Coordinates, Packet
from schemas.surveys.columns import flux_from_magnitude
from schemas.surveys.lsst import LsstReader
from schemas.surveys.ztf import ZtfReader

PACKETS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ztf": ("ztf_alerts", ("*.tar.gz", "*.tar", "*.avro")),
    "lsst": ("lsst_alerts", ("*.bin", "*/*.bin")),
}
"""Folder of each survey's packets and which files of it hold them."""

ZTF_FILTER_BANDS: dict[str, str] = {"1": "g", "2": "r", "3": "i"}
"""ZTF's filter numbers, which some tables give for a band."""

Detections = tuple[FloatArray, FloatArray, FloatArray, FloatArray]
"""Times [d], signed fluxes and errors [nJy], and indexes of the bands of one object, by time."""


class DataError(Exception):
    """A file of a data folder cannot be read; the message says which and why."""


def table_rows(path: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of a Parquet or CSV file, each with every one of `columns`: None where the file has none such.

    An absent file has no rows. DataError where it cannot be read.
    """
    if not path.is_file():
        return []
    try:
        if path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8") as file:
                return [{name: row.get(name) or None for name in columns} for row in csv.DictReader(file)]
        known = [name for name in columns if name in pq.read_schema(path).names]
        blank = dict.fromkeys(columns)
        return [blank | row for row in pq.read_table(path, columns=known).to_pylist()]
    except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read: {error}") from None


def detections_of(row: dict[str, Any]) -> Detections:
    """The usable detections of one row of `light_curves.parquet`: with time, magnitude, error and a known band.

    `isdiffpos` may be null, as a whole or for some: then the flux is taken as positive. `mjd` is taken as it is.
    DataError where the lists do not fit together or a sign is spelt as none is.
    """
    lists = [row[name] or [] for name in ("mjd", "mag", "mag_err", "band")]
    signs = row["isdiffpos"] or [True] * len(lists[0])
    if len({len(each) for each in (*lists, signs)}) > 1:
        raise DataError(f"{row['object_id']}: mjd, mag, mag_err, band and isdiffpos differ in length")
    mjd, mag, mag_err = (np.array(each, np.float64) for each in lists[:3])
    band = np.array([_band(name) for name in lists[3]], np.int64)
    try:
        positive = are_positive(signs)
    except ValueError as error:
        raise DataError(f"{row['object_id']}: {error}") from None
    usable = np.isfinite(mjd) & np.isfinite(mag) & np.isfinite(mag_err) & (mag_err > 0) & (band >= 0)
    order = np.flatnonzero(usable)[np.argsort(mjd[usable], kind="stable")]
    flux = flux_from_magnitude(mag)
    err = flux * mag_err * np.log(10.0) / 2.5
    return mjd[order], np.where(positive, flux, -flux)[order], err[order], band[order].astype(np.float64)


def light_curves_of(survey: str, detections: Sequence[Detections]) -> LightCurves:
    """Light curves of detections alone, one for each item."""
    lengths = [len(each[0]) for each in detections]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    mjd, flux, err, band = (np.concatenate([np.empty(0), *(each[k] for each in detections)]) for k in range(4))
    kind = np.full(int(offsets[-1]), DETECTION, np.uint8)
    return LightCurves(
        survey, offsets, mjd, flux.astype(np.float32), err.astype(np.float32), band.astype(np.uint8), kind
    )


def read_packets(folder: Path, survey: str) -> ReadPackets:
    """All packets of a data folder's `ztf_alerts` or `lsst_alerts`, labelled or not; DataError for a broken archive."""
    return read_alone(ZtfReader() if survey == "ztf" else LsstReader(), list(_packets(folder, survey)))


def _packets(folder: Path, survey: str) -> Iterator[Packet]:
    name, patterns = PACKETS[survey]
    for path in sorted(path for pattern in patterns for path in (folder / name).glob(pattern)):
        if ".tar" not in path.suffixes:
            yield Packet(Coordinates(str(path), path.name), path.read_bytes(), 0.0)
            continue
        try:
            with tarfile.open(path) as members:
                for member in members:
                    if file := members.extractfile(member):
                        yield Packet(Coordinates(path.name, member.name), file.read(), 0.0)
        except (OSError, EOFError, tarfile.TarError) as error:
            raise DataError(f"{path} cannot be read: {error}") from None


def _band(name: Any) -> int:
    """Place in `BANDS` of a band as tables spell it ("g", "ZTF_g", "1"); -1 where it is none of them."""
    text = str(name).strip()
    letter = ZTF_FILTER_BANDS.get(text, text[-1:].lower())
    return BANDS.index(letter) if letter in BANDS else -1
