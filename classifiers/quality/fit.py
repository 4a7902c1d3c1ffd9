"""Fits the quality trees: real or bogus for each survey, and what is interesting. Needs LightGBM alone, no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt

from classifiers.data.augment import cut_short
from classifiers.data.judged import JudgedAlerts, read_judged_alerts, read_judged_night
from classifiers.data.labelled import LabelledCurves, read_light_curves, split_of
from classifiers.features.light_curve import pool_nights
from classifiers.features.metadata import METADATA_FEATURES
from classifiers.features.statistics import STATISTIC_NAMES, light_curve_statistics
from classifiers.forest import Forest
from classifiers.quality.features import (
    INTEREST_FEATURES,
    SURVEY_SCORES,
    interest_features,
    measure,
    quality_feature_names,
    quality_features,
)
from classifiers.quality.figures import interest_figures, real_figures
from classifiers.quality.serving import REAL_TREES, SELECTION_TREES, Quality
from classifiers.quality.stamps import STAMP_MEASURES
from schemas.light_curve import Float32Array, FloatArray, IntArray
from schemas.surveys.identity import SURVEYS
from schemas.taxonomy import CLASSES

INTERESTING: tuple[str, ...] = ("SN I", "SN II", "SLSN", "TDE")
"""Classes that the interest trees look for; AGN, CV, other, asteroids and bogus are what they turn away."""

ROUNDS = 120
"""Boosting rounds of each model."""

TEST = 2
"""Side of the split that nothing is fitted on."""

CURVE_COPIES = 3
"""Truncations of each labelled light curve that the interest trees see."""

LONGEST_COPY = 64
"""Most detections of such a truncation."""

FOLDS = 5
"""Folds, by object, of the interest figures."""

PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.06,
    "num_leaves": 12,
    "min_data_in_leaf": 30,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "verbose": -1,
    "num_threads": 1,
    "deterministic": True,
}
"""LightGBM's parameters."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Examples:
    """Rows for a binary model: features (n, k), targets (n,) in 0 to 1, weights (n,)."""

    features: Float32Array
    target: FloatArray
    weight: FloatArray

    @staticmethod
    def joined(parts: list[Examples]) -> Examples:
        """All rows of several."""
        return Examples(*(np.concatenate([getattr(part, name) for part in parts]) for name in Examples.__slots__))


def fit_quality(
    folder: Path, out: Path, rng: np.random.Generator, simulated: Path | None = None, progress: Progress = print
) -> dict[str, Any]:
    """Fits all three models, writes their text into `out` and returns the card's part on quality.

    `folder`: a data folder. `simulated`: a folder with nights of `streamer simulate --mixture rich` in `ztf/` and
    `lsst/`, and in `ztf-test/` and `lsst-test/` nights of other seeds that only the figures see. Without it the trees
    have the survey's own score for a teacher and no bogus detection that is known to be one.
    """
    seed = int(rng.integers(2**31))
    data: dict[str, Judged] = {}
    figures: dict[str, Any] = {}
    for survey in SURVEYS:
        progress(f"quality: reading {survey.upper()} alerts")
        real = read_judged_alerts(folder, survey)
        named = (survey, f"{survey}-test") if simulated is not None else ()
        nights = [read_judged_night(simulated / name, survey) for name in named if simulated is not None]
        progress(f"quality: fitting the real/bogus trees of {survey.upper()}")
        figures[survey] = _real(survey, real, nights, out, seed)
        data[survey] = Judged(real, nights)
    progress("quality: fitting the interest trees")
    curves = read_light_curves(folder)
    figures["interest"] = _interest(data, curves, out, seed, rng)
    return {"interesting": list(INTERESTING), "counts": _counts(data, curves), "metrics": figures}


@dataclass(frozen=True, slots=True)
class Judged:
    """All alerts of one survey."""

    real: JudgedAlerts
    nights: list[JudgedAlerts]
    """Simulated: one that is fitted on, then one of another seed for the figures; or none."""


