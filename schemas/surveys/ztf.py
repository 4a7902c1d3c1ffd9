"""ZTF alerts (3.0 to 4.02): packets into `AlertBatch`. Nothing outside this module knows ZTF's units or sentinels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from schemas.alert import QUALITY_BIT, AlertBatch, EncodedCutouts
from schemas.codec import Body, read_container
from schemas.light_curve import (
    DETECTION,
    FLAG_ASSUMED_EXPTIME,
    FLAG_BAD,
    FLAG_OWN,
    FORCED,
    LIMIT,
    UNKNOWN_BAND,
    ByteArray,
    FloatArray,
    IntArray,
)
from schemas.packet import Packet
from schemas.projection import RowArena, Rows
from schemas.surveys.columns import (
    ZERO_POINT_AB_NJY,
    RowLayout,
    first_letters,
    flux_from_magnitude,
    integer,
    numeric_fields,
    separation_arcsec,
    spans_of,
    texts_of,
    value,
)
from schemas.surveys.projections import ZTF_PROJECTION
from schemas.surveys.reading import Problem, SurveyReader, find_problems
from schemas.times import SECONDS_PER_DAY, mjd_tai_from_utc

ASSUMED_EXPTIME_S = 30.0
"""Exposure time where a row carries none [s]: that of ZTF's public survey."""

MJD_OF_JD_ZERO = -2_400_000.5
"""MJD of JD 0 [d]."""

SENTINELS = (-999.0, -99.0, -99999.0)
"""Numbers that ZTF writes for 'no value'."""

SOLAR_SYSTEM_ARCSEC = 5.0
"""A known solar-system object nearer than this is taken to be the alert [arcsec]."""

PROCSTATUS_WITHOUT_FLUX = ("53", "54", "55", "56", "57", "61")
"""Forced-photometry status (ZFPS guide, procstatus) without a usable flux; several codes at once count as bad."""

EDGE_PIXELS = 10.0
"""A candidate nearer to the chip's edge than this gets the flag 'edge' [pixel]."""

DIPOLE_SUMRAT = 0.3
"""A ratio sum(pixels) / sum(|pixels|) below this is a dipole: positive and negative lobes cancel."""

_BAND_OF_FID = np.full(256, UNKNOWN_BAND, dtype=np.uint8)
_BAND_OF_FID[[1, 2, 3]] = (1, 2, 3)  # fid 1, 2, 3 = g, r, i

_LN10_OVER_2_5 = float(np.log(10.0) / 2.5)

_NOT_METADATA = frozenset({"candidate.candid", "candidate.pid", "candidate.jd"})


class ZtfReader(SurveyReader):
    """Turns ZTF packets (whole Avro object containers) into alerts."""

    survey = "ztf"

    def __init__(self) -> None:
        super().__init__(ZTF_PROJECTION)

    def locate(self, payload: bytes) -> Body:
        """The record of the container."""
        return read_container(payload)

    def normalise(
        self, arena: RowArena, packets: list[Packet], schema_keys: list[str]
    ) -> tuple[AlertBatch, list[Problem | None]]:
        """The arena's columns as alerts; candid, objectId, time and position are required."""
        return _normalise(arena, packets)


