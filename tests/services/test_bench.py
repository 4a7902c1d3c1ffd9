"""The benches of the service: every alert scored once, figures that fit together, and nothing left behind."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pymongo
import pytest
import yaml
from confluent_kafka.admin import AdminClient

from schemas.surveys.lsst import LsstReader
from schemas.surveys.ztf import ZtfReader
from streamer.bench import deployment, sizes
from streamer.bench import kafka as bench
from streamer.bench.alerts import AlertPool
from streamer.bench.workloads import workloads
from streamer.errors import UserError
from streamer.settings import Settings, load_settings
from streamer.sizing.costs import SIZES
from streamer.sources.memory import MemorySource
from tests.services.fixtures import Kafka
from tests.services.running import STREAMER, until


@pytest.fixture
def config(kafka: Kafka, mongodb_uri: str, tmp_path: Path) -> Path:
    path = tmp_path / "servers.yaml"
    home = {"bootstrap": kafka.bootstrap, "session_timeout_s": 3}
    state = {"store": "mongodb", "mongodb": {"uri": mongodb_uri}}
    path.write_text(yaml.safe_dump({"kafka": home, "state": state}))
    return path


@pytest.fixture
def settings(config: Path) -> Settings:
    return load_settings(config)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "POOL_PACKETS", 12)
    monkeypatch.setattr(bench, "WARM_UP_S", 0.5)


def left_behind(kafka: Kafka, uri: str) -> list[str]:
    """Topics, groups and databases whose names are the bench's."""
    admin = AdminClient(kafka.client)
    with pymongo.MongoClient[dict[str, Any]](uri) as client:
        names = [*client.list_database_names(), *admin.list_topics(timeout=10.0).topics]
    names += [group.group_id for group in admin.list_consumer_groups().result(10.0).valid]
    return [name for name in names if name.startswith("bench-")]


def test_a_backlog_drains_over_an_empty_and_a_filled_store(kafka: Kafka, mongodb_uri: str, settings: Settings) -> None:
    report = bench.bench_kafka(settings, None, 700, [1], "mongodb", lambda text: None)
    assert [(case["workers"], case["filled"]) for case in report["cases"]] == [(1, False), (1, True)]
    for case in report["cases"]:
        assert case["outcomes"] == {"scored": 700}
        assert 0 < case["measured_alerts"] <= 700
        assert case["alerts_per_s"] > 0
        assert {"decode", "classify", "commit", "transaction"} <= case["stage_ms"].keys()
        assert {"workers", "bench"} <= case["cpu_ms"].keys()
        assert case["modalities"]["light_curve"] == case["modalities"]["spectrum"] == 1.0
        assert all(len(case["rss_mb"][name]) == 1 for name in ("start", "middle", "end"))
    assert report["aim_alerts_per_s"] == 540
    assert left_behind(kafka, mongodb_uri) == []


def test_latency_is_taken_of_every_alert_after_the_warm_up(kafka: Kafka, mongodb_uri: str, settings: Settings) -> None:
    report = bench.bench_latency(settings, None, 40.0, 2.0, 1, "mongodb", lambda text: None)
    assert (report["alerts"], report["rate_per_s"], report["aim_p99_ms"]) == (80, 40.0, 500)
    assert report["outcomes"] == {"scored": 100}
    assert 0 < report["p50_ms"] <= report["p95_ms"] <= report["p99_ms"] <= report["max_ms"]
    assert left_behind(kafka, mongodb_uri) == []


def test_too_few_alerts_are_refused_with_what_to_raise(kafka: Kafka, mongodb_uri: str, settings: Settings) -> None:
    with pytest.raises(UserError, match=r"^1 alerts/s for 1 s are 1, and 10 are needed .* raise --rate or --duration$"):
        bench.bench_latency(settings, None, 1.0, 1.0, 1, "mongodb", lambda text: None)
    with pytest.raises(UserError, match=r"^1 alerts were scored all at once, which gives no rate: raise --alerts$"):
        bench.bench_kafka(settings, None, 1, [1], "mongodb", lambda text: None)
    assert left_behind(kafka, mongodb_uri) == []


