"""What a data folder holds of its objects: labels, curves, spectra, alerts. What is absent is said, not asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from classifiers.data.packets import ReadPackets
from classifiers.data.rows import (
    DataError,
    Detections,
    detections_of,
    light_curves_of,
    read_packets,
    table_rows,
)
from schemas.light_curve import DETECTION, IntArray, LightCurves
from schemas.spectrum import Spectrum
from schemas.spectrum_files import spectrum_of_row
from schemas.taxonomy import CLASS_INDEX

UNLABELLED = -1
"""Label of an object that no list gives one of the classes."""

SIGN, LIMITS, FORCED = range(3)
"""Columns of `Holdings.tells`."""

SAME_EXPOSURE_DAYS = 1e-4
"""Two detections of one band nearer than this are one exposure that two packets tell [d]."""

NO_DETECTIONS: Detections = (np.empty(0), np.empty(0), np.empty(0), np.empty(0))
"""Detections of an object without a curve."""

BoolArray = npt.NDArray[np.bool_]

_CURVE_COLUMNS = "object_id type label label_quality source mjd band mag mag_err isdiffpos lim_mjd flux_mjd".split()
_SPECTRUM_COLUMNS = (
    "object_id type label object_label redshift uncertain spectrum_mjd file_name wavelength_aa flux flux_var".split()
)
_LABEL_COLUMNS = "object_id type label label_quality label_source".split()
_INDEX_COLUMNS = "object_id type label label_quality".split()


@dataclass(frozen=True, slots=True)
class Object:
    """What the lists say of one object."""

    object_id: str
    label: int
    """Index into `schemas.taxonomy.CLASSES`, or UNLABELLED."""
    type: str | None
    label_quality: str | None
    """`spectroscopic` or `catalogue`; None where nothing says."""
    label_source: frozenset[str]
    """Names of the lists that gave the label."""
    curve_source: str | None
    """Where its light curve comes from; `packet history` for what its alerts tell together."""

    @property
    def simulated(self) -> bool:
        """Whether the object was made up by a program."""
        return any("simulat" in (text or "").lower() for text in (self.curve_source, self.label_quality))


@dataclass(frozen=True, slots=True)
class Holdings:
    """n objects of one survey with all that a folder holds of them."""

    survey: str
    objects: list[Object]
    curves: LightCurves
    """Of n objects; without any detection where there is no curve."""
    tells: BoolArray
    """(n, 3): whether a negative sign, an upper limit, a forced point is there; what betrays the source."""
    spectra: list[Spectrum]
    spectrum_owner: IntArray
    """(spectra,) index into `objects`."""
    spectrum_certain: BoolArray
    """(spectra,) False where its own type is in doubt or unlike the object's class."""
    packets: ReadPackets
    packet_owner: IntArray
    """(packets,) index into `objects`."""
    notes: tuple[str, ...]
    """What is absent or was left out, in words."""

    def __len__(self) -> int:
        return len(self.objects)

    @property
    def label(self) -> IntArray:
        """(n,) index into `schemas.taxonomy.CLASSES`, or UNLABELLED."""
        return np.array([each.label for each in self.objects], np.int64)

    @property
    def object_id(self) -> list[str]:
        """Names of the objects."""
        return [each.object_id for each in self.objects]

    def take(self, index: npt.NDArray[np.integer]) -> Holdings:
        """The objects in `index`, in that order, with their spectra and alerts."""
        place = np.full(len(self), -1, np.int64)
        place[index] = np.arange(len(index))
        spectra = np.flatnonzero(place[self.spectrum_owner] >= 0)
        alerts = np.flatnonzero(place[self.packet_owner] >= 0)
        packets = replace(
            self.packets,
            alerts=self.packets.alerts.take(alerts),
            curves=self.packets.curves.take(alerts),
            cutouts=[self.packets.cutouts[i] for i in alerts.tolist()],
        )
        return replace(
            self,
            objects=[self.objects[i] for i in index.tolist()],
            curves=self.curves.take(index),
            tells=self.tells[index],
            spectra=[self.spectra[i] for i in spectra.tolist()],
            spectrum_owner=place[self.spectrum_owner[spectra]],
            spectrum_certain=self.spectrum_certain[spectra],
            packets=packets,
            packet_owner=place[self.packet_owner[alerts]],
        )


