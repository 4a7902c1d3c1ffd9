"""What a number of alerts a night takes: cores, memory, network, disks and partitions, from what an alert costs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from streamer.kafka.topics import TOPICS
from streamer.simulate.pace import VISIT_S
from streamer.sizing.costs import INDEX_ENTRY, INDEXES, SIZES, Measured, Sizes

BUSY_AT_PEAK = 0.7
"""So busy may workers and cores be at the peak, as a share: the rest is for slow hours and for catching up."""

DEAD_SHARE = 0.001
"""Share of the messages that are taken to become dead letters. There should be none."""

PARTITIONS_PER_WORKER = 2
"""Partitions of a survey's topic for each worker: when one is lost, the others share its partitions evenly."""

CACHED_S = 600.0
"""So much of the peak the brokers' page cache holds, so that sinks and workers a little behind read no disk [s]."""

BROKER_HEAP_GB = 1.0
"""Memory of a broker's process, as in `deploy/compose.yaml` [GB]."""

ROOM = 1.5
"""A worker gets so much of the memory that the largest one took: its batches may be of larger packets."""

LEAST_MEMORY_GB = 1.0
"""MongoDB gets so much at least [GB]."""

Range = tuple[float, float]
"""From a fast hour of the measured machine to a slow one."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and the configuration's part of the answer. Days are those of the keys under `state`."""

    survey: str
    alerts_per_night: int
    hours_per_night: float
    peak: float
    """Rate of the densest fields' visits over the night's mean."""
    scored_share: float
    """Share of the alerts that are selected and get a score."""
    alerts_per_object: float
    copy_days: float
    """How long a copy of the survey's topics is kept on the home cluster [d]; 0 where there is none."""
    replication: int
    framed: bool
    """Whether a schema registry is configured, so that messages do not carry their schema."""
    seen_days: int
    alerts_days: int
    light_curves_days: int
    cutouts_days: int
    session_timeout_s: float


@dataclass(frozen=True, slots=True)
class Kept:
    """What one topic, collection or table takes."""

    name: str
    days: float | None
    """How long it is kept [d]; None: for ever."""
    night_bytes: float
    """What a night adds, packed as its server packs it."""
    steady_bytes: float | None
    """What is there once as much goes as comes, with indexes and copies; None where nothing goes."""
    index_bytes: float = 0.0
    """Of it indexes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer."""

    question: Question
    mean_per_s: float
    peak_per_s: float
    visit_alerts: float
    """Alerts of a visit at the peak, which come at once."""
    worker_per_s: Range
    """What one worker scores [alerts/s]."""
    workers: tuple[int, int]
    """With one to spare."""
    cores: dict[str, Range]
    """Of the measured machine, `BUSY_AT_PEAK` busy at the peak."""
    visit_s: Range
    """Until a visit of the peak is scored [s]."""
    catch_up_s: Range
    """After a lost worker's session has ended, until the others have caught up [s]."""
    memory_gb: dict[str, Range]
    """MongoDB's: from the objects that a night touches to all objects."""
    network_mbit_s: dict[str, float]
    """At the peak."""
    partitions: dict[str, int]
    topics: tuple[Kept, ...]
    collections: tuple[Kept, ...]
    tables: tuple[Kept, ...]
    first_objects_bytes: float
    """What `objects` would grow by in a night in which each alert is a new object's, with the history of its packet
    [byte]: no night does more."""
    sqlite_would_do: bool
    """Whether one worker with the sqlite store was measured and would keep up too."""


def size(question: Question, measured: Measured) -> Plan:
    """What a night takes, from the costs of a measured machine."""
    cost = SIZES[question.survey]
    mean_per_s = question.alerts_per_night / (question.hours_per_night * 3600.0)
    peak_per_s = mean_per_s * question.peak
    visit_alerts = peak_per_s * VISIT_S
    slow_per_s, fast_per_s = measured.worker_per_s()
    workers = _workers(peak_per_s, fast_per_s), _workers(peak_per_s, slow_per_s)
    collections = _collections(question, cost)
    drains = measured.drains
    cpu_ms = {
        "workers": [drain.workers_ms for drain in drains],
        "Kafka brokers": [drain.broker_ms for drain in drains],
        "MongoDB": [drain.mongodb_ms for drain in drains],
    }
    cores = {
        name: (peak_per_s * min(each) / 1000.0 / BUSY_AT_PEAK, peak_per_s * max(each) / 1000.0 / BUSY_AT_PEAK)
        for name, each in cpu_ms.items()
    }
    both = (workers[0], fast_per_s), (workers[1], slow_per_s)
    visit_fast, visit_slow = (visit_alerts / (count * rate) for count, rate in both)
    catch_fast, catch_slow = (_catch_up_s(question, peak_per_s, count, rate) for count, rate in both)
    largest_gb = ROOM * max(drain.rss_mb for drain in drains) / 1000.0
    return Plan(
        question,
        mean_per_s,
        peak_per_s,
        visit_alerts,
        (slow_per_s, fast_per_s),
        workers,
        cores,
        (visit_fast, visit_slow),
        (catch_fast, catch_slow),
        _memory(question, cost, peak_per_s, workers, largest_gb, collections),
        _network(question, cost, peak_per_s),
        _partitions(workers[1]),
        _topics(question, cost),
        collections,
        _tables(question, cost),
        question.alerts_per_night * cost.first_object * cost.object_share,
        peak_per_s <= (measured.sqlite_per_s or 0.0) * BUSY_AT_PEAK,
    )


