"""Our own Avro schemas, and scored batches as the records that they describe."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

import fastavro
import numpy as np
import numpy.typing as npt

from schemas.alert import DATA_RIGHTS, QUALITY_FLAGS
from schemas.light_curve import BANDS
from schemas.prediction import NO_FEATURE, Contributions
from schemas.scored import NO_REVISION, ScoredBatch
from schemas.taxonomy import CLASS_COLUMNS, CLASSES, MODALITIES

SCORED_ALERT, EMBEDDING, DEAD_LETTER, SPECTRUM = "scored_alert_v1", "embedding_v1", "dead_letter_v1", "spectrum_v1"
"""Names of our schemas, with their versions; a change that an old reader cannot follow gets the next version."""

Record = dict[str, Any]


def schema_text(name: str) -> str:
    """The Avro schema of that name, as published."""
    return resources.files("schemas").joinpath("avro", f"{name}.avsc").read_text(encoding="utf-8")


@cache
def parsed_schema(name: str) -> Any:
    """The Avro schema of that name, parsed by fastavro."""
    return fastavro.parse_schema(json.loads(schema_text(name)))


def scored_alert_records(scored: ScoredBatch) -> list[Record]:
    """Records of scored_alert v1, one for each alert."""
    columns: Record = _key_columns(scored) | {
        "trigger": scored.trigger,
        "supersedes": [None if value == NO_REVISION else value for value in scored.supersedes.tolist()],
        "object_id": scored.object_id,
        "ra_deg": scored.ra_deg.tolist(),
        "dec_deg": scored.dec_deg.tolist(),
        "mjd_tai": scored.mjd_tai.tolist(),
        "published": _micros(scored.published_unix_s),
        "received": _micros(scored.received_unix_s),
        "scored": _micros(scored.scored_unix_s),
        "schema_version": scored.schema_version,
        "bundle_hash": [scored.bundle_hash] * len(scored),
        "evidence_hash": scored.evidence_hash,
        "modalities": _names(scored.modalities, MODALITIES),
        "modality_weights": _maps(np.where(scored.modalities, scored.modality_weights, np.nan), MODALITIES),
        "top_contributions": _contributions(scored.contributions),
        "class_scores": _class_scores(scored),
        "taxonomy_scores": _maps(scored.taxonomy_scores, scored.taxonomy),
        "calibration": list(scored.calibration),
        "predicted_class": scored.predicted_class,
        "prediction_set": _names(scored.prediction_set, CLASSES),
        "novelty": _numbers(scored.novelty),
        "unclassified_reason": list(scored.unclassified_reason),
        "real_score": _numbers(scored.real_score),
        "survey_real_score": _numbers(scored.survey_real_score),
        "quality_flags": _names(bits(scored.quality, len(QUALITY_FLAGS)), QUALITY_FLAGS),
        "selections": [list(names) for names in scored.selections],
        "selection_scores": _maps(selection_score_table(scored), tuple(scored.selection_scores)),
        "context": list(scored.context),
        "n_detections": scored.n_detections.tolist(),
        "light_curve": _records(_light_curve_columns(scored)),
        "data_rights": [DATA_RIGHTS[value] for value in scored.rights.tolist()],
    }
    return _records(columns)


def embedding_records(scored: ScoredBatch) -> list[Record]:
    """Records of embedding v1, one for each alert that has an embedding."""
    columns = _key_columns(scored) | {
        "object_id": scored.object_id,
        "mjd_tai": scored.mjd_tai.tolist(),
        "bundle_hash": [scored.bundle_hash] * len(scored),
        "data_rights": [DATA_RIGHTS[value] for value in scored.rights.tolist()],
        "embedding": scored.embedding.tolist(),
    }
    has = has_embedding(scored).tolist()
    return [record for record, present in zip(_records(columns), has, strict=True) if present]


def has_embedding(scored: ScoredBatch) -> npt.NDArray[np.bool_]:
    """Whether each alert has an embedding, shape (n,)."""
    there: npt.NDArray[np.bool_] = ~np.isnan(scored.embedding.sum(axis=1))
    return there


def selection_score_table(scored: ScoredBatch) -> npt.NDArray[np.float64]:
    """Scores of all selections that have a model, shape (n, models); NaN where one was not asked."""
    table = np.full((len(scored), len(scored.selection_scores)), np.nan)
    for place, values in enumerate(scored.selection_scores.values()):
        table[:, place] = values
    return table


def bits(values: npt.NDArray[np.unsignedinteger[Any]], count: int) -> npt.NDArray[np.bool_]:
    """The lowest `count` bits of each value, bit 0 first, shape (n, count)."""
    masks = np.left_shift(np.uint32(1), np.arange(count, dtype=np.uint32))
    there: npt.NDArray[np.bool_] = (values.astype(np.uint32)[:, None] & masks) != 0
    return there


def unix_micros(seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Microseconds since 1970 of UTC seconds since 1970; 0 where NaN."""
    return np.rint(np.nan_to_num(seconds) * 1e6).astype(np.int64)


