"""How well a LightGBM tells two samples apart, by packets of groups that it has not seen, and by which features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np

from schemas.light_curve import FloatArray, IntArray
from streamer.compare.sample import Names
from streamer.compare.tables import Index, Table, stack

FOLDS = 5
LEAST = 10
"""Of fewer packets on a side no figure is given."""

ROUNDS = 80
RESAMPLES = 100
"""Bootstrap samples of groups for an interval of 95 %."""

HALVINGS = 3
"""Random halves of the real sample."""

TOP = 8
"""Features named."""

ALONE = 0.65
"""AUC of a feature alone that is worth a mention."""

_BINNING: dict[str, Any] = {"max_bin": 63, "num_threads": 1, "verbosity": -1}

_PARAMETERS: dict[str, Any] = _BINNING | {
    "objective": "binary",
    "learning_rate": 0.08,
    "num_leaves": 8,
    "min_data_in_leaf": 5,
    "feature_fraction": 0.4,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
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
    groups_real: int
    groups_simulated: int
    auc: float
    low: float
    high: float
    """95 % of bootstrap samples of groups lie between."""
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
    """(n,) group of each row: rows of one group are never on both sides of a fold."""
    weight: FloatArray

    def __len__(self) -> int:
        return len(self.owner)

    @property
    def enough(self) -> bool:
        """Whether it has enough rows, of enough groups, for a figure."""
        return len(self) >= LEAST and len(np.unique(self.owner)) >= FOLDS

    def take(self, index: Index) -> Side:
        """The rows in `index`."""
        return Side(self.table.take(index), self.owner[index], self.weight[index])


def tell_apart(real: Side, simulated: Side, seed: int) -> Told | None:
    """None where a side has fewer than `LEAST` rows or `FOLDS` groups."""
    if not (real.enough and simulated.enough):
        return None
    rng = np.random.default_rng(seed)
    pair = _pair(real, simulated)
    score, gain, fold = _out_of_fold(rng, pair, seed)
    low, high = _interval(rng, score, fold, pair)
    by_gain, alone = _tells(pair, gain)
    groups = [int(owner.max()) + 1 for owner in pair.owners]
    auc = auc_within(fold, score, pair.target, pair.weight)
    return Told(len(real), len(simulated), groups[0], groups[1], auc, low, high, by_gain, alone, score)


def halves_apart(real: Side, seed: int) -> tuple[float, float, float] | None:
    """(mean, least, largest) AUC of one half of the groups against the other, over random halves."""
    if not real.enough:
        return None
    rng = np.random.default_rng(seed)
    owner = np.unique(real.owner, return_inverse=True)[1]
    found = []
    for repeat in range(HALVINGS):
        first = (rng.permutation(owner.max() + 1) % 2 == 0)[owner]
        halves = real.take(first), real.take(~first)
        if not all(half.enough for half in halves):
            return None
        pair = _pair(*halves)
        score, _, fold = _out_of_fold(rng, pair, seed + repeat)
        found.append(auc_within(fold, score, pair.target, pair.weight))
    return float(np.mean(found)), min(found), max(found)


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two sides as one matrix, the first side's rows first."""

    names: tuple[str, ...]
    values: FloatArray
    target: IntArray
    weight: FloatArray
    """Both sides weigh the same."""
    owners: tuple[IntArray, IntArray]


def _pair(first: Side, second: Side) -> _Pair:
    table = stack([first.table, second.table])
    target = np.repeat([0, 1], [len(first), len(second)])
    weight = np.concatenate([side.weight / side.weight.mean() for side in (first, second)])
    weight[target == 1] *= len(first) / len(second)
    owners = tuple(np.unique(side.owner, return_inverse=True)[1] for side in (first, second))
    return _Pair(table.names, table.values, target, weight, (owners[0], owners[1]))


def weighted_auc(score: FloatArray, target: IntArray, weight: FloatArray) -> float:
    """Chance that a simulated row scores above a real one, ties counted half (weighted Mann-Whitney)."""
    above, pairs = _pairs_above(score, target, weight)
    return above / pairs


def auc_within(fold: IntArray, score: FloatArray, target: IntArray, weight: FloatArray) -> float:
    """The same over pairs of rows of one fold only.

    What one fold has more of, the others have less of, and trees trained on these lean the other way: over pairs of
    different folds an AUC falls below what was learnt, down to 0.3 for two halves of one small sample.
    """
    each = [_pairs_above(score[of], target[of], weight[of]) for of in (fold == k for k in range(FOLDS))]
    above, pairs = np.sum(each, axis=0)
    return float(above / pairs)


def _pairs_above(score: FloatArray, target: IntArray, weight: FloatArray) -> tuple[float, float]:
    """Weight of the pairs in which the simulated row scores above the real one, and of all pairs."""
    levels, place = np.unique(score, return_inverse=True)
    one = np.bincount(place, weight * (target == 1), minlength=len(levels))
    zero = np.bincount(place, weight * (target == 0), minlength=len(levels))
    below = np.cumsum(zero) - zero
    return float((one * (below + 0.5 * zero)).sum()), float(one.sum() * zero.sum())


def _folds(rng: np.random.Generator, owner: IntArray) -> IntArray:
    fold: IntArray = (rng.permutation(owner.max() + 1) % FOLDS)[owner]
    return fold


def _out_of_fold(rng: np.random.Generator, pair: _Pair, seed: int) -> tuple[FloatArray, FloatArray, IntArray]:
    """(scores of rows by trees that did not see their groups, share of the gain of each feature, fold of each row)."""
    fold = np.concatenate([_folds(rng, owner) for owner in pair.owners])
    score = np.zeros(len(pair.target))
    gain = np.zeros(len(pair.names))
    for k in range(FOLDS):
        seen = fold != k
        data = lightgbm.Dataset(pair.values[seen], pair.target[seen], weight=pair.weight[seen], params=_BINNING)
        trees = lightgbm.train(_PARAMETERS | {"seed": seed}, data, ROUNDS)
        score[~seen] = trees.predict(pair.values[~seen], raw_score=True, num_threads=1)
        gain += trees.feature_importance("gain")
    return score, gain / max(float(gain.sum()), 1e-12), fold


def _interval(rng: np.random.Generator, score: FloatArray, fold: IntArray, pair: _Pair) -> tuple[float, float]:
    found = []
    for _ in range(RESAMPLES):
        times = []
        for owner in pair.owners:
            groups = int(owner.max()) + 1
            times.append(rng.multinomial(groups, np.full(groups, 1.0 / groups))[owner])
        found.append(auc_within(fold, score, pair.target, pair.weight * np.concatenate(times)))
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def _tells(pair: _Pair, gain: FloatArray) -> tuple[list[Tell], list[Tell]]:
    """(those of most gain, those that tell most by themselves)."""
    tells = [
        _tell(name, float(share), pair.values[:, i], pair.target, pair.weight)
        for i, (name, share) in enumerate(zip(pair.names, gain, strict=True))
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
