"""What an alert costs, as measured; `streamer bench kafka` and `streamer bench sizes` measure it anew."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Drain:
    """One case of `streamer bench kafka`: how fast a backlog drained, and what an alert cost."""

    workers: int
    filled: bool
    """Whether the objects were known before."""
    alerts_per_s: float
    busy_ms: float
    """Wall time of an alert in its worker's one line of stages [ms]."""
    workers_ms: float
    """CPU time of an alert in the workers [ms]; below, in the broker and in MongoDB."""
    broker_ms: float
    mongodb_ms: float
    rest_ms: float
    """... and in the bench itself, which is survey and subscriber."""
    cores_used: float
    rss_mb: float
    """Memory of the largest worker [MB]."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Drains of one machine."""

    cores: int
    drains: tuple[Drain, ...]
    """With the mongodb store."""
    sqlite_per_s: float | None
    """What one worker with the sqlite store drained [alerts/s]; None where that was not measured."""

    def worker_per_s(self) -> tuple[float, float]:
        """Alerts a second of one worker, slow and fast, from the cases with the fewest workers."""
        fewest = min(drain.workers for drain in self.drains)
        rates = [1000.0 / drain.busy_ms for drain in self.drains if drain.workers == fewest]
        return min(rates), max(rates)

    def expected_per_s(self, workers: int, drain: Drain) -> float:
        """What so many workers should drain on this machine's cores, from the costs in another case.

        Either every worker's line is full, or all cores are.
        """
        cpu_ms = drain.workers_ms + drain.broker_ms + drain.mongodb_ms + drain.rest_ms
        return min(workers * 1000.0 / drain.busy_ms, self.cores * 1000.0 / cpu_ms)


def drain_of(case: Mapping[str, Any]) -> Drain:
    """A case of the bench's JSON report; KeyError, TypeError or ValueError where it is none."""
    cpu_ms = {name: float(value) for name, value in case["cpu_ms"].items()}
    rss_mb = [float(mb) for each in case["rss_mb"].values() for mb in each]
    drain = Drain(
        int(case["workers"]),
        bool(case["filled"]),
        float(case["alerts_per_s"]),
        round(sum(float(value) for value in case["stage_ms"].values()), 3),
        round(cpu_ms["workers"], 3),
        round(cpu_ms.get("broker", 0.0), 3),
        round(cpu_ms.get("MongoDB", 0.0), 3),
        round(cpu_ms.get("bench", 0.0), 3),
        float(case["cores_used"]),
        max(rss_mb),
    )
    above_0 = drain.workers, drain.alerts_per_s, drain.busy_ms, drain.workers_ms, drain.rss_mb
    others = drain.broker_ms, drain.mongodb_ms, drain.rest_ms
    if min(above_0) <= 0 or min(others) < 0 or not all(map(math.isfinite, (*above_0, *others))):
        raise ValueError("a case has a rate or a cost that none can have")
    return drain


def measured_of(report: Mapping[str, Any]) -> Measured:
    """What a report of `streamer bench kafka --json` says of the mongodb store; errors as `drain_of`."""
    cases: Sequence[Mapping[str, Any]] = report["cases"]
    drains = tuple(drain_of(case) for case in cases if case["store"] == "mongodb")
    if not drains:
        raise ValueError("no case has the mongodb store")
    return Measured(int(report["cores"]), drains, sqlite_per_s=None)


