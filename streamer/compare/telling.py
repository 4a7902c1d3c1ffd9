"""How well a LightGBM tells two samples apart, by packets of objects that it has not seen, and by which features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np

from schemas.light_curve import FloatArray, IntArray
from streamer.compare.sample import Names
from streamer.compare.tables import Table

FOLDS = 5
LEAST = 10
"""Of fewer packets on a side no figure is given."""

ROUNDS = 120
RESAMPLES = 200
"""Bootstrap samples of objects for an interval of 95 %."""

TOP = 8
"""Features named."""

ALONE = 0.65
"""AUC of a feature alone that is worth a mention."""

_PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.06,
    "num_leaves": 8,
    "min_data_in_leaf": 5,
    "feature_fraction": 0.4,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "max_bin": 63,
    "num_threads": 1,
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
}


@dataclass(frozen=True, slots=True)
class Tell:
    """A feature by which the two sides are told apart."""

    name: str
    gain_share: float
    """Of all that the trees gained."""
    auc_alone: float
    """AUC of this number by itself, of those that have it, or of having it at all, whichever is more; 0.5 or more."""
    real_median: float
    simulated_median: float
    real_missing: float
    """Share of packets without this number."""
    simulated_missing: float


@dataclass(frozen=True, slots=True)
class Told:
    """How well two samples are told apart."""

    n_real: int
    n_simulated: int
    objects_real: int
    objects_simulated: int
    auc: float
    low: float
    high: float
    """95 % of bootstrap samples of objects lie between."""
    tells: list[Tell]
    """The features by which the trees gain most."""
    alone: list[Tell]
    """The features that tell the sides apart by themselves, from `ALONE` on: what is left once the first are mended."""
    score: FloatArray
    """(real + simulated,) out-of-fold scores, real ones first."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of two samples."""

    table: Table
    owner: Names
    """(n,) object of each row: rows of one object are never on both sides of a fold."""
    weight: FloatArray

    def __len__(self) -> int:
        return len(self.owner)

    def take(self, index: Any) -> Side:
        """The rows in `index`."""
        return Side(self.table.take(index), self.owner[index], self.weight[index])


def tell_apart(real: Side, simulated: Side, seed: int) -> Told | None:
    """None where a side has fewer than `LEAST` rows."""
    if min(len(real), len(simulated)) < LEAST:
        return None
    names = tuple(name for name in real.table.names if name in simulated.table.names)
    names += tuple(name for name in (*real.table.names, *simulated.table.names) if name not in names)
    values = np.vstack([np.column_stack([side.table.column(name) for name in names]) for side in (real, simulated)])
    target = np.repeat([0, 1], [len(real), len(simulated)])
    weight = np.concatenate([real.weight / real.weight.mean(), simulated.weight / simulated.weight.mean()])
    weight[target == 1] *= len(real) / len(simulated)
    rng = np.random.default_rng(seed)
    owners = [np.unique(side.owner, return_inverse=True)[1] for side in (real, simulated)]
    fold = np.concatenate([_folds(rng, owner) for owner in owners])
    score, gain = _out_of_fold(values, target, weight, fold, seed)
    low, high = _interval(rng, score, target, weight, owners)
    return Told(
        len(real), len(simulated), *(int(owner.max()) + 1 for owner in owners),
        weighted_auc(score, target, weight), low, high, *_tells(names, gain, values, target, weight), score,
    )  # fmt: skip


def halves_apart(real: Side, seed: int, repeats: int = 5) -> tuple[float, float, float] | None:
    """(mean, least, largest) AUC of one half of the objects against the other, over random halves."""
    rng = np.random.default_rng(seed)
    owner = np.unique(real.owner, return_inverse=True)[1]
    found = []
    for repeat in range(repeats):
        first = (rng.permutation(owner.max() + 1) % 2 == 0)[owner]
        told = tell_apart(real.take(first), real.take(~first), seed + repeat)
        if told is None:
            return None
        found.append(told.auc)
    return float(np.mean(found)), min(found), max(found)


def weighted_auc(score: FloatArray, target: IntArray, weight: FloatArray) -> float:
    """Chance that a simulated row scores above a real one, ties counted half (weighted Mann-Whitney)."""
    levels, place = np.unique(score, return_inverse=True)
    one = np.bincount(place, weight * (target == 1), minlength=len(levels))
    zero = np.bincount(place, weight * (target == 0), minlength=len(levels))
    below = np.cumsum(zero) - zero
    return float((one * (below + 0.5 * zero)).sum() / (one.sum() * zero.sum()))


def _folds(rng: np.random.Generator, owner: IntArray) -> IntArray:
    fold: IntArray = (rng.permutation(owner.max() + 1) % FOLDS)[owner]
    return fold


def _out_of_fold(
    values: FloatArray, target: IntArray, weight: FloatArray, fold: IntArray, seed: int
) -> tuple[FloatArray, FloatArray]:
    """(scores of rows by trees that did not see their objects, gain of each feature)."""
    score = np.zeros(len(target))
    gain = np.zeros(values.shape[1])
    for k in range(FOLDS):
        seen = fold != k
        data = lightgbm.Dataset(
            values[seen], target[seen], weight=weight[seen], params={"verbosity": -1, "max_bin": 63}
        )
        trees = lightgbm.train(_PARAMETERS | {"seed": seed}, data, ROUNDS)
        score[~seen] = trees.predict(values[~seen], raw_score=True)
        gain += trees.feature_importance("gain")
    return score, gain / max(float(gain.sum()), 1e-12)


def _interval(
    rng: np.random.Generator, score: FloatArray, target: IntArray, weight: FloatArray, owners: list[IntArray]
) -> tuple[float, float]:
    found = []
    for _ in range(RESAMPLES):
        times = []
        for owner in owners:
            objects = int(owner.max()) + 1
            times.append(rng.multinomial(objects, np.full(objects, 1.0 / objects))[owner])
        found.append(weighted_auc(score, target, weight * np.concatenate(times)))
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return float(low), float(high)


def _tells(
    names: tuple[str, ...], gain: FloatArray, values: FloatArray, target: IntArray, weight: FloatArray
) -> tuple[list[Tell], list[Tell]]:
    """(those of most gain, those that tell most by themselves)."""
    tells = [
        _tell(name, float(share), values[:, i], target, weight)
        for i, (name, share) in enumerate(zip(names, gain, strict=True))
    ]
    by_gain = sorted(tells, key=lambda tell: -tell.gain_share)[:TOP]
    by_itself = sorted((tell for tell in tells if tell.auc_alone >= ALONE), key=lambda tell: -tell.auc_alone)
    return by_gain, by_itself


def _tell(name: str, gain_share: float, column: FloatArray, target: IntArray, weight: FloatArray) -> Tell:
    there = np.isfinite(column)
    sides = [there & (target == side) for side in (0, 1)]
    aucs = [weighted_auc(there.astype(np.float64), target, weight)]
    if all(side.any() for side in sides):
        aucs.append(weighted_auc(column[there], target[there], weight[there]))
    medians = [_median(column[side], weight[side]) for side in sides]
    missing = [float(np.average(~there[target == side], weights=weight[target == side])) for side in (0, 1)]
    return Tell(name, gain_share, max(max(auc, 1.0 - auc) for auc in aucs), *medians, *missing)


def _median(values: FloatArray, weight: FloatArray) -> float:
    if not len(values):
        return float("nan")
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    return float(values[order][int(np.searchsorted(total, 0.5 * total[-1]))])
