"""The tables that the service writes, as Arrow schemas with a line on each column, and batches as such tables.

Built column by column from the batch's arrays: no row is ever touched by itself.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.alert import DATA_RIGHTS, QUALITY_FLAGS
from schemas.light_curve import BANDS
from schemas.prediction import EMBEDDING_LENGTH, NO_FEATURE, Contributions
from schemas.records import LightCurveSummary
from schemas.scored import NO_REVISION, ScoredBatch
from schemas.taxonomy import CLASS_COLUMNS, CLASSES, MODALITIES
from schemas.wire import Record, bits, has_embedding, selection_score_table, unix_micros

KEY: tuple[str, ...] = ("survey", "alert_id", "model", "version", "revision")
"""Columns of a score's key."""

_TIME = pa.timestamp("us", tz="UTC")
_NAMES = pa.list_(pa.string())
_SCORES = pa.map_(pa.string(), pa.float32())
_CONTRIBUTION = pa.struct([("name", pa.string()), ("value", pa.float32()), ("contribution", pa.float32())])
_CALIBRATION = pa.struct([("domain", pa.string()), ("n", pa.int64()), ("method", pa.string())])


TOP_CONTRIBUTIONS_MEANING = (
    "Light-curve features that spoke loudest for or against the predicted class: its name, its value (null: unknown), "
    "what it gave to the trees' raw score of the class"
)


def described(name: str, kind: pa.DataType, meaning: str) -> pa.Field:
    """A column with a line on what it holds, which docs/schemas.md shows."""
    return pa.field(name, kind, metadata={"description": meaning})


SCORES_SCHEMA = pa.schema(
    [
        described("survey", pa.string(), "Survey of the alert: `ztf` or `lsst`; part of the key"),
        described("alert_id", pa.int64(), "ZTF candid, LSST diaSourceId; part of the key"),
        described("object_id", pa.string(), "ZTF objectId, LSST diaObjectId as text"),
        described("model", pa.string(), "Name of the bundle that answered; part of the key"),
        described("version", pa.string(), "Version of the bundle; part of the key"),
        described("revision", pa.int32(), "0 for the alert's own score; part of the key"),
        described("trigger", pa.string(), "What asked for this score"),
        described("supersedes", pa.int32(), "Revision that this score replaces; null where none"),
        described("mjd_tai", pa.float64(), "Mid-exposure of the alert's source [MJD, TAI]"),
        described("ra_deg", pa.float64(), "Right ascension [deg, ICRS]"),
        described("dec_deg", pa.float64(), "Declination [deg, ICRS]"),
        described("published", _TIME, "When the survey published the alert; null over files"),
        described("received", _TIME, "When this service took the alert in"),
        described("scored", _TIME, "When this score was made"),
        described("schema_version", pa.string(), "Version of the survey's alert schema"),
        described("bundle_hash", pa.string(), "Hash of the bundle's files"),
        described("evidence_hash", pa.string(), "Hash of all that the score rests on"),
        described("predicted_class", pa.string(), "Class with the highest score; null where not classified"),
        *(
            described(column, pa.float32(), f"Score of {name}; null where not classified")
            for column, name in zip(CLASS_COLUMNS, CLASSES, strict=True)
        ),
        described(
            "taxonomy_scores",
            _SCORES,
            "Scores of the cut of the taxonomy that the configuration asks for; they sum to 1",
        ),
        described("prediction_set", _NAMES, "Classes in the conformal set"),
        described("calibration", _CALIBRATION, "What the calibration rests on; null: uncalibrated"),
        described("novelty", pa.float32(), "0 (like the training set) to 1 (unlike it); null where not calibrated"),
        described("unclassified_reason", pa.string(), "Why there are no class scores; null where there are"),
        described("modalities", _NAMES, "What was used"),
        *(
            described(f"weight_{name}", pa.float32(), f"Share of {name} in the answer; 0 where unused")
            for name in MODALITIES
        ),
        described("top_contributions", pa.list_(_CONTRIBUTION), TOP_CONTRIBUTIONS_MEANING),
        described("real_score", pa.float64(), "0 bogus to 1 real; docs/quality.md says what it rests on"),
        described("survey_real_score", pa.float64(), "The survey's own real/bogus score; null where it gives none"),
        described("quality_flags", _NAMES, "Names of the quality bits that are set"),
        described("selections", _NAMES, "Names of the selections that the alert passed"),
        described("selection_scores", pa.map_(pa.string(), pa.float64()), "Scores of the selections that have a model"),
        described("context", pa.string(), "Flat facts about the place, as JSON; null where none is known"),
        described("n_detections", pa.int64(), "Exposures with a difference-image source in the light curve used"),
        described("n_forced", pa.int64(), "Exposures with forced photometry only"),
        described("n_limits", pa.int64(), "Exposures with an upper limit only"),
        described("first_detection_mjd_tai", pa.float64(), "First detection [MJD, TAI]; null without one"),
        described("last_detection_mjd_tai", pa.float64(), "Last detection [MJD, TAI]; null without one"),
        described("peak_flux_njy", pa.float32(), "Largest flux of a detection [nJy]; null without one"),
        described("peak_band", pa.string(), "Band of that flux"),
        described("last_flux_njy", pa.float32(), "Flux of the last detection [nJy]; null without one"),
        described("last_flux_err_njy", pa.float32(), "Its 1 sigma [nJy]"),
        described("last_band", pa.string(), "Its band"),
        described("bands_used", _NAMES, "Bands of the light curve used"),
        described(
            "data_rights", pa.string(), "`public`, `partnership` or `caltech`: the most restricted of all it rests on"
        ),
    ]
)
"""Columns of scores.parquet; one row for each scored alert."""

