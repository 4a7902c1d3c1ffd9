"""What must hold of the figures: perfect scores are perfect, random ones are chance, and nothing is counted twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.taxonomy import CLASS_COLUMNS, CLASSES
from streamer.errors import UserError
from streamer.truth.comparison import compare
from streamer.truth.figures import figures
from streamer.truth.night import TrueNight, read_night
from streamer.truth.scores import read_scores
from tests.streamer.truth.conftest import FIRST_ID, packet, perfect_scores


def judged(night: TrueNight, columns: dict[str, Any], folder: Path) -> dict[str, Any]:
    pq.write_table(pa.table(columns), folder / "scores.parquet")
    return figures(compare(night, read_scores(folder / "scores.parquet", night.fine_types())))


def test_perfect_scores_are_perfect_and_what_has_no_class_is_apart(night: TrueNight, tmp_path: Path) -> None:
    found = judged(night, perfect_scores(night), tmp_path)
    classes = found["classes"]
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "macro_auprc"):
        assert classes[name] == 1.0
    for name in ("accuracy_interval", "balanced_accuracy_interval", "macro_f1_interval"):
        assert classes[name] == [1.0, 1.0]
    assert classes["ece"] == pytest.approx(0.06, abs=1e-4)
    has_class = night.label[night.owner] >= 0
    assert classes["n"] == has_class.sum()
    assert np.trace(classes["confusion"]) == has_class.sum()
    assert set(classes["each"]) == set(CLASSES)
    assert found["completeness"]["asteroid"]["share_classified"] == 1.0
    assert found["real_bogus"] == {"auc": None, "let_through": {"asteroid": 1.0, "bogus": 1.0}}


def test_scores_drawn_at_random_are_chance(night: TrueNight, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    owner = np.arange(14_000) % 70
    label = night.label[:70][owner]
    many = TrueNight(
        ["ztf"] * len(label), [str(i) for i in range(len(label))], ["made up"] * len(label), label,
        np.arange(len(label)), np.arange(len(label)), np.zeros(len(label)), np.ones(len(label), np.int64),
    )  # fmt: skip
    scores = rng.dirichlet(np.ones(7), len(label))
    columns = {"alert_id": many.alert_id, "drb": rng.random(len(label))}
    found = judged(many, columns | {name: scores[:, i] for i, name in enumerate(CLASS_COLUMNS)}, tmp_path)
    classes = found["classes"]
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "macro_auprc"):
        assert classes[name] == pytest.approx(1 / 7, abs=0.01)
    low, high = classes["balanced_accuracy_interval"]
    assert low < 1 / 7 < high < low + 0.02
    assert classes["ece"] > 0.2


def test_an_alert_without_a_row_lowers_completeness_and_nothing_else(night: TrueNight, tmp_path: Path) -> None:
    label = night.label[night.owner]
    kept = np.flatnonzero((label != 1) & (np.arange(len(label)) % 3 != 0))
    found = judged(night, {name: column[kept] for name, column in perfect_scores(night).items()}, tmp_path)
    assert found["completeness"]["SN II"]["share_with_row"] == 0.0
    assert 0.0 < found["completeness"]["SN I"]["share_with_row"] < 1.0
    assert found["classes"]["balanced_accuracy"] == 1.0
    assert "SN II" not in found["classes"]["each"]


def test_precision_recall_and_f1_are_counted_as_in_the_textbook(night: TrueNight, tmp_path: Path) -> None:
    label = night.label[night.owner]
    named = np.array(CLASSES)[np.where(label == 1, 0, np.maximum(label, 0))]
    found = judged(night, {"alert_id": night.alert_id, "class": named}, tmp_path)
    n = {name: int((label == i).sum()) for i, name in enumerate(CLASSES)}
    each = found["classes"]["each"]
    precision = n["SN I"] / (n["SN I"] + n["SN II"])
    assert (each["SN I"]["recall"], each["SN II"]["recall"], each["SN II"]["precision"]) == (1.0, 0.0, None)
    assert each["SN I"]["precision"] == pytest.approx(precision, abs=1e-4)
    assert each["SN I"]["f1"] == pytest.approx(2 * precision / (precision + 1), abs=1e-4)
    low, high = each["SN I"]["precision_interval"]
    assert low < precision < high
    assert found["classes"]["macro_auprc"] is None
    assert found["classes"]["ece"] is None


def test_each_object_is_taken_as_last_judged_within_so_many_detections(night: TrueNight, tmp_path: Path) -> None:
    label, first = night.label[night.owner], night.place == 1
    named = np.array(CLASSES)[np.where(first, (label + 1) % 7, label)]
    found = judged(night, {"alert_id": night.alert_id, "class": named}, tmp_path)["by_detections"]
    one_alert = np.bincount(night.owner) == 1
    of_class = night.label >= 0
    assert found["1"] == {"n_objects": 70, "accuracy": 0.0, "balanced_accuracy": 0.0, "macro_f1": 0.0}
    assert found["all"]["accuracy"] == pytest.approx(1.0 - one_alert[of_class].mean(), abs=1e-4)
    given = judged(night, {"alert_id": night.alert_id, "class": named, "n_detections": 10 * night.place}, tmp_path)
    assert set(given["by_detections"]) == {"10", "20", "all"}
    assert given["by_detections"]["10"]["accuracy"] == 0.0


def test_the_real_score_is_judged_on_bogus_detections_alone(night: TrueNight, tmp_path: Path) -> None:
    is_bogus = np.array(night.type)[night.owner] == "bogus"
    columns = {"alert_id": night.alert_id, "class": ["other"] * len(is_bogus)}
    perfect = judged(night, columns | {"drb": np.where(is_bogus, 0.2, 0.9)}, tmp_path)["real_bogus"]
    assert (perfect["auc"], perfect["n_bogus"]) == (1.0, is_bogus.sum())
    wrong = judged(night, columns | {"real_score": np.where(is_bogus, 0.9, 0.2)}, tmp_path)["real_bogus"]
    flat = judged(night, columns | {"reliability": np.full(len(is_bogus), 0.5)}, tmp_path)["real_bogus"]
    assert (wrong["auc"], flat["auc"]) == (0.0, 0.5)


def test_the_highest_revision_of_an_alert_counts(night: TrueNight, tmp_path: Path) -> None:
    right = np.array([*CLASSES, "other"])[night.label[night.owner]]
    columns = {
        "alert_id": np.concatenate([night.alert_id, night.alert_id]),
        "class": np.concatenate([right, np.full(len(right), "TDE")]),
        "revision": np.repeat([1, 0], len(right)),
    }
    found = judged(night, columns, tmp_path)
    assert found["classes"]["accuracy"] == 1.0
    assert found["rows_replaced"] == len(right)


def test_scores_of_objects_are_judged_by_object(night: TrueNight, tmp_path: Path) -> None:
    named = [CLASSES[label] if label >= 0 else None for label in night.label.tolist()]
    columns = {"object_id": [*night.object_id, "a stranger"], "class": [*named, "TDE"], "score": [1.0] * 81}
    found = judged(night, columns, tmp_path)
    assert (found["unit"], found["objects"], found["rows_of_others"]) == ("object", 80, 1)
    assert (found["classes"]["n"], found["classes"]["accuracy"], found["classes"]["ece"]) == (70, 1.0, 0.0)
    assert found["completeness"]["bogus"]["share_classified"] == 0.0
    assert found["by_detections"]["1"]["n_objects"] < found["by_detections"]["3"]["n_objects"] < 70


def test_equal_ids_of_two_surveys_are_told_apart_by_the_survey(tmp_path: Path) -> None:
    from streamer.simulate.truth import Truth

    truth = Truth()
    for survey, label in (("ztf", "SN I"), ("lsst", "TDE")):
        truth.add(packet(survey, 0, 0, label, label))
    truth.write(tmp_path / "truth.parquet")
    night = read_night(tmp_path / "truth.parquet")
    columns = {"alert_id": [FIRST_ID, FIRST_ID], "survey": ["LSST", "ZTF"], "class": ["TDE", "SN I"]}
    assert judged(night, columns, tmp_path)["classes"]["confusion"] == np.diag([1, 0, 0, 0, 0, 1, 0]).tolist()


def test_scores_of_another_night_are_one_line(night: TrueNight, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none of the 1 rows of scores has an alert_id of this truth"):
        judged(night, {"alert_id": [7], "class": ["TDE"]}, tmp_path)


@pytest.mark.parametrize("text", ["nonsense", None])
def test_what_is_no_truth_is_one_line(text: str | None, tmp_path: Path) -> None:
    file = tmp_path / "truth.parquet"
    if text:
        file.write_text(text)
    else:
        pq.write_table(pa.table({"object_id": ["a"]}), file)
    with pytest.raises(UserError, match=r"truth\.parquet") as caught:
        read_night(file)
    assert "\n" not in str(caught.value)