def _workers(peak_per_s: float, worker_per_s: float) -> int:
    return math.ceil(peak_per_s / (worker_per_s * BUSY_AT_PEAK)) + 1


def _catch_up_s(question: Question, peak_per_s: float, workers: int, worker_per_s: float) -> float:
    """How long those that are left take for what waited until the lost one's session ended [s]."""
    waited = peak_per_s / workers * question.session_timeout_s
    return waited / ((workers - 1) * worker_per_s - peak_per_s)


def _memory(
    question: Question, cost: Sizes, peak_per_s: float, workers: tuple[int, int], each_gb: float,
    collections: tuple[Kept, ...],
) -> dict[str, Range]:  # fmt: skip
    copied = cost.packet_packed if question.copy_days else 0.0
    cached_gb = peak_per_s * CACHED_S * (copied + _sent_packed(question, cost)) * question.replication / 1e9
    broker_gb = BROKER_HEAP_GB * question.replication + cached_gb
    objects = next(kept for kept in collections if kept.name == "objects")
    read = cost.object + question.alerts_per_object * cost.rows_per_alert * cost.row
    touched_gb = (question.alerts_per_night * read + objects.index_bytes) / 1e9
    whole_gb = (objects.steady_bytes or 0.0) / cost.object_share / 1e9
    return {
        "workers": (workers[0] * each_gb, workers[1] * each_gb),
        "Kafka brokers": (broker_gb, broker_gb),
        "MongoDB": (max(min(touched_gb, whole_gb), LEAST_MEMORY_GB), max(whole_gb, LEAST_MEMORY_GB)),
    }


def _network(question: Question, cost: Sizes, peak_per_s: float) -> dict[str, float]:
    def mbit(size: float) -> float:
        return peak_per_s * size * 8 / 1e6

    copied = cost.packet_packed if question.copy_days else 0.0
    sent = _sent_packed(question, cost)
    rows = cost.rows_per_alert * cost.row
    written = cost.seen + cost.alert + rows + bool(question.cutouts_days) * question.scored_share * cost.cutouts
    return {
        "the survey's packets, to MirrorMaker, and the same from it": mbit(copied),
        "the survey's packets, to the workers": mbit(cost.packet_packed),
        "scores and embeddings, to the brokers": mbit(sent),
        "between brokers, for the copies": mbit((copied + sent) * (question.replication - 1)),
        "to each subscriber of all scores": mbit(question.scored_share * cost.scored_packed),
        "workers to MongoDB": mbit(written),
        "MongoDB to workers": mbit(rows * question.alerts_per_object),
    }


def _sent_packed(question: Question, cost: Sizes) -> float:
    """Bytes on our topics, an alert of the survey."""
    return question.scored_share * sum(_messages(question, cost))


def _messages(question: Question, cost: Sizes) -> tuple[float, float]:
    """Bytes of a score and of an embedding on our topics."""
    if question.framed:
        return cost.scored_packed, cost.embedding_packed
    return cost.scored_packed + cost.scored_schema_packed, cost.embedding_packed + cost.embedding_schema_packed


def _partitions(workers: int) -> dict[str, int]:
    ours = {plan.name: plan.partitions for plan in TOPICS if plan.name in ("scored", "embeddings", "dead_letters")}
    return {"the survey's topic, at least": workers, "better": PARTITIONS_PER_WORKER * workers} | ours


def _topics(question: Question, cost: Sizes) -> tuple[Kept, ...]:
    days = {plan.name: float(plan.retention_d or 0) for plan in TOPICS}
    n, share = question.alerts_per_night, question.scored_share
    scored, embedding = _messages(question, cost)
    nightly = {
        "scored": (days["scored"], n * share * scored),
        "embeddings": (days["embeddings"], n * share * embedding),
        "dead_letters": (days["dead_letters"], n * DEAD_SHARE * cost.packet),
    }
    if question.copy_days:
        nightly = {"the survey's, copied": (question.copy_days, n * cost.packet_packed)} | nightly
    return tuple(
        Kept(name, kept, night, night * kept * question.replication) for name, (kept, night) in nightly.items()
    )


def _collections(question: Question, cost: Sizes) -> tuple[Kept, ...]:
    n, share = question.alerts_per_night, question.scored_share
    objects = n / question.alerts_per_object
    rows = n * cost.rows_per_alert * cost.row
    nightly = (
        ("seen", question.seen_days, n * cost.seen_packed, n),
        ("alerts", question.alerts_days, n * cost.alert_packed, n),
        ("objects", question.light_curves_days, (objects * cost.object + rows) * cost.object_share, objects),
        ("cutouts", question.cutouts_days, n * share * cost.cutouts_packed, n * share),
    )
    return tuple(_kept(name, days, night, documents) for name, days, night, documents in nightly if days)


def _kept(name: str, days: float, night: float, documents: float) -> Kept:
    index = documents * INDEXES[name] * INDEX_ENTRY * days
    return Kept(name, days, night, night * days + index, index)


def _tables(question: Question, cost: Sizes) -> tuple[Kept, ...]:
    scored = question.alerts_per_night * question.scored_share
    index = scored * INDEXES["scored_alerts"] * INDEX_ENTRY
    return (
        Kept("scores.parquet", None, scored * cost.parquet, None),
        Kept("embeddings.lance", None, scored * cost.lance, None),
        Kept("scored_alerts (MongoDB)", None, scored * cost.document_packed + index, None, index),
    )
