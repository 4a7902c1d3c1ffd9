"""What must hold of a worker's figures: each event counted once, and nothing shown of what is gone."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import AltAz, EarthLocation, get_sun
from astropy.time import Time
from astropy.utils import iers
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client import Counter as PrometheusCounter

from streamer.health import Health, HealthServer
from streamer.kafka.lane import Lane
from streamer.metrics import SinkMetrics, WorkerMetrics
from streamer.metrics.definitions import SINK, WORKER
from streamer.metrics.histogram import BatchHistogram
from streamer.metrics.recent import RecentRate, RecentValues
from streamer.metrics.sun import SITES, altitude_deg
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
    alerts=Counter(ztf=8),
    classes=Counter({("ztf", "SN I"): 3, ("ztf", "unclassified"): 1}),
    young=Counter({("ztf", "SN I"): 1}),
    selections=Counter({("ztf", "real"): 4, ("ztf", "bright"): 1}),
    top_scores=Counter({("ztf", 0.41): 2, ("lsst", 0.98): 1}),
    set_sizes=Counter({("ztf", 2): 2}),
    novelties=Counter({("ztf", 0.3): 2}),
    missing=Counter({("ztf", "spectrum"): 4}),
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


def samples(metrics: WorkerMetrics | SinkMetrics, name: str) -> dict[tuple[str, ...], float]:
    """The values of one series by its labels' values, the labels in their own order."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == name
    }


def counted(metrics: WorkerMetrics | SinkMetrics, name: str) -> dict[tuple[str, ...], float]:
    """As `samples`, without those that stand at zero."""
    return {labels: value for labels, value in samples(metrics, name).items() if value}


def test_what_may_be_counted_is_shown_from_zero_on(metrics: WorkerMetrics) -> None:
    metrics.selects("lsst", ["real", "rare"])
    for name, labels in (
        ("messages_total", ("dead_letter", "truncated")),
        ("messages_total", ("dead_letter", "processing_error")),
        ("failures_total", ("store_away",)),
        ("alerts_total", ("ztf",)),
        ("scores_total", ("lsst", "TDE")),
        ("young_scores_total", ("ztf", "unclassified")),
        ("selections_total", ("lsst", "rare")),
        ("modality_missing_total", ("ztf", "spectrum")),
        ("quality_flags_total", ("lsst", "edge")),
        ("novelty_ratio_bucket", ("ztf", "0.9")),
    ):
        assert samples(metrics, f"streamer_{name}")[labels] == 0


def test_every_message_of_a_batch_is_counted_under_one_outcome(metrics: WorkerMetrics) -> None:
    for _ in range(2):
        metrics.batch(BATCH, STAGES, 5_000, np.array([]))
    outcomes = counted(metrics, "streamer_messages_total")
    assert outcomes == {
        ("scored", ""): 8,
        ("duplicate", ""): 2,
        ("filtered", "no_selection"): 6,
        ("dead_letter", "unknown_schema"): 4,
    }
    assert sum(outcomes.values()) == 20
    assert counted(metrics, "streamer_scores_total") == {("ztf", "SN I"): 6, ("ztf", "unclassified"): 2}
    assert counted(metrics, "streamer_unclassified_total") == {("too_few_points",): 2}
    assert counted(metrics, "streamer_uncalibrated_total") == {("ztf",): 4}
    assert counted(metrics, "streamer_quality_flags_total") == {("ztf", "dipole"): 4}
    assert counted(metrics, "streamer_alerts_total") == {("ztf",): 16}
    assert counted(metrics, "streamer_young_scores_total") == {("ztf", "SN I"): 2}
    assert counted(metrics, "streamer_selections_total") == {("ztf", "real"): 8, ("ztf", "bright"): 2}
    assert counted(metrics, "streamer_modality_missing_total") == {("ztf", "spectrum"): 8}
    assert counted(metrics, "streamer_top_score_ratio_count") == {("ztf",): 4, ("lsst",): 2}
    assert samples(metrics, "streamer_top_score_ratio_sum")["ztf",] == pytest.approx(1.64)
    assert counted(metrics, "streamer_prediction_set_classes_sum") == {("ztf",): 8}
    assert samples(metrics, "streamer_novelty_ratio_bucket")["ztf", "0.3"] == 4
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


def test_the_state_that_is_shown_is_the_one_that_is_said(metrics: WorkerMetrics) -> None:
    def shown() -> list[str]:
        return [state for (state,), value in samples(metrics, "streamer_worker_state").items() if value]

    assert shown() == ["starting"]
    metrics.assigned(LANES[:1])
    assert shown() == ["running"]
    metrics.parked({LANES[0]: "asking"})
    assert shown() == ["parked"]
    metrics.assigned(LANES[1:])
    assert shown() == ["running"]
    metrics.enter("waiting")
    assert shown() == ["waiting"] == [metrics.status().state]


def test_what_is_missing_is_shown_as_long_as_it_is(metrics: WorkerMetrics) -> None:
    metrics.missing(["the Kafka cluster home (b:1) has no topic ztf", "another"])
    assert samples(metrics, "streamer_missing_topics") == {(): 2}
    assert metrics.status().missing == ["the Kafka cluster home (b:1) has no topic ztf", "another"]
    metrics.missing([])
    assert samples(metrics, "streamer_missing_topics") == {(): 0}