EMBEDDINGS_SCHEMA = pa.schema(
    [
        *(SCORES_SCHEMA.field(name) for name in KEY),
        SCORES_SCHEMA.field("object_id"),
        SCORES_SCHEMA.field("mjd_tai"),
        SCORES_SCHEMA.field("bundle_hash"),
        SCORES_SCHEMA.field("data_rights"),
        described(
            "embedding", pa.list_(pa.float32(), EMBEDDING_LENGTH), "Unit vector; compares within one bundle only"
        ),
    ]
)
"""Columns of embeddings.lance; one row for each alert that has an embedding."""

TRUTH_FILE = "truth.parquet"
"""Name of the table of truth beside a simulated night."""

TRUTH_SCHEMA = pa.schema(
    [
        described("survey", pa.string(), "Survey of the object: `ztf` or `lsst`; part of the key"),
        described("object_id", pa.string(), "As the packets name it; part of the key"),
        described("type", pa.string(), "What it is, such as `SN Ia`, `RR Lyrae`, `asteroid`, `bogus`"),
        described("class", pa.string(), "Its broad class; null for asteroids and bogus detections"),
        described("redshift", pa.float64(), "Null where it has none"),
        described("parameters", pa.map_(pa.string(), pa.float64()), "What was drawn for it: `epoch_mjd`, `stretch`"),
        described("n_alerts", pa.int64(), "Alerts that it sent"),
        described("first_mjd_tai", pa.float64(), "Mid-exposure of its first alert [MJD, TAI]"),
        described("last_mjd_tai", pa.float64(), "Mid-exposure of its last alert [MJD, TAI]"),
        described("alert_ids", pa.list_(pa.int64()), "ZTF candids, LSST diaSourceIds, by time"),
        described("alert_mjd_tai", pa.list_(pa.float64()), "Mid-exposure of each of these alerts [MJD, TAI]"),
        described("alert_true_njy", pa.list_(pa.float64()), "True difference flux at each [nJy]"),
        described("alert_band", pa.list_(pa.string()), "Band of each"),
    ]
)
"""Columns of truth.parquet; one row for each object of a simulated night."""


