"""Labelled data laid out like the shared set: light curves and spectra from Parquet, alerts from archives.

Only evaluation and training read it; a part of the folder that is absent is simply empty.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from classifiers.data.signs import are_positive
from schemas.light_curve import BANDS, DETECTION, IntArray, LightCurves
from schemas.spectrum import Spectrum
from schemas.spectrum_files import spectrum_of_row
from schemas.surveys.columns import flux_from_magnitude
from schemas.taxonomy import CLASS_INDEX, CLASSES, FINE_PARENT, fine_index

SPLITS: tuple[str, ...] = ("train", "calibrate", "test")
"""Sides of the split by object, in the order of `split_of`."""


def fifth_of(object_ids: list[str]) -> IntArray:
    """Fifth (0 to 4) into which each object falls by the SHA-256 of its id."""
    return np.array([int(hashlib.sha256(name.encode()).hexdigest(), 16) // 5 % 5 for name in object_ids], np.int64)


def split_of(object_ids: list[str]) -> IntArray:
    """Side of each object (index into `SPLITS`): the fifth 0 tests, the fifth 1 calibrates."""
    fifth = fifth_of(object_ids)
    return np.where(fifth == 0, 2, np.where(fifth == 1, 1, 0)).astype(np.int64)


def fine_label(label: str, type_name: str | None) -> int:
    """Place in `FINE_LEAVES` of a labelled object's type; -1 where it is none of the leaves below its class."""
    leaf = fine_index(type_name or "")
    return leaf if leaf >= 0 and CLASSES[FINE_PARENT[leaf]] == label else -1


@dataclass(frozen=True, slots=True)
class LabelledCurves:
    """n labelled light curves."""

    object_id: list[str]
    label: IntArray
    """(n,) index into `schemas.taxonomy.CLASSES`."""
    fine: IntArray
    """(n,) index into `schemas.taxonomy.FINE_LEAVES`, -1 where the type says no more than the class."""
    curves: LightCurves

    def take(self, index: npt.NDArray[np.integer]) -> LabelledCurves:
        """The curves in `index`, in that order."""
        chosen = [int(i) for i in index]
        return LabelledCurves(
            [self.object_id[i] for i in chosen],
            self.label[index],
            self.fine[index],
            self.curves.take(index),
        )


@dataclass(frozen=True, slots=True)
class LabelledSpectra:
    """n labelled spectra."""

    object_id: list[str]
    label: IntArray
    fine: IntArray
    """As in `LabelledCurves`, both (n,)."""
    spectra: list[Spectrum]

    def take(self, index: npt.NDArray[np.integer]) -> LabelledSpectra:
        """The spectra in `index`, in that order."""
        chosen = [int(i) for i in index]
        return LabelledSpectra(
            [self.object_id[i] for i in chosen],
            self.label[index],
            self.fine[index],
            [self.spectra[i] for i in chosen],
        )


def read_light_curves(folder: Path) -> LabelledCurves:
    """Detections of `light_curves.parquet` as ZTF light curves: difference magnitudes and signs to signed nJy.

    `mjd` is taken as it is, since not every source states its time scale: features see differences of times only.
    ValueError where a sign is spelt as none is.
    """
    path = folder / "light_curves.parquet"
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist() if path.is_file() else []
    rows = [row for row in rows if row["label"] in CLASS_INDEX and row["mjd"]]
    columns: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = [_detections(row) for row in rows]
    lengths = [len(column[0]) for column in columns]
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
    mjd, flux, err, band = (
        (np.concatenate([column[k] for column in columns]) if columns else np.empty(0)) for k in range(4)
    )
    curves = LightCurves(
        "ztf",
        offsets,
        mjd.astype(np.float64),
        flux.astype(np.float32),
        err.astype(np.float32),
        band.astype(np.uint8),
        np.full(int(offsets[-1]), DETECTION, np.uint8),
    )
    return LabelledCurves(
        [row["object_id"] for row in rows],
        np.array([CLASS_INDEX[row["label"]] for row in rows], np.int64),
        np.array([fine_label(row["label"], row["type"]) for row in rows], np.int64),
        curves,
    )


def _detections(row: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    mjd = np.array(row["mjd"], np.float64)
    mag, mag_err = np.array(row["mag"], np.float64), np.array(row["mag_err"], np.float64)
    try:
        positive = are_positive(row["isdiffpos"] or [True] * len(mjd))
    except ValueError as error:
        raise ValueError(f"{row['object_id']}: {error}") from None
    flux = flux_from_magnitude(mag)
    err = flux * mag_err * np.log(10.0) / 2.5
    band = np.array([BANDS.index(name) for name in row["band"]], np.uint8)
    order = np.argsort(mjd, kind="stable")
    return mjd[order], np.where(positive, flux, -flux)[order], err[order], band[order]


def read_spectra(folder: Path) -> LabelledSpectra:
    """Certain spectra of `spectra.parquet`, under the object's own label where the lists have one.

    A spectrum without a time is kept: training and figures take spectra by themselves.
    """
    path = folder / "spectra.parquet"
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist() if path.is_file() else []
    labels: list[int] = []
    fine: list[int] = []
    spectra: list[Spectrum] = []
    for row in rows:
        label = row["object_label"] or row["label"]
        if label not in CLASS_INDEX or row["uncertain"] or row["label"] != label:
            continue
        spectrum = spectrum_of_row(row)
        if spectrum is not None:
            labels.append(CLASS_INDEX[label])
            fine.append(fine_label(label, row["object_type"] or row["type"]))
            spectra.append(spectrum)
    return LabelledSpectra(
        [each.object_id for each in spectra], np.array(labels, np.int64), np.array(fine, np.int64), spectra
    )
