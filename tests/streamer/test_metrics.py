"""What must hold of a worker's figures: each event counted once, and nothing shown of what is gone."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from prometheus_client import generate_latest

from streamer.kafka.lane import Lane
from streamer.metrics import WorkerMetrics
from streamer.metrics.definitions import DEFINITIONS
from streamer.metrics.recent import RecentRate, RecentValues
from streamer.metrics.worker import LATENCIES_MOST
from streamer.outcomes import Outcomes
from streamer.status import WorkerStatus

T0 = 1_800_000_000.0
LANES = [Lane("home", "ztf", 0), Lane("home", "ztf", 1), Lane("rubin", "lsst", 0)]
STAGES = {"decode": 0.003, "classify": 0.12}
BATCH = Outcomes(
    received=10,
    scored=4,
    duplicate=1,
    filtered=Counter(no_selection=3),
    dead_letter=Counter(unknown_schema=2),
    classes=Counter({("ztf", "SN I"): 3, ("ztf", "unclassified"): 1}),
    unclassified=Counter(too_few_points=1),
    uncalibrated=Counter(ztf=2),
    real_scores=Counter({("ztf", 0.03): 2, ("ztf", 0.98): 5}),
    flags=Counter({("ztf", "dipole"): 2}),
)


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = T0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics(clock: Clock) -> WorkerMetrics:
    return WorkerMetrics(
        deployment="night-watch",
        slot="node-1-0",
        host="node-1",
        software="0.1.0",
        model="default",
        model_version="1",
        bundle_hash="abc",
        store="mongodb",
        metrics_url="http://node-1:9464/metrics",
        clock=clock,
    )


def samples(metrics: WorkerMetrics, name: str) -> dict[tuple[str, ...], float]:
    """The values of one series by its labels' values, the labels in their own order."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == name
    }


def test_every_message_of_a_batch_is_counted_under_one_outcome(metrics: WorkerMetrics) -> None:
    for _ in range(2):
        metrics.batch(BATCH, STAGES, 5_000, np.array([]))
    counted = samples(metrics, "streamer_messages_total")
    assert counted == {
        ("scored", ""): 8,
        ("duplicate", ""): 2,
        ("filtered", "no_selection"): 6,
        ("dead_letter", "unknown_schema"): 4,
    }
    assert sum(counted.values()) == 20
    assert samples(metrics, "streamer_scores_total") == {("ztf", "SN I"): 6, ("ztf", "unclassified"): 2}
    assert samples(metrics, "streamer_unclassified_total") == {("too_few_points",): 2}
    assert samples(metrics, "streamer_uncalibrated_total") == {("ztf",): 4}
    assert samples(metrics, "streamer_quality_flags_total") == {("ztf", "dipole"): 4}
    assert samples(metrics, "streamer_received_bytes_total") == {(): 10_000}
    assert samples(metrics, "streamer_batch_messages_sum") == {(): 20}
    assert samples(metrics, "streamer_last_batch_timestamp_seconds") == {(): T0}


def test_real_scores_fall_into_their_buckets(metrics: WorkerMetrics) -> None:
    metrics.batch(BATCH, STAGES, 0, np.array([]))
    shares = samples(metrics, "streamer_real_score_ratio_bucket")
    assert [shares["ztf", bound] for bound in ("0.02", "0.05", "0.95", "0.98", "+Inf")] == [0, 2, 2, 7, 7]


def test_times_fall_into_their_buckets(metrics: WorkerMetrics) -> None:
    metrics.batch(BATCH, STAGES, 0, np.array([0.04, 0.4, 70.0, np.nan, -0.5]))
    stages = samples(metrics, "streamer_stage_seconds_bucket")
    assert (stages["decode", "0.002"], stages["decode", "0.005"]) == (0, 1)
    assert (stages["classify", "0.1"], stages["classify", "0.2"]) == (0, 1)
    latency = samples(metrics, "streamer_latency_seconds_bucket")
    assert [latency[(bound,)] for bound in ("0.01", "0.05", "0.3", "0.5", "60.0", "+Inf")] == [1, 2, 2, 3, 3, 4]


def test_an_alert_from_the_future_counts_as_no_wait_and_one_without_a_time_not_at_all(metrics: WorkerMetrics) -> None:
    metrics.batch(BATCH, STAGES, 0, np.array([np.nan, -3.0]))
    assert samples(metrics, "streamer_latency_seconds_count") == {(): 1}
    assert samples(metrics, "streamer_latency_seconds_sum") == {(): 0}
    assert metrics.status().latency.p99 == 0


def test_lanes_that_were_lost_are_no_longer_shown(metrics: WorkerMetrics) -> None:
    metrics.assigned(LANES)
    metrics.lag(dict.fromkeys(LANES, 7))
    metrics.parked({LANES[0]: "no registry", LANES[2]: "no registry"})
    metrics.assigned(LANES[1:])
    assert samples(metrics, "streamer_assigned_lanes") == {(): 2}
    assert samples(metrics, "streamer_lag_messages") == {("home", "ztf", "1"): 7, ("rubin", "lsst", "0"): 7}
    assert samples(metrics, "streamer_parked_lane") == {("rubin", "lsst", "0", "no registry"): 1}
    assert metrics.status().lag == {"home:ztf": 7, "rubin:lsst": 7}