def scores_table(scored: ScoredBatch) -> pa.Table:
    """The batch as rows of scores.parquet."""
    n = len(scored)
    unclassified = scored.predicted_index < 0
    columns: dict[str, Any] = _identity(scored) | {
        "revision": pa.array(scored.revision),
        "trigger": pa.array(scored.trigger, pa.string()),
        "supersedes": pa.array(scored.supersedes, pa.int32(), mask=scored.supersedes == NO_REVISION),
        "ra_deg": _numbers(scored.ra_deg),
        "dec_deg": _numbers(scored.dec_deg),
        "published": _times(scored.published_unix_s),
        "received": _times(scored.received_unix_s),
        "scored": _times(scored.scored_unix_s),
        "schema_version": pa.array(scored.schema_version, pa.string()),
        "evidence_hash": pa.array(scored.evidence_hash, pa.string()),
        "predicted_class": _one_of(scored.predicted_index, CLASSES),
        "taxonomy_scores": _maps(scored.taxonomy_scores, scored.taxonomy),
        "prediction_set": _lists(scored.prediction_set, CLASSES),
        "calibration": pa.array(list(scored.calibration), _CALIBRATION),
        "novelty": pa.array(scored.novelty, pa.float32(), mask=np.isnan(scored.novelty)),
        "unclassified_reason": pa.array(list(scored.unclassified_reason), pa.string()),
        "modalities": _lists(scored.modalities, MODALITIES),
        "top_contributions": _contributions(scored.contributions),
        "real_score": _numbers(scored.real_score),
        "survey_real_score": _numbers(scored.survey_real_score),
        "quality_flags": _lists(bits(scored.quality, len(QUALITY_FLAGS)), QUALITY_FLAGS),
        "selections": pa.array(scored.selections, _NAMES),
        "selection_scores": _maps(selection_score_table(scored), tuple(scored.selection_scores)),
        "context": pa.array([None if facts is None else json.dumps(facts) for facts in scored.context], pa.string()),
        "n_detections": pa.array(scored.n_detections, pa.int64()),
        "n_forced": pa.array(scored.n_forced, pa.int64()),
        "n_limits": pa.array(scored.n_limits, pa.int64()),
        "first_detection_mjd_tai": _numbers(scored.first_detection_mjd_tai),
        "last_detection_mjd_tai": _numbers(scored.last_detection_mjd_tai),
        "peak_flux_njy": _numbers(scored.peak_flux_njy),
        "peak_band": _one_of(scored.peak_band, BANDS),
        "last_flux_njy": _numbers(scored.last_flux_njy),
        "last_flux_err_njy": _numbers(scored.last_flux_err_njy),
        "last_band": _one_of(scored.last_band, BANDS),
        "bands_used": _lists(bits(scored.bands_used, len(BANDS)), BANDS),
    }
    for place, name in enumerate(CLASS_COLUMNS):
        columns[name] = pa.array(np.ascontiguousarray(scored.class_scores[:, place]), pa.float32(), mask=unclassified)
    for place, name in enumerate(MODALITIES):
        columns[f"weight_{name}"] = pa.array(np.ascontiguousarray(scored.modality_weights[:, place]), pa.float32())
    assert all(len(column) == n for column in columns.values())
    return pa.Table.from_arrays([columns[name] for name in SCORES_SCHEMA.names], schema=SCORES_SCHEMA)


def embeddings_table(scored: ScoredBatch) -> pa.Table:
    """The batch as rows of embeddings.lance; alerts without an embedding are left out."""
    flat = np.ascontiguousarray(scored.embedding, np.float32).reshape(-1)
    columns = _identity(scored) | {
        "revision": pa.array(scored.revision),
        "embedding": pa.FixedSizeListArray.from_arrays(pa.array(flat), EMBEDDING_LENGTH),
    }
    table = pa.Table.from_arrays([columns[name] for name in EMBEDDINGS_SCHEMA.names], schema=EMBEDDINGS_SCHEMA)
    present = has_embedding(scored)
    return table if present.all() else table.filter(pa.array(present))


def scores_rows(records: Sequence[Record]) -> pa.Table:
    """Records of scored_alert v1 as rows of scores.parquet; pa.ArrowException where one does not fit."""
    summaries = [record["light_curve"] for record in records]
    weights = [record["modality_weights"] for record in records]
    no_scores: Record = dict.fromkeys(CLASS_COLUMNS)
    classes = [record["class_scores"] or no_scores for record in records]
    special: dict[str, list[Any]] = {
        "context": [None if (facts := record["context"]) is None else json.dumps(facts) for record in records],
        **{
            name: [list(record[name].items()) for record in records] for name in ("selection_scores", "taxonomy_scores")
        },
        **{name: [scores[name] for scores in classes] for name in CLASS_COLUMNS},
        **{f"weight_{name}": [row.get(name, 0.0) for row in weights] for name in MODALITIES},
        **{name: [summary[name] for summary in summaries] for name in LightCurveSummary.model_fields},
    }
    return _rows(SCORES_SCHEMA, records, special)


def embeddings_rows(records: Sequence[Record]) -> pa.Table:
    """Records of embedding v1 as rows of embeddings.lance; pa.ArrowException where one does not fit."""
    return _rows(EMBEDDINGS_SCHEMA, records, {})


