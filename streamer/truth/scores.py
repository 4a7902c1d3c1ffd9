"""Scores of any broker: what its table holds, and what it would have to be called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.dataset as ds
import pyarrow.json

from schemas.light_curve import FloatArray, IntArray
from schemas.taxonomy import CLASS_COLUMNS, CLASSES
from streamer.errors import UserError

UNCLASSIFIED = -1
"""Predicted class where a row names none."""

REAL_COLUMNS: tuple[str, ...] = ("real_score", "drb", "reliability", "rb")
"""Names of a real/bogus score, high for what is real; the first that is there counts."""

CLASS_NAMES: tuple[str, ...] = ("predicted_class", "class")
"""Names of the predicted class; the first that is there counts."""

SHOWN = 8
"""Names that are not understood are told up to this number."""

KNOWN: tuple[str, ...] = (
    *("survey", "alert_id", "object_id", "revision", "n_detections", "score"),
    *REAL_COLUMNS,
    *CLASS_NAMES,
    *CLASS_COLUMNS,
)
"""Columns that are looked at; all others are passed over."""

_OFTEN: Mapping[str, str] = {
    "candid": "alert_id",
    "alertid": "alert_id",
    "diasourceid": "alert_id",
    "objectid": "object_id",
    "oid": "object_id",
    "diaobjectid": "object_id",
    "classification": "predicted_class",
    "label": "predicted_class",
    "class_name": "predicted_class",
    "prediction": "predicted_class",
    "probability": "score",
    "ndet": "n_detections",
    "ndethist": "n_detections",
}
"""What brokers call them, in small letters, and what it is here."""

_READABLE = "a .parquet file or a folder of them, a .csv, or JSON lines (.json, .jsonl, .ndjson)"


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """n rows of scores."""

    survey: list[str | None] | None
    alert_id: IntArray | None
    """(n,); where None, scores are of objects."""
    object_id: list[str | None] | None
    class_scores: FloatArray | None
    """(n, 7) in the order of `CLASSES`, NaN where not classified; None where the table names a class only."""
    predicted: IntArray
    """(n,) index into `CLASSES`, or UNCLASSIFIED."""
    confidence: FloatArray | None
    """(n,) score of the predicted class, NaN where there is none."""
    n_detections: IntArray | None
    revision: IntArray | None
    real_score: FloatArray | None
    understood: list[str]
    """A line on each thing that the table was taken to say."""

    def __len__(self) -> int:
        return len(self.predicted)


def read_scores(path: Path, fine_types: Mapping[str, int]) -> ScoreTable:
    """Scores from a file or folder; `fine_types` gives the broad class of what a broker may call more finely.

    UserError where it cannot be read or says too little, with what to rename.
    """
    table = _read(path)
    names = set(table.column_names)
    by_alert = "alert_id" in names
    said = ["rows are scores of alerts, by alert_id" if by_alert else "rows are scores of objects, by object_id"]
    class_scores, predicted, confidence = _class_scores(table) if CLASS_COLUMNS[0] in names else (None, None, None)
    if predicted is None:
        named = next(name for name in CLASS_NAMES if name in names)
        predicted, unknown = _classes(table, named, fine_types)
        confidence = _shares(table, "score") if "score" in names else None
        said.append(
            f"the predicted class from {named}, its confidence from {'score' if 'score' in names else 'nothing'}"
        )
        said += unknown
    else:
        said.append(f"class scores from {CLASS_COLUMNS[0]} to {CLASS_COLUMNS[-1]}; the highest is the predicted class")
    real_name = next((name for name in REAL_COLUMNS if name in names), None)
    if real_name:
        said.append(f"real/bogus score from {real_name}")
    given = "n_detections" in names
    said.append(f"numbers of detections from {'n_detections' if given else 'the order of alerts: no n_detections'}")
    return ScoreTable(
        survey=_texts(table, "survey") if "survey" in names else None,
        alert_id=_ids(table, path) if by_alert else None,
        object_id=_texts(table, "object_id") if "object_id" in names else None,
        class_scores=class_scores,
        predicted=predicted,
        confidence=confidence,
        n_detections=_counts(table, "n_detections") if given else None,
        revision=_counts(table, "revision") if "revision" in names else None,
        real_score=_numbers(table, real_name) if real_name else None,
        understood=said,
    )


def _check(path: Path, names: set[str]) -> None:
    """UserError where the columns do not say whose scores they are, or what the scores say."""
    if not names & {"alert_id", "object_id"}:
        raise UserError(f"{path} has neither alert_id nor object_id{_rename(names)}")
    lacking = [name for name in CLASS_COLUMNS if name not in names]
    if lacking and len(lacking) < len(CLASS_COLUMNS):
        raise UserError(f"{path} lacks {', '.join(lacking)}: give all seven, 0 where a broker has no such class")
    if lacking and not names & set(CLASS_NAMES):
        raise UserError(f"{path} has no predicted_class, nor {', '.join(CLASS_COLUMNS)}{_rename(names)}")


def _class_scores(table: pa.Table) -> tuple[FloatArray, IntArray, FloatArray]:
    """Class scores (n, 7), the class of the highest, and that score."""
    scores = np.stack([_shares(table, name) for name in CLASS_COLUMNS], axis=1)
    known = np.isfinite(scores).all(1)
    scores[~known] = np.nan
    numbers = np.nan_to_num(scores)
    return scores, np.where(known, numbers.argmax(1), UNCLASSIFIED), np.where(known, numbers.max(1), np.nan)


def _read(path: Path) -> pa.Table:
    """The known columns of a table; UserError where it is none, or says too little."""
    try:
        stored = _opened(path)
        _check(path, set(stored.schema.names))
        return stored.to_table(columns=[name for name in stored.schema.names if name in KNOWN])
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"cannot read {path}: {str(error).splitlines()[0]}") from None


def _opened(path: Path) -> ds.Dataset:
    kind = ".parquet" if path.is_dir() else path.suffix.lower()
    if kind in (".parquet", ".pq"):
        return ds.dataset(path, format="parquet")
    if kind == ".csv":
        texts = {name: pa.string() for name in ("object_id", "survey", *CLASS_NAMES)}
        return ds.dataset(pa.csv.read_csv(path, convert_options=pa.csv.ConvertOptions(column_types=texts)))
    if kind in (".json", ".jsonl", ".ndjson"):
        return ds.dataset(pa.json.read_json(path))
    raise UserError(f"{path} is no table that can be read: give {_READABLE}")


def _rename(names: set[str]) -> str:
    """What of these columns is known by another name here."""
    found = {
        name: _OFTEN[name.lower()]
        for name in sorted(names)
        if name.lower() in _OFTEN and _OFTEN[name.lower()] not in names
    }
    if not found:
        return f" (its columns: {', '.join(sorted(names))})"
    return ": rename " + ", ".join(f"{name} to {ours}" for name, ours in found.items())


def _ids(table: pa.Table, path: Path) -> IntArray:
    column = table["alert_id"]
    if pa.types.is_floating(column.type):
        raise UserError(
            f"{path}: alert_id is floating point, which loses the last digits of ids: write integers or text"
        )
    try:
        ids: IntArray = pc.fill_null(column.cast(pa.int64()), -1).to_numpy()
    except pa.ArrowException:
        raise UserError(f"{path}: alert_id must be whole numbers, as integers or text") from None
    return ids


def _numbers(table: pa.Table, name: str) -> FloatArray:
    """A column of numbers, NaN where null."""
    try:
        values: FloatArray = table[name].cast(pa.float64()).to_numpy()
    except pa.ArrowException:
        raise UserError(f"the column {name} must hold numbers") from None
    return np.array(values)


def _shares(table: pa.Table, name: str) -> FloatArray:
    values = _numbers(table, name)
    if np.any((values < 0.0) | (values > 1.0)):
        raise UserError(f"the column {name} must hold probabilities, 0 to 1")
    return values


def _counts(table: pa.Table, name: str) -> IntArray:
    numbers = _numbers(table, name)
    return np.where(np.isfinite(numbers), np.nan_to_num(numbers), 0).astype(np.int64)


def _texts(table: pa.Table, name: str) -> list[str | None]:
    texts: list[str | None] = table[name].cast(pa.string()).to_pylist()
    return texts


def _classes(table: pa.Table, name: str, fine_types: Mapping[str, int]) -> tuple[IntArray, list[str]]:
    """Predicted classes by name, a broad class or a fine type of the truth, in any letters; and what is neither."""
    known = {text.lower(): UNCLASSIFIED if label < 0 else label for text, label in fine_types.items()}
    known |= {text.lower(): index for index, text in enumerate(CLASSES)}
    known |= {column.removeprefix("p_"): index for index, column in enumerate(CLASS_COLUMNS)}
    texts = _texts(table, name)
    index = np.array([known.get(text.lower(), UNCLASSIFIED) if text else UNCLASSIFIED for text in texts], np.int64)
    unknown = sorted({text for text in texts if text and text.lower() not in known})
    if not unknown:
        return index, []
    shown = ", ".join(unknown[:SHOWN]) + (f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else "")
    return index, [f"not understood, taken as no class: {shown}; rename them to some of {', '.join(CLASSES)}"]
