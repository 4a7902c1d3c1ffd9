"""The whole comparison: each survey and encoding, each group of features, whole and by class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from schemas.light_curve import FloatArray
from streamer.compare.curves import CurveSets, compare_curves
from streamer.compare.matching import Matched, match
from streamer.compare.real import PUBLISHED, read_real
from streamer.compare.sample import FORCED, GROUPS, HISTORY, METADATA, STAMPS, Names, Sample
from streamer.compare.tables import Table
from streamer.compare.telling import LEAST, Side, Told, halves_apart, tell_apart, weighted_auc

ALL = "all together"
"""Metadata, light curve and stamps in one table."""

LIGHT_CURVES = "object light curves"


@dataclass(frozen=True, slots=True)
class Figure:
    """One AUC, with the one of real against real."""

    row: str
    """Survey and encoding of the packets, or whose light curves."""
    group: str
    n_real: int
    n_simulated: int
    told: Told | None
    """None where a side has too few."""
    halves: tuple[float, float, float] | None
    """Mean, least and largest AUC of one half of the real against the other; None where these are too few."""
    by_kind: dict[str, tuple[float, int, int]] = field(default_factory=dict)
    """Class: (AUC within it, real, simulated packets)."""


@dataclass(slots=True)
class Comparison:
    """All figures, and the samples behind them for the pictures."""

    seed: int
    figures: list[Figure] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    matched: dict[str, Matched] = field(default_factory=dict)
    curves: CurveSets | None = None


def compare(folder: Path, survey: str | None, seed: int, say: Callable[[str], None]) -> Comparison:
    """Compares what the folder holds with simulated nights of this seed; `say` hears what is being done."""
    data = read_real(folder, survey, seed)
    found = Comparison(seed, left_out=dict(data.left_out))
    for real in data.packets:
        row = f"{real.survey.upper()} {real.encoding}"
        say(f"{row}: simulating packets like {len(real.alerts):,} real ones")
        matched = match(real, seed)
        if matched is None:
            found.left_out[f"{row}: nothing simulated like them"] = len(real.alerts)
            continue
        for kind, count in matched.unmatched.items():
            found.left_out[f"{row}, {kind}: none simulated of such band and magnitude"] = count
        found.matched[row] = matched
        for group in (*GROUPS, ALL):
            if group == FORCED and real.survey == "ztf" and real.encoding != PUBLISHED:
                continue  # re-encoding lost it
            say(f"{row}: telling apart by {group}")
            found.figures.append(_figure(row, group, matched, seed))
    if survey in (None, "ztf"):
        found.curves = compare_curves(folder / "light_curves.parquet", seed, say)
        for label, pair in found.curves.items():
            real_side, simulated_side = pair.sides()
            told = tell_apart(real_side, simulated_side, seed)
            halves = halves_apart(real_side, seed)
            row = f"ZTF light curves, {label}"
            found.figures.append(Figure(row, LIGHT_CURVES, len(real_side), len(simulated_side), told, halves))
    return found


def _figure(row: str, group: str, matched: Matched, seed: int) -> Figure:
    real, simulated = (_table(sample, group) for sample in (matched.real, matched.simulated))
    # Rows without any forced photometry say nothing about it.
    there = [_there(table) if group == FORCED else np.ones(len(table), dtype=bool) for table in (real, simulated)]
    ones = np.ones(len(real))
    sides = [
        Side(real, matched.real.group, ones).take(there[0]),
        Side(simulated, matched.simulated.group, matched.weight).take(there[1]),
    ]
    told = tell_apart(sides[0], sides[1], seed)
    kinds = [matched.real.keys.kind[there[0]], matched.simulated.keys.kind[there[1]]]
    by_kind = _by_kind(told, sides, kinds) if told else {}
    return Figure(row, group, len(sides[0]), len(sides[1]), told, halves_apart(sides[0], seed), by_kind)


def _table(sample: Sample, group: str) -> Table:
    if group != ALL:
        return sample.groups[group]
    metadata, history, stamps = (sample.groups[name] for name in (METADATA, HISTORY, STAMPS))
    return metadata.beside(history).beside(stamps)


def _there(table: Table) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isfinite(table.values).any(axis=1))


def _by_kind(told: Told, sides: list[Side], kinds: list[Names]) -> dict[str, tuple[float, int, int]]:
    found = {}
    n = len(sides[0])
    for kind in np.unique(kinds[0]):
        rows = [np.flatnonzero(kinds[0] == kind), np.flatnonzero(kinds[1] == kind)]
        if min(len(part) for part in rows) >= LEAST:
            index = np.concatenate([rows[0], n + rows[1]])
            weight: FloatArray = np.concatenate([sides[0].weight[rows[0]], sides[1].weight[rows[1]]])
            auc = weighted_auc(told.score[index], (index >= n).astype(np.int64), weight)
            found[str(kind)] = (auc, len(rows[0]), len(rows[1]))
    return found
