"""What must hold of every answer of a bundle."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from classifiers import load_bundle
from classifiers.bundle import TREES_FILE
from classifiers.features import light_curve_statistics, pool_nights
from classifiers.features.statistics import STATISTIC_NAMES
from classifiers.forest import Forest
from classifiers.serving import LARGEST_RUN, BundleClassifier
from schemas.cutout import CutoutTriplet
from schemas.prediction import EMBEDDING_LENGTH, NO_FEATURE, TOP_CONTRIBUTIONS, Evidence, Predictions
from schemas.taxonomy import CLASSES, FINE_LEAVES, MODALITIES, cut_scores
from tests.classifiers import made_up

SUBSETS = [subset for subset in product([False, True], repeat=4) if any(subset)]

BATCH_TOLERANCE = 1e-4
"""onnxruntime sums in another order for another batch size; logits differ in the last bits of float32."""


def check(answer: Predictions, n: int) -> None:
    """Holds for every answer: shapes, sums, and NaN with a reason or numbers without one."""
    assert len(answer) == n
    assert answer.class_scores.shape == answer.prediction_set.shape == (n, len(CLASSES))
    assert answer.embedding.shape == (n, EMBEDDING_LENGTH)
    assert answer.class_scores.dtype == answer.embedding.dtype == answer.novelty.dtype == np.float32
    assert len(answer.calibration) == len(answer.unclassified_reason) == n
    scored = np.array([reason is None for reason in answer.unclassified_reason], np.bool_)
    np.testing.assert_allclose(answer.class_scores[scored].sum(1), 1.0, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(answer.embedding[scored], axis=1), 1.0, atol=1e-4)
    calibrated = np.array([said is not None for said in answer.calibration], np.bool_)
    assert ((answer.novelty[calibrated] >= 0) & (answer.novelty[calibrated] <= 1)).all()
    assert np.isnan(answer.novelty[~calibrated]).all()
    np.testing.assert_allclose(answer.modality_weights[scored].sum(1), 1.0, atol=1e-4)
    assert not answer.modality_weights[~answer.modalities].any()
    assert np.isnan(answer.class_scores[~scored]).all()
    assert np.isnan(answer.embedding[~scored]).all()
    assert not answer.prediction_set[~scored].any()
    assert answer.fine_scores.shape == (n, len(FINE_LEAVES))
    assert np.isnan(answer.fine_scores[~scored]).all()
    for nodes in (("SN Ia", "SN Ib", "SN Ic", *CLASSES[1:]), (*FINE_LEAVES, *CLASSES[2:])):
        sums = cut_scores(nodes, answer.class_scores, answer.fine_scores)[scored].sum(1)
        np.testing.assert_allclose(sums, 1.0, atol=1e-5)
    found = answer.contributions
    assert found.feature.shape == found.value.shape == found.contribution.shape == (n, TOP_CONTRIBUTIONS)
    named = found.feature != NO_FEATURE
    assert not named[~answer.modalities[:, 0]].any()
    assert np.isfinite(found.contribution[named]).all()
    loud = np.abs(np.nan_to_num(found.contribution))
    assert (np.diff(loud, axis=1) <= 0).all()


def used_for(classifier: BundleClassifier, survey: str) -> npt.NDArray[np.bool_]:
    """Modalities that the bundle has on for a survey, (4,)."""
    return np.array([survey in classifier.card["modalities"][name]["surveys"] for name in MODALITIES])


@pytest.mark.parametrize("subset", SUBSETS, ids=["+".join(np.array(MODALITIES)[list(s)]) for s in SUBSETS])
def test_any_subset_of_modalities_is_scored_and_named(
    any_classifier: BundleClassifier, subset: tuple[bool, ...]
) -> None:
    light_curve, metadata, cutouts, spectra = subset
    lengths = [5, 20, 1] if light_curve else [0, 0, 0]
    answer = any_classifier.classify(made_up.evidence(lengths, "ztf", metadata, cutouts, spectra))
    check(answer, 3)
    used = np.array(subset) & used_for(any_classifier, "ztf")
    assert answer.unclassified_reason == [None if used.any() else "no_photometry"] * 3
    assert (answer.modalities == used).all()


def test_an_alert_with_nothing_usable_gets_the_reason_and_its_neighbours_their_scores(
    any_classifier: BundleClassifier,
) -> None:
    answer = any_classifier.classify(made_up.evidence([8, 0, 3], metadata=False, cutouts=False))
    check(answer, 3)
    assert answer.unclassified_reason == [None, "no_photometry", None]
    assert answer.calibration[1] is None


def test_no_alert_at_all_is_an_empty_answer(any_classifier: BundleClassifier) -> None:
    check(any_classifier.classify(made_up.evidence([])), 0)


def test_lsst_is_scored_by_light_curve_and_spectrum_and_calls_itself_uncalibrated(
    any_classifier: BundleClassifier,
) -> None:
    answer = any_classifier.classify(made_up.evidence([5, 40], "lsst", spectra=True))
    check(answer, 2)
    assert (answer.modalities == (True, False, False, True)).all()
    assert answer.unclassified_reason == [None, None]
    assert answer.calibration == [None, None]
    assert not answer.prediction_set.any()
    assert np.isnan(answer.novelty).all()


def test_ztf_scores_say_how_they_were_calibrated_and_hold_the_likeliest_class(any_classifier: BundleClassifier) -> None:
    answer = any_classifier.classify(made_up.evidence([5, 40]))
    assert np.isfinite(answer.novelty).all()
    for said in answer.calibration:
        assert said is not None
        assert set(said) == {"domain", "n", "method"}
        assert said["n"] > 0
    assert answer.prediction_set[np.arange(2), answer.class_scores.argmax(1)].all()


def test_very_long_and_very_short_histories_are_scored(any_classifier: BundleClassifier) -> None:
    answer = any_classifier.classify(made_up.evidence([10_000, 1, 256, 257], metadata=False, cutouts=False))
    check(answer, 4)
    assert answer.modalities[:, 0].all()


def test_an_alert_is_scored_alike_alone_and_among_others(any_classifier: BundleClassifier) -> None:
    lengths = [1, 3, 9, 16, 17, 40, 70, 130, 0, 300]
    whole = made_up.evidence(lengths, spectra=True)
    together = any_classifier.classify(whole)
    for i in range(len(lengths)):
        alone = any_classifier.classify(made_up.take(whole, [i]))
        np.testing.assert_allclose(alone.class_scores[0], together.class_scores[i], atol=BATCH_TOLERANCE)
        np.testing.assert_allclose(alone.embedding[0], together.embedding[i], atol=BATCH_TOLERANCE)
        assert alone.modalities[0].tolist() == together.modalities[i].tolist()


def test_equal_batches_are_scored_equally_to_the_last_bit(any_classifier: BundleClassifier) -> None:
    evidence = made_up.evidence([1, 20, 60])
    one, other = any_classifier.classify(evidence), any_classifier.classify(evidence)
    np.testing.assert_array_equal(one.class_scores, other.class_scores)
    np.testing.assert_array_equal(one.embedding, other.embedding)


def test_a_batch_larger_than_one_run_is_scored_whole(any_classifier: BundleClassifier) -> None:
    n = LARGEST_RUN + 7
    answer = any_classifier.classify(made_up.evidence([4] * n, cutouts=False))
    check(answer, n)


@pytest.mark.parametrize("shape", [(65, 65), (1, 63), (30, 31), (2, 2)])
def test_odd_sized_cutouts_are_used(any_classifier: BundleClassifier, shape: tuple[int, int]) -> None:
    whole = made_up.evidence([6])
    answer = any_classifier.classify(
        Evidence(whole.alerts, whole.light_curves, [made_up.triplet("ztf", shape)], whole.spectra)
    )
    check(answer, 1)
    place = MODALITIES.index("cutouts")
    assert answer.modalities[0, place] == used_for(any_classifier, "ztf")[place]


def test_cutouts_without_a_good_pixel_count_as_absent(any_classifier: BundleClassifier) -> None:
    whole = made_up.evidence([6])
    blank = np.full((63, 63), np.nan, np.float32)
    answer = any_classifier.classify(
        Evidence(whole.alerts, whole.light_curves, [CutoutTriplet("ztf", blank, None, blank)], whole.spectra)
    )
    check(answer, 1)
    assert not answer.modalities[0, MODALITIES.index("cutouts")]


def test_each_modality_moves_the_answer_where_it_has_weight(any_classifier: BundleClassifier) -> None:
    with_all = any_classifier.classify(made_up.evidence([12], spectra=True))
    without = any_classifier.classify(made_up.evidence([12]))
    assert with_all.modality_weights[0, MODALITIES.index("spectrum")] > 0
    assert np.abs(with_all.class_scores - without.class_scores).max() > 1e-3


def test_warming_up_changes_no_answer(any_classifier: BundleClassifier) -> None:
    evidence = made_up.evidence([3, 30])
    before = any_classifier.classify(evidence)
    any_classifier.warm_up()
    np.testing.assert_array_equal(before.class_scores, any_classifier.classify(evidence).class_scores)


def test_the_contributions_are_those_of_the_likeliest_class_to_the_trees_score(made_up_bundle: Path) -> None:
    evidence = made_up.evidence([3, 30, 0, 12])
    answer = load_bundle(made_up_bundle).classify(evidence)
    forest = Forest.read(made_up_bundle / TREES_FILE)
    statistics = light_curve_statistics(pool_nights(evidence.light_curves))
    given = forest.contributions(statistics, answer.class_scores.argmax(1))
    found = answer.contributions
    assert found.names == STATISTIC_NAMES
    assert (found.feature[2] == NO_FEATURE).all()
    for i in (0, 1, 3):
        for feature, value, contribution in zip(found.feature[i], found.value[i], found.contribution[i], strict=True):
            if feature != NO_FEATURE:
                assert contribution == pytest.approx(given[i, feature], rel=1e-6)
                np.testing.assert_equal(value, statistics[i, feature])
        named = found.feature[i][found.feature[i] != NO_FEATURE]
        left_out = np.setdiff1d(np.arange(given.shape[1]), named)
        assert len(named) == min(TOP_CONTRIBUTIONS, np.count_nonzero(given[i]))
        assert np.abs(given[i, left_out]).max() <= np.abs(found.contribution[i][: len(named)]).min() + 1e-6
