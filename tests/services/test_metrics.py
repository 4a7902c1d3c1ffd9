"""A real Prometheus takes what a worker shows, and finds in it what the pipeline did."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import numpy as np

from scripts.services import PrometheusServer
from scripts.services.programs import program
from streamer.factory.pipeline import build_pipeline
from streamer.health import Health, HealthServer
from streamer.kafka.lane import Lane
from streamer.metrics import WorkerMetrics
from streamer.settings import Settings
from streamer.sinks.memory import MemoryDeadLetterSink, MemorySink
from streamer.state.sqlite import SqliteObjectStore
from tests.fakes import CountingClassifier, PlainQuality, night, packets
from tests.services.test_prometheus_server import ask


def test_prometheus_finds_what_a_running_pipeline_did(
    prometheus: Callable[[list[str]], PrometheusServer], tmp_path: Path
) -> None:
    metrics = WorkerMetrics(
        deployment="night-watch",
        slot="node-1-0",
        host="node-1",
        software="0.1.0",
        model="counting",
        model_version="1",
        bundle_hash="0",
        store="sqlite",
        metrics_url="",
    )
    taken = packets([*night("ztf", 40), *night("lsst", 20), b"foreign bytes"])
    with SqliteObjectStore(tmp_path / "state", 1_000_000) as store:
        pipeline = build_pipeline(
            Settings(),
            store,
            [MemorySink()],
            MemoryDeadLetterSink(),
            None,
            CountingClassifier(),
            quality=PlainQuality(),
        )
        outcomes = pipeline.process(taken)
    size_bytes = sum(len(packet.payload) for packet in taken)
    metrics.batch(outcomes, pipeline.seconds, size_bytes, np.full(61, 0.2))
    lane = Lane("home", "ztf", 3)
    metrics.assigned([lane])
    metrics.lag({lane: 7})
    metrics.parked({lane: "the registry answers 500"})
    metrics.failed("store_away", "MongoDB is away")

    server = HealthServer("127.0.0.1", 0, metrics.registry, Health(()))
    server.start()
    try:
        target = f"127.0.0.1:{server.port}"
        with urlopen(f"http://{target}/metrics", timeout=10) as answer:
            shown = answer.read()
        database = prometheus([target])

        def value(query: str) -> float:
            return float(ask(database, query)[0]["value"][1])

        assert value("sum(streamer_messages_total)") == 61
        assert value('streamer_messages_total{outcome="scored"}') == outcomes.scored > 0
        assert value('sum(streamer_scores_total{survey="ztf"})') > 0
        assert value('sum(streamer_messages_total{outcome="dead_letter"})') == 1
        assert value("streamer_received_bytes_total") == size_bytes
        assert value('streamer_stage_seconds_count{stage="classify"}') == 1
        assert 0.15 < value("histogram_quantile(0.99, streamer_latency_seconds_bucket)") <= 0.2
        assert value('streamer_lag_messages{cluster="home",topic="ztf",partition="3"}') == 7
        assert value("process_resident_memory_bytes") > 1e6
        assert ask(database, "streamer_parked_lane")[0]["metric"]["reason"] == "the registry answers 500"
        assert ask(database, "streamer_build_info")[0]["metric"]["slot"] == "node-1-0"
    finally:
        server.stop()
    lint = subprocess.run([program("promtool"), "check", "metrics"], input=shown, capture_output=True, check=False)
    assert (lint.returncode, lint.stdout, lint.stderr) == (0, b"", b"")
