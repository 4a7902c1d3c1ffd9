"""Every metric: name, meaning, unit, labels and buckets. docs/metrics.md is made from this table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge

from streamer.metrics.histogram import BatchHistogram
from streamer.outcomes import YOUNG_DETECTIONS

M = TypeVar("M", Counter, Gauge, BatchHistogram)

STAGE_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0)
"""Upper bounds [s]: a stage takes milliseconds for a batch; a store that is nearly away takes seconds."""

LATENCY_BUCKETS_S = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0)
"""Upper bounds [s]: finest around the aim of half a second; 60 s is what Rubin itself may take."""

BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 10_000)
"""Upper bounds [messages]: up to the largest batch that can be configured."""

REAL_SCORE_BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
"""Upper bounds: finest at both ends, where most alerts are."""

SCORE_BUCKETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
"""Upper bounds of class scores and novelty."""

SET_BUCKETS = (0, 1, 2, 3, 4, 5, 6, 7)
"""Upper bounds [classes]: all that a set can hold."""

WRITE_BUCKETS_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds [s]: a sink writes thousands of rows at once."""


LOG_LEVELS = ("warning", "error", "critical")
"""Levels of log lines that are counted."""


@dataclass(frozen=True, slots=True)
class Definition(Generic[M]):
    """One metric."""

    kind: type[M]
    name: str
    """As Prometheus shows it; a histogram's series add _bucket, _sum and _count."""
    meaning: str
    """Its help, as Prometheus shows it."""
    unit: str
    """What one of it is; `1` is a share or a truth."""
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
    "messages",
    ("outcome", "reason"),
)
ALERTS = Definition(
    Counter,
    "streamer_alerts_total",
    "Alerts that could be read, by survey: scored, filtered or duplicate.",
    "alerts",
    ("survey",),
)
SCORES = Definition(
    Counter,
    "streamer_scores_total",
    "Scored alerts by survey and predicted class; class `unclassified` where no model could answer.",
    "alerts",
    ("survey", "class"),
)
YOUNG = Definition(
    Counter,
    "streamer_young_scores_total",
    f"Scored alerts of objects with at most {YOUNG_DETECTIONS} detections, by survey and predicted class.",
    "alerts",
    ("survey", "class"),
)
SELECTED = Definition(
    Counter,
    "streamer_selections_total",
    "Scored alerts by survey and selection; an alert may pass several.",
    "alerts",
    ("survey", "selection"),
)
UNCLASSIFIED = Definition(
    Counter,
    "streamer_unclassified_total",
    "Scored alerts that no model could classify, by reason.",
    "alerts",
    ("reason",),
)
UNCALIBRATED = Definition(
    Counter,
    "streamer_uncalibrated_total",
    "Classified alerts whose scores no labelled alert of their kind stands behind, by survey.",
    "alerts",
    ("survey",),
)
TOP_SCORE = Definition(
    BatchHistogram,
    "streamer_top_score_ratio",
    "Score of the predicted class, of each classified alert, by survey.",
    "1",
    ("survey",),
    SCORE_BUCKETS,
)
SET_SIZE = Definition(
    BatchHistogram,
    "streamer_prediction_set_classes",
    "Classes in the prediction set of each calibrated alert, by survey.",
    "classes",
    ("survey",),
    SET_BUCKETS,
)
NOVELTY = Definition(
    BatchHistogram,
    "streamer_novelty_ratio",
    "Novelty (0 like the training set, 1 unlike it) of each calibrated alert, by survey.",
    "1",
    ("survey",),
    SCORE_BUCKETS,
)
MISSING = Definition(
    Counter,
    "streamer_modality_missing_total",
    "Scored alerts whose answer did without a modality, by survey and modality.",
    "alerts",
    ("survey", "modality"),
)
REAL_SCORE = Definition(
    BatchHistogram,
    "streamer_real_score_ratio",
    "Real scores (0 bogus, 1 real) of the alerts whose stamps were looked at, by survey.",
    "1",
    ("survey",),
    REAL_SCORE_BUCKETS,
)
QUALITY = Definition(
    Counter,
    "streamer_quality_flags_total",
    "Alerts whose stamps were looked at and that have a quality flag, by survey and flag.",
    "alerts",
    ("survey", "flag"),
)
RECEIVED = Definition(Counter, "streamer_received_bytes_total", "Bytes of the messages that were taken in.", "bytes")
BATCH = Definition(BatchHistogram, "streamer_batch_messages", "Messages in a batch.", "messages", buckets=BATCH_BUCKETS)
STAGE = Definition(
    BatchHistogram,
    "streamer_stage_seconds",
    "Time of one batch in each stage of the pipeline.",
    "s",
    ("stage",),
    STAGE_BUCKETS_S,
)
LATENCY = Definition(
    BatchHistogram,
    "streamer_latency_seconds",
    "From a message's publishing by the survey to its committed outcome; messages that do not say when are left out.",
    "s",
    buckets=LATENCY_BUCKETS_S,
)
LAST_BATCH = Definition(
    Gauge, "streamer_last_batch_timestamp_seconds", "When the last batch was committed.", "s since 1970"
)
ASSIGNED = Definition(Gauge, "streamer_assigned_lanes", "Partitions that are this worker's.", "partitions")
ASSIGNMENTS = Definition(
    Counter, "streamer_assignments_total", "Times that the partitions of this worker have changed.", "changes"
)
LAG = Definition(
    Gauge, "streamer_lag_messages", "Messages published and not yet taken, by partition.", "messages", LANE
)
MISSING_TOPICS = Definition(
    Gauge,
    "streamer_missing_topics",
    "Configured topics that are not there, and clusters that are away or refuse us: they are waited for.",
    "topics",
)
PARKED = Definition(
    Gauge,
    "streamer_parked_lane",
    "1 for each partition that waits, with the reason; gone when it goes on.",
    "1",
    (*LANE, "reason"),
)
STATE = Definition(
    Gauge,
    "streamer_worker_state",
    "1 for the state that the worker is in (starting, running, waiting, parked, stopping), 0 for the others.",
    "1",
    ("state",),
)
READY = Definition(
    Gauge,
    "streamer_ready",
    "1 while a condition of being ready holds, else 0: models, store, assigned; of a sink: table, cluster.",
    "1",
    ("condition",),
)
FAILURES = Definition(
    Counter,
    "streamer_failures_total",
    "What went wrong and was waited out or done again, by kind: a dependency away, a batch taken back.",
    "failures",
    ("kind",),
)
LOG_LINES = Definition(
    Counter,
    "streamer_log_messages_total",
    "Log lines of warning and above, repeats included that were only counted in the log.",
    "lines",
    ("level",),
)
BUILD = Definition(
    Gauge, "streamer_build_info", "Always 1: which worker this is.", "1", ("deployment", "slot", "host", "version")
)
MODEL = Definition(
    Gauge, "streamer_model_info", "Always 1: the classifier that answers.", "1", ("model", "version", "bundle_hash")
)
STORE = Definition(Gauge, "streamer_store_info", "Always 1: where objects are kept.", "1", ("store",))
SUN = Definition(
    Gauge,
    "streamer_sun_altitude_degrees",
    "Altitude of the Sun at the telescope of each survey, without refraction; below -12 degrees it is night.",
    "deg",
    ("survey",),
)

