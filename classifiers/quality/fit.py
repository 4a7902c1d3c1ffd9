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
    data: dict[str, list[JudgedAlerts]] = {}
    figures: dict[str, Any] = {}
    for survey in SURVEYS:
        progress(f"quality: reading {survey.upper()} alerts")
        real = read_judged_alerts(folder, survey)
        side = split_of(real.alerts.object_id)
        fitted = [real.take(np.flatnonzero(side != TEST))]
        held = [real.take(np.flatnonzero(side == TEST))]
        if simulated is not None:
            fitted.append(read_judged_night(simulated / survey, survey))
            held.append(read_judged_night(simulated / f"{survey}-test", survey))
        measures = [_completed(each) for each in (*fitted, *held)]
        examples = Examples.joined([real_examples(*pair) for pair in zip(fitted, measures, strict=False)])
        model = fit_binary(examples, quality_feature_names(survey), seed)
        model.save_model(str(out / REAL_TREES[survey]))
        forest = Forest.of_text(model.model_to_string())
        for each, values in zip((*fitted, *held), measures, strict=True):
            each.alerts.real_score = forest.predict(quality_features(each.alerts, values))
        blind = fit_binary(without_survey_score(examples, survey), quality_feature_names(survey), seed)
        figures[survey] = real_figures(held, measures[len(fitted) :], Forest.of_text(blind.model_to_string()))
        data[survey] = [*fitted, *held]
    progress("quality: fitting the interest trees")
    curves = read_light_curves(folder)
    figures["interest"] = _interest(data, curves, out, seed, rng)
    return {"interesting": list(INTERESTING), "counts": _counts(data, curves), "metrics": figures}


def _completed(judged: JudgedAlerts) -> Float32Array:
    """Stamp measures of alerts, whose quality bits they complete."""
    measures, bits = measure(judged.alerts, judged.cutouts)
    judged.alerts.quality = judged.alerts.quality | bits
    return measures


def real_examples(judged: JudgedAlerts, measures: Float32Array) -> Examples:
    """Three looks at each alert of which anything is known: whole, without the survey's score, without stamps.

    Certain bogus and certain real ones weigh the same in sum; an alert whose teacher is the survey's score weighs as
    much as a certain one.
    """
    known = np.flatnonzero(~np.isnan(judged.real))
    whole = quality_features(judged.alerts, measures)[known]
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
    data: dict[str, list[JudgedAlerts]], curves: LabelledCurves, out: Path, seed: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Writes the interest trees; figures of five folds by object over the labelled real alerts of both sides."""
    alerts, simulated = _labelled(data["ztf"]), [each for each in (*data["ztf"], *data["lsst"]) if _is_simulated(each)]
    cut = [cut_short(curves.curves, LONGEST_COPY, rng) for _ in range(CURVE_COPIES)]
    curve_rows = np.concatenate([_curve_features(light_curve_statistics(pool_nights(each))) for each in cut])
    curve_label, curve_id = np.tile(curves.label, CURVE_COPIES), curves.object_id * CURVE_COPIES
    alert_rows = np.concatenate([interest_features(each.alerts, each.curves) for each in alerts])
    alert_label = np.concatenate([each.label for each in alerts])
    alert_id = [name for each in alerts for name in each.alerts.object_id]
    seen_nights = [each for k, each in enumerate(simulated) if k % 2 == 0]
    night = [_balanced(interest_features(each.alerts, each.curves), is_interesting(each.label)) for each in seen_nights]

    def fitted(keep_alert: npt.NDArray[np.bool_], keep_curve: npt.NDArray[np.bool_]) -> lightgbm.Booster:
        parts = [
            _balanced(alert_rows[keep_alert], is_interesting(alert_label[keep_alert])),
            _balanced(curve_rows[keep_curve], is_interesting(curve_label[keep_curve])),
            *night,
        ]
        return fit_binary(Examples.joined([part for part in parts if len(part.target)]), INTEREST_FEATURES, seed)

    alert_fold, curve_fold = fold_of(alert_id), fold_of(curve_id)
    score = np.full(len(alert_label), np.nan)
    for fold in range(FOLDS):
        forest = Forest.of_text(fitted(alert_fold != fold, curve_fold != fold).model_to_string())
        score[alert_fold == fold] = forest.predict(alert_rows[alert_fold == fold])
    model = fitted(split_of(alert_id) != TEST, split_of(curve_id) != TEST)
    model.save_model(str(out / SELECTION_TREES))
    forest = Forest.of_text(model.model_to_string())
    quality = Quality({}, forest)
    return interest_figures(
        is_interesting(alert_label),
        score,
        alert_id,
        {
            f"{each.alerts.survey} simulated": (each, quality.interest(each.alerts, each.curves))
            for k, each in enumerate(simulated)
            if k % 2 == 1
        },
    )


def is_interesting(label: IntArray) -> FloatArray:
    """1 for the classes of `INTERESTING`, 0 for others and for none, shape (n,)."""
    return np.isin(label, [CLASSES.index(name) for name in INTERESTING]).astype(np.float64)


def fold_of(object_ids: list[str]) -> IntArray:
    """Fold of each object by the SHA-256 of its id, digits that the split does not use, shape (n,)."""
    return np.array([int(hashlib.sha256(name.encode()).hexdigest(), 16) // 25 % FOLDS for name in object_ids], np.int64)


def _is_simulated(judged: JudgedAlerts) -> bool:
    """A night's truth makes every alert certain and knows bogus ones; no list of real alerts does."""
    return bool(judged.is_certain.all() and (judged.real == 0.0).any())


def _labelled(real: list[JudgedAlerts]) -> list[JudgedAlerts]:
    return [each.take(np.flatnonzero(each.label >= 0)) for each in real if not _is_simulated(each)]


def _balanced(features: Float32Array, target: FloatArray) -> Examples:
    """Both answers weigh the same in sum, whatever their numbers."""
    share = target.mean() if len(target) else 0.5
    weight = np.where(target > 0, 0.5 / max(share, 1e-9), 0.5 / max(1.0 - share, 1e-9))
    return Examples(features, target, weight)


def _curve_features(statistics: Float32Array) -> Float32Array:
    """Interest features of light curves that have no packet: the rest is missing."""
    rest = np.full((len(statistics), 1 + len(METADATA_FEATURES)), np.nan, np.float32)
    assert rest.shape[1] + len(STATISTIC_NAMES) == len(INTEREST_FEATURES)
    return np.concatenate([rest, statistics], axis=1)


def _counts(data: dict[str, list[JudgedAlerts]], curves: LabelledCurves) -> dict[str, dict[str, int]]:
    counts = {
        f"{survey} {'simulated' if _is_simulated(each) else 'real'}{' (figures only)' if 2 * k >= len(sets) else ''}": {
            "alerts": len(each),
            "certainly real": int(np.sum(each.is_certain & (each.real == 1.0))),
            "certainly bogus": int(np.sum(each.is_certain & (each.real == 0.0))),
        }
        for survey, sets in data.items()
        for k, each in enumerate(sets)
    }
    return {**counts, "light curves": {"objects": len(curves.label)}}
