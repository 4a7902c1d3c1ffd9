"""Rubin/LSST alerts (7.1 to 11.1): packets into `AlertBatch`. Nothing outside this module knows Rubin's names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro.schema
import numpy as np
import numpy.typing as npt

from schemas.alert import QUALITY_BIT, AlertBatch, EncodedCutouts
from schemas.codec import Body, PacketError, read_frame
from schemas.light_curve import (
    DETECTION,
    FLAG_BAD,
    FLAG_OWN,
    FLAG_WITHDRAWN,
    FORCED,
    LIMIT,
    FloatArray,
    IntArray,
)
from schemas.packet import Packet
from schemas.projection import Kind, RowArena, Rows
from schemas.surveys.columns import (
    RowLayout,
    bands_of,
    flag,
    integer,
    numeric_fields,
    separation_arcsec,
    spans_of,
    value,
)
from schemas.surveys.projections import LSST_PROJECTION
from schemas.surveys.reading import Problem, SurveyReader, find_problems
from schemas.surveys.tables import LSST_VERSIONS, Schema, lsst_schema_id, survey_schema
from schemas.times import MJD_UNIX_EPOCH, SECONDS_PER_DAY, mjd_tai_from_utc

_QUALITY_OF_FLAGS: dict[str, tuple[str, ...]] = {
    "edge": ("pixelFlags_edge", "pixelFlags_offimage", "pixelFlags_nodata", "psfFlux_flag_edge"),
    "dipole": ("isDipole",),
    "trail": ("pixelFlags_streak", "glint_trail"),
    "cosmic_ray": ("pixelFlags_cr", "pixelFlags_crCenter"),
    "saturated": ("pixelFlags_saturated", "pixelFlags_saturatedCenter"),
    "bad_subtraction": ("psfFlux_flag", "pixelFlags_bad"),
    "injected": ("pixelFlags_injected",),
}
"""Which flags of diaSource set each quality bit."""

_NOT_METADATA = frozenset(
    f"diaSource.{name}"
    for name in (
        "diaSourceId visit diaObjectId ssObjectId parentDiaSourceId midpointMjdTai timeProcessedMjdTai "
        "timeWithdrawnMjdTai time_processed"
    ).split()
) | frozenset(f"diaObject.{name}" for name in "diaObjectId validityStart nearbyObj1 nearbyObj2 nearbyObj3".split())

_MEASURED = ("visit", "midpointMjdTai", "band", "psfFlux", "psfFluxErr")

REQUIRED_FIELDS: frozenset[str] = frozenset(
    [
        *(f"diaSource.{name}" for name in ("diaSourceId", "ra", "dec", *_MEASURED)),
        *(f"prvDiaSources.{name}" for name in ("diaSourceId", *_MEASURED)),
        *(f"prvDiaForcedSources.{name}" for name in ("diaForcedSourceId", *_MEASURED)),
        "diaObject.diaObjectId",
    ]
)
"""What a writer schema must have: identity, time, position and brightness. Without one of them every alert of that
schema would be refused, or be scored without its light curve."""

_TYPES_OF_KIND: dict[Kind, frozenset[str]] = {
    "float": frozenset({"null", "float", "double", "int", "long"}),
    "int": frozenset({"null", "int", "long", "boolean"}),
    "span": frozenset({"null", "string", "bytes"}),
}

_VERSION_IN_NAME = re.compile(r"lsst\.v(\d+)_(\d+)(?:\.|$)")
_OLDEST_ID = lsst_schema_id(LSST_VERSIONS[0])


class LsstSchemas:
    """Writer schemas by the id in the bytes: our own tables, a folder of `.avsc` files, and what else is added."""

    def __init__(self, folder: Path | None = None, advice: str = "give a folder that holds its .avsc file") -> None:
        """`advice` ends the sentence that says of a packet that its schema is not known."""
        self._schemas: dict[int, Schema] = {}
        self._tables = {lsst_schema_id(version): version for version in LSST_VERSIONS}
        self._folder = folder
        self._advice = advice

    def schema(self, schema_id: int) -> Schema:
        """The schema with this id; PacketError `unknown_schema` where there is none."""
        if schema_id not in self._schemas:
            self._schemas[schema_id] = self._find(schema_id)
        return self._schemas[schema_id]

    def __contains__(self, schema_id: int) -> bool:
        try:
            self.schema(schema_id)
        except PacketError:
            return False
        return True

    def add(self, schema_id: int, schema: Schema) -> None:
        """Takes one more writer schema."""
        self._schemas[schema_id] = schema

    def version(self, schema_id: int) -> str:
        """The alert version of a known schema, as '11.2': as it names itself, else by its id, else 'id 7'."""
        schema = self.schema(schema_id)
        if named := _VERSION_IN_NAME.match(f"{schema.get('namespace', '')}.{schema['name']}".lstrip(".")):
            return f"{named[1]}.{named[2]}"
        return f"{schema_id // 100}.{schema_id % 100}" if schema_id >= _OLDEST_ID else f"id {schema_id}"

    def _find(self, schema_id: int) -> Schema:
        major, minor = divmod(schema_id, 100)
        if self._folder is not None:
            resolved = self._folder / f"{schema_id}.avsc"
            split = self._folder / f"lsst.v{major}_{minor}.alert.avsc"
            try:
                if resolved.is_file():
                    loaded: Schema = json.loads(resolved.read_text(encoding="utf-8"))
                    return loaded
                if split.is_file():
                    return dict(fastavro.schema.load_schema(str(split), _write_hint=False))
            except (ValueError, OSError, RecursionError, fastavro.schema.SchemaParseException) as error:
                raise PacketError("unknown_schema", f"schema {schema_id} cannot be read: {error}") from None
        if schema_id not in self._tables:
            raise PacketError(
                "unknown_schema",
                f"no LSST schema has id {schema_id} (known: {', '.join(map(str, self._tables))}); {self._advice}",
            )
        return survey_schema("lsst", self._tables[schema_id])


def missing_fields(schema: Schema) -> list[str]:
    """Which fields keep alerts of this writer schema from being read by name; empty where they can be.

    Named are required fields that it does not have, and kept ones of a type that cannot be kept, with that type.
    `schema` is a valid Avro record.
    """
    named: dict[str, Any] = {}
    parsed = fastavro.parse_schema(schema, named)
    missing = []
    for table in LSST_PROJECTION.tables:
        for name, kind in table.fields:
            path = (*table.path, *name.split("."))
            types = set(_types_at(parsed, path, named))
            if not types and ".".join(path) in REQUIRED_FIELDS:
                missing.append(".".join(path))
            elif not types <= _TYPES_OF_KIND[kind]:
                missing.append(f"{'.'.join(path)} (now {'|'.join(sorted(types))})")
    return missing


def _types_at(schema: Any, path: tuple[str, ...], named: dict[str, Any]) -> Iterator[str]:
    """Avro types of what lies at `path` below a parsed schema, arrays looked into; none where nothing does."""
    if isinstance(schema, list):
        for branch in schema:
            yield from _types_at(branch, path, named)
    elif isinstance(schema, dict):
        kind = schema["type"]
        if not isinstance(kind, str) or kind in named:
            yield from _types_at(kind, path, named)
        elif not path:
            yield kind
        elif kind == "array":
            yield from _types_at(schema["items"], path, named)
        for field in schema.get("fields", ()):
            if path and field["name"] == path[0]:
                yield from _types_at(field["type"], path[1:], named)
    elif schema in named:
        yield from _types_at(named[schema], path, named)
    elif not path:
        yield schema


class LsstReader(SurveyReader):
    """Turns LSST packets (Confluent-framed Avro bodies) into alerts."""

    survey = "lsst"

    def __init__(self, schemas: LsstSchemas | None = None) -> None:
        super().__init__(LSST_PROJECTION)
        self._schemas = schemas or LsstSchemas()

    def locate(self, payload: bytes) -> Body:
        """The body behind the frame, by the writer's id in the bytes."""
        schema_id, start = read_frame(payload)
        return Body(str(schema_id), self._schemas.schema(schema_id), payload, start, len(payload))

    def normalise(
        self, arena: RowArena, packets: list[Packet], schema_keys: list[str]
    ) -> tuple[AlertBatch, list[Problem | None]]:
        """The arena's columns as alerts; diaSourceId, time and position are required."""
        versions = {key: self._schemas.version(int(key)) for key in set(schema_keys)}
        return _normalise(arena, packets, [versions[key] for key in schema_keys])