def read_holdings(folder: Path, survey: str = "ztf") -> Holdings:
    """Everything of `folder` that belongs to a survey's objects: tables are ZTF's, packets either survey's.

    DataError for a file that is there and cannot be read.
    """
    tables = survey == "ztf"
    curve_rows = table_rows(folder / "light_curves.parquet", _CURVE_COLUMNS) if tables else []
    spectrum_rows = table_rows(folder / "spectra.parquet", _SPECTRUM_COLUMNS) if tables else []
    lists = table_rows(folder / "labels.csv", _LABEL_COLUMNS)
    index = table_rows(folder / f"{survey}_alerts" / "index.csv", _INDEX_COLUMNS)
    packets = read_packets(folder, survey)
    notes = _absent(curve_rows, spectrum_rows, packets, lists) if tables else []
    curves, tells, left_out = _curves(curve_rows)
    spectra, spectrum_rows = _spectra(spectrum_rows)
    if left_out:
        notes.append(f"{left_out} rows of light_curves.parquet were left out (a second row of an object, or bad lists)")
    notes += _lacking(curve_rows, curves)
    if packets.unreadable:
        notes.append(f"{packets.unreadable} packets of {survey} could not be read")
    names = list(dict.fromkeys([*curves, *(each.object_id for each in spectra), *packets.alerts.object_id]))
    owner = {name: i for i, name in enumerate(names)}
    packet_owner = np.array([owner[name] for name in packets.alerts.object_id], np.int64)
    told = _told(curve_rows, lists, spectrum_rows, index)
    histories = _histories(packets)
    objects, detections = [], []
    for name in names:
        own = curves.get(name)
        source = (told[name]["source"] or None) if own is not None else "packet history" if name in histories else None
        detections.append(own if own is not None else histories.get(name, NO_DETECTIONS))
        objects.append(_object(name, told.get(name, {}), source))
    nothing = np.zeros(3, np.bool_)
    holdings = Holdings(
        survey=survey,
        objects=objects,
        curves=light_curves_of(survey, detections),
        tells=np.array([tells.get(name, nothing) for name in names], np.bool_).reshape(-1, 3),
        spectra=spectra,
        spectrum_owner=np.array([owner[each.object_id] for each in spectra], np.int64),
        spectrum_certain=np.zeros(len(spectra), np.bool_),
        packets=packets,
        packet_owner=packet_owner,
        notes=tuple(notes),
    )
    return replace(holdings, spectrum_certain=_certain(holdings, spectrum_rows))


def _curves(rows: Sequence[dict[str, Any]]) -> tuple[dict[str, Detections], dict[str, BoolArray], int]:
    """Detections by object, what betrays each one's source, and how many rows were left out."""
    curves: dict[str, Detections] = {}
    tells: dict[str, BoolArray] = {}
    left_out = 0
    for row in rows:
        name = str(row["object_id"])
        try:
            detections = detections_of(row)
        except (DataError, TypeError, ValueError):
            left_out += 1
            continue
        if row["object_id"] is None or name in curves:
            left_out += 1
            continue
        curves[name] = detections
        tells[name] = np.array([(detections[1] < 0).any(), bool(row["lim_mjd"]), bool(row["flux_mjd"])])
    return curves, tells, left_out


def _lacking(rows: Sequence[dict[str, Any]], curves: dict[str, Detections]) -> list[str]:
    """Notes on columns that every curve lacks and on curves without a usable detection; DataError without names."""
    lacking = [
        name for name in ("object_id", "mjd", "band", "mag", "mag_err") if all(row[name] is None for row in rows)
    ]
    if not rows:
        return []
    if "object_id" in lacking:
        raise DataError("light_curves.parquet has no object_id: its rows belong to nobody")
    notes = [f"light_curves.parquet has nothing in {name}" for name in lacking]
    if dark := sum(not len(detections[0]) for detections in curves.values()):
        notes.append(f"{dark} objects of light_curves.parquet have no usable detection")
    return notes


