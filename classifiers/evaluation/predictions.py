"""`predictions.parquet` and its companions: what a bundle said of each object, spectrum and alert."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from classifiers.evaluation.answers import Answers
from classifiers.evaluation.folder import Holdings
from schemas.prediction import EMBEDDING_LENGTH
from schemas.taxonomy import CLASS_COLUMNS, CLASSES, MODALITIES

PREDICTIONS = "predictions.parquet"
"""A row for each object, number of detections and set of modalities in hand."""

SPECTRUM_PREDICTIONS = "spectrum_predictions.parquet"
"""A row for each spectrum by itself, without and with its redshift."""

ALERT_PREDICTIONS = "alert_predictions.parquet"
"""A row for each alert at its own time and set of modalities that it carries."""


PREDICTION_SCHEMA: pa.Schema = pa.schema(
    [
        ("object_id", pa.string()),
        ("n_detections", pa.int32()),
        ("reached", pa.bool_()),
        ("modalities", pa.string()),
        *((name, pa.float32()) for name in CLASS_COLUMNS),
        ("novelty", pa.float32()),
        ("embedding", pa.list_(pa.float32())),
        ("survey", pa.string()),
        ("label", pa.string()),
        ("prediction_set", pa.list_(pa.string())),
        ("used", pa.string()),
        ("n_spectra", pa.int32()),
    ]
)
"""Columns of `predictions.parquet`."""


def prediction_table(holdings: Holdings, answers: Answers) -> pa.Table:
    """The rows of `predictions.parquet` of some answers; what follows `embedding` helps to read it."""
    objects = [holdings.objects[i] for i in answers.owner.tolist()]
    n = len(objects)
    columns = {
        "object_id": pa.array([each.object_id for each in objects], pa.string()),
        "n_detections": pa.array(np.full(n, answers.cut.n_detections), pa.int32()),
        "reached": pa.array(answers.reached),
        "modalities": pa.array([answers.name] * n, pa.string()),
        **{name: pa.array(answers.scores[:, k]) for k, name in enumerate(CLASS_COLUMNS)},
        "novelty": pa.array(answers.novelty, from_pandas=True),
        "embedding": _lists(answers),
        "survey": pa.array([holdings.survey] * n, pa.string()),
        "label": pa.array([CLASSES[each.label] if each.label >= 0 else None for each in objects], pa.string()),
        "prediction_set": pa.array(
            [[CLASSES[k] for k in np.flatnonzero(row)] for row in answers.sets], pa.list_(pa.string())
        ),
        "used": pa.array(["+".join(MODALITIES[k] for k in np.flatnonzero(row)) for row in answers.used], pa.string()),
        "n_spectra": pa.array(answers.spectra.astype(np.int32)),
    }
    return pa.table(columns, schema=PREDICTION_SCHEMA)


def spectrum_table(holdings: Holdings, answers: Answers, with_redshift: bool) -> pa.Table:
    """Rows of `spectrum_predictions.parquet`: one a spectrum."""
    spectra = [holdings.spectra[i] for i in answers.part.tolist()]
    told = prediction_table(holdings, answers).drop_columns(["n_detections", "reached", "n_spectra"])
    return (
        told.append_column("spectrum_mjd_tai", pa.array([each.mjd_tai for each in spectra], from_pandas=True))
        .append_column("redshift", pa.array([each.redshift for each in spectra], pa.float64()))
        .append_column("with_redshift", pa.array([with_redshift] * len(spectra)))
        .append_column("certain", pa.array(holdings.spectrum_certain[answers.part]))
    )


def alert_table(holdings: Holdings, answers: Answers) -> pa.Table:
    """Rows of `alert_predictions.parquet`: one an alert and set; `n_detections` is what its own packet tells."""
    alerts = holdings.packets.alerts
    told = prediction_table(holdings, answers).drop_columns(["reached", "n_spectra"])
    counts = holdings.packets.curves.n_detections()[answers.part]
    return (
        told.set_column(1, "n_detections", pa.array(counts.astype(np.int32)))
        .append_column("alert_id", pa.array(alerts.alert_id[answers.part]))
        .append_column("mjd_tai", pa.array(alerts.mjd_tai[answers.part]))
    )


def write_tables(path: Path, tables: Sequence[pa.Table]) -> None:
    """Writes tables of one kind as one Parquet file; without any, one of former times is taken away."""
    if tables:
        pq.write_table(pa.concat_tables(tables), path)
    else:
        path.unlink(missing_ok=True)


def _lists(answers: Answers) -> pa.ListArray:
    offsets = pa.array(np.arange(len(answers) + 1, dtype=np.int32) * EMBEDDING_LENGTH)
    return pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(answers.embedding).reshape(-1)))
