"""What must hold of the tables that say whether a modality helps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from classifiers.data.alerts import read_unlabelled_lsst_alerts, read_unlabelled_ztf_alerts
from classifiers.training.gains import PREDICTIONS, gain_tables, write_predictions


def scores_of(label: np.ndarray, right: float, seed: int) -> np.ndarray:
    """Scores that name the true class in a share of the rows."""
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.ones(7), len(label))
    told = rng.random(len(label)) < right
    scores[told] = 0.2 * scores[told] + 0.8 * np.eye(7)[label[told]]
    return scores.astype(np.float32)


@pytest.fixture
def label() -> np.ndarray:
    return np.array([0] * 60 + [1] * 40 + [4] * 30 + [5] * 4)


def test_a_modality_that_helps_is_shown_and_one_that_does_not_is_not(label: np.ndarray) -> None:
    names = [str(i) for i in range(len(label))]
    alone = scores_of(label, 0.2, 0)
    scores = {
        "light_curve": alone,
        "light_curve+metadata": scores_of(label, 0.8, 1),
        "light_curve+cutouts": alone,
        "light_curve+metadata+cutouts": scores_of(label, 0.8, 1),
    }
    tables = gain_tables(names, label, scores)
    metadata = tables["sets"]["light_curve+metadata"]["gains"]["light_curve"]
    cutouts = tables["sets"]["light_curve+cutouts"]["gains"]["light_curve"]
    assert metadata["macro_auprc"][1] > 0
    assert metadata["shown"] == {"macro_auprc": True, "balanced_accuracy": True}
    assert cutouts["macro_auprc"] == [0.0, 0.0, 0.0]
    assert not any(cutouts["shown"].values())
    assert set(tables["sets"]["light_curve+metadata+cutouts"]["gains"]) == set(scores) - {
        "light_curve+metadata+cutouts"
    }


def test_a_class_of_few_objects_has_its_n_and_no_figure(label: np.ndarray) -> None:
    names = [str(i) for i in range(len(label))]
    tables = gain_tables(names, label, {"light_curve": scores_of(label, 0.5, 0)})
    assert tables["objects"]["TDE"] == 4
    assert tables["judged_on"] == ["SN I", "SN II", "AGN"]
    assert "auprc TDE" not in tables["sets"]["light_curve"]


def test_many_alerts_of_one_object_count_as_one_object(label: np.ndarray) -> None:
    scores = scores_of(label, 0.5, 0)
    names = [str(i) for i in range(len(label))]
    once = gain_tables(names, label, {"light_curve": scores})
    rows = np.concatenate([np.arange(len(label)), np.zeros(50, np.int64)])
    often = gain_tables([names[i] for i in rows], label[rows], {"light_curve": scores[rows]})
    assert often["n_alerts"] == once["n_alerts"] + 50
    assert often["n_objects"] == once["n_objects"]
    for name in ("macro_auprc", "balanced_accuracy"):
        assert often["sets"]["light_curve"][name][0] == pytest.approx(once["sets"]["light_curve"][name][0], abs=1e-6)


def test_sets_are_judged_on_the_alerts_that_have_all_of_them_and_every_score_is_written(
    label: np.ndarray, tmp_path: Path
) -> None:
    names = [str(i) for i in range(len(label))]
    alone, both = scores_of(label, 0.5, 0), scores_of(label, 0.5, 1)
    both[:3] = np.nan
    scores = {"light_curve": alone, "light_curve+cutouts": both}
    assert gain_tables(names, label, scores)["n_alerts"] == len(label) - 3
    write_predictions(tmp_path, names, np.arange(len(label)), label, np.zeros(len(label), np.int64), scores)
    table = pq.read_table(tmp_path / PREDICTIONS)
    assert table.num_rows == 2 * len(label) - 3
    assert set(table["modalities"].to_pylist()) == set(scores)


def test_unlabelled_alerts_have_no_class_and_share_no_packet_with_the_labelled(shared_data: Path) -> None:
    for alerts in (read_unlabelled_ztf_alerts(shared_data), read_unlabelled_lsst_alerts(shared_data)):
        assert len(alerts) > 100
        assert (alerts.label == -1).all()
        assert (alerts.fine == -1).all()