def _normalise(arena: RowArena, packets: list[Packet]) -> tuple[AlertBatch, list[Problem | None]]:
    """Columns of the arena as an `AlertBatch`, and for each alert what is wrong with it (None if nothing)."""
    alerts = arena["alert"]
    layout = _rows(arena, len(packets))
    own = layout.rows[layout.own]
    names, metadata = numeric_fields(alerts, ("candidate.",), _NOT_METADATA)
    metadata[np.isin(metadata, SENTINELS)] = np.nan
    column = {name: metadata[:, index] for index, name in enumerate(names)}
    object_ids = texts_of(arena, "objectId")
    batch = AlertBatch(
        survey="ztf",
        packets=packets,
        alert_id=integer(alerts, "candid").copy(),
        object_id=[text or "" for text in object_ids],
        mjd_tai=own["mjd_tai"].copy(),
        processed_mjd_tai=np.zeros(len(packets)),
        ra_deg=value(alerts, "candidate.ra").copy(),
        dec_deg=value(alerts, "candidate.dec").copy(),
        rights=own["rights"].copy(),
        survey_real_score=np.where(np.isnan(column["candidate.drb"]), column["candidate.rb"], column["candidate.drb"]),
        real_score=np.full(len(packets), np.nan),
        quality=_quality(column),
        solar_system=(column["candidate.ssdistnr"] >= 0.0) & (column["candidate.ssdistnr"] <= SOLAR_SYSTEM_ARCSEC),
        withdrawn=np.zeros(len(packets), dtype=bool),
        schema_version=[text or "unknown" for text in texts_of(arena, "schemavsn")],
        rows=layout.rows,
        row_offsets=layout.offsets,
        cutouts=_cutouts(arena),
        metadata_names=names,
        metadata=metadata,
    )
    missing = ~np.array([text is not None for text in object_ids], dtype=bool)
    no_id = alerts.is_null[:, alerts.field_names.index("candid")]
    return batch, find_problems(batch, {"objectId": missing, "candid": no_id})


def _rows(arena: RowArena, n_alerts: int) -> RowLayout:
    """The own source, the history and the forced photometry of every alert as survey-neutral rows."""
    alerts, history, forced = arena["alert"], arena["prv_candidates"], arena["fp_hists"]
    layout = RowLayout(n_alerts, [history.offsets, forced.offsets])
    rows = layout.rows
    ra0, dec0 = value(alerts, "candidate.ra"), value(alerts, "candidate.dec")

    exptime = _clean(value(alerts, "candidate.exptime"))
    own = layout.own
    _put_exposure(rows, own, value(alerts, "candidate.jd"), exptime, integer(alerts, "candidate.pid"))
    _put_source(rows, own, alerts, "candidate.", first_letters(arena, "alert", "candidate.isdiffpos")[:, 0])
    rows["flags"][own] |= FLAG_OWN
    rows["separation_arcsec"][own] = np.nan  # known once a later packet's history tells it from its own position

    place = layout.places[0]
    unknown = np.full(len(place), np.nan)
    _put_exposure(rows, place, value(history, "jd"), unknown, integer(history, "pid"))
    _put_source(rows, place, history, "", first_letters(arena, "prv_candidates", "isdiffpos")[:, 0])
    owner = np.repeat(np.arange(n_alerts), np.diff(history.offsets))
    rows["separation_arcsec"][place] = separation_arcsec(
        value(history, "ra"), value(history, "dec"), ra0[owner], dec0[owner]
    )
    limit = np.isnan(value(history, "magpsf"))
    limiting_flux = flux_from_magnitude(_clean(value(history, "diffmaglim")[limit]))
    rows["kind"][place[limit]] = LIMIT
    rows["flux_njy"][place[limit]] = np.nan
    rows["flux_err_njy"][place[limit]] = limiting_flux / 5.0

    _put_forced(arena, rows, layout.places[1])
    rows["known_mjd_tai"] = np.repeat(rows["mjd_tai"][own], np.diff(layout.offsets))
    return layout


def _put_exposure(
    rows: npt.NDArray[np.void], place: IntArray, jd: FloatArray, exptime_s: FloatArray, pid: IntArray
) -> None:
    """Identity and mid-exposure time: jd (UTC) is the exposure's start."""
    assumed = np.isnan(exptime_s)
    middle = jd + MJD_OF_JD_ZERO + np.where(assumed, ASSUMED_EXPTIME_S, exptime_s) / (2.0 * SECONDS_PER_DAY)
    rows["mjd_tai"][place] = mjd_tai_from_utc(middle)
    rows["source_id"][place] = pid
    rows["exposure_id"][place] = pid
    rows["flags"][place] = np.where(assumed, FLAG_ASSUMED_EXPTIME, 0)


