"""Runs the pipeline over a source that ends: archives, folders, a simulated night."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from schemas.packet import Packet
from schemas.surveys.reading import Rejected
from streamer.outcomes import Outcomes
from streamer.pipeline import Pipeline

BATCH_MAX_BYTES = 64 * 2**20
"""A batch ends when its packets reach this size, whatever their number [byte]."""


@dataclass(slots=True)
class ReplayReport:
    """What a replay did."""

    outcomes: Outcomes = field(default_factory=Outcomes)
    seconds: float = 0.0

    @property
    def alerts_per_second(self) -> float:
        """Messages taken all the way, by wall clock."""
        return self.outcomes.received / self.seconds if self.seconds > 0 else 0.0

    def as_json(self) -> dict[str, Any]:
        """The report for machines."""
        counts = self.outcomes
        return {
            "received": counts.received,
            "scored": counts.scored,
            "filtered": counts.filtered.total(),
            "duplicate": counts.duplicate,
            "dead_letter": counts.dead_letter.total(),
            "seconds": round(self.seconds, 3),
            "alerts_per_second": round(self.alerts_per_second, 1),
            "filtered_by_reason": dict(counts.filtered),
            "dead_letter_by_reason": dict(counts.dead_letter),
            "unclassified_by_reason": dict(counts.unclassified),
            "uncalibrated_by_survey": dict(+counts.uncalibrated),
            "classes": {f"{survey}:{name}": count for (survey, name), count in sorted(counts.classes.items())},
        }


def replay(
    source: Iterable[Packet | Rejected],
    pipeline: Pipeline,
    max_alerts: int,
    after_batch: Callable[[ReplayReport], None] = lambda report: None,
) -> ReplayReport:
    """Takes every packet of the source through the pipeline; dead letters never stop it."""
    report = ReplayReport()
    started = perf_counter()
    for batch in in_batches(source, max_alerts):
        report.outcomes.add(pipeline.process(batch))
        report.seconds = perf_counter() - started
        after_batch(report)
    report.seconds = perf_counter() - started
    return report


def in_batches(source: Iterable[Packet | Rejected], max_alerts: int) -> Iterator[list[Packet | Rejected]]:
    """Cuts a source into batches bounded by number and by bytes."""
    batch: list[Packet | Rejected] = []
    size = 0
    for item in source:
        batch.append(item)
        size += len(item.packet.payload if isinstance(item, Rejected) else item.payload)
        if len(batch) >= max_alerts or size >= BATCH_MAX_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
