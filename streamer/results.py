"""A folder of results, read: what is known of an alert or an object after a replay."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from schemas.alert import DATA_RIGHTS, AlertBatch
from schemas.assembling import Assembled, assemble
from schemas.light_curve import ROW_DTYPE
from schemas.stamps import read_triplet
from schemas.surveys.identity import SURVEYS, survey_of_object_id
from schemas.taxonomy import CLASS_COLUMNS, CLASSES
from streamer.errors import UserError
from streamer.pictures import Subject
from streamer.sinks.parquet import PARTS_FOLDER, SCORES_FILE
from streamer.state.store import ObjectReader

MIN_DETECTIONS = 3
"""Detections of an object that is worth a picture among the night's best."""


class Results:
    """Reads a folder of results with the object store that lies in it."""

    def __init__(self, folder: Path, store: ObjectReader) -> None:
        self._scores = folder / SCORES_FILE
        self._parts = folder / PARTS_FOLDER
        self._store = store

    def find(self, name: str) -> tuple[str, int]:
        """(survey, alert id) of `[SURVEY:]ID`, an alert id or an object id (its latest alert); UserError if unknown."""
        prefix, _, bare = name.rpartition(":")
        survey_asked = prefix.lower()
        if prefix and survey_asked not in SURVEYS:
            raise UserError(f"no survey {prefix!r}: write ztf:{bare} or lsst:{bare}")
        surveys = (survey_asked,) if prefix else SURVEYS
        is_number = bare.isascii() and bare.isdecimal() and len(bare) < 20 and int(bare) < 2**63
        found: list[tuple[str, int]] = []
        for survey in surveys:
            if is_number and self._store.alert(survey, int(bare)) is not None:
                found.append((survey, int(bare)))
            elif bare.isprintable() and survey_of_object_id(bare) in (survey, None):
                latest = self._store.latest_alert(survey, bare)
                if latest is not None:
                    found.append((survey, latest))
        if not found:
            raise UserError(f"no alert and no object {bare} in these results")
        if len(found) > 1:
            raise UserError(f"{bare} is in both surveys: write ztf:{bare} or lsst:{bare}")
        return found[0]

    def subject(self, survey: str, alert_id: int, true_class: str | None = None) -> Subject:
        """The alert with its light curve, cutouts and scores, to be drawn; UserError if the alert is unknown."""
        alert = self._store.alert(survey, alert_id)
        if alert is None:
            raise UserError(f"no {survey.upper()} alert {alert_id} in these results")
        encoded = self._store.cutouts(survey, alert_id)
        curve = self._light_curve(alert)
        rights = max(int(alert.rights[0]), int(curve.summary["rights"][0]))
        score = self._score(survey, alert_id) or {}
        classes = [score.get(column) for column in CLASS_COLUMNS]
        reason = score.get("unclassified_reason") if score else self._why_no_score()
        return Subject(
            survey=survey,
            alert_id=alert_id,
            object_id=alert.object_id[0],
            mjd_tai=float(alert.mjd_tai[0]),
            ra_deg=float(alert.ra_deg[0]),
            dec_deg=float(alert.dec_deg[0]),
            light_curve=curve.light_curves,
            cutouts=None if encoded is None else read_triplet(encoded, survey)[0],
            class_scores=None if None in classes else np.array(classes, dtype=np.float32),
            prediction_set=np.array([name in (score.get("prediction_set") or ()) for name in CLASSES]),
            calibrated=score.get("calibration") is not None,
            novelty=score.get("novelty"),
            real_score=score.get("real_score"),
            modalities=tuple(score.get("modalities") or ()),
            model=f"{score['model']} {score['version']}" if score else "",
            unclassified_reason=reason,
            data_rights=score.get("data_rights", DATA_RIGHTS[rights]),
            true_class=true_class,
        )

    def best(self, per_class: int, classes: Sequence[str]) -> list[tuple[str, int]]:
        """(survey, alert id) of the surest objects of each class, one alert (the last) an object.

        Objects with fewer than `MIN_DETECTIONS` detections are left out: little can be seen of them.
        """
        columns = ["survey", "alert_id", "object_id", "mjd_tai", "n_detections", "predicted_class", *CLASS_COLUMNS]
        rows = self._rows(columns, None)
        last: dict[tuple[str, str], dict[str, Any]] = {}
        for row in sorted(rows, key=lambda row: float(row["mjd_tai"])):
            last[row["survey"], row["object_id"]] = row
        chosen: list[tuple[str, int]] = []
        for name in classes:
            column = CLASS_COLUMNS[CLASSES.index(name)]
            of_class = [
                row for row in last.values() if row["predicted_class"] == name and row["n_detections"] >= MIN_DETECTIONS
            ]
            of_class.sort(key=lambda row: -row[column])
            chosen += [(row["survey"], row["alert_id"]) for row in of_class[:per_class]]
        return chosen

    def _light_curve(self, alert: AlertBatch) -> Assembled:
        rows, offsets = self._store.light_curve_rows(alert.survey, alert.object_id)
        nothing = np.zeros(0, dtype=ROW_DTYPE)
        return assemble(alert.survey, nothing, np.array([0, 0]), alert.mjd_tai, np.array([0]), rows, offsets)

    def _rows(self, columns: Sequence[str] | None, wanted: ds.Expression | None) -> list[dict[str, Any]]:
        """Rows of the table of scores; none where it is not written yet."""
        if not self._scores.is_file():
            return []
        try:
            rows: list[dict[str, Any]] = ds.dataset(self._scores).to_table(columns=columns, filter=wanted).to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise UserError(f"cannot read {self._scores}: {str(error).splitlines()[0]}") from None
        return rows

    def _why_no_score(self) -> str:
        if self._parts.is_dir():
            return "no score yet: a replay into this folder is running, or was stopped"
        return "not scored: no selection passed it"

    def _score(self, survey: str, alert_id: int) -> dict[str, Any] | None:
        """The score of an alert that was made last; None if there is none."""
        wanted = (ds.field("survey") == survey) & (ds.field("alert_id") == alert_id)
        rows = self._rows(None, wanted)
        return max(rows, key=lambda row: (row["scored"], row["revision"]), default=None)
