"""Two samples are told apart by what differs, by objects not seen before, and not at all where nothing differs."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.compare.tables import Table
from streamer.compare.telling import FOLDS, LEAST, Side, auc_within, halves_apart, tell_apart, weighted_auc

COLUMNS = 12


def side(seed: int, n: int = 200, groups: int = 60) -> Side:
    rng = np.random.default_rng(seed)
    names = tuple(f"column {i}" for i in range(COLUMNS))
    owner = np.array([f"{seed} {i}" for i in rng.integers(groups, size=n)])
    return Side(Table(names, rng.normal(size=(n, COLUMNS))), owner, np.ones(n))


def test_equal_samples_are_not_told_apart() -> None:
    told = tell_apart(side(1), side(2), 0)
    assert told is not None
    assert told.low < 0.5 < told.high
    assert told.high - told.low < 0.2
    assert told.alone == []


def test_what_was_shifted_is_named_first() -> None:
    real, simulated = side(1), side(2)
    simulated.table.values[:, 7] += 2.0
    told = tell_apart(real, simulated, 0)
    assert told is not None
    assert told.auc > 0.85
    assert told.tells[0].name == told.alone[0].name == "column 7"
    assert told.tells[0].simulated_median - told.tells[0].real_median == pytest.approx(2.0, abs=0.3)


def test_a_number_that_one_side_lacks_gives_it_away() -> None:
    real, simulated = side(1), side(2)
    simulated.table.values[:150, 3] = np.nan
    told = tell_apart(real, simulated, 0)
    assert told is not None
    assert told.alone[0].name == "column 3"
    assert told.alone[0].auc_alone == pytest.approx(0.875)
    assert (told.alone[0].real_missing, told.alone[0].simulated_missing) == (0.0, 0.75)


def test_what_only_marks_a_group_tells_nothing_of_others() -> None:
    sides = [side(1, groups=20), side(2, groups=20)]
    for one in sides:
        _, place = np.unique(one.owner, return_inverse=True)
        one.table.values[:, 0] = np.random.default_rng(len(one)).normal(size=20)[place]
        one.table.values[:, 1] = place + 0.1 * (one is sides[0])  # a code of the group, and so of the side
    one_by_one = [
        Side(one.table, np.array([f"{k} {i}" for i in range(len(one))]), one.weight) for k, one in enumerate(sides)
    ]
    leaking, told = tell_apart(*one_by_one, 0), tell_apart(*sides, 0)
    assert leaking is not None
    assert told is not None
    assert leaking.auc > told.auc + 0.1


def test_weights_make_samples_equal() -> None:
    real, simulated = side(1, 400), side(2, 400)
    bright = np.arange(400) < 100
    real.table.values[bright, 0] += 3.0  # a quarter of the real ones, three quarters of the simulated ones
    simulated.table.values[:300, 0] += 3.0
    weighted = Side(simulated.table, simulated.owner, np.where(np.arange(400) < 300, 1.0 / 3.0, 3.0))
    plain, equal = tell_apart(real, simulated, 0), tell_apart(real, weighted, 0)
    assert plain is not None
    assert equal is not None
    assert equal.auc < 0.57
    assert plain.auc > equal.auc + 0.07


def test_few_packets_give_no_figure() -> None:
    assert tell_apart(side(1, LEAST - 1), side(2), 0) is None
    assert halves_apart(side(1, 2 * LEAST - 2), 0) is None


def test_halves_of_one_sample_are_alike() -> None:
    halves = halves_apart(side(3, 400, 200), 0)
    assert halves is not None
    mean, least, largest = halves
    assert least <= mean <= largest
    assert 0.4 < mean < 0.6


def test_the_auc_is_the_chance_of_a_higher_score() -> None:
    score, target = np.array([0.1, 0.4, 0.4, 0.9]), np.array([0, 0, 1, 1])
    assert weighted_auc(score, target, np.ones(4)) == pytest.approx(3.5 / 4.0)
    assert weighted_auc(score, target, np.array([3.0, 1.0, 1.0, 1.0])) == pytest.approx(7.5 / 8.0)


def test_folds_are_ranked_each_by_itself() -> None:
    """Trees that lean the other way in each fold order its rows, and not those of different folds."""
    fold = np.repeat(np.arange(FOLDS), 4)
    target = np.tile([0, 0, 1, 1], FOLDS)
    score = np.tile([0.0, 1.0, 2.0, 3.0], FOLDS) - 10.0 * fold
    weight = np.ones(len(fold))
    assert auc_within(fold, score, target, weight) == 1.0
    assert weighted_auc(score, target, weight) < 0.8