HERE = Measured(
    2,
    (
        # workers, filled, alerts/s, busy [ms], CPU [ms]: workers, broker, MongoDB, the rest; cores used, memory [MB]
        Drain(1, False, 349.4, 2.793, 1.242, 0.693, 3.023, 0.05, 1.75, 636.0),
        Drain(1, True, 469.4, 2.066, 1.179, 0.335, 1.431, 0.039, 1.4, 628.0),
        Drain(2, False, 561.8, 3.051, 1.373, 0.622, 1.314, 0.039, 1.88, 637.0),
        Drain(2, True, 659.9, 2.501, 1.212, 0.463, 0.914, 0.034, 1.73, 611.0),
        Drain(3, False, 556.1, 4.058, 1.653, 0.34, 1.356, 0.046, 1.89, 641.0),
        Drain(3, True, 703.8, 3.952, 1.269, 0.295, 1.052, 0.034, 1.86, 581.0),
        Drain(4, False, 622.4, 5.324, 1.46, 0.255, 1.26, 0.041, 1.88, 667.0),
        Drain(4, True, 684.3, 5.13, 1.278, 0.304, 1.105, 0.039, 1.87, 637.0),
    ),
    sqlite_per_s=954.6,
)
"""`streamer bench kafka --alerts 5000 --workers 1,2` and `3,4` with real packets, half LSST and half ZTF, on 26
November 2026: two cores of an AMD EPYC, other programs on them too (load average 1.5 to 3.4), MongoDB's stand-in of
`make services`. The sqlite store: the same day and machine, `--store sqlite --workers 1`, the slower of two cases."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of an alert, by where they lie. `packed` is how a server keeps them, compressed."""

    packet: float
    packet_packed: float
    """With snappy, one by one."""
    scored: float
    """A message with its key, framed."""
    scored_packed: float
    scored_schema_packed: float
    """What its schema adds where no schema registry is configured; below, to an embedding."""
    embedding: float
    embedding_packed: float
    embedding_schema_packed: float
    seen: float
    seen_packed: float
    alert: float
    alert_packed: float
    object: float
    """An object's document without rows."""
    rows_per_alert: float
    """Light-curve rows for each detection: itself, and forced photometry or limits."""
    row: float
    object_share: float
    """What snappy leaves of objects with their rows, 0 to 1."""
    first_object: float
    """An object that comes for the first time, with the history of its packet."""
    cutouts: float
    cutouts_packed: float
    document: float
    """A score of the MongoDB sink."""
    document_packed: float
    parquet: float
    lance: float


SIZES = {
    "lsst": Sizes(
        packet=117_755, packet_packed=60_968, scored=485, scored_packed=201, scored_schema_packed=104, embedding=672,
        embedding_packed=532, embedding_schema_packed=42, seen=94, seen_packed=17, alert=2_266, alert_packed=437,
        object=210, rows_per_alert=2.30, row=56, object_share=0.597, first_object=3_769, cutouts=28_902,
        cutouts_packed=15_640, document=1_571, document_packed=337, parquet=207, lance=567,
    ),
    "ztf": Sizes(
        packet=72_484, packet_packed=49_453, scored=650, scored_packed=251, scored_schema_packed=102, embedding=657,
        embedding_packed=529, embedding_schema_packed=38, seen=94, seen_packed=14, alert=962, alert_packed=540,
        object=203, rows_per_alert=3.26, row=56, object_share=0.471, first_object=1_526, cutouts=40_082,
        cutouts_packed=40_087, document=1_815, document_packed=423, parquet=225, lance=561,
    ),
}  # fmt: skip
"""`streamer bench sizes` on 26 November 2026 with the bundle `second-light`: 106 real LSST packets of v10 and v11 (68
alerts), 450 of ZTF's public sample. The tables' rows, and ZTF's rows an alert, are of 768 simulated packets of one
night each: the samples of real ones are spread over many nights. Documents are packed as WiredTiger's pages would be,
32 KiB with snappy; messages with zstd, ten together."""

INDEX_ENTRY = 24.0
"""An entry of a MongoDB index: a key of 8 to 16 bytes, its record's number, and pages that are two thirds full [byte].
Reckoned and not measured: the MongoDB of our tests keeps its indexes in another way."""

INDEXES = {"seen": 2, "alerts": 3, "objects": 2, "cutouts": 2, "scored_alerts": 3}
"""Indexes of each collection: `_id` and when it was written, an alert's object too; those of the MongoDB sink."""