def _normalise(arena: RowArena, packets: list[Packet], versions: list[str]) -> tuple[AlertBatch, list[Problem | None]]:
    """Columns of the arena as an `AlertBatch`, and for each alert what is wrong with it (None if nothing)."""
    alerts = arena["alert"]
    layout = _rows(arena, len(packets))
    own = layout.rows[layout.own]
    names, metadata = numeric_fields(alerts, ("diaSource.", "diaObject."), _NOT_METADATA)
    solar_system_id = integer(alerts, "diaSource.ssObjectId")
    batch = AlertBatch(
        survey="lsst",
        packets=packets,
        alert_id=integer(alerts, "diaSource.diaSourceId").copy(),
        object_id=_object_ids(alerts),
        mjd_tai=own["mjd_tai"].copy(),
        processed_mjd_tai=own["processed_mjd_tai"].copy(),
        ra_deg=value(alerts, "diaSource.ra").copy(),
        dec_deg=value(alerts, "diaSource.dec").copy(),
        rights=np.zeros(len(packets), dtype=np.uint8),
        survey_real_score=value(alerts, "diaSource.reliability").copy(),
        real_score=np.full(len(packets), np.nan),
        quality=_quality(alerts),
        solar_system=(solar_system_id > 0) | (integer(alerts, "ssSource.ssObjectId") > 0),
        withdrawn=(own["flags"] & FLAG_WITHDRAWN) != 0,
        schema_version=versions,
        rows=layout.rows,
        row_offsets=layout.offsets,
        cutouts=_cutouts(arena),
        metadata_names=names,
        metadata=metadata,
    )
    return batch, find_problems(batch, {"diaSource.diaSourceId": batch.alert_id <= 0})