def _key_columns(scored: ScoredBatch) -> Record:
    n = len(scored)
    return {
        "survey": [scored.survey] * n,
        "alert_id": scored.alert_id.tolist(),
        "model": [scored.model] * n,
        "version": [scored.version] * n,
        "revision": scored.revision.tolist(),
    }


def _light_curve_columns(scored: ScoredBatch) -> Record:
    return {
        "n_forced": scored.n_forced.tolist(),
        "n_limits": scored.n_limits.tolist(),
        "first_detection_mjd_tai": _numbers(scored.first_detection_mjd_tai),
        "last_detection_mjd_tai": _numbers(scored.last_detection_mjd_tai),
        "peak_flux_njy": _numbers(scored.peak_flux_njy),
        "peak_band": [None if band < 0 else BANDS[band] for band in scored.peak_band.tolist()],
        "last_flux_njy": _numbers(scored.last_flux_njy),
        "last_flux_err_njy": _numbers(scored.last_flux_err_njy),
        "last_band": [None if band < 0 else BANDS[band] for band in scored.last_band.tolist()],
        "bands_used": _names(bits(scored.bands_used, len(BANDS)), BANDS),
    }


def _contributions(found: Contributions) -> list[list[Record]]:
    columns = (found.feature.tolist(), found.value.tolist(), found.contribution.tolist())
    return [
        [
            {"name": found.names[feature], "value": None if value != value else value, "contribution": given}
            for feature, value, given in zip(*row, strict=True)
            if feature != NO_FEATURE
        ]
        for row in zip(*columns, strict=True)
    ]


def _class_scores(scored: ScoredBatch) -> list[Record | None]:
    rows = scored.class_scores.tolist()
    classified = (scored.predicted_index >= 0).tolist()
    return [
        dict(zip(CLASS_COLUMNS, row, strict=True)) if known else None
        for row, known in zip(rows, classified, strict=True)
    ]


def _records(columns: Record) -> list[Record]:
    names = tuple(columns)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _numbers(values: npt.NDArray[np.floating[Any]]) -> list[float | None]:
    """NaN as null."""
    return [None if value != value else value for value in values.tolist()]


def _micros(seconds: npt.NDArray[np.float64]) -> list[int | None]:
    known = np.isfinite(seconds).tolist()
    return [value if there else None for value, there in zip(unix_micros(seconds).tolist(), known, strict=True)]


def _names(mask: npt.NDArray[np.bool_], names: tuple[str, ...]) -> list[list[str]]:
    return [[name for name, there in zip(names, row, strict=True) if there] for row in mask.tolist()]


def _maps(values: npt.NDArray[np.floating[Any]], names: tuple[str, ...]) -> list[dict[str, float]]:
    """Each row's numbers by name, NaN left out."""
    return [{name: value for name, value in zip(names, row, strict=True) if value == value} for row in values.tolist()]
