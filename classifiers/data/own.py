"""A user's own data, object by object: what a dataset class yields, made into the nouns that everything else takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from classifiers.data.alerts import LabelledAlerts
from classifiers.data.labelled import LabelledCurves, LabelledSpectra, fine_label
from classifiers.data.rows import Detections, light_curves_of
from schemas.light_curve import BANDS
from schemas.spectrum import Spectrum
from schemas.taxonomy import CLASS_INDEX, CLASSES

Labelled = LabelledCurves | LabelledSpectra | LabelledAlerts
"""What a reader may give as it is."""


@dataclass(frozen=True, slots=True)
class CurveRow:
    """One object's light curve and what it is; arrays of one length, in any order of time."""

    object_id: str
    label: str
    """One of `schemas.taxonomy.CLASSES`."""
    mjd_tai: npt.NDArray[np.floating]
    band: list[str]
    """Of `schemas.light_curve.BANDS`: u g r i z y."""
    flux_njy: npt.NDArray[np.floating]
    """Difference flux [nJy]; an AB magnitude m is 10 ** (0.4 * (31.4 - m))."""
    flux_err_njy: npt.NDArray[np.floating]
    type: str = ""
    """A finer type, such as `SN Ia-91T`, where one is known."""


@dataclass(frozen=True, slots=True)
class SpectrumRow:
    """One spectrum of an object and what the object is."""

    label: str
    spectrum: Spectrum
    type: str = ""

    @property
    def object_id(self) -> str:
        """The spectrum's object."""
        return self.spectrum.object_id


class Dataset(Protocol):
    """A user's own dataset, as torch's are: a length, and rows of one kind by index."""

    def __len__(self) -> int:
        """Number of rows."""
        ...

    def __getitem__(self, index: int, /) -> CurveRow | SpectrumRow:
        """The row at `index`."""
        ...


def labelled(read: Labelled | Dataset, survey: str = "ztf") -> Labelled:
    """What a reader gave, as one of the nouns; ValueError, TypeError where it is none and cannot be made one."""
    if isinstance(read, Labelled):
        return read
    rows = list(_rows(read))
    curves = [row for row in rows if isinstance(row, CurveRow)]
    spectra = [row for row in rows if isinstance(row, SpectrumRow)]
    if not rows or (curves and spectra) or len(curves) + len(spectra) < len(rows):
        raise TypeError("a dataset holds at least one row, all CurveRow or all SpectrumRow")
    for row in rows:
        if row.label not in CLASS_INDEX:
            raise ValueError(f"object {row.object_id} is a {row.label!r}: expected one of {', '.join(CLASSES)}")
    return _spectra(spectra) if spectra else _curves(curves, survey)


def _rows(read: Dataset) -> Iterator[CurveRow | SpectrumRow]:
    return (read[i] for i in range(len(read)))


def _curves(rows: list[CurveRow], survey: str) -> LabelledCurves:
    found: list[Detections] = []
    for row in rows:
        time, flux, err = (np.asarray(each, np.float64) for each in (row.mjd_tai, row.flux_njy, row.flux_err_njy))
        if unknown := sorted(set(row.band) - set(BANDS)):
            raise ValueError(f"object {row.object_id}: no band {unknown[0]!r}; expected {', '.join(BANDS)}")
        if not len(time) == len(flux) == len(err) == len(row.band) > 0:
            raise ValueError(f"object {row.object_id}: times, bands, fluxes and errors differ in length, or are none")
        band = np.array([BANDS.index(name) for name in row.band], np.float64)
        order = np.argsort(time, kind="stable")
        found.append((time[order], flux[order], err[order], band[order]))
    return LabelledCurves([row.object_id for row in rows], *_labels(rows), light_curves_of(survey, found))


def _spectra(rows: list[SpectrumRow]) -> LabelledSpectra:
    return LabelledSpectra([row.object_id for row in rows], *_labels(rows), [row.spectrum for row in rows])


def _labels(rows: list[CurveRow] | list[SpectrumRow]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    label = np.array([CLASS_INDEX[row.label] for row in rows], np.int64)
    return label, np.array([fine_label(row.label, row.type) for row in rows], np.int64)
