"""Class scores under the card's prior and under an operator's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.bundle import open_bundle
from classifiers.prior import log_prior, prior_mark, prior_shares
from classifiers.serving import BundleClassifier
from classifiers.temperature import class_scores, fine_scores
from schemas.taxonomy import CLASSES, FINE_PARENT
from tests.classifiers import made_up

NATURAL = {"SN I": 70, "SN II": 17, "SLSN": 1, "CV": 5, "AGN": 4, "TDE": 1, "other": 2}


def test_scores_follow_bayes_rule_for_another_mixture() -> None:
    alike = prior_shares(dict.fromkeys(CLASSES, 1.0))
    ratio = log_prior(prior_shares(NATURAL)) - log_prior(alike)
    logits = np.log(np.array([[0.5, 0.5, *[1e-9] * 5]]))
    scores = class_scores(logits, np.ones(1), log_prior(alike), ratio)
    np.testing.assert_allclose(scores[0, :2], np.array([70, 17]) / 87, rtol=1e-5)


@given(
    st.lists(st.floats(-30, 30), min_size=7, max_size=7),
    st.floats(0.2, 5.0),
    st.lists(st.floats(0.01, 1.0), min_size=7, max_size=7),
)
def test_scores_sum_to_one_and_move_by_the_ratio_of_the_priors(
    logits: list[float], temperature: float, shares: list[float]
) -> None:
    card = log_prior(prior_shares(NATURAL))
    own = log_prior(prior_shares(dict(zip(CLASSES, shares, strict=True))))
    given_logits, at = np.array([logits]), np.array([temperature])
    before = class_scores(given_logits, at, card)[0].astype(np.float64)
    after = class_scores(given_logits, at, card, own - card)[0]
    assert after.sum() == pytest.approx(1.0, abs=1e-5)
    moved = before * np.exp(own - card)
    np.testing.assert_allclose(after, moved / moved.sum(), atol=1e-5)


def test_a_class_of_share_0_has_no_score_however_sure_the_evidence() -> None:
    own = log_prior(prior_shares({**NATURAL, "SN I": 0.0}))
    card = log_prior(prior_shares(NATURAL))
    scores = class_scores(np.array([[500.0, *[0.0] * 6]]), np.ones(1), card, own - card)
    assert scores[0, 0] == 0.0
    assert scores.sum() == pytest.approx(1.0, abs=1e-6)


def test_leaves_sum_to_their_parents() -> None:
    rng = np.random.default_rng(1)
    scores = rng.dirichlet(np.ones(7), 20).astype(np.float32)
    fine = fine_scores(scores, rng.normal(0.0, 5.0, (20, 6)))
    for parent in set(FINE_PARENT):
        leaves = [leaf for leaf, above in enumerate(FINE_PARENT) if above == parent]
        np.testing.assert_allclose(fine[:, leaves].sum(axis=1), scores[:, parent], rtol=1e-5)


@pytest.mark.parametrize(
    ("prior", "said"),
    [
        ({"SN I": 1.0}, "lacks SN II, SLSN"),
        ({**NATURAL, "SN Ia": 1.0}, "this one has SN Ia"),
        (dict.fromkeys(CLASSES, 0.0), "not all of them 0"),
        ({**NATURAL, "TDE": -1.0}, "0 or more"),
        ({**NATURAL, "TDE": float("nan")}, "0 or more"),
    ],
)
def test_a_prior_that_makes_no_sense_is_refused(prior: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        prior_shares(prior)


def test_counts_and_shares_are_one_prior() -> None:
    shares = prior_shares(NATURAL)
    assert shares.sum() == pytest.approx(1.0)
    assert prior_mark(shares) == prior_mark(prior_shares({name: 3.0 * count for name, count in NATURAL.items()}))


def test_an_operators_prior_is_another_version_and_leaves_sets_and_novelty(made_up_bundle: Path) -> None:
    bundle = open_bundle(made_up_bundle)
    plain = BundleClassifier(bundle)
    one, two = (BundleClassifier(bundle, {**NATURAL, "TDE": count}) for count in (1, 30))
    assert len({plain.version, one.version, two.version}) == 3
    assert len({plain.bundle_hash, one.bundle_hash, two.bundle_hash}) == 3
    evidence = made_up.evidence([1, 7, 30, 0], cutouts=False, metadata=False)
    answers = [classifier.classify(evidence) for classifier in (plain, one, two)]
    for answer, classifier in zip(answers, (plain, one, two), strict=True):
        assert (answer.version, answer.bundle_hash) == (classifier.version, classifier.bundle_hash)
        np.testing.assert_array_equal(answer.prediction_set, answers[0].prediction_set)
        np.testing.assert_array_equal(answer.novelty, answers[0].novelty)
        assert answer.unclassified_reason == [None, None, None, "no_photometry"]
    tde = CLASSES.index("TDE")
    assert (answers[2].class_scores[:3, tde] > answers[1].class_scores[:3, tde]).all()
    said = answers[1].calibration[0]
    assert said is not None
    assert said["method"].endswith("; then an operator's own prior")