def test_a_lane_is_parked_for_one_reason_at_a_time(metrics: WorkerMetrics) -> None:
    metrics.assigned(LANES)
    metrics.parked({LANES[0]: "asking"})
    metrics.parked({LANES[0]: "answered 500"})
    assert samples(metrics, "streamer_parked_lane") == {("home", "ztf", "0", "answered 500"): 1}
    metrics.parked({})
    assert samples(metrics, "streamer_parked_lane") == {}


def test_only_a_worker_whose_every_lane_waits_is_parked(metrics: WorkerMetrics) -> None:
    assert metrics.status().state == "starting"
    metrics.assigned(LANES[:2])
    assert metrics.status().state == "running"
    metrics.parked({LANES[0]: "asking"})
    assert metrics.status().state == "running"
    metrics.parked(dict.fromkeys(LANES[:2], "asking"))
    assert metrics.status().state == "parked"
    metrics.enter("stopping")
    assert metrics.status().state == "stopping"


def test_failures_are_counted_by_kind_and_the_last_one_is_kept(metrics: WorkerMetrics, clock: Clock) -> None:
    metrics.failed("store_away", "MongoDB is away")
    clock.now += 5
    metrics.failed("taken_back", "fenced")
    metrics.failed("taken_back", "fenced again")
    assert samples(metrics, "streamer_failures_total") == {("store_away",): 1, ("taken_back",): 2}
    error = metrics.status().last_error
    assert error is not None
    assert (error.kind, error.text, error.when.timestamp()) == ("taken_back", "fenced again", T0 + 5)


def test_a_status_says_who_the_worker_is_and_what_it_did(metrics: WorkerMetrics, clock: Clock) -> None:
    clock.now += 10
    metrics.batch(BATCH, STAGES, 5_000, np.linspace(0.1, 0.3, 101))
    status = WorkerStatus.model_validate_json(metrics.status().model_dump_json())
    assert status == metrics.status()
    assert (status.deployment, status.slot, status.host) == ("night-watch", "node-1-0", "node-1")
    assert (status.model.name, status.model.version, status.model.hash) == ("default", "1", "abc")
    assert (status.started.timestamp(), status.updated.timestamp()) == (T0, T0 + 10)
    assert status.outcomes.model_dump() == {
        "received": 10,
        "scored": 4,
        "filtered": {"no_selection": 3},
        "duplicate": 1,
        "dead_letter": {"unknown_schema": 2},
    }
    assert status.rate == 1.0
    assert (status.latency.p50, status.latency.p95) == (pytest.approx(0.2), pytest.approx(0.29))


def test_a_worker_that_is_idle_for_long_has_no_rate_and_no_latency(metrics: WorkerMetrics, clock: Clock) -> None:
    metrics.batch(BATCH, STAGES, 0, np.array([0.2]))
    clock.now += 100
    assert metrics.status().rate == 0
    assert metrics.status().latency.p50 == 0.2
    clock.now += 300
    assert metrics.status().latency.p50 is None
    assert metrics.status().outcomes.received == 10


def test_a_rate_is_over_its_window_whenever_it_is_asked() -> None:
    rate = RecentRate(60, T0)
    for second in range(600):
        rate.add(270, T0 + second + 0.5)
        assert rate.per_second(T0 + second + 0.9) == pytest.approx(270, rel=0.12 if second > 7 else 1.0)
    assert len(rate._counts) <= 61


def test_of_many_values_the_last_ones_count() -> None:
    values = RecentValues(300.0, LATENCIES_MOST)
    assert values.quantiles((0.5,), T0) == [None]
    for k in range(7):
        values.add(np.full(3_000, float(k)), T0 + k)
    assert values.quantiles((0.0, 1.0), T0 + 7) == [3.0, 6.0]
    values.add(np.arange(2.5 * LATENCIES_MOST), T0 + 8)
    assert values.quantiles((0.0, 1.0), T0 + 8) == [1.5 * LATENCIES_MOST, 2.5 * LATENCIES_MOST - 1]
    assert values.quantiles((0.5,), T0 + 308.5) == [None]


def test_names_keep_the_rules_of_prometheus(metrics: WorkerMetrics) -> None:
    metrics.batch(BATCH, STAGES, 1, np.array([0.1]))
    shown = generate_latest(metrics.registry).decode()
    own = set(re.findall(r"^# HELP (streamer_\w+)", shown, re.MULTILINE))
    assert own == {definition.name for definition in DEFINITIONS}
    assert "_created" not in shown
    assert "process_resident_memory_bytes" in shown
    for definition in DEFINITIONS:
        ending = {"Counter": "_total", "Histogram": ("_seconds", "_messages", "_ratio")}.get(
            definition.kind.__name__, ""
        )
        assert definition.name.endswith(ending)
        assert definition.meaning.endswith(".")


def test_two_workers_in_one_process_share_nothing(metrics: WorkerMetrics, clock: Clock) -> None:
    other = WorkerMetrics(
        deployment="d",
        slot="s",
        host="h",
        software="1",
        model="m",
        model_version="1",
        bundle_hash="0",
        store="sqlite",
        metrics_url="",
        clock=clock,
    )
    metrics.batch(BATCH, STAGES, 1, np.array([]))
    assert samples(other, "streamer_messages_total") == {}
