"""A table of scores laid beside the truth: which alert or object has which row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from schemas.light_curve import FloatArray, IntArray
from streamer.errors import UserError
from streamer.truth.night import TrueNight
from streamer.truth.scores import UNCLASSIFIED, ScoreTable

NO_ROW = -1
"""Where an alert or object has no row of scores."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """N alerts, or N objects where the scores are of objects, each with its truth and what was said of it."""

    unit: Literal["alert", "object"]
    object_id: npt.NDArray[np.str_]
    """(N,) with the survey before it: what intervals are drawn by."""
    type: npt.NDArray[np.str_]
    """(N,)"""
    label: IntArray
    """(N,) index into `CLASSES`, or NO_CLASS."""
    mjd_tai: FloatArray
    """(N,) of the alert, or of the object's last one."""
    has_row: npt.NDArray[np.bool_]
    """(N,)"""
    predicted: IntArray
    """(N,) index into `CLASSES`; UNCLASSIFIED too where there is no row."""
    class_scores: FloatArray | None
    """(N, 7) NaN where not classified."""
    confidence: FloatArray | None
    """(N,) of the predicted class, NaN where there is none."""
    n_detections: IntArray
    """(N,)"""
    real_score: FloatArray | None
    """(N,) NaN where there is none."""
    strangers: int
    """Rows of alerts or objects that are not in the truth."""
    repeated: int
    """Rows that a later one of the same alert or object replaces."""


def compare(night: TrueNight, scores: ScoreTable) -> Comparison:
    """Joins the two by alert id, else by object id; of several rows of one the highest revision counts, or the last.

    UserError where no row is of this night.
    """
    by_alert = scores.alert_id is not None
    place = _of_alerts(night, scores) if by_alert else _of_objects(night, scores)
    known = np.flatnonzero(place >= 0)
    if not len(known):
        what = "alert_id" if by_alert else "object_id"
        raise UserError(
            f"none of the {len(scores):,} rows of scores has an {what} of this truth: are they of this night?"
        )
    if scores.revision is not None:
        known = known[np.argsort(scores.revision[known], kind="stable")]
    owner = night.owner if by_alert else np.arange(len(night.object_id))
    row = np.full(len(owner), NO_ROW)
    row[place[known]] = known
    has_row = row >= 0

    def of_rows(values: FloatArray | None) -> FloatArray | None:
        if values is None:
            return None
        taken: FloatArray = values[row]
        taken[~has_row] = np.nan
        return taken

    last = np.zeros(len(night.object_id))
    np.maximum.at(last, night.owner, night.mjd_tai)
    in_night = night.place if by_alert else np.bincount(night.owner, minlength=len(owner))
    names = [f"{survey}:{name}" for survey, name in zip(night.survey, night.object_id, strict=True)]
    return Comparison(
        unit="alert" if by_alert else "object",
        object_id=np.array(names)[owner],
        type=np.array(night.type)[owner],
        label=night.label[owner],
        mjd_tai=night.mjd_tai if by_alert else last,
        has_row=has_row,
        predicted=np.where(has_row, scores.predicted[row], UNCLASSIFIED),
        class_scores=of_rows(scores.class_scores),
        confidence=of_rows(scores.confidence),
        n_detections=in_night if scores.n_detections is None else np.where(has_row, scores.n_detections[row], 0),
        real_score=of_rows(scores.real_score),
        strangers=len(scores) - len(known),
        repeated=len(known) - int(has_row.sum()),
    )


def _of_alerts(night: TrueNight, scores: ScoreTable) -> IntArray:
    """(n,) alert of each row, -1 where it is not of this night."""
    assert scores.alert_id is not None
    surveys = np.array(night.survey)[night.owner]
    place = np.full(len(scores), -1)
    for survey in np.unique(surveys):
        ours = np.flatnonzero(surveys == survey)
        ours = ours[np.argsort(night.alert_id[ours], kind="stable")]
        theirs = np.arange(len(scores)) if scores.survey is None else np.flatnonzero(_is(scores.survey, survey))
        at = np.minimum(np.searchsorted(night.alert_id[ours], scores.alert_id[theirs]), len(ours) - 1)
        found = night.alert_id[ours[at]] == scores.alert_id[theirs]
        place[theirs[found]] = ours[at[found]]
    return place


def _of_objects(night: TrueNight, scores: ScoreTable) -> IntArray:
    """(n,) object of each row, -1 where it is not of this night."""
    assert scores.object_id is not None
    keys = list(zip(night.survey, night.object_id, strict=True))
    if scores.survey is not None:
        known: Mapping[object, int] = {key: index for index, key in enumerate(keys)}
        asked: list[object] = [
            ((survey or "").lower(), name) for survey, name in zip(scores.survey, scores.object_id, strict=True)
        ]
    else:
        known = {name: index for index, (_, name) in enumerate(keys)}
        asked = list(scores.object_id)
    return np.array([known.get(key, -1) for key in asked], np.int64)


def _is(surveys: list[str | None], survey: str) -> npt.NDArray[np.bool_]:
    return np.array([(name or "").lower() == survey for name in surveys], np.bool_)
