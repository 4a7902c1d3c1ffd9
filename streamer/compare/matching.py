"""Simulated packets like the real ones: the same schema version, class, band and magnitude, in the same proportions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from schemas.light_curve import FloatArray, IntArray
from schemas.packet import Coordinates, Packet
from streamer.compare.real import RealPackets
from streamer.compare.sample import Keys, Names, Sample, describe, join, keys_of, kinds_by_packet, reader_of
from streamer.simulate.night import PACKETS_PER_FIELD, NightPlan, simulate_night
from streamer.simulate.packet import SimulatedPacket
from streamer.simulate.sky.mixture import POPULATIONS

MAG_BIN = 0.5
"""Width of a bin of magnitude."""

SIMULATED_PER_REAL = 3
"""A bin gets up to so many simulated packets for each real one."""

POOL_PER_REAL = {"ztf": 8, "lsst": 15}
"""Simulated for each real packet, to choose from: LSST has six bands, and a field of a night is seen in two."""

LEAST_POOL = 160

FIELDS_PER_NIGHT = 2
"""At least: fewer fields in more nights would take longer."""

MOST_NIGHTS = 6
"""Nights over which a pool is spread at most, each with weather of its own."""

MOST_POOL = 800
"""Simulated at most of a class in one schema version."""


@dataclass(slots=True)
class Matched:
    """Real packets, and simulated ones that weigh as much in each bin."""

    real: Sample
    simulated: Sample
    weight: FloatArray
    """(simulated,) their sum in a bin is the number of real packets there."""
    unmatched: Counter[str] = field(default_factory=Counter)
    """Real packets of each class for which none was simulated with its band and magnitude."""


def match(real: RealPackets, seed: int) -> Matched | None:
    """Simulates what the real packets are like; None where nothing was simulated like any of them."""
    reader = reader_of(real.survey)
    versions = np.array(real.alerts.schema_version, dtype=np.str_)
    keys = keys_of(real.alerts, real.kind)
    rng = np.random.default_rng(seed)
    parts: list[tuple[Sample, FloatArray]] = []
    kept = np.zeros(len(versions), dtype=bool)
    for number, (version, kinds, labelled) in enumerate(_pools(real, versions)):
        rows = np.flatnonzero((versions == version) & np.isin(real.kind, kinds) & (real.labelled == labelled))
        label = kinds[0] if labelled else None
        for plans in _plans(real.survey, version, label, len(rows), seed * 1_000 + number):
            wanted = rows[~kept[rows]]
            if len(wanted):
                nights = [_Night(plan, label) for plan in plans]
                chosen, weight, met = choose(rng, _take(keys, wanted), _joined([night.keys() for night in nights]))
                kept[wanted[met]] = True
                parts += _described(nights, chosen, weight)
    if not parts:
        return None
    met_real = describe(reader, real.alerts.take(np.flatnonzero(kept)), real.kind[kept])
    unmatched = Counter(real.kind[~kept].tolist())
    return Matched(met_real, join([part for part, _ in parts]), np.concatenate([w for _, w in parts]), unmatched)


class _Night:
    """A simulated night of a pool, and what is known of its packets before their features are made."""

    def __init__(self, plan: NightPlan, label: str | None) -> None:
        """Of one label, or of what the packets say that they are."""
        self.plan = plan
        self.reader = reader_of(plan.survey)
        self.alerts, rejected = self.reader.read([as_packet(packet) for packet in simulate_night(plan)])
        if rejected:
            raise ValueError(f"a simulated packet cannot be read: {rejected[0].reason}, {rejected[0].detail}")
        named = np.full(len(self.alerts), label, dtype="<U16")
        self.kind = kinds_by_packet(self.alerts) if label is None else named

    def keys(self) -> Keys:
        """What its packets are matched by."""
        return keys_of(self.alerts, self.kind)

    def sample(self, index: IntArray) -> Sample:
        """Some of its packets with their features; its groups are its own."""
        sample = describe(self.reader, self.alerts.take(index), self.kind[index])
        group = [f"{self.plan.seed} {name}" for name in sample.group]
        return replace(sample, group=np.array(group, dtype=np.str_))


def _described(nights: list[_Night], chosen: IntArray, weight: FloatArray) -> Iterator[tuple[Sample, FloatArray]]:
    begin = 0
    for night in nights:
        here = (chosen >= begin) & (chosen < begin + len(night.alerts))
        if here.any():
            yield night.sample(chosen[here] - begin), weight[here]
        begin += len(night.alerts)


def _joined(keys: list[Keys]) -> Keys:
    return Keys(*(np.concatenate([getattr(one, name) for one in keys]) for name in ("kind", "band", "mag")))


def _take(keys: Keys, index: IntArray) -> Keys:
    return Keys(keys.kind[index], keys.band[index], keys.mag[index])


def _pools(real: RealPackets, versions: Names) -> Iterator[tuple[str, list[str], bool]]:
    """(schema version, kinds, labelled): each label for itself, all that the packets say of themselves together."""
    for version in np.unique(versions):
        here = versions == version
        for label in np.unique(real.kind[here & real.labelled]):
            yield str(version), [str(label)], True
        if (unlabelled := here & ~real.labelled).any():
            yield str(version), np.unique(real.kind[unlabelled]).tolist(), False


def _plans(survey: str, version: str, label: str | None, n_real: int, seed: int) -> list[list[NightPlan]]:
    """A labelled class is simulated alone; for the others the whole sky is, then one where the rare is common."""
    wanted = min(max(POOL_PER_REAL[survey] * n_real, LEAST_POOL), MOST_POOL)
    nights = min(wanted // (FIELDS_PER_NIGHT * PACKETS_PER_FIELD), MOST_NIGHTS)
    types = tuple(population.type for population in POPULATIONS if label and population.label == label)
    mixtures = ["sky", "rich"] if label is None else ["sky"] if types else []
    return [
        [
            NightPlan(survey, wanted // nights, (seed * 10 + turn) * 100 + night, 1, mixture, types, version)
            for night in range(nights)
        ]
        for turn, mixture in enumerate(mixtures)
    ]


def as_packet(packet: SimulatedPacket) -> Packet:
    """A simulated packet as a source would hand it out."""
    return Packet(Coordinates("simulated", packet.file_name), packet.payload, 0.0)


def _cells(keys: Keys) -> list[tuple[str, int, int]]:
    bins = np.floor(np.nan_to_num(keys.mag, nan=99.0) / MAG_BIN).astype(int)
    return list(zip(keys.kind.tolist(), keys.band.tolist(), bins.tolist(), strict=True))


def choose(rng: np.random.Generator, real: Keys, simulated: Keys) -> tuple[IntArray, FloatArray, list[int]]:
    """Fills each bin of kind, band and magnitude: (simulated to take, their weights, real ones that have a match)."""
    places: dict[tuple[str, int, int], list[int]] = {}
    for i, cell in enumerate(_cells(simulated)):
        places.setdefault(cell, []).append(i)
    members: dict[tuple[str, int, int], list[int]] = {}
    for i, cell in enumerate(_cells(real)):
        members.setdefault(cell, []).append(i)
    chosen: list[int] = []
    weight: list[float] = []
    met: list[int] = []
    for cell, rows in members.items():
        there = places.get(cell, [])
        if there:
            taken = rng.permutation(there)[: SIMULATED_PER_REAL * len(rows)]
            chosen += taken.tolist()
            weight += [len(rows) / len(taken)] * len(taken)
            met += rows
    return np.array(chosen, dtype=np.int64), np.array(weight), met
