"""What must hold of trees that are walked without LightGBM: its own answers, and contributions that add up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

from classifiers.bundle import TREES_FILE, bundle_folder
from classifiers.forest import Forest, ForestError

FEATURES = 6


def rows(n: int, seed: int, features: int = FEATURES) -> np.ndarray:
    """Numbers of many sizes with NaN, zeros and infinities among them, float32."""
    rng = np.random.default_rng(seed)
    values = (rng.normal(size=(n, features)) * 10.0 ** rng.integers(-3, 4, (n, features))).astype(np.float32)
    for value, share in ((np.nan, 0.2), (0.0, 0.1), (np.inf, 0.02), (-np.inf, 0.02)):
        values[rng.random(values.shape) < share] = value
    return values


def fitted(classes: int = 3, rounds: int = 12, **parameters: Any) -> lightgbm.Booster:
    """Trees fitted to a rule with missing values in it."""
    learnt = rows(600, 1)
    finite = np.nan_to_num(learnt, posinf=1e6, neginf=-1e6)
    label = (np.isnan(learnt[:, 0]) * 1 + (finite[:, 1] > finite[:, 2])) % classes
    objective: dict[str, Any] = (
        {"objective": "binary"}
        if classes == 2
        else {
            "objective": "multiclass",
            "num_class": classes,
        }
    )
    given = objective | {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 5, "num_leaves": 9} | parameters
    return lightgbm.train(given, lightgbm.Dataset(learnt, label), rounds)


@pytest.mark.parametrize("parameters", [{}, {"use_missing": False}, {"num_leaves": 2}, {"num_leaves": 40}])
@pytest.mark.parametrize("classes", [2, 3, 7])
def test_scores_are_lightgbms_own(classes: int, parameters: dict[str, Any]) -> None:
    booster, unseen = fitted(classes, **parameters), rows(500, 2)
    forest = Forest.of_text(booster.model_to_string())
    expected = booster.predict(unseen, raw_score=True, num_threads=1)
    np.testing.assert_array_equal(np.squeeze(forest.raw(unseen)), expected)
    np.testing.assert_allclose(forest.predict(unseen), booster.predict(unseen, num_threads=1), rtol=1e-12)


def test_scores_at_the_thresholds_themselves_are_lightgbms_own() -> None:
    booster = fitted()
    forest = Forest.of_text(booster.model_to_string())
    edges = np.concatenate([forest.threshold, np.nextafter(forest.threshold, np.float32(np.inf))])
    edges = edges[~((np.abs(edges) <= np.float32(1.1e-35)) & (edges != 0.0))]  # LightGBM takes these for 0
    unseen = np.repeat(edges[:, None], FEATURES, axis=1)
    np.testing.assert_array_equal(forest.raw(unseen), booster.predict(unseen, raw_score=True, num_threads=1))


def test_the_shipped_trees_score_as_lightgbm_scores_them() -> None:
    path = bundle_folder("default") / TREES_FILE
    forest, booster = Forest.read(path), lightgbm.Booster(model_file=str(path))
    unseen = rows(64, 3, forest.features)
    np.testing.assert_array_equal(forest.raw(unseen), booster.predict(unseen, raw_score=True, num_threads=1))


def test_trees_of_one_leaf_and_no_row_at_all_are_no_trouble() -> None:
    booster = fitted(rounds=3, min_data_in_leaf=10_000)
    forest, unseen = Forest.of_text(booster.model_to_string()), rows(4, 5)
    assert not forest.depth.any()
    np.testing.assert_array_equal(forest.raw(unseen), booster.predict(unseen, raw_score=True, num_threads=1))
    assert forest.predict(unseen[:0]).shape == (0, 3)


def test_contributions_and_what_was_expected_sum_to_the_score() -> None:
    forest, unseen = Forest.of_text(fitted(7).model_to_string()), rows(200, 4)
    output = np.arange(200) % 7
    given = forest.contributions(unseen, output)
    np.testing.assert_allclose(
        given.sum(axis=1) + forest.expected[output], forest.raw(unseen)[np.arange(200), output], atol=1e-12
    )


def test_the_feature_that_decides_has_the_contribution() -> None:
    learnt = np.random.default_rng(6).normal(size=(800, FEATURES)).astype(np.float32)
    given = {"objective": "binary", "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(given, lightgbm.Dataset(learnt, learnt[:, 4] > 0.0), 10)
    forest = Forest.of_text(booster.model_to_string())
    contributions = forest.contributions(learnt, np.zeros(800, np.int64))
    assert (np.abs(contributions).argmax(axis=1) == 4).all()
    np.testing.assert_array_equal(contributions[:, 4] > 0.0, learnt[:, 4] > 0.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: "no model at all", "not the text of a LightGBM model"),
        (lambda text: text.replace("objective=multiclass", "objective=regression"), "objective regression"),
        (lambda text: text.replace("is_linear=0", "is_linear=1"), "linear leaves"),
        (lambda text: text[: text.index("Tree=5")], "cut short"),
        (lambda text: text.replace("max_feature_idx=5", "max_feature_idx=0"), "that it does not have"),
        (lambda text: text[: text.index("leaf_value")], "cannot be read"),
    ],
)
def test_a_text_that_cannot_be_walked_is_refused(change: Any, said: str) -> None:
    with pytest.raises(ForestError, match=said):
        Forest.of_text(change(fitted().model_to_string()))


def test_categories_and_zeros_taken_for_missing_are_refused() -> None:
    learnt = np.random.default_rng(8).integers(0, 4, (400, FEATURES)).astype(np.float64)
    given = {"objective": "binary", "verbose": -1, "num_threads": 1}
    by_category = lightgbm.train(
        given, lightgbm.Dataset(learnt, learnt[:, 0] % 2, categorical_feature=[0], free_raw_data=False), 3
    )
    for booster in (by_category, fitted(zero_as_missing=True)):
        with pytest.raises(ForestError, match="not known here"):
            Forest.of_text(booster.model_to_string())


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match=f"forest of {FEATURES} features"):
        Forest.of_text(fitted().model_to_string()).raw(rows(3, 1, FEATURES + 1))


def test_a_file_is_read(tmp_path: Path) -> None:
    booster = fitted()
    booster.save_model(tmp_path / "trees.txt")
    np.testing.assert_array_equal(
        Forest.read(tmp_path / "trees.txt").raw(rows(9, 1)), Forest.of_text(booster.model_to_string()).raw(rows(9, 1))
    )