def key_hashes(rows: pa.Table) -> npt.NDArray[np.uint64]:
    """A 64-bit hash of each row's key, shape (n,). `rows` has the columns of `KEY`; two keys may share a hash."""
    mixed: npt.NDArray[np.uint64] = rows.column("alert_id").to_numpy().view(np.uint64)
    for name in KEY:
        if name == "alert_id":
            continue
        column = rows.column(name)
        values = pc.unique(column)
        checks = np.array([zlib.crc32(str(value).encode()) for value in values.to_pylist()], np.uint64)
        mixed = (mixed ^ checks[pc.index_in(column, value_set=values).to_numpy()]) * np.uint64(0x9E3779B97F4A7C15)
    return mixed


def last_of_equal(keys: pa.Table) -> npt.NDArray[np.bool_]:
    """Whether no later row has the same key, shape (n,). `keys`: the columns of `KEY`."""
    codes = []
    for name in KEY:
        column = keys.column(name)
        if pa.types.is_string(column.type):
            column = pc.index_in(column, value_set=pc.unique(column))
        codes.append(column.to_numpy())
    order = np.lexsort(codes)
    same = np.ones(max(len(order) - 1, 0), np.bool_)
    for code in codes:
        same &= code[order[1:]] == code[order[:-1]]
    keep = np.ones(len(order), np.bool_)
    keep[order[:-1][same]] = False
    return keep


def _rows(schema: pa.Schema, records: Sequence[Record], special: dict[str, list[Any]]) -> pa.Table:
    """Each column from `special`, else from the records' field of its name."""
    columns = [
        pa.array(special.get(field.name) or [record[field.name] for record in records], field.type) for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _identity(scored: ScoredBatch) -> dict[str, Any]:
    n = len(scored)
    return {
        "survey": pa.repeat(scored.survey, n),
        "alert_id": pa.array(scored.alert_id),
        "object_id": pa.array(scored.object_id, pa.string()),
        "model": pa.repeat(scored.model, n),
        "version": pa.repeat(scored.version, n),
        "bundle_hash": pa.repeat(scored.bundle_hash, n),
        "mjd_tai": _numbers(scored.mjd_tai),
        "data_rights": _one_of(scored.rights, DATA_RIGHTS),
    }


def _numbers(values: npt.NDArray[np.floating[Any]]) -> pa.Array:
    """NaN as null."""
    return pa.array(values, from_pandas=True)


def _times(seconds: npt.NDArray[np.float64]) -> pa.Array:
    return pa.array(unix_micros(seconds), pa.int64(), mask=np.isnan(seconds)).cast(_TIME)


def _one_of(index: npt.NDArray[np.integer[Any]], names: Sequence[str]) -> pa.Array:
    """The name at each index; null where it is negative."""
    signed = index.astype(np.int64)
    return pa.array(names, pa.string()).take(pa.array(signed, mask=signed < 0))


def _lists(mask: npt.NDArray[np.bool_], names: Sequence[str]) -> pa.Array:
    """The names that are true in each row of (n, len(names))."""
    rows, places = np.nonzero(mask)
    values = pa.array(names, pa.string()).take(pa.array(places))
    return pa.ListArray.from_arrays(_offsets(rows, len(mask)), values)


def _maps(values: npt.NDArray[np.floating[Any]], names: Sequence[str]) -> pa.Array:
    """Each row's numbers by name, NaN left out, of (n, len(names))."""
    rows, places = np.nonzero(~np.isnan(values))
    keys = pa.array(list(names), pa.string()).take(pa.array(places))
    return pa.MapArray.from_arrays(_offsets(rows, len(values)), keys, pa.array(values[rows, places]))


def _contributions(found: Contributions) -> pa.Array:
    rows, places = np.nonzero(found.feature != NO_FEATURE)
    value = found.value[rows, places]
    parts = [
        pa.array(list(found.names), pa.string()).take(pa.array(found.feature[rows, places])),
        pa.array(value, pa.float32(), mask=np.isnan(value)),
        pa.array(found.contribution[rows, places], pa.float32()),
    ]
    entries = pa.StructArray.from_arrays(parts, fields=list(_CONTRIBUTION))
    return pa.ListArray.from_arrays(_offsets(rows, len(found.feature)), entries)


def _offsets(rows: npt.NDArray[np.intp], n: int) -> pa.Array:
    counts = np.bincount(rows, minlength=n)
    return pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
