"""Workers are killed and frozen while alerts pass; a subscriber has each score exactly once.

CHAOS_ALERTS and CHAOS_KILLS make it longer.
"""

from __future__ import annotations

import io
import itertools
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastavro
import pytest

from scripts.services import KafkaServer
from tests.fakes import night
from tests.services.fixtures import Kafka
from tests.services.running import Service, service, unique, until

ALERTS = int(os.environ.get("CHAOS_ALERTS", "1200"))
KILLS = int(os.environ.get("CHAOS_KILLS", "4"))

RECOVERED_S = 15.0
"""What was killed must score again within this time [s]."""


@pytest.fixture(scope="module")
def payloads() -> list[bytes]:
    """Both surveys' alerts, taking turns; the default selections pass all of them or filter them by their metadata."""
    halves = [night(survey, ALERTS // 2, seed=11) for survey in ("ztf", "lsst")]
    return list(itertools.chain.from_iterable(zip(*halves, strict=True)))


def settings(home: Kafka, database: str, uri: str, topic: str, cluster: dict[str, Any] | None) -> dict[str, Any]:
    stream = {"topics": [topic]} | ({"cluster": cluster["name"]} if cluster else {})
    return {
        "deployment": unique("chaos"),
        "kafka": {"bootstrap": home.bootstrap, "topic_prefix": unique("chaos"), "session_timeout_s": 3},
        "clusters": [cluster] if cluster else [],
        "streams": [stream],
        "batch": {"max_alerts": 32},
        "state": {"store": "mongodb", "mongodb": {"uri": uri, "database": database}},
        # Everything is scored, so that what is expected is plain.
        "selections": {
            "ztf": [{"name": "all", "solar_system": True}],
            "lsst": [{"name": "all", "solar_system": True}],
        },
    }


def scored(home: Kafka, prefix: str) -> Counter[tuple[Any, ...]]:
    """The keys of all scores that a read-committed subscriber has."""
    found: Counter[tuple[Any, ...]] = Counter()
    for message in home.read(f"{prefix}.scored"):
        for record in fastavro.reader(io.BytesIO(message.value() or b"")):
            assert isinstance(record, dict)
            found[tuple(record[name] for name in ("survey", "alert_id", "model", "version", "revision"))] += 1
    return found


def trouble(running: Service, home: Kafka, chunks: Iterator[list[bytes]], send: Callable[[list[bytes]], None]) -> None:
    """Kills workers while chunks of alerts come, and freezes one past its session once."""
    chance = random.Random(3)
    for turn in range(KILLS):
        send(next(chunks))
        until(running.worker_pids, "a worker runs")
        before = len(home.read(f"{running.prefix}.scored"))
        until(lambda: len(home.read(f"{running.prefix}.scored")) > before, "scores come")  # noqa: B023
        time.sleep(chance.uniform(0.0, 0.2))
        victim = chance.choice(running.worker_pids())
        if turn == KILLS // 2:
            os.kill(victim, signal.SIGSTOP)
            send(next(chunks))
            time.sleep(12.0)  # past its session, and past the time-out of a transaction that it may have open
            os.kill(victim, signal.SIGCONT)
        else:
            os.kill(victim, signal.SIGKILL)
            until(lambda: victim not in running.worker_pids(), "the worker is gone")  # noqa: B023


def check(home: Kafka, source: Kafka, folder: Path, database: str, uri: str, payloads: list[bytes]) -> None:
    topic = source.topic("alerts", partitions=6)
    is_other = source is not home
    cluster = {"name": "survey", "bootstrap": source.bootstrap} if is_other else None
    size = len(payloads) // (KILLS + 1)
    chunks = iter([payloads[start : start + size] for start in range(0, size * (KILLS + 1), size)])
    sent = 0

    def send(chunk: list[bytes]) -> None:
        nonlocal sent
        source.produce(topic, [(None, payload) for payload in chunk])
        sent += len(chunk)

    configuration = settings(home, database, uri, topic, cluster)
    with service(folder, configuration, workers=2) as running:
        running.wait_ready()
        trouble(running, home, chunks, send)
        until(lambda: len(scored(home, running.prefix)) >= sent, "every alert is scored")
        running.wait_ready()
        time.sleep(1.0)
    keys = scored(home, running.prefix)
    assert set(keys.values()) == {1}
    assert len(keys) == sent


def test_each_score_is_there_exactly_once_from_the_home_cluster(
    kafka: Kafka, mongodb_uri: str, mongodb_database: str, tmp_path: Path, payloads: list[bytes]
) -> None:
    check(kafka, kafka, tmp_path, mongodb_database, mongodb_uri, payloads)


def test_each_score_is_there_exactly_once_from_a_surveys_own_cluster(
    kafka: Kafka,
    start_kafka: Callable[..., KafkaServer],
    mongodb_uri: str,
    mongodb_database: str,
    tmp_path: Path,
    payloads: list[bytes],
) -> None:
    check(kafka, Kafka(start_kafka().client()), tmp_path, mongodb_database, mongodb_uri, payloads)
