"""A packet's history: earlier detections, non-detections and forced photometry, each row encoded once.

A row's bytes enter every later packet of its object; a non-detection is the same for all objects of its image.
"""

from __future__ import annotations

import numpy as np

from schemas.light_curve import BANDS, FloatArray, IntArray
from schemas.surveys.columns import flux_from_magnitude
from streamer.simulate.scene import Field
from streamer.simulate.ztf.candidate import Candidates
from streamer.simulate.ztf.rows import Columns, RowEncoder, six_digits

_SENTINEL = -99_999.0
"""What forced photometry writes where it has nothing."""

_GOOD, _NO_FLUX, _BRIGHT, _OFF_IMAGE = "0", "55", "56", "61"
"""procstatus: a measurement; none for lack of good pixels; near a bright reference source; off the image."""

_NO_FLUX_SHARE = 0.015
_BRIGHT_MAG = 14.6
"""Reference sources brighter than this (r) are flagged."""

_OFF_IMAGE_SHARE = 0.3
"""Objects so near a chip's edge that the neighbouring field, seen on the same nights, is looked at as well: in vain."""

_NEAREST_PX = 5.3
"""Forced photometry looks for a reference source no further than this."""

_DEPTH_RATIO = 0.66
"""Forced errors over diffmaglim / 5, without light there: median of 328 public rows."""

_EXACT = frozenset({"jd", "ra", "dec", "ranr", "decnr"})
"""What history rows give in full."""

_BLANK_ROW = ("ssdistnr", "ssmagnr", "ssnamenr")
"""What history rows leave out."""


