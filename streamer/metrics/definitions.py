"""Every metric of a worker: name, meaning, labels and buckets. docs/metrics.md is made from this table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

M = TypeVar("M", Counter, Gauge, Histogram)

STAGE_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0)
"""Upper bounds [s]: a stage takes milliseconds for a batch; a store that is nearly away takes seconds."""

LATENCY_BUCKETS_S = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0)
"""Upper bounds [s]: finest around the aim of half a second; 60 s is what Rubin itself may take."""

BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 10_000)
"""Upper bounds [messages]: up to the largest batch that can be configured."""


REAL_SCORE_BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
"""Upper bounds: finest at both ends, where most alerts are."""


@dataclass(frozen=True, slots=True)
class Definition(Generic[M]):
    """One metric."""

    kind: type[M]
    name: str
    """As Prometheus shows it; a histogram's series add _bucket, _sum and _count."""
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram."""

    def made(self, registry: CollectorRegistry) -> M:
        """The metric itself, on `registry`."""
        more: dict[str, Any] = {"buckets": self.buckets} if self.buckets else {}
        return self.kind(self.name, self.meaning, self.labels, registry=registry, **more)


LANE = ("cluster", "topic", "partition")
"""Labels that name a partition."""

MESSAGES = Definition(
    Counter,
    "streamer_messages_total",
    "Messages by what became of them: scored, filtered, duplicate or dead_letter, with the reason where there is one.",
    ("outcome", "reason"),
)
SCORES = Definition(
    Counter,
    "streamer_scores_total",
    "Scored alerts by survey and predicted class; class `unclassified` where no model could answer.",
    ("survey", "class"),
)
UNCLASSIFIED = Definition(
    Counter, "streamer_unclassified_total", "Scored alerts that no model could classify, by reason.", ("reason",)
)
UNCALIBRATED = Definition(
    Counter,
    "streamer_uncalibrated_total",
    "Classified alerts whose scores no labelled alert of their kind stands behind, by survey.",
    ("survey",),
)
REAL_SCORE = Definition(
    Histogram,
    "streamer_real_score_ratio",
    "Real scores (0 bogus, 1 real) of the alerts whose stamps were looked at, by survey.",
    ("survey",),
    REAL_SCORE_BUCKETS,
)
QUALITY = Definition(
    Counter,
    "streamer_quality_flags_total",
    "Alerts whose stamps were looked at and that have a quality flag, by survey and flag.",
    ("survey", "flag"),
)
RECEIVED = Definition(Counter, "streamer_received_bytes_total", "Bytes of the messages that were taken in.")
BATCH = Definition(Histogram, "streamer_batch_messages", "Messages in a batch.", buckets=BATCH_BUCKETS)
STAGE = Definition(
    Histogram,
    "streamer_stage_seconds",
    "Time of one batch in each stage of the pipeline.",
    ("stage",),
    STAGE_BUCKETS_S,
)
LATENCY = Definition(
    Histogram,
    "streamer_latency_seconds",
    "From a message's publishing by the survey to its committed outcome; messages that do not say when are left out.",
    buckets=LATENCY_BUCKETS_S,
)
LAST_BATCH = Definition(Gauge, "streamer_last_batch_timestamp_seconds", "When the last batch was committed.")
ASSIGNED = Definition(Gauge, "streamer_assigned_lanes", "Partitions that are this worker's.")
LAG = Definition(Gauge, "streamer_lag_messages", "Messages published and not yet taken, by partition.", LANE)
PARKED = Definition(
    Gauge,
    "streamer_parked_lane",
    "1 for each partition that waits, with the reason; gone when it goes on.",
    (*LANE, "reason"),
)
FAILURES = Definition(
    Counter,
    "streamer_failures_total",
    "What went wrong and was waited out or done again, by kind: a dependency away, a batch taken back.",
    ("kind",),
)
BUILD = Definition(
    Gauge, "streamer_build_info", "Always 1: which worker this is.", ("deployment", "slot", "host", "version")
)
MODEL = Definition(
    Gauge, "streamer_model_info", "Always 1: the classifier that answers.", ("model", "version", "bundle_hash")
)
STORE = Definition(Gauge, "streamer_store_info", "Always 1: where objects are kept.", ("store",))

DEFINITIONS: tuple[Definition[Counter] | Definition[Gauge] | Definition[Histogram], ...] = (
    MESSAGES, SCORES, UNCLASSIFIED, UNCALIBRATED, REAL_SCORE, QUALITY, RECEIVED, BATCH, STAGE, LATENCY, LAST_BATCH,
    ASSIGNED, LAG, PARKED, FAILURES, BUILD, MODEL, STORE,
)  # fmt: skip
"""All of them, in the order of the docs page."""
