"""What must hold of the figures of scores beside the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.metrics import (
    Measure,
    average_precision,
    balanced_accuracy,
    confusion,
    expected_calibration_error,
    interval,
    measures,
    object_weights,
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


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4), st.integers(0, 3)), min_size=3, max_size=30))
def test_a_figure_of_weighed_rows_is_that_of_as_many_copies(rows: list[tuple[int, int, int]]) -> None:
    label = np.array([row[0] for row in rows])
    scores = np.eye(7)[label] * 0.1 + np.array([[row[1] / 10.0] + [0.1] * 6 for row in rows])
    names = [str(row[2]) for row in rows]
    weights = object_weights(names)
    found = measures(label, scores, weights)
    assert found["macro_auprc"].value == pytest.approx(
        np.mean([average_precision(label == c, scores[:, c]) for c in np.unique(label)]), abs=1e-5
    )
    for draw in (1, 2):
        copies = np.repeat(np.arange(len(rows)), weights[draw].astype(int))
        expected = average_precision(label[copies] == label[0], scores[copies, label[0]])
        assert found[f"auprc.{label[0]}"].drawn[draw - 1] == pytest.approx(expected, abs=1e-5, nan_ok=True)
        predicted = scores[copies].argmax(1)
        assert found["accuracy"].drawn[draw - 1] == pytest.approx(np.mean(predicted == label[copies]), abs=1e-5)
        error = expected_calibration_error(scores[copies].max(1), predicted == label[copies])
        assert found["ece"].drawn[draw - 1] == pytest.approx(error, abs=1e-5)


def test_the_difference_of_two_measures_is_drawn_in_pairs() -> None:
    label, weights = np.arange(40) % 2, object_weights([str(i) for i in range(40)])
    scores = np.eye(7)[label]
    one = measures(label, scores, weights)["accuracy"]
    assert (one - one).said() == [0.0, 0.0, 0.0]
    assert Measure(np.nan, np.full(3, np.nan)).said() is None
