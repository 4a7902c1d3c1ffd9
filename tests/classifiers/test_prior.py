"""Weighing class scores by another prior."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.prior import PriorWeighedClassifier
from schemas.prediction import EMBEDDING_LENGTH, Evidence, Predictions
from schemas.taxonomy import CLASSES

NOTHING = cast(Evidence, None)


class Fixed:
    """Answers with the given scores, whatever the evidence."""

    name, version, bundle_hash = "fixed", "1", "00"

    def __init__(self, scores: np.ndarray) -> None:
        self.scores = scores.astype(np.float32)

    def classify(self, evidence: Evidence) -> Predictions:
        n = len(self.scores)
        return Predictions(
            self.name,
            self.version,
            self.bundle_hash,
            self.scores,
            np.ones((n, len(CLASSES)), dtype=bool),
            np.zeros((n, EMBEDDING_LENGTH), dtype=np.float32),
            np.zeros(n, dtype=np.float32),
            np.ones((n, 4), dtype=bool),
            np.full((n, 4), 0.25, dtype=np.float32),
            [{"domain": "ztf", "n": 10, "method": "temperature"}, *[None] * (n - 1)],
            ["no_photometry" if np.isnan(row).any() else None for row in self.scores],
        )


def test_scores_follow_bayes_rule_for_another_mixture() -> None:
    own, new = np.array([0.5, 0.5, *[0.0] * 5]), {"SN I": 9.0, "SN II": 1.0}
    answer = PriorWeighedClassifier(Fixed(own[None]), new).classify(NOTHING)
    np.testing.assert_allclose(answer.class_scores, [[0.9, 0.1, 0, 0, 0, 0, 0]], rtol=1e-6)


@given(
    st.lists(st.floats(0.01, 1.0), min_size=7, max_size=7),
    st.dictionaries(st.sampled_from(CLASSES), st.floats(0.01, 100.0), min_size=1),
)
def test_scores_sum_to_one_and_keep_their_ratios(raw: list[float], weights: dict[str, float]) -> None:
    scores = np.array([raw]) / np.sum(raw)
    weighed = PriorWeighedClassifier(Fixed(scores), weights).classify(NOTHING).class_scores[0]
    assert weighed.sum() == pytest.approx(1.0, abs=1e-5)
    ratio = weighed / scores[0] / [weights.get(name, 1.0) for name in CLASSES]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)


def test_an_unclassified_alert_stays_so_and_an_excluded_one_says_why() -> None:
    scores = np.array([[1.0, *[0.0] * 6], [np.nan] * 7, [0.5, 0.5, *[0.0] * 5]])
    answer = PriorWeighedClassifier(Fixed(scores), {"SN I": 0.0}).classify(NOTHING)
    assert answer.unclassified_reason == ["prior_excludes_all", "no_photometry", None]
    assert np.isnan(answer.class_scores[:2]).all()
    assert answer.class_scores[2].tolist() == [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    assert not answer.prediction_set[0].any()


def test_other_weights_are_another_version_and_the_calibration_says_so() -> None:
    plain = Fixed(np.full((2, 7), 1 / 7))
    one, two = (PriorWeighedClassifier(plain, {"TDE": weight}) for weight in (0.1, 0.2))
    assert len({plain.version, one.version, two.version}) == 3
    assert len({plain.bundle_hash, one.bundle_hash, two.bundle_hash}) == 3
    answer = one.classify(NOTHING)
    assert (answer.version, answer.bundle_hash) == (one.version, one.bundle_hash)
    assert answer.calibration == [{"domain": "ztf", "n": 10, "method": "temperature, then prior weights"}, None]


@pytest.mark.parametrize("weights", [{"SN Ia": 1.0}, dict.fromkeys(CLASSES, 0.0), {"TDE": -1.0}])
def test_weights_that_make_no_sense_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="weights are numbers"):
        PriorWeighedClassifier(Fixed(np.zeros((1, 7))), weights)