def _put_source(rows: npt.NDArray[np.void], place: IntArray, table: Rows, prefix: str, sign_letters: ByteArray) -> None:
    """Band, rights and signed flux of difference-image sources given as magnitude and isdiffpos."""
    magnitude = _clean(value(table, f"{prefix}magpsf"))
    error = _clean(value(table, f"{prefix}sigmapsf"))
    flux = flux_from_magnitude(magnitude)
    negative = (sign_letters == ord("f")) | (sign_letters == ord("0"))
    rows["kind"][place] = DETECTION
    rows["band"][place] = _bands(value(table, f"{prefix}fid"))
    rows["rights"][place] = _rights(value(table, f"{prefix}programid"))
    rows["flux_njy"][place] = np.where(negative, -flux, flux)
    rows["flux_err_njy"][place] = flux * error * _LN10_OVER_2_5


def _put_forced(arena: RowArena, rows: npt.NDArray[np.void], place: IntArray) -> None:
    """Forced photometry: difference flux in DN with a zero point of its own."""
    forced = arena["fp_hists"]
    _put_exposure(rows, place, value(forced, "jd"), _clean(value(forced, "exptime")), integer(forced, "pid"))
    to_njy = 10.0 ** (0.4 * (ZERO_POINT_AB_NJY - _clean(value(forced, "magzpsci"))))
    rows["kind"][place] = FORCED
    rows["band"][place] = _bands(value(forced, "fid"))
    rows["rights"][place] = _rights(value(forced, "programid"))
    rows["flux_njy"][place] = _clean(value(forced, "forcediffimflux")) * to_njy
    rows["flux_err_njy"][place] = _clean(value(forced, "forcediffimfluxunc")) * to_njy
    rows["separation_arcsec"][place] = np.nan
    bad = _forced_without_flux(arena)
    rows["flags"][place] |= np.where(bad, FLAG_BAD, 0).astype(np.uint8)


def _forced_without_flux(arena: RowArena) -> npt.NDArray[np.bool_]:
    """Whether the status of a forced row says that its flux must not be used, shape (rows,)."""
    letters = first_letters(arena, "fp_hists", "procstatus", 3)
    bad = np.asarray(letters[:, 2] != 0)  # several codes at once, or 255
    for code in PROCSTATUS_WITHOUT_FLUX:
        bad |= (letters[:, 0] == ord(code[0])) & (letters[:, 1] == ord(code[1]))
    return bad


def _quality(column: dict[str, FloatArray]) -> npt.NDArray[np.uint32]:
    """Quality bits from ZTF's own measurements, shape (n,) uint32."""
    quality = np.zeros(len(column["candidate.sumrat"]), dtype=np.uint32)
    quality[column["candidate.mindtoedge"] < EDGE_PIXELS] |= QUALITY_BIT["edge"]
    quality[column["candidate.sumrat"] < DIPOLE_SUMRAT] |= QUALITY_BIT["dipole"]
    quality[column["candidate.nbad"] > 0] |= QUALITY_BIT["bad_subtraction"]
    return quality


def _bands(fid: FloatArray) -> ByteArray:
    known = np.where((fid >= 0) & (fid <= 255), fid, 0).astype(np.uint8)
    bands: ByteArray = _BAND_OF_FID[known]
    return bands


def _rights(programid: FloatArray) -> ByteArray:
    """programid 1, 2, 3 = public, partnership, caltech; anything else is taken as the most restricted."""
    known = (programid >= 1) & (programid <= 3)
    rights: ByteArray = np.where(known, np.where(known, programid, 1) - 1, 2).astype(np.uint8)
    return rights


def _clean(values: FloatArray) -> FloatArray:
    """Sentinels as NaN."""
    return np.where(np.isin(values, SENTINELS), np.nan, values)


def _cutouts(arena: RowArena) -> list[EncodedCutouts]:
    stamps = (spans_of(arena, f"cutout{name}.stampData") for name in ("Science", "Template", "Difference"))
    return list(zip(*stamps, strict=True))
