"""What must hold of temperatures, prediction sets and novelty."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from classifiers.calibration import (
    COVERAGE,
    Objects,
    Sightings,
    calibrate_on,
    choose_terms,
    class_ratio,
    conformal_threshold,
    fit_temperature,
    object_weights,
)
from classifiers.data import LabelledAlerts, LabelledCurves, LabelledSpectra, split_of
from classifiers.novelty import Novelty, fit_novelty, left_out_auc, load_novelty, save_novelty
from classifiers.serving import EVIDENCE_GROUPS, BundleClassifier, Encoded
from classifiers.temperature import TERMS, Population, Temperature, softmax, temperature_terms
from schemas.taxonomy import CLASSES
from tests.classifiers import made_up


def drawn(n: int, temperature: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from softmax(logits), and logits that are too sure by `temperature`."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0.0, 1.5, (n, 7))
    label = (softmax(logits).cumsum(1) > rng.random((n, 1))).argmax(1)
    return (logits * temperature).astype(np.float32), label


def seen(label: np.ndarray, n_detections: np.ndarray, copies: int = 1) -> Sightings:
    """Sightings of light curves, `copies` of each object one after the other."""
    n = len(label)
    present = np.tile([True, False, False, False], (n, 1))
    blank = np.zeros((n, 4, 1), np.float32)
    encoded = Encoded(blank, blank, present, n_detections, np.zeros((n, 1), np.float32))
    return Sightings(encoded, label, np.arange(n) // copies, np.zeros(n, np.int64), np.arange(n) % copies)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_of_overconfident_logits_is_found(temperature: float) -> None:
    logits, label = drawn(20_000, temperature, 3)
    (level,) = fit_temperature(logits, label, np.ones(len(label)), np.ones((len(label), 1)))
    assert np.exp(level) == pytest.approx(temperature, rel=0.05)


def test_terms_in_detections_and_modalities_are_found() -> None:
    logits, label = drawn(20_000, 1.0, 4)
    rng = np.random.default_rng(0)
    n_detections = rng.choice([1, 4, 16, 64], len(label))
    present = np.column_stack([np.ones(len(label), bool), *(rng.random((3, len(label))) < 0.5)])
    truth = Temperature.of_card({"level": 0.4, "log_detections": 0.2, "spectrum": -0.6})
    sure = logits * truth(n_detections, present)[:, None]
    terms = temperature_terms(n_detections, present)
    terms[:, TERMS.index("light_curve")] = 0.0  # always there, so not to be told from the level
    found = dict(zip(TERMS, fit_temperature(sure, label, np.ones(len(label)), terms), strict=True))
    for name, value in {"level": 0.4, "log_detections": 0.2, "spectrum": -0.6, "cutouts": 0.0}.items():
        assert found[name] == pytest.approx(value, abs=0.05), name


def test_the_fit_is_the_minimum_of_the_loss() -> None:
    logits, label = drawn(300, 4.0, 9)
    weight, terms = np.random.default_rng(1).random(300), np.ones((300, 1))
    (level,) = fit_temperature(logits, label, weight, terms)

    def loss(at: float) -> float:
        own = softmax(logits / np.exp(at))[np.arange(300), label]
        return float(-np.average(np.log(own), weights=weight) + 1e-3 * at**2)

    assert loss(level) <= min(loss(level + step) for step in (-1e-3, 1e-3))


def test_only_terms_that_help_objects_left_out_are_taken() -> None:
    logits, label = drawn(4_000, 1.0, 5)
    rng = np.random.default_rng(2)
    n_detections = rng.choice([1, 4, 16, 64], len(label))
    objects = seen(label, n_detections)
    terms, alike = temperature_terms(n_detections, objects.encoded.present), np.ones(len(label))
    steep = (logits * n_detections[:, None] ** 0.3).astype(np.float32)
    for given, expected in ((2.0 * logits, {"level"}), (steep, {"level", "log_detections"})):
        chosen, losses = choose_terms(given, objects, alike, terms, np.random.default_rng(3))
        assert {name for name, kept in zip(TERMS, chosen, strict=True) if kept} == expected
        assert list(losses.values()) == sorted(losses.values(), reverse=True)


def test_sets_hold_the_true_class_as_often_as_promised() -> None:
    logits, label = drawn(8_000, 1.0, 5)
    scores = softmax(logits).astype(np.float32)
    threshold = conformal_threshold(scores[:4000], label[:4000], np.ones(4000))
    sets = Population(threshold, 4000, "made up", "test").sets(scores[4000:])
    assert sets[np.arange(4000), label[4000:]].mean() == pytest.approx(COVERAGE, abs=0.02)
    assert sets.any(1).all()


def test_sets_promise_coverage_under_the_prior_and_not_under_the_calibration_sample() -> None:
    logits, label = drawn(40_000, 1.0, 6)
    scores = softmax(logits * np.where(label[:, None] == 0, 3.0, 0.3)).astype(np.float32)  # class 0 is easy
    kept = (label != 0) | (np.random.default_rng(1).random(len(label)) < 0.2)
    shares = np.bincount(label, minlength=7) / len(label)  # the population to come has more of it
    ratio = class_ratio(label[kept], shares)
    threshold = conformal_threshold(scores[kept], label[kept], ratio)
    covered = Population(threshold, 1, "made up", "test").sets(scores)[np.arange(len(label)), label]
    assert covered.mean() == pytest.approx(COVERAGE, abs=0.01)
    naive = conformal_threshold(scores[kept], label[kept], np.ones(int(kept.sum())))
    assert abs(naive - threshold) > 1e-3


def test_too_few_objects_promise_every_class() -> None:
    scores = np.full((3, 7), 1 / 7, np.float32)
    threshold = conformal_threshold(scores, np.zeros(3, np.int64), np.ones(3))
    assert Population(threshold, 3, "made up", "test").sets(scores).all()


def test_objects_weigh_alike_however_often_they_were_seen_and_classes_as_the_prior_says() -> None:
    label = np.array([0, 0, 0, 0, 1, 1])
    objects = Sightings(
        seen(label, np.ones(6, np.int64)).encoded, label, np.array([0, 0, 0, 1, 2, 2]), np.zeros(6, np.int64), label
    )
    shares = np.array([0.25, 0.75, 0, 0, 0, 0, 0])
    weight = object_weights(objects, shares)
    by_object = np.bincount(objects.owner, weight)
    assert by_object[0] == pytest.approx(by_object[1])
    assert by_object[2] / by_object.sum() == pytest.approx(0.75)
    assert by_object.mean() == pytest.approx(1.0)


def test_novelty_is_high_far_from_every_class_and_survives_its_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 128))
    label = np.repeat([0, 2, 5], 200)
    embedding = centres[np.repeat([0, 1, 2], 200)] + 0.1 * rng.normal(size=(600, 128))
    novelty = fit_novelty(embedding[::2].astype(np.float32), label[::2], embedding[1::2].astype(np.float32))
    usual = novelty(embedding.astype(np.float32))
    assert 0.3 < usual.mean() < 0.7
    away = rng.normal(size=(1, 128))
    assert novelty(away.astype(np.float32))[0] == 1.0
    save_novelty(tmp_path / "novelty.npz", {"a": novelty, "b": Novelty.unknown()})
    again, _ = load_novelty(tmp_path / "novelty.npz", ["a", "b"])
    np.testing.assert_array_equal(again(embedding.astype(np.float32)), usual)


def test_a_class_left_out_is_told_from_the_others_where_it_lies_apart_and_not_where_it_does_not() -> None:
    rng = np.random.default_rng(1)
    centres = np.zeros((3, 16))
    centres[0, 0], centres[1, 1], centres[2, :2] = 3.0, 3.0, 0.0
    centres[2, 2] = 3.0
    label = np.repeat([0, 1, 4], 300)
    embedding = (centres[np.repeat([0, 1, 2], 300)] + 0.3 * rng.normal(size=(900, 16))).astype(np.float32)
    found = left_out_auc(embedding[::2], label[::2], embedding[1::2], label[1::2])
    assert set(found) == {0, 1, 4}
    assert min(found.values()) > 0.9
    blind = left_out_auc(embedding[::2], label[::2], rng.permutation(embedding[1::2]), label[1::2])
    assert max(abs(value - 0.5) for value in blind.values()) < 0.1


def labelled(n: int) -> Objects:
    """Light curves and spectra of n objects of all classes, without an alert."""
    label = np.arange(n) % len(CLASSES)
    names, fine = [f"ZTF21made{i}" for i in range(n)], np.full(n, -1, np.int64)
    curves = made_up.curves([3 + i % 20 for i in range(n)])
    spectra = [made_up.spectrum(i) for i in range(n // 2)]
    nothing = made_up.evidence([])
    return Objects(
        LabelledCurves(names, label, fine, curves),
        LabelledSpectra(names[: n // 2], label[: n // 2], fine[: n // 2], spectra),
        LabelledAlerts(nothing.alerts, nothing.light_curves, [], label[:0], fine[:0]),
    )


def test_a_bundle_is_calibrated_on_the_calibrate_side_alone_and_alike_each_time(made_up_bundle: Path) -> None:
    from classifiers import load_bundle

    classifier: BundleClassifier = load_bundle(made_up_bundle)
    objects = labelled(400)
    card, novelty = calibrate_on(classifier, objects, np.random.default_rng(1), copies=2)
    side = split_of(objects.curves.object_id)
    assert card["light_curve"]["objects"] == int((side == 1).sum())
    assert card["spectrum"]["objects"] == int((side[:200] == 1).sum())
    assert card["alert"] is None
    assert set(novelty) == set(EVIDENCE_GROUPS)
    assert card["temperature"]["level"] > 0.0  # random networks are too sure of everything
    again, _ = calibrate_on(classifier, objects, np.random.default_rng(1), copies=2)
    assert again == card
    known = np.flatnonzero(side != 2)
    spectra = np.flatnonzero(side[:200] != 2)
    without = Objects(objects.curves.take(known), objects.spectra.take(spectra), objects.alerts)
    untouched, _ = calibrate_on(classifier, without, np.random.default_rng(1), copies=2)
    assert untouched == card