def test_changes_of_the_partitions_are_counted_and_words_without_a_change_are_not(metrics: WorkerMetrics) -> None:
    for lanes in (LANES, LANES, LANES[1:], LANES[1:]):
        metrics.assigned(lanes)
    assert samples(metrics, "streamer_assignments_total") == {(): 2}


def test_the_suns_altitude_is_that_of_the_clock(metrics: WorkerMetrics, clock: Clock) -> None:
    clock.now = Time("2026-06-21T04:00", scale="utc").unix
    night = samples(metrics, "streamer_sun_altitude_degrees")
    clock.now += 43_200
    day = samples(metrics, "streamer_sun_altitude_degrees")
    assert night["lsst",] < -12 < 12 < day["lsst",]


@pytest.mark.parametrize("survey", sorted(SITES))
@pytest.mark.parametrize("when", ["2025-03-20T03:00", "2026-06-21T16:30", "2025-12-01T23:59:30"])
def test_the_suns_altitude_is_astropys(survey: str, when: str) -> None:
    time, site = Time(when, scale="utc"), SITES[survey]
    place = EarthLocation(lat=site.latitude_deg * u.deg, lon=site.longitude_deg * u.deg)
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("iers_degraded_accuracy", "ignore"):
        expected = get_sun(time).transform_to(AltAz(obstime=time, location=place)).alt.deg
    assert altitude_deg(time.unix, site) == pytest.approx(expected, abs=0.03)


def test_a_histogram_counts_as_prometheus_own() -> None:
    registry, theirs = CollectorRegistry(), CollectorRegistry()
    ours = BatchHistogram("waits_seconds", "Waits.", ("who",), registry=registry, buckets=(0.1, 1, 10))
    own = Histogram("waits_seconds", "Waits.", ("who",), registry=theirs, buckets=(0.1, 1, 10))
    values = [0.05, 0.1, 0.2, 1.0, 3.0, 10.0, 11.0, -1.0]
    ours.observe([*values, np.nan], "me")
    ours.observe(2.5, "you", times=3)
    for value in values:
        own.labels("me").observe(value)
    for _ in range(3):
        own.labels("you").observe(2.5)
    assert generate_latest(registry) == generate_latest(theirs)
    with pytest.raises(ValueError, match="has the labels"):
        ours.observe(1.0)


def test_a_sink_shows_what_it_has_written_and_what_waits() -> None:
    sink = SinkMetrics(sink="parquet", deployment="night-watch", host="node-1", software="0.1.0", clock=lambda: T0)
    sink.waiting(7)
    sink.written(10, 2, 0.3)
    sink.lag({("scored", 0): 5, ("scored", 1): 0})
    sink.lag({("scored", 1): 1})
    sink.failed("away")
    assert samples(sink, "streamer_sink_messages_total") == {("parquet", "written"): 8, ("parquet", "unreadable"): 2}
    assert samples(sink, "streamer_sink_waiting_messages") == {("parquet",): 7}
    assert samples(sink, "streamer_sink_lag_messages") == {("parquet", "scored", "1"): 1}
    assert samples(sink, "streamer_sink_write_seconds_sum") == {("parquet",): 0.3}
    assert samples(sink, "streamer_sink_last_write_timestamp_seconds") == {("parquet",): T0}
    assert samples(sink, "streamer_failures_total") == {("away",): 1}
    assert samples(sink, "streamer_build_info") == {("night-watch", "parquet", "node-1", "0.1.0"): 1}


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
    assert counted(metrics, "streamer_failures_total") == {("store_away",): 1, ("taken_back",): 2}
    error = metrics.status().last_error
    assert error is not None
    assert (error.kind, error.text, error.when.timestamp()) == ("taken_back", "fenced again", T0 + 5)


def test_log_lines_are_counted_by_level_from_zero_on(metrics: WorkerMetrics) -> None:
    sink = SinkMetrics(sink="parquet", deployment="night", host="h", software="1")
    for shown in (metrics, sink):
        assert set(samples(shown, "streamer_log_messages_total").values()) == {0}
        for level in ("warning", "error", "warning"):
            shown.logged(level)
        assert samples(shown, "streamer_log_messages_total") == {("warning",): 2, ("error",): 1, ("critical",): 0}


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


UNIT_ENDINGS = {"s": "_seconds", "s since 1970": "_timestamp_seconds", "deg": "_degrees", "bytes": "_bytes"}


def test_names_keep_the_rules_of_prometheus_and_every_metric_is_in_the_table(metrics: WorkerMetrics) -> None:
    metrics.batch(BATCH, STAGES, 1, np.array([0.1]))
    sink = SinkMetrics(sink="parquet", deployment="d", host="h", software="1")
    for figures, table in ((metrics, WORKER), (sink, SINK)):
        server = HealthServer("127.0.0.1", 0, figures.registry, Health(("models",)))
        shown = generate_latest(figures.registry).decode()
        server.stop()
        own = set(re.findall(r"^# HELP (streamer_\w+)", shown, re.MULTILINE))
        assert own == {definition.name for definition in table}
        assert "_created" not in shown
        assert "process_resident_memory_bytes" in shown
    for definition in {*WORKER, *SINK}:
        name = definition.name.removesuffix("_total")
        assert name.endswith(UNIT_ENDINGS.get(definition.unit, ""))
        assert (name != definition.name) == (definition.kind is PrometheusCounter)
        assert not name.endswith("_ratio") or definition.unit == "1"
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
    assert counted(other, "streamer_messages_total") == {}
