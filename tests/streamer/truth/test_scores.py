"""What must hold of a foreign table of scores: it is understood, or one line says what to rename."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.taxonomy import CLASS_COLUMNS
from streamer.errors import UserError
from streamer.truth.scores import UNCLASSIFIED, read_scores

TYPES = {"SN Ia": 0, "RR Lyrae": 6, "bogus": -1}
ID = 2**60 + 1


def test_a_csv_of_classes_is_read_with_ids_whole_and_names_in_any_letters(tmp_path: Path) -> None:
    file = tmp_path / "broker.csv"
    file.write_text(
        f"alert_id,class,score,drb\n{ID},sn ii,0.75,0.5\n{ID + 1},rr lyrae,,1\n{ID + 2},Bogus,0.5,0\n{ID + 3},,,\n"
    )
    scores = read_scores(file, TYPES)
    assert scores.alert_id is not None
    assert scores.alert_id.tolist() == [ID, ID + 1, ID + 2, ID + 3]
    assert scores.predicted.tolist() == [1, 6, UNCLASSIFIED, UNCLASSIFIED]
    assert scores.confidence is not None
    np.testing.assert_array_equal(scores.confidence, [0.75, np.nan, 0.5, np.nan])
    assert scores.real_score is not None
    np.testing.assert_array_equal(scores.real_score, [0.5, 1.0, 0.0, np.nan])
    assert scores.class_scores is None
    assert scores.understood == [
        "rows are scores of alerts, by alert_id",
        "the predicted class from class, its confidence from score",
        "real/bogus score from drb",
        "numbers of detections from the order of alerts: no n_detections",
    ]


def test_json_lines_of_objects_are_read_and_what_is_no_class_is_told(tmp_path: Path) -> None:
    file = tmp_path / "broker.jsonl"
    file.write_text(
        '{"object_id": 313888633170264064, "predicted_class": "kilonova"}\n{"object_id": 2, "predicted_class": "TDE"}\n'
    )
    scores = read_scores(file, TYPES)
    assert scores.alert_id is None
    assert scores.object_id == ["313888633170264064", "2"]
    assert scores.predicted.tolist() == [UNCLASSIFIED, 5]
    assert any("not understood, taken as no class: kilonova; rename" in line for line in scores.understood)


def test_class_scores_name_the_class_and_a_row_with_a_hole_names_none(tmp_path: Path) -> None:
    rows = [dict.fromkeys(CLASS_COLUMNS, 0.1) | {"alert_id": ID, "p_tde": 0.4} for _ in range(2)]
    rows[1]["p_sn_i"] = None  # type: ignore[assignment]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "s.parquet")
    scores = read_scores(tmp_path / "s.parquet", TYPES)
    assert scores.predicted.tolist() == [5, UNCLASSIFIED]
    assert scores.confidence is not None
    np.testing.assert_array_equal(scores.confidence, [0.4, np.nan])


def test_ids_may_be_text(tmp_path: Path) -> None:
    pq.write_table(pa.table({"alert_id": [str(ID)], "class": ["AGN"]}), tmp_path / "s.parquet")
    scores = read_scores(tmp_path / "s.parquet", TYPES)
    assert scores.alert_id is not None
    assert scores.alert_id.tolist() == [ID]


def test_a_folder_of_parquet_files_is_one_table(tmp_path: Path) -> None:
    for i in range(2):
        (tmp_path / "scores.parquet" / str(i)).mkdir(parents=True)
        pq.write_table(
            pa.table({"alert_id": [ID + i], "class": ["AGN"]}), tmp_path / "scores.parquet" / str(i) / "a.parquet"
        )
    assert len(read_scores(tmp_path / "scores.parquet", TYPES)) == 2


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"candid": [ID], "class": ["AGN"]}, "has neither alert_id nor object_id: rename candid to alert_id"),
        ({"id": [ID], "class": ["AGN"]}, r"has neither alert_id nor object_id \(its columns: class, id\)"),
        ({"alert_id": [ID], "label": ["AGN"]}, "has no predicted_class, .*rename label to predicted_class"),
        ({"alert_id": [ID], "p_sn_i": [1.0]}, "lacks p_sn_ii, .*give all seven"),
        ({"alert_id": [float(ID)], "class": ["AGN"]}, "alert_id is floating point, .*write integers or text"),
        ({"alert_id": ["one"], "class": ["AGN"]}, "alert_id must be whole numbers"),
        ({"alert_id": [ID], "class": ["AGN"], "score": ["high"]}, "the column score must hold numbers"),
        ({"alert_id": [ID], "class": ["AGN"], "score": [1.5]}, "the column score must hold probabilities"),
        (
            {"alert_id": [ID]} | {name: [-0.5] for name in CLASS_COLUMNS},
            "the column p_sn_i must hold probabilities",
        ),
    ],
)
def test_a_table_that_says_too_little_is_one_line_with_what_to_rename(
    columns: dict[str, Any], said: str, tmp_path: Path
) -> None:
    pq.write_table(pa.table(columns), tmp_path / "s.parquet")
    with pytest.raises(UserError, match=said) as caught:
        read_scores(tmp_path / "s.parquet", TYPES)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "text"), [("a.txt", "x"), ("a.parquet", "x"), ("a.jsonl", "{"), ("a.csv", "")])
def test_what_is_no_table_is_one_line(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=name) as caught:
        read_scores(tmp_path / name, TYPES)
    assert "\n" not in str(caught.value)