SINK_MESSAGES = Definition(
    Counter,
    "streamer_sink_messages_total",
    "Messages that a sink has committed, by outcome: written, or unreadable (a dead letter).",
    "messages",
    ("sink", "outcome"),
)
SINK_WRITE = Definition(
    BatchHistogram,
    "streamer_sink_write_seconds",
    "Time of making one batch lasting, waits for what is away included.",
    "s",
    ("sink",),
    WRITE_BUCKETS_S,
)
SINK_WAITING = Definition(
    Gauge, "streamer_sink_waiting_messages", "Messages that a sink has read and not yet written.", "messages", ("sink",)
)
SINK_LAG = Definition(
    Gauge,
    "streamer_sink_lag_messages",
    "Messages published and not yet read by a sink, by partition.",
    "messages",
    ("sink", "topic", "partition"),
)
SINK_LAST_WRITE = Definition(
    Gauge,
    "streamer_sink_last_write_timestamp_seconds",
    "When a sink last committed a batch.",
    "s since 1970",
    ("sink",),
)

Metric: TypeAlias = Definition[Counter] | Definition[Gauge] | Definition[BatchHistogram]

WORKER: tuple[Metric, ...] = (
    MESSAGES, ALERTS, SCORES, YOUNG, SELECTED, UNCLASSIFIED, UNCALIBRATED, TOP_SCORE, SET_SIZE, NOVELTY, MISSING,
    REAL_SCORE, QUALITY, RECEIVED, BATCH, STAGE, LATENCY, LAST_BATCH, ASSIGNED, ASSIGNMENTS, LAG, MISSING_TOPICS,
    PARKED, STATE, READY, FAILURES, LOG_LINES, BUILD, MODEL, STORE, SUN,
)  # fmt: skip
"""Those of a worker, in the order of the docs page."""

SINK: tuple[Metric, ...] = (
    SINK_MESSAGES, SINK_WRITE, SINK_WAITING, SINK_LAG, SINK_LAST_WRITE, READY, FAILURES, LOG_LINES, BUILD,
)  # fmt: skip
"""Those of a sink."""