class Histories:
    """The history rows of one field's objects."""

    def __init__(self, candidates: Candidates, field: Field, version: str) -> None:
        self._field = field
        self._mjd = field.exposures.mjd_tai
        self._detections = self._detection_rows(candidates, RowEncoder(version, "ztf.alert.prv_candidate"))
        self._limits = self._limit_rows(candidates, RowEncoder(version, "ztf.alert.prv_candidate"))
        self.has_forced = version.startswith("4")
        """Whether the schema has forced photometry."""
        self._forced: dict[tuple[int, int], bytes] = {}
        self._elsewhere: dict[int, list[bytes]] = {}
        if self.has_forced:
            self._forced = self._forced_rows(candidates, RowEncoder(version, "ztf.alert.fp_hist"))

    def recent(self, k: int, exposure: int) -> list[int]:
        """Exposures of the thirty days before this one that hold the object, by time."""
        begin = int(np.searchsorted(self._mjd, self._mjd[exposure] - self._field.survey.lookback_days))
        recent: list[int] = (begin + np.flatnonzero(self._field.covered[k, begin:exposure])).tolist()
        return recent

    def previous(self, k: int, recent: list[int]) -> list[bytes]:
        """`prv_candidates` of an object: at each exposure its detection, else the image's limit."""
        cell = int(self._field.objects.cell[k])
        return [self._detections.get((k, e)) or self._limits[cell, e] for e in recent]

    def forced(self, k: int, exposure: int, recent: list[int]) -> list[bytes]:
        """`fp_hists` of an object, newest first: up to the night before, for it is measured after a night."""
        evening = self._field.exposures.night[exposure]
        night = self._field.exposures.night
        return [row for e in reversed(recent) if night[e] < evening for row in self._forced_at(k, e)]

    def _forced_at(self, k: int, exposure: int) -> list[bytes]:
        row = self._forced.get((k, exposure))
        elsewhere = self._forced.get((-1 - int(self._field.objects.cell[k]), exposure)) if self._near_edge[k] else None
        return [part for part in (elsewhere, row) if part is not None]

    def _detection_rows(self, candidates: Candidates, encoder: RowEncoder) -> dict[tuple[int, int], bytes]:
        """Rows of all detections of what stays, by object and exposure."""
        stays = np.flatnonzero(~self._field.objects.moving[candidates.k])
        k, exposure = candidates.k[stays], candidates.exposure[stays]
        columns: Columns = {
            name: column[stays] if isinstance(column, np.ndarray) else column
            for name, column in candidates.row_columns.items()
            if name in encoder.field_names
        }
        columns["pdiffimfilename"] = candidates.chips.file_names(exposure, candidates.cell[stays], archive=True)
        rows = encoder.encode(_rounded(columns), len(stays))
        return dict(zip(zip(k.tolist(), exposure.tolist(), strict=True), rows, strict=True))

    def _limit_rows(self, candidates: Candidates, encoder: RowEncoder) -> dict[tuple[int, int], bytes]:
        """Rows of non-detections, by readout channel and exposure: their image's own columns, the rest null."""
        cells = np.unique(self._field.objects.cell)
        exposure, cell = (a.ravel() for a in np.meshgrid(np.arange(len(self._mjd)), cells, indexing="ij"))
        columns = candidates.chips.columns(exposure, cell)
        columns["rbversion"] = candidates.row_columns["rbversion"]
        columns["pdiffimfilename"] = candidates.chips.file_names(exposure, cell, archive=True)
        rows = encoder.encode(_rounded(columns), len(cell))
        return dict(zip(zip(cell.tolist(), exposure.tolist(), strict=True), rows, strict=True))

    def _forced_rows(self, candidates: Candidates, encoder: RowEncoder) -> dict[tuple[int, int], bytes]:
        """Rows by object and exposure; under -1 - cell those of the neighbouring field, which miss the object."""
        field, o = self._field, self._field.objects
        rng = field.generator(11)
        self._near_edge = rng.random(len(o)) < _OFF_IMAGE_SHARE
        k, exposure = (a.astype(np.int64) for a in np.nonzero(field.covered & ~o.moving[:, None]))
        cell = o.cell[k]
        columns = self._forced_image(candidates, exposure, cell) | self._forced_flux(rng, candidates, k, exposure)
        rows = encoder.encode(_rounded(columns), len(k))
        found = dict(zip(zip(k.tolist(), exposure.tolist(), strict=True), rows, strict=True))
        cells = np.unique(o.cell)
        exposure, cell = (a.ravel() for a in np.meshgrid(np.arange(len(self._mjd)), cells, indexing="ij"))
        columns = self._neighbouring_field(candidates, exposure, cell)
        rows = encoder.encode(_rounded(columns), len(cell))
        missed = zip((-1 - cell).tolist(), exposure.tolist(), strict=True)
        return found | dict(zip(missed, rows, strict=True))

    def _forced_image(self, candidates: Candidates, exposure: IntArray, cell: IntArray) -> Columns:
        """What forced photometry says of its images."""
        chips, survey = candidates.chips, self._field.survey
        at = (exposure, cell)
        columns = chips.columns(exposure, cell)
        seeing = self._field.exposures.seeing_arcsec[exposure] / survey.pixel_arcsec
        quality = np.exp(0.25 * np.log(seeing / 2.3)) * (1.0 + 0.12 * np.sin(1.7 * exposure + 0.9 * cell))
        return columns | {
            "rfid": chips.reference_id(exposure, cell),
            "sciinpseeing": seeing,
            "scibckgnd": chips.sky_dn[at],
            "scisigpix": self._sky_error_dn(candidates, exposure, cell) / (2.05 * seeing),
            "exptime": survey.exposure_s,
            "adpctdif1": 0.085 * quality,
            "adpctdif2": 0.084 * quality * (1.0 + 0.06 * np.sin(2.9 * exposure + 0.3 * cell)),
        }

    def _sky_error_dn(self, candidates: Candidates, exposure: IntArray, cell: IntArray) -> FloatArray:
        chips, at = candidates.chips, (exposure, cell)
        limit = flux_from_magnitude(chips.limit_mag[at]) / flux_from_magnitude(chips.zero_point[at])
        error: FloatArray = _DEPTH_RATIO * limit / 5.0
        return error

    def _forced_flux(
        self, rng: np.random.Generator, candidates: Candidates, k: IntArray, exposure: IntArray
    ) -> Columns:
        """Flux and error [DN] at the objects' places, detected or not, and the reference source there."""
        field, chips, o = self._field, candidates.chips, self._field.objects
        cell, band = o.cell[k], field.exposures.band[exposure]
        njy_per_dn = flux_from_magnitude(chips.zero_point[exposure, cell])
        flux = field.flux_njy[k, exposure] / njy_per_dn
        light = candidates.catalogue.reference_flux_njy()[k, band] + np.abs(field.flux_njy[k, exposure])
        shot = light * field.survey.njy_per_electron / njy_per_dn**2
        error = np.hypot(self._sky_error_dn(candidates, exposure, cell), np.sqrt(shot))
        error = error * rng.lognormal(0.0, 0.04, len(k))
        empty = rng.random(len(k)) < _NO_FLUX_SHARE
        star = o.counterpart_njy[k, BANDS.index("r")] > flux_from_magnitude(np.array(_BRIGHT_MAG))
        nearest = candidates.catalogue.reference(k, band, o.ra_deg[k], o.dec_deg[k])
        near = nearest["distnr"] < _NEAREST_PX
        return {
            "forcediffimflux": np.where(empty, _SENTINEL, flux),
            "forcediffimfluxunc": np.where(empty, _SENTINEL, error),
            "procstatus": np.where(empty, _NO_FLUX, np.where(star, _BRIGHT, _GOOD)),
            **{name: np.where(near, column, _SENTINEL) for name, column in nearest.items()},
        }

    def _neighbouring_field(self, candidates: Candidates, exposure: IntArray, cell: IntArray) -> Columns:
        """Exposures of the field beside this one, half an hour later: the images overlap, the objects are off them."""
        number = candidates.chips.number + 1
        there = (cell + 43) % self._field.survey.cells
        later = np.int64(round(0.021 * 1e5))
        columns = self._forced_image(candidates, exposure, there)
        jd, fid = np.asarray(columns["jd"]), np.asarray(columns["fid"])
        return columns | {
            "jd": np.round(jd + 0.021, 7),
            "pid": np.asarray(columns["pid"]) + later * 10**4,
            "field": number,
            "rfid": number * 10**6 + 120_000 + fid * 100 + there,
            "forcediffimflux": _SENTINEL,
            "forcediffimfluxunc": _SENTINEL,
            "procstatus": _OFF_IMAGE,
            **dict.fromkeys(("distnr", "ranr", "decnr", "magnr", "sigmagnr", "chinr", "sharpnr"), _SENTINEL),
        }


def _rounded(columns: Columns) -> Columns:
    return {name: column if name in _EXACT else six_digits(column) for name, column in columns.items()}