def _rows(arena: RowArena, n_alerts: int) -> RowLayout:
    """The own source, earlier sources, forced photometry and (v7) noise limits as survey-neutral rows."""
    alerts, sources = arena["alert"], arena["prvDiaSources"]
    forced, limits = arena["prvDiaForcedSources"], arena["prvDiaNondetectionLimits"]
    layout = RowLayout(n_alerts, [sources.offsets, forced.offsets, limits.offsets])
    rows = layout.rows
    has_object = integer(alerts, "diaObject.diaObjectId") > 0
    ra0 = np.where(has_object, value(alerts, "diaObject.ra"), value(alerts, "diaSource.ra"))
    dec0 = np.where(has_object, value(alerts, "diaObject.dec"), value(alerts, "diaSource.dec"))

    own = layout.own
    _put_sources(arena, "alert", "diaSource.", rows, own, ra0, dec0)
    rows["flags"][own] |= FLAG_OWN
    owner = np.repeat(np.arange(n_alerts), np.diff(sources.offsets))
    _put_sources(arena, "prvDiaSources", "", rows, layout.places[0], ra0[owner], dec0[owner])

    place = layout.places[1]
    rows["source_id"][place] = integer(forced, "diaForcedSourceId")
    rows["separation_arcsec"][place] = np.nan
    _put_measurement(arena, "prvDiaForcedSources", "", rows, place, FORCED)

    place = layout.places[2]
    rows["source_id"][place] = integer(limits, "ccdVisitId")
    rows["exposure_id"][place] = integer(limits, "ccdVisitId")
    rows["mjd_tai"][place] = value(limits, "midpointMjdTai")
    rows["kind"][place] = LIMIT
    rows["band"][place] = bands_of(arena, "prvDiaNondetectionLimits", "band")
    rows["flux_njy"][place] = np.nan
    rows["flux_err_njy"][place] = value(limits, "diaNoise")
    rows["separation_arcsec"][place] = np.nan

    rows["known_mjd_tai"] = np.repeat(rows["mjd_tai"][own], np.diff(layout.offsets))
    return layout


