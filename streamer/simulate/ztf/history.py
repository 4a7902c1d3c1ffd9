"""A packet's history: earlier detections, non-detections and forced photometry, each row encoded once.

A row's bytes enter every later packet of its object; a non-detection is the same for all objects of its image.
"""

from __future__ import annotations

import numpy as np

from schemas.light_curve import BANDS, FloatArray, IntArray
from schemas.surveys.columns import flux_from_magnitude
from streamer.simulate.scene import COVERAGE, Field
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

_BESIDE_DAYS = 0.021
"""How much later than a field the one beside it is seen: half an hour."""

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
        # Where something moving is seen, the survey had looked as often as elsewhere.
        looked = field.generator(12).random(field.covered.shape) < COVERAGE
        self._covered = np.where(field.objects.moving[:, None], looked, field.covered)
        self._detections = self._detection_rows(candidates, RowEncoder(version, "ztf.alert.prv_candidate"))
        self._limits = self._limit_rows(candidates, RowEncoder(version, "ztf.alert.prv_candidate"))
        self.has_forced = version.startswith("4")
        """Whether the schema has forced photometry."""
        self._forced: dict[tuple[int, int], bytes] = {}
        self._places: dict[tuple[int, int], int] = {}
        if self.has_forced:
            self._forced = self._forced_rows(candidates, RowEncoder(version, "ztf.alert.fp_hist"))

    def recent(self, k: int, exposure: int) -> list[int]:
        """Exposures of the thirty days before this one that hold the object's place, by time."""
        begin = int(np.searchsorted(self._mjd, self._mjd[exposure] - self._field.survey.lookback_days))
        recent: list[int] = (begin + np.flatnonzero(self._covered[k, begin:exposure])).tolist()
        return recent

    def previous(self, k: int, recent: list[int]) -> list[bytes]:
        """`prv_candidates` of an object: at each exposure its detection, else the image's limit."""
        cell = int(self._field.objects.cell[k])
        return [self._detections.get((k, e)) or self._limits[cell, e] for e in recent]

    def forced(self, k: int, exposure: int, recent: list[int]) -> list[bytes]:
        """`fp_hists` of an object, newest first: up to the night before, for it is measured after a night."""
        place, earlier = self._places.get((k, exposure), k), self._earlier(exposure, recent)
        rows = [(self._mjd[e], self._forced[place, e]) for e in earlier]
        if self._near_edge[k]:
            beside = -1 - int(self._field.objects.cell[k])
            rows += [(self._mjd[e] + _BESIDE_DAYS, self._forced[beside, e]) for e in earlier]
        return [row for _, row in sorted(rows, key=lambda timed: -timed[0])]

    def _earlier(self, exposure: int, recent: list[int]) -> list[int]:
        night = self._field.exposures.night
        return [e for e in recent if night[e] < night[exposure]]

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
        """Rows by place and exposure. A place is an object, or where something moving was seen (numbered after the
        objects), or under -1 - cell the neighbouring field, which misses the object.
        """
        o = self._field.objects
        rng = self._field.generator(11)
        self._near_edge = rng.random(len(o)) < _OFF_IMAGE_SHARE
        k, exposure = (a.astype(np.int64) for a in np.nonzero(self._covered & ~o.moving[:, None]))
        passed = self._passed_places(candidates)
        place = np.concatenate([k, passed[:, 0]])
        k, exposure = np.concatenate([k, passed[:, 1]]), np.concatenate([exposure, passed[:, 2]])
        columns = self._forced_image(candidates, exposure, o.cell[k])
        columns |= self._forced_flux(rng, candidates, k, exposure)
        rows = encoder.encode(_rounded(columns), len(k))
        found = dict(zip(zip(place.tolist(), exposure.tolist(), strict=True), rows, strict=True))
        cells = np.unique(o.cell)
        exposure, cell = (a.ravel() for a in np.meshgrid(np.arange(len(self._mjd)), cells, indexing="ij"))
        rows = encoder.encode(_rounded(self._neighbouring_field(candidates, exposure, cell)), len(cell))
        missed = zip((-1 - cell).tolist(), exposure.tolist(), strict=True)
        return found | dict(zip(missed, rows, strict=True))

    def _passed_places(self, candidates: Candidates) -> IntArray:
        """(rows, 3) place, object and exposure of the looks at where something moving is seen, before it came by."""
        field = self._field
        sent = field.objects.moving[candidates.k] & (candidates.exposure >= field.exposures.emitted_from)
        seen = zip(candidates.k[sent].tolist(), candidates.exposure[sent].tolist(), strict=True)
        self._places = {alert: len(field.objects) + i for i, alert in enumerate(seen)}
        looks = [
            (place, k, e)
            for (k, exposure), place in self._places.items()
            for e in self._earlier(exposure, self.recent(k, exposure))
        ]
        return np.array(looks, dtype=np.int64).reshape(-1, 3)

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
        sky = self._sky_error_dn(candidates, exposure, cell)
        # Where something moving will be seen there is nothing yet.
        flux = np.where(o.moving[k], sky * rng.normal(0.0, 1.0, len(k)), field.flux_njy[k, exposure] / njy_per_dn)
        light = candidates.catalogue.reference_flux_njy()[k, band] / njy_per_dn + np.abs(flux)
        shot = light * field.survey.njy_per_electron / njy_per_dn
        error = np.hypot(sky, np.sqrt(shot)) * rng.lognormal(0.0, 0.04, len(k))
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
        later = round(_BESIDE_DAYS * 1e5)
        columns = self._forced_image(candidates, exposure, there)
        jd, fid = np.asarray(columns["jd"]), np.asarray(columns["fid"])
        return columns | {
            "jd": np.round(jd + _BESIDE_DAYS, 7),
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
