"""What must hold of temperatures, prediction sets and novelty."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from classifiers.calibration import (
    COVERAGE,
    Calibration,
    conformal_threshold,
    fit_novelty,
    fit_temperature,
    load_novelty,
    save_novelty,
    softmax,
)


def drawn(n: int, temperature: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from softmax(logits), and logits that are too sure by `temperature`."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0.0, 1.5, (n, 7))
    label = (softmax(logits).cumsum(1) > rng.random((n, 1))).argmax(1)
    return (logits * temperature).astype(np.float32), label


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_of_overconfident_logits_is_found(temperature: float) -> None:
    logits, label = drawn(20_000, temperature, 3)
    level, slope = fit_temperature(logits, label, np.ones(len(label), np.int64), np.ones(len(label)), with_slope=False)
    assert np.exp(level) == pytest.approx(temperature, rel=0.05)
    assert slope == 0.0


def test_the_slope_in_the_number_of_detections_is_found() -> None:
    logits, label = drawn(20_000, 1.0, 4)
    n_detections = np.random.default_rng(0).choice([1, 4, 16, 64], len(label))
    sure = logits * (1.5 * n_detections[:, None] ** 0.2)
    level, slope = fit_temperature(sure, label, n_detections, np.ones(len(label)), with_slope=True)
    assert np.exp(level) == pytest.approx(1.5, rel=0.08)
    assert slope == pytest.approx(0.2, abs=0.03)


def test_sets_hold_the_true_class_as_often_as_promised() -> None:
    logits, label = drawn(8_000, 1.0, 5)
    scores = softmax(logits).astype(np.float32)
    threshold = conformal_threshold(scores[:4000], label[:4000])
    sets = Calibration(0.0, 0.0, threshold, 4000, "made up", "test").sets(scores[4000:])
    assert sets[np.arange(4000), label[4000:]].mean() == pytest.approx(COVERAGE, abs=0.02)
    assert sets.any(1).all()


def test_too_few_objects_promise_every_class() -> None:
    scores = np.full((3, 7), 1 / 7, np.float32)
    threshold = conformal_threshold(scores, np.zeros(3, np.int64))
    assert Calibration(0.0, 0.0, threshold, 3, "made up", "test").sets(scores).all()


def test_scores_sum_to_one_and_flatten_with_temperature() -> None:
    logits = np.array([[5.0, 0, 0, 0, 0, 0, 0]], np.float32)
    sharp = Calibration(0.0, 0.0, 0.1, 1, "a", "b").scores(logits, np.array([1]))
    flat = Calibration(1.0, 0.0, 0.1, 1, "a", "b").scores(logits, np.array([1]))
    assert sharp.sum() == pytest.approx(1.0)
    assert flat[0, 0] < sharp[0, 0]


def test_novelty_is_high_far_from_every_class_and_survives_its_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 128))
    label = np.repeat([0, 2, 5], 200)
    embedding = centres[np.repeat([0, 1, 2], 200)] + 0.1 * rng.normal(size=(600, 128))
    novelty = fit_novelty(embedding[::2].astype(np.float32), label[::2], embedding[1::2].astype(np.float32))
    usual = novelty(embedding.astype(np.float32))
    assert 0.3 < usual.mean() < 0.7
    away = centres[:1] + 5.0 * novelty.directions[:, 0] / np.linalg.norm(novelty.directions[:, 0])
    assert novelty(away.astype(np.float32))[0] == 1.0
    save_novelty(tmp_path / "novelty.npz", {"a": novelty})
    (again,) = load_novelty(tmp_path / "novelty.npz", ["a"])
    np.testing.assert_array_equal(again(embedding.astype(np.float32)), usual)