def _put_sources(
    arena: RowArena,
    table: str,
    prefix: str,
    rows: npt.NDArray[np.void],
    place: IntArray,
    ra0_deg: FloatArray,
    dec0_deg: FloatArray,
) -> None:
    """Difference-image sources: of the alert itself, or of its history."""
    sources = arena[table]
    rows["source_id"][place] = integer(sources, f"{prefix}diaSourceId")
    rows["separation_arcsec"][place] = separation_arcsec(
        value(sources, f"{prefix}ra"), value(sources, f"{prefix}dec"), ra0_deg, dec0_deg
    )
    _put_measurement(arena, table, prefix, rows, place, DETECTION)
    bad = flag(sources, f"{prefix}psfFlux_flag")
    rows["flags"][place] |= np.where(bad, FLAG_BAD, 0).astype(np.uint8)


def _put_measurement(
    arena: RowArena, table: str, prefix: str, rows: npt.NDArray[np.void], place: IntArray, kind: int
) -> None:
    """What sources and forced photometry share: visit, times, band and flux."""
    measured = arena[table]
    rows["kind"][place] = kind
    rows["exposure_id"][place] = integer(measured, f"{prefix}visit")
    rows["mjd_tai"][place] = value(measured, f"{prefix}midpointMjdTai")
    rows["processed_mjd_tai"][place] = _processed_mjd_tai(measured, prefix)
    rows["band"][place] = bands_of(arena, table, f"{prefix}band")
    rows["flux_njy"][place] = value(measured, f"{prefix}psfFlux")
    rows["flux_err_njy"][place] = value(measured, f"{prefix}psfFluxErr")
    withdrawn = value(measured, f"{prefix}timeWithdrawnMjdTai") > 0
    rows["flags"][place] = np.where(withdrawn, FLAG_WITHDRAWN, 0)


def _processed_mjd_tai(measured: Rows, prefix: str) -> FloatArray:
    """When Rubin processed it: v9 and later say so in MJD TAI, v8 in microseconds since 1970 UTC, v7 not (0)."""
    mjd_tai = value(measured, f"{prefix}timeProcessedMjdTai")
    micros = value(measured, f"{prefix}time_processed")
    from_micros = mjd_tai_from_utc(micros / (1e6 * SECONDS_PER_DAY) + MJD_UNIX_EPOCH)
    processed = np.where(np.isnan(mjd_tai), from_micros, mjd_tai)
    return np.asarray(np.where(np.isnan(processed), 0.0, processed), dtype=np.float64)


def _quality(alerts: Rows) -> npt.NDArray[np.uint32]:
    """Quality bits from diaSource's flags, shape (n,)."""
    quality = np.zeros(len(alerts.ints), dtype=np.uint32)
    for name, flags in _QUALITY_OF_FLAGS.items():
        for source_flag in flags:
            quality[flag(alerts, f"diaSource.{source_flag}")] |= QUALITY_BIT[name]
    return quality


def _object_ids(alerts: Rows) -> list[str]:
    """diaObject's id; else the source's; else the solar-system object's; else the source itself."""
    ids: list[str] = []
    columns = [
        integer(alerts, name).tolist()
        for name in ("diaObject.diaObjectId", "diaSource.diaObjectId", "diaSource.ssObjectId", "diaSource.diaSourceId")
    ]
    for dia_object, source_object, solar_system, dia_source in zip(*columns, strict=True):
        if dia_object > 0 or source_object > 0:
            ids.append(str(dia_object if dia_object > 0 else source_object))
        else:
            ids.append(f"SSO-{solar_system}" if solar_system > 0 else f"DS-{dia_source}")
    return ids


def _cutouts(arena: RowArena) -> list[EncodedCutouts]:
    stamps = (spans_of(arena, f"cutout{name}") for name in ("Science", "Template", "Difference"))
    return list(zip(*stamps, strict=True))