def test_the_sqlite_store_is_measured_with_one_worker_only(settings: Settings) -> None:
    with pytest.raises(UserError, match=r"^the sqlite store serves one worker: add --workers 1"):
        bench.bench_kafka(settings, None, 100, [1, 2], "sqlite", lambda text: None)


def test_bytes_of_an_alert_are_those_that_sizing_reckons_with(
    kafka: Kafka, mongodb_uri: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "PACKETS", 60)
    report = sizes.bench_sizes(settings, None, lambda text: None)
    assert report.keys() == SIZES.keys()
    for survey, cost in SIZES.items():
        found, documents = report[survey]["topics"]["framed"], report[survey]["mongodb"]
        assert report[survey]["alerts"] == documents["seen"]["documents"] == documents["alerts"]["documents"] == 60
        written = {
            "scored": found["scored"]["bytes"],
            "embedding": found["embeddings"]["bytes"],
            "seen": documents["seen"]["bytes"],
            "alert": documents["alerts"]["bytes"],
            "object": documents["objects"]["without_rows"],
            "row": documents["objects"]["row_bytes"],
            "cutouts": documents["cutouts"]["bytes"],
            "document": documents["scored_alerts"]["bytes"],
        }
        for name, size_bytes in written.items():
            assert size_bytes == pytest.approx(getattr(cost, name), rel=0.15), (survey, name)
        assert 0 < documents["alerts"]["packed"] < documents["alerts"]["bytes"]
        assert found["scored"]["packed"] < found["scored"]["bytes"]
        assert report[survey]["tables"].keys() == {"scores.parquet", "embeddings.lance"}
    assert left_behind(kafka, mongodb_uri) == []


def test_ctrl_c_leaves_nothing_behind(kafka: Kafka, mongodb_uri: str, config: Path) -> None:
    before = set(left_behind(kafka, mongodb_uri))
    command = [STREAMER, "bench", "latency", "--config", config, "--duration", "100"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: set(left_behind(kafka, mongodb_uri)) - before, "the bench has begun")
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert set(left_behind(kafka, mongodb_uri)) == before


def test_a_server_that_is_away_is_named_with_what_starts_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployment, "REACH_S", 3.0)
    away = settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"bootstrap": "127.0.0.1:9"})})
    with pytest.raises(UserError, match=r"127\.0\.0\.1:9.*make services"):
        bench.bench_kafka(away, None, 100, [1], "mongodb", lambda text: None)
    state = settings.state.model_copy(
        update={"mongodb": settings.state.mongodb.model_copy(update={"uri": "mongodb://127.0.0.1:9"})}
    )
    with pytest.raises(UserError, match=r"127\.0\.0\.1:9.*make services"):
        bench.bench_kafka(settings.model_copy(update={"state": state}), None, 100, [1], "mongodb", lambda text: None)


def test_alerts_of_the_pool_differ_in_their_ids_only() -> None:
    works = workloads(None, 24)
    pool = AlertPool(works)
    for place, (work, reader) in enumerate(zip(works, (LsstReader(), ZtfReader()), strict=True)):
        numbers = range(place, 40, 2)
        payloads = [pool.payload(number, visit) for visit in (0, 1) for number in numbers]
        alerts, rejected = reader.read(list(MemorySource(payloads)))
        assert len(rejected) == 0
        assert len(set(alerts.alert_id.tolist())) == 2 * len(numbers)
        assert alerts.object_id == [pool.object_id(number) for number in numbers] * 2
        of_pool, _ = reader.read(list(MemorySource(work.payloads)))
        assert set(alerts.mjd_tai.tolist()) <= set(of_pool.mjd_tai.tolist())
        assert set(np.diff(alerts.row_offsets).tolist()) <= set(np.diff(of_pool.row_offsets).tolist())
