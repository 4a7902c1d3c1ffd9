"""Figures of the quality models: what is measured on real alerts and what on simulated ones, told apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from classifiers.data.judged import JudgedAlerts
from classifiers.forest import Forest
from classifiers.quality.features import SURVEY_SCORES, quality_features
from schemas.alert import QUALITY_FLAGS
from schemas.light_curve import Float32Array, FloatArray

REJECTED = 0.9
"""Share of the simulated bogus detections that a threshold rejects at which recalls are given."""

SURE_REAL, SURE_BOGUS = 0.9, 0.1
"""The survey's own score above, or below, which it is sure."""

FEWEST = 10
"""A figure over fewer alerts of a side is not given, only their number."""


def auc(positive: npt.NDArray[np.bool_], score: FloatArray) -> float:
    """Chance that a positive scores above a negative, ties half (Mann & Whitney 1947); NaN without one of them."""
    order = np.argsort(score, kind="stable")
    _, first, count = np.unique(score[order], return_index=True, return_counts=True)
    rank = np.empty(len(score))
    rank[order] = np.repeat(first + (count + 1) / 2.0, count)
    n, m = int(positive.sum()), int((~positive).sum())
    return float((rank[positive].sum() - n * (n + 1) / 2.0) / (n * m)) if n and m else float("nan")


def real_figures(held: list[JudgedAlerts], measures: list[Float32Array], blind: Forest) -> dict[str, Any]:
    """Figures of one survey's real score over alerts held aside; `blind` never saw the survey's own score."""
    scores = [each.alerts.real_score for each in held]
    blinds = [
        blind.predict(_without(quality_features(each.alerts, values), SURVEY_SCORES[each.alerts.survey]))
        for each, values in zip(held, measures, strict=True)
    ]
    real, night = held[0], held[1] if len(held) > 1 else None
    own = real.alerts.survey_real_score
    sure = (own >= SURE_REAL) | (own <= SURE_BOGUS)
    out: dict[str, Any] = {
        "real alerts": {
            "n": len(real),
            "sure of the survey: real": int((own >= SURE_REAL).sum()),
            "sure of the survey: bogus": int((own <= SURE_BOGUS).sum()),
            "auc against the survey, its score unseen": _figure(own[sure] >= SURE_REAL, blinds[0][sure]),
            "flags": _flag_counts(real),
        }
    }
    if night is None:
        return out
    truth = night.real == 1.0
    threshold, blind_threshold = (float(np.quantile(each[1][~truth], REJECTED)) for each in (scores, blinds))
    certain = real.is_certain
    out["real alerts"] |= {
        "labelled": int(certain.sum()),
        "labelled kept where 90 % of simulated bogus go": _share(scores[0][certain] >= threshold),
        "the same, survey's score unseen": _share(blinds[0][certain] >= blind_threshold),
    }
    known = ~np.isnan(night.alerts.survey_real_score)
    out["simulated alerts"] = {
        "n": len(night),
        "bogus": int((~truth).sum()),
        "auc": _figure(truth, scores[1]),
        "auc, survey's score unseen": _figure(truth, blinds[1]),
        "auc of the survey's own score": _figure(truth[known], night.alerts.survey_real_score[known]),
        "threshold that rejects 90 % of bogus": round(threshold, 4),
        "real kept there": _share(scores[1][truth] >= threshold),
        "flags of real": _flag_counts(night.take(np.flatnonzero(truth))),
        "flags of bogus": _flag_counts(night.take(np.flatnonzero(~truth))),
    }
    return out


def interest_figures(
    truth: FloatArray,
    score: FloatArray,
    object_ids: list[str],
    simulated: dict[str, tuple[JudgedAlerts, FloatArray]],
) -> dict[str, Any]:
    """Figures of the interest score: of real labelled alerts by folds, and of simulated nights kept aside."""
    positive = truth > 0
    out: dict[str, Any] = {
        "real alerts, 5 folds by object": {
            "alerts": len(truth),
            "objects": len(set(object_ids)),
            "interesting alerts": int(positive.sum()),
            "auc": _figure(positive, score),
            "uninteresting kept where 95 % of the interesting are": _share(
                score[~positive] >= np.quantile(score[positive], 0.05)
            ),
        }
    }
    for name, (judged, values) in simulated.items():
        wanted = np.isin(judged.label, (0, 1, 2, 5))
        bogus = judged.real == 0.0
        threshold = float(np.quantile(values[wanted], 0.05))
        out[name] = {
            "alerts": len(judged),
            "interesting alerts": int(wanted.sum()),
            "auc": _figure(wanted, values),
            "bogus kept where 95 % of the interesting are": _share(values[bogus] >= threshold),
        }
    return out


def _without(features: Float32Array, scores: int) -> Float32Array:
    features[:, :scores] = np.nan
    return features


def _figure(positive: npt.NDArray[np.bool_], score: FloatArray) -> float | None:
    few = min(int(positive.sum()), int((~positive).sum())) < FEWEST
    return None if few else round(auc(positive, score), 4)


def _share(is_so: npt.NDArray[np.bool_]) -> float | None:
    return round(float(is_so.mean()), 4) if len(is_so) >= FEWEST else None


def _flag_counts(judged: JudgedAlerts) -> dict[str, int]:
    quality = judged.alerts.quality
    counts = {name: int((quality >> bit & 1).sum()) for bit, name in enumerate(QUALITY_FLAGS)}
    return {name: count for name, count in counts.items() if count}
