"""Figures of the quality models: what is measured on real alerts and what on simulated ones, told apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from classifiers.data.judged import JudgedAlerts
from schemas.alert import QUALITY_FLAGS
from schemas.light_curve import FloatArray

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


def real_figures(
    judged: Sequence[JudgedAlerts], scores: Sequence[FloatArray], blinds: Sequence[FloatArray]
) -> dict[str, Any]:
    """Figures of one survey's real score: over real alerts and, where there is one, over a simulated night.

    `scores`, (n,) of each: by models that did not see these objects; `blinds`: nor the survey's own score of any.
    """
    real, own = judged[0], judged[0].alerts.survey_real_score
    sure = (own >= SURE_REAL) | (own <= SURE_BOGUS)
    of_real: dict[str, Any] = {
        "n": len(real),
        "survey's score at least 0.9": int((own >= SURE_REAL).sum()),
        "survey's score at most 0.1": int((own <= SURE_BOGUS).sum()),
        "auc of these two, survey's score unseen": _figure(own[sure] >= SURE_REAL, blinds[0][sure]),
        "flags": _flag_counts(real),
        "flags where the survey's score is at least 0.9": _flag_counts(real.take(np.flatnonzero(own >= SURE_REAL))),
    }
    if len(judged) == 1:
        return {"real alerts": of_real}
    night = judged[1]
    truth, certain = night.real == 1.0, real.is_certain
    threshold, blind_threshold = (float(np.quantile(each[1][~truth], REJECTED)) for each in (scores, blinds))
    of_real |= {
        "labelled": int(certain.sum()),
        "labelled kept where 90 % of simulated bogus go": _share(scores[0][certain] >= threshold),
        "the same, survey's score unseen": _share(blinds[0][certain] >= blind_threshold),
    }
    of_night = {
        "n": len(night),
        "bogus": int((~truth).sum()),
        "auc": _figure(truth, scores[1]),
        "auc, survey's score unseen": _figure(truth, blinds[1]),
        "auc of the survey's own score": _figure(truth, night.alerts.survey_real_score),
        "threshold that rejects 90 % of bogus": round(threshold, 4),
        "real kept there": _share(scores[1][truth] >= threshold),
        "flags of real": _flag_counts(night.take(np.flatnonzero(truth))),
        "flags of bogus": _flag_counts(night.take(np.flatnonzero(~truth))),
    }
    return {"real alerts": of_real, "simulated alerts": of_night}


def interest_figures(
    wanted: npt.NDArray[np.bool_],
    score: FloatArray,
    object_ids: list[str],
    nights: list[tuple[JudgedAlerts, npt.NDArray[np.bool_], FloatArray]],
) -> dict[str, Any]:
    """Figures of the interest score: of real labelled alerts by folds, and of simulated nights kept aside.

    `nights`: each with which alerts are interesting, (n,), and their scores, (n,).
    """
    out: dict[str, Any] = {
        "real alerts, 5 folds by object": {
            "alerts": len(wanted),
            "objects": len(set(object_ids)),
            "interesting alerts": int(wanted.sum()),
            "auc": _figure(wanted, score),
            "threshold that keeps 95 %": round(_keeping(score[wanted]), 4),
            "others kept there": _share(score[~wanted] >= _keeping(score[wanted])),
        }
    }
    for judged, is_wanted, values in nights:
        threshold = _keeping(values[is_wanted])
        out[f"simulated {judged.alerts.survey} alerts"] = {
            "alerts": len(judged),
            "interesting alerts": int(is_wanted.sum()),
            "auc": _figure(is_wanted, values),
            "threshold that keeps 95 %": round(threshold, 4),
            "other real ones kept there": _share(values[~is_wanted & (judged.real > 0)] >= threshold),
            "bogus kept there": _share(values[judged.real == 0] >= threshold),
        }
    return out


def _keeping(scores: FloatArray) -> float:
    """The threshold that keeps 95 % of these; NaN of none."""
    return float(np.quantile(scores, 0.05)) if len(scores) else float("nan")


def _figure(positive: npt.NDArray[np.bool_], score: FloatArray) -> float | None:
    few = min(int(positive.sum()), int((~positive).sum())) < FEWEST
    return None if few else round(auc(positive, score), 4)


def _share(is_so: npt.NDArray[np.bool_]) -> float | None:
    return round(float(is_so.mean()), 4) if len(is_so) >= FEWEST else None


def _flag_counts(judged: JudgedAlerts) -> dict[str, int]:
    quality = judged.alerts.quality
    counts = {name: int((quality >> bit & 1).sum()) for bit, name in enumerate(QUALITY_FLAGS)}
    return {name: count for name, count in counts.items() if count}