def _real(survey: str, real: JudgedAlerts, nights: list[JudgedAlerts], out: Path, seed: int) -> dict[str, Any]:
    """Writes a survey's real/bogus trees and fills the real score of all its alerts; their figures.

    Figures of real alerts come from folds by object, those of simulated ones from the night that is not fitted on.
    """
    names = quality_feature_names(survey)
    measures = [_completed(each) for each in (real, *nights)]
    rows = [quality_features(each.alerts, values) for each, values in zip((real, *nights), measures, strict=True)]
    night = [real_examples(nights[0], rows[1])] if nights else []

    def fitted(keep: npt.NDArray[np.bool_], is_blind: bool) -> lightgbm.Booster:
        chosen = np.flatnonzero(keep)
        examples = Examples.joined([real_examples(real.take(chosen), rows[0][chosen]), *night])
        return fit_binary(without_survey_score(examples, survey) if is_blind else examples, names, seed)

    kept = split_of(real.alerts.object_id) != TEST
    model = fitted(kept, False)
    model.save_model(str(out / REAL_TREES[survey]))
    score, blind_score = ([_forest(each).predict(r) for r in rows] for each in (model, fitted(kept, True)))
    for each, values in zip((real, *nights), score, strict=True):
        each.alerts.real_score = values.copy()
    fold = fold_of(real.alerts.object_id)
    for k in np.unique(fold):
        held = fold == k
        for scores, is_blind in ((score, False), (blind_score, True)):
            scores[0][held] = _forest(fitted(~held, is_blind)).predict(rows[0][held])
    return real_figures((real, *nights[1:]), (score[0], *score[2:]), (blind_score[0], *blind_score[2:]))


def _forest(model: lightgbm.Booster) -> Forest:
    return Forest.of_text(model.model_to_string())


def _completed(judged: JudgedAlerts) -> Float32Array:
    """Stamp measures of alerts, whose quality bits they complete."""
    measures, bits = measure(judged.alerts, judged.cutouts)
    judged.alerts.quality = judged.alerts.quality | bits
    return measures


def real_examples(judged: JudgedAlerts, features: Float32Array) -> Examples:
    """Three looks at each alert of which anything is known: whole, without the survey's score, without stamps.

    Certain bogus and certain real ones weigh the same in sum; an alert whose teacher is the survey's score weighs as
    much as a certain one.
    """
    known = np.flatnonzero(~np.isnan(judged.real))
    whole = features[known]
    target = judged.real[known]
    weight = np.ones(len(known))
    certain = judged.is_certain[known]
    bogus = certain & (target == 0.0)
    if bogus.any():
        weight[bogus] = np.sum(certain & (target == 1.0)) / bogus.sum()
    unscored, unseen = whole.copy(), whole.copy()
    unscored[:, : SURVEY_SCORES[judged.alerts.survey]] = np.nan
    unseen[:, -len(STAMP_MEASURES) :] = np.nan
    return Examples(
        np.concatenate([whole, unscored, unseen]), np.tile(target, 3), np.concatenate([weight, weight, 0.3 * weight])
    )


def without_survey_score(examples: Examples, survey: str) -> Examples:
    """The same rows, the survey's own scores as missing: for a model that never saw them."""
    features = examples.features.copy()
    features[:, : SURVEY_SCORES[survey]] = np.nan
    return Examples(features, examples.target, examples.weight)


def fit_binary(examples: Examples, names: tuple[str, ...], seed: int) -> lightgbm.Booster:
    """A binary model with soft targets: a row of target p counts as real with weight p and as bogus with 1 - p."""
    soft = (examples.target > 0.0) & (examples.target < 1.0)
    features = np.concatenate([examples.features, examples.features[soft]])
    label = np.concatenate([(examples.target > 0.0).astype(np.float64), np.zeros(soft.sum())])
    share = np.where(soft, examples.target, 1.0)
    weight = np.concatenate([examples.weight * share, (examples.weight * (1.0 - share))[soft]])
    data = lightgbm.Dataset(features, label, weight=weight, feature_name=list(names))
    return lightgbm.train(PARAMETERS | {"seed": seed}, data, ROUNDS)


