"""What must hold of the figures of scores beside the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.metrics import (
    average_precision,
    balanced_accuracy,
    confusion,
    expected_calibration_error,
    interval,
    reliability,
    resampled_confusions,
    roc_auc,
    shares,
)

labels = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=60)


@given(labels)
def test_the_shares_of_a_confusion_matrix_are_those_of_its_rows(pairs: list[tuple[int, int]]) -> None:
    label, predicted = np.array(pairs).T
    counts = confusion(label, predicted)
    assert counts.sum() == len(pairs)
    found = shares(counts)
    assert found.accuracy == pytest.approx(np.mean(label == predicted))
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy(label, predicted))
    for c in range(7):
        true, called, right = (label == c).sum(), (predicted == c).sum(), ((label == c) & (predicted == c)).sum()
        assert found.recall[c] == pytest.approx(right / true if true else np.nan, nan_ok=True)
        assert found.precision[c] == pytest.approx(right / called if called else np.nan, nan_ok=True)
        assert found.f1[c] == pytest.approx(2 * right / (true + called) if true else np.nan, nan_ok=True)


def test_resampling_goes_by_object_so_that_copies_of_a_row_narrow_nothing() -> None:
    rng = np.random.default_rng(3)
    label, names = rng.integers(0, 2, 60), [str(i) for i in range(60)]
    predicted = np.where(rng.random(60) < 0.7, label, 1 - label)
    once = resampled_confusions(label, predicted, names)
    thrice = resampled_confusions(np.repeat(label, 3), np.repeat(predicted, 3), np.repeat(names, 3).tolist())
    assert interval(shares(once).accuracy) == interval(shares(thrice).accuracy)
    low, high = interval(shares(once).accuracy) or (0.0, 0.0)
    assert low < np.mean(label == predicted) < high
    assert (once.sum((1, 2)) == 60).all()


def test_an_interval_of_nothing_is_none() -> None:
    assert interval(np.full(5, np.nan)) is None


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=2, max_size=40))
def test_the_auc_is_the_chance_that_true_beats_false(rows: list[tuple[bool, int]]) -> None:
    truth, score = np.array([row[0] for row in rows]), np.array([float(row[1]) for row in rows])
    won = [(a > b) + 0.5 * (a == b) for a in score[truth] for b in score[~truth]]
    assert roc_auc(truth, score) == pytest.approx(np.mean(won) if won else np.nan, nan_ok=True)


def test_average_precision_does_not_hang_on_the_order_of_equal_scores() -> None:
    truth, score = np.array([True, False, False, True]), np.array([0.5, 0.5, 0.5, 0.1])
    assert average_precision(truth, score) == average_precision(truth[[2, 1, 0, 3]], score)
    assert average_precision(truth, score) == pytest.approx(0.5 * (1 / 3) + 0.5 * 0.5)
    assert np.isnan(average_precision(np.zeros(3, bool), np.ones(3)))


def test_confidence_that_is_earned_has_no_calibration_error() -> None:
    confidence = np.repeat([0.25, 0.75], 400)
    right = np.concatenate([np.arange(400) % 4 == 0, np.arange(400) % 4 != 0])
    bins = reliability(confidence, right)
    assert expected_calibration_error(confidence, right) == pytest.approx(0.0)
    assert bins.n.tolist() == [0, 0, 400, 0, 0, 0, 0, 400, 0, 0]
    assert expected_calibration_error(np.ones(4), np.array([True, False, False, False])) == 0.75
