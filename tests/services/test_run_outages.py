"""What `streamer run` does when what it stands on goes away amid the work, and comes back."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.surveys.tables import survey_schema
from scripts.services import KafkaServer
from tests.fakes import night
from tests.services.fixtures import Kafka
from tests.services.registry import SchemaRegistry
from tests.services.running import Scores, Service, service, settings, until

NEW_ID = 9_900
"""A schema that this software does not bring along."""


def rows(payloads: list[bytes]) -> list[tuple[None, bytes]]:
    return [(None, payload) for payload in payloads]


def newest_status(running: Service, kafka: Kafka) -> dict[str, Any]:
    """The worker's last word; empty before its first."""
    words = kafka.read(f"{running.prefix}.status")
    return json.loads(words[-1].value() or b"{}") if words else {}


def test_a_registry_in_trouble_holds_up_its_lane_only_and_nothing_is_lost(
    kafka: Kafka, schema_registry: SchemaRegistry, tmp_path: Path
) -> None:
    topic = kafka.topic("alerts", partitions=2)
    schema_registry.add(survey_schema("lsst", "11.1"), NEW_ID)
    schema_registry.status = 500
    lsst = [b"\0" + NEW_ID.to_bytes(4, "big") + payload[5:] for payload in night("lsst", 10)]
    ztf = night("ztf", 20)
    registry = {"url": schema_registry.url, "cache_folder": str(tmp_path / "cache"), "timeout_s": 0.5}
    with service(tmp_path, settings(kafka.bootstrap, tmp_path, [topic], lsst_registry=registry)) as running:
        running.wait_ready()
        kafka.produce(topic, rows(lsst), partition=0)
        kafka.produce(topic, rows(ztf[:10]), partition=1)
        with Scores(kafka, f"{running.prefix}.scored") as scores:
            scores.wait(10)
            running.wait_said("is in trouble (HTTP 500)")
            until(lambda: running.count("streamer_parked_lane") == 1, "the lane is shown as parked")
            parked = until(lambda: newest_status(running, kafka)["parked"], "the status says so")
            assert [(lane["topic"], lane["partition"]) for lane in parked] == [(topic, 0)]
            schema_registry.status, schema_registry.delay_s = None, inf
            running.wait_said("does not answer within 0.5 s")
            kafka.produce(topic, rows(ztf[10:]), partition=1)
            scores.wait(20)
            schema_registry.stop()
            schema_registry.delay_s = 0.0
            schema_registry.start()
            scores.wait(30)
            assert set(scores.seen.values()) == {1}
            until(lambda: running.count("streamer_parked_lane") == 0, "nothing is parked any more")
        assert kafka.read(f"{running.prefix}.dead_letters") == []


def test_a_broker_that_is_started_anew_costs_no_score_and_doubles_none(
    start_kafka: Callable[..., KafkaServer], tmp_path: Path
) -> None:
    server = start_kafka()
    kafka = Kafka(server.client())
    topic, alerts = kafka.topic("alerts", partitions=3), rows(night("ztf", 150))
    given = settings(kafka.bootstrap, tmp_path, [topic], batch={"max_alerts": 16})
    with service(tmp_path, given) as running:
        running.wait_ready()
        kafka.produce(topic, alerts[:100])
        with Scores(kafka, f"{running.prefix}.scored") as scores:
            scores.wait(10)
            server.stop()
            server.start()
            kafka.produce(topic, alerts[100:])
            scores.wait(150)
            assert set(scores.seen.values()) == {1}
        # The broker may take the worker for another, or need longer than its patience: then it starts anew.
        assert running.said().count("started again") < 5
        assert "Traceback" not in running.said()


def test_a_service_goes_on_where_it_was_stopped_and_says_what_was_deleted_meanwhile(
    kafka: Kafka, tmp_path: Path
) -> None:
    topic, alerts = kafka.topic("alerts"), rows(night("ztf", 30))
    running = Service(tmp_path, 1, settings(kafka.bootstrap, tmp_path, [topic]))
    running.start()
    try:
        kafka.produce(topic, alerts[:10])
        running.wait_ready()
        with Scores(kafka, f"{running.prefix}.scored") as scores:
            scores.wait(10)
            assert running.stop() == 0
            assert newest_status(running, kafka)["state"] == "stopping"

            kafka.produce(topic, alerts[10:20])
            running.start()
            scores.wait(20)
            assert set(scores.seen.values()) == {1}
            assert running.stop() == 0

            kafka.produce(topic, alerts[20:25])
            admin = AdminClient(kafka.client)
            admin.delete_records([TopicPartition(topic, 0, 25)])[TopicPartition(topic, 0)].result(30)
            kafka.produce(topic, alerts[25:])
            running.start()
            scores.wait(25)
            running.wait_said(f"home:{topic}:0: offset 20 is no more (the topic holds 25 to 30): goes on at 25.")
            assert running.count("streamer_failures_total") == 1
            assert scores.look() == 25
            assert set(scores.seen.values()) == {1}
    finally:
        running.stop()
