"""Simulated packets like the real ones: the same schema version, class, band and magnitude, in the same proportions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from schemas.alert import AlertBatch
from schemas.light_curve import FloatArray, IntArray
from schemas.packet import Coordinates, Packet
from streamer.compare.real import RealPackets
from streamer.compare.sample import Keys, Names, Sample, describe, join, keys_of, kinds_by_packet, reader_of
from streamer.simulate.night import NightPlan, simulate_night
from streamer.simulate.packet import SimulatedPacket
from streamer.simulate.sky.mixture import POPULATIONS

MAG_BIN = 0.5
"""Width of a bin of magnitude."""

SIMULATED_PER_REAL = 2
"""A bin gets up to so many simulated packets for each real one."""

POOL_PER_REAL = 5
"""Simulated for each real packet, to choose from."""

LEAST_POOL = 100

MOST_POOL = 1_000
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
    simulated: list[Sample] = []
    weights: list[FloatArray] = []
    kept = np.zeros(len(versions), dtype=bool)
    for number, (version, kinds, labelled) in enumerate(_pools(real, versions)):
        rows = np.flatnonzero((versions == version) & np.isin(real.kind, kinds) & (real.labelled == labelled))
        plans = _plans(real.survey, version, kinds[0] if labelled else None, len(rows), seed * 1_000 + number)
        for plan in plans:
            alerts, kind = _simulated(plan, kinds[0] if labelled else None)
            wanted = rows[~kept[rows]] if len(plans) > 1 else rows
            chosen, weight, met = choose(rng, _take(keys, wanted), keys_of(alerts, kind))
            kept[wanted[met]] = True
            if len(chosen):
                sample = describe(reader, alerts.take(chosen), kind[chosen])
                ids = [f"{plan.seed} {plan.mixture} {name}" for name in sample.object_id]  # nights may share ids
                simulated.append(replace(sample, object_id=np.array(ids, dtype=np.str_)))
                weights.append(weight)
    if not simulated:
        return None
    met_real = describe(reader, real.alerts.take(np.flatnonzero(kept)), real.kind[kept])
    return Matched(met_real, join(simulated), np.concatenate(weights), Counter(real.kind[~kept].tolist()))


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


def _plans(survey: str, version: str, label: str | None, n_real: int, seed: int) -> list[NightPlan]:
    """A labelled class is simulated alone; for the others the whole sky is, then one where the rare is common."""
    packets = min(max(POOL_PER_REAL * n_real, LEAST_POOL), MOST_POOL)
    if label is None:
        return [NightPlan(survey, packets, seed, mixture=mixture, schema=version) for mixture in ("sky", "rich")]
    types = tuple(population.type for population in POPULATIONS if population.label == label)
    return [NightPlan(survey, packets, seed, only=types, schema=version)] if types else []


def _simulated(plan: NightPlan, label: str | None) -> tuple[AlertBatch, Names]:
    packets = [as_packet(packet) for packet in simulate_night(plan)]
    alerts, rejected = reader_of(plan.survey).read(packets)
    if rejected:
        raise ValueError(f"a simulated packet cannot be read: {rejected[0].reason}, {rejected[0].detail}")
    return alerts, kinds_by_packet(alerts) if label is None else np.full(len(alerts), label, dtype="<U16")


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