def _spectra(rows: Sequence[dict[str, Any]]) -> tuple[list[Spectrum], list[dict[str, Any]]]:
    """The usable spectra, and the rows that they come from."""
    pairs = [(spectrum, row) for row in rows if (spectrum := spectrum_of_row(row)) is not None]
    return [spectrum for spectrum, _ in pairs], [row for _, row in pairs]


def _told(*tables: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What the tables say of each object: the first that says something counts."""
    told: dict[str, dict[str, Any]] = {}
    for row in (row for table in tables for row in table):
        own = told.setdefault(str(row["object_id"]), dict.fromkeys(("source", *_LABEL_COLUMNS)))
        label = row.get("object_label") or row.get("label")
        for name, value in {**row, "label": label}.items():
            if name in own and own[name] is None and value is not None:
                own[name] = value
    return told


def _object(name: str, told: dict[str, Any], source: str | None) -> Object:
    return Object(
        object_id=name,
        label=CLASS_INDEX.get(str(told.get("label")), UNLABELLED),
        type=told.get("type"),
        label_quality=told.get("label_quality"),
        label_source=frozenset(filter(None, (told.get("label_source") or "").split("|"))),
        curve_source=source,
    )


def _certain(holdings: Holdings, rows: Sequence[dict[str, Any]]) -> BoolArray:
    label = holdings.label[holdings.spectrum_owner]
    own = np.array([CLASS_INDEX.get(str(row["label"]), UNLABELLED) for row in rows], np.int64)
    doubt = np.array([bool(row["uncertain"]) for row in rows], np.bool_)
    typed = any(row["label"] for row in rows)  # else the table says nothing of single spectra
    certain: BoolArray = ((own == label) | (not typed)) & ~doubt
    return certain


def _histories(packets: ReadPackets) -> dict[str, Detections]:
    """Detections that the alerts of each object tell together, by time: a packet's own history forgets the oldest."""
    curves = packets.curves
    kept = (curves.kind == DETECTION) & np.isfinite(curves.flux_njy) & (curves.flux_err_njy > 0)
    names, object_of = np.unique(np.array(packets.alerts.object_id, np.str_), return_inverse=True)
    owner = np.repeat(object_of, np.diff(curves.offsets))[kept]
    mjd, band = curves.mjd_tai[kept], curves.band[kept].astype(np.float64)
    order = np.lexsort((mjd, band, owner))
    again = (np.diff(owner[order]) == 0) & (np.diff(band[order]) == 0) & (np.diff(mjd[order]) < SAME_EXPOSURE_DAYS)
    order = order[np.concatenate([np.ones(min(len(order), 1), np.bool_), ~again])]
    order = order[np.lexsort((mjd[order], owner[order]))]
    flux, err = (each[kept].astype(np.float64) for each in (curves.flux_njy, curves.flux_err_njy))
    ends = np.searchsorted(owner[order], np.arange(len(names) + 1))
    rows = [order[first:last] for first, last in pairwise(ends.tolist())]
    return {
        str(name): (mjd[own], flux[own], err[own], band[own]) for name, own in zip(names, rows, strict=True) if len(own)
    }


def _absent(curves: Sequence[Any], spectra: Sequence[Any], packets: ReadPackets, lists: Sequence[Any]) -> list[str]:
    """Notes on the parts that the folder lacks."""
    parts = {
        "light curves (light_curves.parquet)": len(curves),
        "spectra (spectra.parquet)": len(spectra),
        "ZTF alerts (ztf_alerts/)": len(packets.alerts),
        "label lists (labels.csv)": len(lists),
    }
    return [f"no {name}" for name, count in parts.items() if not count]