def _interest(
    data: dict[str, Judged], curves: LabelledCurves, out: Path, seed: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Writes the interest trees; figures of five folds by object over all labelled real alerts."""
    real = data["ztf"].real
    alerts = real.take(np.flatnonzero(real.label >= 0))
    cut = [cut_short(curves.curves, LONGEST_COPY, rng) for _ in range(CURVE_COPIES)]
    curve_rows = np.concatenate([_curve_features(light_curve_statistics(pool_nights(each))) for each in cut])
    curve_label, curve_id = np.tile(curves.label, CURVE_COPIES), curves.object_id * CURVE_COPIES
    alert_rows, alert_id = interest_features(alerts.alerts, alerts.curves), alerts.alerts.object_id
    night = [
        balanced(interest_features(each.alerts, each.curves), is_interesting(each.label))
        for survey in SURVEYS
        for each in data[survey].nights[:1]
    ]

    def fitted(keep_alert: npt.NDArray[np.bool_], keep_curve: npt.NDArray[np.bool_]) -> lightgbm.Booster:
        parts = [
            balanced(alert_rows[keep_alert], is_interesting(alerts.label[keep_alert])),
            balanced(curve_rows[keep_curve], is_interesting(curve_label[keep_curve])),
            *night,
        ]
        return fit_binary(Examples.joined(parts), INTEREST_FEATURES, seed)

    alert_fold, curve_fold = fold_of(alert_id), fold_of(curve_id)
    score = np.full(len(alerts), np.nan)
    for fold in np.unique(alert_fold):
        forest = _forest(fitted(alert_fold != fold, curve_fold != fold))
        score[alert_fold == fold] = forest.predict(alert_rows[alert_fold == fold])
    model = fitted(split_of(alert_id) != TEST, split_of(curve_id) != TEST)
    model.save_model(str(out / SELECTION_TREES))
    quality = Quality({}, _forest(model))
    aside = [each for survey in SURVEYS for each in data[survey].nights[1:]]
    return interest_figures(
        is_interesting(alerts.label) > 0,
        score,
        alert_id,
        [(each, is_interesting(each.label) > 0, quality.interest(each.alerts, each.curves)) for each in aside],
    )


def is_interesting(label: IntArray) -> FloatArray:
    """1 for the classes of `INTERESTING`, 0 for others and for none, shape (n,)."""
    return np.isin(label, [CLASSES.index(name) for name in INTERESTING]).astype(np.float64)


def fold_of(object_ids: list[str]) -> IntArray:
    """Fold of each object by the SHA-256 of its id, digits that the split does not use, shape (n,)."""
    return np.array([int(hashlib.sha256(name.encode()).hexdigest(), 16) // 25 % FOLDS for name in object_ids], np.int64)


def balanced(features: Float32Array, target: FloatArray) -> Examples:
    """Both answers weigh the same in sum, whatever their numbers."""
    share = target.mean() if len(target) else 0.5
    weight = np.where(target > 0, 0.5 / max(share, 1e-9), 0.5 / max(1.0 - share, 1e-9))
    return Examples(features, target, weight)


def _curve_features(statistics: Float32Array) -> Float32Array:
    """Interest features of light curves that have no packet: the rest is missing."""
    rest = np.full((len(statistics), 1 + len(METADATA_FEATURES)), np.nan, np.float32)
    assert rest.shape[1] + len(STATISTIC_NAMES) == len(INTEREST_FEATURES)
    return np.concatenate([rest, statistics], axis=1)


def _counts(data: dict[str, Judged], curves: LabelledCurves) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for survey, judged in data.items():
        names = ("real", "simulated", "simulated, figures only")
        for name, each in zip(names, (judged.real, *judged.nights), strict=False):
            counts[f"{survey} {name}"] = {
                "alerts": len(each),
                "certainly real": int(np.sum(each.is_certain & (each.real == 1.0))),
                "certainly bogus": int(np.sum(each.is_certain & (each.real == 0.0))),
            }
    return {**counts, "light curves": {"objects": len(curves.label)}}
